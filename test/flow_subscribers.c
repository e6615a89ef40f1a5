/* Subscribers on virtual time: the server's calls on one side of a network in memory, phones by hand on the other.
 * What a REGISTER leads to, what calls to and from registered phones do, and where they go. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/loop.h"
#include "base/pool.h"
#include "call/calls.h"
#include "call/resource.h"
#include "check.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "own_net.h"
#include "sip/sip_auth.h"
#include "sip/sip_build.h"

enum { PHONES = 4, MAX_TEXT = 4096 };

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			  "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

struct world;

/* A speaker with one wire. It answers what comes as it is told: INVITEs with `status` (0 = 180 and no more), all else
 * with 200. */
struct phone {
	struct world *w;
	const char *host;
	struct net *net;
	struct wire *wire;
	bool tcp, closed;
	int status;
	unsigned cseq;
	int last;              /* final status of its newest request, 0 = none yet */
	char challenge[700];   /* SHA-256, of that */
	char contacts[800];    /* of that, one a line */
	char invite[MAX_TEXT]; /* the newest INVITE it got */
	char seen[400];        /* methods it got */
	struct addr from;      /* of the newest request */
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct pool *pool;
	struct fetch *fetch;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct script_env scripts;
	struct trunk trunk;
	struct addr_net carrier;
	struct route routes[5];
	struct resource resources[4];
	const struct resource *subscribers[2];
	struct resource_table table;
	struct route_table config;
	struct phone phones[PHONES];
	unsigned created, ended, joined;
	char cause[24], from[80];
};

/* --- phones --- */

static struct addr server_addr(void)
{
	struct addr a;

	if (addr_parse(&a, STR("10.0.0.1"), 5060))
		abort();
	return a;
}

static void send_text(struct phone *p, const char *text, size_t n)
{
	struct addr to = server_addr();

	p->wire->ops->send(p->wire, &to, text, n);
}

static void respond(struct phone *p, const struct sip_msg *m, int status)
{
	struct addr to = server_addr();
	char host[ADDR_TEXT], contact[80];
	struct buf b = { 0 };
	bool body = m->method == SIP_INVITE && status == 200;

	sip_build_response(&b, m, status, STR(""), status == 100 ? NULL : p->host, addr_host(&to, host),
			   addr_port(&to));
	snprintf(contact, sizeof(contact), "<sip:phone@%s:5060%s>", p->host, p->tcp ? ";transport=tcp" : "");
	sip_build_header(&b, "Contact", str_of(contact));
	sip_build_body(&b, "application/sdp", body ? STR(sdp) : STR(""));
	send_text(p, b.data, b.len);
	buf_free(&b);
}

static void take_request(struct phone *p, const struct sip_msg *m, const struct addr *from)
{
	size_t n = strlen(p->seen);

	p->from = *from;
	snprintf(p->seen + n, sizeof(p->seen) - n, "%s%.*s", n ? " " : "", STR_ARG(m->method_text));
	if (m->method == SIP_INVITE) {
		str_copy(p->invite, sizeof(p->invite), m->raw);
		respond(p, m, 180);
		if (p->status)
			respond(p, m, p->status);
	} else if (m->method != SIP_ACK) {
		respond(p, m, 200);
	}
}

static void ack(struct phone *p, const struct sip_msg *m)
{
	struct buf b = { 0 };
	char cseq[32];

	sip_build_request(&b, STR("ACK"), STR("sip:x@10.0.0.1"));
	snprintf(cseq, sizeof(cseq), "%u ACK", p->cseq);
	sip_build_header(&b, "Via", sip_msg_header(m, SIP_H_VIA, 0));
	sip_build_header(&b, "From", sip_msg_header(m, SIP_H_FROM, 0));
	sip_build_header(&b, "To", sip_msg_header(m, SIP_H_TO, 0));
	sip_build_header(&b, "Call-ID", sip_msg_header(m, SIP_H_CALL_ID, 0));
	sip_build_header(&b, "CSeq", str_of(cseq));
	sip_build_body(&b, NULL, STR(""));
	send_text(p, b.data, b.len);
	buf_free(&b);
}

static void take_response(struct phone *p, const struct sip_msg *m)
{
	struct sip_cseq cseq = { .number = 0 };
	struct str value;
	size_t pos = 0, n = 0;

	if (m->status < 200)
		return;
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	p->last = m->status;
	str_copy(p->challenge, sizeof(p->challenge), sip_msg_header(m, SIP_H_WWW_AUTHENTICATE, 0));
	p->contacts[0] = '\0';
	while (cseq.method == SIP_REGISTER && sip_msg_next_value(m, SIP_H_CONTACT, &pos, &value))
		n += (size_t)snprintf(p->contacts + n, sizeof(p->contacts) - n, "%.*s\n", STR_ARG(value));
	if (cseq.method == SIP_INVITE)
		ack(p, m);
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct phone *p = arg;
	struct sip_msg *m = malloc(sizeof(*m));
	const char *why;
	size_t used;

	assert_non_null(m);
	for (; n && sip_msg_parse(m, data, n, p->tcp, &used, &why) == SIP_PARSE_OK; data += used, n -= used) {
		if (m->request)
			take_request(p, m, from);
		else
			take_response(p, m);
	}
	free(m);
}

static void on_closed(void *arg, struct wire *wire, int err, const char *why)
{
	struct phone *p = arg;

	p->closed = true;
	p->wire = NULL;
}

static void on_connected(void *arg, struct wire *wire)
{
}

static void open_phone(struct world *w, size_t i, bool tcp)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes,
						       .connected = on_connected,
						       .closed = on_closed };
	static const char *const hosts[PHONES] = { "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5" };
	struct phone *p = &w->phones[i];
	struct addr here, there = server_addr();

	*p = (struct phone){
		.w = w, .host = hosts[i], .net = fake_net_host(w->net, hosts[i]), .tcp = tcp, .status = 200
	};
	assert_int_equal(addr_parse(&here, str_of(hosts[i]), 5060), 0);
	if (tcp)
		assert_int_equal(p->net->ops->connect(p->net, &p->wire, WIRE_TCP, NULL, &there, &handlers, p), 0);
	else
		assert_int_equal(p->net->ops->udp_open(p->net, &p->wire, &here, &handlers, p), 0);
}

struct request {
	const char *method, *uri, *user;
	const char *lines;    /* more headers */
	const char *password; /* of user; answers p->challenge */
	const char *as;       /* user of the digest, NULL = user */
	uint32_t nc;          /* 0 = 1 */
	bool body;
};

static void print_credentials(struct phone *p, const struct request *r, struct buf *b)
{
	const char *user = r->as ? r->as : r->user;
	struct sip_digest d = { str_of(user), str_of(r->password), str_of(r->method), str_of(r->uri),
				STR("c"),     r->nc ? r->nc : 1 };
	char response[SIP_DIGEST_TEXT];
	struct sip_challenge c;

	CHECK_INT(0, sip_challenge_parse(&c, str_of(p->challenge)));
	CHECK_INT(0, sip_digest_response(response, &c, &d));
	buf_printf(
		b,
		"Authorization: Digest username=\"%s\", realm=\"%.*s\", nonce=\"%.*s\", uri=\"%s\", response=\"%s\", "
		"algorithm=%s, qop=auth, cnonce=\"c\", nc=%08x\r\n",
		user, STR_ARG(c.realm), STR_ARG(c.nonce), r->uri, response,
		c.kind == SIP_DIGEST_MD5 ? "MD5" : "SHA-256", d.nc);
}

/* One request, and what comes of it in a second; the status. */
static int ask(struct phone *p, const struct request *r)
{
	struct buf b = { 0 };

	p->cseq++;
	buf_printf(&b,
		   "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s:5060;rport;branch=z9hG4bK-%s-%u\r\nMax-Forwards: 70\r\n"
		   "From: <sip:%s@example.test>;tag=t%u\r\nTo: <sip:%s>\r\nCall-ID: %s-%s%s\r\nCSeq: %u %s\r\n%s",
		   r->method, r->uri, p->tcp ? "TCP" : "UDP", p->host, p->host, p->cseq, r->user, p->cseq,
		   strcmp(r->method, "REGISTER") ? "callee@example.test" : "x", p->host, r->method,
		   strcmp(r->method, "REGISTER") ? r->user : "", p->cseq, r->method, r->lines ? r->lines : "");
	if (!strcmp(r->method, "REGISTER")) { /* To is who is registered */
		char *to = strstr(b.data, "To: <sip:x>");
		struct buf whole = { 0 };

		buf_add(&whole, b.data, (size_t)(to - b.data));
		buf_printf(&whole, "To: <sip:%s@example.test>%s", r->user, to + 11);
		buf_free(&b);
		b = whole;
	}
	if (r->password)
		print_credentials(p, r, &b);
	sip_build_body(&b, "application/sdp", r->body ? STR(sdp) : STR(""));
	p->last = 0;
	send_text(p, b.data, b.len);
	buf_free(&b);
	loop_run_until(p->w->loop, loop_now_ms(p->w->loop) + 1000);
	return p->last;
}

static int enroll(struct phone *p, const char *user, const char *password, const char *lines)
{
	struct request r = { .method = "REGISTER", .uri = "sip:example.test", .user = user, .lines = lines };

	CHECK_INT(401, ask(p, &r));
	r.password = password;
	return ask(p, &r);
}

static int call(struct phone *p, const char *user, const char *password, const char *to)
{
	char uri[80];
	struct request r = { .method = "INVITE", .uri = uri, .user = user, .body = true };

	snprintf(uri, sizeof(uri), "sip:%s@example.test", to);
	r.lines = "Contact: <sip:phone@10.0.0.2:5060>\r\n";
	if (password) {
		CHECK_INT(401, ask(p, &r));
		r.password = password;
	}
	return ask(p, &r);
}

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	assert_int_equal(script_start_route(c, &w->scripts, r), 0);
}

static void count_event(void *arg, const struct event *ev)
{
	struct world *w = arg;

	w->created += ev->type == EVENT_CREATED;
	w->ended += ev->type == EVENT_ENDED;
	w->joined += ev->type == EVENT_CONNECTED;
	if (ev->type == EVENT_FAILED)
		str_copy(w->cause, sizeof(w->cause), event_get(ev, "reason"));
	if (ev->type == EVENT_CREATED && w->created % 2)
		str_copy(w->from, sizeof(w->from), event_get(ev, "from"));
}

static void configure(struct world *w)
{
	static const char to_bob[] = "{\"sections\":{\"main\":[{\"connect\":{\"answer_on_bridge\":true,"
				     "\"to\":\"/public/bob\"}}]}}";
	static const char to_bobs_uri[] = "{\"sections\":{\"main\":[{\"connect\":{\"answer_on_bridge\":true,"
					  "\"to\":\"sip:b%6fb@EXAMPLE.test\"}}]}}";
	static const char to_office[] = "{\"sections\":{\"main\":[{\"connect\":{\"answer_on_bridge\":true,"
					"\"to\":\"/office?channel=audio\"}}]}}";
	static const char to_nobody[] = "{\"sections\":{\"main\":[{\"connect\":{\"to\":\"/public/nobody\"}}]}}";

	static const char later[] = "{\"sections\":{\"main\":[{\"connect\":{\"answer_on_bridge\":true,\"serial\":["
				    "{\"to\":\"/public/office\",\"timeout\":10},{\"to\":\"/public/bob\"}]}}]}}";

	w->resources[0] = (struct resource){ .address = "/public/alice", .name = "alice", .password = "secret" };
	w->resources[1] = (struct resource){ .address = "/public/bob", .name = "bob", .password = "hunter2" };
	w->resources[2] = (struct resource){ .address = "/public/office",
					     .name = "office",
					     .kind = RESOURCE_SIP,
					     .uri = "sip:office@10.0.0.4;transport=udp" };
	w->resources[3] = (struct resource){ .address = "/public/room", .name = "room", .kind = RESOURCE_LATER };
	w->subscribers[0] = &w->resources[0];
	w->subscribers[1] = &w->resources[1];
	w->table = (struct resource_table){ w->resources, w->subscribers, 4, 2 };
	w->routes[0] = (struct route){ .match = "bob", .swml = to_bob };
	w->routes[1] = (struct route){ .match = "uri", .swml = to_bobs_uri };
	w->routes[2] = (struct route){ .match = "office", .swml = to_office };
	w->routes[3] = (struct route){ .match = "nobody", .swml = to_nobody };
	w->routes[4] = (struct route){ .match = "later", .swml = later };
	w->trunk = (struct trunk){ .name = "carrier", .uri = "", .accept_from = &w->carrier, .accept_count = 1 };
	w->config = (struct route_table){ &w->trunk, 1, w->routes, ARRAY_LEN(w->routes), "1", &w->table };
}

static void open_calls(struct world *w)
{
	struct sip_listen listen[] = { { .kind = WIRE_UDP }, { .kind = WIRE_TCP } };
	struct media_opts media = { .loop = w->loop, .port_min = 21000, .port_max = 28999, .threads = 0 };
	struct calls_opts opts = {
		.loop = w->loop,
		.events = w->events,
		.routes = &w->config,
		.domain = "example.test",
		.digests = SIP_OFFER_SHA256 | SIP_OFFER_MD5,
		.default_transport = WIRE_UDP,
		.header_prefix = "X-Crosspoint",
		.incoming = incoming,
		.arg = w,
		.sip = { .net = fake_net_host(w->net, "10.0.0.1"),
			 .dns = fake_dns_door(w->dns),
			 .listen = listen,
			 .listen_count = ARRAY_LEN(listen),
			 .user_agent = "server" },
	};
	char why[160];

	own_addr(1, 0, &media.bind);
	assert_int_equal(media_new(&w->media, &media), 0);
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	listen[0].addr = listen[1].addr = server_addr();
	assert_int_equal(calls_new(&w->calls, &opts, why), 0);
}

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(loop_new(&w->loop, true, 9), 0);
	assert_int_equal(fake_net_new(&w->net, w->loop), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, 0), 0);
	assert_int_equal(fetch_new(&w->fetch, w->loop, w->pool), 0);
	assert_int_equal(events_new(&w->events, w->loop), 0);
	events_subscribe(w->events, count_event, w);
	w->scripts = (struct script_env){ .fetch = w->fetch, .country = "1" };
	assert_int_equal(addr_net_parse(&w->carrier, STR("10.0.0.5")), 0);
	configure(w);
	open_calls(w);
	for (size_t i = 0; i < PHONES; i++)
		open_phone(w, i, false);
}

static size_t registered(const struct world *w)
{
	struct sip_stack_counts n;

	sip_stack_count(calls_sip(w->calls), &n);
	return n.bindings;
}

static void close_world(struct world *w)
{
	calls_hangup_all(w->calls, "test", "over");
	loop_run_until(w->loop, loop_now_ms(w->loop) + 300000);
	CHECK_INT(0, calls_count(w->calls));
	CHECK_INT(w->created, w->ended);
	calls_free(&w->calls);
	for (size_t i = 0; i < PHONES; i++)
		if (w->phones[i].wire)
			w->phones[i].wire->ops->close(w->phones[i].wire);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 1000);
	fetch_free(&w->fetch);
	media_free(&w->media);
	CHECK_INT(0, loop_timer_count(w->loop));
	events_free(&w->events);
	pool_free(&w->pool);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

/* --- registering --- */

static void a_phone_registers_and_leaves(void **state)
{
	struct request again = {
		.method = "REGISTER", .uri = "sip:example.test", .user = "bob", .password = "hunter2"
	};
	struct world w;
	struct phone *p = &w.phones[1];

	open_world(&w);
	CHECK_INT(200, enroll(p, "bob", "hunter2", "Contact: <sip:phone@10.0.0.3:5060>\r\n"));
	CHECK_STR("<sip:phone@10.0.0.3:5060>;expires=3600\n", p->contacts);
	CHECK_INT(1, registered(&w));
	again.lines = "Contact: *\r\nExpires: 0\r\n";
	CHECK_INT(401, ask(p, &(struct request){ .method = "REGISTER", .uri = "sip:example.test", .user = "bob" }));
	CHECK_INT(200, ask(p, &again));
	CHECK_INT(0, registered(&w));
	again.lines = "Contact: <sip:phone@10.0.0.3:5060>;expires=59\r\n";
	again.nc = 2;
	p->last = 0;
	CHECK_INT(401, ask(p, &(struct request){ .method = "REGISTER", .uri = "sip:example.test", .user = "bob" }));
	again.nc = 1;
	CHECK_INT(423, ask(p, &again));
	close_world(&w);
}

static void only_the_owner_registers(void **state)
{
	static const char contact[] = "Contact: <sip:phone@10.0.0.3:5060>\r\n";
	struct request r = { .method = "REGISTER", .uri = "sip:example.test", .user = "bob", .lines = contact };
	struct world w;
	struct phone *p = &w.phones[1];

	open_world(&w);
	CHECK_INT(401, enroll(p, "bob", "wrong", contact));
	CHECK_INT(401, enroll(p, "mallory", "hunter2", contact));
	/* somebody else's address, with one's own password */
	CHECK_INT(401, ask(p, &r));
	r.as = "alice";
	r.password = "secret";
	CHECK_INT(403, ask(p, &r));
	/* the same answer twice */
	r.as = NULL;
	r.password = NULL;
	CHECK_INT(401, ask(p, &r));
	r.password = "hunter2";
	CHECK_INT(200, ask(p, &r));
	str_copy(p->challenge, sizeof(p->challenge),
		 STR("Digest realm=\"example.test\", nonce=\"x\", qop=\"auth\", algorithm=SHA-256"));
	CHECK_INT(401, ask(p, &r));
	CHECK(strstr(p->challenge, "stale=true") != NULL);
	CHECK_INT(1, registered(&w));
	close_world(&w);
}

static void a_repeated_register_gets_the_same_answer(void **state)
{
	struct world w;
	struct phone *p = &w.phones[1];
	struct fake_net_rules twice = { .duplicate_per_mille = 1000, .delay_min_ms = 1, .delay_max_ms = 5 };

	open_world(&w);
	fake_net_set_rules(w.net, &twice);
	CHECK_INT(200, enroll(p, "bob", "hunter2", "Contact: <sip:phone@10.0.0.3:5060>\r\n"));
	CHECK_INT(1, registered(&w));
	close_world(&w);
}

static void others_hear_nothing_of_it(void **state)
{
	struct request options = { .method = "OPTIONS", .uri = "sip:example.test", .user = "bob" };
	struct world w;

	open_world(&w);
	CHECK_INT(403, ask(&w.phones[1], &options));
	CHECK_INT(200, ask(&w.phones[3], &options)); /* the carrier may */
	close_world(&w);
}

static void guessers_are_refused_in_the_end(void **state)
{
	struct world w;
	struct phone *p = &w.phones[1];
	int status = 401, tries = 0;

	open_world(&w);
	for (; status == 401 && tries < 100; tries++)
		status = enroll(p, "bob", "wrong", "Contact: <sip:phone@10.0.0.3:5060>\r\n");
	CHECK_INT(403, status);
	CHECK(tries > 10 && tries < 40);
	CHECK_INT(403, enroll(p, "bob", "hunter2", "Contact: <sip:phone@10.0.0.3:5060>\r\n"));
	CHECK_INT(200, enroll(&w.phones[2], "bob", "hunter2", "Contact: <sip:phone@10.0.0.4:5060>\r\n"));
	close_world(&w);
}

/* --- calls from subscribers --- */

static void a_subscriber_calls_with_his_password(void **state)
{
	struct world w;

	open_world(&w);
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", "Contact: <sip:phone@10.0.0.3:5060>\r\n"));
	CHECK_INT(200, call(&w.phones[0], "alice", "secret", "bob"));
	CHECK_STR("sip:alice@example.test", w.from);
	CHECK_INT(1, w.joined);
	CHECK(strstr(w.phones[1].invite, "INVITE sip:phone@10.0.0.3:5060 SIP/2.0\r\n") != NULL);
	CHECK(strstr(w.phones[1].invite, "To: <sip:bob@example.test>\r\n") != NULL);
	CHECK(strstr(w.phones[1].invite, "From: <sip:alice@example.test>") != NULL);
	close_world(&w);
	CHECK(strstr(w.phones[1].seen, "INVITE ACK BYE") != NULL);
}

static void callers_are_who_they_say(void **state)
{
	struct request r = { .method = "INVITE",
			     .uri = "sip:bob@example.test",
			     .user = "bob",
			     .body = true,
			     .lines = "Contact: <sip:phone@10.0.0.2:5060>\r\n" };
	struct world w;

	open_world(&w);
	CHECK_INT(401, call(&w.phones[0], "alice", "wrong", "bob"));
	CHECK_INT(401, ask(&w.phones[0], &r));
	r.as = "alice";
	r.password = "secret";
	CHECK_INT(403, ask(&w.phones[0], &r));
	/* trunks' sources need no password, whatever their From is */
	CHECK_INT(480, call(&w.phones[3], "alice", NULL, "bob"));
	CHECK_STR("no_answer", w.cause); /* nobody is registered */
	CHECK_INT(404, call(&w.phones[3], "alice", NULL, "elsewhere"));
	close_world(&w);
}

/* --- calls to subscribers --- */

static void all_phones_ring_and_one_wins(void **state)
{
	struct world w;

	open_world(&w);
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", "Contact: <sip:phone@10.0.0.3:5060>;q=0.5\r\n"));
	CHECK_INT(200, enroll(&w.phones[2], "bob", "hunter2", "Contact: <sip:phone@10.0.0.4:5060>\r\n"));
	w.phones[1].status = 0;
	CHECK_INT(200, call(&w.phones[3], "x", NULL, "uri"));
	CHECK_INT(1, w.joined);
	CHECK_INT(3, w.created);
	CHECK_STR("INVITE CANCEL", w.phones[1].seen);
	close_world(&w);
}

static void addresses_are_what_they_stand_for(void **state)
{
	struct world w;

	open_world(&w);
	CHECK_INT(200, call(&w.phones[3], "x", NULL, "office"));
	CHECK(strstr(w.phones[2].invite, "INVITE sip:office@10.0.0.4;transport=udp SIP/2.0\r\n") != NULL);
	CHECK_INT(1, w.joined);
	call(&w.phones[3], "x", NULL, "nobody");
	CHECK_STR("error", w.cause);
	close_world(&w);
}

/* As the API dials: without a document in between. */
static void addresses_are_dialled(void **state)
{
	static const struct {
		const char *address;
		enum cause cause;
		const char *why;
	} bad[] = {
		{ "/public/bob", CAUSE_NO_ANSWER, "sip:bob@example.test is not registered" },
		{ "/public/room", CAUSE_ERROR, "addresses of this kind as destinations are not in this version" },
		{ "/nobody", CAUSE_NOT_FOUND, "no resource has the address /nobody" },
	};
	struct call_dial ask = { .from = "sip:api@example.test" };
	struct call_dial_fault fault = { .cause = CAUSE_NONE };
	struct world w;
	struct call *c;

	open_world(&w);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ask.address = bad[i].address;
		CHECK(call_dial(&c, w.calls, &ask, NULL, NULL, &fault));
		CHECK_INT(bad[i].cause, fault.cause);
		CHECK_STR(bad[i].why, fault.why);
	}
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", "Contact: <sip:phone@10.0.0.3>\r\n"));
	ask.address = "/public/bob";
	CHECK_INT(0, call_dial(&c, w.calls, &ask, NULL, NULL, &fault));
	ask.address = "/office";
	CHECK_INT(0, call_dial(&c, w.calls, &ask, NULL, NULL, &fault));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 2000);
	CHECK(str_starts(str_of(w.phones[1].seen), "INVITE"));
	CHECK(str_starts(str_of(w.phones[2].seen), "INVITE"));
	calls_hangup_all(w.calls, "test", "over");
	close_world(&w);
}

/* The contact says where the phone believes to be; calls, and their ACK and BYE, go to where it really is. */
static void behind_a_nat_calls_go_to_the_source(void **state)
{
	struct world w;

	open_world(&w);
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", "Contact: <sip:phone@192.168.1.9:5060>\r\n"));
	w.phones[1].host = "192.168.1.9"; /* also in the Contact of its 200 */
	CHECK_INT(200, call(&w.phones[3], "x", NULL, "bob"));
	CHECK(strstr(w.phones[1].invite, "INVITE sip:phone@192.168.1.9:5060 SIP/2.0\r\n") != NULL);
	CHECK_INT(1, w.joined);
	close_world(&w);
	CHECK_STR("INVITE ACK BYE", w.phones[1].seen);
}

static void a_connection_is_the_way_and_goes_with_it(void **state)
{
	struct world w;
	struct phone *p = &w.phones[1];

	open_world(&w);
	p->wire->ops->close(p->wire);
	open_phone(&w, 1, true);
	CHECK_INT(200, enroll(p, "bob", "hunter2", "Contact: <sip:phone@abc.invalid;transport=tcp>\r\n"));
	/* idle for longer than other connections may be */
	loop_run_until(w.loop, loop_now_ms(w.loop) + 1800000);
	CHECK(!p->closed);
	CHECK_INT(200, call(&w.phones[3], "x", NULL, "bob"));
	CHECK(strstr(p->invite, "INVITE sip:phone@abc.invalid;transport=tcp SIP/2.0\r\n") != NULL);
	calls_hangup_all(w.calls, "test", "over");
	loop_run_until(w.loop, loop_now_ms(w.loop) + 5000);
	CHECK_STR("INVITE ACK BYE", p->seen);
	CHECK_INT(1, registered(&w));
	fake_net_kill_connections(w.net);
	loop_run_until(w.loop, loop_now_ms(w.loop) + 1000);
	CHECK_INT(0, registered(&w));
	CHECK_INT(480, call(&w.phones[3], "x", NULL, "bob"));
	close_world(&w);
}

static void through_a_proxy_calls_follow_the_path(void **state)
{
	struct world w;

	open_world(&w);
	CHECK_INT(200,
		  enroll(&w.phones[2], "bob", "hunter2",
			 "Path: <sip:edge@10.0.0.4;lr>\r\nSupported: path\r\nContact: <sip:phone@192.168.7.7>\r\n"));
	CHECK_INT(200, call(&w.phones[3], "x", NULL, "bob"));
	CHECK(strstr(w.phones[2].invite, "INVITE sip:phone@192.168.7.7 SIP/2.0\r\n") != NULL);
	CHECK(strstr(w.phones[2].invite, "Route: <sip:edge@10.0.0.4;lr>\r\n") != NULL);
	CHECK_INT(1, w.joined);
	close_world(&w);
}

/* Phones are looked up when the connect begins; what happens to them until it is their turn is found out then. */
static void a_phone_may_register_again_or_leave_before_its_turn(void **state)
{
	static const char contact[] = "Contact: <sip:phone@10.0.0.3:5060>\r\n";
	struct world w;

	open_world(&w);
	w.phones[2].status = 0; /* rings */
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", contact));
	CHECK_INT(0, call(&w.phones[3], "x", NULL, "later"));
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", contact));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 12000);
	CHECK_INT(1, w.joined);
	calls_hangup_all(w.calls, "test", "over");
	loop_run_until(w.loop, loop_now_ms(w.loop) + 40000);
	CHECK_INT(0, call(&w.phones[3], "x", NULL, "later"));
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", "Contact: *\r\nExpires: 0\r\n"));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 12000);
	CHECK_INT(1, w.joined);
	CHECK_STR("no_answer", w.cause);
	close_world(&w);
}

static void a_reload_drops_who_has_gone(void **state)
{
	struct calls_config c = { .domain = "example.test", .default_transport = WIRE_UDP, .header_prefix = "X" };
	struct route_table less;
	struct resource_table table;
	struct world w;

	open_world(&w);
	CHECK_INT(200, enroll(&w.phones[0], "alice", "secret", "Contact: <sip:phone@10.0.0.2:5060>\r\n"));
	CHECK_INT(200, enroll(&w.phones[1], "bob", "hunter2", "Contact: <sip:phone@10.0.0.3:5060>\r\n"));
	less = w.config;
	table = w.table;
	table.subscriber_count = 1;
	less.resources = &table;
	c.routes = &less;
	codec_list_add(&c.codecs, CODEC_PCMU);
	calls_configure(w.calls, &c);
	CHECK_INT(1, registered(&w));
	table.subscriber_count = 0;
	calls_configure(w.calls, &c);
	CHECK_INT(0, registered(&w));
	CHECK_INT(403, ask(&w.phones[1],
			   &(struct request){ .method = "REGISTER", .uri = "sip:example.test", .user = "bob" }));
	CHECK_INT(405, ask(&w.phones[3],
			   &(struct request){ .method = "REGISTER", .uri = "sip:example.test", .user = "bob" }));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_phone_registers_and_leaves),
		TEST(only_the_owner_registers),
		TEST(a_repeated_register_gets_the_same_answer),
		TEST(others_hear_nothing_of_it),
		TEST(guessers_are_refused_in_the_end),
		TEST(a_subscriber_calls_with_his_password),
		TEST(callers_are_who_they_say),
		TEST(all_phones_ring_and_one_wins),
		TEST(addresses_are_what_they_stand_for),
		TEST(addresses_are_dialled),
		TEST(behind_a_nat_calls_go_to_the_source),
		TEST(a_connection_is_the_way_and_goes_with_it),
		TEST(through_a_proxy_calls_follow_the_path),
		TEST(a_phone_may_register_again_or_leave_before_its_turn),
		TEST(a_reload_drops_who_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
