/* sip_gate: a stack's subscribers: who has to show a password, and where they are registered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sip/sip_auth_server.h"
#include "sip/sip_impl.h"
#include "sip/sip_registrar.h"

enum { MAX_USER = 128 };

struct sip_gate {
	char *domain;
	unsigned offer; /* hashes: 1 << enum sip_digest_kind */
	struct sip_auth_server *auth;
	struct sip_bindings *bindings;
	uint64_t wrong, blocked;
	uint64_t told_ms; /* when the log last heard of somebody who is blocked, 0 = never */
};

enum { TELL_MS = 60000 };

/* --- who is it --- */

static const char *password(void *arg, struct str user)
{
	const struct sip_stack *k = arg;

	return k->handlers->password(k->arg, user);
}

static void challenge(struct sip_stack *k, const struct sip_auth_ask *ask, const struct sip_flow *flow, bool stale)
{
	char values[SIP_CHALLENGES][SIP_CHALLENGE_TEXT];
	struct sip_field items[SIP_CHALLENGES];
	struct sip_fields fields = { items, 0 };

	fields.count = sip_auth_server_challenge(k->gate->auth, ask, stale, values);
	for (size_t i = 0; i < fields.count; i++)
		items[i] = (struct sip_field){ "WWW-Authenticate", str_of(values[i]) };
	stack_reply(k, ask->m, flow, 401, &fields);
}

/* A guesser must not fill the log: one line a minute for those who are blocked. */
static void log_refusal(struct sip_stack *k, const struct sip_flow *flow, struct str user, bool blocked)
{
	uint64_t now_ms = loop_now_ms(k->loop);
	char source[ADDR_TEXT];
	const struct log_field facts[] = {
		{ "user", str_head(user, MAX_USER) },
		{ "source", str_of(addr_text(&flow->remote, source)) },
	};

	if (blocked && k->gate->told_ms && now_ms - k->gate->told_ms < TELL_MS)
		return;
	if (blocked)
		k->gate->told_ms = now_ms;
	log_fields(blocked ? LOG_WARN : LOG_INFO, NULL,
		   blocked ? "refused after too many wrong passwords" : "wrong user or password", facts,
		   ARRAY_LEN(facts));
}

/* True: *user has shown his password. False: the request was answered. */
static bool is_proven(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, struct str *user)
{
	const struct sip_auth_ask ask = { .m = m,
					  .source = &flow->remote,
					  .realm = k->gate->domain,
					  .offer = k->gate->offer,
					  .password = password,
					  .arg = k };

	switch (sip_auth_server_judge(k->gate->auth, &ask, user)) {
	case SIP_PROOF_GOOD:
		return true;
	case SIP_PROOF_BLOCKED:
		k->gate->blocked++;
		log_refusal(k, flow, *user, true);
		stack_reply(k, m, flow, 403, NULL);
		return false;
	case SIP_PROOF_WRONG:
		k->gate->wrong++;
		log_refusal(k, flow, *user, false);
		break;
	case SIP_PROOF_STALE:
		challenge(k, &ask, flow, true);
		return false;
	case SIP_PROOF_MISSING:
		break;
	}
	challenge(k, &ask, flow, false);
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Is the escaped user part of a URI this name? */
static bool is_user(struct str escaped, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < escaped.n; i++, n++) {
		char c = escaped.p[i];

		if (c == '%' && i + 2 < escaped.n && hex_digit(escaped.p[i + 1]) >= 0 &&
		    hex_digit(escaped.p[i + 2]) >= 0) {
			c = (char)(hex_digit(escaped.p[i + 1]) << 4 | hex_digit(escaped.p[i + 2]));
			i += 2;
		}
		if (n >= name.n || name.p[n] != c)
			return false;
	}
	return n == name.n;
}

bool gate_admits(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, struct str *subscriber)
{
	struct sip_name_addr from = { .tag = { NULL, 0 } };

	*subscriber = (struct str){ NULL, 0 };
	if (!k->gate || !k->handlers->challenged || !k->handlers->challenged(k->arg, &flow->remote, m))
		return true;
	if (!is_proven(k, m, flow, subscriber))
		return false;
	sip_name_addr_parse(&from, sip_msg_header(m, SIP_H_FROM, 0));
	if (is_user(from.uri.user, *subscriber) && str_iis(from.uri.host, k->gate->domain))
		return true;
	stack_reply(k, m, flow, 403, NULL);
	return false;
}

/* --- REGISTER --- */

/* With a transaction: the answer counted a nonce, so a repeated request must find the same one. */
static void answer(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, int status,
		   const struct buf *lines)
{
	char tag[17];
	struct sip_server_params p = { .flow = *flow, .to_tag = tag };
	struct sip_server *server = NULL;

	stack_hex(tag, loop_random(k->loop));
	if (sip_server_start(&server, k->trans, m, &p)) {
		stack_reply(k, m, flow, 503, NULL);
		return;
	}
	stack_print_response(k, m, status, STR(""), tag, flow);
	buf_str(&k->out, buf_view(lines));
	sip_build_body(&k->out, NULL, STR(""));
	if (k->out.failed || lines->failed || sip_server_respond(&server, status, buf_view(&k->out)))
		sip_server_detach(&server);
}

/* Path is all we know, and proxies may say that we must. The list goes back as it came, one value a header. */
static int check_required(const struct sip_msg *m, struct buf *lines)
{
	struct str value;
	size_t pos = 0;
	int status = 0;

	while (sip_msg_next_value(m, SIP_H_REQUIRE, &pos, &value)) {
		if (str_iis(value, "path"))
			continue;
		sip_build_header(lines, "Unsupported", value);
		status = 420;
	}
	return status;
}

static int take_register(struct sip_stack *k, const struct sip_register *r, struct buf *lines)
{
	struct sip_name_addr to = { .tag = { NULL, 0 } };
	int status = check_required(r->m, lines);

	if (status)
		return status;
	sip_name_addr_parse(&to, sip_msg_header(r->m, SIP_H_TO, 0));
	if (!is_user(to.uri.user, r->user))
		return 403;
	return sip_registrar_take(k->gate->bindings, r, lines);
}

static void log_change(const struct sip_flow *flow, struct str user, size_t before, size_t after)
{
	char source[ADDR_TEXT];
	const struct log_field facts[] = {
		{ "user", user },
		{ "source", str_of(addr_text(&flow->remote, source)) },
	};

	if (before != after)
		log_fields(LOG_INFO, NULL, after > before ? "registered" : "unregistered", facts, ARRAY_LEN(facts));
}

void gate_take_register(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_register r = { .m = m, .flow = flow, .now_ms = loop_now_ms(k->loop) };
	struct sip_gate *g = k->gate;
	struct sip_name_addr to = { .tag = { NULL, 0 } };
	size_t before = sip_bindings_count(g->bindings);
	struct buf lines;
	int status;

	sip_name_addr_parse(&to, sip_msg_header(m, SIP_H_TO, 0));
	if (!str_iis(to.uri.host, g->domain)) { /* §10.3 step 5 */
		stack_reply(k, m, flow, 404, NULL);
		return;
	}
	if (!is_proven(k, m, flow, &r.user))
		return;
	overload_prove(k, flow);
	buf_init(&lines, SIP_MAX_MESSAGE / 2);
	status = take_register(k, &r, &lines);
	answer(k, m, flow, status, &lines);
	buf_free(&lines);
	log_change(flow, r.user, before, sip_bindings_count(g->bindings));
}

/* --- what the rest of the stack asks --- */

void gate_lost(struct sip_stack *k, uint64_t connection)
{
	if (k->gate)
		sip_bindings_lost(k->gate->bindings, connection);
}

bool gate_needs(const struct sip_stack *k, uint64_t connection)
{
	return k->gate && sip_bindings_need(k->gate->bindings, connection);
}

const struct sip_binding *gate_binding(const struct sip_stack *k, uint64_t id)
{
	return k->gate ? sip_bindings_find(k->gate->bindings, id) : NULL;
}

void gate_count(const struct sip_stack *k, struct sip_stack_counts *out)
{
	if (!k->gate)
		return;
	out->registered = sip_bindings_users(k->gate->bindings);
	out->bindings = sip_bindings_count(k->gate->bindings);
	out->wrong_passwords = k->gate->wrong;
	out->blocked = k->gate->blocked;
}

struct visit {
	const struct sip_stack *k;
	bool (*fn)(void *arg, const struct sip_registration *r);
	void *arg;
};

static bool visit(void *arg, const struct sip_binding *b)
{
	const struct visit *v = arg;
	uint64_t now_ms = loop_now_ms(v->k->loop);
	const struct sip_registration r = {
		.id = b->id,
		.user = sip_binding_user(b),
		.contact = b->contact,
		.source = b->flow.remote,
		.kind = b->flow.kind,
		.expires_s = b->expires_ms > now_ms ? (uint32_t)((b->expires_ms - now_ms) / 1000) : 0,
		.q = b->q,
		.path = b->path.n,
	};

	return v->fn(v->arg, &r);
}

void sip_stack_registrations(const struct sip_stack *k, struct str user,
			     bool (*fn)(void *arg, const struct sip_registration *r), void *arg)
{
	struct visit v = { k, fn, arg };

	if (k->gate)
		sip_bindings_each(k->gate->bindings, user, visit, &v);
}

bool sip_stack_is_registered(const struct sip_stack *k, uint64_t id)
{
	return gate_binding(k, id);
}

/* --- life --- */

void gate_free(struct sip_stack *k)
{
	struct sip_gate *g = k->gate;

	k->gate = NULL;
	if (!g)
		return;
	sip_bindings_free(&g->bindings);
	sip_auth_server_free(&g->auth);
	free(g->domain);
	free(g);
}

static int gate_new(struct sip_stack *k)
{
	struct sip_gate *g = calloc(1, sizeof(*g));

	if (!g)
		return ENOMEM;
	k->gate = g;
	return sip_auth_server_new(&g->auth, k->loop) || sip_bindings_new(&g->bindings, k->loop) ? ENOMEM : 0;
}

static bool has_password(void *arg, struct str user)
{
	return password(arg, user);
}

int sip_stack_serve(struct sip_stack *k, const char *domain, unsigned digests)
{
	char *copy = domain ? str_heap(str_of(domain)) : NULL;

	if (!domain) {
		gate_free(k);
		return 0;
	}
	if (!copy || (!k->gate && gate_new(k))) {
		free(copy);
		if (k->gate && !k->gate->domain)
			gate_free(k);
		return ENOMEM;
	}
	free(k->gate->domain);
	k->gate->domain = copy;
	k->gate->offer = (digests & SIP_OFFER_MD5 ? 1u << SIP_DIGEST_MD5 : 0) |
			 (digests & SIP_OFFER_SHA256 ? 1u << SIP_DIGEST_SHA256 : 0);
	sip_bindings_sift(k->gate->bindings, has_password, k);
	return 0;
}
