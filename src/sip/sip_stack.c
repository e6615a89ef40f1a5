#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "sip/sip_bucket.h"
#include "sip/sip_impl.h"
#include "sip/sip_timer.h"

static const struct sip_fields no_fields = { NULL, 0 };

/* --- printing --- */

void stack_hex(char out[17], uint64_t value)
{
	for (int i = 15; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
	out[16] = '\0';
}

void stack_branch(char out[24], uint64_t value)
{
	memcpy(out, "z9hG4bK", 7);
	stack_hex(out + 7, value);
}

void stack_print_agent(struct sip_stack *k, bool request)
{
	if (k->user_agent)
		sip_build_header(&k->out, request ? "User-Agent" : "Server", str_of(k->user_agent));
}

void stack_print_request(struct sip_stack *k, const struct sip_dialog *d, const struct sip_flow *flow,
			 struct sip_dialog_request *r)
{
	char name[280];

	sip_transport_name(k->transport, flow, name, sizeof(name));
	r->via_transport = sip_transport_via(flow->kind);
	r->via_host = name;
	buf_reset(&k->out);
	sip_dialog_print(d, &k->out, r);
	r->via_host = NULL;
	stack_print_agent(k, true);
}

void stack_print_contact(struct sip_stack *k, const struct sip_flow *flow)
{
	char name[280];

	sip_transport_name(k->transport, flow, name, sizeof(name));
	buf_cstr(&k->out, "Contact: <sip:");
	buf_cstr(&k->out, name);
	if (flow->kind != WIRE_UDP) {
		buf_cstr(&k->out, ";transport=");
		buf_cstr(&k->out, sip_transport_param(flow->kind == WIRE_WSS ? WIRE_WS : flow->kind));
	}
	buf_cstr(&k->out, ">\r\n");
}

void stack_print_allow(struct sip_stack *k)
{
	buf_cstr(&k->out, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY, REFER");
	if (k->gate)
		buf_cstr(&k->out, ", REGISTER");
	buf_cstr(&k->out, "\r\nSupported: 100rel, norefersub, replaces, timer\r\n");
}

void stack_print_response(struct sip_stack *k, const struct sip_msg *request, int status, struct str reason,
			  const char *to_tag, const struct sip_flow *flow)
{
	char host[ADDR_TEXT];

	buf_reset(&k->out);
	sip_build_response(&k->out, request, status, reason, to_tag, addr_host(&flow->remote, host),
			   addr_port(&flow->remote));
	stack_print_agent(k, false);
}

struct str stack_sdp(const struct sip_msg *m)
{
	struct str type = sip_msg_header(m, SIP_H_CONTENT_TYPE, 0);
	long semicolon = type.p ? str_chr(type, ';') : -1;

	if (semicolon >= 0)
		type.n = (size_t)semicolon;
	return m->body.n && str_iis(str_trim(type), "application/sdp") ? m->body : STR("");
}

/* --- answers on sight --- */

/* The tag depends on what identifies the request, so a retransmission gets the same one. */
static void stateless_tag(const struct sip_stack *k, const struct sip_msg *m, char out[17])
{
	uint64_t h = map_hash(sip_msg_header(m, SIP_H_CALL_ID, 0), k->seed);

	h = map_hash(sip_msg_header(m, SIP_H_FROM, 0), h);
	stack_hex(out, map_hash(sip_msg_header(m, SIP_H_CSEQ, 0), h));
}

static void reply_reason(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *from, int status,
			 const char *reason, const struct sip_fields *fields)
{
	struct sip_flow flow;
	char tag[17];

	if (m->method == SIP_ACK)
		return;
	sip_trans_reply_flow(m, from, &flow);
	stateless_tag(k, m, tag);
	stack_print_response(k, m, status, str_of(reason), tag, from);
	for (size_t i = 0; i < fields->count; i++)
		sip_build_header(&k->out, fields->items[i].name, fields->items[i].value);
	if (status == 405 || status == 501 || (m->method == SIP_OPTIONS && status == 200))
		stack_print_allow(k);
	if (m->method == SIP_OPTIONS && status == 200)
		sip_build_header(&k->out, "Accept", STR("application/sdp"));
	sip_build_body(&k->out, NULL, STR(""));
	/* What the printer finds unclean or too long cannot be answered. */
	if (!k->out.failed)
		sip_trans_send(k->trans, &flow, buf_view(&k->out));
}

void stack_reply(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, int status,
		 const struct sip_fields *fields)
{
	reply_reason(k, m, flow, status, "", fields ? fields : &no_fields);
}

void stack_reply_method(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	if (m->method == SIP_OPTIONS)
		stack_reply(k, m, flow, 200, NULL);
	else
		stack_reply(k, m, flow, m->method == SIP_OTHER ? 501 : 405, NULL);
}

static void reply_field(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, int status,
			const struct sip_field *field)
{
	struct sip_fields fields = { field, 1 };

	reply_reason(k, m, flow, status, "", &fields);
}

static bool accepts_sdp(const struct sip_msg *m)
{
	struct str value, media;
	size_t pos = 0;

	if (!sip_msg_header(m, SIP_H_ACCEPT, 0).p)
		return true;
	while (sip_msg_next_value(m, SIP_H_ACCEPT, &pos, &value)) {
		str_split(&value, ';', &media);
		media = str_trim(media);
		if (str_iis(media, "application/sdp") || str_iis(media, "application/*") || str_is(media, "*/*"))
			return true;
	}
	return false;
}

static bool is_known_extension(struct str name)
{
	return str_iis(name, "100rel") || str_iis(name, "norefersub") || str_iis(name, "replaces") ||
	       str_iis(name, "timer");
}

/* Those that are unknown go back as they came, one value a header. */
static bool refuses_extension(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_field unsupported[16];
	struct sip_fields fields = { unsupported, 0 };
	struct str value;
	size_t pos = 0;

	while (fields.count < ARRAY_LEN(unsupported) && sip_msg_next_value(m, SIP_H_REQUIRE, &pos, &value))
		if (!is_known_extension(value))
			unsupported[fields.count++] = (struct sip_field){ "Unsupported", value };
	if (fields.count)
		reply_reason(k, m, flow, 420, "", &fields);
	return fields.count;
}

static bool refuses_interval(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	static const struct sip_field min = { "Min-SE", { "90", 2 } };
	struct sip_timer_says says;

	sip_timer_read(&says, m);
	if (!sip_timer_is_short(&says))
		return false;
	reply_field(k, m, flow, 422, &min);
	return true;
}

bool stack_refuses_invite(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	static const struct sip_field accept = { "Accept", { "application/sdp", 15 } };
	static const struct sip_field encoding = { "Accept-Encoding", { "identity", 8 } };
	struct str coding = sip_msg_header(m, SIP_H_CONTENT_ENCODING, 0);

	if (refuses_extension(k, m, flow))
		return true;
	if (m->body.n && !stack_sdp(m).n) {
		reply_field(k, m, flow, 415, &accept);
		return true;
	}
	if (coding.n && !str_iis(coding, "identity")) {
		reply_field(k, m, flow, 415, &encoding);
		return true;
	}
	if (!accepts_sdp(m)) {
		stack_reply(k, m, flow, 406, NULL);
		return true;
	}
	return refuses_interval(k, m, flow);
}

/* --- requests --- */

static void take_cancel(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *from)
{
	struct sip_server *invite = sip_server_find_invite(k->trans, m);
	struct sip_flow flow;

	if (!invite) {
		stack_reply(k, m, from, 481, NULL);
		return;
	}
	sip_trans_reply_flow(m, from, &flow);
	stack_print_response(k, m, 200, STR(""), sip_server_tag(invite), from);
	sip_build_body(&k->out, NULL, STR(""));
	if (!k->out.failed)
		sip_trans_send(k->trans, &flow, buf_view(&k->out));
	sip_server_cancel(invite, m);
}

static void take_new_invite(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct str subscriber;

	if (overload_sheds(k, m, flow))
		return;
	if (sip_trans_is_merged(k->trans, m))
		stack_reply(k, m, flow, 482, NULL);
	else if (gate_admits(k, m, flow, &subscriber) && !stack_refuses_invite(k, m, flow) && !replace_take(k, m, flow))
		uas_take_invite(k, m, flow, subscriber);
}

static void take_register(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	if (!overload_sheds(k, m, flow))
		gate_take_register(k, m, flow);
}

static void take_in_dialog(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow,
			   struct str local_tag)
{
	struct sip_name_addr from = { .tag = { NULL, 0 } };
	struct sip_session *s;

	sip_name_addr_parse(&from, sip_msg_header(m, SIP_H_FROM, 0));
	s = session_find(k, m, local_tag, from.tag);
	if (s)
		overload_prove(k, flow);
	if (!s)
		stack_reply(k, m, flow, 481, NULL);
	else if (m->method == SIP_ACK)
		uas_take_ack(s, m);
	else
		session_take_request(s, m, flow);
}

/* A request of no dialog, from somebody who may ask. */
static void take_new(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	if (m->method == SIP_INVITE)
		take_new_invite(k, m, flow);
	else if (m->method == SIP_BYE || m->method == SIP_PRACK || m->method == SIP_NOTIFY)
		stack_reply(k, m, flow, 481, NULL);
	else if (m->method == SIP_REGISTER && k->gate)
		take_register(k, m, flow);
	else if (m->method == SIP_REFER) /* only who talks to us may ask for a transfer */
		stack_reply(k, m, flow, 403, NULL);
	else if (!refuses_extension(k, m, flow))
		stack_reply_method(k, m, flow);
}

static void take_request(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_name_addr to = { .tag = { NULL, 0 } };
	const char *why = "";
	int status = sip_msg_check(m, &why);

	if (status) {
		reply_reason(k, m, flow, status, why, &no_fields);
		return;
	}
	if (sip_trans_request(k->trans, m))
		return;
	if (m->method == SIP_CANCEL) {
		take_cancel(k, m, flow);
		return;
	}
	sip_name_addr_parse(&to, sip_msg_header(m, SIP_H_TO, 0));
	if (to.tag.p)
		take_in_dialog(k, m, flow, to.tag);
	else if (m->method == SIP_ACK)
		return;
	else if (k->handlers->known && !k->handlers->known(k->arg, &flow->remote, m))
		stack_reply(k, m, flow, 403, NULL);
	else if (sip_transport_is_retired(k->transport, flow))
		stack_reply(k, m, flow, 503, NULL);
	else
		take_new(k, m, flow);
}

static void on_message(void *arg, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_stack *k = arg;
	const char *why;

	if (m->request)
		take_request(k, m, flow);
	else if (!sip_msg_check(m, &why) && sip_trans_response(k->trans, m, flow))
		overload_prove(k, flow);
}

static void on_lost(void *arg, uint64_t connection, const char *why)
{
	struct sip_stack *k = arg;

	if (k->trans)
		sip_trans_lost(k->trans, connection, why);
	request_connection_lost(k, connection, why);
	session_lost(k, connection, why);
	gate_lost(k, connection);
}

static bool is_used(void *arg, uint16_t listener)
{
	const struct sip_stack *k = arg;

	for (const struct list *n = k->sessions.next; n != &k->sessions; n = n->next) {
		const struct sip_session *s = LIST_ITEM(n, struct sip_session, node);

		if (s->have_flow && (s->flow.listener == listener || s->contact == listener))
			return true;
	}
	return false;
}

static bool is_held(void *arg, uint64_t connection)
{
	const struct sip_stack *k = arg;

	for (const struct list *n = k->sessions.next; n != &k->sessions; n = n->next) {
		const struct sip_session *s = LIST_ITEM(n, struct sip_session, node);

		if (s->have_flow && s->flow.connection == connection)
			return true;
	}
	return request_holds(k, connection) || gate_needs(k, connection);
}

/* A 2xx once more: that of our dialog wants its ACK again; one of another fork is hung up (§13.2.2.4). */
static void on_again(void *arg, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_name_addr from = { .tag = { NULL, 0 } }, to = { .tag = { NULL, 0 } };
	struct sip_cseq cseq = { .number = 0 };
	struct sip_stack *k = arg;
	struct sip_session *s;

	sip_name_addr_parse(&from, sip_msg_header(m, SIP_H_FROM, 0));
	sip_name_addr_parse(&to, sip_msg_header(m, SIP_H_TO, 0));
	sip_cseq_parse(&cseq, sip_msg_header(m, SIP_H_CSEQ, 0));
	s = session_find(k, m, from.tag, to.tag.p ? to.tag : STR(""));
	if (s)
		session_send_ack(s, cseq.number);
	else
		uac_drop_fork(k, m, flow);
}

/* --- life --- */

static int start(struct sip_stack *k, const struct sip_stack_opts *opts, char why[160])
{
	static const struct sip_transport_handlers handlers = {
		.message = on_message, .lost = on_lost, .uses = is_used, .holds = is_held, .admits = overload_admits
	};
	struct sip_trans_opts trans = { .loop = k->loop, .t1_ms = opts->t1_ms, .again = on_again, .arg = k };
	struct sip_key seed = { loop_random(k->loop), loop_random(k->loop) };
	int err = sip_transport_new(&k->transport, opts, &handlers, k, why);

	if (err)
		return err;
	snprintf(why, 160, "%s", strerror(ENOMEM));
	trans.transport = k->transport;
	err = sip_trans_new(&k->trans, &trans);
	if (!err)
		err = sip_table_init(&k->flows, seed);
	if (err)
		return err;
	err = sip_health_new(&k->health, k->loop);
	if (err)
		return err;
	if (opts->user_agent) {
		k->user_agent = str_heap(str_of(opts->user_agent));
		if (!k->user_agent)
			return ENOMEM;
	}
	return sip_table_init(&k->dialogs, seed);
}

int sip_stack_new(struct sip_stack **out, const struct sip_stack_opts *opts, char why[160])
{
	struct sip_stack *k = calloc(1, sizeof(*k));
	int err;

	snprintf(why, 160, "%s", strerror(ENOMEM));
	if (!k)
		return ENOMEM;
	k->loop = opts->loop;
	k->dns = opts->dns;
	k->handlers = opts->handlers;
	k->arg = opts->arg;
	k->session_timeout_s = opts->session_timeout_s;
	k->trace = opts->trace;
	k->seed = loop_random(k->loop);
	list_init(&k->sessions);
	list_init(&k->requests);
	list_init(&k->notifiers);
	buf_init(&k->out, SIP_MAX_MESSAGE);
	err = overload_init(&k->overload, k, opts);
	if (!err)
		err = start(k, opts, why);
	if (err) {
		sip_stack_free(&k);
		return err;
	}
	*out = k;
	return 0;
}

void sip_stack_free(struct sip_stack **kp)
{
	struct sip_stack *k = *kp;
	struct list *n;

	if (!k)
		return;
	assert(list_empty(&k->requests));
	k->closing = true;
	while ((n = list_first(&k->sessions))) {
		struct sip_session *s = LIST_ITEM(n, struct sip_session, node);

		if (s->state != SESSION_ENDED) {
			session_blame(s, SIP_BY_US, "the server is stopping");
			session_end(s);
		}
		session_close(s);
	}
	gate_free(k);
	refer_free_notifiers(k);
	sip_trans_free(&k->trans);
	sip_transport_free(&k->transport);
	sip_health_free(&k->health);
	sip_table_done(&k->dialogs);
	sip_table_done(&k->flows);
	overload_done(&k->overload, k->loop);
	buf_free(&k->out);
	free(k->user_agent);
	free(k);
	*kp = NULL;
}

void sip_stack_count(const struct sip_stack *k, struct sip_stack_counts *out)
{
	*out = (struct sip_stack_counts){ .sessions = k->session_count };
	sip_trans_count(k->trans, out);
	out->connections = sip_transport_connections(k->transport);
	out->shed = k->overload.shed;
	out->limited = k->overload.limited;
	gate_count(k, out);
}

void sip_stack_local(const struct sip_stack *k, size_t n, struct addr *out)
{
	sip_transport_local(k->transport, n, out);
}

int sip_stack_open(struct sip_stack *k, const struct sip_listen *listen, size_t count, char why[160])
{
	return sip_transport_open(k->transport, listen, count, why);
}

void sip_stack_limit(struct sip_stack *k, uint32_t messages_per_second)
{
	sip_buckets_limit(k->overload.buckets, messages_per_second);
}

void sip_stack_use_dns(struct sip_stack *k, struct dns *dns)
{
	k->dns = dns;
}

void sip_stack_time(struct sip_stack *k, uint32_t session_timeout_s)
{
	k->session_timeout_s = session_timeout_s;
}

void sip_stack_switch(struct sip_stack *k, const struct sip_listen *listen, size_t count, const char *advertise)
{
	sip_transport_switch(k->transport, listen, count, advertise);
}
