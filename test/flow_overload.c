/* Floods and limits: sources that send too much are not read, and those we deal with do not notice. */
#include "check.h"

#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b;
	size_t answers; /* to strangers */
	struct fake_net_rules rules;
};

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	w->answers += addr_port(to) == 6666;
}

static void world_open(struct world *w, size_t max_transactions)
{
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 11) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, "10.0.0.1");
	b.net = fake_net_host(w->net, "10.0.0.2");
	a.dns = b.dns = fake_dns_door(w->dns);
	w->rules = (struct fake_net_rules){ .seen = see, .arg = w };
	fake_net_set_rules(w->net, &w->rules);
	w->b.max_transactions = max_transactions;
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	w->a.auto_answer = w->b.auto_answer = true;
	w->b.among_strangers = true;
	sip_stack_limit(w->b.stack, 10);
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void world_close(struct world *w)
{
	run(w, 700000);
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	phone_close(&w->a);
	phone_close(&w->b);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static uint64_t limited(const struct world *w)
{
	struct sip_stack_counts n;

	sip_stack_count(w->b.stack, &n);
	return n.limited;
}

/* OPTIONS to b, one from each of so many addresses, then again. */
static void flood(struct world *w, unsigned messages, unsigned addresses)
{
	struct addr from, to;
	char text[400];

	addr_parse(&to, STR("10.0.0.2"), 5060);
	addr_parse(&from, STR("10.9.0.0"), 6666);
	for (unsigned i = 0; i < messages; i++) {
		from.in4.sin_addr.s_addr = htonl(0x0a090000u + i % addresses);
		snprintf(text, sizeof(text),
			 "OPTIONS sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.0.1:6666;branch=z9hG4bK%u\r\n"
			 "Max-Forwards: 70\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: %u\r\nCSeq: 1 "
			 "OPTIONS\r\n"
			 "Content-Length: 0\r\n\r\n",
			 i, i);
		fake_net_inject(w->net, &from, &to, text, strlen(text));
	}
}

static void a_flood_is_not_read(void **state)
{
	static const struct {
		unsigned messages, addresses, answers;
	} rows[] = { { 20, 1, 20 }, { 1000, 1, 20 }, { 1000, 2, 40 }, { 20000, 1000, 100 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		world_open(&w, 0);
		flood(&w, rows[i].messages, rows[i].addresses);
		run(&w, 0);
		CHECK_INT(rows[i].answers, w.answers);
		CHECK_INT(rows[i].messages - rows[i].answers, limited(&w));
		world_close(&w);
	}
}

/* Whom b has called may call b, whatever others send. */
static void a_party_of_ours_does_not_notice(void **state)
{
	struct phone_call *out, *back;
	struct world w;

	world_open(&w, 0);
	out = phone_dial(&w.b, "sip:a@10.0.0.1", WIRE_UDP);
	run(&w, 10);
	CHECK_INT(1, out->answered);
	for (unsigned i = 0; i < 100; i++) {
		flood(&w, 400, 100);
		run(&w, 10);
	}
	back = phone_dial(&w.a, "sip:b@10.0.0.2", WIRE_UDP);
	flood(&w, 400, 100);
	run(&w, 10);
	CHECK_INT(1, back->answered);
	phone_hangup(back, STR(""));
	phone_hangup(phone_call_at(&w.a, 0), STR(""));
	flood(&w, 400, 100);
	run(&w, 10);
	CHECK_INT(1, back->closed);
	CHECK_INT(1, out->closed);
	CHECK_INT(SIP_BY_PEER, out->who);
	CHECK(limited(&w) > 30000);
	world_close(&w);
}

static void a_trusted_source_has_no_limit(void **state)
{
	struct world w;

	world_open(&w, 0);
	w.b.among_strangers = false;
	flood(&w, 5000, 1);
	run(&w, 0);
	CHECK_INT(5000, w.answers);
	CHECK_INT(0, limited(&w));
	world_close(&w);
}

/* Nobody is asked to send less over a stream: it is closed. */
static void a_stream_that_says_too_much_is_closed(void **state)
{
	struct fake_net_counts before, after;
	struct world w;

	world_open(&w, 0);
	for (unsigned i = 0; i < 40; i++)
		phone_dial(&w.a, "sip:b@10.0.0.2", WIRE_TCP);
	fake_net_count(w.net, &before);
	run(&w, 1);
	fake_net_count(w.net, &after);
	CHECK_INT(1, before.connections);
	CHECK_INT(1, limited(&w));
	CHECK_INT(20, w.b.call_count);
	for (size_t i = 0; i < w.b.call_count; i++)
		phone_hangup(phone_call_at(&w.b, i), STR(""));
	run(&w, 40000);
	world_close(&w);
}

/* A pile of what is not read is no reason to refuse a call; a pile of calls is. */
static void a_flood_does_not_shed_calls(void **state)
{
	struct phone_call *out, *back, *refused;
	struct world w;

	world_open(&w, 0);
	out = phone_dial(&w.b, "sip:a@10.0.0.1", WIRE_UDP);
	run(&w, 10);
	fake_net_crowd(w.net, 900);
	flood(&w, 5000, 100);
	run(&w, 10);
	back = phone_dial(&w.a, "sip:b@10.0.0.2", WIRE_UDP);
	run(&w, 10);
	CHECK_INT(1, back->answered);
	/* Later there is no flood any more: half of what was seen is forgotten each half second. */
	for (unsigned i = 0; i < 40; i++) {
		run(&w, 500);
		flood(&w, 1, 1);
	}
	for (unsigned i = 0; i < 10; i++)
		flood(&w, 1, 1);
	run(&w, 10);
	refused = phone_dial(&w.a, "sip:b@10.0.0.2", WIRE_UDP);
	run(&w, 10);
	CHECK_INT(503, refused->status);
	fake_net_crowd(w.net, 0);
	phone_hangup(back, STR(""));
	phone_hangup(out, STR(""));
	world_close(&w);
}

static void transactions_are_bounded(void **state)
{
	struct sip_stack_counts n;
	struct world w;
	unsigned refused = 0;

	world_open(&w, 20);
	w.b.among_strangers = false;
	for (unsigned i = 0; i < 100; i++)
		phone_dial(&w.a, "sip:b@10.0.0.2", WIRE_UDP);
	run(&w, 10);
	sip_stack_count(w.b.stack, &n);
	CHECK(n.client_transactions + n.server_transactions <= 21);
	for (unsigned i = 0; i < 100; i++)
		refused += phone_call_at(&w.a, i)->status == 503;
	CHECK_INT(80, refused);
	CHECK_INT(80, n.shed);
	for (unsigned i = 0; i < 100; i++)
		phone_hangup(phone_call_at(&w.a, i), STR(""));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flood_is_not_read),           TEST(a_party_of_ours_does_not_notice),
		TEST(a_trusted_source_has_no_limit), TEST(a_stream_that_says_too_much_is_closed),
		TEST(a_flood_does_not_shed_calls),   TEST(transactions_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
