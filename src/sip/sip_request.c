#include "sip/sip_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_impl.h"

enum { MAX_LIFE_S = 7 * 86400 }; /* longer registrations are refreshed once a week all the same */

struct sip_request {
	struct list node; /* in the stack's */
	struct sip_stack *k;
	const struct sip_request_handlers *h;
	void *arg;
	enum sip_method method;
	enum wire_kind kind;
	uint32_t patience_ms, expires_s;
	struct sip_dialog d; /* Call-ID, From, To, target and CSeq of the series; never a dialog */
	struct sip_auth *auth;
	char *user;        /* of our Contact, NULL = none */
	struct str bound;  /* URI of the Contact in the newest REGISTER; heap */
	struct str before; /* the one that a registrar has and we bear no more; heap */
	struct dns *asked;
	uint64_t lookup;
	bool open, looking, have_flow;
	struct addr addrs[DNS_MAX_ADDRS];
	size_t count, at; /* addresses of the host, the one that is tried */
	struct sip_flow flow;
	struct sip_client *client;
	struct loop_timer timer; /* patience, or a failure to be told; while nothing is open: lost() is due */
	char why[160];
};

/* --- the end --- */

static void let_go(struct sip_request *r)
{
	if (r->looking)
		r->asked->ops->cancel(r->asked, r->lookup);
	r->looking = false;
	sip_client_detach(&r->client);
	loop_timer_stop(r->k->loop, &r->timer);
	r->open = false;
}

/* r may be gone afterwards. */
static void finish(struct sip_request *r, const struct sip_request_end *end)
{
	let_go(r);
	r->h->done(r->arg, end);
}

static void fail_now(void *arg)
{
	struct sip_request *r = arg;
	const struct sip_request_end end = { .why = r->why };

	finish(r, &end);
}

/* Told by the loop: it may be found out inside a call of the owner. */
static void fail(struct sip_request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(struct sip_request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	loop_timer_start(r->k->loop, &r->timer, 0, fail_now, r);
}

/* --- one address --- */

/* URI of our Contact on the flow. */
static void print_contact_uri(const struct sip_request *r, struct buf *out)
{
	char name[280];

	sip_transport_name(r->k->transport, &r->flow, name, sizeof(name));
	buf_printf(out, "sip:%s@%s", r->user, name);
	if (r->flow.kind != WIRE_UDP)
		buf_printf(out, ";transport=%s", sip_transport_param(r->flow.kind));
}

/* Our Contact. One that the registrar has by another listener is taken away in the same request. */
static void print_contact(struct sip_request *r)
{
	struct buf *out = &r->k->out, uri = { 0 };

	print_contact_uri(r, &uri);
	if (r->bound.p && !str_eq(r->bound, buf_view(&uri))) {
		session_forget(&r->before);
		r->before = r->bound;
		r->bound = (struct str){ NULL, 0 };
	}
	if (uri.failed || session_keep(&r->bound, buf_view(&uri)))
		out->failed = true;
	buf_free(&uri);
	sip_build_headerf(out, "Contact", "<%.*s>", STR_ARG(r->bound));
	if (r->before.p)
		sip_build_headerf(out, "Contact", "<%.*s>;expires=0", STR_ARG(r->before));
	sip_build_headerf(out, "Expires", "%u", r->expires_s);
}

static void on_response(void *arg, const struct sip_msg *m);
static void on_failed(void *arg, enum sip_failure kind, const char *why);
static void on_impatient(void *arg);

static int send_request(struct sip_request *r)
{
	static const struct sip_client_handlers handlers = { on_response, on_failed };
	struct sip_client_params p = { .flow = r->flow, .method = r->method, .handlers = &handlers, .arg = r };
	struct sip_dialog_request line = { .method = r->method, .cseq = ++r->d.local_cseq };
	struct sip_stack *k = r->k;
	char branch[24];

	stack_branch(branch, loop_random(k->loop));
	line.branch = branch;
	stack_print_request(k, &r->d, &r->flow, &line);
	if (r->auth)
		sip_auth_print(r->auth, &k->out, r->method);
	if (r->user)
		print_contact(r);
	else
		sip_build_header(&k->out, "Accept", STR("application/sdp"));
	sip_build_body(&k->out, NULL, STR(""));
	if (k->out.failed)
		return EMSGSIZE;
	p.branch = str_of(branch);
	p.bytes = buf_view(&k->out);
	if (r->patience_ms)
		loop_timer_start(k->loop, &r->timer, r->patience_ms, on_impatient, r);
	return sip_client_start(&r->client, k->trans, &p);
}

static void try_addresses(struct sip_request *r)
{
	struct sip_uri uri;
	int err = sip_dialog_hop(&r->d, &uri);

	for (; !err && r->at < r->count; r->at++) {
		int fault = sip_transport_flow(r->k->transport, session_uri_kind(&uri, r->kind), &r->addrs[r->at],
					       uri.host, &r->flow);

		r->have_flow = !fault;
		if (!fault)
			fault = send_request(r);
		if (!fault)
			return;
		if (r->at + 1 == r->count)
			err = fault;
	}
	uri.host = str_head(uri.host, 60);
	if (err == EPROTONOSUPPORT)
		fail(r, "no %s listener that could reach %.*s", sip_transport_via(session_uri_kind(&uri, r->kind)),
		     STR_ARG(uri.host));
	else
		fail(r, "cannot reach host %.*s: %s", STR_ARG(uri.host), strerror(err ? err : ENOENT));
}

/* Is there another address of the host that may do better? Then that one is under way. */
static bool try_next(struct sip_request *r)
{
	if (r->at + 1 >= r->count)
		return false;
	r->at++;
	try_addresses(r);
	return true;
}

static void on_impatient(void *arg)
{
	struct sip_request *r = arg;

	sip_client_detach(&r->client);
	if (try_next(r))
		return;
	snprintf(r->why, sizeof(r->why), "no answer within %u s", r->patience_ms / 1000);
	fail_now(r);
}

/* NULL: the challenge is answered; else a clause to go behind the status. */
static const char *challenged(struct sip_request *r, const struct sip_msg *m, bool *refused)
{
	*refused = (m->status == 401 || m->status == 407) && r->method == SIP_REGISTER;
	if ((m->status != 401 && m->status != 407) || !r->auth)
		return "";
	return sip_auth_clause(sip_auth_challenged(r->auth, m, loop_random(r->k->loop)));
}

static void on_response(void *arg, const struct sip_msg *m)
{
	struct sip_request *r = arg;
	struct str phrase = str_head(m->reason, 80);
	struct sip_request_end end = { .status = m->status, .msg = m, .why = r->why };
	const char *fault;

	if (m->status < 200)
		return;
	r->client = NULL;
	fault = challenged(r, m, &end.refused);
	if (!fault) {
		if (send_request(r))
			fail(r, "out of memory");
		return;
	}
	if (r->auth)
		sip_auth_settled(r->auth);
	if (m->status == 503 && try_next(r))
		return;
	if (m->status / 100 == 2)
		session_forget(&r->before);
	snprintf(r->why, sizeof(r->why), "%u%s%.*s%s", m->status, phrase.n ? " " : "", STR_ARG(phrase), fault);
	finish(r, &end);
}

static void on_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct sip_request *r = arg;
	const struct sip_request_end end = { .why = why };

	r->client = NULL;
	if (!try_next(r))
		finish(r, &end);
}

/* --- sending --- */

static void on_resolved(void *arg, const struct dns_result *found)
{
	struct sip_request *r = arg;
	struct sip_uri uri;

	r->looking = false;
	if (found->err || !found->count) {
		sip_dialog_hop(&r->d, &uri);
		uri.host = str_head(uri.host, 60);
		if (found->err && found->err != ENOENT)
			fail(r, "cannot reach host %.*s: %s", STR_ARG(uri.host), strerror(found->err));
		else
			fail(r, "no address found for host %.*s", STR_ARG(uri.host));
		return;
	}
	r->count = found->count;
	memcpy(r->addrs, found->addrs, found->count * sizeof(r->addrs[0]));
	try_addresses(r);
}

static void look_up(struct sip_request *r)
{
	struct dns *dns = r->k->dns;
	struct dns_query q;
	struct sip_uri uri;
	int err = sip_dialog_hop(&r->d, &uri);

	if (!err) {
		q = (struct dns_query){ .host = uri.host, .port = uri.port, .kind = session_uri_kind(&uri, r->kind) };
		err = dns->ops->lookup(dns, &q, on_resolved, r, &r->lookup);
	}
	if (err) {
		fail(r, "cannot look up the host: %s", strerror(err));
		return;
	}
	r->asked = dns;
	r->looking = true;
}

void sip_request_send(struct sip_request *r, uint32_t expires_s)
{
	struct sip_uri uri;

	let_go(r);
	r->open = true;
	r->expires_s = expires_s;
	r->count = r->at = 0;
	if (sip_dialog_hop(&r->d, &uri) || addr_parse(&r->addrs[0], uri.host, uri.port)) {
		look_up(r);
		return;
	}
	if (!uri.port)
		addr_set_port(&r->addrs[0], sip_trans_default_port(session_uri_kind(&uri, r->kind)));
	r->count = 1;
	try_addresses(r);
}

bool sip_request_is_open(const struct sip_request *r)
{
	return r->open;
}

bool sip_request_remote(const struct sip_request *r, struct addr *out)
{
	if (r->have_flow)
		*out = r->flow.remote;
	return r->have_flow;
}

bool sip_request_is_outdated(const struct sip_request *r)
{
	struct buf uri = { 0 };
	bool same;

	if (!r->have_flow || !r->bound.p)
		return false;
	if (sip_transport_is_retired(r->k->transport, &r->flow))
		return true;
	print_contact_uri(r, &uri);
	same = str_eq(buf_view(&uri), r->bound);
	buf_free(&uri);
	return !same;
}

/* --- what a registrar says --- */

/* The same address of ours; parameters that a registrar adds to the URI do not count. */
static bool is_ours(const struct sip_request *r, const struct sip_uri *uri)
{
	struct sip_uri ours;

	return !sip_uri_parse(&ours, r->bound) && str_eq(ours.user, uri->user) && str_ieq(ours.host, uri->host) &&
	       ours.port == uri->port;
}

uint32_t sip_request_granted(const struct sip_request *r, const struct sip_msg *m)
{
	struct str value, header = sip_msg_header(m, SIP_H_EXPIRES, 0);
	struct sip_name_addr contact;
	uint32_t seconds = r->expires_s;
	bool listed = false, found = false;
	size_t pos = 0;

	str_u32(header, &seconds);
	while (!found && sip_msg_next_value(m, SIP_H_CONTACT, &pos, &value)) {
		listed = true;
		found = !sip_name_addr_parse(&contact, value) && is_ours(r, &contact.uri);
		if (found)
			str_u32(sip_param(contact.params, "expires"), &seconds);
	}
	/* A list without us says that we are not registered; some registrars list nobody at all. */
	if (listed && !found)
		return 0;
	return seconds < MAX_LIFE_S ? seconds : MAX_LIFE_S;
}

static void tell_lost(void *arg)
{
	struct sip_request *r = arg;

	r->h->lost(r->arg, r->why);
}

void request_connection_lost(struct sip_stack *k, uint64_t connection, const char *why)
{
	for (struct list *n = k->requests.next; n != &k->requests; n = n->next) {
		struct sip_request *r = LIST_ITEM(n, struct sip_request, node);

		if (r->open || !r->have_flow || r->flow.kind == WIRE_UDP || r->flow.connection != connection)
			continue;
		r->have_flow = false;
		str_copy(r->why, sizeof(r->why), str_of(why));
		if (r->h->lost)
			loop_timer_start(k->loop, &r->timer, 0, tell_lost, r);
	}
}

/* A trunk calls us by the connection that its registrar knows us by. */
bool request_holds(const struct sip_stack *k, uint64_t connection)
{
	for (const struct list *n = k->requests.next; n != &k->requests; n = n->next) {
		const struct sip_request *r = LIST_ITEM(n, struct sip_request, node);

		if (r->bound.p && r->have_flow && r->flow.kind != WIRE_UDP && r->flow.connection == connection)
			return true;
	}
	return false;
}

/* --- life --- */

static int fill(struct sip_request *r, const struct sip_request_params *p)
{
	struct sip_dialog_params d = { .from_uri = p->from_uri, .to_uri = p->to_uri, .ruri = p->ruri };
	struct sip_uri uri;
	char tag[17], id[37];
	int err;

	if (sip_uri_parse(&uri, p->ruri) || !uri.host.n || sip_uri_parse(&uri, p->from_uri) ||
	    sip_uri_parse(&uri, p->to_uri))
		return EINVAL;
	if (p->method == SIP_REGISTER) {
		r->user = str_heap(p->contact_user.p ? p->contact_user : STR(""));
		if (!r->user)
			return ENOMEM;
	}
	if (p->username.n && (err = sip_auth_new(&r->auth, p->username, p->password)))
		return err;
	stack_hex(tag, loop_random(r->k->loop));
	str_uuid(id, loop_random(r->k->loop), loop_random(r->k->loop));
	d.local_tag = tag;
	d.call_id = str_of(id);
	return sip_dialog_init_out(&r->d, &d);
}

int sip_request_new(struct sip_request **out, struct sip_stack *k, const struct sip_request_params *p,
		    const struct sip_request_handlers *h, void *arg)
{
	struct sip_request *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return ENOMEM;
	r->k = k;
	r->h = h;
	r->arg = arg;
	r->method = p->method;
	r->kind = p->kind;
	r->patience_ms = p->patience_ms;
	list_append(&k->requests, &r->node);
	err = fill(r, p);
	if (err) {
		sip_request_free(&r);
		return err;
	}
	*out = r;
	return 0;
}

void sip_request_free(struct sip_request **rp)
{
	struct sip_request *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	let_go(r);
	list_remove(&r->node);
	sip_auth_free(&r->auth);
	sip_dialog_done(&r->d);
	session_forget(&r->bound);
	session_forget(&r->before);
	free(r->user);
	free(r);
}
