/* REFER between two stacks of ours on virtual time: asked, refused, told, lost, repeated, and the session gone early. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"
#include "sip/sip_refer.h"

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b;
	struct phone_call *c, *far;
	const char *lose; /* datagrams that begin so are lost, so often */
	int losses;
	char last[2048], notify[2048], ack[2048]; /* the newest datagram, NOTIFY, ACK */
	int notifies, refers;
};

static bool starts(const char *data, size_t n, const char *text)
{
	return n >= strlen(text) && !memcmp(data, text, strlen(text));
}

static bool lose(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	return data && w->lose && starts(data, n, w->lose) && w->losses-- > 0;
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;

	str_copy(w->last, sizeof(w->last), (struct str){ data, n });
	if (starts(data, n, "NOTIFY ")) {
		w->notifies++;
		str_copy(w->notify, sizeof(w->notify), (struct str){ data, n });
	}
	w->refers += starts(data, n, "REFER ");
	if (starts(data, n, "ACK "))
		str_copy(w->ack, sizeof(w->ack), (struct str){ data, n });
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

/* A call that both sides have answered. */
static void world_open(struct world *w)
{
	struct phone_opts a = { .address = "10.0.0.1" }, b = { .address = "10.0.0.2" };
	const struct fake_net_rules rules = {
		.delay_min_ms = 10, .delay_max_ms = 10, .drop = lose, .seen = see, .arg = w
	};

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 7) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop))
		abort();
	a.loop = b.loop = w->loop;
	a.net = fake_net_host(w->net, "10.0.0.1");
	b.net = fake_net_host(w->net, "10.0.0.2");
	a.dns = b.dns = fake_dns_door(w->dns);
	phone_open(&w->a, &a);
	phone_open(&w->b, &b);
	fake_net_set_rules(w->net, &rules);
	w->b.auto_answer = true;
	w->c = phone_dial(&w->a, "sip:bob@10.0.0.2", WIRE_UDP);
	run(w, 1000);
	w->far = phone_call_at(&w->b, 0);
	assert_non_null(w->far);
	CHECK_INT(1, w->far->confirmed);
}

static void world_close(struct world *w)
{
	if (w->c->s)
		phone_hangup(w->c, STR(""));
	run(w, 700000);
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	CHECK_INT(1, w->c->closed);
	CHECK_INT(1, w->far->closed);
	phone_close(&w->a);
	phone_close(&w->b);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static int refer(struct phone_call *c, const char *to)
{
	const struct sip_refer_params p = { .to = str_of(to) };

	return sip_session_refer(c->s, &p);
}

static void a_transfer_is_told_to_its_end(void **state)
{
	struct world w;

	world_open(&w);
	w.b.auto_take_refer = true;
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2"));
	CHECK_INT(EBUSY, refer(w.c, "sip:dave@10.0.0.3"));
	CHECK_INT(0, w.c->referred); /* nothing from inside */
	run(&w, 100);
	CHECK_STR("sip:carol@10.0.0.3", w.far->refer_to);
	CHECK_STR("a@b;to-tag=1;from-tag=2", w.far->refer_replaces);
	CHECK_INT(202, w.c->refer_status);
	CHECK_INT(100, w.c->refer_notified);
	CHECK(strstr(w.notify, "\r\nSubscription-State: active;expires=180\r\n"));
	CHECK(strstr(w.notify, "\r\nEvent: refer;id=2\r\n"));
	CHECK(strstr(w.notify, "\r\n\r\nSIP/2.0 100 Trying\r\n"));
	sip_notifier_tell(&w.far->notifier, 180);
	run(&w, 100);
	CHECK_INT(180, w.c->refer_notified);
	CHECK_INT(0, w.c->refer_over);
	/* Told in a hurry: none overtakes another, and the last one counts. */
	sip_notifier_tell(&w.far->notifier, 183);
	sip_notifier_tell(&w.far->notifier, 182);
	sip_notifier_tell(&w.far->notifier, 200);
	CHECK(!w.far->notifier);
	run(&w, 200);
	CHECK_INT(200, w.c->refer_notified);
	CHECK_INT(1, w.c->refer_over);
	CHECK_STR("the transfer has ended with 200", w.c->refer_why);
	CHECK(strstr(w.notify, "\r\nSubscription-State: terminated;reason=noresource\r\n"));
	CHECK_INT(4, w.notifies);
	/* The call goes on, and may be transferred again, the other way too. */
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 100);
	sip_notifier_tell(&w.far->notifier, 486);
	w.a.auto_take_refer = true;
	CHECK_INT(0, refer(w.far, "sip:erin@10.0.0.3"));
	run(&w, 100);
	CHECK_INT(486, w.c->refer_notified);
	sip_notifier_tell(&w.c->notifier, 603);
	run(&w, 100);
	CHECK_INT(603, w.far->refer_notified);
	CHECK_INT(2, w.c->refer_over);
	world_close(&w);
}

static void refusals_are_told(void **state)
{
	struct world w;

	world_open(&w);
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 100);
	CHECK_INT(1, w.c->refer_over);
	CHECK_INT(603, w.c->refer_status);
	CHECK_STR("603 Decline to our REFER", w.c->refer_why);
	CHECK_INT(0, w.notifies);
	CHECK_INT(EINVAL, refer(w.c, "sip:carol@10.0.0.3>\r\nX: y"));
	CHECK_INT(EINVAL, refer(w.c, "carol"));
	CHECK_INT(EINVAL, refer(w.c, ""));
	/* Nobody answers at all. */
	w.lose = "REFER ";
	w.losses = 100;
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 40000);
	CHECK_INT(2, w.c->refer_over);
	CHECK_INT(408, w.c->refer_status);
	w.losses = 0;
	phone_hangup(w.c, STR(""));
	CHECK_INT(EINVAL, refer(w.c, "sip:carol@10.0.0.3"));
	world_close(&w);
}

static void silence_ends_the_waiting(void **state)
{
	struct world w;

	world_open(&w);
	w.b.auto_take_refer = true;
	w.lose = "NOTIFY ";
	w.losses = 1000;
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 31000);
	CHECK_INT(0, w.c->refer_over);
	run(&w, 3000);
	CHECK_INT(1, w.c->refer_over);
	CHECK_STR("the peer did not tell what became of the transfer", w.c->refer_why);
	/* The notifier has given up, and takes what it is told without a word. */
	w.losses = 0;
	w.notifies = 0;
	sip_notifier_tell(&w.far->notifier, 200);
	run(&w, 1000);
	CHECK_INT(0, w.notifies);
	/* The first is heard, no other follows. */
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 179000);
	CHECK_INT(1, w.c->refer_over);
	run(&w, 3000);
	CHECK_INT(2, w.c->refer_over);
	CHECK_INT(100, w.c->refer_notified);
	sip_notifier_tell(&w.far->notifier, 200); /* 481: it is too late */
	run(&w, 1000);
	CHECK(starts(w.last, 12, "SIP/2.0 481 "));
	world_close(&w);
}

static void repetitions_are_one_request(void **state)
{
	static const char *const lost[] = { "REFER ", "SIP/2.0 202", "NOTIFY ", "SIP/2.0 200" };

	for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
		struct world w;

		world_open(&w);
		w.b.auto_take_refer = true;
		w.lose = lost[i];
		w.losses = 2;
		CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
		run(&w, 5000);
		CHECK_INT(1, w.far->refer);
		CHECK_INT(100, w.c->refer_notified);
		sip_notifier_tell(&w.far->notifier, 200);
		run(&w, 5000);
		CHECK_INT(202, w.c->refer_status);
		CHECK_INT(200, w.c->refer_notified);
		CHECK_INT(1, w.c->refer_over);
		world_close(&w);
	}
}

/* The one who asked hangs up at once (pain 20): what was promised is told in the dialog all the same. */
static void an_early_bye_breaks_nothing(void **state)
{
	struct world w;

	world_open(&w);
	w.b.auto_take_refer = true;
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 25);
	phone_hangup(w.c, STR(""));
	run(&w, 2000);
	CHECK_INT(1, w.far->closed);
	CHECK_INT(1, w.c->refer_over);
	CHECK_STR("the call has ended", w.c->refer_why);
	CHECK_INT(1, w.c->closed);
	w.notifies = 0;
	sip_notifier_tell(&w.far->notifier, 200);
	CHECK(!w.far->notifier);
	run(&w, 2000);
	CHECK_INT(1, w.notifies);
	CHECK(strstr(w.notify, "SIP/2.0 200 OK\r\n"));
	CHECK(strstr(w.notify, "\r\nCSeq: 2 NOTIFY\r\n"));
	world_close(&w);
}

static void one_at_a_time_each_way(void **state)
{
	struct world w;

	world_open(&w);
	w.b.auto_take_refer = true;
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	w.lose = "NOTIFY "; /* so that ours is over soon, and the notifier is still there */
	w.losses = 3;
	run(&w, 1500);
	CHECK_INT(1, w.far->refer);
	/* hang-up in the middle, both notifiers and REFERs open */
	w.a.auto_take_refer = true;
	CHECK_INT(0, refer(w.far, "sip:dave@10.0.0.3"));
	run(&w, 15);
	phone_hangup(w.far, STR(""));
	run(&w, 40000);
	CHECK_INT(1, w.far->refer_over);
	CHECK_INT(1, w.c->refer_over);
	if (w.c->notifier)
		sip_notifier_tell(&w.c->notifier, 503);
	sip_notifier_tell(&w.far->notifier, 503);
	world_close(&w);
}

/* The stacks go in the middle of everything. */
static void the_stack_takes_all_along(void **state)
{
	struct world w;

	world_open(&w);
	w.b.auto_take_refer = true;
	CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
	run(&w, 25);
	phone_close(&w.b);
	phone_close(&w.a);
	fake_dns_free(&w.dns);
	fake_net_free(&w.net);
	loop_free(&w.loop);
}

/* --- Replaces --- */

static void value_behind(char *out, size_t size, const char *text, const char *start, char end)
{
	const char *p = strstr(text, start);

	assert_non_null(p);
	p += strlen(start);
	str_copy(out, size, (struct str){ p, (size_t)(strchr(p, end) - p) });
}

/* The dialog of the newest ACK, as its callee knows it. */
static void print_replaces(const struct world *w, char out[300], const char *more)
{
	char call_id[80], to[40], from[40];

	value_behind(call_id, sizeof(call_id), w->ack, "Call-ID: ", '\r');
	value_behind(to, sizeof(to), strstr(w->ack, "\r\nTo: "), ";tag=", '\r');
	value_behind(from, sizeof(from), strstr(w->ack, "\r\nFrom: "), ";tag=", '\r');
	snprintf(out, 300, "%s;to-tag=%s;from-tag=%s%s", call_id, to, from, more);
}

static struct phone_call *dial_replacing(struct world *w, const char *replaces)
{
	const struct sip_field items[] = { { "Replaces", str_of(replaces) }, { "Require", STR("replaces") } };
	const struct sip_fields fields = { items, ARRAY_LEN(items) };
	struct phone_call *c;

	w->a.fields = &fields;
	c = phone_dial(&w->a, "sip:bob@10.0.0.2", WIRE_UDP);
	w->a.fields = NULL;
	CHECK(c);
	return c;
}

static void a_call_takes_the_place_of_another(void **state)
{
	struct phone_call *second;
	char replaces[300];
	struct world w;

	world_open(&w);
	w.b.auto_reanswer = true;
	print_replaces(&w, replaces, "");
	second = dial_replacing(&w, replaces);
	run(&w, 1000);
	CHECK_INT(1, w.far->reoffer);
	CHECK_INT(1, second->answered);
	CHECK_STR("reanswer", second->sdp);
	CHECK_INT(1, w.c->closed); /* by BYE */
	CHECK_INT(SIP_BY_PEER, w.c->who);
	CHECK_INT(0, w.far->closed);
	CHECK_INT(1, w.b.call_count); /* nobody heard of a new call */
	/* It is a call like any other: re-INVITEs both ways, and again replaced. */
	w.a.auto_reanswer = true;
	CHECK_INT(0, sip_session_reinvite(w.far->s, STR("again")));
	run(&w, 1000);
	CHECK_INT(200, w.far->last_reinvited);
	CHECK_INT(0, sip_session_reinvite(second->s, STR("and again")));
	run(&w, 1000);
	CHECK_INT(200, second->last_reinvited);
	print_replaces(&w, replaces, "");
	w.c = dial_replacing(&w, replaces);
	run(&w, 1000);
	CHECK_INT(1, second->closed);
	CHECK_INT(1, w.c->answered);
	/* The one that is gone cannot be replaced any more. */
	second = dial_replacing(&w, replaces);
	run(&w, 1000);
	CHECK_INT(481, second->status);
	phone_hangup(w.far, STR(""));
	run(&w, 1000);
	CHECK_INT(1, w.c->closed);
	world_close(&w);
}

static void what_cannot_be_replaced_is_told(void **state)
{
	static const struct {
		const char *replaces;
		int status;
	} rows[] = {
		{ "nothing;to-tag=1;from-tag=2", 481 },
		{ "nothing;to-tag=1", 400 },
		{ "", 400 },
	};
	struct phone_call *c, *late;
	char replaces[300], early[300];
	struct world w;

	world_open(&w);
	print_replaces(&w, replaces, "");
	print_replaces(&w, early, ";early-only");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		c = dial_replacing(&w, rows[i].replaces);
		run(&w, 1000);
		CHECK_INT(rows[i].status, c->status);
	}
	c = dial_replacing(&w, early);
	run(&w, 1000);
	CHECK_INT(486, c->status);
	/* The owner does not want to, twice: the call stays as it is. */
	c = dial_replacing(&w, replaces);
	run(&w, 1000);
	CHECK_INT(1, w.far->reoffer);
	sip_session_rerefuse(w.far->s, 488);
	run(&w, 1000);
	CHECK_INT(488, c->status);
	/* One waits for its answer; the next one has to come later. It is cancelled. */
	c = dial_replacing(&w, replaces);
	run(&w, 1000);
	CHECK_INT(2, w.far->reoffer);
	late = dial_replacing(&w, replaces);
	run(&w, 1000);
	CHECK_INT(491, late->status);
	phone_hangup(c, STR(""));
	run(&w, 1000);
	CHECK_INT(487, c->status);
	sip_session_reanswer(w.far->s, STR("too late"));
	/* The call ends while one waits. */
	c = dial_replacing(&w, replaces);
	run(&w, 1000);
	phone_hangup(w.c, STR(""));
	run(&w, 1000);
	CHECK_INT(487, c->status);
	CHECK_INT(1, w.far->closed);
	world_close(&w);
}

/* Lost messages of the second call, and a transfer that the first one is told of. */
static void replaced_in_bad_weather(void **state)
{
	static const char *const lost[] = { "INVITE ", "SIP/2.0 200", "ACK ", "BYE " };

	for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
		struct phone_call *second;
		char replaces[300];
		struct world w;

		world_open(&w);
		w.b.auto_reanswer = true;
		w.b.auto_take_refer = true;
		CHECK_INT(0, refer(w.c, "sip:carol@10.0.0.3"));
		run(&w, 100);
		print_replaces(&w, replaces, "");
		w.lose = lost[i];
		w.losses = 3;
		second = dial_replacing(&w, replaces);
		run(&w, 20000);
		CHECK_INT(1, w.far->reoffer);
		CHECK_INT(1, second->answered);
		CHECK_INT(1, w.c->closed);
		CHECK_INT(0, w.far->closed);
		sip_notifier_tell(&w.far->notifier, 200);
		run(&w, 1000);
		CHECK_INT(2, w.notifies);
		phone_hangup(second, STR(""));
		run(&w, 20000);
		CHECK_INT(1, w.far->closed);
		world_close(&w);
	}
}

/* --- pure --- */

static void texts_are_understood(void **state)
{
	static const struct {
		const char *value;
		int err;
		const char *uri, *replaces;
	} rows[] = {
		{ "<sip:a@b>", 0, "sip:a@b", NULL },
		{ "sip:a@b", 0, "sip:a@b", NULL },
		{ "\"A\" <sip:a@b;method=INVITE?Replaces=x%3bto-tag%3D1%3Bfrom-tag%3D2&X=y>", 0,
		  "sip:a@b;method=INVITE", "x;to-tag=1;from-tag=2" },
		{ "<sip:a@b?X=y>", 0, "sip:a@b", NULL },
		{ "sip:a@b?Replaces=x%3bto-tag%3D1%3Bfrom-tag%3D2", 0, "sip:a@b", "x;to-tag=1;from-tag=2" },
		{ "sip:?Replaces=x", EINVAL, NULL, NULL },
		{ "<sip:a@b?Replaces=%0d%0aX:>", 0, "sip:a@b", NULL },
		{ "<sip:a@b?Replaces=>", 0, "sip:a@b", "" },
		{ "<sip:a@b;method=SUBSCRIBE>", EINVAL, NULL, NULL },
		{ "*", EINVAL, NULL, NULL },
		{ "<sip:a@b", EINVAL, NULL, NULL },
		{ "", EINVAL, NULL, NULL },
	};
	static const struct {
		const char *value;
		int err;
		bool early;
	} replaces[] = {
		{ "c@d;to-tag=1;from-tag=2", 0, false },
		{ " c ; from-tag=2 ;early-only; to-tag=1", 0, true },
		{ "c@d;to-tag=1", EINVAL, false },
		{ ";to-tag=1;from-tag=2", EINVAL, false },
		{ "c", EINVAL, false },
	};
	struct sip_replaces r;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_refer_to to;
		char uri[80] = "";

		CHECK_INT(rows[i].err, sip_refer_to_parse(&to, str_of(rows[i].value)));
		if (rows[i].err)
			continue;
		str_copy(uri, sizeof(uri), to.uri);
		CHECK_STR(rows[i].uri, uri);
		CHECK(rows[i].replaces ? str_is(to.replaces, rows[i].replaces) : !to.replaces.p);
	}
	for (size_t i = 0; i < ARRAY_LEN(replaces); i++) {
		CHECK_INT(replaces[i].err, sip_replaces_parse(&r, str_of(replaces[i].value)));
		CHECK(replaces[i].err ||
		      (r.early_only == replaces[i].early && str_is(r.to_tag, "1") && str_is(r.from_tag, "2")));
	}
	CHECK_INT(200, sip_frag_status(STR("SIP/2.0 200 OK\r\nX: y")));
	CHECK_INT(486, sip_frag_status(STR("SIP/2.0 486")));
	CHECK_INT(0, sip_frag_status(STR("SIP/2.0 999 x")));
	CHECK_INT(0, sip_frag_status(STR("SIP/2.0 20")));
	CHECK_INT(0, sip_frag_status(STR("INVITE sip:x SIP/2.0")));
	CHECK_INT(0, sip_frag_status(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_transfer_is_told_to_its_end),
		TEST(refusals_are_told),
		TEST(silence_ends_the_waiting),
		TEST(repetitions_are_one_request),
		TEST(an_early_bye_breaks_nothing),
		TEST(one_at_a_time_each_way),
		TEST(the_stack_takes_all_along),
		TEST(a_call_takes_the_place_of_another),
		TEST(what_cannot_be_replaced_is_told),
		TEST(replaced_in_bad_weather),
		TEST(texts_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
