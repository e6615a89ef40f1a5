/* Registration and probing of trunks on virtual time: the server on one side of a network in memory, a registrar that
 * does what a script says on the other. */
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "call/calls.h"
#include "call/trunk_state.h"
#include "check.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "own_net.h"
#include "sip/sip_auth.h"
#include "sip/sip_build.h"

enum { MAX_SEEN = 64 };

struct seen { /* a request, repetitions left out */
	uint64_t at_ms;
	enum sip_method method;
	uint32_t expires, cseq;
	char ruri[64], from[80], to[64], call_id[40], contacts[160], branch[40];
	int auth; /* 0 none, 1 right, -1 wrong */
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct trunk trunks[2];
	struct route_table routes;
	struct net *host;
	struct wire *udp, *tcp;
	const char *script; /* an answer for each request, "-" silence; the last one for all that follow */
	const char *password;
	uint32_t min_expires, grant; /* of 423; of 200, 0 = as asked */
	bool strangers;              /* the 200 lists somebody else only */
	const char *retry_after;
	unsigned nonce;
	struct seen seen[MAX_SEEN];
	size_t count;
	char log[400]; /* events */
	char why[200];
	unsigned left;
};

/* --- the registrar --- */

static struct str field_of(struct str line, const char *name)
{
	char key[32];
	const char *at;
	size_t n = 0;

	snprintf(key, sizeof(key), " %s=\"", name);
	at = memmem(line.p, line.n, key, strlen(key));
	if (!at)
		return (struct str){ NULL, 0 };
	at += strlen(key);
	while (at + n < line.p + line.n && at[n] != '"')
		n++;
	return (struct str){ at, n };
}

static void print_challenge(const struct world *w, char *out, size_t size)
{
	snprintf(out, size, "Digest realm=\"r\", nonce=\"n%u\", algorithm=SHA-256, qop=\"auth\"", w->nonce);
}

static int judge(const struct world *w, const struct sip_msg *m)
{
	struct str line = sip_msg_header(m, SIP_H_AUTHORIZATION, 0);
	struct sip_challenge challenge;
	struct sip_digest d = { .password = str_of(w->password), .method = m->method_text, .uri = m->ruri };
	char want[SIP_DIGEST_TEXT], text[128], copy[600];

	if (!line.p)
		return 0;
	str_copy(copy, sizeof(copy), line);
	print_challenge(w, text, sizeof(text));
	assert_int_equal(sip_challenge_parse(&challenge, str_of(text)), 0);
	d.username = field_of(line, "username");
	d.cnonce = field_of(line, "cnonce");
	d.nc = (uint32_t)strtoul(strstr(copy, "nc=0") + 3, NULL, 16);
	if (!str_eq(field_of(line, "nonce"), challenge.nonce) || sip_digest_response(want, &challenge, &d))
		return -1;
	return str_is(field_of(line, "response"), want) ? 1 : -1;
}

static int next_answer(struct world *w)
{
	const char *blank = strchr(w->script, ' ');
	int status = *w->script == '-' ? 0 : atoi(w->script);

	if (blank)
		w->script = blank + 1;
	return status;
}

static void answer(struct world *w, struct wire *wire, const struct addr *from, const struct sip_msg *m, int status)
{
	const struct seen *s = &w->seen[w->count - 1];
	char host[ADDR_TEXT], challenge[128];
	struct buf b = { 0 };

	sip_build_response(&b, m, status, STR(""), "registrar", addr_host(from, host), addr_port(from));
	if (status == 401) {
		w->nonce++;
		print_challenge(w, challenge, sizeof(challenge));
		sip_build_header(&b, "WWW-Authenticate", str_of(challenge));
	}
	if (status == 423)
		sip_build_headerf(&b, "Min-Expires", "%u", w->min_expires);
	if (w->retry_after)
		sip_build_header(&b, "Retry-After", str_of(w->retry_after));
	if (status == 200 && m->method == SIP_REGISTER && s->expires) {
		sip_build_header(&b, "Contact", STR("<sip:other@10.9.9.9>;expires=17"));
		if (!w->strangers)
			sip_build_headerf(&b, "Contact", "%s;q=1;expires=%u", s->contacts,
					  w->grant ? w->grant : s->expires);
	}
	sip_build_body(&b, NULL, STR(""));
	wire->ops->send(wire, from, b.data, b.len);
	buf_free(&b);
}

static void note(struct world *w, const struct sip_msg *m, struct str branch)
{
	struct seen *s = &w->seen[w->count++];
	struct sip_cseq cseq;
	struct str value;
	size_t pos = 0, n = 0;

	assert_true(w->count < MAX_SEEN);
	*s = (struct seen){ .at_ms = loop_now_ms(w->loop), .method = m->method, .expires = 9999999 };
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	s->cseq = cseq.number;
	str_u32(sip_msg_header(m, SIP_H_EXPIRES, 0), &s->expires);
	str_copy(s->ruri, sizeof(s->ruri), m->ruri);
	str_copy(s->from, sizeof(s->from), sip_msg_header(m, SIP_H_FROM, 0));
	str_copy(s->to, sizeof(s->to), sip_msg_header(m, SIP_H_TO, 0));
	str_copy(s->call_id, sizeof(s->call_id), sip_msg_header(m, SIP_H_CALL_ID, 0));
	str_copy(s->branch, sizeof(s->branch), branch);
	while (sip_msg_next_value(m, SIP_H_CONTACT, &pos, &value))
		n += (size_t)snprintf(s->contacts + n, sizeof(s->contacts) - n, "%s%.*s", n ? ", " : "",
				      STR_ARG(value));
	s->auth = judge(w, m);
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	static struct sip_msg m;
	struct world *w = arg;
	struct sip_via via;
	const char *why;
	size_t used;
	int status;

	assert_int_equal(sip_msg_parse(&m, data, n, wire != w->udp, &used, &why), SIP_PARSE_OK);
	if (!m.request)
		return;
	assert_int_equal(sip_via_parse(&via, sip_msg_header(&m, SIP_H_VIA, 0)), 0);
	for (size_t i = 0; i < w->count; i++)
		if (str_is(via.branch, w->seen[i].branch))
			return;
	note(w, &m, via.branch);
	status = next_answer(w);
	if (status)
		answer(w, wire, from, &m, status);
}

static void on_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;

	w->tcp = conn;
}

static void on_closed(void *arg, struct wire *wire, int err, const char *why)
{
	struct world *w = arg;

	w->tcp = NULL;
}

/* --- the server --- */

static void on_event(void *arg, const struct event *ev)
{
	struct world *w = arg;
	size_t n = strlen(w->log);
	struct str trunk = event_get(ev, "trunk");

	if (ev->type != EVENT_TRUNK_UP && ev->type != EVENT_TRUNK_DOWN)
		return;
	CHECK_STR("", ev->call_id);
	snprintf(w->log + n, sizeof(w->log) - n, "%s%.*s %s", n ? ", " : "", STR_ARG(trunk), event_name(ev->type));
	if (ev->type == EVENT_TRUNK_DOWN)
		str_copy(w->why, sizeof(w->why), event_get(ev, "why"));
}

static void open_world(struct world *w, const char *script)
{
	static const struct wire_handlers handlers = { on_bytes, on_accepted, NULL, on_closed };
	struct addr at;

	memset(w, 0, sizeof(*w));
	w->script = script;
	w->password = "p";
	assert_int_equal(loop_new(&w->loop, true, 7), 0);
	assert_int_equal(fake_net_new(&w->net, w->loop), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(events_new(&w->events, w->loop), 0);
	events_subscribe(w->events, on_event, w);
	w->host = fake_net_host(w->net, "10.0.0.2");
	assert_int_equal(addr_parse(&at, STR("10.0.0.2"), 5060), 0);
	assert_int_equal(w->host->ops->udp_open(w->host, &w->udp, &at, &handlers, w), 0);
	w->trunks[0] = (struct trunk){ .name = "t",
				       .uri = "sip:{number}@10.0.0.2",
				       .username = "us er",
				       .password = "p",
				       .registers = true,
				       .expires_s = 600 };
	w->routes = (struct route_table){ .trunks = w->trunks, .trunk_count = 1, .country = "1" };
}

static void open_calls(struct world *w)
{
	struct sip_listen listen[2] = { { .kind = WIRE_UDP }, { .kind = WIRE_TCP } };
	struct media_opts media = { .loop = w->loop, .port_min = 21000, .port_max = 28999, .threads = 0 };
	struct calls_opts opts = {
		.loop = w->loop,
		.events = w->events,
		.routes = &w->routes,
		.default_transport = WIRE_UDP,
		.header_prefix = "X-Crosspoint",
		.arg = w,
		.sip = { .net = fake_net_host(w->net, "10.0.0.1"),
			 .dns = fake_dns_door(w->dns),
			 .listen = listen,
			 .listen_count = 2 },
	};
	char why[160];

	own_addr(1, 0, &media.bind);
	assert_int_equal(media_new(&w->media, &media), 0);
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	for (size_t i = 0; i < ARRAY_LEN(listen); i++)
		assert_int_equal(addr_parse(&listen[i].addr, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(calls_new(&w->calls, &opts, why), 0);
}

static void close_world(struct world *w)
{
	calls_free(&w->calls);
	media_free(&w->media);
	w->udp->ops->close(w->udp);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 1000);
	if (w->tcp)
		w->tcp->ops->close(w->tcp);
	CHECK_INT(0, fake_dns_open(w->dns));
	CHECK_INT(0, loop_timer_count(w->loop));
	events_free(&w->events);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static void run(struct world *w, uint64_t seconds)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + seconds * 1000);
}

static uint64_t gap_s(const struct world *w, size_t n)
{
	return (w->seen[n].at_ms - w->seen[n - 1].at_ms) / 1000;
}

static enum trunk_health health(const struct world *w)
{
	return trunks_health(calls_trunks(w->calls), &w->routes.trunks[0]);
}

/* --- registering --- */

static void a_trunk_registers_and_refreshes_in_time(void **state)
{
	struct world w;

	open_world(&w, "200");
	open_calls(&w);
	CHECK_INT(TRUNK_STARTING, health(&w));
	run(&w, 2000);
	CHECK_INT(TRUNK_UP, health(&w));
	CHECK_STR("t trunk.up", w.log);
	CHECK(w.count == 4 || w.count == 5);
	CHECK_STR("sip:10.0.0.2", w.seen[0].ruri);
	CHECK_STR("<sip:us%20er@10.0.0.2>", w.seen[0].to);
	CHECK_STR("<sip:us%20er@10.0.0.1:5060>", w.seen[0].contacts);
	for (size_t i = 1; i < w.count; i++) {
		CHECK(gap_s(&w, i) >= 480 && gap_s(&w, i) <= 540);
		CHECK_INT(600, w.seen[i].expires);
		CHECK_INT(w.seen[i - 1].cseq + 1, w.seen[i].cseq);
		CHECK_STR(w.seen[0].call_id, w.seen[i].call_id);
		CHECK_STR(w.seen[0].from, w.seen[i].from);
		CHECK_STR(w.seen[0].contacts, w.seen[i].contacts);
	}
	close_world(&w);
}

static void the_registrar_says_how_long(void **state)
{
	static const struct {
		const char *script;
		uint32_t min_expires, grant;
		bool strangers;
		size_t count; /* REGISTERs in the first 85 s */
		uint32_t expires;
		enum trunk_health health;
		const char *why;
	} rows[] = {
		{ "200", 0, 60, false, 2, 600, TRUNK_UP, "" },
		{ "423 200", 1800, 0, false, 2, 1800, TRUNK_UP, "" },
		{ "423 423 200", 1800, 0, false, 3, 1800, TRUNK_UP, "not registered: 423 Interval Too Brief" },
		{ "423 200", 300, 0, false, 2, 600, TRUNK_UP, "not registered: 423 Interval Too Brief" },
		{ "423", 4000000, 0, false, 2, 600, TRUNK_DOWN, "not registered: 423 Interval Too Brief" },
		{ "200", 0, 0, true, 2, 600, TRUNK_DOWN, "not registered: the registrar does not keep our Contact" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w, rows[i].script);
		w.min_expires = rows[i].min_expires;
		w.grant = rows[i].grant;
		w.strangers = rows[i].strangers;
		open_calls(&w);
		run(&w, 85);
		CHECK_INT(rows[i].expires, w.seen[w.count - 1].expires);
		CHECK_INT(rows[i].count, w.count);
		CHECK_INT(rows[i].health, health(&w));
		CHECK_STR(rows[i].why, w.why);
		if (rows[i].grant) /* 80 to 90 % of 60 s */
			CHECK(gap_s(&w, 1) >= 48 && gap_s(&w, 1) <= 54);
		if (check_bad)
			print_message("row %zu\n", i);
		close_world(&w);
	}
}

static void challenges_are_answered_and_nonces_kept(void **state)
{
	static const int want[] = { 0, 1, 1, 1, -1, 1 }; /* -1: the old nonce */
	struct world w;

	open_world(&w, "401 200 200 200 401 200");
	open_calls(&w);
	run(&w, 2200);
	CHECK(w.count >= ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		/* judged by the newest nonce: the fifth was right until its answer came */
		CHECK_INT(want[i] ? 1 : 0, w.seen[i].auth);
		CHECK_INT(w.seen[0].cseq + i, w.seen[i].cseq);
	}
	CHECK_INT(0, gap_s(&w, 1));
	CHECK(gap_s(&w, 4) > 400);
	CHECK_INT(0, gap_s(&w, 5));
	CHECK_STR("t trunk.up", w.log);
	close_world(&w);
}

static void wrong_credentials_are_not_tried_often(void **state)
{
	static const char *const scripts[] = { "401", "403", "404" };

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct world w;
		size_t first;

		open_world(&w, scripts[i]);
		w.password = "other";
		open_calls(&w);
		run(&w, 10);
		first = w.count;
		CHECK_INT(i ? 1 : 2, first);
		CHECK_STR("t trunk.down", w.log);
		if (!i)
			CHECK_STR("not registered: 401 Unauthorized: the credentials were refused", w.why);
		run(&w, 1850);
		CHECK(w.count > first && gap_s(&w, first) >= 900 && gap_s(&w, first) <= 1800);
		CHECK_STR("t trunk.down", w.log);
		close_world(&w);
	}
}

static void failures_are_followed_by_longer_and_longer_waits(void **state)
{
	static const uint64_t least[] = { 30, 60, 120, 240, 480, 900, 900 };
	static const uint64_t most[] = { 60, 120, 240, 480, 960, 1800, 1800 };
	struct world w;

	open_world(&w, "500");
	open_calls(&w);
	run(&w, 9000);
	CHECK(w.count > ARRAY_LEN(least));
	for (size_t i = 0; i < ARRAY_LEN(least); i++)
		CHECK(gap_s(&w, i + 1) >= least[i] && gap_s(&w, i + 1) <= most[i]);
	w.script = "200 500 200";
	run(&w, 2600);
	CHECK_STR("t trunk.down, t trunk.up, t trunk.down, t trunk.up", w.log);
	CHECK_STR("not registered: 500 Server Internal Error", w.why);
	close_world(&w);

	/* one that says when it wants to be asked again */
	open_world(&w, "503 200");
	w.retry_after = "300 (soon)";
	open_calls(&w);
	run(&w, 400);
	CHECK_INT(2, w.count);
	CHECK_INT(300, gap_s(&w, 1));
	close_world(&w);

	/* one that says nothing is given up after 32 s */
	open_world(&w, "-");
	open_calls(&w);
	run(&w, 31);
	CHECK_INT(TRUNK_STARTING, health(&w));
	run(&w, 3);
	CHECK_INT(TRUNK_DOWN, health(&w));
	CHECK_STR("not registered: no answer to the REGISTER from 10.0.0.2:5060 within 32 s", w.why);
	close_world(&w);
}

static void a_lost_connection_is_registered_anew(void **state)
{
	static const struct wire_handlers handlers = { on_bytes, on_accepted, NULL, on_closed };
	struct wire *listener;
	struct addr at;
	struct world w;

	open_world(&w, "200");
	w.trunks[0].uri = "sip:{number}@registrar.test;transport=tcp";
	fake_dns_add(w.dns, "registrar.test", "10.0.0.2");
	assert_int_equal(addr_parse(&at, STR("10.0.0.2"), 5060), 0);
	assert_int_equal(w.host->ops->listen(w.host, &listener, WIRE_TCP, &at, &handlers, &w), 0);
	open_calls(&w);
	run(&w, 20);
	CHECK_INT(1, w.count);
	CHECK_STR("<sip:us%20er@10.0.0.1:5060;transport=tcp>", w.seen[0].contacts);
	CHECK_STR("<sip:us%20er@registrar.test>", w.seen[0].to);
	fake_net_kill_connections(w.net);
	run(&w, 3);
	CHECK_INT(2, w.count);
	CHECK_STR(w.seen[0].call_id, w.seen[1].call_id);
	CHECK_STR("t trunk.up", w.log);
	/* and the next one finds nobody */
	listener->ops->close(listener);
	fake_net_kill_connections(w.net);
	run(&w, 3);
	CHECK_STR("t trunk.up, t trunk.down", w.log);
	close_world(&w);
}

static void hosts_are_tried_at_all_their_addresses(void **state)
{
	struct world w;

	open_world(&w, "200");
	w.trunks[0].uri = "sip:registrar.test";
	fake_dns_add(w.dns, "registrar.test", "10.0.0.3"); /* nobody there */
	fake_dns_add(w.dns, "registrar.test", "10.0.0.2");
	open_calls(&w);
	run(&w, 31);
	CHECK_INT(0, w.count);
	run(&w, 2);
	CHECK_INT(1, w.count);
	CHECK_STR("t trunk.up", w.log);
	close_world(&w);

	/* refused at once: no time is lost */
	open_world(&w, "200");
	w.trunks[0].uri = "sip:registrar.test";
	fake_dns_add(w.dns, "registrar.test", "[fd00::1]"); /* no listener of ours is IPv6 */
	fake_dns_add(w.dns, "registrar.test", "10.0.0.2");
	open_calls(&w);
	run(&w, 1);
	CHECK_STR("t trunk.up", w.log);
	close_world(&w);

	open_world(&w, "200");
	w.trunks[0].uri = "sip:x@nowhere.test";
	open_calls(&w);
	run(&w, 1);
	CHECK_STR("t trunk.down", w.log);
	CHECK_STR("not registered: no address found for host nowhere.test", w.why);
	close_world(&w);
}

/* --- the end of a registration --- */

static void has_left(void *arg)
{
	struct world *w = arg;

	w->left++;
}

static void leaving_unregisters_and_waits_for_2_seconds_at_most(void **state)
{
	static const struct {
		const char *script;
		size_t count;
		uint64_t within_ms;
	} rows[] = { { "200", 2, 10 }, { "401 200 401 200", 4, 10 }, { "200 -", 2, 2000 }, { "500", 1, 10 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t asked_ms;
		struct world w;

		open_world(&w, rows[i].script);
		open_calls(&w);
		run(&w, 5);
		asked_ms = loop_now_ms(w.loop);
		trunks_leave(calls_trunks(w.calls), has_left, &w);
		CHECK_INT(0, w.left);
		while (!w.left && loop_turn(w.loop))
			;
		CHECK_INT(1, w.left);
		CHECK(loop_now_ms(w.loop) - asked_ms <= rows[i].within_ms);
		CHECK_INT(rows[i].count, w.count);
		if (w.count > 1)
			CHECK_INT(0, w.seen[w.count - 1].expires);
		run(&w, 2000);
		CHECK_INT(1, w.left);
		CHECK_INT(rows[i].count, w.count);
		close_world(&w);
	}
}

static void configure(struct world *w, const struct route_table *routes)
{
	const struct calls_config c = {
		.routes = routes, .default_transport = WIRE_UDP, .header_prefix = "X", .codecs = { { 0 }, 0 }
	};

	calls_configure(w->calls, &c);
}

static void a_reload_changes_what_has_changed(void **state)
{
	static const struct trunk base = { .name = "t",
					   .uri = "sip:{number}@10.0.0.2",
					   .username = "us er",
					   .password = "p",
					   .registers = true,
					   .expires_s = 600 };
	struct trunk same = base, password = base, user = base, off = base;
	const struct {
		struct trunk *trunk; /* NULL = removed */
		size_t more;         /* REGISTERs */
		uint32_t expires[2];
	} rows[] = {
		{ &same, 0, { 0, 0 } }, { &password, 1, { 600, 0 } }, { &user, 2, { 0, 600 } },
		{ &off, 1, { 0, 0 } },  { NULL, 1, { 0, 0 } },
	};

	same.caller_ids = (const char *const[]){ "+1*", NULL };
	password.password = "other";
	user.username = "other";
	off.registers = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route_table next = { .trunks = rows[i].trunk, .trunk_count = rows[i].trunk ? 1 : 0 };
		struct world w;

		open_world(&w, "200");
		open_calls(&w);
		run(&w, 5);
		CHECK_INT(1, w.count);
		configure(&w, &next);
		run(&w, 5);
		CHECK_INT(1 + rows[i].more, w.count);
		for (size_t k = 0; k < rows[i].more; k++)
			CHECK_INT(rows[i].expires[k], w.seen[1 + k].expires);
		if (rows[i].trunk)
			CHECK_INT(TRUNK_UP, trunks_health(calls_trunks(w.calls), rows[i].trunk));
		if (check_bad)
			print_message("row %zu\n", i);
		close_world(&w);
	}
}

static void a_listener_that_goes_takes_its_contact_along(void **state)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	char why[160];
	struct world w;

	open_world(&w, "200");
	open_calls(&w);
	run(&w, 5);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.1"), 5070), 0);
	CHECK_INT(0, sip_stack_open(calls_sip(w.calls), &listen, 1, why));
	sip_stack_switch(calls_sip(w.calls), &listen, 1, NULL);
	configure(&w, &w.routes);
	run(&w, 5);
	CHECK_INT(2, w.count);
	CHECK_STR("<sip:us%20er@10.0.0.1:5070>, <sip:us%20er@10.0.0.1:5060>;expires=0", w.seen[1].contacts);
	run(&w, 600);
	CHECK_STR("<sip:us%20er@10.0.0.1:5070>", w.seen[2].contacts);
	/* another name for the same listener */
	CHECK_INT(0, sip_stack_open(calls_sip(w.calls), &listen, 1, why));
	sip_stack_switch(calls_sip(w.calls), &listen, 1, "pbx.test");
	configure(&w, &w.routes);
	run(&w, 5);
	CHECK_STR("<sip:us%20er@pbx.test:5070>, <sip:us%20er@10.0.0.1:5070>;expires=0", w.seen[3].contacts);
	configure(&w, &w.routes);
	run(&w, 5);
	CHECK_INT(4, w.count);
	close_world(&w);
}

/* --- whose calls are taken --- */

struct asker {
	char status[8];
};

static void take_status(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct asker *a = arg;

	if (n > 12 && !memcmp(data, "SIP/2.0 ", 8))
		str_copy(a->status, 4, (struct str){ data + 8, 3 });
}

/* OPTIONS from another port of this host. */
static void ask(struct world *w, const char *host, const char *want)
{
	static const struct wire_handlers handlers = { .bytes = take_status };
	static const char text[] = "OPTIONS sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s:5099;branch=z9hG4bK%s%u\r\n"
				   "From: <sip:a@b>;tag=1\r\nTo: <sip:x@10.0.0.1>\r\nCall-ID: c\r\n"
				   "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
	struct net *net = fake_net_host(w->net, host);
	struct asker a = { "" };
	struct addr at, to;
	struct wire *wire;
	struct buf b = { 0 };

	assert_int_equal(addr_parse(&at, str_of(host), 5099), 0);
	assert_int_equal(addr_parse(&to, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(net->ops->udp_open(net, &wire, &at, &handlers, &a), 0);
	buf_printf(&b, text, host, want, (unsigned)w->count);
	wire->ops->send(wire, &to, b.data, b.len);
	run(w, 1);
	CHECK_STR(want, a.status);
	wire->ops->close(wire);
	buf_free(&b);
}

static void calls_of_the_registrar_are_known_while_we_are_registered(void **state)
{
	struct world w;

	open_world(&w, "- - 200 500 500");
	open_calls(&w);
	ask(&w, "10.0.0.2", "403");
	run(&w, 200);
	CHECK_INT(TRUNK_UP, health(&w));
	ask(&w, "10.0.0.2", "200");
	ask(&w, "10.0.0.3", "403");
	run(&w, 600);
	CHECK_INT(TRUNK_DOWN, health(&w));
	ask(&w, "10.0.0.2", "403");
	close_world(&w);
}

/* --- probes --- */

static void probes_find_out_who_is_down(void **state)
{
	static const struct {
		const char *script, *log;
	} rows[] = {
		{ "200", "" },
		{ "404", "" },
		{ "405", "" },
		{ "481 401 407 408 486 500 501 603", "" },
		{ "- 200", "" },
		{ "503 200 503 200", "" },
		{ "503 503 200", "t trunk.down, t trunk.up" },
		{ "- - 200", "t trunk.down, t trunk.up" },
		{ "503 - 404", "t trunk.down, t trunk.up" },
		{ "200 - - - 200 200 - 200 503 503 503", "t trunk.down, t trunk.up, t trunk.down" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w, rows[i].script);
		w.trunks[0].registers = false;
		w.trunks[0].probe_s = 30;
		w.trunks[0].uri = "sip:{number}@10.0.0.2;x=1?y=z";
		open_calls(&w);
		CHECK_INT(TRUNK_UP, health(&w));
		run(&w, 500);
		CHECK_STR(rows[i].log, w.log);
		CHECK_INT(SIP_OPTIONS, w.seen[0].method);
		CHECK_STR("sip:10.0.0.2;x=1", w.seen[0].ruri);
		CHECK_STR("", w.seen[0].contacts);
		CHECK(w.count >= 12 && w.count < 24);
		if (check_bad)
			print_message("row %zu: %s\n", i, rows[i].script);
		close_world(&w);
	}
}

static void a_dead_trunk_is_found_out_in_seconds(void **state)
{
	struct world w;

	open_world(&w, "200 -");
	w.trunks[0].registers = false;
	w.trunks[0].probe_s = 30;
	open_calls(&w);
	run(&w, 29);
	CHECK_INT(1, w.count);
	run(&w, 5 + 5 + 1 + 4);
	CHECK_STR("t trunk.down", w.log);
	CHECK_STR("OPTIONS: no answer within 5 s", w.why);
	CHECK_INT(6, gap_s(&w, 2));
	run(&w, 40);
	CHECK(gap_s(&w, 3) >= 30 && gap_s(&w, 3) <= 5 + 33);
	close_world(&w);
}

static void both_must_be_well(void **state)
{
	struct world w;

	open_world(&w, "200");
	w.trunks[0].probe_s = 30;
	open_calls(&w);
	run(&w, 5);
	CHECK_STR("t trunk.up", w.log);
	w.script = "503";
	run(&w, 60); /* only probes in these */
	CHECK_STR("t trunk.up, t trunk.down", w.log);
	CHECK_STR("OPTIONS: 503 Service Unavailable", w.why);
	w.script = "200";
	run(&w, 60);
	CHECK_STR("t trunk.up, t trunk.down, t trunk.up", w.log);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_trunk_registers_and_refreshes_in_time),
		TEST(the_registrar_says_how_long),
		TEST(challenges_are_answered_and_nonces_kept),
		TEST(wrong_credentials_are_not_tried_often),
		TEST(failures_are_followed_by_longer_and_longer_waits),
		TEST(a_lost_connection_is_registered_anew),
		TEST(hosts_are_tried_at_all_their_addresses),
		TEST(leaving_unregisters_and_waits_for_2_seconds_at_most),
		TEST(a_reload_changes_what_has_changed),
		TEST(a_listener_that_goes_takes_its_contact_along),
		TEST(calls_of_the_registrar_are_known_while_we_are_registered),
		TEST(probes_find_out_who_is_down),
		TEST(a_dead_trunk_is_found_out_in_seconds),
		TEST(both_must_be_well),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
