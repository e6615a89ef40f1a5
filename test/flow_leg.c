/* A leg of the server and what its peer may do to its media while the call stands: hold, resume, move, refresh, glare.
 * A phone of ours says the SDP; media sockets are real but silent. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "call/leg_sip.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "own_net.h"
#include "fake_phone.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"
#define ELSEWHERE "v=0\r\no=- 1 2 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
#define NOWHERE "v=0\r\no=- 1 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
#define BOTH "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct media *media;
	struct leg_sip_env env;
	struct phone phone; /* 10.0.0.2 */
	struct leg *leg;    /* NULL = ended */
	enum cause cause;
	char why[160];
	int answered, reoffered, last_reoffered, ended;
};

static void no_event(void *arg)
{
}

static void on_answered(void *arg)
{
	((struct world *)arg)->answered++;
}

static void on_reoffered(void *arg, int status)
{
	struct world *w = arg;

	w->reoffered++;
	w->last_reoffered = status;
}

static void on_closed(void *arg, const struct leg_end *end)
{
	struct world *w = arg;

	w->ended++;
	w->leg = NULL;
	w->cause = end->cause;
	str_copy(w->why, sizeof(w->why), str_of(end->why));
}

static const struct leg_handlers handlers = {
	.ringing = no_event,
	.early = no_event,
	.answered = on_answered,
	.reoffered = on_reoffered,
	.leaving = no_event,
	.closed = on_closed,
};

static struct codec_list codecs(void)
{
	struct codec_list l = { .count = 0 };

	codec_list_add(&l, CODEC_PCMU);
	codec_list_add(&l, CODEC_PCMA);
	return l;
}

static void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	const struct codec_list ours = codecs();
	struct world *w = arg;
	const char *why;

	assert_int_equal(leg_sip_accept(&w->leg, &w->env, s, in, &(struct leg_sip_ours){ &ours, NULL }, &why), 0);
	leg_handle(w->leg, &handlers, w);
	assert_int_equal(leg_answer(w->leg, NULL), 0);
}

static void world_open(struct world *w, uint32_t timeout_s)
{
	static const struct sip_stack_handlers stack_handlers = { .invite = on_invite };
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct media_opts media = { .port_min = 21000, .port_max = 28999 };
	struct fake_net_rules rules = { .delay_min_ms = 5, .delay_max_ms = 5 };
	struct phone_opts phone = { .address = "10.0.0.2" };
	struct sip_stack_opts opts = { .listen = &listen,
				       .listen_count = 1,
				       .session_timeout_s = timeout_s,
				       .handlers = &stack_handlers,
				       .arg = w };
	char why[160];

	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 3) || fake_net_new(&w->net, w->loop) || fake_dns_new(&w->dns, w->loop) ||
	    addr_parse(&listen.addr, STR("10.0.0.1"), 5060))
		abort();
	own_addr(1, 0, &media.bind);
	fake_net_set_rules(w->net, &rules);
	media.loop = opts.loop = phone.loop = w->loop;
	opts.dns = phone.dns = fake_dns_door(w->dns);
	opts.net = fake_net_host(w->net, "10.0.0.1");
	phone.net = fake_net_host(w->net, "10.0.0.2");
	w->env.loop = w->loop;
	if (media_new(&w->media, &media) || sip_stack_new(&w->env.stack, &opts, why))
		abort();
	w->env.media = w->media;
	phone_open(&w->phone, &phone);
	w->phone.auto_answer = w->phone.auto_reanswer = true;
	w->phone.offer = HEAD BOTH;
	w->phone.answer = HEAD AUDIO;
}

static void run(struct world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

static void world_close(struct world *w)
{
	if (w->leg)
		leg_hangup(w->leg, CAUSE_HANGUP, 480, "test", "over");
	run(w, 100000);
	CHECK_INT(1, w->ended);
	CHECK_INT(0, media_ports_open(w->media));
	CHECK_INT(0, phone_alive(&w->phone, false));
	phone_close(&w->phone);
	sip_stack_free(&w->env.stack);
	media_free(&w->media);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static struct phone_call *call_in(struct world *w)
{
	struct phone_call *c = phone_dial(&w->phone, "sip:x@10.0.0.1", WIRE_UDP);

	run(w, 50);
	CHECK_INT(1, c->answered);
	return c;
}

static struct phone_call *call_out(struct world *w)
{
	struct leg_sip_target target = { .ruri = STR("sip:p@10.0.0.2"), .from_uri = STR("sip:x@10.0.0.1") };
	struct leg_sip_call params = { .targets = &target, .target_count = 1, .codecs = codecs() };
	const char *why;

	assert_int_equal(leg_sip_dial(&w->leg, &w->env, &params, &why), 0);
	leg_handle(w->leg, &handlers, w);
	run(w, 50);
	CHECK_INT(1, w->answered);
	return phone_call_at(&w->phone, 0);
}

/* "3 sendrecv": version and direction in an SDP of the leg's. */
static const char *gist(const char *sdp, char out[64])
{
	static const char *const directions[] = { "sendrecv", "sendonly", "recvonly", "inactive" };
	const char *o = strstr(sdp, "o=- "), *direction = "?";
	unsigned long version = 0;

	if (o)
		version = strtoul(strchr(o + 4, ' ') ? strchr(o + 4, ' ') : "", NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(directions); i++)
		if (strstr(sdp, directions[i]))
			direction = directions[i];
	snprintf(out, 64, "%lu %s", version, direction);
	return out;
}

/* What the peer offers in one session, one after the other, by re-INVITE or UPDATE; and what it hears. */
static void hold_is_held_here(void **state)
{
	static const struct {
		const char *sdp;
		int status;
		const char *gist;
	} rows[] = {
		{ HEAD AUDIO "a=sendonly\r\n", 200, "2 recvonly" },
		{ HEAD AUDIO "a=sendonly\r\n", 200, "2 recvonly" }, /* said again: nothing new */
		{ HEAD AUDIO, 200, "3 sendrecv" },
		{ HEAD "a=inactive\r\n" AUDIO, 200, "4 inactive" },
		{ HEAD AUDIO "a=recvonly\r\n", 200, "5 sendonly" },
		{ HEAD BOTH, 200, "6 sendrecv" },
		{ NOWHERE AUDIO, 200, "7 recvonly" },
		{ NOWHERE AUDIO "a=sendonly\r\n", 200, "7 recvonly" },
		{ NOWHERE AUDIO "a=inactive\r\n", 200, "8 inactive" },
		{ ELSEWHERE AUDIO, 200, "9 sendrecv" },
		{ HEAD "m=audio 4000 RTP/AVP 0\r\n", 488, NULL }, /* the other side of a bridge speaks PCMA */
		{ HEAD "m=audio 0 RTP/AVP 8\r\n", 488, NULL },
		{ HEAD "m=video 4000 RTP/AVP 96\r\n", 488, NULL },
		{ "not an SDP", 488, NULL },
		{ HEAD AUDIO, 200, "9 sendrecv" }, /* what was refused has changed nothing */
		{ HEAD "m=video 4000 RTP/AVP 96\r\n" AUDIO, 200, "10 sendrecv" },
	};

	for (int update = 0; update < 2; update++) {
		struct phone_call *c;
		struct world w;
		char text[64];

		world_open(&w, 600);
		c = call_in(&w);
		CHECK_STR("1 sendrecv", gist(c->sdp, text));
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct str sdp = str_of(rows[i].sdp);

			CHECK_INT(0, update ? sip_session_update(c->s, sdp) : sip_session_reinvite(c->s, sdp));
			run(&w, 50);
			CHECK_INT(rows[i].status, c->last_reinvited);
			if (rows[i].gist)
				CHECK_STR(rows[i].gist, gist(c->sdp, text));
		}
		CHECK(w.leg && leg_state(w.leg) == LEG_ANSWERED);
		CHECK_INT(0, w.reoffered);
		world_close(&w);
	}
}

/* Offerless: we offer, with the codec of the session and as if nobody held anything (RFC 6337 §5.3). */
static void an_offer_is_asked_for(void **state)
{
	struct phone_call *c;
	struct world w;
	char text[64];

	world_open(&w, 600);
	c = call_in(&w);
	CHECK_INT(0, sip_session_reinvite(c->s, STR(HEAD AUDIO "a=sendonly\r\n")));
	run(&w, 50);
	CHECK_STR("2 recvonly", gist(c->sdp, text));
	CHECK_INT(0, sip_session_reinvite(c->s, STR("")));
	run(&w, 50);
	CHECK_INT(200, c->last_reinvited);
	CHECK_STR("3 sendrecv", gist(c->sdp, text));
	CHECK(strstr(c->sdp, "RTP/AVP 8 101\r\n"));
	CHECK(w.leg);
	world_close(&w);
}

/* A refresh by the peer that says nothing new, one of ours: the session stays as it is. */
static void refreshes_change_nothing(void **state)
{
	struct phone_call *c;
	struct world w;
	char text[64];

	world_open(&w, 90);
	c = call_out(&w);
	run(&w, 1000000);
	CHECK_INT(0, c->reoffer);
	CHECK_INT(0, sip_session_reinvite(c->s, STR(HEAD AUDIO)));
	run(&w, 50);
	CHECK_STR("2 sendrecv", gist(c->sdp, text)); /* narrowed to the codec in use, that is new */
	CHECK_INT(0, sip_session_reinvite(c->s, STR(HEAD AUDIO)));
	run(&w, 50);
	CHECK_STR("2 sendrecv", gist(c->sdp, text));
	CHECK(w.leg);
	world_close(&w);
}

static void a_lost_peer_is_an_error(void **state)
{
	struct world w;

	world_open(&w, 90);
	call_out(&w);
	fake_net_set_rules(w.net, &(struct fake_net_rules){ .loss_per_mille = 1000 });
	run(&w, 100000);
	CHECK_INT(1, w.ended);
	CHECK_INT(CAUSE_ERROR, w.cause);
	CHECK_STR("the session expired: our refresh got no answer", w.why);
	world_close(&w);
}

/* Both change the session at once: both get through, and the codec is the one we wanted. */
static void glare_with_our_codec_change(void **state)
{
	for (int outbound = 0; outbound < 2; outbound++) {
		struct phone_call *c;
		enum codec_id codec;
		struct world w;
		char text[64];

		world_open(&w, 600);
		w.phone.answer = HEAD BOTH;
		c = outbound ? call_out(&w) : call_in(&w);
		CHECK(leg_agreed(w.leg, &codec));
		CHECK_INT(CODEC_PCMA, codec);
		w.phone.answer = HEAD "m=audio 4000 RTP/AVP 0\r\n";
		CHECK_INT(0, leg_reoffer(w.leg, CODEC_PCMU));
		CHECK_INT(EBUSY, leg_reoffer(w.leg, CODEC_PCMA));
		CHECK_INT(0, sip_session_reinvite(c->s, STR(HEAD BOTH "a=sendonly\r\n")));
		run(&w, 10000);
		CHECK_INT(200, c->last_reinvited);
		CHECK_INT(1, c->reinvited);
		CHECK_INT(1, w.reoffered);
		CHECK_INT(200, w.last_reoffered);
		CHECK(leg_agreed(w.leg, &codec));
		CHECK_INT(CODEC_PCMU, codec);
		/* The newest is our offer, said anew because of their hold; or, when they came last, our answer. */
		CHECK_STR(outbound ? "4 sendrecv" : "3 recvonly", gist(c->sdp, text));
		world_close(&w);
	}
}

static void our_codec_change_is_refused(void **state)
{
	struct phone_call *c;
	enum codec_id codec;
	struct world w;

	world_open(&w, 600);
	c = call_out(&w);
	w.phone.auto_reanswer = false;
	CHECK_INT(0, leg_reoffer(w.leg, CODEC_PCMU));
	run(&w, 50);
	sip_session_rerefuse(c->s, 488);
	run(&w, 50);
	CHECK_INT(488, w.last_reoffered);
	CHECK(leg_agreed(w.leg, &codec));
	CHECK_INT(CODEC_PCMA, codec);
	CHECK(leg_state(w.leg) == LEG_ANSWERED);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hold_is_held_here),       TEST(an_offer_is_asked_for),       TEST(refreshes_change_nothing),
		TEST(a_lost_peer_is_an_error), TEST(glare_with_our_codec_change), TEST(our_codec_change_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
