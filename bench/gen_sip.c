/* The two halves of a call: messages, what is expected of them, and what is counted. */
#include "gen.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading messages --- */

struct slice {
	const char *p;
	int n; /* as printf() wants it */
};

/* The rest of the line that begins with name ("\r\nVia:"), or nothing. */
static struct slice header(const char *msg, const char *name)
{
	const char *p = strstr(msg, name), *end;

	if (!p)
		return (struct slice){ "", 0 };
	p += strlen(name);
	p += strspn(p, " ");
	end = strstr(p, "\r\n");
	return (struct slice){ p, (int)(end ? end - p : (long)strlen(p)) };
}

/* All Via values from the first on, for a response (RFC 3261 §8.2.6.2): a proxy puts its own above the caller's. */
static struct slice vias(const char *msg)
{
	static const char name[] = "\r\nVia:";
	struct slice s = header(msg, name);

	while (!strncmp(s.p + s.n, name, sizeof(name) - 1)) {
		const char *end = strstr(s.p + s.n + 2, "\r\n");

		s.n = (int)(end ? end - s.p : (long)strlen(s.p));
	}
	return s;
}

/* Copy what stands in s between the text before and the first of the characters in stops. */
static bool between(char *out, size_t size, struct slice s, const char *before, const char *stops)
{
	const char *p = memmem(s.p, (size_t)s.n, before, strlen(before));
	size_t n;

	if (!p)
		return false;
	p += strlen(before);
	n = strcspn(p, stops);
	if (n > (size_t)(s.p + s.n - p))
		n = (size_t)(s.p + s.n - p);
	if (n >= size)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

/* The call that a message belongs to, by the number in its From or To; NULL = none that lives. */
static struct call *call_of(struct gen *g, const char *msg, const char *name)
{
	struct slice s = header(msg, name);
	struct call *c;
	char digits[12];
	uint32_t number;

	if (!between(digits, sizeof(digits), s, "sip:c", "@"))
		return NULL;
	number = (uint32_t)strtoul(digits, NULL, 10);
	c = &g->calls[number % SLOTS];
	return c->used && c->number == number ? c : NULL;
}

/* The port of the audio line, 0 = no SDP. */
static uint16_t audio_port(const char *msg)
{
	const char *p = strstr(msg, "\nm=audio ");

	return p ? (uint16_t)strtoul(p + 9, NULL, 10) : 0;
}

/* Does its SDP say that more than narrowband Opus is of no use (RFC 7587 §6.1)? */
static bool wants_narrow(const char *msg)
{
	static const char name[] = "maxplaybackrate=";
	const char *p = strstr(msg, name);

	return p && strtoul(p + sizeof(name) - 1, NULL, 10) <= 8000;
}

/* --- the life of a call --- */

static void fail(struct gen *g, struct call *c, const char *why)
{
	if (!c->failed && !*g->first_failure)
		snprintf(g->first_failure, sizeof(g->first_failure), "call %u: %s", c->number, why);
	c->failed = true;
}

/* Both halves are through, or one has given up. */
static void settle(struct gen *g, struct call *c)
{
	if (c->counted || c->caller != CALLER_OVER || (c->callee != CALLEE_OVER && !c->failed))
		return;
	c->counted = true;
	timer_stop(&c->caller_timer);
	timer_stop(&c->callee_timer);
	secure_close(c);
	/* Calls of the first second make the server ready. */
	if (c->described_ns && g->first_ns[c->caller_rtp] && c->number >= (uint32_t)g->opts.rate)
		hist_add(&g->audio, c->described_ns, g->first_ns[c->caller_rtp]);
	g->n.failed += c->failed;
	g->n.ok += !c->failed;
	g->alive--;
}

/* With the events of its clock (RFC 4733), as for the others. */
static const char *opus_lines(char *out, size_t size, unsigned type)
{
	unsigned events = type ^ 1;

	snprintf(out, size,
		 " %u %u\r\na=rtpmap:%u opus/48000/2\r\na=rtpmap:%u telephone-event/48000\r\n"
		 "a=fmtp:%u 0-15\r\n",
		 type, events, type, events, events);
	return out;
}

static const char *payload_lines(enum payload payload)
{
	switch (payload) {
	case PAYLOAD_PCMU:
		return " 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";
	case PAYLOAD_PCMA:
		return " 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";
	case PAYLOAD_G722:
		return " 9 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n";
	case PAYLOAD_OPUS: /* opus_lines() */
		break;
	}
	return "";
}

void sip_describe(struct gen *g, struct side *s, const struct side *audio)
{
	const char *crypto = s == &g->caller ? secure_line(g) : "", *lines;
	char opus[160];

	lines = audio->payload == PAYLOAD_OPUS ? opus_lines(opus, sizeof(opus), (unsigned)g->opts.opus_type)
					       : payload_lines(audio->payload);
	s->sdp_bytes = snprintf(s->sdp, sizeof(s->sdp),
				"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
				"m=audio %u RTP/%s%s%sa=sendrecv\r\n",
				side_port(audio), *crypto ? "SAVP" : "AVP", lines, crypto);
}

static void send_invite(struct gen *g, struct call *c)
{
	unsigned port = side_port(&g->caller);

	side_send(&g->caller, &g->target, NULL,
		  "INVITE sip:bench@127.0.0.1:%u SIP/2.0\r\n"
		  "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKi%u.%u\r\n"
		  "Max-Forwards: 70\r\nFrom: <sip:c%u@127.0.0.1>;tag=f%u\r\nTo: <sip:bench@127.0.0.1>\r\n"
		  "Call-ID: %u-%u@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:c%u@127.0.0.1:%u>\r\n"
		  "Allow: INVITE, ACK, CANCEL, BYE\r\nUser-Agent: bench\r\n"
		  "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		  ntohs(g->target.sin_port), port, c->number, g->run, c->number, c->number, c->number, g->run,
		  c->number, port, g->caller.sdp_bytes, g->caller.sdp);
}

/* ACK of a 200, or BYE: what stands inside the dialog. */
static void send_inside(struct gen *g, struct call *c, const char *method, unsigned cseq)
{
	side_send(&g->caller, &g->target, NULL,
		  "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%c%u.%u\r\n"
		  "Max-Forwards: 70\r\nFrom: <sip:c%u@127.0.0.1>;tag=f%u\r\nTo: <sip:bench@127.0.0.1>;tag=%s\r\n"
		  "Call-ID: %u-%u@127.0.0.1\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
		  method, c->contact, side_port(&g->caller), *method, c->number, g->run, c->number, c->number,
		  c->to_tag, c->number, g->run, cseq, method);
}

/* A refusal is acknowledged in the INVITE's own transaction (RFC 3261 §17.1.1.3). */
static void send_refused_ack(struct gen *g, struct call *c, const char *msg)
{
	struct slice to = header(msg, "\r\nTo:");

	side_send(&g->caller, &g->target, NULL,
		  "ACK sip:bench@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKi%u.%u\r\n"
		  "Max-Forwards: 70\r\nFrom: <sip:c%u@127.0.0.1>;tag=f%u\r\nTo: %.*s\r\n"
		  "Call-ID: %u-%u@127.0.0.1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
		  ntohs(g->target.sin_port), side_port(&g->caller), c->number, g->run, c->number, c->number, to.n, to.p,
		  c->number, g->run);
}

void call_begin(struct gen *g)
{
	uint32_t number = g->n.begun++;
	struct call *c = &g->calls[number % SLOTS];

	/* So far behind that the ring of calls has come round. */
	if (c->used && !c->counted) {
		g->n.failed++;
		if (!*g->first_failure)
			snprintf(g->first_failure, sizeof(g->first_failure), "%d calls alive", SLOTS);
		return;
	}
	memset(c, 0, offsetof(struct call, answer));
	c->number = number;
	c->used = true;
	c->caller_timer.call = c->callee_timer.call = c;
	c->callee_timer.callee = true;
	c->caller = CALLER_INVITED;
	if (g->opts.alone)
		c->callee = CALLEE_OVER;
	c->since_ms = now_ms(g);
	c->caller_wait_ms = T1_MS;
	g->alive++;
	send_invite(g, c);
	c->sent_ns = wall_ns();
	timer_start(g, &c->caller_timer, T1_MS);
}

void call_end(struct gen *g, struct call *c)
{
	c->caller = CALLER_ENDING;
	c->since_ms = now_ms(g);
	c->caller_wait_ms = T1_MS;
	send_inside(g, c, "BYE", 2);
	timer_start(g, &c->caller_timer, T1_MS);
}

/* Answered on one side and acknowledged on the other: the call is held from here. */
static void check_up(struct gen *g, struct call *c)
{
	if (c->caller != CALLER_UP || c->callee != (g->opts.alone ? CALLEE_OVER : CALLEE_UP))
		return;
	g->n.up++;
	timer_stop(&c->caller_timer);
	if (g->mode == MODE_RATE)
		timer_start(g, &c->caller_timer, (uint32_t)g->opts.hold_ms);
}

static const char *given_up(const struct call *c)
{
	switch (c->caller) {
	case CALLER_INVITED:
		return "no final answer to INVITE";
	case CALLER_ENDING:
		return "no answer to BYE";
	case CALLER_OVER:
		return "no BYE at the callee";
	case CALLER_IDLE:
	case CALLER_UP:
		break;
	}
	return "stuck";
}

static void caller_timer(struct gen *g, struct call *c)
{
	bool late = now_ms(g) - c->since_ms >= LIMIT_MS;

	if (c->caller == CALLER_UP) {
		if (c->callee != CALLEE_UP && !g->opts.alone) {
			g->n.timeouts++;
			fail(g, c, "the callee was not reached");
		}
		call_end(g, c);
		return;
	}
	if (late) {
		g->n.timeouts++;
		fail(g, c, given_up(c));
		c->caller = CALLER_OVER;
		settle(g, c);
		return;
	}
	if (c->caller == CALLER_OVER) { /* only the callee's half is missing */
		timer_start(g, &c->caller_timer, T1_MS);
		return;
	}
	if (!(c->caller == CALLER_INVITED && c->heard)) {
		g->n.by_us++;
		if (c->caller == CALLER_INVITED)
			send_invite(g, c);
		else
			send_inside(g, c, "BYE", 2);
		c->caller_wait_ms = c->caller_wait_ms < T2_MS ? c->caller_wait_ms * 2 : T2_MS;
	}
	timer_start(g, &c->caller_timer, c->caller_wait_ms);
}

static void send_answer(struct gen *g, struct call *c)
{
	size_t len;

	c->callee = CALLEE_ANSWERED;
	c->callee_wait_ms = T1_MS;
	side_send(&g->callee, &c->answer_to, &len, "%.*s", (int)c->answer_len, c->answer);
	timer_start(g, &c->callee_timer, T1_MS);
}

static void callee_timer(struct gen *g, struct call *c)
{
	size_t len;

	if (c->callee == CALLEE_RINGING) {
		send_answer(g, c);
		return;
	}
	if (c->callee != CALLEE_ANSWERED)
		return;
	g->n.by_us++;
	side_send(&g->callee, &c->answer_to, &len, "%.*s", (int)c->answer_len, c->answer);
	c->callee_wait_ms = c->callee_wait_ms < T2_MS ? c->callee_wait_ms * 2 : T2_MS;
	timer_start(g, &c->callee_timer, c->callee_wait_ms);
}

void call_timer(struct gen *g, struct timer *t)
{
	if (t->callee)
		callee_timer(g, t->call);
	else
		caller_timer(g, t->call);
}

/* --- the caller's half --- */

/* The server's SDP, in a 183 or the 200: audio may come from now on. */
static void caller_described(struct gen *g, struct call *c, const struct arrival *a)
{
	uint16_t port = audio_port(a->bytes);

	if (!port || c->caller_rtp)
		return;
	c->caller_rtp = port;
	c->caller_narrow = wants_narrow(a->bytes);
	g->owner[port] = c;
	c->described_ns = a->at_ns;
	if (g->opts.srtp && !secure_agree(g, c, a->bytes))
		fail(g, c, "an SDP without the key of SRTP");
}

static void caller_answered(struct gen *g, struct call *c, const struct arrival *a)
{
	const char *msg = a->bytes;

	if (c->caller != CALLER_INVITED) {
		g->n.by_server++;
		send_inside(g, c, "ACK", 1);
		return;
	}
	caller_described(g, c, a);
	if (!between(c->to_tag, sizeof(c->to_tag), header(msg, "\r\nTo:"), ";tag=", ";\r") ||
	    !between(c->contact, sizeof(c->contact), header(msg, "\r\nContact:"), "<", ">") || !c->caller_rtp)
		fail(g, c, "a 200 without tag, Contact or audio");
	c->caller = CALLER_UP;
	c->since_ms = now_ms(g);
	send_inside(g, c, "ACK", 1);
	timer_start(g, &c->caller_timer, LIMIT_MS);
	check_up(g, c);
}

static void caller_refused(struct gen *g, struct call *c, const char *msg)
{
	char why[64];

	send_refused_ack(g, c, msg);
	if (c->caller != CALLER_INVITED) {
		g->n.by_server++;
		return;
	}
	g->n.shed += !strncmp(msg + 8, "503 ", 4);
	snprintf(why, sizeof(why), "%.40s", msg + 8);
	why[strcspn(why, "\r")] = '\0';
	fail(g, c, why);
	c->caller = CALLER_OVER;
	settle(g, c);
}

static void caller_bye_answered(struct gen *g, struct call *c)
{
	if (c->caller != CALLER_ENDING)
		return; /* the answer to a BYE that we had repeated */
	c->caller = CALLER_OVER;
	/* The limit of BYE holds for its way to the callee too. */
	timer_start(g, &c->caller_timer, T1_MS);
	settle(g, c);
}

/* A bench caller is never called, nor hung up on. */
static void caller_requested(struct gen *g, const struct arrival *a)
{
	const char *msg = a->bytes;
	struct slice via = header(msg, "\r\nVia:"), f = header(msg, "\r\nFrom:"), t = header(msg, "\r\nTo:"),
		     id = header(msg, "\r\nCall-ID:"), cseq = header(msg, "\r\nCSeq:");
	struct call *c = call_of(g, msg, "\r\nTo:");

	g->n.unexpected++;
	if (c && !strncmp(msg, "BYE ", 4)) {
		fail(g, c, "the server hung up");
		c->caller = CALLER_OVER;
		settle(g, c);
	}
	side_send(&g->caller, &a->from, NULL,
		  "SIP/2.0 200 OK\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n"
		  "Content-Length: 0\r\n\r\n",
		  via.n, via.p, f.n, f.p, t.n, t.p, id.n, id.p, cseq.n, cseq.p);
}

void caller_take(struct gen *g, const struct arrival *a)
{
	const char *msg = a->bytes;
	struct call *c;
	struct slice cseq;
	long status;

	if (strncmp(msg, "SIP/2.0 ", 8)) {
		caller_requested(g, a);
		return;
	}
	c = call_of(g, msg, "\r\nFrom:");
	cseq = header(msg, "\r\nCSeq:");
	status = strtol(msg + 8, NULL, 10);
	if (!c)
		g->n.unexpected++;
	else if (status < 200) {
		c->heard = true;
		caller_described(g, c, a);
	} else if (memmem(cseq.p, (size_t)cseq.n, "BYE", 3))
		caller_bye_answered(g, c);
	else if (status < 300)
		caller_answered(g, c, a);
	else
		caller_refused(g, c, msg);
}

/* --- the callee's half --- */

/* 100, 180 and 200 at once, in one batch, unless it rings for some time. */
static void callee_invited(struct gen *g, struct call *c, const struct arrival *a)
{
	const char *msg = a->bytes;
	static const char *const plain[][2] = { { "100 Trying", "" }, { "180 Ringing", ";tag=b" } };
	struct slice via = vias(msg), f = header(msg, "\r\nFrom:"), t = header(msg, "\r\nTo:"),
		     id = header(msg, "\r\nCall-ID:"), cseq = header(msg, "\r\nCSeq:");
	const char *text;

	for (size_t i = 0; i < 2; i++)
		side_send(&g->callee, &a->from, NULL,
			  "SIP/2.0 %s\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s%s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n"
			  "Content-Length: 0\r\n\r\n",
			  plain[i][0], via.n, via.p, f.n, f.p, t.n, t.p, plain[i][1], id.n, id.p, cseq.n, cseq.p);
	text = side_send(&g->callee, &a->from, &c->answer_len,
			 "SIP/2.0 200 OK\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s;tag=b\r\nCall-ID: %.*s\r\n"
			 "CSeq: %.*s\r\nContact: <sip:bench@127.0.0.1:%u>\r\nAllow: INVITE, ACK, CANCEL, BYE\r\n"
			 "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			 via.n, via.p, f.n, f.p, t.n, t.p, id.n, id.p, cseq.n, cseq.p, side_port(&g->callee),
			 g->callee.sdp_bytes, g->callee.sdp);
	memcpy(c->answer, text, c->answer_len);
	c->answer_to = a->from;
	c->callee_wait_ms = T1_MS;
	c->callee = CALLEE_ANSWERED;
	if (g->opts.ring_ms) {
		g->callee.queued--; /* the answer, which waits */
		c->callee = CALLEE_RINGING;
		c->callee_wait_ms = (uint32_t)g->opts.ring_ms;
	}
	timer_start(g, &c->callee_timer, c->callee_wait_ms);
}

static void callee_invite(struct gen *g, struct call *c, const struct arrival *a)
{
	if (c->callee != CALLEE_IDLE) {
		g->n.by_server++;
		side_send(&g->callee, &a->from, NULL, "%.*s", (int)c->answer_len, c->answer);
		return;
	}
	hist_add(&g->invite, c->sent_ns, a->at_ns);
	c->callee_rtp = audio_port(a->bytes);
	c->callee_narrow = wants_narrow(a->bytes);
	g->owner[c->callee_rtp] = c;
	if (!c->callee_rtp)
		fail(g, c, "an INVITE without audio");
	callee_invited(g, c, a);
}

static void callee_acked(struct gen *g, struct call *c)
{
	if (c->callee != CALLEE_ANSWERED) {
		g->n.by_server++;
		return;
	}
	c->callee = CALLEE_UP;
	timer_stop(&c->callee_timer);
	check_up(g, c);
}

static void callee_bye(struct gen *g, struct call *c, const struct arrival *a)
{
	const char *msg = a->bytes;
	struct slice via = vias(msg), f = header(msg, "\r\nFrom:"), t = header(msg, "\r\nTo:"),
		     id = header(msg, "\r\nCall-ID:"), cseq = header(msg, "\r\nCSeq:");

	side_send(&g->callee, &a->from, NULL,
		  "SIP/2.0 200 OK\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n"
		  "Content-Length: 0\r\n\r\n",
		  via.n, via.p, f.n, f.p, t.n, t.p, id.n, id.p, cseq.n, cseq.p);
	if (c->callee == CALLEE_OVER) {
		g->n.by_server++;
		return;
	}
	if (c->callee != CALLEE_UP || (c->caller != CALLER_ENDING && c->caller != CALLER_OVER))
		fail(g, c, "a BYE before ours");
	c->callee = CALLEE_OVER;
	timer_stop(&c->callee_timer);
	settle(g, c);
}

void callee_take(struct gen *g, const struct arrival *a)
{
	const char *msg = a->bytes;
	struct call *c = call_of(g, msg, "\r\nFrom:");

	if (!c)
		g->n.unexpected++;
	else if (!strncmp(msg, "INVITE ", 7))
		callee_invite(g, c, a);
	else if (!strncmp(msg, "ACK ", 4))
		callee_acked(g, c);
	else if (!strncmp(msg, "BYE ", 4))
		callee_bye(g, c, a);
	else
		g->n.unexpected++;
}
