#include "fake_carrier.h"

#include <stdlib.h>

#include "sip/sip_auth.h"
#include "own_net.h"
#include "sip/sip_build.h"

const char carrier_sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			   "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

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
	sip_build_body(&b, "application/sdp", body ? str_of(carrier_sdp) : STR(""));
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
	struct trunk_world *w = arg;

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

void trunk_hang_up(void *arg)
{
	struct trunk_world *w = arg;

	if (w->call)
		call_hangup(w->call, w->answered ? CAUSE_HANGUP : CAUSE_NO_ANSWER, "timeout", "hung up by the test");
}

static void on_answered(void *arg, struct call *c)
{
	struct trunk_world *w = arg;

	loop_timer_start(w->loop, &w->hangup, w->talk_ms, trunk_hang_up, w);
}

static void on_closed(void *arg, struct call *c)
{
	struct trunk_world *w = arg;

	w->closed++;
	w->call = NULL;
	loop_timer_stop(w->loop, &w->hangup);
}

static const struct call_controller controller = { .closed = on_closed, .answered = on_answered };

static void open_calls(struct trunk_world *w)
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

	own_addr(1, 0, &media.bind);
	assert_int_equal(media_new(&w->media, &media), 0);
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(calls_new(&w->calls, &opts, why), 0);
}

void trunk_open(struct trunk_world *w)
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

void trunk_free_calls(struct trunk_world *w)
{
	calls_free(&w->calls);
	media_free(&w->media);
	for (size_t i = 0; i < CARRIERS; i++) {
		w->carriers[i].wire->ops->close(w->carriers[i].wire);
		buf_free(&w->carriers[i].log);
	}
}

void trunk_free_rest(struct trunk_world *w)
{
	events_free(&w->events);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

int trunk_dial(struct trunk_world *w, const struct call_dial *ask, struct call_dial_fault *fault)
{
	int err = call_dial(&w->call, w->calls, ask, &controller, w, fault);

	if (!err && w->patience_ms)
		loop_timer_start(w->loop, &w->hangup, w->patience_ms, trunk_hang_up, w);
	return err;
}

void trunk_run(struct trunk_world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + 300000);
}

const char *carrier_log(const struct carrier *c)
{
	return c->log.data ? c->log.data : "";
}
