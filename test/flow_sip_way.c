/* Where a request goes: several addresses behind one name, the first of which are of no use; large requests. */
#include "check.h"

#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { PATIENCE_MS = 2500, HEALTH_MS = 30000, MAX_SENT = 400 };

struct sent { /* an INVITE, ACK or CANCEL that the caller sent, once a transaction and address */
	char method[8], to[ADDR_TEXT], branch[40], cseq[24], via[8];
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b, c; /* 10.0.0.1 calls 10.0.0.2, 10.0.0.3 */
	struct sent sent[MAX_SENT];
	size_t count;
	const char *lose; /* datagrams that start so, `losses` of them */
	int losses;
	bool no_tcp; /* connects are never answered */
};

static bool starts(const char *data, size_t n, const char *text)
{
	return n >= strlen(text) && !memcmp(data, text, strlen(text));
}

static bool lose(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	if (!data)
		return w->no_tcp;
	return w->lose && starts(data, n, w->lose) && w->losses-- > 0;
}

static void copy_behind(char *out, size_t size, const char *data, const char *text, const char *ends)
{
	const char *p = strstr(data, text);

	p = p ? p + strlen(text) : "";
	snprintf(out, size, "%.*s", (int)strcspn(p, ends), p);
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;
	struct sent s = { .method = "" };
	char text[2048];

	if (!addr_same_host(from, &w->a.addr) || starts(data, n, "SIP/2.0"))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)n, data);
	copy_behind(s.method, sizeof(s.method), text, "", " ");
	addr_text(to, s.to);
	copy_behind(s.via, sizeof(s.via), text, "Via: SIP/2.0/", " ");
	copy_behind(s.branch, sizeof(s.branch), text, ";branch=", ";\r");
	copy_behind(s.cseq, sizeof(s.cseq), text, "CSeq: ", "\r");
	for (size_t i = 0; i < w->count; i++)
		if (!memcmp(&w->sent[i], &s, sizeof(s)))
			return;
	if (w->count < MAX_SENT)
		w->sent[w->count++] = s;
}

/* The n-th of the method, NULL = there were fewer. */
static const struct sent *nth(const struct world *w, const char *method, size_t n)
{
	for (size_t i = 0; i < w->count; i++)
		if (!strcmp(w->sent[i].method, method) && !n--)
			return &w->sent[i];
	return NULL;
}

/* What was not sent is empty. */
static const struct sent *the(const struct world *w, const char *method, size_t n)
{
	static const struct sent none;
	const struct sent *found = nth(w, method, n);

	return found ? found : &none;
}

static size_t count_of(const struct world *w, const char *method)
{
	size_t n = 0;

	while (nth(w, method, n))
		n++;
	return n;
}

static void open_phone(struct world *w, struct phone *p, const char *address)
{
	struct phone_opts opts = { w->loop, fake_net_host(w->net, address), fake_dns_door(w->dns), address };

	phone_open(p, &opts);
	p->auto_answer = true;
}

static void set_delay(struct world *w, uint32_t ms)
{
	struct fake_net_rules rules = { .drop = lose, .seen = see, .arg = w, .delay_min_ms = ms, .delay_max_ms = ms };

	fake_net_set_rules(w->net, &rules);
}

static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 5) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	open_phone(w, &w->a, "10.0.0.1");
	open_phone(w, &w->b, "10.0.0.2");
	open_phone(w, &w->c, "10.0.0.3");
	set_delay(w, 5);
}

static void phone_done(struct phone *p)
{
	CHECK_INT(0, phone_alive(p, true));
	for (size_t i = 0; i < p->call_count; i++) {
		CHECK_INT(1, phone_call_at(p, i)->closed);
		CHECK(phone_call_at(p, i)->answered <= 1);
	}
	phone_close(p);
}

static void world_close(struct world *w)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + 700000);
	CHECK_INT(1, loop_timer_count(w->loop) == 0);
	phone_done(&w->a);
	phone_done(&w->b);
	phone_done(&w->c);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

/* Dial and wait for the answer; how long it took, UINT64_MAX = none came. */
static uint64_t answer_ms(struct world *w, const char *uri, enum wire_kind kind, struct phone_call **out)
{
	struct phone_call *c = phone_dial(&w->a, uri, kind);
	uint64_t began = loop_now_ms(w->loop);

	assert_non_null(c);
	while (!c->answered && !c->closed && loop_now_ms(w->loop) < began + 60000)
		run(w, 1);
	*out = c;
	return c->answered ? loop_now_ms(w->loop) - began : UINT64_MAX;
}

static void hang_up(struct world *w, struct phone_call *c)
{
	run(w, 50);
	phone_hangup(c, STR(""));
	run(w, 100);
	CHECK_INT(1, c->closed);
}

static void a_silent_address_is_left_and_remembered(void **state)
{
	const struct sent *first, *second;
	struct phone_call *c;
	struct world w;
	uint64_t ms;

	world_open(&w);
	fake_dns_add(w.dns, "svc.example", "10.0.0.9");
	fake_dns_add(w.dns, "svc.example", "10.0.0.2");
	ms = answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c);
	CHECK(ms >= PATIENCE_MS && ms < PATIENCE_MS + 100);
	first = nth(&w, "INVITE", 0);
	second = nth(&w, "INVITE", 1);
	assert_non_null(second);
	CHECK_STR("10.0.0.9:5060", first->to);
	CHECK_STR("10.0.0.2:5060", second->to);
	CHECK_STR(first->cseq, second->cseq);         /* the same request, */
	CHECK(strcmp(first->branch, second->branch)); /* another transaction */
	hang_up(&w, c);
	CHECK_STR("10.0.0.2:5060", the(&w, "BYE", 0)->to);
	w.count = 0;
	CHECK(answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c) < 50); /* tried last now */
	CHECK_STR("10.0.0.2:5060", the(&w, "INVITE", 0)->to);
	hang_up(&w, c);
	/* Another transport of the address has not failed, and after half a minute it has another chance. */
	run(&w, HEALTH_MS);
	w.count = 0;
	CHECK(answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c) >= PATIENCE_MS);
	CHECK_STR("10.0.0.9:5060", the(&w, "INVITE", 0)->to);
	hang_up(&w, c);
	CHECK_INT(3, w.b.call_count);
	world_close(&w);
}

static void a_refused_connection_costs_no_time(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	fake_dns_add(w.dns, "svc.example", "10.0.0.2:5099");
	fake_dns_add(w.dns, "svc.example", "10.0.0.2:5098");
	fake_dns_add(w.dns, "svc.example", "10.0.0.3");
	CHECK(answer_ms(&w, "sip:bob@svc.example", WIRE_TCP, &c) < 100);
	CHECK_INT(1, w.c.call_count);
	hang_up(&w, c);
	world_close(&w);
}

static void an_address_of_a_family_without_listener_is_skipped(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	fake_dns_add(w.dns, "svc.example", "[fd00::9]");
	fake_dns_add(w.dns, "svc.example", "10.0.0.2");
	CHECK(answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c) < 50);
	CHECK_INT(1, count_of(&w, "INVITE"));
	hang_up(&w, c);
	world_close(&w);
}

static void a_503_is_acknowledged_and_followed(void **state)
{
	struct phone_call *c;
	struct world w;

	for (int lost = 0; lost < 2; lost++) {
		world_open(&w);
		fake_dns_add(w.dns, "svc.example", "10.0.0.2");
		fake_dns_add(w.dns, "svc.example", "10.0.0.3");
		w.b.auto_answer = false;
		w.b.auto_refuse = 503;
		w.lose = lost ? "ACK " : NULL;
		w.losses = 1;
		CHECK(answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c) < 100);
		CHECK_INT(2, count_of(&w, "INVITE"));
		CHECK_STR(the(&w, "INVITE", 0)->cseq, the(&w, "INVITE", 1)->cseq);
		CHECK_STR("10.0.0.2:5060", the(&w, "ACK", 0)->to);
		CHECK_STR(the(&w, "INVITE", 0)->branch, the(&w, "ACK", 0)->branch);
		CHECK_STR("10.0.0.3:5060", the(&w, "ACK", 1)->to);
		run(&w, 3000); /* the 503 comes again where its ACK was lost, and gets it */
		CHECK_INT(0, c->closed);
		CHECK_INT(1, phone_call_at(&w.b, 0)->closed);
		hang_up(&w, c);
		CHECK_INT(0, c->progress);
		world_close(&w);
	}
}

/* Whoever rang has had the call: nobody else is asked. */
static void a_503_after_ringing_is_final(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	fake_dns_add(w.dns, "svc.example", "10.0.0.2");
	fake_dns_add(w.dns, "svc.example", "10.0.0.3");
	w.b.auto_answer = false;
	w.b.auto_ring = 180;
	w.b.auto_refuse = 503;
	CHECK_INT(UINT64_MAX, answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c));
	CHECK_INT(503, c->status);
	CHECK_INT(0, w.c.call_count);
	world_close(&w);
}

static void when_all_are_dead_the_last_one_has_its_time(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	fake_dns_add(w.dns, "svc.example", "10.0.0.8");
	fake_dns_add(w.dns, "svc.example", "10.0.0.9");
	CHECK_INT(UINT64_MAX, answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c));
	CHECK_INT(1, c->closed);
	CHECK_STR("no answer to the INVITE from 10.0.0.9:5060 within 32 s", c->why);
	CHECK(c->closed_ms - 1000 >= PATIENCE_MS + 32000 && c->closed_ms - 1000 < PATIENCE_MS + 32300);
	CHECK_INT(2, count_of(&w, "INVITE"));
	world_close(&w);
}

/* It was only slow: what it says when another one has the call is cancelled, or hung up. */
static void a_late_answer_of_the_first_is_ended(void **state)
{
	struct phone_call *c;
	struct world w;

	for (int rings = 0; rings < 2; rings++) {
		world_open(&w);
		fake_dns_add(w.dns, "svc.example", "10.0.0.2");
		fake_dns_add(w.dns, "svc.example", "10.0.0.3");
		w.b.auto_ring = rings ? 180 : 0;
		w.b.auto_answer = !rings;
		set_delay(&w, 3000);
		CHECK(answer_ms(&w, "sip:bob@svc.example", WIRE_UDP, &c) >= PATIENCE_MS + 6000);
		CHECK_INT(1, w.b.call_count);
		CHECK_INT(1, w.c.call_count);
		CHECK_STR("10.0.0.2:5060", the(&w, "CANCEL", 0)->to);
		run(&w, 20000);
		CHECK_INT(1, phone_call_at(&w.b, 0)->closed);
		CHECK_INT(rings ? 0 : 1, count_of(&w, "BYE"));
		CHECK_INT(0, c->closed);
		CHECK_INT(1, c->answered);
		set_delay(&w, 5);
		hang_up(&w, c);
		world_close(&w);
	}
}

static void hanging_up_meanwhile_is_the_end(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	fake_dns_add(w.dns, "svc.example", "10.0.0.9");
	fake_dns_add(w.dns, "svc.example", "10.0.0.2");
	c = phone_dial(&w.a, "sip:bob@svc.example", WIRE_UDP);
	run(&w, 1000);
	phone_hangup(c, STR(""));
	run(&w, 40000);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, count_of(&w, "INVITE"));
	CHECK_INT(0, w.b.call_count);
	world_close(&w);
}

static void the_domain_may_choose_an_open_transport(void **state)
{
	static const struct {
		const char *uri, *via;
	} rows[] = {
		{ "sip:bob@svc.example", "TCP" },
		{ "sip:bob@svc.example;transport=udp", "UDP" },
		{ "sip:bob@svc.example:5060", "UDP" },
		{ "sip:bob@10.0.0.2", "UDP" },
	};
	struct phone_call *c;
	struct world w;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world_open(&w);
		fake_dns_add(w.dns, "svc.example", "10.0.0.2");
		fake_dns_prefer(w.dns, "svc.example", WIRE_TCP);
		CHECK(answer_ms(&w, rows[i].uri, WIRE_UDP, &c) < 50);
		hang_up(&w, c);
		CHECK_STR(rows[i].via, the(&w, "INVITE", 0)->via);
		CHECK_STR(rows[i].via, the(&w, "ACK", 0)->via);
		CHECK_STR(rows[i].via, the(&w, "BYE", 0)->via);
		CHECK_INT(1, count_of(&w, "INVITE"));
		world_close(&w);
	}
}

/* A URI that makes an INVITE of more than 1300 bytes. */
static const char *large_uri(const char *rest)
{
	static char uri[2048];

	snprintf(uri, sizeof(uri), "sip:%0550d@%s", 7, rest);
	return uri;
}

static void a_large_request_goes_over_tcp(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	CHECK(answer_ms(&w, large_uri("10.0.0.2;transport=udp"), WIRE_UDP, &c) < 100);
	CHECK_STR("TCP", the(&w, "INVITE", 0)->via);
	CHECK_STR("10.0.0.2:5060", the(&w, "INVITE", 0)->to);
	CHECK_INT(1, count_of(&w, "INVITE"));
	hang_up(&w, c);
	/* In the call its Contact decides, which it made from the way it was reached by; the next call knows of nothing. */
	CHECK_STR("TCP", the(&w, "BYE", 0)->via);
	CHECK_INT(1, w.b.call_count);
	w.count = 0;
	CHECK(answer_ms(&w, "sip:bob@10.0.0.2", WIRE_UDP, &c) < 100);
	CHECK_STR("UDP", the(&w, "INVITE", 0)->via);
	hang_up(&w, c);
	/* Refused: the ACK has the Via of the INVITE, and its way. */
	w.count = 0;
	w.b.auto_answer = false;
	w.b.auto_refuse = 486;
	answer_ms(&w, large_uri("10.0.0.2"), WIRE_UDP, &c);
	CHECK_INT(486, c->status);
	CHECK_STR("TCP", the(&w, "ACK", 0)->via);
	world_close(&w);
}

static void a_large_request_falls_back_to_udp(void **state)
{
	static const struct {
		bool silent;
		uint64_t ms;
	} rows[] = { { false, 0 }, { true, 1000 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct phone_call *c;
		struct world w;
		struct sip_listen listen = { .kind = WIRE_UDP };
		char why[160];
		uint64_t ms;

		world_open(&w);
		CHECK_INT(0, addr_parse(&listen.addr, STR("10.0.0.2"), 5060));
		CHECK_INT(0, sip_stack_open(w.b.stack, &listen, 1, why));
		sip_stack_switch(w.b.stack, &listen, 1, NULL);
		run(&w, 100000); /* the TCP listener closes */
		w.no_tcp = rows[i].silent;
		ms = answer_ms(&w, large_uri("10.0.0.2"), WIRE_UDP, &c);
		CHECK(ms >= rows[i].ms && ms < rows[i].ms + 100);
		CHECK_STR("UDP", the(&w, "INVITE", 1)->via);
		CHECK_STR(the(&w, "INVITE", 0)->branch, the(&w, "INVITE", 1)->branch);
		CHECK_STR("UDP", the(&w, "ACK", 0)->via);
		CHECK_INT(1, w.b.call_count);
		hang_up(&w, c);
		CHECK(answer_ms(&w, large_uri("10.0.0.2"), WIRE_UDP, &c) < 100); /* not asked again */
		hang_up(&w, c);
		CHECK_INT(2, w.b.call_count);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_silent_address_is_left_and_remembered),
		TEST(a_refused_connection_costs_no_time),
		TEST(an_address_of_a_family_without_listener_is_skipped),
		TEST(a_503_is_acknowledged_and_followed),
		TEST(a_503_after_ringing_is_final),
		TEST(when_all_are_dead_the_last_one_has_its_time),
		TEST(a_late_answer_of_the_first_is_ended),
		TEST(hanging_up_meanwhile_is_the_end),
		TEST(the_domain_may_choose_an_open_transport),
		TEST(a_large_request_goes_over_tcp),
		TEST(a_large_request_falls_back_to_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
