/* Who is registered, for operators. */
#include "api/control_impl.h"
#include "call/users.h"
#include "net/addr.h"
#include "sip/sip_session.h"

static const char *transport_name(enum wire_kind kind)
{
	switch (kind) {
	case WIRE_UDP:
		return "udp";
	case WIRE_TCP:
		return "tcp";
	case WIRE_TLS:
		return "tls";
	case WIRE_WS:
		return "ws";
	case WIRE_WSS:
		return "wss";
	}
	return "";
}

struct listing {
	struct buf *out;
	const char *domain;
};

static bool list_one(void *arg, const struct sip_registration *r)
{
	const struct listing *l = arg;
	struct buf *b = l->out, aor = { 0 };
	char source[ADDR_TEXT];

	buf_cstr(&aor, "sip:");
	buf_str(&aor, r->user);
	buf_printf(&aor, "@%s", l->domain);
	buf_cstr(b, b->len > 1 ? ",\n{\"aor\":" : "{\"aor\":");
	buf_json(b, buf_view(&aor));
	buf_cstr(b, ",\"contact\":");
	buf_json(b, r->contact);
	buf_printf(b, ",\"expires\":%u,\"transport\":\"%s\",\"source\":\"%s\",\"q\":%u.%03u,\"path\":%s}",
		   (unsigned)r->expires_s, transport_name(r->kind), addr_text(&r->source, source), r->q / 1000u,
		   r->q % 1000u, r->path ? "true" : "false");
	buf_free(&aor);
	return !b->failed;
}

void control_list_registrations(struct control *c, const struct web_request *r, struct str tail)
{
	const char *domain = users_domain(c->opts.calls);
	struct buf b = { 0 };
	struct listing l = { &b, domain ? domain : "" };

	buf_char(&b, '[');
	sip_stack_registrations(calls_sip(c->opts.calls), (struct str){ NULL, 0 }, list_one, &l);
	buf_cstr(&b, "]\n");
	control_send(c, r->id, 200, &b);
}
