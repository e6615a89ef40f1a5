/* call_world: the server's calls, documents and connect on one virtual loop with phones that are SIP stacks of their own, and a
 * network in memory between them. Media sockets are real but silent. A program includes it once. */
#ifndef CALL_WORLD_H
#define CALL_WORLD_H

#include <stdlib.h>

#include "base/log.h"
#include "call/call_media.h"
#include "fake_world.h"

enum { MAX_PHONES = 6, MAX_LEGS = 4096 };

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			  "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n";
static const char sdp_alaw[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			       "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

struct world;

/* One party of one call, on a phone. */
struct party {
	struct telephone *phone;
	struct sip_session *session; /* NULL = over */
	struct loop_timer act;
	bool caller, answered;
	unsigned answered_count, closed_count, ringing, early;
	uint16_t status;
};

struct telephone {
	struct world *world;
	struct sip_stack *stack;
	/* what it does when it is called: 0 = not at all */
	uint32_t ring_ms, answer_ms, hangup_ms;
	uint16_t refuse;
	const char *early_sdp, *answer_sdp;
	bool random;
	unsigned called;
	char caller[40]; /* his name, as it stands in From */
};

struct world {
	struct fake_world base;
	struct telephone phones[MAX_PHONES];
	struct party *parties[MAX_LEGS];
	size_t party_count;
	unsigned created, ended, joined, failed, cancelled, answered, warned;
	char first[37]; /* the oldest call */
	char reason[32];
	char told[200]; /* by the newest operation */
};

/* --- phones --- */

static inline struct party *add_party(struct telephone *p, bool caller)
{
	struct party *party = calloc(1, sizeof(*party));

	assert_non_null(party);
	assert_true(p->world->party_count < MAX_LEGS);
	party->phone = p;
	party->caller = caller;
	p->world->parties[p->world->party_count++] = party;
	return party;
}

static inline void on_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
	struct party *p = arg;

	p->ringing += status == 180;
	p->early += body.n > 0;
}

static inline void hang_up(void *arg)
{
	struct party *p = arg;

	if (p->session)
		sip_session_hangup(p->session, STR(""));
}

static inline void plan_hangup(struct party *p)
{
	struct loop *l = p->phone->world->base.loop;
	uint32_t ms = p->phone->random ? loop_random_below(l, 3000) : p->phone->hangup_ms;

	if (ms)
		loop_timer_start(l, &p->act, ms, hang_up, p);
}

static inline void on_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct party *p = arg;

	p->answered_count++;
	p->answered = true;
	plan_hangup(p);
}

static inline void on_confirmed(void *arg, struct str body)
{
	plan_hangup(arg);
}

static inline void on_reoffer(void *arg, struct str body)
{
	struct party *p = arg;

	/* A phone that speaks both codecs takes any of them. */
	sip_session_reanswer(p->session, str_of(strstr(body.p ? body.p : "", "RTP/AVP 8") ? sdp_alaw : sdp));
}

static inline void on_closed(void *arg, const struct sip_end *end)
{
	struct party *p = arg;

	p->closed_count++;
	p->status = end->status;
	p->session = NULL;
	loop_timer_stop(p->phone->world->base.loop, &p->act);
}

static inline void no_body(void *arg, struct str body)
{
}

static inline void no_status(void *arg, int status, struct str body)
{
}

static const struct sip_session_handlers party_handlers = {
	.progress = on_progress,
	.answered = on_answered,
	.confirmed = on_confirmed,
	.reoffer = on_reoffer,
	.reanswered = no_body,
	.reinvited = no_status,
	.closed = on_closed,
};

static inline void answer(void *arg)
{
	struct party *p = arg;

	if (!p->session)
		return;
	if (p->phone->refuse)
		sip_session_refuse(p->session, p->phone->refuse, STR(""), &(struct sip_fields){ NULL, 0 });
	else
		sip_session_answer(p->session, str_of(p->phone->answer_sdp ? p->phone->answer_sdp : sdp));
}

static inline void ring(void *arg)
{
	struct party *p = arg;
	struct telephone *phone = p->phone;
	struct loop *l = phone->world->base.loop;

	if (!p->session)
		return;
	if (phone->early_sdp)
		sip_session_ring(p->session, 183, str_of(phone->early_sdp));
	else
		sip_session_ring(p->session, 180, STR(""));
	if (phone->random)
		loop_timer_start(l, &p->act, loop_random_below(l, 4000), answer, p);
	else if (phone->answer_ms)
		loop_timer_start(l, &p->act, phone->answer_ms, answer, p);
}

static inline void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct telephone *phone = arg;
	struct party *p = add_party(phone, false);

	phone->called++;
	str_copy(phone->caller, sizeof(phone->caller), in->from.name);
	p->session = s;
	sip_session_accept(s, &party_handlers, p);
	loop_timer_start(phone->world->base.loop, &p->act, phone->ring_ms, ring, p);
}

static const struct sip_stack_handlers phone_handlers = { .invite = on_invite };

static inline struct party *dial(struct world *w, struct telephone *phone)
{
	struct party *p = add_party(phone, true);
	const struct sip_call_params params = {
		.ruri = STR("sip:main@10.0.0.1:5060"),
		.kind = WIRE_UDP,
		.from_uri = STR("sip:caller@10.0.0.2"),
		.from_name = STR("Ann \"A\" \\ Co"),
		.to_uri = STR("sip:main@10.0.0.1"),
		.sdp = STR(sdp),
	};
	const char *why;

	assert_int_equal(sip_session_call(&p->session, phone->stack, &params, &party_handlers, p, &why), 0);
	return p;
}

/* --- the server --- */

static inline void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static inline void count_event(void *arg, const struct event *ev)
{
	struct world *w = arg;

	if (ev->type == EVENT_CREATED && !w->created++)
		str_copy(w->first, sizeof(w->first), str_of(ev->call_id));
	w->warned += ev->type == EVENT_WARNING;
	w->answered += ev->type == EVENT_ANSWERED;
	w->ended += ev->type == EVENT_ENDED;
	w->joined += ev->type == EVENT_CONNECTED;
	w->failed += ev->type == EVENT_FAILED;
	if (ev->type == EVENT_ENDED && str_is(event_get(ev, "cause"), "cancel"))
		w->cancelled++;
	if (ev->type == EVENT_OPERATION)
		str_copy(w->told, sizeof(w->told), event_get(ev, "params"));
	if (ev->type == EVENT_FAILED)
		str_copy(w->reason, sizeof(w->reason), event_get(ev, "reason"));
}

static inline void open_stack(struct world *w, struct telephone *p, const char *host)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct sip_stack_opts opts = {
		.loop = w->base.loop,
		.net = fake_net_host(w->base.net, host),
		.dns = fake_dns_door(w->base.dns),
		.listen = &listen,
		.listen_count = 1,
		.user_agent = "phone",
		.handlers = &phone_handlers,
		.arg = p,
	};
	char why[160];

	p->world = w;
	assert_int_equal(addr_parse(&listen.addr, str_of(host), 5060), 0);
	assert_int_equal(sip_stack_new(&p->stack, &opts, why), 0);
}

static inline void open_world(struct world *w, uint64_t seed, const char *document)
{
	static const char *const hosts[MAX_PHONES] = { "10.0.0.2", "10.0.0.3", "10.0.0.4",
						       "10.0.0.5", "10.0.0.6", "10.0.0.7" };

	const struct fake_world_opts opts = { .seed = seed,
					      .document = document,
					      .codecs = "PCMU,PCMA",
					      .event = count_event,
					      .incoming = incoming,
					      .arg = w };

	memset(w, 0, sizeof(*w));
	fake_world_open(&w->base, &opts);
	for (size_t i = 0; i < MAX_PHONES; i++)
		open_stack(w, &w->phones[i], hosts[i]);
}

/* Nothing is left: no call, port, session, transaction or timer; every leg ended exactly once. */
static inline void close_world(struct world *w)
{
	struct sip_stack_counts counts = { .sessions = 0 };

	CHECK_INT(w->created, w->ended);
	if (w->base.calls)
		sip_stack_count(calls_sip(w->base.calls), &counts);
	CHECK_INT(0, counts.sessions + counts.client_transactions + counts.server_transactions);
	for (size_t i = 0; i < w->party_count; i++) {
		CHECK_INT(1, w->parties[i]->closed_count);
		CHECK(w->parties[i]->answered_count <= 1);
		free(w->parties[i]);
	}
	fake_world_end_calls(&w->base);
	for (size_t i = 0; i < MAX_PHONES; i++)
		sip_stack_free(&w->phones[i].stack);
	fake_world_close(&w->base);
}

/* Until everything is over, lingering transactions included. */
static inline void run(struct world *w)
{
	fake_world_run(&w->base, 300000);
}

static inline bool press_first(void *arg, struct call *c)
{
	call_media_key(c, *(const char *)arg);
	return false;
}

/* The oldest call's party presses keys, one every 100 ms. */
static inline void press(struct world *w, const char *keys)
{
	for (; *keys; keys++) {
		calls_each(w->base.calls, press_first, (void *)(uintptr_t)keys);
		loop_run_until(w->base.loop, loop_now_ms(w->base.loop) + 100);
	}
}

#endif
