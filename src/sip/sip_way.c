/* Where the requests of a session go: the next hop, its addresses, and the next of them when one is of no use.
 *
 * RFC 3263 §4.3: before anything but a 100 has been heard, an address that refuses, stays silent or answers 503 is
 * followed by the next one with the same INVITE in a new transaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "sip/sip_impl.h"

/* An address that says nothing is left after 5*T1, which is three sendings and two of them within the 5 s that a
 * trunk is given; the last one has the time of its transaction. */
enum { PATIENCE_T1 = 5 };

struct hop {
	struct str host;
	uint16_t port; /* 0 = none given */
	enum wire_kind kind;
	uint8_t kinds; /* the domain may choose one of these instead */
	uint64_t hash;
};

enum wire_kind session_uri_kind(const struct sip_uri *uri, enum wire_kind otherwise)
{
	static const enum wire_kind kinds[] = { WIRE_UDP, WIRE_TCP, WIRE_TLS, WIRE_WS, WIRE_WSS };
	struct str name = sip_param(uri->params, "transport");
	bool secure = str_iis(uri->scheme, "sips");

	for (size_t i = 0; name.n && i < ARRAY_LEN(kinds); i++) {
		if (!str_iis(name, sip_transport_param(kinds[i])))
			continue;
		if (secure)
			return kinds[i] == WIRE_WS || kinds[i] == WIRE_WSS ? WIRE_WSS : WIRE_TLS;
		return kinds[i];
	}
	return secure ? WIRE_TLS : otherwise;
}

/* RFC 3263 §4.1: only where the URI leaves it open, and only before there is a dialog. */
static uint8_t open_kinds(const struct sip_session *s, const struct sip_uri *uri)
{
	uint8_t kinds = sip_transport_kinds(s->k->transport) & (1U << WIRE_UDP | 1U << WIRE_TCP | 1U << WIRE_TLS);

	if (!s->start || s->start->settled || s->d.remote_tag.p || uri->port || sip_param(uri->params, "transport").p)
		return 0;
	return str_iis(uri->scheme, "sips") ? kinds & 1U << WIRE_TLS : kinds;
}

static int find_hop(const struct sip_session *s, struct hop *out)
{
	struct addr literal;
	struct sip_uri uri;
	int err = sip_dialog_hop(&s->d, &uri);

	if (err)
		return err;
	out->host = uri.host;
	out->port = uri.port;
	/* A Contact without transport: RFC 3263 says UDP, but a peer that has a stream to us is reached there. */
	out->kind = s->start && !s->d.remote_tag.p ? s->start->kind : session_uri_kind(&uri, s->flow.kind);
	out->kinds = open_kinds(s, &uri);
	out->hash = map_hash(uri.host, s->k->seed ^ (uint64_t)(uri.port << 4 | out->kind));
	/* No name leads to somebody's browser. */
	if (sip_transport_is_websocket(out->kind) && addr_parse(&literal, uri.host, 0))
		return ENOTCONN;
	return 0;
}

/* The flow that is there leads to the same peer. A phone that called over TLS often has no certificate and cannot be
 * called: its own connection is the way, and who holds that made the call. With a Route set the next hop may be somebody
 * else. Other TLS connections are asked for by name. */
static bool keeps_flow(const struct sip_session *s, enum wire_kind kind, const struct addr *to)
{
	if (!s->have_flow || s->flow.kind != kind)
		return false;
	if (kind != WIRE_TLS)
		return addr_equal(&s->flow.remote, to);
	return sip_transport_is_inbound(s->k->transport, &s->flow) &&
	       (!s->d.routes.n || addr_same_host(&s->flow.remote, to));
}

static int take_way(struct sip_session *s, const struct hop *hop, const struct addr *to)
{
	enum wire_kind kind = hop->kind;
	struct str name = hop->host;
	struct sip_flow flow;
	int err;

	if (keeps_flow(s, kind, to))
		return 0;
	if (s->have_flow && s->flow.kind == kind && kind == WIRE_UDP && addr_is_v6(&s->flow.remote) == addr_is_v6(to)) {
		s->flow.remote = *to; /* the listener that the peer knows */
		return 0;
	}
	/* Many have a certificate for their name and an address in their Contact. Where the verified peer says that it
	 * is to be found where it was found, it is still the one of that name. */
	if (s->tls_name.p && s->have_flow && addr_equal(&s->flow.remote, to))
		name = s->tls_name;
	err = sip_transport_flow(s->k->transport, kind, to, name, &flow);
	if (!err && kind == WIRE_TLS)
		err = session_keep(&s->tls_name, name);
	if (err)
		return err;
	if (!s->have_flow)
		s->contact = flow.listener;
	session_use_flow(s, &flow);
	return 0;
}

const char *session_way_hint(enum wire_kind kind)
{
	if (sip_transport_is_websocket(kind))
		return "; a phone on WebSocket is reached only by the connection that it opens";
	return kind == WIRE_TLS ? "; or write ;transport=udp" : "";
}

void session_blame_way(struct sip_session *s, int err)
{
	struct hop hop = { .host = { NULL, 0 } };
	const char *hint;

	find_hop(s, &hop);
	hop.host = str_head(hop.host, 60);
	hint = session_way_hint(hop.kind);
	if (err == ENOENT)
		session_blame(s, SIP_BY_TRANSPORT, "no address found for host %.*s%s", STR_ARG(hop.host), hint);
	else if (err == EPROTONOSUPPORT)
		session_blame(s, SIP_BY_TRANSPORT, "no %s listener that could reach %.*s%s",
			      sip_transport_via(hop.kind), STR_ARG(hop.host), hint);
	else
		session_blame(s, SIP_BY_TRANSPORT, "cannot reach host %.*s: %s%s", STR_ARG(hop.host), strerror(err),
			      hint);
}

/* Try them in order as far as an error shows at once; of the others the first INVITE takes its turns. */
static int take_ways(struct sip_session *s, const struct hop *hop, struct dns_result *r)
{
	struct session_ways *w;
	int err = ENOENT;
	size_t at;

	/* A dialog does not change its address while that is one of them. */
	for (at = 0; at < r->count; at++)
		if (keeps_flow(s, hop->kind, &r->addrs[at]))
			return 0;
	sip_health_sort(s->k->health, r);
	for (at = 0; at < r->count; at++) {
		err = take_way(s, hop, &r->addrs[at]);
		if (!err)
			break;
	}
	if (err || !s->start || s->d.remote_tag.p || at + 1 >= r->count)
		return err;
	w = calloc(1, sizeof(*w));
	if (!w)
		return 0; /* then this one has to do */
	w->found = *r;
	w->at = at;
	session_forget_ways(s);
	s->start->ways = w;
	return 0;
}

static void on_resolved(void *arg, const struct dns_result *r)
{
	struct sip_session *s = arg;
	struct dns_result found = *r;
	struct hop hop;
	int err;

	s->looking = false;
	err = r->err ? r->err : find_hop(s, &hop);
	if (!err && hop.hash == s->hop_hash) { /* else the target has moved, and is looked up below */
		if (hop.kinds) {
			s->start->kind = r->kind;
			s->start->settled = true;
			err = find_hop(s, &hop);
			s->hop_hash = hop.hash;
		}
		err = err ? err : take_ways(s, &hop, &found);
	}
	if (err && !s->have_flow) {
		session_blame_way(s, err);
		session_end(s);
		return;
	}
	session_pump(s);
}

static int look_up(struct sip_session *s, const struct hop *hop)
{
	struct dns_query q = { .host = hop->host, .port = hop->port, .kind = hop->kind, .kinds = hop->kinds };
	struct dns *dns = s->k->dns;
	int err = dns->ops->lookup(dns, &q, on_resolved, s, &s->lookup);

	if (err)
		return err;
	s->asked = dns;
	s->looking = true;
	return EINPROGRESS;
}

/* Where the peer says to be found is not where it is found; a Contact over WebSocket names nothing that could be (RFC
 * 7118 §8: "df7jal23ls0d.invalid"). */
static bool stays(const struct sip_session *s)
{
	if (s->have_flow && sip_transport_is_websocket(s->flow.kind))
		return true;
	return s->pinned && !s->d.routes.n && sip_transport_stands(s->k->transport, &s->flow);
}

int session_way(struct sip_session *s)
{
	struct hop hop;
	struct addr to;
	int err;

	if (s->looking)
		return EINPROGRESS;
	if (stays(s))
		return 0;
	err = find_hop(s, &hop);
	if (!err) {
		/* A TLS connection that went while nobody spoke is made anew here, where its name is known. */
		if (s->have_flow && hop.hash == s->hop_hash &&
		    (hop.kind != WIRE_TLS || sip_transport_stands(s->k->transport, &s->flow)))
			return 0;
		s->hop_hash = hop.hash;
		if (addr_parse(&to, hop.host, hop.port))
			err = look_up(s, &hop);
		else if (!hop.port)
			addr_set_port(&to, sip_trans_default_port(hop.kind));
		if (!err)
			err = take_way(s, &hop, &to);
	}
	/* A target that leads nowhere: what the peer sent came from somewhere. */
	return err && err != EINPROGRESS && s->have_flow ? 0 : err;
}

/* --- the next address --- */

void session_forget_ways(struct sip_session *s)
{
	if (!s->start || !s->start->ways)
		return;
	loop_timer_stop(s->k->loop, &s->start->ways->patience);
	free(s->start->ways);
	s->start->ways = NULL;
}

void session_way_heard(struct sip_session *s, const struct sip_msg *m)
{
	if (m->status != 503)
		sip_health_good(s->k->health, s->flow.kind, &s->flow.remote);
	if (!s->start || !s->start->ways)
		return;
	loop_timer_stop(s->k->loop, &s->start->ways->patience);
	if (m->status == 100 || m->status == 503)
		return;
	session_forget_ways(s);
}

static void log_next(const struct sip_session *s, const struct addr *from, const char *why)
{
	char was[ADDR_TEXT], is[ADDR_TEXT];

	log_printf(LOG_INFO, NULL, "sip: %s over %s is passed over for %s: %s", addr_text(from, was),
		   sip_transport_via(s->flow.kind), addr_text(&s->flow.remote, is), why);
}

bool session_next_way(struct sip_session *s, const char *why)
{
	struct session_ways *w = s->start ? s->start->ways : NULL;
	const struct sip_flow was = s->flow;
	struct hop hop;

	sip_health_failed(s->k->health, was.kind, &was.remote);
	if (!w || s->state == SESSION_CANCELLING || find_hop(s, &hop))
		return false;
	s->have_flow = false; /* the other family may want another listener, and Contact */
	while (!s->have_flow && ++w->at < w->found.count)
		take_way(s, &hop, &w->found.addrs[w->at]);
	if (!s->have_flow) {
		session_use_flow(s, &was);
		return false;
	}
	log_next(s, &was.remote, why);
	s->d.local_cseq--; /* the same request but for its branch */
	s->heard = false;
	uac_send_invite(s);
	session_watch_way(s);
	return true;
}

static void on_patience(void *arg)
{
	struct sip_session *s = arg;

	if (s->state != SESSION_CALLING)
		return;
	/* What it still says is cancelled or hung up. */
	sip_client_detach(&s->invite);
	if (session_next_way(s, "no response"))
		return;
	session_blame(s, SIP_BY_TIMEOUT, "no response, and no other address could be tried");
	session_end(s);
}

void session_watch_way(struct sip_session *s)
{
	struct session_ways *w = s->start ? s->start->ways : NULL;

	if (w && w->at + 1 < w->found.count && s->state == SESSION_CALLING)
		loop_timer_start(s->k->loop, &w->patience,
				 sip_trans_timeout_ms(s->k->trans) / SIP_TIMEOUT_T1 * PATIENCE_T1, on_patience, s);
}
