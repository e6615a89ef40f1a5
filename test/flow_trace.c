/* Documents in the trace of whole calls on virtual time, and as events for whoever follows. */
#include "check.h"

#include "api/trace_print.h"
#include "base/log.h"
#include "fake_world.h"

struct world {
	struct fake_world base;
	struct fake_caller caller;
	struct phone peer;
	char id[40];
	struct buf story; /* "step play; step_done play; " of events */
	unsigned ended, after_the_end, steps;
};

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void see(void *arg, const struct event *ev)
{
	struct world *w = arg;

	if (ev->type == EVENT_CREATED && !w->id[0])
		str_copy(w->id, sizeof(w->id), str_of(ev->call_id));
	if (strcmp(ev->call_id, w->id) != 0)
		return;
	w->after_the_end += w->ended;
	w->ended += ev->type == EVENT_ENDED;
	w->steps += event_is_of_steps(ev->type);
	buf_cstr(&w->story, event_name(ev->type));
	if (event_get(ev, "method").n)
		buf_printf(&w->story, " %.*s", STR_ARG(event_get(ev, "method")));
	buf_cstr(&w->story, "; ");
}

static void begin(struct world *w, uint64_t seed, const char *document, size_t trace_bytes)
{
	const struct fake_world_opts opts = { .seed = seed,
					      .document = document,
					      .trace_bytes = trace_bytes,
					      .event = see,
					      .incoming = incoming,
					      .arg = w };
	struct phone_opts phone = { .address = "10.0.0.3" };

	*w = (struct world){ .ended = 0 };
	fake_world_open(&w->base, &opts);
	phone.loop = w->base.loop;
	phone.net = fake_net_host(w->base.net, "10.0.0.3");
	phone.dns = fake_dns_door(w->base.dns);
	w->peer.auto_answer = true;
	w->peer.answer = fake_sdp;
	phone_open(&w->peer, &phone);
	fake_caller_dial(&w->caller, &w->base);
}

static void end(struct world *w)
{
	phone_hangup(w->caller.call, STR(""));
	fake_world_run(&w->base, 100000);
	CHECK_INT(1, w->ended);
	CHECK_INT(0, w->after_the_end);
	fake_world_end_calls(&w->base);
	fake_caller_free(&w->caller);
	phone_close(&w->peer);
	fake_world_close(&w->base);
	buf_free(&w->story);
}

static void print(struct world *w, struct buf *out, void (*how)(struct buf *b, const struct call_trace *t))
{
	struct call_trace *t = NULL;

	assert_int_equal(0, call_trace_collect(&t, w->base.trace, str_of(w->id)));
	how(out, t);
	call_trace_free(&t);
}

static const char document[] =
	"sections:\n  main:\n  - answer: {}\n  - set: {to: 'sip:b@10.0.0.3', secret: s3cr3t}\n"
	"  - sleep: 500\n  - connect:\n      to: '${to};transport=udp'\n      password: '${secret}'\n"
	"      headers: [{name: X-Who, value: me}]\n  - execute: nowhere\n  - hangup: busy\n";

/* In the order in which things happened, whatever they are. */
static void steps_between_the_messages(void **state)
{
	static const char *const order[] = {
		"--INVITE +SDP sip:main",
		"leg 1: created",
		"leg 1: document /tmp/flow_",
		"leg 1: step answer, section main, line 3\n",
		"<-200 OK (INVITE) +SDP",
		"leg 1: done answer, section main, line 3 sets {\"answer_result\":\"success\"}\n",
		"leg 1: step set, section main, line 4 sets {\"to\":\"sip:b@10.0.0.3\",\"secret\":\"***\"}\n",
		"leg 1: step sleep, section main, line 5 {\"duration\":500}\n",
		"leg 1: done sleep, section main, line 5, after 500 ms\n",
		"leg 1: step connect, section main, line 6 "
		"{\"to\":\"sip:b@10.0.0.3;transport=udp\",\"password\":\"***\","
		"\"headers\":[{\"name\":\"X-Who\",\"value\":\"me\"}]}\n",
		"--INVITE +SDP sip:b@10.0.0.3",
		"leg 1: connected",
		"leg 1: done connect, section main, line 6, after ",
		" ms sets "
		"{\"connect_result\":\"connected\",\"connect_failed_reason\":\"\",\"return_value\":\"connected\"}\n",
		"leg 1: step execute, section main, line 10 {\"dest\":\"nowhere\"}\n",
		"leg 1: warning code=relay_script_section_parameter_undefined",
		"leg 1: done execute, section main, line 10 sets "
		"{\"script_error\":\"relay_script_section_parameter_undefined\"}\n",
		"leg 1: step hangup, section main, line 11 {\"reason\":\"busy\"}\n",
		"<-BYE sip:",
		"leg 1: ended",
	};
	struct buf text = { 0 };
	const char *at;
	struct world w;

	begin(&w, 1, document, 1 << 20);
	fake_world_run(&w.base, 3000);
	phone_hangup(phone_call_at(&w.peer, 0), STR(""));
	fake_world_run(&w.base, 3000);
	print(&w, &text, trace_print_ladder);
	at = text.data;
	for (size_t i = 0; i < ARRAY_LEN(order) && at; i++) {
		const char *next = strstr(at, order[i]);

		if (!next)
			fprintf(stderr, "no \"%s\" in\n%s", order[i], at);
		CHECK(next);
		at = next;
	}
	CHECK(!strstr(text.data, "s3cr3t"));
	buf_reset(&text);
	print(&w, &text, trace_print_json);
	CHECK(strstr(text.data,
		     "\"type\":\"step_done\",\"method\":\"sleep\",\"section\":\"main\",\"line\":5,\"waited_ms\":500}"));
	CHECK(!strstr(text.data, "s3cr3t"));
	CHECK_INT(0, w.steps); /* nobody followed */
	buf_free(&text);
	end(&w);
}

static void followers_are_told(void **state)
{
	struct world w;

	begin(&w, 1, document, 0);
	events_follow(w.base.events, true);
	fake_world_run(&w.base, 3000);
	phone_hangup(phone_call_at(&w.peer, 0), STR(""));
	fake_world_run(&w.base, 3000);
	CHECK_STR("created; document; step answer; answered; step_done answer; step set; step sleep; step_done sleep; "
		  "step connect; connecting; connected; disconnected; step_done connect; step execute; warning; "
		  "step_done execute; step hangup; ended; ",
		  w.story.data);
	events_follow(w.base.events, false);
	end(&w);
}

/* Off: neither kept nor told. */
static void off_means_off(void **state)
{
	struct world w;

	begin(&w, 1, document, 0);
	fake_world_run(&w.base, 3000);
	CHECK_INT(0, w.steps);
	CHECK_INT(1, w.caller.call->answered);
	end(&w);
}

/* Whenever the caller hangs up, nothing is told behind the end. */
static void it_may_end_at_any_time(void **state)
{
	unsigned met = 0;

	log_set_level(LOG_ERROR);
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct buf text = { 0 };
		struct world w;

		begin(&w, seed, document, 1 << 18);
		events_follow(w.base.events, true);
		fake_world_run(&w.base, loop_random_below(w.base.loop, 1200));
		met += !w.ended && w.steps > 2;
		phone_hangup(w.caller.call, STR(""));
		fake_world_run(&w.base, 5000);
		print(&w, &text, trace_print_json);
		CHECK(!text.failed && strstr(text.data, "]}"));
		buf_free(&text);
		events_follow(w.base.events, false);
		end(&w);
	}
	log_set_level(LOG_WARN);
	CHECK(met > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_between_the_messages),
		TEST(followers_are_told),
		TEST(off_means_off),
		TEST(it_may_end_at_any_time),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
