#include "check.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/store.h"
#include "call/calls.h"
#include "call/record.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

struct bench {
	char folder[64], path[96];
	struct loop *loop;
	struct events *events;
	struct store *store;
	struct record *record;
	sqlite3 *db; /* the reader's */
};

static void set_up(struct bench *b, size_t backlog_max)
{
	struct store_opts opts = { .schema = record_schema, .statements = record_statements };
	struct record_opts record = { .node = "node-7", .backlog_max = backlog_max };
	char why[160];

	*b = (struct bench){ .folder = "/tmp/test_record_XXXXXX" };
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/calls.db", b->folder);
	opts.path = b->path;
	assert_int_equal(0, loop_new(&b->loop, true, 1));
	assert_int_equal(0, events_new(&b->events, b->loop));
	if (store_open(&b->store, b->loop, &opts, why))
		fail_msg("%s", why);
	record.events = b->events;
	record.store = b->store;
	assert_int_equal(0, record_new(&b->record, &record));
	assert_int_equal(SQLITE_OK, sqlite3_open(b->path, &b->db));
}

static void tear_down(struct bench *b)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[128];

	record_free(&b->record);
	CHECK(b->record == NULL);
	store_close(&b->store);
	events_free(&b->events);
	sqlite3_close(b->db);
	loop_free(&b->loop);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", b->path, ends[i]);
		unlink(path);
	}
	CHECK_INT(0, rmdir(b->folder));
}

/* All rows, as "column=value" lines; NULL columns are left out. */
static const char *rows(struct bench *b, struct buf *out, const char *sql)
{
	sqlite3_stmt *st = NULL;

	buf_reset(out);
	assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(b->db, sql, -1, &st, NULL));
	while (sqlite3_step(st) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(st); i++)
			if (sqlite3_column_type(st, i) != SQLITE_NULL)
				buf_printf(out, "%s=%s\n", sqlite3_column_name(st, i),
					   (const char *)sqlite3_column_text(st, i));
	sqlite3_finalize(st);
	return out->data ? out->data : "";
}

static const struct event_field fields[] = {
	{ "direction", STR("outbound") },
	{ "type", STR("sip") },
	{ "from", STR("sip:a'b@x") },
	{ "to", STR("sip:c@y") },
	{ "cause", STR("busy") },
	{ "sip_code", STR("486") },
	{ "ended_by", STR("peer") },
	{ "seconds", STR("1.234") },
	{ "rtp", STR("in=1,out=2,lost=3,foreign=4") },
	{ "why", STR("the peer said 486 \"Busy; DROP TABLE calls\"") },
};

static void end_leg(struct bench *b, const char *id, const char *parent, const struct event_leg *leg)
{
	struct event ev = {
		.type = EVENT_ENDED,
		.call_id = id,
		.parent_id = parent,
		.field_count = ARRAY_LEN(fields),
		.fields = fields,
		.leg = leg,
	};

	event_publish(b->events, &ev);
}

static const struct event_leg whole = {
	.created_ms = 1700000000001,
	.ringing_ms = 1700000000002,
	.answered_ms = 1700000000003,
	.ended_ms = 1700000001237,
	.talk_ms = 1234,
	.sip_code = 486,
	.packets_in = 5000000000,
	.packets_out = 2,
	.packets_lost = 3,
	.packets_foreign = 4,
	.jitter_us = 1500,
	.jitter_max_us = 2500,
	.round_trip_us = 40500,
	.score = 435,
	.far_reported = true,
	.far_score = 410,
	.far_lost = 9,
	.far_jitter_us = 3250,
};

static void a_row_has_every_fact(void **state)
{
	struct buf out = { 0 };
	struct bench b;

	set_up(&b, 0);
	end_leg(&b, "leg-1", "leg-0", &whole);
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_STR("call_id=leg-1\nparent_id=leg-0\ndirection=outbound\ntype=sip\nfrom_uri=sip:a'b@x\nto_uri=sip:c@y\n"
		  "created_at=1700000000001\nringing_at=1700000000002\nanswered_at=1700000000003\n"
		  "ended_at=1700000001237\nduration_ms=1234\ncause=busy\nsip_code=486\nended_by=peer\n"
		  "why=the peer said 486 \"Busy; DROP TABLE calls\"\npackets_in=5000000000\npackets_out=2\n"
		  "packets_lost=3\nforeign_packets=4\nnode=node-7\nmos=4.35\njitter_ms=1.5\njitter_max_ms=2.5\nround_"
		  "trip_ms=40.5\n"
		  "far_mos=4.1\nfar_lost=9\nfar_jitter_ms=3.25\n",
		  rows(&b, &out, "SELECT * FROM calls"));
	buf_free(&out);
	tear_down(&b);
}

static void what_never_was_is_null(void **state)
{
	static const struct event_leg bare = { .created_ms = 1, .ended_ms = 2 };
	struct buf out = { 0 };
	struct bench b;

	set_up(&b, 0);
	end_leg(&b, "leg-1", NULL, &bare);
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_STR("nulls=11\nduration_ms=0\npackets_in=0\n",
		  rows(&b, &out,
		       "SELECT (parent_id IS NULL) + (ringing_at IS NULL) + (answered_at IS NULL) + "
		       "(sip_code IS NULL) + (mos IS NULL) + (jitter_ms IS NULL) + (jitter_max_ms IS NULL) + "
		       "(round_trip_ms IS NULL) + (far_mos IS NULL) + (far_lost IS NULL) + (far_jitter_ms IS NULL) AS "
		       "nulls, duration_ms, packets_in FROM calls"));
	buf_free(&out);
	tear_down(&b);
}

/* A database of before the columns on quality, with a row in it. */
static void earlier_databases_get_the_new_columns(void **state)
{
	struct store_opts opts = { .schema = record_schema, .statements = record_statements };
	struct buf out = { 0 };
	char why[160];
	struct bench b;

	set_up(&b, 0);
	end_leg(&b, "old", NULL, &whole);
	loop_run_until(b.loop, UINT64_MAX);
	record_free(&b.record);
	store_close(&b.store);
	events_free(&b.events);
	assert_int_equal(0, events_new(&b.events, b.loop));
	for (const char *const *c = (const char *const[]){ "mos", "jitter_ms", "jitter_max_ms", "round_trip_ms",
							   "far_mos", "far_lost", "far_jitter_ms", NULL };
	     *c; c++) {
		char sql[80];

		snprintf(sql, sizeof(sql), "ALTER TABLE calls DROP COLUMN %s", *c);
		assert_int_equal(SQLITE_OK, sqlite3_exec(b.db, sql, NULL, NULL, NULL));
	}
	opts.path = b.path;
	for (int again = 0; again < 2; again++) {
		if (store_open(&b.store, b.loop, &opts, why))
			fail_msg("%s", why);
		if (!again)
			store_close(&b.store);
	}
	assert_int_equal(0, record_new(&b.record,
				       &(struct record_opts){ .events = b.events, .store = b.store, .node = "n" }));
	end_leg(&b, "young", NULL, &whole);
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_STR("call_id=old\npackets_in=5000000000\ncall_id=young\npackets_in=5000000000\nmos=4.35\nfar_lost=9\n",
		  rows(&b, &out, "SELECT call_id, packets_in, mos, far_lost FROM calls ORDER BY call_id"));
	buf_free(&out);
	tear_down(&b);
}

static void only_the_terminal_event_makes_a_row_and_only_one(void **state)
{
	struct buf out = { 0 };
	struct bench b;

	set_up(&b, 0);
	for (int type = EVENT_CREATED; type <= EVENT_MEDIA; type++)
		if (type != EVENT_ENDED)
			event_emit(b.events, type, "leg-1", NULL, 0, fields, ARRAY_LEN(fields));
	CHECK_INT(0, store_backlog(b.store));
	end_leg(&b, "leg-1", "first", &whole);
	end_leg(&b, "leg-2", "other", &whole);
	loop_run_until(b.loop, UINT64_MAX);
	end_leg(&b, "leg-1", "second", &whole); /* as after a try whose end nobody saw */
	loop_run_until(b.loop, UINT64_MAX);
	CHECK_STR("call_id=leg-1\nparent_id=first\ncall_id=leg-2\nparent_id=other\n",
		  rows(&b, &out, "SELECT call_id, parent_id FROM calls ORDER BY call_id"));
	buf_free(&out);
	tear_down(&b);
}

/* --- too much waits --- */

static void no_call(void *arg, struct call *c, const struct route *r)
{
	CHECK(false);
}

static bool behind(void *arg)
{
	struct bench *b = arg;

	return record_is_behind(b->record);
}

static void look_for_retry(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	int *retries = arg;

	*retries += memmem(data, n, "\r\nRetry-After: ", 15) != NULL;
}

static int call_status(struct bench *b, struct phone *p)
{
	struct phone_call *c = phone_dial(p, "sip:main@10.0.0.1:5060", WIRE_UDP);

	loop_run_until(b->loop, loop_now_ms(b->loop) + 50);
	return c->status;
}

/* The door is asked before anything else is: an offer that nobody understands gets 503 too while it is shut. */
static void calls_are_refused_while_rows_wait(void **state)
{
	static const struct trunk trunk = { .name = "all", .uri = "" };
	static const struct route route = { .match = "*", .swml = "/dev/null" };
	struct trunk open_trunk = trunk;
	struct addr_net everybody;
	struct route_table routes = {
		.trunks = &open_trunk, .trunk_count = 1, .routes = &route, .route_count = 1, .country = ""
	};
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct fake_net *net = NULL;
	struct fake_dns *dns = NULL;
	struct media *media = NULL;
	struct calls *calls = NULL;
	struct phone phone = { 0 };
	int retries = 0;
	struct fake_net_rules rules = { .seen = look_for_retry, .arg = &retries };
	char why[160];
	struct bench b;

	set_up(&b, 3);
	assert_int_equal(0, fake_net_new(&net, b.loop));
	assert_int_equal(0, fake_dns_new(&dns, b.loop));
	fake_net_set_rules(net, &rules);
	assert_int_equal(0, addr_net_parse(&everybody, STR("10.0.0.0/8")));
	assert_int_equal(0, addr_parse(&listen.addr, STR("10.0.0.1"), 5060));
	open_trunk.accept_from = &everybody;
	open_trunk.accept_count = 1;

	struct media_opts media_opts = { .loop = b.loop, .port_min = 29000, .port_max = 29003 };
	assert_int_equal(0, addr_parse(&media_opts.bind, STR("127.0.0.1"), 0));
	assert_int_equal(0, media_new(&media, &media_opts));

	struct calls_opts opts = {
		.loop = b.loop,
		.events = b.events,
		.media = media,
		.routes = &routes,
		.header_prefix = "X",
		.incoming = no_call,
		.overloaded = behind,
		.arg = &b,
		.sip = { .net = fake_net_host(net, "10.0.0.1"),
			 .dns = fake_dns_door(dns),
			 .listen = &listen,
			 .listen_count = 1,
			 .user_agent = "x" },
	};
	codec_list_add(&opts.codecs, CODEC_PCMU);
	assert_int_equal(0, calls_new(&calls, &opts, why));
	phone_open(&phone,
		   &(struct phone_opts){ b.loop, fake_net_host(net, "10.0.0.2"), fake_dns_door(dns), "10.0.0.2" });

	CHECK_INT(400, call_status(&b, &phone));
	CHECK_INT(0, retries);
	assert_int_equal(SQLITE_OK, sqlite3_exec(b.db, "BEGIN EXCLUSIVE", NULL, NULL, NULL));
	end_leg(&b, "leg-1", NULL, &whole);
	end_leg(&b, "leg-2", NULL, &whole);
	CHECK(!record_is_behind(b.record));
	CHECK_INT(400, call_status(&b, &phone));
	end_leg(&b, "leg-3", NULL, &whole);
	CHECK(record_is_behind(b.record));
	CHECK_INT(503, call_status(&b, &phone));
	CHECK(retries > 0);
	assert_int_equal(SQLITE_OK, sqlite3_exec(b.db, "COMMIT", NULL, NULL, NULL));
	loop_run_until(b.loop, loop_now_ms(b.loop) + 2000);
	CHECK(!record_is_behind(b.record));
	CHECK_INT(400, call_status(&b, &phone));

	phone_close(&phone);
	calls_free(&calls);
	media_free(&media);
	fake_dns_free(&dns);
	fake_net_free(&net);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_has_every_fact),
		TEST(what_never_was_is_null),
		TEST(earlier_databases_get_the_new_columns),
		TEST(only_the_terminal_event_makes_a_row_and_only_one),
		TEST(calls_are_refused_while_rows_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
