/* Calls over TLS between two stacks of ours: which connection each request takes. */
#include <stdlib.h>

#include "check.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b;
	struct fake_net_rules rules;
	char invite[4096], response[4096]; /* newest of each */
	int in_the_clear;                  /* writes that are no TLS: none */
};

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;
	struct str text = { data, n };

	if (addr_port(from) == 5060 || addr_port(to) == 5060)
		w->in_the_clear++;
	if (str_istarts(text, "INVITE "))
		str_copy(w->invite, sizeof(w->invite), text);
	if (str_istarts(text, "SIP/2.0 200"))
		str_copy(w->response, sizeof(w->response), text);
}

static void world_open(struct world *w)
{
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 7) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, "10.0.0.1");
	b.net = fake_net_host(w->net, "10.0.0.2");
	a.dns = b.dns = fake_dns_door(w->dns);
	w->a.tls = w->b.tls = true;
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	w->rules = (struct fake_net_rules){ .delay_min_ms = 10, .delay_max_ms = 10, .seen = see, .arg = w };
	fake_net_set_rules(w->net, &w->rules);
	fake_dns_add(w->dns, "bob.example", "10.0.0.2");
	w->b.auto_answer = true;
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void world_close(struct world *w)
{
	run(w, 700000); /* idle streams go after 10 minutes */
	CHECK_INT(0, w->in_the_clear);
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	phone_close(&w->a);
	phone_close(&w->b);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static uint64_t connects(const struct world *w)
{
	struct fake_net_counts c;

	fake_net_count(w->net, &c);
	return c.connects;
}

static struct phone_call *talk(struct world *w, const char *uri)
{
	struct phone_call *c = phone_dial(&w->a, uri, WIRE_TLS);

	assert_non_null(c);
	run(w, 500);
	CHECK_INT(1, c->answered);
	CHECK_INT(1, phone_call_at(&w->b, w->b.call_count - 1)->confirmed);
	return c;
}

static void messages_say_tls(void **state)
{
	static const char *const uris[] = { "sip:bob@bob.example", "sips:bob@bob.example", "sip:bob@10.0.0.2:5061" };

	for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
		struct phone_call *c;
		struct world w;

		world_open(&w);
		c = talk(&w, uris[i]);
		CHECK(strstr(w.invite, "Via: SIP/2.0/TLS 10.0.0.1:5061;") != NULL);
		CHECK(strstr(w.invite, "Contact: <sip:10.0.0.1:5061;transport=tls>") != NULL);
		CHECK(strstr(w.response, "Contact: <sip:10.0.0.2:5061;transport=tls>") != NULL);
		phone_hangup(c, STR(""));
		run(&w, 500);
		CHECK_INT(1, c->closed);
		world_close(&w);
	}
}

/* Whoever hangs up: the callee does not connect to a caller who may have no certificate. */
static void one_connection_serves_a_call(void **state)
{
	for (int callee = 0; callee < 2; callee++) {
		struct phone_call *c;
		struct world w;

		world_open(&w);
		/* The callee's Contact is an address; its certificate need not say more than its name. */
		c = talk(&w, "sip:bob@bob.example");
		CHECK_INT(1, connects(&w));
		phone_hangup(callee ? phone_call_at(&w.b, 0) : c, STR(""));
		run(&w, 500);
		CHECK_INT(1, c->closed);
		CHECK_INT(1, connects(&w));
		world_close(&w);
	}
}

static void a_lost_connection_is_made_anew(void **state)
{
	for (int callee = 0; callee < 2; callee++) {
		struct phone_call *c, *b;
		struct world w;

		world_open(&w);
		c = talk(&w, "sip:bob@bob.example");
		b = phone_call_at(&w.b, 0);
		CHECK_INT(2, fake_net_kill_connections(w.net));
		run(&w, 100);
		CHECK(!c->closed && !b->closed);
		phone_hangup(callee ? b : c, STR(""));
		run(&w, 500);
		CHECK_INT(1, c->closed);
		CHECK_INT(1, b->closed);
		CHECK_INT(2, connects(&w));
		CHECK_STR(callee ? "10.0.0.1" : "bob.example", fake_net_name(w.net));
		world_close(&w);
	}
}

/* The same while the BYE is under way. */
static void a_bye_on_a_dying_connection_is_sent_again(void **state)
{
	struct phone_call *c;
	struct world w;

	world_open(&w);
	c = talk(&w, "sip:bob@10.0.0.2");
	phone_hangup(c, STR(""));
	fake_net_kill_connections(w.net);
	run(&w, 500);
	CHECK_INT(1, c->closed);
	CHECK_INT(1, phone_call_at(&w.b, 0)->closed);
	world_close(&w);
}

static void failures_name_the_way_out(void **state)
{
	static const struct {
		const char *uri, *why;
	} rows[] = {
		{ "sip:bob@10.0.0.2:5070", "connection refused by 10.0.0.2:5070; or write ;transport=udp" },
		{ "sip:bob@nowhere.example", "no address found for host nowhere.example; or write ;transport=udp" },
		{ "sip:bob@[fd00::1]", "no TLS listener that could reach fd00::1; or write ;transport=udp" },
	};
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct phone_call *c = phone_dial(&w.a, rows[i].uri, WIRE_TLS);

		assert_non_null(c);
		run(&w, 500);
		CHECK_INT(1, c->closed);
		CHECK_INT(SIP_BY_TRANSPORT, c->who);
		CHECK_STR(rows[i].why, c->why);
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_say_tls),
		TEST(one_connection_serves_a_call),
		TEST(a_lost_connection_is_made_anew),
		TEST(a_bye_on_a_dying_connection_is_sent_again),
		TEST(failures_name_the_way_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
