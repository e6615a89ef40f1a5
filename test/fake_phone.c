#include "fake_phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static void note(struct phone_call *c, const char *event)
{
	if (c->phone->on_event)
		c->phone->on_event(c, event);
}

static void keep_sdp(struct phone_call *c, struct str sdp)
{
	if (sdp.n)
		str_copy(c->sdp, sizeof(c->sdp), sdp);
}

static void on_progress(void *arg, const struct sip_msg *m, int status, struct str sdp)
{
	struct phone_call *c = arg;

	c->progress++;
	c->last_progress = status;
	keep_sdp(c, sdp);
	note(c, "progress");
}

static void on_answered(void *arg, const struct sip_msg *m, struct str sdp)
{
	struct phone_call *c = arg;

	c->answered++;
	keep_sdp(c, sdp);
	note(c, "answered");
}

static void on_confirmed(void *arg, struct str sdp)
{
	struct phone_call *c = arg;

	c->confirmed++;
	keep_sdp(c, sdp);
	note(c, "confirmed");
}

static int on_pracked(void *arg, struct str sdp, struct buf *answer)
{
	struct phone_call *c = arg;

	c->pracked++;
	keep_sdp(c, sdp);
	note(c, "pracked");
	if (!answer)
		return 0;
	buf_cstr(answer, "pracked");
	return c->phone->refuse_pracks;
}

static void on_reoffer(void *arg, struct str sdp)
{
	struct phone_call *c = arg;

	c->reoffer++;
	keep_sdp(c, sdp);
	if (c->phone->auto_reanswer)
		sip_session_reanswer(c->s, c->phone->answer ? str_of(c->phone->answer) : STR("reanswer"));
	note(c, "reoffer");
}

static void on_reanswered(void *arg, struct str sdp)
{
	struct phone_call *c = arg;

	c->reanswered++;
	keep_sdp(c, sdp);
	note(c, "reanswered");
}

static void on_reinvited(void *arg, int status, struct str sdp)
{
	struct phone_call *c = arg;

	c->reinvited++;
	c->last_reinvited = status;
	keep_sdp(c, sdp);
	note(c, "reinvited");
}

static void on_referred(void *arg, const struct sip_referred *r)
{
	struct phone_call *c = arg;

	c->referred++;
	c->refer_over += r->over;
	c->refer_status = r->status;
	c->refer_notified = r->notified;
	str_copy(c->refer_why, sizeof(c->refer_why), str_of(r->why));
	note(c, "referred");
}

static void on_refer(void *arg, const struct sip_refer_in *in)
{
	struct phone_call *c = arg;

	c->refer++;
	str_copy(c->refer_to, sizeof(c->refer_to), in->to);
	str_copy(c->refer_replaces, sizeof(c->refer_replaces), in->replaces);
	if (c->phone->auto_take_refer && sip_session_take_refer(c->s, &c->notifier))
		abort();
	note(c, "refer");
}

static int on_info(void *arg, struct str content_type, struct str body)
{
	struct phone_call *c = arg;

	if (!str_iis(content_type, "application/dtmf-relay"))
		return 415;
	c->info++;
	keep_sdp(c, body);
	note(c, "info");
	return 200;
}

static void on_closed(void *arg, const struct sip_end *end)
{
	struct phone_call *c = arg;

	c->closed++;
	c->closed_ms = loop_now_ms(c->phone->loop);
	c->who = end->who;
	c->was_answered = end->answered;
	c->status = end->status;
	str_copy(c->reason, sizeof(c->reason), str_of(end->reason));
	str_copy(c->why, sizeof(c->why), str_of(end->why));
	str_copy(c->reason_header, sizeof(c->reason_header), end->reason_header);
	note(c, "closed");
	c->s = NULL;
}

static const struct sip_session_handlers session_handlers = {
	.progress = on_progress,
	.answered = on_answered,
	.confirmed = on_confirmed,
	.pracked = on_pracked,
	.reoffer = on_reoffer,
	.reanswered = on_reanswered,
	.reinvited = on_reinvited,
	.referred = on_referred,
	.refer = on_refer,
	.info = on_info,
	.closed = on_closed,
};

static struct phone_call *call_new(struct phone *p, bool inbound)
{
	struct phone_call *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->phone = p;
	c->inbound = inbound;
	list_append(&p->calls, &c->node);
	p->call_count++;
	return c;
}

static void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct phone *p = arg;
	struct phone_call *c;

	if (p->refuse_inside) {
		sip_session_refuse(s, p->refuse_inside, STR(""), NULL);
		return;
	}
	c = call_new(p, true);
	c->s = s;
	keep_sdp(c, in->sdp);
	sip_session_accept(s, &session_handlers, c);
	if (p->auto_ring)
		sip_session_ring(s, p->auto_ring, p->auto_ring == 183 ? STR("early") : STR(""));
	if (p->auto_answer)
		sip_session_answer(s, str_of(p->answer ? p->answer : "answer"));
	else if (p->auto_refuse)
		sip_session_refuse(s, p->auto_refuse, STR(""), NULL);
	note(c, "invite");
}

static bool on_known(void *arg, const struct addr *source, const struct sip_msg *m)
{
	const struct phone *p = arg;

	return !p->unknown;
}

static bool on_trusted(void *arg, const struct addr *source)
{
	const struct phone *p = arg;

	return !p->among_strangers;
}

void phone_open(struct phone *p, const struct phone_opts *opts)
{
	static const struct sip_stack_handlers handlers = { .invite = on_invite,
							    .known = on_known,
							    .trusted = on_trusted };
	static const uint16_t ports[] = { 5060, 5060, 5061, 8080, 8443 };
	struct sip_listen listen[5] = { { .kind = WIRE_UDP }, { .kind = WIRE_TCP } };
	struct sip_stack_opts so = { .loop = opts->loop,
				     .net = opts->net,
				     .dns = opts->dns,
				     .listen = listen,
				     .listen_count = 2,
				     .user_agent = "phone",
				     .session_timeout_s = p->session_timeout_s,
				     .max_transactions = p->max_transactions,
				     .handlers = &handlers,
				     .arg = p };
	char why[160];

	p->loop = opts->loop;
	list_init(&p->calls);
	if (p->tls)
		listen[so.listen_count++].kind = WIRE_TLS;
	for (enum wire_kind kind = WIRE_WS; p->web && kind <= WIRE_WSS; kind++)
		listen[so.listen_count++].kind = kind;
	for (size_t i = 0; i < so.listen_count; i++)
		if (addr_parse(&listen[i].addr, str_of(opts->address), ports[listen[i].kind]))
			abort();
	if (sip_stack_new(&p->stack, &so, why)) {
		fprintf(stderr, "phone: %s\n", why);
		abort();
	}
	sip_stack_local(p->stack, 0, &p->addr);
}

void phone_close(struct phone *p)
{
	struct list *n;

	sip_stack_free(&p->stack);
	while ((n = list_first(&p->calls))) {
		list_remove(n);
		free(LIST_ITEM(n, struct phone_call, node));
	}
}

struct phone_call *phone_call_with(struct phone *p, const struct sip_call_params *params)
{
	struct phone_call *c = call_new(p, false);
	const char *why;

	if (!sip_session_call(&c->s, p->stack, params, &session_handlers, c, &why))
		return c;
	list_remove(&c->node);
	p->call_count--;
	free(c);
	return NULL;
}

struct phone_call *phone_dial(struct phone *p, const char *uri, enum wire_kind kind)
{
	struct sip_call_params params = { .ruri = str_of(uri),
					  .kind = kind,
					  .from_uri = STR("sip:caller@example.org"),
					  .from_name = STR("A \"quoted\" name"),
					  .to_uri = str_of(uri),
					  .sdp = str_of(p->offer ? p->offer : "offer"),
					  .session_timeout_s = p->dial_timeout_s };

	if (p->fields)
		params.fields = *p->fields;
	return phone_call_with(p, &params);
}

void phone_hangup(struct phone_call *c, struct str reason_header)
{
	if (!c->s)
		return;
	if (!c->hung_ms)
		c->hung_ms = loop_now_ms(c->phone->loop);
	sip_session_hangup(c->s, reason_header);
}

struct phone_call *phone_call_at(struct phone *p, size_t n)
{
	for (struct list *i = p->calls.next; i != &p->calls; i = i->next)
		if (!n--)
			return LIST_ITEM(i, struct phone_call, node);
	return NULL;
}

size_t phone_alive(const struct phone *p, bool connections)
{
	struct sip_stack_counts c;

	sip_stack_count(p->stack, &c);
	return c.sessions + c.client_transactions + c.server_transactions + (connections ? c.connections : 0);
}
