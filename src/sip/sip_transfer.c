/* REFER in a dialog, both ways: asking for a transfer and hearing of it, being asked and telling. RFC 3515, 4488, 5057,
 * 6665. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sip/sip_impl.h"
#include "sip/sip_refer.h"

enum {
	FIRST_NOTIFY_MS = 32000, /* timer N of RFC 6665                       */
	NEXT_NOTIFY_MS = 180000, /* as long as a phone may ring, and no longer */
};

enum refer_state {
	REFER_QUEUED, /* its way is looked up       */
	REFER_SENT,   /* no final answer yet        */
	REFER_TAKEN,  /* 2xx: NOTIFYs are waited for */
};

struct session_refer {
	enum refer_state state;
	uint32_t cseq; /* of the newest REFER: the id of its events */
	int status, notified;
	struct sip_client *client; /* in SENT */
	struct sip_auth *auth;     /* NULL = the session's, if any */
	struct str to;             /* heap */
	struct loop_timer timer;
};

struct sip_notifier {
	struct list node; /* of the stack's */
	struct sip_stack *k;
	struct sip_session *s; /* NULL once it has gone: then dialog and flow are here */
	struct sip_dialog d;
	struct sip_flow flow;
	uint32_t id;      /* CSeq of the REFER */
	int newest, sent; /* statuses          */
	bool owned, mute; /* mute: the peer does not listen (any more) */
	struct sip_client *client;
	struct loop_timer end_timer;
};

/* --- asking --- */

static void free_refer(struct sip_session *s)
{
	struct session_refer *r = s->refer;

	loop_timer_stop(s->k->loop, &r->timer);
	sip_client_detach(&r->client);
	sip_auth_free(&r->auth);
	session_forget(&r->to);
	free(r);
	s->refer = NULL;
}

static void finish(struct sip_session *s, bool good, const char *why)
{
	const struct sip_referred end = {
		.over = true,
		.good = good,
		.gone = s->state == SESSION_ENDED,
		.status = s->refer->status,
		.notified = s->refer->notified,
		.why = why,
	};

	free_refer(s);
	if (s->h && s->h->referred)
		s->h->referred(s->arg, &end);
}

static void on_silence(void *arg)
{
	struct sip_session *s = arg;

	finish(s, false,
	       s->refer->status ? "the peer did not tell what became of the transfer" : "the REFER could not be sent");
}

static void wait_for_notify(struct sip_session *s, uint32_t wait_ms)
{
	loop_timer_start(s->k->loop, &s->refer->timer, wait_ms, on_silence, s);
}

/* True: the REFER is on its way again. */
static bool answers_challenge(struct sip_session *s, const struct sip_msg *m)
{
	struct session_refer *r = s->refer;

	if (m->status != 401 && m->status != 407)
		return false;
	if (r->auth ? sip_auth_challenged(r->auth, m, loop_random(s->k->loop)) != SIP_AUTH_AGAIN
		    : session_challenged(s, m) != NULL)
		return false;
	r->state = REFER_QUEUED;
	session_pump(s);
	return true;
}

static void on_response(void *arg, const struct sip_msg *m)
{
	struct sip_session *s = arg;
	struct session_refer *r = s->refer;
	char why[120];

	if (m->status < 200)
		return;
	r->client = NULL;
	if (answers_challenge(s, m))
		return;
	if (s->auth)
		sip_auth_settled(s->auth);
	r->status = m->status;
	if (m->status >= 300) {
		snprintf(why, sizeof(why), "%u %.*s to our REFER", m->status, STR_ARG(str_head(m->reason, 80)));
		finish(s, false, why);
	} else if (str_iis(sip_msg_header_named(m, "Refer-Sub"), "false")) {
		finish(s, true, "the peer has taken the transfer and tells no more");
	} else {
		r->state = REFER_TAKEN;
		if (!r->notified)
			wait_for_notify(s, FIRST_NOTIFY_MS);
		if (s->h->referred)
			s->h->referred(s->arg, &(struct sip_referred){
						       .status = r->status, .notified = r->notified, .why = "" });
	}
}

static void on_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct sip_session *s = arg;

	s->refer->client = NULL;
	s->refer->status = kind == SIP_FAILED_TIMEOUT ? 408 : 503;
	finish(s, false, why);
}

static void send_refer(struct sip_session *s)
{
	static const struct sip_client_handlers handlers = { on_response, on_failed };
	struct session_request request = { .method = SIP_REFER, .handlers = &handlers };
	struct session_refer *r = s->refer;

	session_begin_request(s, &request);
	if (r->auth)
		sip_auth_print(r->auth, &s->k->out, SIP_REFER);
	r->cseq = s->d.local_cseq;
	stack_print_contact(s->k, &s->flow);
	buf_cstr(&s->k->out, "Refer-To: <");
	buf_str(&s->k->out, r->to);
	buf_cstr(&s->k->out, ">\r\n");
	if (session_finish_request(s, &r->client, &request, STR("")))
		wait_for_notify(s, 0); /* tells the failure from the loop */
	r->state = REFER_SENT;
}

void refer_pump(struct sip_session *s)
{
	if (s->refer && s->refer->state == REFER_QUEUED && s->state == SESSION_CONFIRMED)
		send_refer(s);
}

static bool is_clean(struct str uri)
{
	struct sip_uri u;

	for (size_t i = 0; i < uri.n; i++)
		if ((unsigned char)uri.p[i] <= ' ' || uri.p[i] == '<' || uri.p[i] == '>' || uri.p[i] == 0x7f)
			return false;
	return uri.n && !sip_uri_parse(&u, uri);
}

int sip_session_refer(struct sip_session *s, const struct sip_refer_params *p)
{
	int err;

	/* No other request before the ACK: it waits. */
	if ((s->state != SESSION_CONFIRMED && s->state != SESSION_ACCEPTED) || !is_clean(p->to))
		return EINVAL;
	if (s->refer)
		return EBUSY;
	s->refer = calloc(1, sizeof(*s->refer));
	err = s->refer ? session_keep(&s->refer->to, p->to) : ENOMEM;
	if (!err && p->username.n)
		err = sip_auth_new(&s->refer->auth, p->username, p->password);
	if (err) {
		if (s->refer)
			free_refer(s);
		return err;
	}
	session_pump(s);
	return 0;
}

void refer_stop(struct sip_session *s)
{
	if (!s->refer)
		return;
	loop_timer_stop(s->k->loop, &s->refer->timer);
	sip_client_detach(&s->refer->client);
}

/* --- answers --- */

/* With a transaction, so that a repetition is not taken for another request. */
static void reply(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow, int status,
		  const struct sip_field *field)
{
	struct sip_server_params p = { .flow = *flow, .to_tag = "" };
	struct sip_fields fields = { field, field ? 1 : 0 };
	struct sip_server *server = NULL;

	if (sip_server_start(&server, s->k->trans, m, &p)) {
		stack_reply(s->k, m, flow, status, &fields);
		return;
	}
	stack_print_response(s->k, m, status, STR(""), NULL, flow);
	if (status / 100 == 2)
		stack_print_contact(s->k, flow);
	if (field)
		sip_build_header(&s->k->out, field->name, field->value);
	sip_build_body(&s->k->out, NULL, STR(""));
	if (s->k->out.failed || sip_server_respond(&server, status, buf_view(&s->k->out)))
		sip_server_detach(&server);
}

/* --- hearing --- */

/* Is it about our REFER? Its id may be left out. A challenge has made the REFER another one. */
static bool is_ours(const struct sip_session *s, struct str params)
{
	struct str id = sip_param(params, "id");
	uint32_t number;

	return s->refer && s->refer->state != REFER_QUEUED &&
	       (!id.p || (!str_u32(id, &number) && number == s->refer->cseq));
}

static struct str frag_of(const struct sip_msg *m)
{
	struct str type, rest = sip_msg_header(m, SIP_H_CONTENT_TYPE, 0);

	return str_split(&rest, ';', &type) && str_iis(str_trim(type), "message/sipfrag") ? m->body : STR("");
}

static void take_news(struct sip_session *s, const struct sip_msg *m)
{
	struct str state, rest = sip_msg_header_named(m, "Subscription-State");
	struct session_refer *r = s->refer;
	int status = sip_frag_status(frag_of(m));
	bool over = status >= 200;
	char why[80];

	str_split(&rest, ';', &state);
	over |= state.p && str_iis(str_trim(state), "terminated");
	if (status)
		r->notified = status;
	if (over) {
		/* A NOTIFY may overtake the 202; nobody tells of a transfer he has not taken. */
		if (!r->status)
			r->status = 202;
		snprintf(why, sizeof(why), "the transfer has ended with %d", r->notified);
		finish(s, r->notified / 100 == 2,
		       r->notified >= 200 ? why : "the peer has stopped to tell of the transfer");
		return;
	}
	wait_for_notify(s, NEXT_NOTIFY_MS);
	if (s->h->referred)
		s->h->referred(s->arg,
			       &(struct sip_referred){ .status = r->status, .notified = r->notified, .why = "" });
}

void refer_take_notify(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	static const struct sip_field allowed = { "Allow-Events", { "refer", 5 } };
	struct str event, params = sip_msg_header_named(m, "Event");

	if (!str_split(&params, ';', &event) || !str_iis(str_trim(event), "refer")) {
		reply(s, m, flow, 489, &allowed);
	} else if (!is_ours(s, params.p ? params : STR(""))) {
		reply(s, m, flow, 481, NULL);
	} else {
		reply(s, m, flow, 200, NULL);
		take_news(s, m);
	}
}

/* --- being asked --- */

static bool wants_silence(const struct sip_msg *m)
{
	return str_iis(sip_msg_header_named(m, "Refer-Sub"), "false");
}

/* One at a time: what outlives the session takes its dialog along. */
static bool is_busy(const struct sip_session *s)
{
	for (const struct list *p = s->k->notifiers.next; p != &s->k->notifiers; p = p->next)
		if (LIST_ITEM(p, struct sip_notifier, node)->s == s)
			return true;
	return false;
}

void refer_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_refer_in in = { .referred_by = sip_msg_header_named(m, "Referred-By"), .silent = wants_silence(m) };
	struct asked_refer asked = { .msg = m, .flow = flow, .refusal = 603 };
	struct sip_refer_to to;

	if (sip_msg_header(m, SIP_H_REFER_TO, 1).p || sip_refer_to_parse(&to, sip_msg_header(m, SIP_H_REFER_TO, 0))) {
		reply(s, m, flow, 400, NULL);
		return;
	}
	if (is_busy(s)) {
		reply(s, m, flow, 491, NULL);
		return;
	}
	in.to = to.uri;
	in.replaces = to.replaces;
	if ((s->state == SESSION_CONFIRMED || s->state == SESSION_ACCEPTED) && s->h->refer) {
		s->to_take = &asked;
		s->h->refer(s->arg, &in);
		s->to_take = NULL;
	}
	if (!asked.taken)
		reply(s, m, flow, asked.refusal, NULL);
}

void sip_session_refuse_refer(struct sip_session *s, int status)
{
	assert(s->to_take && !s->to_take->taken && status >= 300 && status <= 699);
	s->to_take->refusal = status;
}

static void free_notifier(struct sip_notifier *n)
{
	list_remove(&n->node);
	loop_timer_stop(n->k->loop, &n->end_timer);
	sip_client_detach(&n->client);
	sip_dialog_done(&n->d);
	free(n);
}

static void end_notifier(void *arg)
{
	free_notifier(arg);
}

static void send_notify(struct sip_notifier *n);

/* What the peer says to our NOTIFY: an error ends the subscription (RFC 6665 §4.2.2), and so does silence. */
static void settle(struct sip_notifier *n, bool good)
{
	n->client = NULL;
	n->mute |= !good;
	if (!n->mute && n->newest != n->sent)
		send_notify(n);
	else if (!n->owned)
		free_notifier(n);
}

static void on_notified(void *arg, const struct sip_msg *m)
{
	if (m->status >= 200)
		settle(arg, m->status < 300);
}

static void on_not_notified(void *arg, enum sip_failure kind, const char *why)
{
	settle(arg, false);
}

static void print_notify(struct sip_notifier *n, const char *branch)
{
	struct sip_dialog *d = n->s ? &n->s->d : &n->d;
	struct sip_dialog_request line = { .method = SIP_NOTIFY, .cseq = ++d->local_cseq, .branch = branch };
	struct buf *out = &n->k->out;
	char frag[80];

	stack_print_request(n->k, d, &n->flow, &line);
	stack_print_contact(n->k, &n->flow);
	sip_build_headerf(out, "Event", "refer;id=%u", n->id);
	sip_build_header(out, "Subscription-State",
			 n->newest >= 200 ? STR("terminated;reason=noresource") : STR("active;expires=180"));
	snprintf(frag, sizeof(frag), "SIP/2.0 %d %s\r\n", n->newest, sip_reason_phrase(n->newest));
	sip_build_body(out, "message/sipfrag;version=2.0", str_of(frag));
}

static void send_notify(struct sip_notifier *n)
{
	static const struct sip_client_handlers handlers = { on_notified, on_not_notified };
	struct sip_client_params p = { .method = SIP_NOTIFY, .handlers = &handlers, .arg = n };
	char branch[24];

	if (n->s)
		n->flow = n->s->flow;
	stack_branch(branch, loop_random(n->k->loop));
	print_notify(n, branch);
	n->sent = n->newest;
	p.flow = n->flow;
	p.branch = str_of(branch);
	p.bytes = buf_view(&n->k->out);
	if (!n->k->out.failed && !sip_client_start(&n->client, n->k->trans, &p))
		return;
	n->mute = true;
	if (!n->owned)
		loop_timer_start(n->k->loop, &n->end_timer, 0, end_notifier, n);
}

int sip_session_take_refer(struct sip_session *s, struct sip_notifier **out)
{
	static const struct sip_field no_sub = { "Refer-Sub", { "false", 5 } };
	struct sip_notifier *n = calloc(1, sizeof(*n));
	struct sip_cseq cseq = { .number = 0 };

	assert(s->to_take && !s->to_take->taken);
	if (!n)
		return ENOMEM;
	sip_cseq_parse(&cseq, sip_msg_header(s->to_take->msg, SIP_H_CSEQ, 0));
	n->k = s->k;
	n->s = s;
	n->id = cseq.number;
	n->owned = true;
	n->mute = wants_silence(s->to_take->msg);
	n->flow = *s->to_take->flow;
	list_append(&s->k->notifiers, &n->node);
	s->to_take->taken = true;
	reply(s, s->to_take->msg, s->to_take->flow, 202, n->mute ? &no_sub : NULL);
	n->newest = 100;
	if (!n->mute)
		send_notify(n);
	*out = n;
	return 0;
}

void sip_notifier_tell(struct sip_notifier **np, int status)
{
	struct sip_notifier *n = *np;

	assert(n->owned && status >= 100 && status <= 699);
	n->newest = status;
	if (status >= 200) {
		n->owned = false;
		*np = NULL;
	}
	if (n->client) /* one at a time, so that none overtakes another; the newest counts */
		return;
	if (!n->mute)
		send_notify(n);
	else if (!n->owned)
		free_notifier(n);
}

/* The session goes; what is told goes on in its dialog, whose usage the subscription is as well (RFC 5057 §4). */
void refer_inherit(struct sip_session *s)
{
	for (struct list *p = s->k->notifiers.next; p != &s->k->notifiers; p = p->next) {
		struct sip_notifier *n = LIST_ITEM(p, struct sip_notifier, node);

		if (n->s != s)
			continue;
		n->s = NULL;
		n->flow = s->flow;
		n->d = s->d;
		s->d = (struct sip_dialog){ .local_cseq = 0 };
		return;
	}
}

void refer_move(struct sip_session *s, struct sip_session *to)
{
	for (struct list *p = s->k->notifiers.next; p != &s->k->notifiers; p = p->next) {
		struct sip_notifier *n = LIST_ITEM(p, struct sip_notifier, node);

		if (n->s == s)
			n->s = to;
	}
}

void refer_close(struct sip_session *s)
{
	if (s->refer)
		finish(s, false, "the call has ended");
}

void refer_free_notifiers(struct sip_stack *k)
{
	struct list *p;

	while ((p = list_first(&k->notifiers)))
		free_notifier(LIST_ITEM(p, struct sip_notifier, node));
}
