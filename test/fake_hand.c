#include "fake_hand.h"

#include <stdlib.h>

bool hand_begins(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool drop(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	const struct hand_world *w = arg;

	return w->cut;
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct hand_world *w = arg;
	bool a = addr_same_host(from, &w->a.addr);
	char text[4096];

	snprintf(text, sizeof(text), "%.*s", (int)n, data);
	if (a)
		str_copy(w->sent, sizeof(w->sent), str_of(text));
	if (hand_begins(text, "UPDATE "))
		*(a ? &w->updates_a : &w->updates_b) += 1;
	if (hand_begins(text, "INVITE ")) {
		*(a ? &w->invites_a : &w->invites_b) += 1;
		*(a ? &w->invite_a_ms : &w->invite_b_ms) = loop_now_ms(w->loop);
	}
	if (hand_begins(text, "BYE ")) {
		*(a ? &w->byes_a : &w->byes_b) += 1;
		str_copy(w->bye, sizeof(w->bye), str_of(text));
	}
	w->pending += hand_begins(text, "SIP/2.0 491");
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct hand_world *w = arg;

	if (w->count < MAX_GOT)
		w->got[w->count++] = strndup(data, n);
}

void hand_open(struct hand_world *w, const struct hand_options *o)
{
	static const struct wire_handlers handlers = { .bytes = on_bytes };
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };
	struct fake_net_rules rules = { .drop = drop, .seen = see, .arg = w };
	struct net *net;

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, o->seed ? o->seed : 5) || fake_net_new(&w->net, w->loop) ||
	    fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, a.address);
	b.net = fake_net_host(w->net, b.address);
	a.dns = b.dns = fake_dns_door(w->dns);
	w->a.session_timeout_s = o->timeout_a_s;
	w->b.session_timeout_s = o->timeout_b_s;
	w->a.dial_timeout_s = o->dial_s;
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	rules.delay_min_ms = rules.delay_max_ms = o->delay_ms;
	fake_net_set_rules(w->net, &rules);
	net = fake_net_host(w->net, "10.0.0.3");
	if (addr_parse(&w->hand, STR("10.0.0.3"), 5060) || addr_parse(&w->to_a, STR("10.0.0.1"), 5060) ||
	    net->ops->udp_open(net, &w->wire, &w->hand, &handlers, w))
		abort();
}

void hand_forget(struct hand_world *w)
{
	while (w->count)
		free(w->got[--w->count]);
}

void hand_run(struct hand_world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void hang_up_all(struct phone *p)
{
	for (size_t i = 0; i < p->call_count; i++)
		phone_hangup(phone_call_at(p, i), STR(""));
}

void hand_end_all(struct hand_world *w)
{
	hang_up_all(&w->a);
	hang_up_all(&w->b);
	hand_run(w, 700000);
}

void hand_free(struct hand_world *w)
{
	phone_close(&w->a);
	phone_close(&w->b);
	w->wire->ops->close(w->wire);
	hand_forget(w);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

/* --- by hand --- */

void hand_say(struct hand_world *w, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text; text++) {
		if (*text == '\n')
			buf_char(&b, '\r');
		buf_char(&b, *text);
	}
	w->wire->ops->send(w->wire, &w->to_a, b.data, b.len);
	buf_free(&b);
	hand_run(w, 1);
}

const char *hand_newest(const struct hand_world *w, const char *start)
{
	for (size_t i = w->count; i--;)
		if (hand_begins(w->got[i], start))
			return w->got[i];
	return "";
}

int hand_got(const struct hand_world *w, const char *start)
{
	int n = 0;

	for (size_t i = 0; i < w->count; i++)
		n += hand_begins(w->got[i], start);
	return n;
}

const char *hand_line(const char *message, const char *name, char out[512])
{
	char start[64];
	const char *p;

	snprintf(start, sizeof(start), "\r\n%s: ", name);
	p = strstr(message, start);
	out[0] = '\0';
	if (p)
		snprintf(out, 512, "%.*s", (int)strcspn(p + 2, "\r"), p + 2);
	return out;
}

void hand_reply(struct hand_world *w, const char *request, const char *status, const char *headers, const char *body)
{
	char via[512], from[512], to[512], id[512], cseq[512];

	hand_line(request, "To", to);
	snprintf(w->text, sizeof(w->text), "SIP/2.0 %s\n%s\n%s\n%s%s\n%s\n%s\n%s%s%sContent-Length: %zu\n\n%s", status,
		 hand_line(request, "Via", via), hand_line(request, "From", from), to,
		 strstr(to, "tag=") ? "" : ";tag=hand", hand_line(request, "Call-ID", id),
		 hand_line(request, "CSeq", cseq),
		 status[0] == '2' || status[0] == '1' ? "Contact: <sip:h@10.0.0.3:5060>\n" : "", headers,
		 *body ? "Content-Type: application/sdp\n" : "", strlen(body), body);
	hand_say(w, w->text);
}

void hand_take_tag(struct hand_world *w, const char *message, const char *header)
{
	char line[512];
	const char *p = strstr(hand_line(message, header, line), ";tag=");

	snprintf(w->our_tag, sizeof(w->our_tag), "%.*s", p ? (int)strcspn(p + 5, ";\r") : 0, p ? p + 5 : "");
}

void hand_ask(struct hand_world *w, const struct hand_ask *r)
{
	const char *body = r->body ? r->body : "";
	char branch[40];

	snprintf(branch, sizeof(branch), "z9hG4bK%s%u", r->method, r->cseq);
	snprintf(w->text, sizeof(w->text),
		 "%s sip:a@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.3:5060;branch=%s\nMax-Forwards: 70\n"
		 "From: <sip:h@10.0.0.3>;tag=hand\nTo: <sip:a@10.0.0.1>%s%s\nCall-ID: by-hand\nCSeq: %u %s\n"
		 "Contact: <sip:%s@10.0.0.3:5060>\n%s%sContent-Length: %zu\n\n%s",
		 r->method, r->branch ? r->branch : branch, w->our_tag[0] ? ";tag=" : "", w->our_tag, r->cseq,
		 r->method, r->user ? r->user : "h", r->extra ? r->extra : "",
		 *body ? "Content-Type: application/sdp\n" : "", strlen(body), body);
	hand_say(w, w->text);
}

void hand_ack(struct hand_world *w, unsigned cseq, const char *body)
{
	hand_ask(w, &(struct hand_ask){ .method = "ACK", .cseq = cseq, .body = body });
}

int hand_status(const struct hand_world *w)
{
	const char *m = hand_newest(w, "SIP/2.0 ");

	return *m ? (int)strtol(m + 8, NULL, 10) : 0;
}
