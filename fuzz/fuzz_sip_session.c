/* A stack of ours, its owner and a peer, all led by the input: raw datagrams, requests and responses that know the
 * tags and branches of the moment, owner's commands, time. When the input is used up everything is hung up, and then
 * nothing may be left: every session closed once, no transaction, no timer. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test/fake_net.c"
#include "sip/sip_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_CALLS = 8, MAX_OPS = 64, TAG = 40, TEXT = 4096 };

struct world;

struct owned {
	struct world *world;
	struct sip_session *s;
	struct sip_notifier *notifier;
	bool referring;
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct sip_stack *stack;
	struct wire *wire; /* the peer's */
	struct addr peer, us;
	struct owned calls[MAX_CALLS];
	size_t call_count;
	char our_tag[TAG];  /* in the newest message of the stack */
	char request[TEXT]; /* the newest request of the stack    */
	char invite[TEXT];  /* … and its newest INVITE            */
	unsigned long rseq; /* of its newest reliable response    */
	const uint8_t *data;
	size_t left;
	struct dns dns;
};

static unsigned take(struct world *w)
{
	if (!w->left)
		return 0;
	w->left--;
	return *w->data++;
}

static struct str take_text(struct world *w, size_t n)
{
	struct str s = { (const char *)w->data, n < w->left ? n : w->left };

	w->data += s.n;
	w->left -= s.n;
	return s;
}

/* --- the owner --- */

static void on_progress(void *arg, const struct sip_msg *m, int status, struct str sdp)
{
}

static void on_answered(void *arg, const struct sip_msg *m, struct str sdp)
{
}

static void on_sdp(void *arg, struct str sdp)
{
}

static void on_reoffer(void *arg, struct str sdp)
{
	struct owned *o = arg;

	if (take(o->world) & 1) /* an UPDATE has to be answered at once */
		sip_session_reanswer(o->s, STR("answer"));
}

static void on_reinvited(void *arg, int status, struct str sdp)
{
}

static void on_closed(void *arg, const struct sip_end *end)
{
	struct owned *o = arg;

	assert(o->s && end->reason && end->why && end->why[0]);
	o->s = NULL;
}

static int on_pracked(void *arg, struct str sdp, struct buf *answer)
{
	if (answer)
		buf_str(answer, sdp);
	return sdp.n % 2 ? 0 : EPROTO;
}

static void on_referred(void *arg, const struct sip_referred *r)
{
	struct owned *o = arg;

	assert(o->referring && r->why);
	o->referring = !r->over;
}

static void on_refer(void *arg, const struct sip_refer_in *in)
{
	struct owned *o = arg;

	assert(in->to.n);
	if (!o->notifier && sip_session_take_refer(o->s, &o->notifier))
		abort();
}

static const struct sip_session_handlers session_handlers = {
	.progress = on_progress,
	.answered = on_answered,
	.confirmed = on_sdp,
	.pracked = on_pracked,
	.reoffer = on_reoffer,
	.reanswered = on_sdp,
	.reinvited = on_reinvited,
	.referred = on_referred,
	.refer = on_refer,
	.closed = on_closed,
};

static void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct world *w = arg;
	struct owned *o = &w->calls[w->call_count];

	if (w->call_count == MAX_CALLS) {
		sip_session_refuse(s, 503, STR(""), NULL);
		return;
	}
	w->call_count++;
	o->s = s;
	o->world = w;
	sip_session_accept(s, &session_handlers, o);
}

static void dial(struct world *w)
{
	struct owned *o = &w->calls[w->call_count];
	struct sip_call_params p = { .ruri = STR("sip:y@10.0.0.3"),
				     .from_uri = STR("sip:a@10.0.0.2"),
				     .to_uri = STR("sip:y@10.0.0.3"),
				     .sdp = STR("offer") };
	const char *why;

	if (w->call_count == MAX_CALLS)
		return;
	o->world = w;
	if (!sip_session_call(&o->s, w->stack, &p, &session_handlers, o, &why))
		w->call_count++;
}

/* Ask for one, or tell of one. */
static void transfer(struct owned *o, bool tell)
{
	const struct sip_refer_params p = { .to = STR("sip:c@10.0.0.4") };

	if (tell && o->notifier)
		sip_notifier_tell(&o->notifier, o->referring ? 180 : 200);
	else if (!sip_session_refer(o->s, &p))
		o->referring = true;
}

static void command(struct world *w)
{
	unsigned what = take(w);
	struct sip_session *s = w->calls[what / 8 % MAX_CALLS].s;

	if (!s)
		return;
	switch (what % 8) {
	case 0:
		sip_session_ring(s, 180 + (int)(what / 64), what & 64 ? STR("early") : STR(""));
		break;
	case 1:
		sip_session_answer(s, STR("answer"));
		break;
	case 2:
		sip_session_refuse(s, 486, STR(""), NULL);
		break;
	case 3:
		sip_session_hangup(s, STR(""));
		break;
	case 4:
		if (what & 128)
			sip_session_update(s, STR("offer"));
		else
			sip_session_reinvite(s, what & 64 ? STR("offer") : STR(""));
		break;
	case 5:
		sip_session_reanswer(s, STR("answer"));
		break;
	case 6:
		sip_session_rerefuse(s, 488);
		break;
	case 7:
		transfer(&w->calls[what / 8 % MAX_CALLS], what & 64);
		break;
	}
}

/* --- the peer --- */

static void tag_in(const char *message, const char *header, char out[TAG])
{
	const char *p = strstr(message, header), *end = p ? strchr(p + 2, '\r') : NULL;

	p = p ? strstr(p, ";tag=") : NULL;
	if (p && p < end)
		snprintf(out, TAG, "%.*s", (int)strcspn(p + 5, "\r;"), p + 5);
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	char text[TEXT];
	struct world *w = arg;
	const char *rseq;

	snprintf(text, sizeof(text), "%.*s", (int)n, data);
	if (strncmp(text, "SIP/2.0", 7)) {
		memcpy(w->request, text, sizeof(text));
		if (!strncmp(text, "INVITE ", 7))
			memcpy(w->invite, text, sizeof(text));
		tag_in(text, "\r\nFrom: ", w->our_tag);
	} else {
		tag_in(text, "\r\nTo: ", w->our_tag);
		rseq = strstr(text, "\r\nRSeq: ");
		w->rseq = rseq ? strtoul(rseq + 8, NULL, 10) : w->rseq;
	}
}

static void send_text(struct world *w, const char *text, size_t n)
{
	w->wire->ops->send(w->wire, &w->us, text, n);
	loop_run_until(w->loop, loop_now_ms(w->loop));
}

static void send_request(struct world *w)
{
	static const char *const methods[] = { "INVITE", "ACK",    "BYE", "CANCEL", "OPTIONS",
					       "PRACK",  "UPDATE", "NEW", "REFER",  "NOTIFY" };
	static const char *const wishes[] = { "", "Supported: 100rel\r\n", "Require: 100rel\r\n", "Require: 1\r\n" };
	unsigned what = take(w), cseq = take(w), which = take(w);
	const char *method = methods[what % 10], *wish = wishes[cseq / 64];
	struct str extra = take_text(w, which / 16);
	char text[TEXT], rack[48] = "";
	int n;

	if (what % 10 == 5)
		snprintf(rack, sizeof(rack), "RAck: %lu 1 INVITE\r\n", w->rseq + cseq / 64 % 2);
	n = snprintf(text, sizeof(text),
		     "%s sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=%s%u\r\n"
		     "From: <sip:x@10.0.0.3>;tag=x\r\nTo: <sip:b@10.0.0.2>%s%s\r\nCall-ID: c%u\r\nCSeq: %u %s\r\n"
		     "Contact: <sip:x@10.0.0.3>\r\nMax-Forwards: 9\r\n%s%s%.*s%s",
		     method, which & 8 ? "" : "z9hG4bK", which & 7, what & 32 ? ";tag=" : "",
		     what & 32 ? w->our_tag : "", what / 64, cseq % 64, method, rack, *rack ? "" : wish, STR_ARG(extra),
		     what & 16 ? "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nsdp" : "\r\n");
	if (n < (int)sizeof(text))
		send_text(w, text, (size_t)n);
}

/* A call that wants the place of one of the peer's. */
static void send_replacing(struct world *w)
{
	unsigned which = take(w);
	char text[TEXT];
	int n = snprintf(text, sizeof(text),
			 "INVITE sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bKr%u\r\n"
			 "From: <sip:x@10.0.0.3>;tag=x\r\nTo: <sip:b@10.0.0.2>\r\nCall-ID: c%u\r\nCSeq: 1 INVITE\r\n"
			 "Contact: <sip:x@10.0.0.3>\r\nMax-Forwards: 9\r\nReplaces: c%u;to-tag=%s;from-tag=x%s\r\n\r\n",
			 which, which / 4 & 3, which & 3, w->our_tag, which & 16 ? ";early-only" : "");

	if (n < (int)sizeof(text))
		send_text(w, text, (size_t)n);
}

/* To the newest request of ours, whatever it is, or to the newest INVITE. */
static void send_response(struct world *w)
{
	static const int statuses[] = {
		100, 180, 183, 200, 200, 202, 302, 401, 408, 481, 422, 487, 491, 500, 503, 603
	};
	static const char *const timers[] = { "",
					      "Allow: INVITE, UPDATE\r\n",
					      "Session-Expires: 90;refresher=uac\r\nMin-SE: 120\r\n",
					      "Session-Expires: 90;refresher=uas\r\nMin-SE: 500\r\n",
					      "Session-Expires: 1\r\nAllow: UPDATE\r\n",
					      "Min-SE: 99999\r\n",
					      "Session-Expires: x;refresher=uas\r\n",
					      "x: 100;refresher=uac\r\nAllow: UPDATE\r\n" };
	static const char *const names[] = { "\r\nVia: ", "\r\nFrom: ", "\r\nCall-ID: ", "\r\nCSeq: " };
	unsigned what = take(w), which = take(w);
	const char *request = which & 128 ? w->request : w->invite;
	char text[2 * TEXT], reliable[48] = "";
	size_t n = (size_t)snprintf(text, sizeof(text), "SIP/2.0 %d Some", statuses[what % 16]);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *line = strstr(request, names[i]);

		if (!line)
			return;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n%.*s", (int)strcspn(line + 2, "\r"), line + 2);
	}
	if (what & 32)
		snprintf(reliable, sizeof(reliable), "Require: 100rel\r\nRSeq: %u\r\n", which % 8);
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "\r\nTo: <sip:y@10.0.0.3>;tag=y%u\r\nContact: <sip:y%u@10.0.0.3>\r\n%s%s%s",
			      what / 64 + which / 8 % 16, what / 64, reliable, timers[which % 8],
			      what & 16 ? "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nsdp" : "\r\n");
	send_text(w, text, n);
}

static void step(struct world *w)
{
	static const uint32_t waits_ms[] = { 1, 20, 499, 501, 2000, 46000, 31999, 33000 };
	struct str raw;

	switch (take(w) % 7) {
	case 0:
		raw = take_text(w, take(w) * 4);
		send_text(w, raw.p, raw.n);
		break;
	case 1:
		send_request(w);
		break;
	case 2:
		send_response(w);
		break;
	case 3:
		command(w);
		break;
	case 4:
		loop_run_until(w->loop, loop_now_ms(w->loop) + waits_ms[take(w) % ARRAY_LEN(waits_ms)]);
		break;
	case 5:
		dial(w);
		break;
	case 6:
		send_replacing(w);
		break;
	}
}

/* --- birth and death --- */

static int no_lookup(struct dns *d, const struct dns_query *q, void (*done)(void *arg, const struct dns_result *r),
		     void *arg, uint64_t *id)
{
	return ENOENT;
}

static void no_cancel(struct dns *d, uint64_t id)
{
}

static void open_world(struct world *w)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes };
	static const struct sip_stack_handlers stack_handlers = { .invite = on_invite };
	static const struct dns_ops dns_ops = { no_lookup, no_cancel };
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct sip_stack_opts opts = {
		.listen = &listen, .listen_count = 1, .handlers = &stack_handlers, .arg = w, .session_timeout_s = 90
	};
	struct net *net;
	char why[160];

	w->dns.ops = &dns_ops;
	if (loop_new(&w->loop, true, 5) || fake_net_new(&w->net, w->loop) ||
	    addr_parse(&w->us, STR("10.0.0.2"), 5060) || addr_parse(&w->peer, STR("10.0.0.3"), 5060))
		abort();
	listen.addr = w->us;
	opts.loop = w->loop;
	opts.dns = &w->dns;
	opts.net = fake_net_host(w->net, "10.0.0.2");
	net = fake_net_host(w->net, "10.0.0.3");
	if (sip_stack_new(&w->stack, &opts, why) || net->ops->udp_open(net, &w->wire, &w->peer, &handlers, w))
		abort();
}

static void close_world(struct world *w)
{
	struct sip_stack_counts counts;

	for (size_t i = 0; i < w->call_count; i++)
		if (w->calls[i].s)
			sip_session_hangup(w->calls[i].s, STR(""));
	for (size_t i = 0; i < w->call_count; i++)
		if (w->calls[i].notifier)
			sip_notifier_tell(&w->calls[i].notifier, 200);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 200000);
	for (size_t i = 0; i < w->call_count; i++)
		assert(!w->calls[i].s && !w->calls[i].referring);
	sip_stack_count(w->stack, &counts);
	assert(!counts.sessions && !counts.client_transactions && !counts.server_transactions);
	assert(!loop_timer_count(w->loop));
	sip_stack_free(&w->stack);
	w->wire->ops->close(w->wire);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world w = { .data = data, .left = n };

	open_world(&w);
	for (int steps = 0; w.left && steps < MAX_OPS; steps++)
		step(&w);
	close_world(&w);
	return 0;
}
