/* Transactions alone: their timers, to the millisecond of a virtual clock. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"
#include "fake_net.h"
#include "sip/sip_table.h"
#include "sip/sip_trans.h"

enum { MAX_TIMES = 32 };

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct sip_transport *transport;
	struct sip_trans *trans;
	struct addr us, peer;
	uint64_t start_ms;
	unsigned sent_ms[MAX_TIMES]; /* when each datagram left us, since start_ms */
	size_t sent;
	int responses, last_status, again, unacked, cancelled;
	int failed, failure;
	char why[160];
};

static void on_message(void *arg, const struct sip_msg *m, const struct sip_flow *flow)
{
}

static void on_lost(void *arg, uint64_t connection, const char *why)
{
	struct world *w = arg;

	sip_trans_lost(w->trans, connection, why);
}

static void on_again(void *arg, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct world *w = arg;

	w->again++;
}

static void on_response(void *arg, const struct sip_msg *m)
{
	struct world *w = arg;

	w->responses++;
	w->last_status = m->status;
}

static void on_failed(void *arg, enum sip_failure kind, const char *why)
{
	struct world *w = arg;

	w->failed++;
	w->failure = (int)kind;
	str_copy(w->why, sizeof(w->why), str_of(why));
}

static void on_cancelled(void *arg, const struct sip_msg *m)
{
	struct world *w = arg;

	w->cancelled++;
}

static void on_unacked(void *arg)
{
	struct world *w = arg;

	w->unacked++;
}

static const struct sip_client_handlers client_handlers = { on_response, on_failed };
static const struct sip_server_handlers server_handlers = { on_cancelled, on_unacked };

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	if (w->sent < MAX_TIMES)
		w->sent_ms[w->sent] = (unsigned)(loop_now_ms(w->loop) - w->start_ms);
	w->sent++;
}

static void world_open(struct world *w)
{
	static const struct sip_transport_handlers handlers = { .message = on_message, .lost = on_lost };
	struct fake_net_rules rules = { .seen = see, .arg = w };
	struct sip_listen listen[2] = { { .kind = WIRE_UDP }, { .kind = WIRE_TCP } };
	struct sip_stack_opts opts = { .listen = listen, .listen_count = 2 };
	struct sip_trans_opts trans = { .again = on_again, .arg = w };
	char why[160];

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 3) || fake_net_new(&w->net, w->loop))
		abort();
	addr_parse(&w->us, STR("10.0.0.1"), 5060);
	addr_parse(&w->peer, STR("10.0.0.2"), 5060);
	listen[0].addr = listen[1].addr = w->us;
	opts.loop = trans.loop = w->loop;
	opts.net = fake_net_host(w->net, "10.0.0.1");
	if (sip_transport_new(&w->transport, &opts, &handlers, w, why))
		abort();
	trans.transport = w->transport;
	if (sip_trans_new(&w->trans, &trans))
		abort();
	fake_net_set_rules(w->net, &rules);
	w->start_ms = loop_now_ms(w->loop);
}

static size_t alive(struct world *w)
{
	struct sip_stack_counts c = { .sessions = 0 };

	sip_trans_count(w->trans, &c);
	return c.client_transactions + c.server_transactions;
}

static void world_close(struct world *w)
{
	CHECK_INT(0, alive(w));
	sip_trans_free(&w->trans);
	sip_transport_free(&w->transport);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 1000);
	CHECK_INT(0, loop_timer_count(w->loop));
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

/* Up to and including ms after the start. */
static void until(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, w->start_ms + ms);
}

static struct sip_flow flow_of(struct world *w)
{
	return (struct sip_flow){ .kind = WIRE_UDP, .remote = w->peer };
}

static const char request_text[] = "%s sip:b@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx\r\n"
				   "Max-Forwards: 70\r\nFrom: <sip:a@x>;tag=f\r\nTo: <sip:b@x>%s\r\nCall-ID: c\r\n"
				   "CSeq: 1 %s\r\nContent-Length: 0\r\n\r\n";
static const char response_text[] = "SIP/2.0 %d Whatever\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx\r\n"
				    "From: <sip:a@x>;tag=f\r\nTo: <sip:b@x>;tag=t\r\nCall-ID: c\r\nCSeq: 1 %s\r\n"
				    "Content-Length: 0\r\n\r\n";

static void parse(struct sip_msg *m, const char *text)
{
	const char *why;
	size_t used;

	if (sip_msg_parse(m, text, strlen(text), false, &used, &why) != SIP_PARSE_OK)
		abort();
}

static struct sip_client *start(struct world *w, enum sip_method method, enum wire_kind kind)
{
	struct sip_client_params p = {
		.flow = flow_of(w), .method = method, .branch = STR("z9hG4bKx"), .handlers = &client_handlers, .arg = w
	};
	struct sip_client *c = NULL;
	char text[1024];

	if (kind == WIRE_TCP && sip_transport_flow(w->transport, WIRE_TCP, &w->peer, STR(""), &p.flow))
		abort();
	snprintf(text, sizeof(text), request_text, sip_method_name(method), "", sip_method_name(method));
	p.bytes = str_of(text);
	CHECK_INT(0, sip_client_start(&c, w->trans, &p));
	CHECK_INT(EEXIST, sip_client_start(&c, w->trans, &p));
	return c;
}

static void hear(struct world *w, int status, const char *method)
{
	struct sip_flow flow = flow_of(w);
	struct sip_msg m;
	char text[1024];

	snprintf(text, sizeof(text), response_text, status, method);
	parse(&m, text);
	sip_trans_response(w->trans, &m, &flow);
}

static bool take(struct world *w, const char *method, const char *to_tag)
{
	struct sip_msg m;
	char text[1024];

	snprintf(text, sizeof(text), request_text, method, to_tag, method);
	parse(&m, text);
	return sip_trans_request(w->trans, &m);
}

static struct sip_server *serve(struct world *w, const char *method)
{
	struct sip_server_params p = { .flow = flow_of(w), .to_tag = "t", .handlers = &server_handlers, .arg = w };
	struct sip_server *s = NULL;
	struct sip_msg m;
	char text[1024];

	snprintf(text, sizeof(text), request_text, method, "", method);
	parse(&m, text);
	CHECK(!sip_trans_request(w->trans, &m));
	CHECK_INT(0, sip_server_start(&s, w->trans, &m, &p));
	return s;
}

static void check_times(const struct world *w, const unsigned *want, size_t count)
{
	CHECK_INT(count, w->sent);
	for (size_t i = 0; i < count && i < w->sent && i < MAX_TIMES; i++)
		CHECK_INT(want[i], w->sent_ms[i]);
}

static void an_unanswered_invite(void **state)
{
	static const unsigned want[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
	struct world w;

	world_open(&w);
	start(&w, SIP_INVITE, WIRE_UDP);
	until(&w, 31999);
	CHECK_INT(0, w.failed);
	until(&w, 32000 + LOOP_LOOSE_MS);
	CHECK_INT(1, w.failed);
	CHECK_INT(SIP_FAILED_TIMEOUT, w.failure);
	CHECK_STR("no answer to the INVITE from 10.0.0.2:5060 within 32 s", w.why);
	check_times(&w, want, ARRAY_LEN(want));
	world_close(&w);
}

static void an_unanswered_bye(void **state)
{
	static const unsigned want[] = { 0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500 };
	struct world w;

	world_open(&w);
	start(&w, SIP_BYE, WIRE_UDP);
	until(&w, 32000 + LOOP_LOOSE_MS);
	CHECK_INT(1, w.failed);
	check_times(&w, want, ARRAY_LEN(want));
	world_close(&w);
}

static void a_bye_that_is_only_being_worked_on(void **state)
{
	static const unsigned want[] = { 0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500 };
	struct world w;

	world_open(&w);
	start(&w, SIP_BYE, WIRE_UDP);
	until(&w, 1200);
	hear(&w, 100, "BYE"); /* the retransmission under way is the next; then each T2 */
	CHECK_INT(1, w.responses);
	until(&w, 40000);
	CHECK_INT(1, w.failed);
	CHECK(w.sent == ARRAY_LEN(want) || w.sent == ARRAY_LEN(want) - 1);
	world_close(&w);
}

static void an_invite_that_rings_is_not_repeated(void **state)
{
	struct sip_client *c;
	struct world w;

	world_open(&w);
	c = start(&w, SIP_INVITE, WIRE_UDP);
	hear(&w, 180, "INVITE");
	hear(&w, 180, "INVITE");
	until(&w, 3600000);
	CHECK_INT(2, w.responses);
	CHECK_INT(1, w.sent);
	w.start_ms = loop_now_ms(w.loop); /* an idle clock may have stood still */
	sip_client_cancel(c, STR(""));
	CHECK_INT(2, w.sent);
	hear(&w, 200, "CANCEL");
	hear(&w, 487, "INVITE");
	CHECK_INT(487, w.last_status);
	CHECK_INT(3, w.sent); /* the ACK */
	hear(&w, 487, "INVITE");
	CHECK_INT(4, w.sent);
	CHECK_INT(3, w.responses);
	CHECK_INT(2, alive(&w));
	until(&w, 5000 + LOOP_LOOSE_MS);
	CHECK_INT(1, alive(&w)); /* K */
	until(&w, 31999);
	CHECK_INT(1, alive(&w));
	until(&w, 32000 + LOOP_LOOSE_MS); /* D */
	world_close(&w);
}

static void a_2xx_comes_again(void **state)
{
	struct world w;

	world_open(&w);
	start(&w, SIP_INVITE, WIRE_UDP);
	hear(&w, 200, "INVITE");
	hear(&w, 200, "INVITE");
	hear(&w, 486, "INVITE");
	CHECK_INT(1, w.responses);
	CHECK_INT(1, w.again);
	CHECK_INT(1, w.sent); /* the ACK is not ours */
	until(&w, 31999);
	CHECK_INT(1, alive(&w));
	until(&w, 32000 + LOOP_LOOSE_MS); /* M */
	hear(&w, 200, "INVITE");
	CHECK_INT(1, w.again);
	world_close(&w);
}

static void an_invite_whose_owner_has_gone(void **state)
{
	struct sip_client *c;
	struct world w;

	world_open(&w);
	c = start(&w, SIP_INVITE, WIRE_UDP);
	sip_client_detach(&c);
	CHECK(!c);
	until(&w, 10000);
	hear(&w, 180, "INVITE"); /* cancelled by itself, but not answered */
	CHECK_INT(2, alive(&w));
	hear(&w, 200, "INVITE");
	CHECK_INT(0, w.responses);
	CHECK_INT(1, w.again);
	until(&w, 42001 + LOOP_LOOSE_MS);
	world_close(&w);
}

static void streams_repeat_nothing(void **state)
{
	struct world w;

	world_open(&w);
	start(&w, SIP_BYE, WIRE_TCP); /* nobody listens there */
	until(&w, 100);
	CHECK_INT(1, w.failed);
	CHECK_INT(SIP_FAILED_TRANSPORT, w.failure);
	CHECK_STR("connection refused by 10.0.0.2:5060", w.why);
	world_close(&w);
}

static void a_refusal_without_ack(void **state)
{
	static const unsigned want[] = { 0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500 };
	struct sip_server *s;
	struct world w;

	world_open(&w);
	s = serve(&w, "INVITE");
	CHECK_INT(0, sip_server_respond(&s, 486, STR("486")));
	CHECK(!s);
	until(&w, 31999);
	CHECK_INT(1, alive(&w));
	until(&w, 32000 + LOOP_LOOSE_MS); /* H */
	check_times(&w, want, ARRAY_LEN(want));
	CHECK_INT(0, w.unacked);
	world_close(&w);
}

static void a_refusal_with_ack(void **state)
{
	struct sip_server *s;
	struct world w;

	world_open(&w);
	s = serve(&w, "INVITE");
	CHECK_INT(0, sip_server_respond(&s, 100, STR("100")));
	CHECK(take(&w, "INVITE", ""));
	CHECK_INT(2, w.sent);
	CHECK(!take(&w, "ACK", ";tag=t")); /* no ACK belongs here yet */
	CHECK_INT(0, sip_server_respond(&s, 486, STR("486")));
	CHECK(take(&w, "INVITE", ""));
	CHECK_INT(4, w.sent);
	CHECK(take(&w, "ACK", ";tag=t"));
	CHECK(take(&w, "ACK", ";tag=t"));
	CHECK(take(&w, "INVITE", ""));
	CHECK_INT(4, w.sent);
	until(&w, 4999);
	CHECK_INT(1, alive(&w));
	until(&w, 5000 + LOOP_LOOSE_MS); /* I */
	CHECK_INT(4, w.sent);
	world_close(&w);
}

static void an_answer_without_ack(void **state)
{
	static const unsigned want[] = { 0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500 };
	struct sip_server *s;
	struct world w;

	world_open(&w);
	s = serve(&w, "INVITE");
	CHECK_INT(0, sip_server_respond(&s, 200, STR("200")));
	CHECK(s);
	CHECK(take(&w, "INVITE", "")); /* swallowed: the timer repeats the 200 */
	CHECK(!take(&w, "ACK", ";tag=t"));
	until(&w, 31999);
	CHECK_INT(0, w.unacked);
	until(&w, 32000 + LOOP_LOOSE_MS);
	CHECK_INT(1, w.unacked);
	check_times(&w, want, ARRAY_LEN(want));
	world_close(&w);
}

static void an_answer_with_ack(void **state)
{
	struct sip_server *s;
	struct sip_msg m;
	struct world w;

	world_open(&w);
	s = serve(&w, "INVITE");
	sip_server_request(s, &m);
	CHECK(m.method == SIP_INVITE);
	CHECK(sip_trans_is_merged(w.trans, &m));
	CHECK(sip_server_find_invite(w.trans, &m) == s);
	CHECK_STR("t", sip_server_tag(s));
	CHECK_INT(0, sip_server_respond(&s, 180, STR("180")));
	until(&w, 59999);
	CHECK_INT(1, w.sent);
	until(&w, 60000); /* the sign of life */
	CHECK_INT(2, w.sent);
	CHECK_INT(0, sip_server_respond(&s, 200, STR("200")));
	sip_server_acked(&s);
	CHECK(!s);
	until(&w, 60000 + 31999);
	CHECK_INT(3, w.sent);
	CHECK_INT(1, alive(&w));
	CHECK(take(&w, "INVITE", ""));
	CHECK_INT(3, w.sent);
	until(&w, 60000 + 32000 + LOOP_LOOSE_MS); /* L */
	CHECK_INT(0, w.unacked);
	world_close(&w);
}

static void an_answered_bye_comes_again(void **state)
{
	struct sip_server *s;
	struct world w;

	world_open(&w);
	s = serve(&w, "BYE");
	CHECK_INT(0, sip_server_respond(&s, 200, STR("200")));
	CHECK(!s);
	until(&w, 31000);
	CHECK_INT(1, w.sent);
	CHECK(take(&w, "BYE", ""));
	CHECK_INT(2, w.sent);
	until(&w, 32000 + LOOP_LOOSE_MS); /* J */
	world_close(&w);
}

static void a_table_finds_what_is_in_it(void **state)
{
	enum { COUNT = 1000 };
	static struct sip_node nodes[COUNT];
	struct sip_key keys[COUNT];
	struct sip_table t;
	size_t at = 0;

	CHECK_INT(0, sip_table_init(&t, (struct sip_key){ 1, 2 }));
	for (size_t i = 0; i < COUNT; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%zu", i / 2); /* two of each */
		keys[i] = t.seed;
		sip_key_add(&keys[i], str_of(text));
		sip_table_add(&t, &nodes[i], keys[i]);
	}
	CHECK_INT(COUNT, t.count);
	for (size_t i = 0; i < COUNT; i += 2) {
		struct sip_node *n = sip_table_find(&t, keys[i]), *next = n ? sip_table_next(n) : NULL;

		CHECK((n == &nodes[i] && next == &nodes[i + 1]) || (n == &nodes[i + 1] && next == &nodes[i]));
		CHECK(!next || !sip_table_next(next));
		sip_table_remove(&t, &nodes[i]);
		sip_table_remove(&t, &nodes[i]);
		CHECK(sip_table_find(&t, keys[i]) == &nodes[i + 1]);
	}
	CHECK_INT(COUNT / 2, t.count);
	for (struct sip_node *n; (n = sip_table_any(&t, &at));)
		sip_table_remove(&t, n);
	CHECK_INT(0, t.count);
	sip_table_done(&t);
}

static void keys_keep_their_parts_apart(void **state)
{
	struct sip_key a = { 1, 2 }, b = { 1, 2 };

	sip_key_add(&a, STR("ab"));
	sip_key_add(&a, STR("c"));
	sip_key_add(&b, STR("a"));
	sip_key_add(&b, STR("bc"));
	CHECK(a.a != b.a && a.b != b.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unanswered_invite),
		TEST(an_unanswered_bye),
		TEST(a_bye_that_is_only_being_worked_on),
		TEST(an_invite_that_rings_is_not_repeated),
		TEST(a_2xx_comes_again),
		TEST(an_invite_whose_owner_has_gone),
		TEST(streams_repeat_nothing),
		TEST(a_refusal_without_ack),
		TEST(a_refusal_with_ack),
		TEST(an_answer_without_ack),
		TEST(an_answer_with_ack),
		TEST(an_answered_bye_comes_again),
		TEST(a_table_finds_what_is_in_it),
		TEST(keys_keep_their_parts_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
