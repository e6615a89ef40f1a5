/* Deliveries on virtual time: what is sent, when, in which order, and when it is given up. */
#include "hooks_world.h"

static void an_event_is_sent_once_and_signed(void **state)
{
	WORLD(false, fine);
	open_hooks(0, 0);
	emit(1, EVENT_ENDED, "http://u:p@h.test/x?y=1");
	CHECK_INT(1, w->count); /* at once, not in the next turn */
	run_ms(60000);
	CHECK_INT(1, w->count);
	CHECK_STR("application/json", w->sent[0].type);
	CHECK_STR("0", w->sent[0].sequence);
	CHECK_INT(36, strlen(w->sent[0].event));
	CHECK_STR("http://u:p@h.test/x?y=1", w->sent[0].url);
	CHECK_INT(40, strlen(w->sent[0].sha1));
	CHECK_INT(64, strlen(w->sent[0].sha256));
	CHECK_INT(1, counts().delivered);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void emit_get(unsigned call, const char *url)
{
	const struct event_field fields[] = {
		{ "operation", STR("calling.call.stream") },
		{ "state", STR("streaming") },
	};
	const struct event ev = {
		.type = EVENT_OPERATION,
		.call_id = "call-x",
		.sequence = w->sequence[call]++,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.wall_ms = 1000,
		.hook = url,
		.hook_get = true,
	};

	hooks_on_event(w->hooks, &ev);
}

/* All of it is in the URL: also what the next start finds on disk. */
static void by_get_the_payload_is_in_the_query(void **state)
{
	static const char want[] =
		"http://u:p@h.test/"
		"x?y=1&payload=%7B%22event_type%22%3A%22calling.call.stream%22%2C%22event_channel%22%3A%22"
		"swml%3Acall-x%22%2C%22timestamp%22%3A1.000%2C%22project_id%22%3A%22project%22%2C%22space_id%22%3A%"
		"22space"
		"%22%2C%22params%22%3A%7B%22call_id%22%3A%22call-x%22%2C%22node_id%22%3A%22node%22%2C%22state%22%3A%22"
		"streaming%22%7D%7D#rt=1000";

	WORLD(true, hang);
	open_hooks(0, 0);
	emit_get(1, "http://u:p@h.test/x?y=1#rt=1000");
	CHECK_INT(1, w->count);
	CHECK(w->sent[0].get);
	CHECK_STR(want, w->sent[0].url);
	CHECK_STR("", w->sent[0].body);
	CHECK_STR("", w->sent[0].type);
	CHECK_INT(64, strlen(w->sent[0].sha256));
	run_ms(100);
	close_hooks();
	CHECK_INT(1, rows_on_disk());
	w->count = 0;
	w->script = fine;
	open_store();
	open_hooks(0, 0);
	CHECK_INT(1, w->count);
	CHECK(w->sent[0].get);
	CHECK_STR(want, w->sent[0].url);
	emit_get(1, "http://h.test/");
	run_ms(1000);
	CHECK_INT(2, counts().delivered);
	CHECK(!strncmp(w->sent[1].url, "http://h.test/?payload=%7B%22", 29));
	close_world();
}

/* Whoever is alone in his call can wait for his answer; the next event of the call cannot, nor others at a host that is busy. */
static void answers_hurry_where_somebody_waits_for_them(void **state)
{
	WORLD(false, fine);
	w->answer_ms = 5;
	open_hooks(8, 0);
	emit(1, EVENT_ENDED, "http://h.test/");
	CHECK(w->sent[0].patient && !w->sent[0].hurried);
	emit(1, EVENT_ENDED, "http://h.test/");
	emit(1, EVENT_ENDED, "http://h.test/"); /* once is enough */
	CHECK(w->sent[0].hurried);
	run_ms(8);
	CHECK_INT(2, w->count);
	CHECK(!w->sent[1].patient); /* the third waits behind it */
	run_ms(5);
	CHECK_INT(3, w->count);
	CHECK(w->sent[2].patient && !w->sent[2].hurried);
	run_ms(100);
	for (unsigned call = 2; call < 12; call++)
		emit(call, EVENT_ENDED, "http://h.test/");
	CHECK_INT(11, w->count); /* 8 of the 10 */
	for (size_t i = 3; i < 11; i++)
		CHECK_INT(i < 3 + 4, w->sent[i].patient);
	run_ms(100);
	CHECK_INT(13, counts().delivered);
	close_world();
}

/* The address of the event before is remembered; what it led to may be gone, and another address may come. */
static void events_go_where_they_should_in_any_order(void **state)
{
	static const char *const urls[] = { "http://h.test/a", "http://h.test/b", "http://other.test/a",
					    "http://H.test/a" };

	WORLD(false, fine);
	w->answer_ms = 3;
	open_hooks(2, 0);
	for (unsigned i = 0; i < 200; i++) {
		emit(i % 7, EVENT_ENDED, urls[i * 7 / 3 % 4]);
		if (i % 5 == 0)
			run_ms(i % 9);
	}
	run_ms(10000);
	CHECK_INT(200, counts().delivered);
	CHECK_INT(4, w->most_open); /* two hosts */
	close_world();
}

static void without_a_key_nothing_is_signed(void **state)
{
	const struct hook_identity identity = { "other", "space", "node" };

	WORLD(false, fine);
	open_hooks(0, 0);
	CHECK_INT(0, hooks_identify(w->hooks, &identity, NULL));
	emit(1, EVENT_ENDED, "http://h/");
	CHECK_STR("", w->sent[0].sha1);
	CHECK_STR("", w->sent[0].sha256);
	CHECK(strstr(w->sent[0].body, "\"project_id\":\"other\""));
	close_world();
}

static void what_has_no_url_goes_nowhere(void **state)
{
	WORLD(false, fine);
	open_hooks(0, 0);
	emit(1, EVENT_ENDED, NULL);
	emit(1, EVENT_WARNING, "http://h/");
	run_ms(10000);
	CHECK_INT(0, w->count);
	CHECK_INT(0, counts().accepted);
	close_world();
}

static void attempts_come_at_their_times(void **state)
{
	static const int once[] = { 500, 200 }, twice[] = { 503, 404, 204 }, redirected[] = { 302 };
	static const int hang_then[] = { 0, 200 }, refused[] = { 1 };
	static const struct {
		const int *script;
		size_t length;
		enum http_error error;
		size_t attempts;
		uint32_t at_ms[3];
		bool delivered;
		uint32_t over_ms; /* nothing is left by then */
	} rows[] = {
		{ fine, 1, HTTP_OK, 1, { 0 }, true, 1 },
		{ once, 2, HTTP_OK, 2, { 0, 1000 }, true, 1001 },
		{ twice, 3, HTTP_OK, 3, { 0, 1000, 4000 }, true, 4001 },
		{ broken, 1, HTTP_OK, 3, { 0, 1000, 4000 }, false, 4001 },
		{ redirected, 1, HTTP_OK, 3, { 0, 1000, 4000 }, false, 4001 },
		{ hang_then, 2, HTTP_OK, 2, { 0, 5000 }, true, 5001 },
		{ hang, 1, HTTP_OK, 3, { 0, 5000, 7500 }, false, 10000 },
		{ refused, 1, HTTP_CONNECT, 3, { 0, 1000, 4000 }, false, 4001 },
		{ refused, 1, HTTP_TOO_BIG, 3, { 0, 1000, 4000 }, false, 4001 },
		/* what no later attempt could change */
		{ refused, 1, HTTP_REFUSED_TARGET, 1, { 0 }, false, 1 },
		{ refused, 1, HTTP_BAD_URL, 1, { 0 }, false, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t start_ms;

		open_world(false, rows[i].script, rows[i].length);
		w->error = rows[i].error;
		open_hooks(0, 0);
		start_ms = loop_now_ms(w->loop);
		emit(1, EVENT_ENDED, "http://h/");
		run_ms(rows[i].over_ms);
		CHECK_INT(rows[i].attempts, w->count);
		CHECK_INT(0, counts().waiting);
		for (size_t k = 0; k < w->count && k < 3; k++) {
			CHECK_INT(rows[i].at_ms[k], w->sent[k].at_ms - start_ms);
			CHECK_STR(w->sent[0].event, w->sent[k].event);
			CHECK_STR(w->sent[0].body, w->sent[k].body);
			CHECK(w->sent[k].at_ms - start_ms + w->sent[k].total_ms <= 10000);
		}
		CHECK_INT(rows[i].delivered, counts().delivered);
		CHECK_INT(!rows[i].delivered, counts().given_up);
		run_ms(60000);
		CHECK_INT(rows[i].attempts, w->count);
		close_world();
	}
}

/* From acceptance on, waiting behind another event and failed attempts included; what is given up has no delay. */
static void delays_of_what_is_delivered_are_counted(void **state)
{
	static const int once[] = { 500, 200 };
	struct hooks_counts c;

	WORLD(false, once);
	w->answer_ms = 20;
	open_hooks(0, 0);
	emit(1, EVENT_CREATED, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(60000);
	c = counts();
	CHECK_INT(2, c.delay.count);
	CHECK_INT(1020000 + 2040000, c.delay.sum_us);
	CHECK_INT(2, c.delay.steps[10]); /* over 1 s, up to 2.5 s */
	w->script = broken;
	w->script_length = 1;
	emit(2, EVENT_ENDED, "http://h/");
	run_ms(60000);
	CHECK_INT(1, counts().given_up);
	CHECK_INT(2, counts().delay.count);
	close_world();
}

/* A client that never says anything must not stop the call's other events. */
static void ten_seconds_are_the_end(void **state)
{
	WORLD(false, broken);
	w->answer_ms = 100000;
	open_hooks(0, 0);
	emit(1, EVENT_CREATED, "http://h/");
	emit(1, EVENT_ENDED, "http://h/");
	run_ms(9999);
	CHECK_INT(1, w->count);
	run_ms(1);
	CHECK_INT(1, counts().given_up);
	CHECK_INT(2, w->count);
	run_ms(10000);
	CHECK_INT(2, counts().given_up);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void events_of_a_call_keep_their_order(void **state)
{
	static const int sometimes[] = { 500, 200 };
	unsigned next[8] = { 0 };

	WORLD(false, sometimes);
	w->answer_ms = 20;
	open_hooks(4, 0);
	for (unsigned n = 0; n < 4; n++)
		for (unsigned call = 0; call < 8; call++)
			emit(call, n < 3 ? EVENT_CREATED : EVENT_ENDED, call % 2 ? "http://one/" : "http://two:81/");
	CHECK_INT(8, w->open); /* four a host, one a call */
	run_ms(60000);
	CHECK_INT(8, w->most_open);
	CHECK_INT(64, w->count);
	for (size_t i = 0; i < w->count; i++) {
		unsigned call = (unsigned)(w->sent[i].call[5] - '0'),
			 sequence = (unsigned)(w->sent[i].sequence[0] - '0');

		/* Twice each: 500, then 200. */
		CHECK_INT(next[call] / 2, sequence);
		next[call]++;
	}
	CHECK_INT(32, counts().delivered);
	close_world();
}

static void one_host_that_hangs_does_not_stop_another(void **state)
{
	WORLD(false, hang);
	open_hooks(1, 0);
	emit(1, EVENT_ENDED, "http://dead/");
	emit(2, EVENT_ENDED, "http://dead/");
	emit(3, EVENT_ENDED, "http://DEAD:80/other");
	emit(4, EVENT_ENDED, "http://alive/");
	CHECK_INT(w->count >= 2, 1);
	CHECK_STR("http://alive/", w->sent[w->count - 1].url);
	run_ms(100000);
	CHECK_INT(0, counts().waiting);
	CHECK_INT(4, counts().given_up);
	close_world();
}

static void a_full_queue_drops_the_oldest_that_are_not_final(void **state)
{
	unsigned finals = 0;

	WORLD(false, fine);
	w->answer_ms = 10;
	open_hooks(1, 10);
	for (unsigned call = 0; call < 20; call++) {
		emit(call, EVENT_CREATED, "http://h/");
		emit(call, EVENT_ENDED, "http://h/");
	}
	/* The first is on its way and stays; all other created went for the ended. */
	CHECK_INT(19, counts().dropped);
	CHECK_INT(21, counts().waiting);
	emit(30, EVENT_CREATED, "http://h/");
	CHECK_INT(20, counts().dropped);
	emit(31, EVENT_CREATED, "http://other/");
	CHECK_INT(20, counts().dropped);
	run_ms(60000);
	for (size_t i = 0; i < w->count; i++)
		finals += strstr(w->sent[i].body, "\"ended\"") != NULL;
	CHECK_INT(20, finals);
	CHECK_INT(22, w->count);
	CHECK_INT(0, counts().waiting);
	close_world();
}

static void a_dead_host_piles_up_five_minutes_at_most(void **state)
{
	WORLD(false, hang);
	open_hooks(1, 0);
	for (unsigned i = 0; i < 50; i++)
		emit(i, EVENT_ENDED, "http://dead/");
	run_ms(315000);
	CHECK_INT(0, counts().waiting);
	CHECK_INT(50, counts().given_up);
	CHECK(w->count < 3 * 50);
	close_world();
}

static void a_client_without_room_is_asked_again(void **state)
{
	WORLD(false, fine);
	open_hooks(0, 0);
	w->full = 3;
	emit(1, EVENT_ENDED, "http://h/");
	CHECK_INT(0, w->count);
	run_ms(1000);
	CHECK_INT(1, w->count);
	CHECK_INT(1, counts().delivered);
	CHECK_INT(0, counts().failed_attempts);
	close_world();
}

static char told[400];

static void take_line(void *arg, enum log_level level, const char *line)
{
	if (strstr(line, "given up"))
		str_copy(told, sizeof(told), str_of(line));
}

static void what_is_given_up_is_in_the_log_without_its_password(void **state)
{
	told[0] = '\0';
	WORLD(false, broken);
	open_hooks(0, 0);
	log_capture(take_line, NULL);
	log_set_level(LOG_INFO);
	emit(7, EVENT_ENDED, "http://user:secret@h.test/x");
	run_ms(20000);
	log_set_level(LOG_ERROR);
	log_capture(NULL, NULL);
	CHECK(strstr(told, "call-7"));
	CHECK(strstr(told, w->sent[0].event));
	CHECK(strstr(told, "***@h.test/x"));
	CHECK(strstr(told, "500"));
	CHECK(!strstr(told, "secret"));
	close_world();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_is_sent_once_and_signed),
		TEST(by_get_the_payload_is_in_the_query),
		TEST(answers_hurry_where_somebody_waits_for_them),
		TEST(events_go_where_they_should_in_any_order),
		TEST(without_a_key_nothing_is_signed),
		TEST(what_has_no_url_goes_nowhere),
		TEST(attempts_come_at_their_times),
		TEST(delays_of_what_is_delivered_are_counted),
		TEST(ten_seconds_are_the_end),
		TEST(events_of_a_call_keep_their_order),
		TEST(one_host_that_hangs_does_not_stop_another),
		TEST(a_full_queue_drops_the_oldest_that_are_not_final),
		TEST(a_dead_host_piles_up_five_minutes_at_most),
		TEST(a_client_without_room_is_asked_again),
		TEST(what_is_given_up_is_in_the_log_without_its_password),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
