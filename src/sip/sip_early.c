#include <errno.h>
#include <stdlib.h>

#include "sip/sip_impl.h"

/* What an INVITE of ours has begun at the far side before its 2xx: one dialog for each To tag (RFC 3261 §12.1), each with
 * its own way back, and its own count of reliable responses (RFC 3262 §4). CSeq numbers, Call-ID and local tag are the
 * session's. session->d is a copy of the one that is heard. */

enum { MAX_EARLY = 16 }; /* further ones ring unheard, and can still answer */

struct early {
	struct list node; /* of session_early.all */
	struct sip_session *s;
	struct sip_dialog d;      /* remote side only */
	struct str sdp;           /* the newest it has brought; heap, absent = none */
	uint32_t rseq;            /* of the newest reliable response, 0 = none */
	uint32_t cseq;            /* of the INVITE */
	bool agreed;              /* a reliable response brought the answer */
	bool updated;             /* an UPDATE came after that: sdp is what it said */
	struct sip_client *prack; /* to the newest, until its final response */
	bool lost;                /* that ended without a 2xx */
};

struct session_early {
	struct list all;
	size_t count, pracks;
};

static void on_prack_response(void *arg, const struct sip_msg *m);

/* --- the dialogs --- */

static struct early *find(const struct sip_session *s, struct str tag)
{
	if (!s->early)
		return NULL;
	for (struct list *n = s->early->all.next; n != &s->early->all; n = n->next) {
		struct early *e = LIST_ITEM(n, struct early, node);

		if (str_eq(e->d.remote_tag, tag))
			return e;
	}
	return NULL;
}

static void drop(struct early *e)
{
	sip_client_detach(&e->prack);
	sip_dialog_done(&e->d);
	session_forget(&e->sdp);
	free(e);
}

static struct session_early *open_list(struct sip_session *s)
{
	if (!s->early)
		s->early = calloc(1, sizeof(*s->early));
	if (s->early && !s->early->all.next)
		list_init(&s->early->all);
	return s->early;
}

static struct early *add(struct sip_session *s, const struct sip_msg *m)
{
	struct session_early *all = open_list(s);
	struct early *e = all && all->count < MAX_EARLY ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->s = s;
	/* A Contact may be missing: then it is where the INVITE went, or another fork; nobody knows better. */
	if (session_keep(&e->d.target, s->d.target) || sip_dialog_update(&e->d, m)) {
		drop(e);
		return NULL;
	}
	list_append(&all->all, &e->node);
	all->count++;
	return e;
}

/* From here on requests of the session's dialog are those of this one. */
static void follow(struct sip_session *s, const struct early *e)
{
	session_keep(&s->d.remote, e->d.remote);
	session_keep(&s->d.target, e->d.target);
	if (e->d.routes.p)
		session_keep(&s->d.routes, e->d.routes);
	else
		session_forget(&s->d.routes);
	session_keep(&s->d.remote_tag, e->d.remote_tag);
}

bool early_knows(const struct sip_session *s, struct str remote_tag)
{
	return find(s, remote_tag);
}

void early_free(struct sip_session *s)
{
	struct list *n;

	while (s->early && (n = list_first(&s->early->all))) {
		list_remove(n);
		drop(LIST_ITEM(n, struct early, node));
	}
	free(s->early);
	s->early = NULL;
}

static struct early *find_by(const struct sip_session *s, const struct sip_msg *response)
{
	struct sip_name_addr to = { .tag = { NULL, 0 } };

	sip_name_addr_parse(&to, sip_msg_header(response, SIP_H_TO, 0));
	return to.tag.p ? find(s, to.tag) : NULL;
}

void early_won(struct sip_session *s, const struct sip_msg *m)
{
	const struct early *e = find_by(s, m);

	if (e)
		follow(s, e);
}

struct str early_steal_sdp(struct sip_session *s, const struct sip_msg *m)
{
	struct early *e = find_by(s, m);
	struct str sdp = { NULL, 0 };

	if (e) {
		sdp = e->sdp;
		e->sdp = (struct str){ NULL, 0 };
	}
	return sdp;
}

bool early_agreed(const struct sip_session *s)
{
	const struct early *e = s->d.remote_tag.p ? find(s, s->d.remote_tag) : NULL;

	return e && e->agreed;
}

void early_keep_sdp(struct sip_session *s, struct str sdp)
{
	struct early *e = find(s, s->d.remote_tag);

	if (e && !session_keep(&e->sdp, sdp))
		e->updated = true;
}

bool early_updated(const struct sip_session *s, const struct sip_msg *m)
{
	const struct early *e = find_by(s, m);

	return e && e->updated;
}

bool early_refuses(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_name_addr from = { .tag = { NULL, 0 } };

	if (!s->early)
		return false;
	sip_name_addr_parse(&from, sip_msg_header(m, SIP_H_FROM, 0));
	if (str_eq(from.tag.p ? from.tag : STR(""), s->d.remote_tag))
		return false;
	if (m->method == SIP_INVITE || m->method == SIP_UPDATE)
		stack_reply(s->k, m, flow, 491, NULL);
	else if (m->method == SIP_BYE)
		stack_reply(s->k, m, flow, 200, NULL);
	else
		stack_reply_method(s->k, m, flow);
	return true;
}

/* --- PRACK --- */

/* To where it can be said without a look-up, else to where the INVITE went. */
static void find_flow(const struct early *e, struct sip_flow *out)
{
	struct sip_session *s = e->s;
	struct sip_uri uri;
	struct addr to;

	*out = s->flow;
	if (sip_dialog_hop(&e->d, &uri))
		return;
	if (out->kind != WIRE_UDP) { /* a verified or inbound connection is not left for an address in a Contact */
		if (session_uri_kind(&uri, out->kind) == WIRE_TCP && out->kind == WIRE_TCP)
			uac_fork_way(s->k, &e->d, out);
		return;
	}
	if (session_uri_kind(&uri, WIRE_UDP) != WIRE_UDP)
		uac_fork_way(s->k, &e->d, out);
	else if (!addr_parse(&to, uri.host, uri.port ? uri.port : sip_trans_default_port(WIRE_UDP)) &&
		 addr_is_v6(&to) == addr_is_v6(&out->remote))
		out->remote = to; /* the listener that the peer knows */
}

static void on_prack_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct early *e = arg;

	e->prack = NULL;
	e->lost = true; /* the far side repeats its response, or gives it up with a 5xx */
}

static void send_prack(struct early *e)
{
	static const struct sip_client_handlers handlers = { on_prack_response, on_prack_failed };
	struct sip_session *s = e->s;
	struct sip_stack *k = s->k;
	struct sip_client_params p = { .method = SIP_PRACK, .handlers = &handlers, .arg = e };
	struct sip_dialog_request line = { .method = SIP_PRACK };
	struct sip_dialog d = e->d;
	char branch[24];

	if (++s->early->pracks >= EARLY_CSEQ_GAP)
		return;
	d.call_id = s->d.call_id;
	d.local = s->d.local;
	e->lost = false;
	line.cseq = ++s->d.local_cseq;
	line.branch = branch;
	find_flow(e, &p.flow);
	stack_branch(branch, loop_random(k->loop));
	stack_print_request(k, &d, &p.flow, &line);
	if (s->auth)
		sip_auth_print(s->auth, &k->out, SIP_PRACK);
	sip_build_headerf(&k->out, "RAck", "%u %u INVITE", e->rseq, e->cseq);
	sip_build_body(&k->out, NULL, STR(""));
	p.branch = str_of(branch);
	p.bytes = buf_view(&k->out);
	/* The transaction of the PRACK before repeats it by itself. */
	sip_client_detach(&e->prack);
	if (!k->out.failed)
		sip_client_start(&e->prack, k->trans, &p);
}

static void on_prack_response(void *arg, const struct sip_msg *m)
{
	struct early *e = arg;

	if (m->status < 200)
		return;
	e->prack = NULL;
	e->lost = m->status >= 300;
	if (e->lost && !session_challenged(e->s, m))
		send_prack(e);
}

/* --- a provisional response --- */

static uint32_t reliable_number(const struct sip_msg *m)
{
	uint32_t rseq = 0;

	if (sip_msg_has_token(m, SIP_H_REQUIRE, "100rel"))
		str_u32(sip_msg_header(m, SIP_H_RSEQ, 0), &rseq);
	return rseq;
}

/* False: one that has come already, or before its turn (RFC 3262 §4). */
static bool take_reliable(struct early *e, const struct sip_msg *m, uint32_t rseq)
{
	struct sip_session *s = e->s;
	struct sip_cseq cseq = { .number = 0 };

	/* What repeats the PRACK is its transaction, as long as there is one. */
	if (rseq == e->rseq && e->lost)
		send_prack(e);
	if (e->rseq && rseq != e->rseq + 1)
		return false;
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	e->rseq = rseq;
	e->cseq = cseq.number;
	if (s->auth)
		sip_auth_settled(s->auth); /* the INVITE was taken; its PRACK may be asked anew */
	send_prack(e);
	return true;
}

/* The SDP that is new: the dialog which brought one last is heard, so a repetition must not make it the last. */
static struct str take_sdp(struct sip_session *s, struct early *e, struct str sdp)
{
	bool heard = !s->d.remote_tag.p || str_eq(s->d.remote_tag, e->d.remote_tag);
	bool fresh = sdp.n && (heard || !e->sdp.n || !str_eq(e->sdp, sdp)) && !session_keep(&e->sdp, sdp);

	if (heard || fresh)
		follow(s, e);
	return fresh ? sdp : STR("");
}

bool early_take(struct sip_session *s, const struct sip_msg *m, struct str *sdp)
{
	struct sip_name_addr to = { .tag = { NULL, 0 } };
	uint32_t rseq = reliable_number(m);
	struct early *e;

	*sdp = stack_sdp(m);
	sip_name_addr_parse(&to, sip_msg_header(m, SIP_H_TO, 0));
	if (!to.tag.p)
		return true;
	e = find(s, to.tag);
	if (e)
		sip_dialog_refresh(&e->d, m);
	else if (rseq || sdp->n || s->early || (s->d.remote_tag.p && !str_eq(s->d.remote_tag, to.tag)))
		e = add(s, m);
	else
		sip_dialog_update(&s->d, m); /* the only one so far; without memory it is done by the 2xx */
	if (!e) {
		/* Beyond the bound it rings, and is neither heard nor acknowledged. */
		if (s->early)
			*sdp = STR("");
		return !rseq;
	}
	if (rseq && !take_reliable(e, m, rseq))
		return false;
	/* What repeats the first answer is out of date (RFC 3261 §13.2.1). */
	if (e->updated)
		*sdp = STR("");
	e->agreed = e->agreed || (rseq && sdp->n);
	*sdp = take_sdp(s, e, *sdp);
	return true;
}
