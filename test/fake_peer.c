#include "fake_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct peer *p = arg;

	if (p->count < PEER_MAX_GOT)
		p->got[p->count++] = strndup(data, n);
}

void peer_open(struct peer *p)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes };
	struct phone_opts opts = { .address = "10.0.0.2" };
	struct net *net;

	memset(p, 0, sizeof(*p));
	if (loop_new(&p->loop, true, 11) || fake_net_new(&p->net, p->loop) || fake_dns_new(&p->dns, p->loop))
		abort();
	opts.loop = p->loop;
	opts.net = fake_net_host(p->net, "10.0.0.2");
	opts.dns = fake_dns_door(p->dns);
	p->us.tls = true;
	phone_open(&p->us, &opts);
	net = fake_net_host(p->net, "10.0.0.3");
	if (addr_parse(&p->here, STR("10.0.0.3"), 5060) || addr_parse(&p->there, STR("10.0.0.2"), 5060) ||
	    net->ops->udp_open(net, &p->wire, &p->here, &handlers, p))
		abort();
}

void peer_forget(struct peer *p)
{
	while (p->count)
		free(p->got[--p->count]);
}

size_t peer_left(struct peer *p)
{
	peer_run(p, 700000); /* idle streams go after 10 minutes */
	return phone_alive(&p->us, true) + loop_timer_count(p->loop);
}

void peer_close(struct peer *p)
{
	phone_close(&p->us);
	p->wire->ops->close(p->wire);
	peer_forget(p);
	fake_dns_free(&p->dns);
	fake_net_free(&p->net);
	loop_free(&p->loop);
}

void peer_run(struct peer *p, uint64_t ms)
{
	loop_run_until(p->loop, loop_now_ms(p->loop) + ms);
}

void peer_say(struct peer *p, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (*text == '\n')
			buf_char(&b, '\r');
		buf_char(&b, *text);
	}
	p->wire->ops->send(p->wire, &p->there, b.data, b.len);
	buf_free(&b);
	peer_run(p, 1);
}

static void add_body(struct buf *b, const char *extra, const char *body)
{
	buf_cstr(b, extra ? extra : "");
	if (body)
		buf_cstr(b, "Content-Type: application/sdp\n");
	buf_printf(b, "Content-Length: %zu\n\n%s", body ? strlen(body) : 0, body ? body : "");
}

void peer_ask(struct peer *p, const struct peer_request *r)
{
	unsigned cseq = r->cseq ? r->cseq : 1;
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		   "%s sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=z9hG4bK%s%u%s\n"
		   "Max-Forwards: 70\nFrom: <sip:x@10.0.0.3>;tag=ft\nTo: <sip:bob@10.0.0.2>%s%s\nCall-ID: %s\n"
		   "CSeq: %u %s\nContact: <sip:x@10.0.0.3:5060>\n",
		   r->method, r->branch ? r->branch : r->method, cseq, r->call_id ? r->call_id : "c1",
		   r->to_tag ? ";tag=" : "", r->to_tag ? r->to_tag : "", r->call_id ? r->call_id : "c1", cseq,
		   r->method);
	add_body(&b, r->extra, r->body);
	peer_say(p, b.data);
	buf_free(&b);
}

void peer_respond(struct peer *p, const char *request, const struct peer_response *r)
{
	static const char *const names[] = { "Via", "From", "Call-ID", "CSeq" };
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "SIP/2.0 %s\n", r->status);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		buf_printf(&b, "%s: %s\n", names[i], peer_header(p, request, names[i]));
	buf_printf(&b, "To: <sip:y@10.0.0.3>;tag=%s\n", r->to_tag);
	if (!r->extra || !strstr(r->extra, "No-Contact"))
		buf_printf(&b, "Contact: <sip:%s@10.0.0.3>\n", r->to_tag);
	add_body(&b, r->extra, r->body);
	peer_say(p, b.data);
	buf_free(&b);
}

const char *peer_newest(const struct peer *p, const char *start)
{
	for (size_t i = p->count; i > 0; i--)
		if (!strncmp(p->got[i - 1], start, strlen(start)))
			return p->got[i - 1];
	return "";
}

size_t peer_count(const struct peer *p, const char *start)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += !strncmp(p->got[i], start, strlen(start));
	return n;
}

const char *peer_header(struct peer *p, const char *message, const char *name)
{
	char start[48], *out = p->values[p->value++ % ARRAY_LEN(p->values)];
	const char *line;

	snprintf(start, sizeof(start), "\r\n%s: ", name);
	line = strstr(message, start);
	line = line ? line + strlen(start) : "";
	snprintf(out, sizeof(p->values[0]), "%.*s", (int)strcspn(line, "\r"), line);
	return out;
}
