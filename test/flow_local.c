/* Legs without a wire, in whole calls on virtual time: documents that connect to addresses which run documents. */
#include "local_phone.h"

#include "base/str.h"
#include "call/call_impl.h"

#define TO_BOB "[{connect: {to: /public/bob, answer_on_bridge: true}}"

/* One leg is told of for each destination: that on which the document runs. */
static void one_leg_a_destination(void **state)
{
	const struct local_row rows[] = {
		{ TO_BOB ", hangup]", .phones = PHONE("[{sleep: 3000}, answer, {sleep: 20000}, hangup]"),
		  .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; bob created@0; main ringing@200; bob ringing@200; caller "
			  "ringing@200; bob answered@3000; main answered@3000; main connected@3000; caller "
			  "answered@3000; bob ended hangup 200@23000; main disconnected@23000; main ended hangup "
			  "200@23000; caller ended hangup 200@23000" },
		/* A document that answers at once has never rung. */
		{ TO_BOB ", hangup]", .phones = PHONE("[{play: 'ring:1:us'}]"), .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; bob created@0; bob answered@0; bob play playing@0; main "
			  "answered@0; main connected@0; caller answered@0; bob play finished@1010; bob ended hangup "
			  "200@1010; main disconnected@1010; main ended hangup 200@1010; caller ended hangup "
			  "200@1010" },
		/* connect.md §11 */
		{ TO_BOB "]", .phones = PHONE("[{sleep: 1000}, {hangup: busy}]"), .tells_calls = true,
		  .want = "caller created; main created; bob created; main ringing; bob ringing; caller ringing; bob "
			  "ended busy 486; main failed busy; main ended busy 486; caller ended busy 486" },
		{ TO_BOB "]", .phones = PHONE("[{hangup: decline}]"), .tells_calls = true,
		  .want = "caller created; main created; bob created; bob ended declined 603; main failed declined; "
			  "main ended declined 603; caller ended declined 603" },
		{ TO_BOB "]", .phones = PHONE("[{set: {a: 1}}]"), .tells_calls = true,
		  .want = "caller created; main created; bob created; bob ended hangup 480; main failed no_answer; "
			  "main ended no_answer 480; caller ended no_answer 480" },
		{ TO_BOB "]", .phones = PHONE("nonsense"), .tells_calls = true,
		  .want = "caller created; main created; bob created; bob warns a section is a list of steps, not a "
			  "string; bob ended error 480; main failed error; main ended error 480; caller ended error "
			  "480" },
		/* The document's own hang-up is the other end's, too; and that of a caller is the document's. */
		{ TO_BOB "]", "[{sleep: 1000}, hangup]", .phones = PHONE("[answer, {sleep: -1}]"), .tells_calls = true,
		  .tells_time = true,
		  .want = "caller created@0; main created@0; bob created@0; bob answered@0; main answered@0; main "
			  "connected@0; caller answered@0; main disconnected@1000; caller ended hangup 200@1000; main "
			  "ended hangup 200@1000; bob ended hangup 200@1000" },
		{ "[answer, {connect: /public/bob}]", "[{sleep: 1000}, hangup]", .phones = PHONE("[{sleep: -1}]"),
		  .tells_calls = true, .tells_time = true,
		  .want = "caller created@0; main created@0; main answered@0; caller answered@0; bob created@0; bob "
			  "ringing@200; main failed cancel@1000; caller ended hangup 200@1000; main ended hangup "
			  "200@1000; bob ended cancel 487@1000" },
		/* Two answer in one moment. */
		{ "[{connect: {parallel: [{to: /public/bob}, {to: /public/eve}]}}]",
		  .phones = PHONES("[answer, {sleep: 1000}]", "[answer, {sleep: 1000}]"), .tells_calls = true,
		  .tells_time = true,
		  .want = "caller created@0; main created@0; main answered@0; bob created@0; eve created@0; caller "
			  "answered@0; bob answered@0; eve answered@0; main connected@0; eve ended cancel 200@0; bob "
			  "ended hangup 200@1000; main disconnected@1000; main ended hangup 200@1000; caller ended "
			  "hangup 200@1000" },
	};

	local_tell(rows, ARRAY_LEN(rows));
}

/* Audio before the answer passes, as of any leg that is tried alone. */
static void early_media(void **state)
{
	const struct local_opts opts = {
		.main = TO_BOB "]",
		.phones = PHONE("[{play: {url: 'ring:3:it', auto_answer: false}}, answer, {sleep: 1000}]"),
		.tells_calls = true,
	};
	struct local_world w;

	local_world_open(&w, &opts);
	local_world_dial(&w, "+15550001111");
	local_world_run(&w, 100);
	local_listen(&w);
	local_world_run(&w, 1000);
	CHECK(!call_is_answered(w.main));
	CHECK(local_level(&w, 425, 100, 800) > 500);
	local_world_run(&w, 10000);
	CHECK_STR("caller created; main created; bob created; bob ringing; bob play playing; main ringing; caller "
		  "ringing; bob play finished; bob answered; main answered; main connected; caller answered; bob ended "
		  "hangup 200; main disconnected; main ended hangup 200; caller ended hangup 200",
		  local_story(&w));
	local_check_end(&w);
}

/* Audio and keys of a caller, through the document that connected, to the document that was connected. */
static void both_ways(void **state)
{
	const struct local_row row = {
		"[{connect: /public/bob}]",
		"[{sleep: 200}, {send_digits: '42#'}, {sleep: -1}]",
		.phones = PHONE("[{prompt: {play: 'ring:9:us', max_digits: 5, terminators: '#'}}, " LOCAL_SHOW(
			"%{prompt_value}") ", "
					   "{send_digits: '7'}, {record: {end_silence_timeout: 1}}]"),
		.want = "main connected; bob collect "
			"{\"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"42\",\"terminator\":\"#\"}},"
			"\"final\":true}; bob shows 42; bob record recording; bob record no_input; main disconnected",
	};
	const struct local_opts opts = { .main = "[{connect: /public/bob}]", .phones = PHONE("[{play: 'ring:9:it'}]") };
	struct local_world w;

	local_tell(&row, 1);
	local_world_open(&w, &opts);
	local_world_dial(&w, "+15550001111");
	local_world_run(&w, 100);
	local_listen(&w);
	local_world_run(&w, 1000);
	CHECK(local_level(&w, 425, 200, 800) > 500);
	local_check_end(&w);
}

static void what_is_told_of_a_leg(void **state)
{
	const struct local_opts opts = {
		.main = "[{connect: {to: /public/bob, call_state_url: 'http://h/s', "
			"call_state_events: [created, ringing, answered, ended]}}]",
		.phones = PHONE("[{sleep: 500}, answer, " LOCAL_SHOW(
			"%{call.direction} %{call.from} "
			"%{call.to}") ", " LOCAL_SHOW("%{call.type} %{call.parent.device_type} "
						      "%{call.from_number}") ", {sleep: 1000}]"),
	};
	struct calls_counts n;
	struct local_world w;

	local_world_open(&w, &opts);
	local_world_dial(&w, "+15550001111");
	local_world_run(&w, 1000);
	calls_count_all(w.base.calls, &n);
	CHECK_INT(2, n.inbound);  /* main, and bob's */
	CHECK_INT(1, n.outbound); /* the one that the API placed */
	CHECK_STR("bob", w.peer);
	local_world_run(&w, 10000);
	CHECK_STR("main connected; bob shows inbound +15550001111 /public/bob; bob shows phone phone +15550001111; "
		  "main disconnected",
		  local_story(&w));
	CHECK_STR("bob created;bob ringing;bob answered;bob ended;", w.hooked);
	calls_count_all(w.base.calls, &n);
	CHECK_INT(0, n.inbound + n.outbound);
	CHECK_INT(3, n.began_inbound + n.began_outbound);
	local_check_end(&w);
}

static void loops_end(void **state)
{
	static const struct {
		const char *main, *why;
	} rows[] = {
		{ TO_BOB "]", "no resource has the address /public/bob" },
		{ "[{connect: {to: /public/main, answer_on_bridge: true}}]",
		  "/public/main: documents have connected to addresses 8 deep: is it a loop?" },
		{ "[{connect: {serial: [{to: /public/main}, {to: /public/main}], answer_on_bridge: true}}]",
		  "/public/main: documents have connected to addresses 8 deep: is it a loop?" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct local_opts opts = { .main = rows[i].main };
		struct local_world w;

		local_world_open(&w, &opts);
		local_world_dial(&w, "+15550001111");
		local_world_run(&w, 60000);
		CHECK_STR(rows[i].why, w.first_why);
		local_check_end(&w);
	}
}

/* So many documents at once, however they came about. */
static void not_all_at_once(void **state)
{
	struct buf main = { 0 };
	struct local_opts opts = {
		.phones = PHONE(
			"[{connect: {answer_on_bridge: true, parallel: [{to: /public/rest}, {to: /public/rest}]}}]")
	};
	struct local_phone phones[] = { opts.phones[0], { "/public/rest", "[{sleep: -1}]" }, { 0 } };
	struct calls_counts n;
	struct local_world w;

	buf_cstr(&main, "[{connect: {parallel: [");
	for (int i = 0; i < 32; i++)
		buf_printf(&main, "%s{to: /public/bob}", i ? "," : "");
	buf_cstr(&main, "], timeout: 2}}]");
	opts.main = main.data;
	opts.phones = phones;
	local_world_open(&w, &opts);
	local_world_dial(&w, "+15550001111");
	local_world_run(&w, 1000);
	calls_count_all(w.base.calls, &n);
	/* The call of the API, main and the 16 bobs who have got some of the other 31; the rest of the bobs have failed. */
	CHECK_INT(1 + 1 + 16 + 31, n.inbound + n.outbound);
	CHECK_STR("/public/rest: one call has connected to 64 documents at once", w.first_why);
	local_world_run(&w, 5000);
	CHECK_INT(0, calls_count(w.base.calls));
	local_check_end(&w);
	buf_free(&main);
}

/* What happens on the other half (a confirm, once there is one) is told of as of the one leg. */
static void the_other_half_has_no_voice_of_its_own(void **state)
{
	const struct local_opts opts = { .main = "[{connect: /public/bob}]",
					 .phones = PHONE("[answer, {sleep: 5000}]") };
	unsigned silent = 0;
	struct local_world w;

	local_world_open(&w, &opts);
	local_world_dial(&w, "+15550001111");
	local_world_run(&w, 1000);
	CHECK_INT(3, calls_count(w.base.calls));
	for (const struct list *n = w.base.calls->list.next; n != &w.base.calls->list; n = n->next) {
		struct call *c = LIST_ITEM(n, struct call, node);

		if (!c->origin.silent)
			continue;
		silent++;
		call_warn(c, "method_execute_failed", 0, 0, "a trial");
	}
	CHECK_INT(1, silent);
	local_world_run(&w, 10000);
	CHECK_STR("main connected; bob warns a trial; main disconnected", local_story(&w));
	local_check_end(&w);
}

/* --- any order --- */

static unsigned below(struct local_world *w, unsigned n)
{
	return loop_random_below(w->base.loop, n);
}

static void some_steps(struct local_world *w, char *out, size_t size)
{
	static const char *const steps[] = {
		"answer",
		"hangup",
		"{hangup: busy}",
		"{play: 'ring:0.1:us'}",
		"{sleep: 250}",
		"{sleep: 7}",
		"{sleep: 1}",
		"{send_digits: '1'}",
		"{hangup: decline}",
		"denoise",
		"{connect: {to: /public/eve, timeout: 1}}",
		"{play: {url: 'ring:0.1:us', auto_answer: false}}",
	};
	size_t n = (size_t)snprintf(out, size, "[");

	for (unsigned i = 0, count = 1 + below(w, 4); i < count; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", steps[below(w, ARRAY_LEN(steps))]);
	snprintf(out + n, size - n, "]");
}

struct pick {
	unsigned left;
};

static bool hang_up_one(void *arg, struct call *c)
{
	struct pick *p = arg;

	if (p->left--)
		return true;
	call_hangup(c, CAUSE_CANCEL, "api", "picked");
	return false;
}

/* Documents, callers and the API hang up, answer and ring whenever they like: each leg ends once, and nothing is left. */
static void walks(void **state)
{
	static const char *const plans[] = {
		"{to: /public/bob, answer_on_bridge: true}",
		"{parallel: [{to: /public/bob}, {to: /public/eve}, {to: /public/bob}], timeout: 1}",
		"{serial: [{to: /public/bob}, {to: /public/eve}], answer_on_bridge: true, timeout: 1}",
	};
	unsigned connected = 0, failed = 0;

	for (unsigned seed = 1; seed <= 300; seed++) {
		char main[200], bob[300] = "[]", eve[300] = "[]";
		const struct local_phone phones[] = { { "/public/bob", bob }, { "/public/eve", eve }, { 0 } };
		struct local_opts opts = { .main = main, .phones = phones, .seed = seed };
		struct local_world w;

		snprintf(main, sizeof(main), "[{connect: %s}, {sleep: 5}]", plans[seed % ARRAY_LEN(plans)]);
		local_world_open(&w, &opts);
		some_steps(&w, bob, sizeof(bob));
		some_steps(&w, eve, sizeof(eve));
		local_world_rewrite(&w, &opts);
		local_world_dial(&w, "+15550001111");
		for (unsigned i = 0; i < 4; i++) {
			struct pick p = { below(&w, 6) };

			local_world_run(&w, below(&w, 300));
			calls_each(w.base.calls, hang_up_one, &p);
		}
		local_world_run(&w, 5000);
		connected += strstr(local_story(&w), "connected") != NULL;
		failed += strstr(local_story(&w), "failed") != NULL;
		local_check_end(&w);
	}
	printf("# %u connected, %u failed\n", connected, failed);
	CHECK(connected > 50 && failed > 50);
}

/* The server ends while everything runs. */
static void the_server_ends(void **state)
{
	const struct local_opts opts = { .main = TO_BOB "]", .phones = PHONE("[{play: 'ring:9:us'}]") };

	for (unsigned ms = 0; ms < 400; ms += 150) {
		struct local_world w;

		local_world_open(&w, &opts);
		local_world_dial(&w, "+15550001111");
		local_world_run(&w, ms);
		calls_free(&w.base.calls);
		CHECK_INT(w.created, w.ended);
		local_check_end(&w);
	}
}

/* A SIP phone on the other side: what documents say is coded for it, and it never hears of the legs in between. */
static void a_sip_caller(void **state)
{
	const struct local_opts opts = { .main = TO_BOB "]",
					 .phones = PHONE("[{sleep: 500}, answer, {sleep: 3000}]"),
					 .tells_calls = true };
	struct fake_caller caller = { .hangup_ms = 1000 };
	struct local_world w;

	local_world_open(&w, &opts);
	w.base.route.swml = w.main_file;
	fake_caller_dial(&caller, &w.base);
	local_world_run(&w, 10000);
	CHECK_INT(1, caller.call->answered);
	CHECK_INT(1, caller.call->closed);
	CHECK_STR("main created; bob created; bob ringing; main ringing; bob answered; main answered; main connected; "
		  "main disconnected; main ended hangup 200; bob ended hangup 200",
		  local_story(&w));
	CHECK_INT(w.created, w.ended);
	fake_world_end_calls(&w.base);
	fake_caller_free(&caller);
	local_world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_leg_a_destination),
		TEST(early_media),
		TEST(both_ways),
		TEST(what_is_told_of_a_leg),
		TEST(loops_end),
		TEST(a_sip_caller),
		TEST(not_all_at_once),
		TEST(the_server_ends),
		TEST(walks),
		TEST(the_other_half_has_no_voice_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
