#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_trans_impl.h"

enum { RING_AGAIN_MS = 60000 };

/* RFC 3261 figures 7 and 8, RFC 6026 figure 6. Requests that can be answered on sight get no transaction at all
 * (§8.2.7), so others than INVITE come here with their final response.
 *
 *   PROCEEDING --3xx-6xx--> COMPLETED --ACK--> CONFIRMED --I--> gone     (COMPLETED --H--> gone)
 *        `-----2xx--------> ACCEPTED  --L-----------------------> gone
 *        `-----final of a non-INVITE--> COMPLETED --J-----------> gone                                     */
enum server_state { SERVER_PROCEEDING, SERVER_COMPLETED, SERVER_CONFIRMED, SERVER_ACCEPTED };

struct sip_server {
	struct sip_node node;  /* of trans->servers */
	struct sip_node merge; /* of trans->merges; INVITEs without To tag */
	struct sip_trans *t;
	enum server_state state;
	bool invite;
	bool waiting;      /* the last response met a stream whose queue was full */
	uint16_t via_port; /* where a lost stream is opened anew */
	char to_tag[20];
	struct sip_flow flow;
	struct loop_timer timer;
	uint64_t deadline_ms;                /* 0 = none */
	uint32_t interval_ms;                /* to the next retransmission, 0 = none */
	struct str request;                  /* INVITE, until the final response */
	struct str bytes;                    /* last response, as long as it may be wanted */
	const struct sip_server_handlers *h; /* NULL = no owner */
	void *arg;
};

static void tick(void *arg);

struct sip_server *sip_server_of(struct sip_node *n)
{
	return LIST_ITEM(n, struct sip_server, node);
}

static bool top_via(const struct sip_msg *m, struct sip_via *via)
{
	struct str value = { NULL, 0 };
	size_t pos = 0;

	return sip_msg_next_value(m, SIP_H_VIA, &pos, &value) && !sip_via_parse(via, value);
}

static struct str tag_of(const struct sip_msg *m, enum sip_hdr_id id)
{
	struct sip_name_addr na;

	return sip_name_addr_parse(&na, sip_msg_header(m, id, 0)) ? (struct str){ NULL, 0 } : na.tag;
}

/* §17.2.3. Without the magic cookie in the branch it is the dialog, the CSeq and the whole top Via that count; the
 * To tag stays out of it, since the ACK has one that the INVITE lacked. */
static struct sip_key server_key(const struct sip_trans *t, const struct sip_msg *m, const struct sip_via *via,
				 enum sip_method method)
{
	struct sip_key k = t->servers.seed;
	char head[3] = { (char)method, (char)(via->port >> 8), (char)via->port };
	struct sip_cseq cseq = { .number = 0 };

	sip_key_add(&k, (struct str){ head, sizeof(head) });
	if (method == SIP_OTHER)
		sip_key_add(&k, m->method_text);
	if (str_istarts(via->branch, "z9hG4bK")) {
		sip_key_add(&k, via->host);
		sip_key_add(&k, via->branch);
		return k;
	}
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	sip_key_add(&k, m->ruri);
	sip_key_add(&k, tag_of(m, SIP_H_FROM));
	sip_key_add(&k, sip_msg_header(m, SIP_H_CALL_ID, 0));
	sip_key_add(&k, (struct str){ (const char *)&cseq.number, sizeof(cseq.number) });
	sip_key_add(&k, via->all);
	return k;
}

static struct sip_key merge_key(const struct sip_trans *t, const struct sip_msg *m)
{
	struct sip_cseq cseq = { .number = 0 };
	struct sip_key k = t->merges.seed;

	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	sip_key_add(&k, tag_of(m, SIP_H_FROM));
	sip_key_add(&k, sip_msg_header(m, SIP_H_CALL_ID, 0));
	sip_key_add(&k, (struct str){ (const char *)&cseq.number, sizeof(cseq.number) });
	return k;
}

bool sip_trans_is_merged(struct sip_trans *t, const struct sip_msg *m)
{
	return sip_table_find(&t->merges, merge_key(t, m));
}

void sip_server_drop(struct sip_server *s)
{
	loop_timer_stop(s->t->loop, &s->timer);
	sip_table_remove(&s->t->servers, &s->node);
	sip_table_remove(&s->t->merges, &s->merge);
	sip_trans_forget(&s->request);
	sip_trans_forget(&s->bytes);
	free(s);
}

static void move(struct sip_server *s, enum server_state to)
{
	static const uint8_t legal[] = {
		[SERVER_PROCEEDING] = 1 << SERVER_COMPLETED | 1 << SERVER_ACCEPTED,
		[SERVER_COMPLETED] = 1 << SERVER_CONFIRMED,
	};

	assert(s->state < ARRAY_LEN(legal) && legal[s->state] & 1 << to);
	s->state = to;
}

static void arm(struct sip_server *s)
{
	uint64_t now = loop_now_ms(s->t->loop);
	uint64_t wait = s->deadline_ms > now ? s->deadline_ms - now : 0;

	if (s->interval_ms && (!s->deadline_ms || s->interval_ms < wait))
		loop_timer_start(s->t->loop, &s->timer, s->interval_ms, tick, s);
	else
		sip_trans_wait(s->t, &s->timer, wait, tick, s);
}

/* The host of our response's first Via, which is the sender's. */
static struct str sent_by(const struct sip_server *s)
{
	struct str value = { NULL, 0 };
	struct sip_via via = { .host = { NULL, 0 } };
	const char *why;
	struct sip_msg m;
	size_t pos = 0, used;

	if (sip_msg_parse(&m, s->bytes.p, s->bytes.n, false, &used, &why) == SIP_PARSE_OK &&
	    sip_msg_next_value(&m, SIP_H_VIA, &pos, &value) && !sip_via_parse(&via, value))
		return via.host;
	return (struct str){ NULL, 0 };
}

static void send_response(struct sip_server *s)
{
	struct sip_transport *transport = s->t->transport;
	int err = sip_transport_send(transport, &s->flow, s->bytes);
	struct sip_flow anew;
	struct addr to;

	if (err == ENOTCONN) {
		/* §18.2.2: the connection has gone, so the response goes to where the Via says the sender listens. */
		to = s->flow.remote;
		addr_set_port(&to, s->via_port);
		err = sip_transport_flow(transport, s->flow.kind, &to, sent_by(s), &anew);
		if (!err) {
			s->flow = anew;
			err = sip_transport_send(transport, &s->flow, s->bytes);
		}
	}
	s->waiting = err == ENOBUFS && sip_trans_reliable(&s->flow);
}

static void resend(struct sip_server *s)
{
	s->t->resent++;
	send_response(s);
}

/* Timer G, and the 2xx: doubling up to T2. Over a stream others than the 2xx are sent until they are out, once. */
static void repeat_final(struct sip_server *s)
{
	resend(s);
	s->interval_ms *= 2;
	if (s->interval_ms > s->t->t2_ms)
		s->interval_ms = s->t->t2_ms;
	if (s->state == SERVER_COMPLETED && sip_trans_reliable(&s->flow) && !s->waiting)
		s->interval_ms = 0;
	arm(s);
}

static void end_accepted(struct sip_server *s)
{
	const struct sip_server_handlers *h = s->h;
	void *arg = s->arg;

	sip_server_drop(s);
	if (h)
		h->unacked(arg);
}

static void tick(void *arg)
{
	struct sip_server *s = arg;
	bool over = s->deadline_ms && loop_now_ms(s->t->loop) >= s->deadline_ms;

	switch (s->state) {
	case SERVER_PROCEEDING:
		/* Proxies forget a call that only rings; §13.3.1.1 wants a sign of life each minute. */
		resend(s);
		arm(s);
		break;
	case SERVER_COMPLETED:
		if (over)
			sip_server_drop(s);
		else
			repeat_final(s);
		break;
	case SERVER_CONFIRMED:
		sip_server_drop(s);
		break;
	case SERVER_ACCEPTED:
		if (over)
			end_accepted(s);
		else
			repeat_final(s);
		break;
	}
}

int sip_server_start(struct sip_server **out, struct sip_trans *t, const struct sip_msg *m,
		     const struct sip_server_params *p)
{
	struct sip_server *s = calloc(1, sizeof(*s));
	struct sip_via via = { .port = 0 };

	if (!s)
		return ENOMEM;
	s->t = t;
	s->invite = m->method == SIP_INVITE;
	if (s->invite) {
		s->request = sip_trans_keep(m->raw);
		if (!s->request.p) {
			free(s);
			return ENOMEM;
		}
	}
	top_via(m, &via);
	s->via_port = via.port ? via.port : sip_trans_default_port(p->flow.kind);
	sip_trans_reply_flow(m, &p->flow, &s->flow);
	str_copy(s->to_tag, sizeof(s->to_tag), str_of(p->to_tag));
	s->h = p->handlers;
	s->arg = p->arg;
	sip_table_add(&t->servers, &s->node, server_key(t, m, &via, m->method));
	if (s->invite && !tag_of(m, SIP_H_TO).p)
		sip_table_add(&t->merges, &s->merge, merge_key(t, m));
	*out = s;
	return 0;
}

void sip_server_request(const struct sip_server *s, struct sip_msg *m)
{
	enum sip_parse parsed;
	const char *why;
	size_t used;

	assert(s->request.p);
	parsed = sip_msg_parse(m, s->request.p, s->request.n, false, &used, &why);
	assert(parsed == SIP_PARSE_OK);
	(void)parsed;
}

static void final(struct sip_server *s, int status)
{
	uint64_t now = loop_now_ms(s->t->loop);
	bool reliable = sip_trans_reliable(&s->flow), accepted = s->invite && status < 300;

	move(s, accepted ? SERVER_ACCEPTED : SERVER_COMPLETED);
	sip_trans_forget(&s->request);
	s->deadline_ms = now + sip_trans_timeout_ms(s->t);
	s->interval_ms = accepted || s->waiting || (s->invite && !reliable) ? s->t->t1_ms : 0;
	if (!accepted)
		s->h = NULL;
	arm(s);
}

int sip_server_respond(struct sip_server **sp, int status, struct str bytes)
{
	struct sip_server *s = *sp;
	struct str kept = sip_trans_keep(bytes);

	assert(s->state == SERVER_PROCEEDING);
	if (!kept.p)
		return ENOMEM;
	sip_trans_forget(&s->bytes);
	s->bytes = kept;
	send_response(s);
	if (status < 200) {
		if (status > 100) {
			s->interval_ms = RING_AGAIN_MS;
			arm(s);
		}
		return 0;
	}
	if (!s->invite || status >= 300)
		*sp = NULL;
	if (!s->invite && sip_trans_reliable(&s->flow) && !s->waiting)
		sip_server_drop(s); /* timer J is 0: nothing comes twice */
	else
		final(s, status);
	return 0;
}

void sip_server_repeat(struct sip_server *s)
{
	assert(s->state == SERVER_PROCEEDING && s->bytes.p);
	resend(s);
}

/* Nothing more to say; until L the INVITE's retransmissions are swallowed. */
static void fall_silent(struct sip_server *s)
{
	s->h = NULL;
	sip_trans_forget(&s->bytes);
	s->interval_ms = 0;
	arm(s);
}

void sip_server_acked(struct sip_server **sp)
{
	struct sip_server *s = *sp;

	assert(s->state == SERVER_ACCEPTED);
	*sp = NULL;
	fall_silent(s);
}

void sip_server_detach(struct sip_server **sp)
{
	struct sip_server *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	s->h = NULL;
	if (s->state == SERVER_ACCEPTED)
		fall_silent(s);
	else
		sip_server_drop(s);
}

/* --- requests --- */

/* The ACK to a 2xx is the session's (RFC 6026 §7.1), all others end here. */
static bool take_ack(struct sip_server *s)
{
	if (s->state == SERVER_PROCEEDING || s->state == SERVER_ACCEPTED)
		return false;
	if (s->state == SERVER_CONFIRMED)
		return true;
	if (sip_trans_reliable(&s->flow)) {
		sip_server_drop(s);
		return true;
	}
	move(s, SERVER_CONFIRMED);
	sip_trans_forget(&s->bytes);
	s->interval_ms = 0;
	s->deadline_ms = loop_now_ms(s->t->loop) + SIP_T4_MS;
	arm(s);
	return true;
}

bool sip_trans_request(struct sip_trans *t, const struct sip_msg *m)
{
	enum sip_method method = m->method == SIP_ACK ? SIP_INVITE : m->method;
	struct sip_node *n = NULL;
	struct sip_server *s;
	struct sip_via via;

	if (top_via(m, &via))
		n = sip_table_find(&t->servers, server_key(t, m, &via, method));
	if (!n)
		return false;
	s = sip_server_of(n);
	if (m->method == SIP_ACK)
		return s->invite && take_ack(s);
	t->received_again++;
	if (s->bytes.p && s->state != SERVER_ACCEPTED)
		resend(s);
	return true;
}

struct sip_server *sip_server_find_invite(struct sip_trans *t, const struct sip_msg *m)
{
	struct sip_node *n = NULL;
	struct sip_via via;

	if (top_via(m, &via))
		n = sip_table_find(&t->servers, server_key(t, m, &via, SIP_INVITE));
	return n ? sip_server_of(n) : NULL;
}

const char *sip_server_tag(const struct sip_server *s)
{
	return s->to_tag;
}

const struct sip_flow *sip_server_flow(const struct sip_server *s)
{
	return &s->flow;
}

void sip_server_cancel(struct sip_server *s, const struct sip_msg *m)
{
	if (s->state == SERVER_PROCEEDING && s->h)
		s->h->cancelled(s->arg, m);
}
