/* The control API on virtual time: requests come from a fake web server, calls from a SIP stack of their own over a
 * network in memory. */
#include <stdlib.h>

#include "api/control.h"
#include "api/metrics.h"
#include "fake_world.h"

/* "p:secret" */
#define RIGHT "Basic cDpzZWNyZXQ="

struct world {
	struct fake_world base;
	struct metrics *metrics;
	struct control *control;
	struct phone phone;
	unsigned phone_answers, phone_closed, refused;
	/* the last answer, and what streams were sent */
	unsigned answers, reloads, drains;
	uint64_t next_id, last_id;
	int status;
	char body[8192], header[40], why[80];
	struct buf stream;
	unsigned streams, ended_streams;
};

/* --- the phone --- */

static void on_event(struct phone_call *c, const char *event)
{
	struct world *w = c->phone->user;

	w->phone_answers += !strcmp(event, "answered");
	w->phone_closed += c->closed;
	w->refused += c->closed && c->status == 503;
}

static void phone_calls(struct world *w)
{
	assert_non_null(phone_dial(&w->phone, "sip:main@10.0.0.1:5060", WIRE_UDP));
}

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	call_answer(c, NULL);
}

static void door_reply(void *arg, uint64_t id, const struct web_answer *a)
{
	struct world *w = arg;

	w->answers++;
	w->last_id = id;
	w->status = a->status;
	str_copy(w->body, sizeof(w->body), a->body);
	str_copy(w->header, sizeof(w->header), str_of(a->header));
}

static void door_start(void *arg, uint64_t id, const char *content_type)
{
	struct world *w = arg;

	w->streams++;
	w->last_id = id;
}

static void door_send(void *arg, uint64_t id, struct str piece)
{
	struct world *w = arg;

	buf_str(&w->stream, piece);
}

static void door_end(void *arg, uint64_t id)
{
	struct world *w = arg;

	w->ended_streams++;
}

static const char *token(void *arg, struct str project)
{
	return str_is(project, "p") ? "secret" : NULL;
}

static void on_reload(void *arg, uint64_t request)
{
	struct world *w = arg;

	w->reloads++;
	control_answer(w->control, request, 409, STR("{}"));
}

static void on_drain(void *arg)
{
	struct world *w = arg;

	w->drains++;
	calls_drain(w->base.calls);
}

/* From now on it does not answer. */
static void rings_only(struct world *w)
{
	w->phone.auto_answer = false;
	w->phone.auto_ring = 180;
}

static void open_phone(struct world *w)
{
	const struct phone_opts opts = { .loop = w->base.loop,
					 .net = fake_net_host(w->base.net, "10.0.0.2"),
					 .dns = fake_dns_door(w->base.dns),
					 .address = "10.0.0.2" };

	w->phone.offer = w->phone.answer = fake_sdp;
	w->phone.auto_answer = true;
	w->phone.on_event = on_event;
	w->phone.user = w;
	phone_open(&w->phone, &opts);
}

static void open_world(struct world *w, const struct call_limits *limits)
{
	const struct fake_world_opts world = { .seed = 1, .limits = *limits, .incoming = incoming, .arg = w };
	struct control_door door = { door_reply, door_start, door_send, door_end, NULL, w };
	struct control_opts opts = {
		.token = token, .reload = on_reload, .drain = on_drain, .arg = w, .scripts = &w->base.scripts
	};

	memset(w, 0, sizeof(*w));
	fake_world_open(&w->base, &world);
	open_phone(w);
	assert_int_equal(metrics_new(&w->metrics), 0);
	metrics_add_calls(w->metrics, w->base.calls);
	metrics_add_media(w->metrics, w->base.media);
	opts.loop = w->base.loop;
	opts.pool = w->base.pool;
	opts.events = w->base.events;
	opts.calls = w->base.calls;
	opts.metrics = w->metrics;
	assert_int_equal(control_new(&w->control, &opts), 0);
	control_open(w->control, &door);
}

static void close_world(struct world *w)
{
	calls_hangup_all(w->base.calls, "server", "the test is over");
	loop_run_until(w->base.loop, UINT64_MAX);
	control_open(w->control, NULL);
	fake_world_end_calls(&w->base);
	phone_close(&w->phone);
	control_free(&w->control);
	metrics_free(&w->metrics);
	fake_world_close(&w->base);
	buf_free(&w->stream);
}

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static int ask_as(struct world *w, const char *authorization, const char *method, const char *path, const char *body)
{
	struct web_request r = { .id = ++w->next_id, .authorization = authorization, .body = str_of(body) };
	struct str rest = str_of(path), part;
	unsigned before = w->answers;

	str_copy(r.method, sizeof(r.method), str_of(method));
	str_split(&rest, '?', &part);
	str_copy(r.path, sizeof(r.path), part);
	str_copy(r.query, sizeof(r.query), rest.p ? rest : STR(""));
	w->status = 0;
	control_request(w->control, &r);
	for (int i = 0; i < 4 && w->answers == before && !strcmp(path, "/api/calling/calls"); i++)
		run(w, 1);
	CHECK(w->answers <= before + 1);
	CHECK(w->answers == before || w->last_id == r.id);
	return w->status;
}

static int ask(struct world *w, const char *method, const char *path, const char *body)
{
	return ask_as(w, RIGHT, method, path, body);
}

static void first_call_path(struct world *w, char out[96])
{
	const char *id;

	CHECK_INT(200, ask(w, "GET", "/api/crosspoint/calls", ""));
	id = strstr(w->body, "\"call_id\":\"");
	snprintf(out, 96, "/api/crosspoint/calls/%.36s", id ? id + 11 : "none");
}

static const struct call_limits no_limits;

/* --- tests --- */

static void credentials_are_judged(void **state)
{
	static const struct {
		const char *authorization;
		int status;
	} rows[] = {
		{ RIGHT, 200 },
		{ "basic cDpzZWNyZXQ=", 200 },
		{ "Basic   cDpzZWNyZXQ=", 200 },
		{ "", 401 },
		{ "Basic", 401 },
		{ "Basic ", 401 },
		{ "Basic cDpzZWNyZXQ", 401 },      /* no padding */
		{ "Basic cDp3cm9uZw==", 401 },     /* p:wrong */
		{ "Basic cDpzZWNyZXR4", 401 },     /* p:secretx */
		{ "Basic cDpzZWNyZQ==", 401 },     /* p:secre */
		{ "Basic cA==", 401 },             /* p */
		{ "Basic cDo=", 401 },             /* p: */
		{ "Basic eDpzZWNyZXQ=", 401 },     /* x:secret */
		{ "Basic cDpzZWNyZXQAeA==", 401 }, /* p:secret, NUL, x */
		{ "Basic ====", 401 },
		{ "Basic \xff\xff\xff\xff", 401 },
		{ "Bearer cDpzZWNyZXQ=", 401 },
	};
	struct world w;

	open_world(&w, &no_limits);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(rows[i].status, ask_as(&w, rows[i].authorization, "GET", "/api/crosspoint/calls", ""));
		CHECK_STR(rows[i].status == 401 ? "www-authenticate:" : "", w.header);
	}
	CHECK_INT(401, ask_as(&w, "", "GET", "/api/unknown", ""));
	CHECK_INT(401, ask_as(&w, "", "POST", "/api/crosspoint/drain", ""));
	CHECK_INT(0, w.drains);
	close_world(&w);
}

static void addresses_are_found(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
	} rows[] = {
		{ "GET", "/healthz", 200 },
		{ "HEAD", "/healthz", 200 },
		{ "POST", "/healthz", 405 },
		{ "GET", "/readyz", 200 },
		{ "GET", "/metrics", 200 },
		{ "GET", "/", 404 },
		{ "GET", "/nothing", 404 },
		{ "GET", "/api/crosspoint", 404 },
		{ "GET", "/api/crosspoint/calls/", 404 },
		{ "GET", "/api/crosspoint/calls/x/y", 404 },
		{ "GET", "/api/crosspoint/calls/x", 404 },
		{ "DELETE", "/api/crosspoint/calls/x", 404 },
		{ "POST", "/api/crosspoint/calls/x", 405 },
		{ "DELETE", "/api/crosspoint/calls", 405 },
		{ "HEAD", "/api/crosspoint/events", 405 },
		{ "GET", "/api/crosspoint/events?call=x", 404 },
		{ "GET", "/api/crosspoint/reload", 405 },
		{ "POST", "/api/crosspoint/reload", 409 },
		{ "GET", "/api/calling/calls", 405 },
	};
	struct world w;

	open_world(&w, &no_limits);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].status, ask(&w, rows[i].method, rows[i].path, ""));
	CHECK_INT(1, w.reloads);
	CHECK_INT(0, w.streams);
	close_world(&w);
}

static void a_call_is_shown_followed_and_ended(void **state)
{
	struct world w;
	char path[96], events[128];

	open_world(&w, &no_limits);
	ask(&w, "GET", "/api/crosspoint/calls", "");
	CHECK_STR("[]\n", w.body);
	ask(&w, "GET", "/api/crosspoint/events", "");
	CHECK_INT(1, w.streams);
	phone_calls(&w);
	run(&w, 100);
	first_call_path(&w, path);
	CHECK(strstr(w.body, "\"parent_id\":null,\"direction\":\"inbound\",\"type\":\"sip\"") != NULL);
	CHECK(strstr(w.body, "\"state\":\"answered\",\"since\":\"") != NULL);
	CHECK_INT(200, ask(&w, "GET", path, ""));
	CHECK(strstr(w.stream.data, "\"type\":\"created\",\"sequence\":0,\"time\":\"") != NULL);
	CHECK(strstr(w.stream.data, "\"type\":\"answered\",\"sequence\":1,") != NULL);
	snprintf(events, sizeof(events), "/api/crosspoint/events?call=%s", path + 22);
	ask(&w, "GET", events, "");
	CHECK_INT(2, w.streams);
	control_gone(w.control, w.next_id - 1); /* not a stream */
	buf_reset(&w.stream);
	CHECK_INT(200, ask(&w, "DELETE", path, ""));
	CHECK_INT(0, w.phone_closed);
	run(&w, 100);
	CHECK_INT(1, w.phone_closed);
	CHECK_INT(404, ask(&w, "DELETE", path, ""));
	/* Both streams had it. */
	const char *ended = strstr(w.stream.data, "\"type\":\"ended\"");

	CHECK(ended && strstr(ended + 1, "\"type\":\"ended\""));
	CHECK(ended && strstr(ended, "\"ended_by\":\"api\""));
	control_end_streams(w.control);
	CHECK_INT(2, w.ended_streams);
	close_world(&w);
}

static void streams_are_limited_and_forgotten(void **state)
{
	struct world w;

	open_world(&w, &no_limits);
	for (unsigned i = 0; i < 32; i++)
		ask(&w, "GET", "/api/crosspoint/events", "");
	CHECK_INT(32, w.streams);
	CHECK_INT(503, ask(&w, "GET", "/api/crosspoint/events", ""));
	CHECK_STR("retry-after:", w.header);
	control_gone(w.control, 5);
	control_gone(w.control, 5);
	control_gone(w.control, 999);
	ask(&w, "GET", "/api/crosspoint/events", "");
	CHECK_INT(33, w.streams);
	close_world(&w);
	CHECK_INT(0, w.ended_streams); /* the door was shut before */
}

static const char DIAL[] = "{\"command\":\"dial\",\"params\":{\"from\":\"a\",\"to\":\"sip:b@10.0.0.2\",\"timeout\":20,"
			   "\"swml\":\"sections: {main: [sleep: 2000, hangup: {}]}\"}}";

static void a_dialled_call_runs_its_document(void **state)
{
	struct world w;

	open_world(&w, &no_limits);
	CHECK_INT(200, ask(&w, "POST", "/api/calling/calls", DIAL));
	CHECK(strstr(w.body, "\"direction\":\"outbound-api\",\"status\":\"created\"") != NULL);
	run(&w, 1500);
	CHECK_INT(1, calls_count(w.base.calls));
	CHECK_INT(0, w.phone_closed);
	run(&w, 1500);
	CHECK_INT(1, w.phone_closed);
	run(&w, 40000);
	CHECK_INT(0, calls_count(w.base.calls));
	rings_only(&w);
	CHECK_INT(200, ask(&w, "POST", "/api/calling/calls", DIAL));
	run(&w, 19000);
	CHECK_INT(1, calls_count(w.base.calls));
	run(&w, 2000);
	CHECK_INT(0, calls_count(w.base.calls));
	CHECK_INT(200, ask(&w, "POST", "/api/calling/calls", DIAL));
	close_world(&w); /* while it rings */
}

static void limits_hold_for_both_sides(void **state)
{
	static const struct call_limits limits = { .max_calls = 2, .call_seconds = 5 };
	struct world w;

	open_world(&w, &limits);
	rings_only(&w);
	phone_calls(&w);
	run(&w, 10);
	CHECK_INT(200, ask(&w, "POST", "/api/calling/calls", DIAL));
	CHECK_INT(503, ask(&w, "POST", "/api/calling/calls", DIAL));
	CHECK_STR("retry-after:", w.header);
	CHECK(strstr(w.body, "limits.max_calls is reached") != NULL);
	phone_calls(&w);
	run(&w, 10);
	CHECK_INT(1, w.refused);
	CHECK_INT(2, calls_count(w.base.calls));
	run(&w, 4900);
	CHECK_INT(2, calls_count(w.base.calls));
	run(&w, 200);
	CHECK_INT(0, calls_count(w.base.calls));
	phone_calls(&w);
	run(&w, 10);
	CHECK_INT(1, w.refused);
	CHECK_INT(1, calls_count(w.base.calls));
	CHECK_INT(200, ask(&w, "GET", "/metrics", ""));
	CHECK(strstr(w.body, "\ncrosspoint_calls_refused_total 2\n") != NULL);
	close_world(&w);
}

static void draining_takes_nothing_new(void **state)
{
	struct world w;

	open_world(&w, &no_limits);
	phone_calls(&w);
	run(&w, 10);
	CHECK_INT(200, ask(&w, "POST", "/api/crosspoint/drain", ""));
	CHECK_STR("{\"draining\":true,\"calls\":1}\n", w.body);
	CHECK_INT(503, ask(&w, "GET", "/readyz", ""));
	CHECK_INT(503, ask(&w, "POST", "/api/calling/calls", DIAL));
	phone_calls(&w);
	run(&w, 10);
	CHECK_INT(1, w.refused);
	CHECK_INT(1, calls_count(w.base.calls));
	close_world(&w);
}

/* Requests whose answer would come when the door is shut are dropped in silence. */
static void shut_in_the_middle(void **state)
{
	struct web_request r = { .id = 1, .method = "POST", .path = "/api/calling/calls", .authorization = RIGHT };
	struct world w;

	open_world(&w, &no_limits);
	r.body = STR(DIAL);
	control_request(w.control, &r);
	control_open(w.control, NULL);
	run(&w, 100);
	CHECK_INT(0, w.answers);
	CHECK_INT(0, calls_count(w.base.calls));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(credentials_are_judged),
		TEST(addresses_are_found),
		TEST(a_call_is_shown_followed_and_ended),
		TEST(streams_are_limited_and_forgotten),
		TEST(a_dialled_call_runs_its_document),
		TEST(limits_hold_for_both_sides),
		TEST(draining_takes_nothing_new),
		TEST(shut_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
