/* Calls over trunks on virtual time: the server's calls on one side of a network in memory, carriers that do what a
 * script says on the other. What is tried after what, as whom, at which price, and what carriers with passwords get
 * to see. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/loop.h"
#include "call/calls.h"
#include "call/identity.h"
#include "call/trunk_state.h"
#include "check.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "sip/sip_auth.h"
#include "sip/sip_build.h"

enum { CARRIERS = 3 };

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			  "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

struct world;

/* A bare SIP speaker on UDP. Each request that is no repetition takes the next word of its script: statuses
 * joined by '+', "-" for silence. A 401 or 407 takes the next of the challenges. */
struct carrier {
	struct world *w;
	struct net *net;
	struct wire *wire;
	const char *invites, *byes; /* scripts; INVITEs in dialogs take from them too */
	const char *challenges[6];
	const char *password;
	size_t challenged;
	char branch[64];          /* of the newest INVITE */
	char invite[600];         /* Authorization of the newest INVITE */
	char port[16];            /* of the audio that was offered first */
	bool dead;                /* says nothing to OPTIONS */
	const char *lines;        /* more header lines of its final refusals, instead of a Contact */
	char ruri[96], last[900]; /* of the newest INVITE: URI, From and what is behind User-Agent */
	char reason[160];         /* of the newest CANCEL or BYE */
	struct buf log;           /* what came: "INVITE INVITE:good ACK:same BYE:good" */
	uint64_t first_ms;
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct trunk trunks[CARRIERS];
	struct route_table routes;
	struct carrier carriers[CARRIERS];
	struct call *call;
	unsigned created, ringing, answered, ended, closed;
	char cause[24], sip_code[8], why[200], by[24];
	uint32_t talk_ms;     /* hang up so long after the answer */
	uint32_t patience_ms; /* hang up an unanswered call then, 0 = never */
	struct loop_timer hangup;
};

/* --- carriers --- */

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

/* Is the response what the newest challenge, its password and the request make? */
static bool is_good(const struct carrier *c, const struct sip_msg *m, struct str line)
{
	const char *header = c->challenged ? strstr(c->challenges[c->challenged - 1], "Digest") : NULL;
	struct str value = str_of(header), first, nc;
	struct sip_challenge challenge, next;
	struct sip_digest d = { .password = str_of(c->password), .method = m->method_text, .uri = m->ruri };
	char want[SIP_DIGEST_TEXT];

	/* the client picked the last line when there were two */
	for (const char *p = header; p && (p = strstr(p + 1, "Digest"));)
		value = str_of(p);
	str_split(&value, '\r', &first);
	if (sip_challenge_parse(&challenge, first))
		return false;
	next = challenge;
	d.username = field_of(line, "username");
	d.cnonce = field_of(line, "cnonce");
	nc = str_of(strstr(line.p, "nc=0"));
	d.nc = nc.p ? (uint32_t)strtoul(nc.p + 3, NULL, 16) : 0;
	if (!str_eq(field_of(line, "nonce"), next.nonce) || !str_eq(field_of(line, "realm"), next.realm) ||
	    !str_eq(field_of(line, "uri"), m->ruri) || sip_digest_response(want, &next, &d))
		return false;
	return str_is(field_of(line, "response"), want);
}

static void note(struct carrier *c, const struct sip_msg *m)
{
	struct str auth = sip_msg_header(m, SIP_H_AUTHORIZATION, 0);
	char line[600];

	if (!auth.p)
		auth = sip_msg_header(m, SIP_H_PROXY_AUTHORIZATION, 0);
	str_copy(line, sizeof(line), auth);
	buf_printf(&c->log, "%s%.*s", c->log.len ? " " : "", STR_ARG(m->method_text));
	if (m->method == SIP_ACK && auth.p)
		buf_cstr(&c->log, strcmp(line, c->invite) ? ":other" : ":same");
	else if (auth.p)
		buf_cstr(&c->log, is_good(c, m, str_of(line)) ? ":good" : ":bad");
	if (m->method == SIP_INVITE)
		str_copy(c->invite, sizeof(c->invite), str_of(line));
}

static void respond(struct carrier *c, const struct sip_msg *m, const struct addr *to, int status)
{
	char host[ADDR_TEXT];
	struct buf b = { 0 };
	bool body = m->method == SIP_INVITE && (status == 200 || status == 183);

	sip_build_response(&b, m, status, STR(""), status == 100 ? NULL : "carrier", addr_host(to, host),
			   addr_port(to));
	if (status >= 300 && c->lines) {
		buf_cstr(&b, c->lines);
		sip_build_body(&b, NULL, STR(""));
		c->wire->ops->send(c->wire, to, b.data, b.len);
		buf_free(&b);
		return;
	}
	sip_build_header(&b, "Contact", STR("<sip:carrier@10.0.0.9:5060>"));
	b.data[b.len - 8] = c->net == c->w->carriers[0].net ? '2' : c->net == c->w->carriers[1].net ? '3' : '4';
	if (status == 401 || status == 407)
		buf_cstr(&b, c->challenges[c->challenged++]);
	sip_build_body(&b, "application/sdp", body ? STR(sdp) : STR(""));
	c->wire->ops->send(c->wire, to, b.data, b.len);
	buf_free(&b);
}

static void play(struct carrier *c, const struct sip_msg *m, const struct addr *from, const char **script)
{
	struct str rest = str_of(*script), word = { NULL, 0 }, status;
	uint32_t code;

	str_split(&rest, ' ', &word);
	*script = rest.p;
	while (str_split(&word, '+', &status))
		if (!str_u32(status, &code))
			respond(c, m, from, (int)code);
}

/* "From: … Header: value …" of the newest INVITE. */
static void keep_invite(struct carrier *c, const struct sip_msg *m)
{
	static const char *const known[] = { "Via",           "Max-Forwards", "To",      "Call-ID",   "CSeq",
					     "User-Agent",    "Allow",        "Contact", "Supported", "Content-Type",
					     "Content-Length" };
	size_t n = 0;

	str_copy(c->ruri, sizeof(c->ruri), m->ruri);
	for (size_t i = 0; i < m->header_count; i++) {
		struct str name = m->headers[i].name, value = m->headers[i].value;
		bool skip = false;

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			skip = skip || str_iis(name, known[k]);
		if (str_is(name, "From"))
			value.n = (size_t)(strchr(value.p, '>') + 1 - value.p);
		if (!skip)
			n += (size_t)snprintf(c->last + n, sizeof(c->last) - n, "%s%.*s: %.*s", n ? " " : "",
					      STR_ARG(name), STR_ARG(value));
	}
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	static struct sip_msg m;
	struct carrier *c = arg;
	struct sip_via via;
	const char *why;
	size_t used;

	assert_int_equal(sip_msg_parse(&m, data, n, false, &used, &why), SIP_PARSE_OK);
	assert_int_equal(sip_via_parse(&via, sip_msg_header(&m, SIP_H_VIA, 0)), 0);
	if (m.method == SIP_INVITE && str_is(via.branch, c->branch))
		return; /* a repetition */
	if (m.method == SIP_INVITE)
		str_copy(c->branch, sizeof(c->branch), via.branch);
	if (m.method == SIP_OPTIONS) {
		if (!c->dead)
			respond(c, &m, from, 200);
		return;
	}
	note(c, &m);
	if (m.method == SIP_INVITE)
		keep_invite(c, &m);
	if (m.method == SIP_CANCEL || m.method == SIP_BYE)
		str_copy(c->reason, sizeof(c->reason), sip_msg_header(&m, SIP_H_REASON, 0));
	if (m.method == SIP_INVITE && !c->first_ms) {
		c->first_ms = loop_now_ms(c->w->loop);
		str_copy(c->port, sizeof(c->port), str_of(strstr(m.body.p ? m.body.p : "", "m=audio ")));
	}
	if (m.method == SIP_INVITE)
		play(c, &m, from, &c->invites);
	else if (m.method == SIP_BYE && c->byes)
		play(c, &m, from, &c->byes);
	else if (m.method != SIP_ACK)
		respond(c, &m, from, 200);
}

/* --- the server --- */

static void count_event(void *arg, const struct event *ev)
{
	struct world *w = arg;

	w->created += ev->type == EVENT_CREATED;
	w->ringing += ev->type == EVENT_RINGING;
	w->answered += ev->type == EVENT_ANSWERED;
	if (ev->type != EVENT_ENDED)
		return;
	w->ended++;
	str_copy(w->cause, sizeof(w->cause), event_get(ev, "cause"));
	str_copy(w->sip_code, sizeof(w->sip_code), event_get(ev, "sip_code"));
	str_copy(w->why, sizeof(w->why), event_get(ev, "why"));
	str_copy(w->by, sizeof(w->by), event_get(ev, "ended_by"));
}

static void hang_up(void *arg)
{
	struct world *w = arg;

	if (w->call)
		call_hangup(w->call, w->answered ? CAUSE_HANGUP : CAUSE_NO_ANSWER, "timeout", "hung up by the test");
}

static void on_answered(void *arg, struct call *c)
{
	struct world *w = arg;

	loop_timer_start(w->loop, &w->hangup, w->talk_ms, hang_up, w);
}

static void on_closed(void *arg, struct call *c)
{
	struct world *w = arg;

	w->closed++;
	w->call = NULL;
	loop_timer_stop(w->loop, &w->hangup);
}

static const struct call_controller controller = { .closed = on_closed, .answered = on_answered };

static void open_calls(struct world *w)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
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
			 .listen = &listen,
			 .listen_count = 1,
			 .user_agent = "server" },
	};
	char why[160];

	assert_int_equal(addr_parse(&media.bind, STR("127.0.0.1"), 0), 0);
	assert_int_equal(media_new(&w->media, &media), 0);
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(calls_new(&w->calls, &opts, why), 0);
}

static void open_world(struct world *w)
{
	static const char *const hosts[CARRIERS] = { "10.0.0.2", "10.0.0.3", "10.0.0.4" };
	static const char *const uris[CARRIERS] = { "sip:{number}@10.0.0.2", "sip:{number}@10.0.0.3",
						    "sip:{number}@10.0.0.4" };
	static const char *const names[CARRIERS] = { "first", "second", "third" };
	static const char *const prefixes[] = { "+1", NULL };
	static const struct wire_handlers handlers = { .bytes = on_bytes };
	struct addr at;

	memset(w, 0, sizeof(*w));
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	assert_int_equal(fake_net_new(&w->net, w->loop), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(events_new(&w->events, w->loop), 0);
	events_subscribe(w->events, count_event, w);
	for (size_t i = 0; i < CARRIERS; i++) {
		struct carrier *c = &w->carriers[i];

		*c = (struct carrier){
			.w = w, .net = fake_net_host(w->net, hosts[i]), .invites = "180+200", .password = "p"
		};
		assert_int_equal(addr_parse(&at, str_of(hosts[i]), 5060), 0);
		assert_int_equal(c->net->ops->udp_open(c->net, &c->wire, &at, &handlers, c), 0);
		w->trunks[i] = (struct trunk){ .name = names[i], .uri = uris[i], .prefixes = prefixes };
	}
	w->routes = (struct route_table){ .trunks = w->trunks, .trunk_count = 2, .country = "1" };
	w->talk_ms = 1000;
	open_calls(w);
}

/* Nothing is left, the leg ended exactly once. */
static void close_world(struct world *w)
{
	struct sip_stack_counts counts = { .sessions = 0 };

	CHECK_INT(0, w->calls ? calls_count(w->calls) : 0);
	CHECK_INT(0, media_ports_open(w->media));
	CHECK(w->created <= 1 && w->ringing <= 1 && w->answered <= 1);
	CHECK_INT(w->created, w->ended);
	CHECK_INT(w->created, w->closed);
	if (w->calls)
		sip_stack_count(calls_sip(w->calls), &counts);
	CHECK_INT(0, counts.sessions + counts.client_transactions + counts.server_transactions);
	calls_free(&w->calls);
	media_free(&w->media);
	for (size_t i = 0; i < CARRIERS; i++) {
		w->carriers[i].wire->ops->close(w->carriers[i].wire);
		buf_free(&w->carriers[i].log);
	}
	CHECK_INT(0, loop_timer_count(w->loop));
	events_free(&w->events);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static int dial(struct world *w, const struct call_dial *ask, struct call_dial_fault *fault)
{
	int err = call_dial(&w->call, w->calls, ask, &controller, w, fault);

	if (!err && w->patience_ms)
		loop_timer_start(w->loop, &w->hangup, w->patience_ms, hang_up, w);
	return err;
}

static void dial_number(struct world *w)
{
	const struct call_dial ask = { .number = true, .address = "(555) 123-4567", .from = "+15550001111" };
	struct call_dial_fault fault = { .cause = CAUSE_NONE };

	CHECK_INT(0, dial(w, &ask, &fault));
}

static void run(struct world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + 300000);
}

static const char *log_of(const struct carrier *c)
{
	return c->log.data ? c->log.data : "";
}

/* --- which trunk is tried after which --- */

static void trunks_that_fail_are_followed_by_the_next(void **state)
{
	static const struct {
		const char *first;                  /* its script */
		bool next;                          /* is the second one tried? */
		const char *cause, *sip_code, *why; /* when it is not */
	} rows[] = {
		{ "503", true, NULL, NULL, NULL },
		{ "500", true, NULL, NULL, NULL },
		{ "504", true, NULL, NULL, NULL },
		{ "599", true, NULL, NULL, NULL },
		{ "100+503", true, NULL, NULL, NULL },
		{ "181+503", true, NULL, NULL, NULL },
		{ "403", true, NULL, NULL, NULL },
		{ "488", true, NULL, NULL, NULL },
		{ "-", true, NULL, NULL, NULL },
		{ "486", false, "busy", "486", "trunk first: 486 Busy Here" },
		{ "600", false, "busy", "600", "trunk first: 600 Busy Everywhere" },
		{ "603", false, "declined", "603", "trunk first: 603 Decline" },
		{ "607", false, "declined", "607", "trunk first: 607 Unwanted" },
		{ "606", false, "error", "606", "trunk first: 606 Not Acceptable" },
		{ "404", false, "error", "404", "trunk first: 404 Not Found" },
		{ "480", false, "no_answer", "480", "trunk first: 480 Temporarily Unavailable" },
		{ "408", false, "no_answer", "408", "trunk first: 408 Request Timeout" },
		{ "484", false, "error", "484", "trunk first: 484 Address Incomplete" },
		{ "302", false, "error", "302", "trunk first: 302 Moved Temporarily" },
		/* nobody is rung twice */
		{ "180+503", false, "error", "503", "trunk first: 503 Service Unavailable" },
		{ "183+503", false, "error", "503", "trunk first: 503 Service Unavailable" },
		{ "180+403", false, "declined", "403", "trunk first: 403 Forbidden" },
		/* it lives, and may take its time */
		{ "100", false, "no_answer", "0", "hung up by the test" },
		{ "180", false, "no_answer", "0", "hung up by the test" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.carriers[0].invites = rows[i].first;
		w.patience_ms = 60000;
		dial_number(&w);
		run(&w);
		CHECK_INT(1, w.created);
		CHECK_INT(rows[i].next, w.answered);
		CHECK_STR(rows[i].next ? "hangup" : rows[i].cause, w.cause);
		CHECK_STR(rows[i].next ? "200" : rows[i].sip_code, w.sip_code);
		CHECK_STR(rows[i].next ? "hung up by the test" : rows[i].why, w.why);
		CHECK_STR(rows[i].next ? "INVITE ACK BYE" : "", log_of(&w.carriers[1]));
		if (rows[i].next) /* one port for all tries */
			CHECK_STR(w.carriers[0].port, w.carriers[1].port);
		if (check_bad)
			print_message("row %zu: %s\n", i, rows[i].first);
		close_world(&w);
	}
}

static void the_first_response_is_awaited_for_5_seconds(void **state)
{
	struct world w;

	open_world(&w);
	w.carriers[0].invites = "-";
	dial_number(&w);
	run(&w);
	CHECK_INT(5000, w.carriers[1].first_ms - w.carriers[0].first_ms);
	CHECK_STR("INVITE", log_of(&w.carriers[0]));
	close_world(&w);
}

/* The first trunk is a name with two addresses: both are tried within its 5 s, then the other trunk. */
static void the_addresses_of_a_trunk_go_before_the_next_trunk(void **state)
{
	static const struct {
		const char *first, *second;
		const char *logs[CARRIERS];
		uint64_t second_ms, third_ms; /* 0 = not asked */
	} rows[] = {
		{ "503", "180+200", { "INVITE ACK", "INVITE ACK BYE", "" }, 0, 0 },
		{ "-", "180+200", { "INVITE", "INVITE ACK BYE", "" }, 2500, 0 },
		{ "100+503", "-", { "INVITE ACK", "INVITE", "INVITE ACK BYE" }, 0, 5000 },
		{ "-", "503", { "INVITE", "INVITE ACK", "INVITE ACK BYE" }, 2500, 2500 },
		{ "-", "-", { "INVITE", "INVITE", "INVITE ACK BYE" }, 2500, 5000 },
		{ "486", "180+200", { "INVITE ACK", "", "" }, 0, 0 },
		{ "180+503", "180+200", { "INVITE ACK", "", "" }, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		uint64_t began;

		open_world(&w);
		fake_dns_add(w.dns, "svc.example", "10.0.0.2");
		fake_dns_add(w.dns, "svc.example", "10.0.0.3");
		w.trunks[0].uri = "sip:{number}@svc.example";
		w.trunks[1].uri = "sip:{number}@10.0.0.4";
		w.carriers[0].invites = rows[i].first;
		w.carriers[1].invites = rows[i].second;
		began = loop_now_ms(w.loop);
		dial_number(&w);
		run(&w);
		for (size_t j = 0; j < CARRIERS; j++)
			CHECK_STR(rows[i].logs[j], log_of(&w.carriers[j]));
		if (rows[i].logs[1][0])
			CHECK_INT(rows[i].second_ms, w.carriers[1].first_ms - began);
		if (rows[i].logs[2][0])
			CHECK_INT(rows[i].third_ms, w.carriers[2].first_ms - began);
		CHECK_INT(1, w.ended);
		close_world(&w);
	}
}

/* A trunk that comes to life when it has been given up is told so, and nobody talks twice. */
static void a_late_answer_is_hung_up(void **state)
{
	static const struct {
		const char *late, *log;
	} rows[] = { { "180", "INVITE CANCEL" }, { "200", "INVITE ACK BYE" }, { "503", "INVITE ACK" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake_net_rules late = { .delay_min_ms = 3000, .delay_max_ms = 3000 }, swift = { 0 };
		struct world w;

		open_world(&w);
		w.carriers[0].invites = rows[i].late;
		fake_net_set_rules(w.net, &late);
		dial_number(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 4000);
		fake_net_set_rules(w.net, &swift); /* the response is under way for 2 s more */
		w.talk_ms = 20000;
		run(&w);
		CHECK_INT(1, w.answered);
		CHECK_STR(rows[i].log, log_of(&w.carriers[0]));
		CHECK_STR("INVITE ACK BYE", log_of(&w.carriers[1]));
		close_world(&w);
	}
}

static void trunks_that_cannot_be_reached_cost_no_time(void **state)
{
	static const char *const uris[] = {
		"sip:{number}@10.0.0.2;transport=tcp",   /* no listener of ours speaks it */
		"sip:{number}@nowhere.test",             /* no such host */
		"sip:{number}@10.0.0.2;transport=smoke", /* no such transport */
		"sip:{number}@[fd00::1]",                /* no listener for IPv6 */
	};

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct world w;
		uint64_t start_ms;

		open_world(&w);
		w.trunks[0].uri = uris[i];
		start_ms = loop_now_ms(w.loop);
		dial_number(&w);
		run(&w);
		CHECK_STR("hangup", w.cause);
		CHECK_STR("INVITE ACK BYE", log_of(&w.carriers[1]));
		CHECK(w.carriers[1].first_ms - start_ms < 100);
		close_world(&w);
	}
}

static void the_last_failure_is_the_one_told(void **state)
{
	static const struct {
		const char *scripts[CARRIERS];
		const char *cause, *sip_code, *why, *by;
	} rows[] = {
		{ { "503", "500", "502" }, "error", "502", "trunk third: 502 Bad Gateway", "peer" },
		{ { "503", "486", "200" }, "busy", "486", "trunk second: 486 Busy Here", "peer" },
		{ { "503", "-", "403" }, "declined", "403", "trunk third: 403 Forbidden", "peer" },
		{ { "-", "-", "-" },
		  "no_answer",
		  "0",
		  "trunk third: no answer to the INVITE from 10.0.0.4:5060 within 32 s",
		  "timeout" },
		{ { "401", "503", "407" },
		  "error",
		  "407",
		  "trunk third: 407 Proxy Authentication Required, and no credentials are given",
		  "peer" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.routes.trunk_count = 3;
		for (size_t k = 0; k < CARRIERS; k++) {
			w.carriers[k].invites = rows[i].scripts[k];
			w.carriers[k].challenges[0] = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\"\r\n"
						      "Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\"\r\n";
		}
		dial_number(&w);
		run(&w);
		CHECK_INT(1, w.created);
		CHECK_INT(0, w.answered);
		CHECK_STR(rows[i].cause, w.cause);
		CHECK_STR(rows[i].sip_code, w.sip_code);
		CHECK_STR(rows[i].why, w.why);
		CHECK_STR(rows[i].by, w.by);
		close_world(&w);
	}
}

/* In each second of a call that goes from one silent trunk to the next. */
static void a_hangup_ends_the_tries(void **state)
{
	for (uint32_t at_ms = 1; at_ms < 14000; at_ms += 777) {
		struct world w;

		open_world(&w);
		w.routes.trunk_count = 3;
		w.carriers[0].invites = w.carriers[1].invites = "-";
		w.carriers[2].invites = "100";
		w.patience_ms = at_ms;
		dial_number(&w);
		run(&w);
		CHECK_STR("no_answer", w.cause);
		CHECK_INT(at_ms > 5000, w.carriers[1].log.len > 0);
		CHECK_INT(at_ms > 10000, w.carriers[2].log.len > 0);
		close_world(&w);
	}
}

static void a_server_that_stops_tries_no_further(void **state)
{
	struct world w;

	open_world(&w);
	w.carriers[0].invites = "-";
	dial_number(&w);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 2000);
	calls_free(&w.calls);
	CHECK_INT(1, w.closed);
	CHECK_STR("", log_of(&w.carriers[1]));
	close_world(&w);
}

/* --- what is passed over before anything is sent --- */

static void trunks_are_passed_over_for_caller_ids_and_prices(void **state)
{
	static const char *const mine[] = { "+15550001111", NULL }, *const others[] = { "+4420*", NULL };
	static struct rate room[3][4];
	static const char *const tables[3] = { "1,0.0100\n", "1,0.0200\n", "44,0.0001\n" };
	static const struct {
		const char *const *ids[2]; /* caller ids of the two trunks */
		int rates[2];              /* index of the table, -1 = none */
		uint32_t cap;
		const char *used; /* name of the trunk that gets the call, NULL = none */
		const char *why;
	} rows[] = {
		{ { NULL, NULL }, { -1, -1 }, 0, "first", NULL },
		{ { others, NULL }, { -1, -1 }, 0, "second", NULL },
		{ { mine, others }, { -1, -1 }, 0, "first", NULL },
		{ { others, others },
		  { -1, -1 },
		  0,
		  NULL,
		  "trunk first may not send the caller id +15550001111; trunk second may not send the caller id "
		  "+15550001111" },
		{ { NULL, NULL }, { 1, 0 }, 0, "first", NULL }, /* no cap */
		{ { NULL, NULL }, { 1, 0 }, 200, "first", NULL },
		{ { NULL, NULL }, { 1, 0 }, 199, "second", NULL },
		{ { NULL, NULL }, { 2, 0 }, 199, "second", NULL },
		{ { NULL, NULL }, { 1, -1 }, 50, "second", NULL }, /* no table, no effect */
		{ { NULL, others },
		  { 1, 0 },
		  100,
		  NULL,
		  "trunk first takes 0.0200 USD a minute, the cap is 0.0100; trunk second may not send the caller id "
		  "+15550001111" },
		{ { NULL, NULL },
		  { 0, 2 },
		  99,
		  NULL,
		  "trunk first takes 0.0100 USD a minute, the cap is 0.0099; trunk second has no rate for "
		  "+15551234567, which counts as over the price cap" },
	};
	struct rates rates[3];
	struct rates_fault bad;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		assert_int_equal(rates_read(&rates[i], room[i], str_of(tables[i]), &bad), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct call_dial ask = {
			.number = true, .address = "+15551234567", .from = "+15550001111", .price_cap = rows[i].cap
		};
		struct call_dial_fault fault = { .cause = CAUSE_NONE };
		struct world w;
		int err;

		open_world(&w);
		for (size_t k = 0; k < 2; k++) {
			w.trunks[k].caller_ids = rows[i].ids[k];
			w.trunks[k].rates = rows[i].rates[k] < 0 ? NULL : &rates[rows[i].rates[k]];
		}
		err = dial(&w, &ask, &fault);
		CHECK_INT(rows[i].used == NULL, err != 0);
		run(&w);
		if (rows[i].used) {
			bool first = !strcmp(rows[i].used, "first");

			CHECK_STR(first ? "INVITE ACK BYE" : "", log_of(&w.carriers[0]));
			CHECK_STR(first ? "" : "INVITE ACK BYE", log_of(&w.carriers[1]));
		} else {
			CHECK_INT(0, w.created);
			CHECK_INT(CAUSE_ERROR, fault.cause);
			CHECK(!strncmp(rows[i].why, fault.why, sizeof(fault.why) - 1));
		}
		close_world(&w);
	}
}

static unsigned told;

static void count_line(void *arg, enum log_level level, const char *line)
{
	told += strstr(line, "has no rates: a price cap has no effect on it") != NULL;
}

static void a_cap_without_rates_is_logged_once(void **state)
{
	const struct call_dial ask = { .number = true, .address = "+15551234567", .from = "x", .price_cap = 1 };
	struct call_dial_fault fault;
	struct world w;

	open_world(&w);
	log_set_level(LOG_WARN);
	log_capture(count_line, NULL);
	told = 0;
	CHECK_INT(0, dial(&w, &ask, &fault));
	run(&w);
	w.carriers[0].invites = "200";
	CHECK_INT(0, dial(&w, &ask, &fault));
	run(&w);
	log_capture(NULL, NULL);
	log_set_level(LOG_ERROR);
	CHECK_INT(1, told);
	CHECK_INT(2, w.ended);
	w.created = w.ended = w.closed = w.answered = w.ringing = 1; /* two calls, each once */
	close_world(&w);
}

/* --- passwords --- */

#define MD5(NONCE) "WWW-Authenticate: Digest realm=\"r\", nonce=\"" NONCE "\", algorithm=MD5, qop=\"auth\"\r\n"
#define STALE(NONCE) "WWW-Authenticate: Digest realm=\"r\", nonce=\"" NONCE "\", qop=\"auth\", stale=true\r\n"
#define SHA256(NONCE) "WWW-Authenticate: Digest realm=\"r\", nonce=\"" NONCE "\", algorithm=SHA-256, qop=\"auth\"\r\n"

static void challenges_are_answered(void **state)
{
	static const struct {
		const char *invites, *byes, *challenges[5];
		const char *log;         /* of the first trunk */
		const char *cause, *why; /* of a leg that has no other trunk */
	} rows[] = {
		{ "401 180+200", NULL, { MD5("1") }, "INVITE ACK INVITE:good ACK:same BYE:good", "hangup", NULL },
		{ "100+401 100+200", NULL, { MD5("1") }, "INVITE ACK INVITE:good ACK:same BYE:good", "hangup", NULL },
		{ "401 200",
		  NULL,
		  { MD5("1") SHA256("2") },
		  "INVITE ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		{ "401 200",
		  NULL,
		  { "WWW-Authenticate: Digest realm=\"r\", nonce=\"old\"\r\n" },
		  "INVITE ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		{ "407 200",
		  NULL,
		  { "Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\", qop=\"auth\"\r\n" },
		  "INVITE ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		{ "401 401 200",
		  NULL,
		  { MD5("1"), STALE("2") },
		  "INVITE ACK INVITE:good ACK INVITE:good ACK:same BYE:good",
		  "hangup",
		  NULL },
		/* the nonce of the INVITE is old by now; one server says so, the other does not */
		{ "401 200",
		  "401 200",
		  { MD5("1"), STALE("2") },
		  "INVITE ACK INVITE:good ACK:same BYE:good BYE:good",
		  "hangup",
		  NULL },
		{ "401 200",
		  "401 200",
		  { MD5("1"), MD5("2") },
		  "INVITE ACK INVITE:good ACK:same BYE:good BYE:good",
		  "hangup",
		  NULL },
		{ "200", "401 200", { MD5("1") }, "INVITE ACK BYE BYE:good", "hangup", NULL },
		/* and no end of it */
		{ "200",
		  "401 401 401 401",
		  { MD5("1"), MD5("2"), MD5("3"), MD5("4") },
		  "INVITE ACK BYE BYE:good",
		  "hangup",
		  NULL },
		{ "401 401 200",
		  NULL,
		  { MD5("1"), MD5("2") },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 401 Unauthorized: the credentials were refused" },
		{ "401 401 200",
		  NULL,
		  { MD5("1"), STALE("1") },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 401 Unauthorized: the credentials were refused" },
		{ "401 401 401 401 200",
		  NULL,
		  { MD5("1"), STALE("2"), STALE("3"), STALE("4") },
		  "INVITE ACK INVITE:good ACK INVITE:good ACK INVITE:good ACK",
		  "error",
		  "trunk first: 401 Unauthorized: the credentials were refused" },
		{ "401 407 200",
		  NULL,
		  { MD5("1"), "Proxy-Authenticate: Digest realm=\"other\", nonce=\"2\"\r\n" },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 407 Proxy Authentication Required: another realm asks for the credentials" },
		{ "401 200",
		  NULL,
		  { "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=SHA-1\r\n" },
		  "INVITE ACK",
		  "error",
		  "trunk first: 401 Unauthorized: no digest is offered that we know" },
		{ "401 200",
		  NULL,
		  { "" },
		  "INVITE ACK",
		  "error",
		  "trunk first: 401 Unauthorized: no digest is offered that we know" },
		/* it rang, and its dialog would be another's */
		{ "180+401 200", NULL, { MD5("1") }, "INVITE ACK", "error", "trunk first: 401 Unauthorized" },
		{ "401 503",
		  NULL,
		  { MD5("1") },
		  "INVITE ACK INVITE:good ACK",
		  "error",
		  "trunk first: 503 Service Unavailable" },
		{ "401 486", NULL, { MD5("1") }, "INVITE ACK INVITE:good ACK", "busy", "trunk first: 486 Busy Here" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.routes.trunk_count = 1;
		w.trunks[0].username = "u";
		w.trunks[0].password = "p";
		w.carriers[0].invites = rows[i].invites;
		w.carriers[0].byes = rows[i].byes;
		memcpy(w.carriers[0].challenges, rows[i].challenges, sizeof(rows[i].challenges));
		dial_number(&w);
		run(&w);
		CHECK_INT(1, w.created);
		CHECK_STR(rows[i].log, log_of(&w.carriers[0]));
		CHECK_STR(rows[i].cause, w.cause);
		if (rows[i].why)
			CHECK_STR(rows[i].why, w.why);
		if (check_bad)
			print_message("row %zu\n", i);
		close_world(&w);
	}
}

static void credentials_are_those_of_the_trunk_that_asks(void **state)
{
	struct world w;

	open_world(&w);
	w.routes.trunk_count = 3;
	w.trunks[0].username = "u";
	w.trunks[0].password = "wrong";
	w.trunks[2].username = "u";
	w.trunks[2].password = "p";
	w.carriers[0].invites = "401 401";
	w.carriers[1].invites = "401";
	w.carriers[2].invites = "401 200";
	for (size_t i = 0; i < CARRIERS; i++)
		w.carriers[i].challenges[0] = w.carriers[i].challenges[1] = MD5("1");
	dial_number(&w);
	run(&w);
	CHECK_STR("INVITE ACK INVITE:bad ACK", log_of(&w.carriers[0]));
	CHECK_STR("INVITE ACK", log_of(&w.carriers[1]));
	CHECK_STR("INVITE ACK INVITE:good ACK:same BYE:good", log_of(&w.carriers[2]));
	CHECK_STR("hangup", w.cause);
	close_world(&w);
}

static void a_sip_uri_has_those_of_its_document(void **state)
{
	static const struct {
		const char *username, *password, *log, *why;
	} rows[] = {
		{ "u", "p", "INVITE ACK INVITE:good ACK:same BYE:good", "hung up by the test" },
		{ "u", NULL, "INVITE ACK", "401 Unauthorized, and no credentials are given" },
		{ NULL, NULL, "INVITE ACK", "401 Unauthorized, and no credentials are given" },
		{ "u", "x", "INVITE ACK INVITE:bad ACK", "401 Unauthorized: the credentials were refused" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct call_dial ask = { .address = "sip:bob@10.0.0.2",
					       .from = "alice",
					       .username = rows[i].username,
					       .password = rows[i].password };
		struct call_dial_fault fault;
		struct world w;

		open_world(&w);
		w.carriers[0].invites = rows[i].password && rows[i].password[0] == 'x' ? "401 401" : "401 200";
		w.carriers[0].challenges[0] = w.carriers[0].challenges[1] = SHA256("1");
		CHECK_INT(0, dial(&w, &ask, &fault));
		run(&w);
		CHECK_STR(rows[i].log, log_of(&w.carriers[0]));
		CHECK_STR(rows[i].why, w.why);
		close_world(&w);
	}
}

/* --- a session of its own, for what calls do not do by themselves --- */

struct owner {
	struct world *w;
	struct sip_session *s;
	int reinvited;
};

static void s_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
}

static void s_reinvite(void *arg)
{
	struct owner *o = arg;

	CHECK_INT(0, sip_session_reinvite(o->s, STR(sdp)));
}

static void s_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct owner *o = arg;

	loop_timer_start(o->w->loop, &o->w->hangup, 100, s_reinvite, o);
}

static void s_reinvited(void *arg, int status, struct str body)
{
	struct owner *o = arg;

	o->reinvited = status;
	sip_session_hangup(o->s, STR(""));
}

static void s_closed(void *arg, const struct sip_end *end)
{
	struct owner *o = arg;

	o->s = NULL;
}

static void a_reinvite_is_answered_for_too(void **state)
{
	static const struct sip_session_handlers handlers = {
		.progress = s_progress,
		.answered = s_answered,
		.reinvited = s_reinvited,
		.closed = s_closed,
	};
	static const struct {
		const char *invites, *log;
		int status;
	} rows[] = {
		{ "401 200 200", "INVITE ACK INVITE:good ACK:same INVITE:good ACK:same BYE:good", 200 },
		{ "401 200 401 200", "INVITE ACK INVITE:good ACK:same INVITE:good ACK INVITE:good ACK:same BYE:good",
		  200 },
		{ "200 401 200", "INVITE ACK INVITE ACK INVITE:good ACK:same BYE:good", 200 },
		{ "200 401 401", "INVITE ACK INVITE ACK INVITE:good ACK BYE:bad", 401 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct sip_call_params params = {
			.ruri = STR("sip:x@10.0.0.2"),
			.kind = WIRE_UDP,
			.from_uri = STR("sip:y@10.0.0.1"),
			.to_uri = STR("sip:x@10.0.0.2"),
			.sdp = STR(sdp),
			.username = STR("u"),
			.password = STR("p"),
		};
		struct owner o = { .reinvited = 0 };
		const char *why;
		struct world w;

		open_world(&w);
		o.w = &w;
		w.carriers[0].invites = rows[i].invites;
		w.carriers[0].challenges[0] = MD5("1");
		w.carriers[0].challenges[1] = MD5("2");
		CHECK_INT(0, sip_session_call(&o.s, calls_sip(w.calls), &params, &handlers, &o, &why));
		run(&w);
		CHECK(o.s == NULL);
		CHECK_INT(rows[i].status, o.reinvited);
		CHECK_STR(rows[i].log, log_of(&w.carriers[0]));
		close_world(&w);
	}
}

/* --- trunks that are down --- */

static void configure(struct world *w)
{
	struct calls_config c = { .routes = &w->routes,
				  .default_transport = WIRE_UDP,
				  .header_prefix = "X-Crosspoint" };

	codec_list_add(&c.codecs, CODEC_PCMU);
	calls_configure(w->calls, &c);
}

static void trunks_that_are_down_are_passed_over(void **state)
{
	static const struct {
		bool dead[2];
		const char *used[CARRIERS]; /* logs */
	} rows[] = {
		{ { false, false }, { "INVITE ACK BYE", "" } },
		{ { true, false }, { "", "INVITE ACK BYE" } },
		{ { false, true }, { "INVITE ACK BYE", "" } },
		{ { true, true }, { "INVITE ACK BYE", "" } }, /* all are: better than nothing */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t start_ms;
		struct world w;

		open_world(&w);
		for (size_t k = 0; k < 2; k++) {
			w.trunks[k].probe_s = 30;
			w.carriers[k].dead = rows[i].dead[k];
		}
		configure(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 20000);
		start_ms = loop_now_ms(w.loop);
		dial_number(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 20000);
		CHECK_STR(rows[i].used[0], log_of(&w.carriers[0]));
		CHECK_STR(rows[i].used[1], log_of(&w.carriers[1]));
		CHECK_INT(start_ms, w.carriers[i == 1].first_ms);
		w.routes.trunks = NULL;
		w.routes.trunk_count = 0;
		configure(&w);
		run(&w);
		close_world(&w);
	}
}

static void a_trunk_that_is_back_is_used_again(void **state)
{
	struct world w;

	open_world(&w);
	w.trunks[0].probe_s = 10;
	w.carriers[0].dead = true;
	configure(&w);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 13000);
	CHECK_INT(TRUNK_DOWN, trunks_health(calls_trunks(w.calls), &w.trunks[0]));
	w.carriers[0].dead = false;
	loop_run_until(w.loop, loop_now_ms(w.loop) + 30000);
	CHECK_INT(TRUNK_UP, trunks_health(calls_trunks(w.calls), &w.trunks[0]));
	dial_number(&w);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 20000);
	CHECK_STR("INVITE ACK BYE", log_of(&w.carriers[0]));
	w.routes.trunk_count = 0;
	configure(&w);
	run(&w);
	close_world(&w);
}

/* --- who calls --- */

static void each_trunk_is_told_in_its_own_way(void **state)
{
	static const struct call_header kept[] = { { "Diversion", "<sip:+15550002222@x>;reason=no-answer" },
						   { "History-Info", "<sip:a@b>;index=1" },
						   { "X-Trace", "7" } };
	static const char *const both[] = { "diversion", "History-Info", NULL };
	static const struct {
		int identity;
		bool privacy;
		const char *from;
		const char *const *pass;
		const char *want;
	} rows[] = {
		{ TRUNK_IDENTITY_NONE, false, "+15550001111", NULL, "From: <sip:+15550001111@10.0.0.1>" },
		{ TRUNK_IDENTITY_PAI, false, "+15550001111", NULL,
		  "From: <sip:+15550001111@10.0.0.1> P-Asserted-Identity: <sip:+15550001111@10.0.0.1>" },
		{ TRUNK_IDENTITY_RPID, false, "+15550001111", NULL,
		  "From: <sip:+15550001111@10.0.0.1> Remote-Party-ID: "
		  "<sip:+15550001111@10.0.0.1>;party=calling;screen=yes;privacy=off" },
		{ TRUNK_IDENTITY_NONE, true, "+15550001111", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Privacy: id" },
		{ TRUNK_IDENTITY_PAI, true, "+15550001111", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> P-Asserted-Identity: "
		  "<sip:+15550001111@10.0.0.1> Privacy: id" },
		{ TRUNK_IDENTITY_RPID, true, "+15550001111", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Remote-Party-ID: "
		  "<sip:+15550001111@10.0.0.1>;party=calling;screen=yes;privacy=full Privacy: id" },
		{ TRUNK_IDENTITY_PAI, false, "anonymous", NULL,
		  "From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Privacy: id" },
		{ TRUNK_IDENTITY_NONE, false, "a b", both,
		  "From: <sip:a%20b@10.0.0.1> Diversion: <sip:+15550002222@x>;reason=no-answer History-Info: "
		  "<sip:a@b>;index=1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trunk t = { .identity = rows[i].identity,
				   .privacy = rows[i].privacy,
				   .pass_headers = rows[i].pass };
		const struct call_info parent = { .kept = kept, .kept_count = ARRAY_LEN(kept) };
		struct identity_ask ask = { &t, str_of(rows[i].from), STR(""), "10.0.0.1", &parent };
		struct identity who;
		struct buf text = { 0 };
		struct arena *a;

		assert_int_equal(arena_new(&a, 0, 0), 0);
		CHECK_INT(0, identity_make(&who, a, &ask));
		buf_cstr(&text, "From: ");
		sip_build_name_addr(&text, who.from_name, who.from_uri);
		for (size_t k = 0; k < who.fields.count; k++)
			buf_printf(&text, " %s: %.*s", who.fields.items[k].name, STR_ARG(who.fields.items[k].value));
		CHECK_STR(rows[i].want, text.data);
		buf_free(&text);
		arena_free(&a);
	}
}

/* The next trunk is told in its own way, not in that of the one that failed. */
static void identity_goes_with_the_trunk(void **state)
{
	struct world w;

	open_world(&w);
	w.carriers[0].invites = "503";
	w.trunks[0].identity = TRUNK_IDENTITY_PAI;
	w.trunks[1].privacy = true;
	dial_number(&w);
	run(&w);
	CHECK_STR("From: <sip:+15550001111@10.0.0.1> P-Asserted-Identity: <sip:+15550001111@10.0.0.1>",
		  w.carriers[0].last);
	CHECK_STR("From: \"Anonymous\" <sip:anonymous@anonymous.invalid> Privacy: id", w.carriers[1].last);
	close_world(&w);
}

/* --- redirects --- */

static void redirects_are_followed_where_the_trunk_says_so(void **state)
{
	static const struct {
		bool follow;
		const char *lines;          /* Contacts of the first one's 302 */
		const char *second, *third; /* their scripts */
		const char *logs[CARRIERS];
		const char *ruri; /* at the last that was tried, NULL = the first */
	} rows[] = {
		{ false, "Contact: <sip:1@10.0.0.3>\r\n", "200", "200", { "INVITE ACK", "", "" }, NULL },
		{ true, "", "200", "200", { "INVITE ACK", "", "" }, NULL },
		{ true,
		  "Contact: <sip:1@10.0.0.3?x=y>;q=0.2\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "INVITE ACK BYE", "" },
		  "sip:1@10.0.0.3" },
		{ true,
		  "Contact: <sip:1@10.0.0.3>;q=0.25, <sip:2@10.0.0.4>;q=0.5\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "", "INVITE ACK BYE" },
		  "sip:2@10.0.0.4" },
		{ true,
		  "Contact: <sip:1@10.0.0.3>\r\nContact: <sip:2@10.0.0.4>\r\n",
		  "503",
		  "200",
		  { "INVITE ACK", "INVITE ACK", "INVITE ACK BYE" },
		  "sip:2@10.0.0.4" },
		/* about the party: no further */
		{ true,
		  "Contact: <sip:1@10.0.0.3>\r\nContact: <sip:2@10.0.0.4>\r\n",
		  "486",
		  "200",
		  { "INVITE ACK", "INVITE ACK", "" },
		  "sip:1@10.0.0.3" },
		/* not for us */
		{ true,
		  "Contact: <sip:1@10.0.0.3;transport=tcp>, <sips:1@10.0.0.3>, <tel:+1>, *, <mailto:a@b>, <<\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "", "" },
		  NULL },
		{ true,
		  "Contact: <sip:1@10.0.0.3;transport=udp>\r\n",
		  "200",
		  "200",
		  { "INVITE ACK", "INVITE ACK BYE", "" },
		  "sip:1@10.0.0.3;transport=udp" },
		/* back to itself */
		{ true, "Contact: <sip:+15551234567@10.0.0.2>\r\n", "200", "200", { "INVITE ACK", "", "" }, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		const char *ruri = "sip:+15551234567@10.0.0.2";

		open_world(&w);
		w.routes.trunk_count = 1;
		w.trunks[0].follow_redirects = rows[i].follow;
		w.carriers[0].invites = "302";
		w.carriers[0].lines = rows[i].lines;
		w.carriers[1].invites = rows[i].second;
		w.carriers[2].invites = rows[i].third;
		dial_number(&w);
		run(&w);
		for (size_t k = 0; k < CARRIERS; k++) {
			CHECK_STR(rows[i].logs[k], log_of(&w.carriers[k]));
			if (k && w.carriers[k].log.len)
				ruri = w.carriers[k].ruri;
		}
		CHECK_STR(rows[i].ruri ? rows[i].ruri : "sip:+15551234567@10.0.0.2", ruri);
		CHECK_INT(1, w.created);
		if (check_bad)
			print_message("row %zu\n", i);
		close_world(&w);
	}
}

static void redirects_are_few_and_never_in_circles(void **state)
{
	static const char *const many =
		"Contact: <sip:1@10.0.0.3>;q=.1, <sip:2@10.0.0.3>;q=0.2, <sip:3@10.0.0.3>;q=0.9, <sip:4@10.0.0.3>, "
		"<sip:5@10.0.0.3>;q=0.5, <sip:6@10.0.0.3>;q=0.05, <sip:7@10.0.0.3>;q=x, <sip:4@10.0.0.3>\r\n";
	struct world w;

	open_world(&w);
	w.routes.trunk_count = 1;
	w.trunks[0].follow_redirects = true;
	w.carriers[0].invites = "302";
	w.carriers[0].lines = many;
	w.carriers[1].invites = "503 503 503 503 503 503 503 503 503";
	dial_number(&w);
	run(&w);
	CHECK_STR("INVITE ACK INVITE ACK INVITE ACK INVITE ACK INVITE ACK", log_of(&w.carriers[1]));
	CHECK_STR("sip:2@10.0.0.3", w.carriers[1].ruri); /* the fifth best */
	CHECK_STR("trunk first: 503 Service Unavailable", w.why);
	close_world(&w);

	/* two that send to each other */
	open_world(&w);
	w.routes.trunk_count = 1;
	w.trunks[0].follow_redirects = true;
	w.carriers[0].invites = "302 302 302";
	w.carriers[0].lines = "Contact: <sip:1@10.0.0.3>\r\n";
	w.carriers[1].invites = "302 302 302";
	w.carriers[1].lines = "Contact: <sip:+15551234567@10.0.0.2>\r\nContact: <sip:1@10.0.0.3>\r\n";
	dial_number(&w);
	run(&w);
	CHECK_STR("INVITE ACK", log_of(&w.carriers[0]));
	CHECK_STR("INVITE ACK", log_of(&w.carriers[1]));
	CHECK_STR("trunk first: 302 Moved Temporarily", w.why);
	close_world(&w);
}

static void a_redirect_does_not_take_the_password_along(void **state)
{
	static const struct {
		const char *contact, *log;
	} rows[] = { { "Contact: <sip:1@10.0.0.3>\r\n", "INVITE ACK" } };
	struct world w;

	open_world(&w);
	w.routes.trunk_count = 1;
	w.trunks[0].follow_redirects = true;
	w.trunks[0].username = "u";
	w.trunks[0].password = "p";
	w.carriers[0].invites = "302";
	w.carriers[0].lines = rows[0].contact;
	w.carriers[1].invites = "401 200";
	w.carriers[1].challenges[0] = MD5("1");
	dial_number(&w);
	run(&w);
	CHECK_STR(rows[0].log, log_of(&w.carriers[1]));
	close_world(&w);
}

/* --- reasons --- */

static void what_the_network_says_is_heard(void **state)
{
	static const struct {
		const char *invites, *reason, *cause, *why;
	} rows[] = {
		{ "486", "Reason: Q.850;cause=17;text=\"User busy\"\r\n", "busy",
		  "trunk first: 486 Busy Here (User busy)" },
		{ "480", "Reason: Q.850;cause=17\r\n", "busy",
		  "trunk first: 480 Temporarily Unavailable (Q.850 cause 17)" },
		{ "480", "Reason: SIP;cause=486, Q.850 ; cause=21\r\n", "no_answer",
		  "trunk first: 480 Temporarily Unavailable (SIP cause 486)" },
		{ "480", "Reason: Q.850;cause=21;text=\"Call, rejected\"\r\n", "declined",
		  "trunk first: 480 Temporarily Unavailable (Call, rejected)" },
		{ "410", "Reason: Q.850;cause=17\r\n", "error", "trunk first: 410 Gone (Q.850 cause 17)" },
		{ "487", "Reason: Q.850;cause=19\r\n", "no_answer",
		  "trunk first: 487 Request Terminated (Q.850 cause 19)" },
		{ "487", "Reason: ;;;,,,\"\r\n", "error", "trunk first: 487 Request Terminated" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.carriers[0].invites = rows[i].invites;
		w.carriers[0].lines = rows[i].reason;
		dial_number(&w);
		run(&w);
		CHECK_STR(rows[i].cause, w.cause);
		CHECK_STR(rows[i].why, w.why);
		close_world(&w);
	}
}

static void what_we_hang_up_for_is_said(void **state)
{
	static const struct {
		const char *invites;
		bool loser;
		const char *reason;
	} rows[] = {
		{ "180", false, "Q.850;cause=19;text=\"No answer\"" },
		{ "180", true, "SIP;cause=200;text=\"Call completed elsewhere\"" },
		{ "180+200", false, "Q.850;cause=16;text=\"Normal call clearing\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.carriers[0].invites = rows[i].invites;
		dial_number(&w);
		loop_run_until(w.loop, loop_now_ms(w.loop) + 500);
		if (rows[i].loser)
			call_hangup_loser(w.call, "connect", "another destination was connected");
		else
			hang_up(&w);
		run(&w);
		CHECK_STR(rows[i].reason, w.carriers[0].reason);
		CHECK_STR(rows[i].loser ? "cancel" : i ? "hangup" : "no_answer", w.cause);
		close_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(trunks_that_fail_are_followed_by_the_next),
		TEST(the_first_response_is_awaited_for_5_seconds),
		TEST(the_addresses_of_a_trunk_go_before_the_next_trunk),
		TEST(a_late_answer_is_hung_up),
		TEST(trunks_that_cannot_be_reached_cost_no_time),
		TEST(the_last_failure_is_the_one_told),
		TEST(a_hangup_ends_the_tries),
		TEST(a_server_that_stops_tries_no_further),
		TEST(trunks_are_passed_over_for_caller_ids_and_prices),
		TEST(a_cap_without_rates_is_logged_once),
		TEST(challenges_are_answered),
		TEST(credentials_are_those_of_the_trunk_that_asks),
		TEST(a_sip_uri_has_those_of_its_document),
		TEST(a_reinvite_is_answered_for_too),
		TEST(trunks_that_are_down_are_passed_over),
		TEST(a_trunk_that_is_back_is_used_again),
		TEST(each_trunk_is_told_in_its_own_way),
		TEST(identity_goes_with_the_trunk),
		TEST(redirects_are_followed_where_the_trunk_says_so),
		TEST(redirects_are_few_and_never_in_circles),
		TEST(a_redirect_does_not_take_the_password_along),
		TEST(what_the_network_says_is_heard),
		TEST(what_we_hang_up_for_is_said),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
