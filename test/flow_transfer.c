/* Transfers that a party asks for (REFER in), on virtual time: the server's calls and documents between phones that are SIP
 * stacks of their own. Media sockets are real but silent. */
#include <stdlib.h>

#include "base/log.h"
#include "fake_world.h"

enum { A, B, C, D, PHONES, MAX_DIALOGS = 256 };

/* Behind each connect one to D, whose name says what became of the first. */
#define DOCUMENT(peer)                                                                                                 \
	"{\"sections\":{\"main\":[{\"connect\":{\"to\":\"sip:" peer                                                    \
	"\",\"max_duration\":100}},{\"connect\":{\"to\":\"sip:${connect_result}@10.0.0.5\"}}]}}"

struct dialog { /* as the server's ACKs and those to it tell */
	char call_id[80], from_tag[40], to_tag[40];
	bool by_server;
};

struct world {
	struct fake_world base;
	struct route routes[3];
	struct phone phones[PHONES];
	struct dialog dialogs[MAX_DIALOGS];
	size_t dialog_count;
	struct buf log; /* of events */
	unsigned created, ended;
	char invite[2048];        /* the newest of the server's */
	struct phone_call *a, *b; /* they talk, as caller and peer */
};

/* --- the world --- */

static void value_behind(char *out, size_t size, const char *text, const char *start)
{
	const char *p = strstr(text, start);

	out[0] = '\0';
	if (p)
		str_copy(out, size, (struct str){ p + strlen(start), strcspn(p + strlen(start), ";\r") });
}

static void keep_dialog(struct world *w, const char *ack, bool by_server)
{
	struct dialog *d = &w->dialogs[w->dialog_count % MAX_DIALOGS];

	value_behind(d->call_id, sizeof(d->call_id), ack, "\r\nCall-ID: ");
	value_behind(d->from_tag, sizeof(d->from_tag), strstr(ack, "\r\nFrom: "), ";tag=");
	value_behind(d->to_tag, sizeof(d->to_tag), strstr(ack, "\r\nTo: "), ";tag=");
	d->by_server = by_server;
	w->dialog_count++;
}

static void see(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n)
{
	struct world *w = arg;
	struct addr server;
	char text[2048];

	addr_parse(&server, STR("10.0.0.1"), 5060);
	str_copy(text, sizeof(text), (struct str){ data, n });
	if (!strncmp(text, "ACK ", 4))
		keep_dialog(w, text, addr_equal(from, &server));
	if (!strncmp(text, "INVITE ", 7) && addr_equal(from, &server))
		str_copy(w->invite, sizeof(w->invite), str_of(text));
}

static void write_event(void *arg, const struct event *ev)
{
	struct world *w = arg;

	w->created += ev->type == EVENT_CREATED;
	w->ended += ev->type == EVENT_ENDED;
	if (ev->type == EVENT_TRANSFER)
		buf_printf(&w->log, "transfer %.*s %.*s; ", STR_ARG(event_get(ev, "state")),
			   STR_ARG(event_get(ev, "sip_code")));
	else if (ev->type == EVENT_CONNECTED || ev->type == EVENT_DISCONNECTED || ev->type == EVENT_FAILED)
		buf_printf(&w->log, "%s; ", event_name(ev->type));
	else if (ev->type == EVENT_CREATED && str_is(event_get(ev, "direction"), "outbound"))
		buf_printf(&w->log, "dial %.*s; ", STR_ARG(event_get(ev, "to")));
	else if (ev->type == EVENT_ENDED && event_get(ev, "transferred_by").p)
		buf_printf(&w->log, "was put; ");
}

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static bool forbidden; /* by the configuration of the next world */

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static void world_open(struct world *w, uint64_t seed)
{
	static const char *const hosts[PHONES] = { "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5" };
	const struct fake_net_rules rules = { .delay_min_ms = 5, .delay_max_ms = 5, .seen = see, .arg = w };
	const struct fake_world_opts world = {
		.seed = seed, .no_transfers = forbidden, .event = write_event, .incoming = incoming, .arg = w
	};

	memset(w, 0, sizeof(*w));
	fake_world_open(&w->base, &world);
	w->routes[0] = (struct route){ .match = "b", .swml = DOCUMENT("b@10.0.0.3") };
	w->routes[1] = (struct route){ .match = "c", .swml = DOCUMENT("c@10.0.0.4") };
	w->routes[2] = (struct route){ .match = "a", .swml = DOCUMENT("a@10.0.0.2") };
	w->base.routes.routes = w->routes;
	w->base.routes.route_count = ARRAY_LEN(w->routes);
	for (size_t i = 0; i < PHONES; i++) {
		const struct phone_opts opts = { w->base.loop, fake_net_host(w->base.net, hosts[i]),
						 fake_dns_door(w->base.dns), hosts[i] };

		phone_open(&w->phones[i], &opts);
		w->phones[i].offer = w->phones[i].answer = fake_sdp;
	}
	fake_net_set_rules(w->base.net, &rules);
	w->phones[D].auto_refuse = 486;
}

static struct phone_call *newest(struct world *w, int phone)
{
	return phone_call_at(&w->phones[phone], w->phones[phone].call_count - 1);
}

/* Whatever is left is hung up by its phone; then nothing may be left. */
static void world_close(struct world *w)
{
	struct sip_stack_counts counts;

	for (size_t i = 0; i < PHONES; i++)
		for (size_t k = 0; k < w->phones[i].call_count; k++)
			if (phone_call_at(&w->phones[i], k)->s)
				phone_hangup(phone_call_at(&w->phones[i], k), STR(""));
	run(w, 300000);
	CHECK_INT(w->created, w->ended);
	sip_stack_count(calls_sip(w->base.calls), &counts);
	CHECK_INT(0, counts.sessions + counts.client_transactions + counts.server_transactions);
	fake_world_end_calls(&w->base);
	for (size_t i = 0; i < PHONES; i++) {
		for (size_t k = 0; k < w->phones[i].call_count; k++)
			CHECK_INT(1, phone_call_at(&w->phones[i], k)->closed);
		phone_close(&w->phones[i]);
	}
	fake_world_close(&w->base);
	buf_free(&w->log);
}

static struct phone_call *call(struct world *w, int phone, const char *uri)
{
	struct phone_call *c = phone_dial(&w->phones[phone], uri, WIRE_UDP);

	run(w, 500);
	CHECK_INT(1, c->answered);
	return c;
}

/* A calls, and is joined with B. */
static void talk(struct world *w, uint64_t seed)
{
	world_open(w, seed);
	w->phones[B].auto_answer = true;
	w->a = call(w, A, "sip:b@10.0.0.1");
	w->b = newest(w, B);
	CHECK_INT(1, w->b->confirmed);
}

static int refer(struct phone_call *c, const char *to)
{
	return sip_session_refer(c->s, &(struct sip_refer_params){ .to = str_of(to) });
}

/* To the party of another call of that phone, in its place. */
static int refer_to_call(struct world *w, struct phone_call *c, struct phone_call *other)
{
	char to[400];

	for (size_t i = w->dialog_count; i-- > 0;) {
		const struct dialog *d = &w->dialogs[i % MAX_DIALOGS];

		if (!str_is(sip_session_call_id(other->s), d->call_id))
			continue;
		/* The tag of whom it is sent to first: that is the server. */
		snprintf(to, sizeof(to), "sip:x@10.0.0.1?Replaces=%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s", d->call_id,
			 d->by_server ? d->from_tag : d->to_tag, d->by_server ? d->to_tag : d->from_tag);
		return refer(c, to);
	}
	return -1;
}

static void pick_up(struct phone_call *c)
{
	CHECK_INT(0, sip_session_answer(c->s, str_of(fake_sdp)));
}

static bool has(const struct world *w, const char *text)
{
	return memmem(buf_view(&w->log).p, buf_view(&w->log).n, text, strlen(text));
}

#define CHECK_LOG(w, want)                                                                                             \
	do {                                                                                                           \
		buf_char(&(w)->log, '\0');                                                                             \
		CHECK_STR(want, buf_view(&(w)->log).p);                                                                \
		buf_reset(&(w)->log);                                                                                  \
	} while (0)

/* --- blind --- */

static void the_peer_is_replaced(void **state)
{
	struct world w;
	struct phone_call *c;

	talk(&w, 1);
	CHECK_LOG(&w, "dial sip:b@10.0.0.3; connected; ");
	w.phones[C].auto_ring = 180;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 1000);
	CHECK_INT(202, w.b->refer_status);
	CHECK_INT(180, w.b->refer_notified);
	CHECK(strstr(w.invite, "\r\nReferred-By: <sip:b@10.0.0.3>\r\n"));
	CHECK(strstr(w.invite, "<sip:caller@10.0.0.1>;tag=")); /* not who asked */
	CHECK(!strstr(w.invite, "Replaces"));
	CHECK(w.a->s && w.b->s);
	c = newest(&w, C);
	pick_up(c);
	run(&w, 1000);
	CHECK_INT(1, w.b->refer_over);
	CHECK_INT(200, w.b->refer_notified);
	CHECK_INT(1, c->confirmed);
	CHECK(w.b->s); /* it may say good-bye itself */
	run(&w, 3000);
	CHECK_INT(1, w.b->closed);
	CHECK_INT(SIP_BY_PEER, w.b->who);
	CHECK(w.a->s && c->s);
	phone_hangup(c, STR(""));
	run(&w, 1000);
	CHECK_LOG(&w, "transfer started ; dial sip:c@10.0.0.4; transfer success 200; was put; "
		      "disconnected; dial sip:connected@10.0.0.5; failed; ");
	world_close(&w);
}

static void a_failure_changes_nothing(void **state)
{
	struct world w;

	talk(&w, 2);
	w.phones[C].auto_refuse = 486;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 1000);
	CHECK_INT(486, w.b->refer_notified);
	CHECK_INT(1, w.b->refer_over);
	CHECK(w.a->s && w.b->s);
	/* And again, into silence. */
	w.phones[C].auto_refuse = 0;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 70000);
	CHECK_INT(408, w.b->refer_notified);
	CHECK_INT(1, newest(&w, C)->closed);
	/* Nobody who could be dialled. */
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4;transport=sctp"));
	run(&w, 1000);
	CHECK_INT(480, w.b->refer_notified);
	CHECK(w.a->s && w.b->s);
	CHECK_INT(3, w.b->refer_over);
	CHECK(!has(&w, "disconnected"));
	world_close(&w);
}

/* What Teams and others do: BYE right behind the 202 (RFC 5589 §6). */
static void who_asks_leaves_early(void **state)
{
	for (int good = 0; good < 2; good++) {
		struct world w;

		talk(&w, 3);
		w.phones[C].auto_ring = 180;
		CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
		run(&w, 20);
		phone_hangup(w.b, STR(""));
		run(&w, 5000);
		CHECK_INT(1, w.b->closed);
		CHECK(w.a->s);
		CHECK(!has(&w, "disconnected"));
		if (good)
			pick_up(newest(&w, C));
		else
			sip_session_refuse(newest(&w, C)->s, 486, STR(""), NULL);
		run(&w, 1000);
		CHECK_INT(good, has(&w, "transfer success 200"));
		CHECK_INT(!good, has(&w, "transfer failed 486; disconnected; dial sip:connected@10.0.0.5"));
		if (good)
			CHECK(w.a->s && newest(&w, C)->s);
		world_close(&w);
		/* The document had the peer to the end of the talk. */
	}
}

static void the_caller_hands_his_peer_over(void **state)
{
	struct world w;
	struct phone_call *c;

	talk(&w, 4);
	w.phones[C].auto_answer = true;
	buf_reset(&w.log);
	CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
	run(&w, 1000);
	CHECK_INT(200, w.a->refer_notified);
	c = newest(&w, C);
	CHECK(w.a->s && w.b->s && c->s);
	run(&w, 3000);
	CHECK_INT(1, w.a->closed);
	CHECK(w.b->s && c->s);
	phone_hangup(w.b, STR(""));
	run(&w, 1000);
	CHECK_INT(1, c->closed);
	CHECK_LOG(&w, "transfer started ; dial sip:c@10.0.0.4; transfer success 200; disconnected; was put; ");
	world_close(&w);
}

static void the_caller_leaves_early(void **state)
{
	for (int good = 0; good < 2; good++) {
		struct world w;

		talk(&w, 5);
		w.phones[C].auto_ring = 180;
		buf_reset(&w.log);
		CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
		run(&w, 20);
		phone_hangup(w.a, STR(""));
		run(&w, 5000);
		CHECK_INT(1, w.a->closed);
		CHECK(w.b->s && newest(&w, C)->s);
		if (good)
			pick_up(newest(&w, C));
		else
			sip_session_refuse(newest(&w, C)->s, 486, STR(""), NULL);
		run(&w, 1000);
		CHECK_INT(good, w.b->s && newest(&w, C)->s);
		CHECK_INT(!good, w.b->closed && newest(&w, C)->closed);
		CHECK_INT(good, has(&w, "success"));
		CHECK(!has(&w, "10.0.0.5")); /* no document goes on */
		world_close(&w);
	}
}

/* The time of the talk that the document allows is not won by being handed over. */
static void max_duration_holds(void **state)
{
	struct world w;
	struct phone_call *c;

	talk(&w, 6);
	w.phones[C].auto_answer = true;
	run(&w, 50000);
	CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
	run(&w, 1000);
	c = newest(&w, C);
	run(&w, 47000);
	CHECK(w.b->s && c->s);
	run(&w, 3000);
	CHECK(w.b->closed && c->closed);
	world_close(&w);
	/* The same where the connect stays. */
	talk(&w, 7);
	w.phones[C].auto_answer = true;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 97000);
	CHECK(newest(&w, C)->s);
	run(&w, 5000);
	CHECK_INT(1, newest(&w, C)->closed);
	CHECK(has(&w, "dial sip:connected@10.0.0.5"));
	world_close(&w);
	/* And while it rings. */
	talk(&w, 8);
	run(&w, 80000);
	w.phones[C].auto_ring = 180;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 25000);
	CHECK(w.b->closed && newest(&w, C)->closed);
	CHECK(has(&w, "transfer failed 487"));
	world_close(&w);
}

static void who_is_kept_may_leave(void **state)
{
	struct world w;

	talk(&w, 9);
	w.phones[C].auto_ring = 180;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 500);
	phone_hangup(w.a, STR(""));
	run(&w, 1000);
	CHECK(w.b->closed && newest(&w, C)->closed);
	world_close(&w);
	talk(&w, 10);
	w.phones[C].auto_ring = 180;
	CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
	run(&w, 500);
	phone_hangup(w.b, STR(""));
	run(&w, 1000);
	CHECK_INT(1, newest(&w, C)->closed);
	CHECK_INT(487, w.a->refer_notified);
	CHECK(has(&w, "transfer failed 487; disconnected; dial sip:connected@10.0.0.5"));
	world_close(&w);
	/* Both that were joined, one after the other. */
	talk(&w, 11);
	w.phones[C].auto_ring = 180;
	CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
	run(&w, 500);
	phone_hangup(w.a, STR(""));
	run(&w, 500);
	phone_hangup(w.b, STR(""));
	run(&w, 1000);
	CHECK_INT(1, newest(&w, C)->closed);
	world_close(&w);
}

static void refusals(void **state)
{
	static const struct {
		const char *to;
		int status;
	} rows[] = {
		{ "https://example.com/", 416 },      { "sip:nobody@10.0.0.1", 404 },      { "tel:+15551234567", 202 },
		{ "sip:+15551234567@10.0.0.1", 202 }, { "sip:x@10.0.0.4?Replaces=", 603 },
	};
	struct phone_call *lonely;
	struct world w;

	talk(&w, 12);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(0, refer(w.b, rows[i].to));
		run(&w, 1000);
		CHECK_INT(rows[i].status, w.b->refer_status);
		CHECK_INT(i + 1, w.b->refer_over);
		if (rows[i].status == 202) /* no trunk takes the number */
			CHECK_INT(404, w.b->refer_notified);
	}
	/* One at a time, whoever asks. */
	w.phones[C].auto_ring = 180;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 500);
	CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
	run(&w, 500);
	CHECK_INT(491, w.a->refer_status);
	sip_session_refuse(newest(&w, C)->s, 486, STR(""), NULL);
	run(&w, 500);
	/* Not for ever: three were taken. */
	for (int i = 0; i < 8; i++) {
		CHECK_INT(0, refer(w.a, "tel:+15551234567"));
		run(&w, 500);
		CHECK_INT(i < 7 ? 202 : 603, w.a->refer_status);
	}
	/* A call that is not joined: its document is nobody to be handed over. */
	w.phones[C].auto_ring = 0;
	w.phones[C].auto_answer = false;
	lonely = phone_dial(&w.phones[D], "sip:c@10.0.0.1", WIRE_UDP);
	run(&w, 500);
	CHECK_INT(1, lonely->answered);
	CHECK_INT(0, refer(lonely, "sip:b@10.0.0.3"));
	run(&w, 500);
	CHECK_INT(603, lonely->refer_status);
	world_close(&w);
}

static void the_configuration_may_forbid_it(void **state)
{
	struct world w;

	forbidden = true;
	talk(&w, 20);
	forbidden = false;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4"));
	run(&w, 500);
	CHECK_INT(603, w.b->refer_status);
	CHECK(w.a->s && w.b->s);
	world_close(&w);
}

/* --- attended --- */

static void two_calls_of_the_peer_become_one(void **state)
{
	struct phone_call *second, *c;
	struct world w;

	talk(&w, 13);
	w.phones[C].auto_answer = true;
	second = call(&w, B, "sip:c@10.0.0.1");
	c = newest(&w, C);
	buf_reset(&w.log);
	CHECK_INT(0, refer_to_call(&w, w.b, second));
	run(&w, 1000);
	CHECK_INT(200, w.b->refer_notified);
	CHECK_INT(1, second->closed); /* that one at once */
	CHECK(w.a->s && c->s);
	run(&w, 3000);
	CHECK_INT(1, w.b->closed);
	CHECK(w.a->s && c->s);
	phone_hangup(c, STR(""));
	run(&w, 1000);
	CHECK_LOG(&w,
		  "transfer success 200; disconnected; was put; disconnected; dial sip:connected@10.0.0.5; failed; ");
	world_close(&w);
}

static void two_calls_of_the_caller_become_one(void **state)
{
	struct phone_call *second, *c;
	struct world w;

	talk(&w, 14);
	w.phones[C].auto_answer = true;
	second = call(&w, A, "sip:c@10.0.0.1");
	c = newest(&w, C);
	buf_reset(&w.log);
	CHECK_INT(0, refer_to_call(&w, w.a, second));
	run(&w, 5000);
	CHECK_INT(200, w.a->refer_notified);
	CHECK(w.a->closed && second->closed);
	CHECK(w.b->s && c->s);
	phone_hangup(w.b, STR(""));
	run(&w, 1000);
	CHECK_INT(1, c->closed);
	CHECK(!has(&w, "10.0.0.5"));
	world_close(&w);
}

/* The caller is also the peer of another caller, whose document goes on waiting. */
static void the_document_of_the_other_call_stays(void **state)
{
	struct phone_call *c, *second;
	struct world w;

	talk(&w, 15);
	w.phones[A].auto_answer = true;
	c = call(&w, C, "sip:a@10.0.0.1");
	second = newest(&w, A);
	CHECK(second != w.a && second->confirmed);
	buf_reset(&w.log);
	CHECK_INT(0, refer_to_call(&w, w.a, second));
	run(&w, 5000);
	CHECK_INT(200, w.a->refer_notified);
	CHECK(w.a->closed && second->closed);
	CHECK(w.b->s && c->s);
	phone_hangup(w.b, STR(""));
	run(&w, 1000);
	CHECK(has(&w, "dial sip:connected@10.0.0.5"));
	world_close(&w);
}

/* Each of two documents has somebody to wait for: the caller of the other one. */
static void two_callers_are_joined(void **state)
{
	static const char *const log[] = {
		"transfer success 200; disconnected; disconnected; dial sip:connected@10.0.0.5; was put; failed; ",
		"transfer success 200; disconnected; disconnected; dial sip:connected@10.0.0.5; failed; was put; ",
		("transfer success 200; disconnected; disconnected; dial sip:connected@10.0.0.5; "
		 "dial sip:connected@10.0.0.5; failed; failed; was put; "),
	};

	for (int how = 0; how < 3; how++) {
		struct phone_call *c, *second;
		struct world w;

		talk(&w, 16);
		run(&w, 40000);
		c = call(&w, C, "sip:b@10.0.0.1"); /* B is the peer of both */
		second = newest(&w, B);
		buf_reset(&w.log);
		CHECK_INT(0, refer_to_call(&w, w.b, second));
		run(&w, 5000);
		CHECK_INT(200, w.b->refer_notified);
		CHECK(w.b->closed && second->closed);
		CHECK(w.a->s && c->s);
		CHECK_INT(0, refer(w.a, "sip:d@10.0.0.5"));
		run(&w, 500);
		CHECK_INT(603, w.a->refer_status);
		if (how < 2)
			phone_hangup(how ? w.a : c, STR(""));
		run(&w, how < 2 ? 500 : 60000); /* max_duration of the first one */
		CHECK_LOG(&w, log[how]);
		world_close(&w);
	}
}

static void what_cannot_be_joined_is_refused(void **state)
{
	struct world w;

	talk(&w, 16);
	CHECK_INT(0, refer_to_call(&w, w.b, w.b)); /* itself */
	run(&w, 500);
	CHECK_INT(603, w.b->refer_status);
	CHECK_INT(0, refer_to_call(&w, w.b, w.a)); /* what it talks to already */
	run(&w, 500);
	CHECK_INT(603, w.b->refer_status);
	CHECK(w.a->s && w.b->s);
	world_close(&w);
}

static void a_dialog_that_is_not_ours_is_asked_for(void **state)
{
	struct world w;

	talk(&w, 17);
	w.phones[C].auto_answer = true;
	CHECK_INT(0, refer(w.b, "sip:c@10.0.0.4?Replaces=far%40away%3Bto-tag%3D1%3Bfrom-tag%3D2"));
	run(&w, 1000);
	CHECK(strstr(w.invite, "\r\nReplaces: far@away;to-tag=1;from-tag=2\r\n"));
	CHECK(strstr(w.invite, "\r\nRequire: replaces\r\n"));
	/* A phone of ours has no such dialog. */
	CHECK_INT(481, w.b->refer_notified);
	CHECK(w.a->s && w.b->s);
	world_close(&w);
}

static void who_came_may_transfer_again(void **state)
{
	struct phone_call *c;
	struct world w;

	talk(&w, 18);
	w.phones[C].auto_answer = true;
	CHECK_INT(0, refer(w.a, "sip:c@10.0.0.4"));
	run(&w, 5000);
	c = newest(&w, C);
	w.phones[D].auto_refuse = 0;
	w.phones[D].auto_answer = true;
	CHECK_INT(0, refer(c, "sip:d@10.0.0.5")); /* B to D */
	run(&w, 20);
	phone_hangup(c, STR("")); /* early */
	run(&w, 2000);
	CHECK(w.b->s && newest(&w, D)->s);
	w.phones[C].auto_answer = false;
	w.phones[C].auto_refuse = 486;
	CHECK_INT(0, refer(newest(&w, D), "sip:c@10.0.0.4"));
	run(&w, 20);
	phone_hangup(newest(&w, D), STR(""));
	run(&w, 2000);
	CHECK_INT(1, w.b->closed); /* nobody is left */
	world_close(&w);
}

/* The server stops in the middle. */
static void the_end_of_the_server_takes_all_along(void **state)
{
	for (int how = 0; how < 3; how++) {
		struct world w;

		talk(&w, 19);
		w.phones[C].auto_ring = 180;
		CHECK_INT(0, refer(how ? w.a : w.b, "sip:c@10.0.0.4"));
		run(&w, how == 2 ? 20 : 1000);
		if (how == 2)
			phone_hangup(w.a, STR(""));
		run(&w, 30);
		calls_free(&w.base.calls);
		CHECK_INT(w.created, w.ended);
		for (size_t i = 0; i < PHONES; i++)
			phone_close(&w.phones[i]);
		fake_world_free_media(&w.base);
		fake_world_free(&w.base);
		buf_free(&w.log);
	}
}

/* --- at random --- */

static struct phone_call *any_call(struct world *w)
{
	struct phone *p = &w->phones[loop_random_below(w->base.loop, PHONES)];

	return p->call_count ? phone_call_at(p, loop_random_below(w->base.loop, (uint32_t)p->call_count)) : NULL;
}

static void do_something(struct world *w)
{
	static const char *const targets[] = { "sip:a@10.0.0.2", "sip:b@10.0.0.3", "sip:c@10.0.0.4", "sip:d@10.0.0.5" };
	static const char *const ours[] = { "sip:a@10.0.0.1", "sip:b@10.0.0.1", "sip:c@10.0.0.1" };
	struct phone_call *c = any_call(w), *other = any_call(w);

	if (!c || !c->s || !loop_random_below(w->base.loop, 8)) {
		phone_dial(&w->phones[loop_random_below(w->base.loop, PHONES)],
			   ours[loop_random_below(w->base.loop, 3)], WIRE_UDP);
		return;
	}
	switch (loop_random_below(w->base.loop, 8)) {
	case 0:
		phone_hangup(c, STR(""));
		break;
	case 1:
	case 2:
		if (c->inbound)
			sip_session_answer(c->s, str_of(fake_sdp)); /* perhaps it is too late */
		break;
	case 3:
	case 4:
	case 5:
		refer(c, targets[loop_random_below(w->base.loop, ARRAY_LEN(targets))]);
		break;
	default:
		if (other && other->s)
			refer_to_call(w, c, other);
		break;
	}
}

static unsigned done, refused; /* transfers over all walks */

static void walk(uint64_t seed)
{
	const struct fake_net_rules rules = { .delay_max_ms = 30, .loss_per_mille = 20, .duplicate_per_mille = 20 };
	struct world w;
	struct fake_net_rules seen = rules;
	const char *at;

	world_open(&w, seed);
	seen.seen = see;
	seen.arg = &w;
	fake_net_set_rules(w.base.net, &seen);
	for (size_t i = 0; i < PHONES; i++) {
		w.phones[i].auto_refuse = 0;
		w.phones[i].auto_ring = 180;
		w.phones[i].auto_answer = loop_random_below(w.base.loop, 3) > 0;
	}
	for (int n = 0; n < 120; n++) {
		do_something(&w);
		run(&w, loop_random_below(w.base.loop, loop_random_below(w.base.loop, 4) ? 100 : 4000));
	}
	buf_char(&w.log, '\0');
	for (at = buf_view(&w.log).p; (at = strstr(at, "transfer success")); at++)
		done++;
	for (at = buf_view(&w.log).p; (at = strstr(at, "transfer failed")); at++)
		refused++;
	world_close(&w);
	if (check_bad)
		fail_msg("seed %llu", (unsigned long long)seed);
}

static void random_transfers_leave_nothing(void **state)
{
	const char *count = getenv("FLOW_WALKS"), *seed = getenv("SEED");
	unsigned long walks = count ? strtoul(count, NULL, 10) : 60;

	if (seed) {
		walk(strtoull(seed, NULL, 10));
		return;
	}
	for (unsigned long i = 1; i <= walks; i++)
		walk(i);
	printf("# %lu walks, %u transfers done, %u failed\n", walks, done, refused);
	CHECK(done > walks && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_peer_is_replaced),
		TEST(a_failure_changes_nothing),
		TEST(who_asks_leaves_early),
		TEST(the_caller_hands_his_peer_over),
		TEST(the_caller_leaves_early),
		TEST(max_duration_holds),
		TEST(who_is_kept_may_leave),
		TEST(refusals),
		TEST(the_configuration_may_forbid_it),
		TEST(two_calls_of_the_peer_become_one),
		TEST(two_calls_of_the_caller_become_one),
		TEST(the_document_of_the_other_call_stays),
		TEST(two_callers_are_joined),
		TEST(what_cannot_be_joined_is_refused),
		TEST(a_dialog_that_is_not_ours_is_asked_for),
		TEST(who_came_may_transfer_again),
		TEST(the_end_of_the_server_takes_all_along),
		TEST(random_transfers_leave_nothing),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
