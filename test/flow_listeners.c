/* Listeners that come and go under live calls: two stacks of ours, the second one is reloaded. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { GONE_MS = 64100 }; /* a retired listener that nobody knows is closed by then */

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b;
	struct fake_net_rules rules;
	char invite_ok[4096]; /* newest 200 from b */
};

static struct sip_listen at(enum wire_kind kind, const char *text)
{
	struct sip_listen l = { .kind = kind };

	CHECK_INT(0, addr_parse_port(&l.addr, str_of(text), 0));
	return l;
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;
	struct str text = { data, n };

	if (str_istarts(text, "SIP/2.0 200") && memmem(data, n, "Contact:", 8))
		str_copy(w->invite_ok, sizeof(w->invite_ok), text);
}

static void world_open(struct world *w)
{
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 11) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, "10.0.0.1");
	b.net = fake_net_host(w->net, "10.0.0.2");
	a.dns = b.dns = fake_dns_door(w->dns);
	w->rules = (struct fake_net_rules){ .delay_min_ms = 10, .delay_max_ms = 10, .seen = see, .arg = w };
	fake_net_set_rules(w->net, &w->rules);
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	w->b.auto_answer = true;
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void world_close(struct world *w)
{
	struct fake_net_counts c;

	run(w, 700000); /* idle streams go after 10 minutes */
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	phone_close(&w->a);
	phone_close(&w->b);
	fake_net_count(w->net, &c);
	CHECK_INT(0, c.udp + c.listeners + c.connections);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

/* UDP sockets and stream listeners of both: a has one of each. */
static size_t open_wires(const struct world *w)
{
	struct fake_net_counts c;

	fake_net_count(w->net, &c);
	return c.udp + c.listeners;
}

static void reload(struct world *w, const struct sip_listen *listen, size_t count, const char *advertise)
{
	char why[160] = "";

	CHECK_INT(0, sip_stack_open(w->b.stack, listen, count, why));
	CHECK_STR("", why);
	sip_stack_switch(w->b.stack, listen, count, advertise);
}

static struct phone_call *dial(struct world *w, const char *uri, enum wire_kind kind)
{
	struct phone_call *c = phone_dial(&w->a, uri, kind);

	assert_non_null(c);
	run(w, 500);
	return c;
}

static void a_call_outlives_its_listener(void **state)
{
	static const struct {
		enum wire_kind kind;
		bool by_peer;
	} rows[] = { { WIRE_UDP, true }, { WIRE_UDP, false }, { WIRE_TCP, true }, { WIRE_TCP, false } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum wire_kind kind = rows[i].kind;
		struct sip_listen moved[] = { at(WIRE_UDP, "10.0.0.2:5070"), at(WIRE_TCP, "10.0.0.2:5070") };
		struct phone_call *old, *refused, *fresh;
		struct world w;

		world_open(&w);
		old = dial(&w, "sip:b@10.0.0.2:5060", kind);
		CHECK_INT(1, old->answered);
		reload(&w, moved, 2, NULL);
		CHECK_INT(6, open_wires(&w));
		refused = dial(&w, "sip:b@10.0.0.2:5060", kind);
		CHECK_INT(1, refused->closed);
		CHECK_INT(503, refused->status);
		fresh = dial(&w, "sip:b@10.0.0.2:5070", kind);
		CHECK_INT(1, fresh->answered);
		CHECK(strstr(w.invite_ok, "Contact: <sip:10.0.0.2:5070") != NULL);
		CHECK_INT(2, w.b.call_count);
		run(&w, 3 * GONE_MS); /* the other kind goes, and the way of the call stays */
		CHECK_INT(5, open_wires(&w));
		phone_hangup(rows[i].by_peer ? old : phone_call_at(&w.b, 0), STR(""));
		run(&w, 500);
		CHECK_INT(1, old->closed);
		CHECK_INT(1, phone_call_at(&w.b, 0)->closed);
		CHECK_INT(rows[i].by_peer ? SIP_BY_PEER : SIP_BY_US, phone_call_at(&w.b, 0)->who);
		CHECK_INT(5, open_wires(&w));
		run(&w, GONE_MS + 32000);
		CHECK_INT(4, open_wires(&w));
		phone_hangup(fresh, STR(""));
		world_close(&w);
	}
}

/* b calls by the new listener only, and what it has begun by the old one it ends there. */
static void new_requests_take_the_new_listener(void **state)
{
	struct sip_listen moved[] = { at(WIRE_UDP, "10.0.0.2:5070") };
	struct phone_call *old, *fresh;
	struct world w;

	world_open(&w);
	w.a.auto_answer = true;
	old = phone_dial(&w.b, "sip:a@10.0.0.1", WIRE_UDP);
	run(&w, 500);
	CHECK_INT(1, old->answered);
	reload(&w, moved, 1, NULL);
	fresh = phone_dial(&w.b, "sip:a@10.0.0.1", WIRE_UDP);
	run(&w, 500);
	CHECK_INT(1, fresh->answered);
	phone_hangup(phone_call_at(&w.a, 0), STR(""));
	phone_hangup(phone_call_at(&w.a, 1), STR(""));
	run(&w, 500);
	CHECK_INT(1, old->closed);
	CHECK_INT(1, fresh->closed);
	CHECK_INT(SIP_BY_PEER, old->who);
	CHECK_INT(SIP_BY_PEER, fresh->who);
	world_close(&w);
}

static void a_taken_address_changes_nothing(void **state)
{
	struct sip_listen listen[] = { at(WIRE_UDP, "10.0.0.2:5070"), at(WIRE_TCP, "10.0.0.2:5071"),
				       at(WIRE_UDP, "10.0.0.1:5060") };
	char why[160] = "";
	struct world w;

	world_open(&w);
	CHECK_INT(EADDRINUSE, sip_stack_open(w.b.stack, listen, 3, why));
	CHECK_STR("udp:10.0.0.1:5060: Address already in use", why);
	CHECK_INT(4, open_wires(&w));
	CHECK_INT(1, dial(&w, "sip:b@10.0.0.2:5060", WIRE_UDP)->answered);
	CHECK_INT(1, dial(&w, "sip:b@10.0.0.2:5060", WIRE_TCP)->answered);
	phone_hangup(phone_call_at(&w.a, 0), STR(""));
	phone_hangup(phone_call_at(&w.a, 1), STR(""));
	world_close(&w);
}

static void switching_back_undoes(void **state)
{
	struct sip_listen old[] = { at(WIRE_UDP, "10.0.0.2:5060"), at(WIRE_TCP, "10.0.0.2:5060") };
	struct sip_listen new[] = { at(WIRE_UDP, "10.0.0.2:5070"), at(WIRE_TCP, "10.0.0.2:5060") };
	char why[160] = "";
	struct world w;

	world_open(&w);
	CHECK_INT(0, sip_stack_open(w.b.stack, new, 2, why));
	CHECK_INT(5, open_wires(&w));
	sip_stack_switch(w.b.stack, old, 2, NULL);
	CHECK_INT(4, open_wires(&w));
	CHECK_INT(0, loop_timer_count(w.loop));
	/* once in earnest, and back while the old one is still open; then again, when it is not */
	for (size_t i = 0; i < 3; i++) {
		struct phone_call *c;

		reload(&w, new, 2, NULL);
		CHECK_INT(503, dial(&w, "sip:b@10.0.0.2:5060", WIRE_UDP)->status);
		run(&w, i == 1 ? 2 * GONE_MS : 1000);
		reload(&w, old, 2, NULL);
		c = dial(&w, "sip:b@10.0.0.2:5060", WIRE_UDP);
		CHECK_INT(1, c->answered);
		CHECK(strstr(w.invite_ok, "Contact: <sip:10.0.0.2:5060>") != NULL);
		phone_hangup(c, STR(""));
		run(&w, 500);
	}
	world_close(&w);
}

static void the_name_changes(void **state)
{
	static const struct {
		const char *advertise, *contact;
	} rows[] = {
		{ "sip.example.com", "Contact: <sip:sip.example.com:5060>" },
		{ "2001:db8::5", "Contact: <sip:[2001:db8::5]:5060>" },
		{ NULL, "Contact: <sip:10.0.0.2:5060>" },
	};
	struct sip_listen listen[] = { at(WIRE_UDP, "10.0.0.2:5060"), at(WIRE_TCP, "10.0.0.2:5060") };
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		reload(&w, listen, 2, rows[i].advertise);
		CHECK_INT(4, open_wires(&w));
		CHECK_INT(1, dial(&w, "sip:b@10.0.0.2:5060", WIRE_UDP)->answered);
		CHECK(strstr(w.invite_ok, rows[i].contact) != NULL);
		phone_hangup(phone_call_at(&w.b, i), STR(""));
		run(&w, 500);
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_outlives_its_listener),
		TEST(new_requests_take_the_new_listener),
		TEST(a_taken_address_changes_nothing),
		TEST(switching_back_undoes),
		TEST(the_name_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
