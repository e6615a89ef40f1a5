/* What a caller hears: whole calls on virtual time between the server and two phones, SIP over a network in memory, RTP
 * over real sockets. The phones write down what they hear, 20 ms at a time. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "call/call_media.h"
#include "call/calls.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "fake_dns.h"
#include "fake_http.h"
#include "fake_net.h"
#include "media/coder.h"
#include "media/rtp.h"
#include "net/http_client.h"
#include "net/sock.h"
#include "op/op_play.h"
#include "op/recognize.h"
#include "op/sound.h"

/* Without a pause, so that it can be told from whoever speaks. */
static const char *const hold_music[] = { "ring:1:it", NULL };
static const double music_hz = 425;

enum { FRAME_MS = 20, FRAME = 160, MAX_FRAMES = 3000, MAX_LOG = 600, RTP_PORT = 26000 };

struct world;

struct phone {
	struct world *world;
	struct sip_stack *stack;
	struct sip_session *session; /* NULL = over, or not yet */
	unsigned last;               /* of 10.0.0.x */
	char sdp[300];
	int fd;
	struct addr at, server; /* RTP; server: family 0 = nothing agreed */
	struct decoder *decoder;
	struct encoder *encoder;
	uint16_t seq;
	size_t said;
	double hz; /* what it says once it knows where to, 0 = nothing */
	unsigned rings, early, answers, closed;
	uint16_t status;
	/* When it is called. */
	uint32_t ring_ms, answer_ms; /* 0 = never */
	bool early_media, refuses;
	struct loop_timer act;
	int16_t heard[MAX_FRAMES][FRAME]; /* by the clock */
	bool any[MAX_FRAMES];
};

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct fake_http *server;
	struct http_client *client;
	struct pool *pool;
	struct fetch *fetch;
	struct sounds *sounds;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct recognizer *recognizer; /* NULL = none */
	char folder[40];               /* of it, "" = none */
	struct script_env scripts;
	struct trunk trunk;
	struct addr_net everybody;
	struct route route;
	struct route_table routes;
	char document[64];
	struct phone a, b;
	struct call *call; /* the one that came in, NULL once it is over */
	bool by_hand;      /* no document: the test plays */
	struct op *op;
	struct op_result result;
	char result_why[320];
	unsigned ops_done;
	char log[MAX_LOG]; /* "play playing; warn …; play finished" */
	unsigned created, ended;
	uint64_t start_ms;
};

/* --- the phones --- */

static void take_sdp(struct phone *p, struct str sdp)
{
	const char *m = sdp.n ? strstr(sdp.p, "m=audio ") : NULL;
	uint32_t port = m ? (uint32_t)strtoul(m + 8, NULL, 10) : 0;

	if (port)
		CHECK_INT(0, addr_parse(&p->server, STR("127.0.0.1"), (uint16_t)port));
}

static void on_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
	struct phone *p = arg;

	p->rings += status == 180;
	p->early += body.n > 0;
	take_sdp(p, body);
}

static void on_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct phone *p = arg;

	p->answers++;
	take_sdp(p, body);
}

static void no_body(void *arg, struct str body)
{
}

static void no_status(void *arg, int status, struct str body)
{
}

static void on_closed(void *arg, const struct sip_end *end)
{
	struct phone *p = arg;

	p->closed++;
	p->status = end->status;
	p->session = NULL;
	p->server.sa.sa_family = AF_UNSPEC;
	loop_timer_stop(p->world->loop, &p->act);
}

static const struct sip_session_handlers party = {
	.progress = on_progress,
	.answered = on_answered,
	.confirmed = no_body,
	.reoffer = no_body,
	.reanswered = no_body,
	.reinvited = no_status,
	.closed = on_closed,
};

static void answer(void *arg)
{
	struct phone *p = arg;

	if (p->refuses)
		sip_session_refuse(p->session, 486, STR(""), &(struct sip_fields){ NULL, 0 });
	else
		sip_session_answer(p->session, str_of(p->sdp));
}

static void ring(void *arg)
{
	struct phone *p = arg;

	sip_session_ring(p->session, p->early_media ? 183 : 180, p->early_media ? str_of(p->sdp) : STR(""));
	if (p->answer_ms)
		loop_timer_start(p->world->loop, &p->act, p->answer_ms - p->ring_ms, answer, p);
}

static void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct phone *p = arg;

	p->session = s;
	take_sdp(p, in->sdp);
	sip_session_accept(s, &party, p);
	if (p->ring_ms)
		loop_timer_start(p->world->loop, &p->act, p->ring_ms, ring, p);
	else if (p->answer_ms)
		loop_timer_start(p->world->loop, &p->act, p->answer_ms, answer, p);
}

static const struct sip_stack_handlers phone_handlers = { .invite = on_invite };

static void open_phone(struct world *w, struct phone *p, unsigned last)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct sip_stack_opts opts = { .loop = w->loop,
				       .dns = fake_dns_door(w->dns),
				       .listen = &listen,
				       .listen_count = 1,
				       .user_agent = "phone",
				       .handlers = &phone_handlers,
				       .arg = p };
	unsigned pid = (unsigned)getpid();
	char host[32], why[160];

	p->world = w;
	p->last = last;
	snprintf(host, sizeof(host), "10.0.0.%u", last);
	opts.net = fake_net_host(w->net, host);
	CHECK_INT(0, addr_parse(&listen.addr, str_of(host), 5060));
	assert_int_equal(sip_stack_new(&p->stack, &opts, why), 0);
	snprintf(host, sizeof(host), "127.%u.%u.%u", 1 + pid / 256 % 254, pid % 256, last);
	CHECK_INT(0, addr_parse(&p->at, str_of(host), RTP_PORT));
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	snprintf(p->sdp, sizeof(p->sdp),
		 "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0\r\n", host, host,
		 RTP_PORT);
	CHECK_INT(0, decoder_new(&p->decoder, CODEC_PCMU, 8000));
	CHECK_INT(0, encoder_new(&p->encoder, CODEC_PCMU, 8000));
}

static void close_phone(struct phone *p)
{
	sip_stack_free(&p->stack);
	decoder_free(&p->decoder);
	encoder_free(&p->encoder);
	close(p->fd);
}

static void dial(struct world *w)
{
	const struct sip_call_params params = {
		.ruri = STR("sip:main@10.0.0.1:5060"),
		.kind = WIRE_UDP,
		.from_uri = STR("sip:caller@10.0.0.2"),
		.to_uri = STR("sip:main@10.0.0.1"),
		.sdp = str_of(w->a.sdp),
	};
	const char *why;

	w->start_ms = loop_now_ms(w->loop);
	assert_int_equal(sip_session_call(&w->a.session, w->a.stack, &params, &party, &w->a, &why), 0);
}

static void say(struct phone *p)
{
	uint8_t packet[RTP_HEADER_BYTES + CODER_MAX_BYTES] = { 0x80 };
	int16_t audio[FRAME];
	size_t n;

	if (p->hz == 0 || p->server.sa.sa_family == AF_UNSPEC)
		return;
	for (size_t i = 0; i < FRAME; i++)
		audio[i] = (int16_t)lrint(8000 * sin(2 * M_PI * p->hz * (double)(p->said + i) / 8000));
	n = encoder_run(p->encoder, audio, FRAME, packet + RTP_HEADER_BYTES);
	rtp_renumber(packet, p->seq++, (uint32_t)p->said, 77);
	p->said += FRAME;
	CHECK(sendto(p->fd, packet, RTP_HEADER_BYTES + n, 0, &p->server.sa, addr_len(&p->server)) > 0);
}

static void hear(struct phone *p, size_t frame)
{
	uint8_t packet[RTP_MAX_BYTES];
	ssize_t n;

	while ((n = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		int16_t audio[CODER_MAX_SAMPLES];
		struct rtp_header h;

		CHECK_INT(0, rtp_parse(&h, packet, (size_t)n));
		CHECK_INT(FRAME, decoder_run(p->decoder, packet + h.header_bytes, h.payload_bytes, audio));
		if (frame < MAX_FRAMES) {
			p->any[frame] = true;
			memcpy(p->heard[frame], audio, sizeof(p->heard[frame]));
		}
	}
}

/* --- the server --- */

static void note(struct world *w, const char *what, struct str how)
{
	size_t n = strlen(w->log);

	snprintf(w->log + n, sizeof(w->log) - n, "%s%s%s%.*s", n ? "; " : "", what, how.n ? " " : "", STR_ARG(how));
}

static void gone(void *arg, struct call *c)
{
	((struct world *)arg)->call = NULL;
}

static const struct call_controller by_hand = { .closed = gone };

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	w->call = c;
	if (w->by_hand)
		call_control(c, &by_hand, w);
	else
		assert_int_equal(script_start(c, &w->scripts, r->swml), 0);
}

static void on_event(void *arg, const struct event *ev)
{
	struct world *w = arg;
	char text[80];

	w->created += ev->type == EVENT_CREATED;
	w->ended += ev->type == EVENT_ENDED;
	if (ev->type == EVENT_OPERATION) {
		if (str_is(event_get(ev, "operation"), "calling.call.collect")) {
			note(w, "collect", event_get(ev, "params"));
			return;
		}
		CHECK(str_is(event_get(ev, "operation"), "calling.call.play"));
		CHECK_INT(36, event_get(ev, "control_id").n);
		str_copy(text, sizeof(text), event_get(ev, "state"));
		CHECK_STR(strcmp(text, "finished") && strcmp(text, "error") ? "false" : "true",
			  event_get(ev, "final").p);
		note(w, "play", str_of(text));
		if (event_get(ev, "params").n)
			CHECK(str_starts(event_get(ev, "params"), "\"error\":\""));
	}
	if (ev->type == EVENT_WARNING)
		note(w, "warn", event_get(ev, "text"));
	if (ev->type == EVENT_CONNECTED || ev->type == EVENT_FAILED)
		note(w, event_name(ev->type), STR(""));
}

static void write_document(struct world *w, const char *text)
{
	int fd;

	str_copy(w->document, sizeof(w->document), STR("/tmp/flow_play_XXXXXX"));
	fd = mkstemp(w->document);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void open_calls(struct world *w)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct media_opts media = { .loop = w->loop, .port_min = 21000, .port_max = 22999, .threads = 0 };
	struct calls_opts opts = {
		.loop = w->loop,
		.events = w->events,
		.routes = &w->routes,
		.default_transport = WIRE_UDP,
		.header_prefix = "X-Crosspoint",
		.hold_music = hold_music,
		.incoming = incoming,
		.arg = w,
		.sip = { .net = fake_net_host(w->net, "10.0.0.1"),
			 .dns = fake_dns_door(w->dns),
			 .listen = &listen,
			 .listen_count = 1,
			 .user_agent = "server" },
	};
	char why[160];

	assert_int_equal(addr_parse(&media.bind, STR("127.0.0.1"), 0), 0);
	assert_int_equal(media_new(&w->media, &media), 0);
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(calls_new(&w->calls, &opts, why), 0);
}

/* document: "@" stands for the address of the web server; NULL = by hand. */
static struct world *open_world(const char *document, const struct fake_page *pages)
{
	static const char *const loopback[] = { "127.0.0.0/8", NULL };
	static const struct fake_page none[] = { { NULL, NULL, FAKE_KEEP } };
	const struct http_client_opts http = { .allow = loopback, .deny_private = true };
	struct sounds_opts sounds = { .keep_bytes = 0 };
	struct world *w = calloc(1, sizeof(*w));
	const char *at = document ? strchr(document, '@') : NULL;
	char text[1200];

	w->server = fake_http_new();
	fake_http_pages(w->server, pages ? pages : none);
	w->by_hand = !document;
	if (at && at[1] == '/')
		snprintf(text, sizeof(text), "%.*shttp://127.0.0.1:%u%s", (int)(at - document), document,
			 fake_http_port(w->server), at + 1);
	else
		snprintf(text, sizeof(text), "%s", document ? document : "");
	write_document(w, text);
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	assert_int_equal(fake_net_new(&w->net, w->loop), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, 0), 0);
	assert_int_equal(fetch_new(&w->fetch, w->loop, w->pool), 0);
	assert_int_equal(http_client_new(&w->client, w->loop, &http), 0);
	sounds.loop = w->loop;
	sounds.pool = w->pool;
	sounds.http = w->client;
	assert_int_equal(sounds_new(&w->sounds, &sounds), 0);
	assert_int_equal(events_new(&w->events, w->loop), 0);
	events_subscribe(w->events, on_event, w);
	w->scripts = (struct script_env){ .fetch = w->fetch, .sounds = w->sounds, .country = "1" };
	assert_int_equal(addr_net_parse(&w->everybody, STR("10.0.0.0/8")), 0);
	w->trunk = (struct trunk){ .name = "all", .uri = "", .accept_from = &w->everybody, .accept_count = 1 };
	w->route = (struct route){ .match = "*", .swml = w->document };
	w->routes = (struct route_table){
		.trunks = &w->trunk, .trunk_count = 1, .routes = &w->route, .route_count = 1, .country = "1"
	};
	open_calls(w);
	open_phone(w, &w->a, 2);
	open_phone(w, &w->b, 3);
	w->a.hz = 300;
	w->b.hz = 1000;
	return w;
}

static void run_ms(struct world *w, uint32_t ms)
{
	for (uint32_t at = 0; at < ms; at += FRAME_MS) {
		say(&w->a);
		say(&w->b);
		loop_run_until(w->loop, loop_now_ms(w->loop) + FRAME_MS);
		hear(&w->a, (loop_now_ms(w->loop) - w->start_ms) / FRAME_MS);
		hear(&w->b, (loop_now_ms(w->loop) - w->start_ms) / FRAME_MS);
	}
}

/* Nothing is left: no call, port, session, op or timer; every leg ended exactly once. */
static void close_world(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		struct phone *p = i ? &w->b : &w->a;

		if (p->session)
			sip_session_hangup(p->session, STR(""));
	}
	loop_run_until(w->loop, loop_now_ms(w->loop) + 300000);
	CHECK_INT(0, calls_count(w->calls));
	CHECK_INT(0, media_ports_open(w->media));
	CHECK_INT(w->created, w->ended);
	calls_free(&w->calls);
	close_phone(&w->a);
	close_phone(&w->b);
	fetch_free(&w->fetch);
	sounds_free(&w->sounds);
	http_client_free(&w->client);
	media_free(&w->media);
	recognizer_free(&w->recognizer);
	if (*w->folder)
		rmdir(w->folder);
	CHECK_INT(0, loop_timer_count(w->loop));
	events_free(&w->events);
	pool_free(&w->pool);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	fake_http_free(&w->server);
	loop_free(&w->loop);
	unlink(w->document);
	free(w);
}

/* Amplitude of a frequency in what was heard from ms to ms after dialling. */
static double level(const struct phone *p, double hz, size_t from_ms, size_t to_ms)
{
	double re = 0, im = 0;
	size_t n = 0;

	for (size_t f = from_ms / FRAME_MS; f < to_ms / FRAME_MS; f++) {
		for (size_t i = 0; i < FRAME; i++, n++) {
			re += p->heard[f][i] * cos(2 * M_PI * hz * (double)n / 8000);
			im += p->heard[f][i] * sin(2 * M_PI * hz * (double)n / 8000);
		}
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}

static unsigned packets(const struct phone *p, size_t from_ms, size_t to_ms)
{
	unsigned n = 0;

	for (size_t f = from_ms / FRAME_MS; f < to_ms / FRAME_MS; f++)
		n += p->any[f];
	return n;
}

/* 440 + 480 Hz */
static bool hears_us_ring(const struct phone *p, size_t from_ms, size_t to_ms)
{
	return level(p, 440, from_ms, to_ms) > 1000 && level(p, 480, from_ms, to_ms) > 1000;
}

/* --- play --- */

static void play_answers_and_is_heard(void **state)
{
	struct world *w = open_world("sections: {main: [{play: 'ring:1:us'}]}", NULL);

	dial(w);
	run_ms(w, 2000);
	CHECK_INT(1, w->a.answers);
	CHECK_INT(1, w->a.closed);
	CHECK(hears_us_ring(&w->a, 100, 1000));
	CHECK(packets(&w->a, 0, 2000) >= 49 && packets(&w->a, 0, 2000) <= 51);
	CHECK(w->a.any[2]); /* no more than 40 ms behind the INVITE */
	CHECK_STR("play playing; play finished", w->log);
	close_world(w);
}

static void without_answering_it_is_early_media(void **state)
{
	struct world *w = open_world("sections: {main: [{play: {url: 'ring:1:us', auto_answer: false}}]}", NULL);

	dial(w);
	run_ms(w, 2000);
	CHECK_INT(1, w->a.early);
	CHECK_INT(0, w->a.answers);
	CHECK_INT(480, w->a.status);
	CHECK(hears_us_ring(&w->a, 100, 1000));
	CHECK_STR("play playing; play finished", w->log);
	close_world(w);
}

#define S "~~~~~~~~~~"
#define TONE_40MS S S S S S S S S S S S S S S S S S S S S S S S S S S S S S S S S
#define AUDIO(length) "HTTP/1.1 200 OK\r\nContent-Type: audio/basic\r\nContent-Length: " length "\r\n\r\n"

/* One behind the other, and the one that comes by URL in between; it was fetched while the first one played. */
static void a_list_is_played_in_order(void **state)
{
	static const struct fake_page pages[] = { { "/a", AUDIO("320") TONE_40MS, FAKE_KEEP },
						  { NULL, NULL, FAKE_KEEP } };
	struct world *w = open_world("sections: {main: [{play: ['silence:0.4', '@/a', 'ring:0.4:us']}]}", pages);

	dial(w);
	run_ms(w, 1500);
	CHECK_INT(1, fake_http_requests(w->server));
	CHECK(level(&w->a, 440, 60, 380) < 10);
	CHECK(hears_us_ring(&w->a, 560, 860));
	CHECK(packets(&w->a, 0, 1500) >= 41 && packets(&w->a, 0, 1500) <= 43);
	CHECK(packets(&w->a, 40, 800) >= 34); /* between two sounds no more than a packet or two is missing */
	CHECK_STR("play playing; play finished", w->log);
	close_world(w);
}

static void what_cannot_be_had_is_left_out(void **state)
{
	static const struct fake_page pages[] = {
		{ "/stall", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", FAKE_HANG }, { NULL, NULL, FAKE_KEEP }
	};
	struct world *w = open_world("sections: {main: [{play: ['@/stall#rt=300', nothing, 'ring:0.4:us']}, "
				     "{play: 'say:x'}, {play: 'ring:0.2:us'}]}",
				     pages);

	dial(w);
	run_ms(w, 2000);
	CHECK(hears_us_ring(&w->a, 100, 400));
	CHECK(strstr(w->log, "play playing; play error; warn http://127.0.0.1:"));
	CHECK(strstr(w->log, "/stall cannot be played: read time-out: nothing came for 300 ms; play error; "
			     "warn say:x cannot be played: there is no speech engine; play playing; play finished"));
	close_world(w);
}

static void the_caller_hangs_up_meanwhile(void **state)
{
	struct world *w = open_world("sections: {main: [{play: 'ring:10:us'}, {play: 'ring:us'}]}", NULL);

	dial(w);
	run_ms(w, 1000);
	sip_session_hangup(w->a.session, STR(""));
	run_ms(w, 1000);
	CHECK_STR("play playing; play finished", w->log);
	CHECK_INT(0, packets(&w->a, 1100, 2000));
	close_world(w);
}

/* --- by hand --- */

static void done(void *arg, const struct op_result *r)
{
	struct world *w = arg;

	w->ops_done++;
	w->op = NULL;
	w->result = *r;
	str_copy(w->result_why, sizeof(w->result_why), str_of(r->why));
}

static struct world *begin_by_hand(const struct play_request *r)
{
	struct world *w = open_world(NULL, NULL);
	struct op_start start = { .done = done, .arg = w };

	dial(w);
	loop_run_until(w->loop, loop_now_ms(w->loop) + 1);
	assert_non_null(w->call);
	start.call = w->call;
	start.sounds = w->sounds;
	CHECK_INT(0, op_play_start(&w->op, &start, r));
	return w;
}

static void it_pauses_and_resumes_and_changes_its_volume(void **state)
{
	static const char *const uris[] = { "ring:2:us" };
	const struct play_request r = { .uris = uris, .count = 1, .answer = true, .volume_db = -12 };
	struct world *w = begin_by_hand(&r);
	double loud, soft;

	run_ms(w, 500);
	op_play_volume(w->op, 0);
	run_ms(w, 500);
	op_play_pause(w->op);
	op_play_pause(w->op);
	run_ms(w, 1000);
	op_play_resume(w->op);
	op_play_resume(w->op);
	run_ms(w, 900);
	CHECK_INT(0, w->ops_done);
	run_ms(w, 200);
	CHECK_INT(1, w->ops_done);
	CHECK_INT(OP_DONE, w->result.outcome);
	soft = level(&w->a, 440, 100, 500);
	loud = level(&w->a, 440, 600, 1000);
	CHECK(fabs(20 * log10(loud / soft) - 12) < 1);
	CHECK(packets(&w->a, 1040, 2000) <= 1);
	CHECK(hears_us_ring(&w->a, 2100, 2900));
	CHECK_STR("play playing; play paused; play playing; play finished", w->log);
	close_world(w);
}

static void paused_before_it_began_it_waits(void **state)
{
	static const char *const uris[] = { "ring:1:us", "ring:1:us" };
	const struct play_request r = { .uris = uris, .count = 2, .answer = true };
	struct world *w = begin_by_hand(&r);

	op_play_pause(w->op);
	run_ms(w, 500);
	CHECK_INT(0, packets(&w->a, 0, 500));
	op_play_resume(w->op);
	run_ms(w, 3000);
	CHECK_STR("play paused; play playing; play finished", w->log);
	CHECK(packets(&w->a, 0, 3500) >= 98);
	close_world(w);
}

static void stopped_it_stops_within_a_packet(void **state)
{
	static const char *const uris[] = { "ring:us" };
	const struct play_request r = { .uris = uris, .count = 1, .answer = true, .loops = true };
	struct world *w = begin_by_hand(&r);

	run_ms(w, 13000);
	CHECK(hears_us_ring(&w->a, 6100, 8000)); /* 2 s on, 4 s off, again */
	CHECK(level(&w->a, 440, 8100, 12000) < 10);
	CHECK(hears_us_ring(&w->a, 12100, 13000));
	op_stop(w->op);
	CHECK_INT(0, w->ops_done);
	run_ms(w, 1000);
	CHECK_INT(1, w->ops_done);
	CHECK_INT(OP_STOPPED, w->result.outcome);
	CHECK(packets(&w->a, 13020, 14000) <= 1);
	CHECK_STR("play playing; play finished", w->log);
	close_world(w);
}

static void a_loop_of_nothing_ends(void **state)
{
	static const char *const uris[] = { "nothing", "say:x" };
	const struct play_request r = { .uris = uris, .count = 2, .answer = true, .loops = true, .quiet = true };
	struct world *w = begin_by_hand(&r);

	run_ms(w, 100);
	CHECK_INT(1, w->ops_done);
	CHECK_INT(OP_FAILED, w->result.outcome);
	CHECK_STR("nothing cannot be played: a sound is http(s)://…, say:…, silence:… or ring:…", w->result_why);
	CHECK_STR("", w->log);
	close_world(w);
}

static void it_ends_whenever_the_call_does(void **state)
{
	static const char *const uris[] = { "silence:0.1", "ring:0.1:us", "nothing" };

	for (uint32_t ms = 0; ms < 400; ms += FRAME_MS) {
		const struct play_request r = { .uris = uris, .count = 3, .answer = true, .loops = ms % 40 };
		struct world *w = begin_by_hand(&r);

		run_ms(w, ms);
		if (w->op && ms % 60 == 0)
			op_play_pause(w->op);
		if (w->call && ms % 100 == 0)
			call_hangup(w->call, CAUSE_HANGUP, "api", "the test hangs up");
		if (w->op && ms % 80 == 0)
			op_stop(w->op);
		run_ms(w, 100);
		close_world(w);
	}
}

/* --- ringback --- */

#define TO_B "to: 'sip:b@10.0.0.3;transport=udp'"

static void a_list_rings_until_the_peer_is_joined(void **state)
{
	struct world *w =
		open_world("sections: {main: [{connect: {" TO_B ", ringback: ['ring:0.5:it', 'silence:0.3']}}]}", NULL);

	w->b.early_media = true;
	w->b.ring_ms = 1000;
	w->b.answer_ms = 3000;
	dial(w);
	run_ms(w, 5000);
	CHECK_INT(1, w->a.answers);
	CHECK(level(&w->a, 425, 100, 500) > 1000); /* before anybody rings */
	CHECK(level(&w->a, 425, 1800, 2600) > 500);
	CHECK(level(&w->a, 1000, 100, 3000) < 100); /* the peer's early media is not heard */
	CHECK(level(&w->a, 1000, 3100, 4900) > 5000);
	CHECK(level(&w->a, 425, 3060, 4900) < 100);
	CHECK(level(&w->b, 300, 3100, 4900) > 5000);
	CHECK_STR("connected", w->log);
	close_world(w);
}

static void an_unanswered_caller_hears_the_list_as_early_media(void **state)
{
	struct world *w =
		open_world("sections: {main: [{connect: {" TO_B ", answer_on_bridge: true, ringback: 'ring:us'}}]}",
			   NULL);

	w->b.ring_ms = 500;
	w->b.answer_ms = 1500;
	dial(w);
	run_ms(w, 1400);
	CHECK_INT(1, w->a.early);
	CHECK_INT(0, w->a.answers);
	CHECK(hears_us_ring(&w->a, 100, 1400));
	run_ms(w, 2000);
	CHECK_INT(1, w->a.answers);
	CHECK(level(&w->a, 1000, 1600, 3300) > 5000);
	CHECK(level(&w->a, 440, 1600, 3300) < 100);
	close_world(w);
}

static void an_answered_caller_hears_a_tone_when_the_peer_rings(void **state)
{
	struct world *w = open_world("sections: {main: [answer, {connect: {" TO_B "}}]}", NULL);

	w->b.ring_ms = 1000;
	w->b.answer_ms = 2500;
	dial(w);
	run_ms(w, 5000);
	CHECK_INT(0, packets(&w->a, 0, 980));
	CHECK(hears_us_ring(&w->a, 1100, 2500));
	CHECK(level(&w->a, 440, 2560, 4900) < 100);
	CHECK(level(&w->a, 1000, 2600, 4900) > 5000);
	close_world(w);
}

static void early_media_is_heard_instead_of_the_tone(void **state)
{
	struct world *w = open_world("sections: {main: [answer, {connect: {" TO_B "}}]}", NULL);

	w->b.early_media = true;
	w->b.ring_ms = 1000;
	w->b.answer_ms = 2500;
	dial(w);
	run_ms(w, 4000);
	CHECK(level(&w->a, 1000, 1100, 2400) > 5000);
	CHECK(level(&w->a, 440, 500, 4000) < 100);
	close_world(w);
}

static void ringback_ends_with_a_failure(void **state)
{
	struct world *w =
		open_world("sections: {main: [{connect: {" TO_B ", ringback: ['ring:us']}}, {sleep: 1000}]}", NULL);

	w->b.refuses = true;
	w->b.answer_ms = 1000;
	dial(w);
	run_ms(w, 3000);
	CHECK(hears_us_ring(&w->a, 100, 1000));
	CHECK(packets(&w->a, 1040, 3000) <= 1);
	CHECK_STR("failed", w->log);
	close_world(w);
}

static void ringback_ends_with_the_caller(void **state)
{
	static const char *const documents[] = {
		"sections: {main: [{connect: {" TO_B ", ringback: ['ring:us', 'silence:0.1']}}]}",
		"sections: {main: [answer, {connect: {" TO_B "}}]}",
		"sections: {main: [{connect: {" TO_B ", ringback: ['say:x']}}]}",
		"sections: {main: [{connect: {" TO_B ", ringback: ['@/x'], answer_on_bridge: true}}]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		for (uint32_t ms = 0; ms < 200; ms += FRAME_MS) {
			struct world *w = open_world(documents[i], NULL);

			w->b.ring_ms = 60;
			w->b.answer_ms = ms % 40 ? 100 : 0;
			dial(w);
			run_ms(w, ms);
			if (w->a.session)
				sip_session_hangup(w->a.session, STR(""));
			run_ms(w, 100);
			close_world(w);
		}
	}
}

/* --- speech --- */

#define HEARD(result) "collect \"result\":{" result "},\"final\":true"

/* It says how many tenths of a second it was given, and with what hints. */
#define COUNTS "echo $(( $(wc -c </dev/stdin) / 3200 )) $0"

static struct world *asking(const char *arguments, const char *script)
{
	static const char *command[5] = { "sh", "-c", NULL, "{hints}", NULL };
	struct recognizer_opts opts = { .command = command };
	char document[400];
	struct world *w;

	snprintf(document, sizeof(document),
		 "sections: {main: [{prompt: {play: ['ring:1:it', 'silence:0.2'], %s}}, {switch: {variable: "
		 "prompt_result, case: "
		 "{match_speech: [{play: 'ring:2:uk'}]}, default: [{sleep: 1}]}}]}",
		 arguments);
	w = open_world(document, NULL);
	command[2] = script;
	opts.loop = w->loop;
	opts.pool = w->pool;
	snprintf(w->folder, sizeof(w->folder), "/tmp/flow_play_%u", (unsigned)getpid());
	opts.folder = w->folder;
	assert_int_equal(recognizer_new(&w->recognizer, &opts), 0);
	w->scripts.recognizer = w->recognizer;
	w->a.hz = 0;
	dial(w);
	return w;
}

static void speak(struct world *w, uint32_t ms)
{
	w->a.hz = 700;
	run_ms(w, ms);
	w->a.hz = 0;
}

static void speech_stops_the_sounds_and_is_understood(void **state)
{
	struct world *w = asking("speech_hints: [ten, nine], speech_end_timeout: 0.4", COUNTS);

	run_ms(w, 500);
	speak(w, 800);
	run_ms(w, 600);
	CHECK(level(&w->a, 425, 200, 480) > 5000);
	CHECK(level(&w->a, 425, 800, 1200) < 100); /* she was heard 0.1 s and some buffers after she began */
	run_ms(w, 1000);
	CHECK(level(&w->a, 450, 2000, 2200) > 1000); /* the document went on: match_speech */
	/* 0.3 s of before, of which 0.1 s is speech; 0.7 s; 0.4 s of silence */
	if (strcmp(HEARD("\"type\":\"speech\",\"params\":{\"text\":\"14 ten,nine\"}") "; play playing", w->log) &&
	    strcmp(HEARD("\"type\":\"speech\",\"params\":{\"text\":\"13 ten,nine\"}") "; play playing", w->log))
		CHECK_STR("1.3 or 1.4 s", w->log);
	close_world(w);
}

static void what_comes_of_speech(void **state)
{
	static const struct {
		const char *arguments, *script;
		uint32_t speaks_ms;
		const char *log;
	} rows[] = {
		{ "speech_timeout: 5", "echo '{\"text\": \"yes\", \"confidence\": 0.9}'", 400,
		  HEARD("\"type\":\"speech\",\"params\":{\"text\":\"yes\",\"confidence\":0.9}") "; play playing" },
		{ "speech_timeout: 5", "true", 400, HEARD("\"type\":\"no_match\"") },
		{ "speech_timeout: 5", "echo broken >&2; false", 400,
		  HEARD("\"type\":\"error\"") "; warn command: it ended with status 1: broken" },
		{ "initial_timeout: 1, speech_timeout: 5", "echo yes", 0, HEARD("\"type\":\"no_input\"") },
		{ "speech_timeout: 1", "echo yes", 3000,
		  HEARD("\"type\":\"speech\",\"params\":{\"text\":\"yes\"}") "; play playing" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = asking(rows[i].arguments, rows[i].script);

		run_ms(w, 500);
		speak(w, rows[i].speaks_ms);
		run_ms(w, 3000);
		CHECK(!strncmp(w->log, rows[i].log, strlen(rows[i].log)));
		if (strncmp(w->log, rows[i].log, strlen(rows[i].log)))
			fprintf(stderr, "%s\nwant %s\n", w->log, rows[i].log);
		close_world(w);
	}
}

/* While she speaks the wait for a first key rests; a key then is what counts, and the engine is not asked any more. */
static void a_key_is_more_than_speech(void **state)
{
	for (uint32_t ms = 40; ms < 1600; ms += 120) {
		struct world *w =
			asking("max_digits: 2, digit_timeout: 1, initial_timeout: 0.5, speech_end_timeout: 0.4",
			       "sleep 0.01; echo yes");
		bool understood;

		run_ms(w, 500);
		w->a.hz = 700;
		run_ms(w, ms < 1000 ? ms : 1000);
		w->a.hz = 0;
		run_ms(w, ms < 1000 ? 0 : ms - 1000);
		understood = *w->log;
		if (w->call)
			call_media_key(w->call, '7');
		run_ms(w, 3000);
		if (!understood)
			CHECK_STR(HEARD("\"type\":\"digit\",\"params\":{\"digits\":\"7\",\"terminator\":\"\"}"),
				  w->log);
		else
			CHECK(!strncmp(w->log, HEARD("\"type\":\"speech\",\"params\":{\"text\":\"yes\"}"), 70));
		CHECK(understood == (ms >= 1480));
		close_world(w);
	}
}

static void a_caller_may_hang_up_while_he_speaks(void **state)
{
	for (uint32_t ms = 20; ms < 1800; ms += 60) {
		struct world *w = asking("speech_end_timeout: 0.4", "sleep 0.01; echo yes");

		run_ms(w, 200);
		w->a.hz = 700;
		run_ms(w, ms < 1000 ? ms : 1000);
		w->a.hz = 0;
		run_ms(w, ms < 1000 ? 0 : ms - 1000);
		if (w->a.session)
			sip_session_hangup(w->a.session, STR(""));
		run_ms(w, 200);
		CHECK_INT(0, calls_count(w->calls));
		close_world(w);
	}
}

/* --- hold --- */

/* A new offer; way: lines behind the usual ones. at: NULL = the address as before. */
static void reoffer(struct phone *p, const char *way, const char *at, unsigned port)
{
	char sdp[400], host[64];

	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 2 IN IP4 x\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0\r\n%s",
		 at ? at : addr_host(&p->at, host), port, way);
	CHECK_INT(0, sip_session_reinvite(p->session, str_of(sdp)));
}

static void hold(struct phone *p, const char *way)
{
	p->hz = 0;
	reoffer(p, way, NULL, RTP_PORT);
}

static void resume(struct phone *p, double hz)
{
	p->hz = hz;
	reoffer(p, "", NULL, RTP_PORT);
}

static struct world *talking(const char *document)
{
	struct world *w = open_world(document, NULL);

	w->b.answer_ms = 100;
	dial(w);
	run_ms(w, 1000);
	CHECK(level(&w->a, 1000, 500, 980) > 5000);
	CHECK(level(&w->b, 300, 500, 980) > 5000);
	return w;
}

static const char two_parties[] = "sections: {main: [{connect: {" TO_B "}}]}";

static void who_is_held_hears_music(void **state)
{
	static const char *const ways[] = { "a=sendonly\r\n", "a=inactive\r\n" };

	for (size_t i = 0; i < 2 * ARRAY_LEN(ways); i++) {
		struct world *w = talking(two_parties);
		struct phone *holder = i & 1 ? &w->a : &w->b, *held = i & 1 ? &w->b : &w->a;
		double hz = holder->hz, other_hz = held->hz;

		hold(holder, ways[i / 2]);
		run_ms(w, 2000);
		CHECK(level(held, music_hz, 1200, 2980) > 5000);
		CHECK(packets(held, 1100, 3000) >= 93); /* without a gap */
		CHECK_INT(0, packets(holder, 1100, 3000));
		resume(holder, hz);
		run_ms(w, 1000);
		CHECK(level(held, hz, 3100, 3980) > 5000);
		CHECK(level(held, music_hz, 3060, 3980) < 100);
		CHECK(level(holder, other_hz, 3100, 3980) > 5000);
		/* What was heard last of the music and first of the peer is at most a packet apart. */
		CHECK(packets(held, 3000, 3200) >= 9);
		close_world(w);
	}
}

/* RFC 2543: an address of zeros. */
static void the_old_hold_is_one_too(void **state)
{
	struct world *w = talking(two_parties);

	w->b.hz = 0;
	reoffer(&w->b, "", "0.0.0.0", RTP_PORT);
	run_ms(w, 1000);
	CHECK(level(&w->a, music_hz, 1200, 1980) > 5000);
	CHECK_INT(0, packets(&w->b, 1100, 2000));
	resume(&w->b, 1000);
	run_ms(w, 1000);
	CHECK(level(&w->a, 1000, 2100, 2980) > 5000);
	CHECK(level(&w->b, 300, 2100, 2980) > 5000);
	close_world(w);
}

static void both_on_hold_hear_nothing(void **state)
{
	struct world *w = talking(two_parties);

	hold(&w->b, "a=sendonly\r\n");
	run_ms(w, 500);
	hold(&w->a, "a=sendonly\r\n");
	run_ms(w, 1500);
	CHECK_INT(0, packets(&w->a, 1600, 3000) + packets(&w->b, 1600, 3000));
	resume(&w->a, 300); /* b still holds: the music is a's now */
	run_ms(w, 1000);
	CHECK(level(&w->a, music_hz, 3100, 3980) > 5000);
	CHECK_INT(0, packets(&w->b, 3000, 4000));
	resume(&w->b, 1000);
	run_ms(w, 1000);
	CHECK(level(&w->a, 1000, 4100, 4980) > 5000);
	CHECK(level(&w->b, 300, 4100, 4980) > 5000);
	CHECK(level(&w->a, music_hz, 4060, 4980) < 100);
	close_world(w);
}

/* A caller who holds while others ring hears no ringback; whoever answers then hears music until he comes back. */
static void a_hold_while_it_rings(void **state)
{
	struct world *w = open_world("sections: {main: [answer, {connect: {" TO_B ", ringback: ['ring:us']}}]}", NULL);

	w->b.ring_ms = 500;
	w->b.answer_ms = 2000;
	dial(w);
	run_ms(w, 1000);
	CHECK(hears_us_ring(&w->a, 600, 980));
	hold(&w->a, "a=sendonly\r\n");
	run_ms(w, 2000);
	CHECK_INT(0, packets(&w->a, 1100, 3000));
	CHECK(level(&w->b, music_hz, 2200, 2980) > 5000);
	resume(&w->a, 300);
	run_ms(w, 1000);
	CHECK(level(&w->a, 1000, 3100, 3980) > 5000);
	CHECK(level(&w->b, 300, 3100, 3980) > 5000);
	close_world(w);
}

static void music_ends_with_either_party(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct world *w = talking(two_parties);

		hold(i & 1 ? &w->a : &w->b, "a=inactive\r\n");
		run_ms(w, 500);
		sip_session_hangup(i & 2 ? w->a.session : w->b.session, STR(""));
		run_ms(w, 200);
		CHECK_INT(0, packets(&w->a, 1560, 1700) + packets(&w->b, 1560, 1700));
		CHECK_INT(0, calls_count(w->calls));
		close_world(w);
	}
}

/* Back and forth at every moment: nothing is left behind, and the last word counts. */
static void holds_at_any_time(void **state)
{
	for (uint32_t ms = 20; ms < 400; ms += FRAME_MS) {
		struct world *w = talking(two_parties);

		hold(&w->b, "a=sendonly\r\n");
		run_ms(w, ms);
		resume(&w->b, 1000);
		run_ms(w, 60);
		hold(&w->b, "a=inactive\r\n");
		run_ms(w, ms);
		resume(&w->b, 1000);
		run_ms(w, 1000);
		CHECK(level(&w->a, 1000, 1200 + 2 * ms, 1900 + 2 * ms) > 5000);
		CHECK(level(&w->a, music_hz, 1200 + 2 * ms, 1900 + 2 * ms) < 100);
		close_world(w);
	}
}

/* Its audio goes to and comes from somewhere else, both ways, with music in between or not. */
static void a_party_moves(void **state)
{
	for (unsigned held = 0; held < 2; held++) {
		struct world *w = talking(two_parties);
		struct addr at;
		char host[64];
		int fd;

		if (held) {
			hold(&w->b, "a=sendonly\r\n");
			run_ms(w, 500);
		}
		snprintf(host, sizeof(host), "127.%u.%u.9", 1 + (unsigned)getpid() / 256 % 254,
			 (unsigned)getpid() % 256);
		assert_int_equal(addr_parse(&at, str_of(host), RTP_PORT + 20), 0);
		assert_int_equal(sock_udp(&fd, &at), 0);
		close(w->b.fd);
		w->b.fd = fd;
		w->b.hz = 1000;
		reoffer(&w->b, "", host, RTP_PORT + 20);
		run_ms(w, 1000);
		CHECK(level(&w->a, 1000, 1100 + 500 * held, 1900 + 500 * held) > 5000);
		CHECK(level(&w->b, 300, 1100 + 500 * held, 1900 + 500 * held) > 5000);
		close_world(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(play_answers_and_is_heard),
		TEST(without_answering_it_is_early_media),
		TEST(a_list_is_played_in_order),
		TEST(what_cannot_be_had_is_left_out),
		TEST(the_caller_hangs_up_meanwhile),
		TEST(it_pauses_and_resumes_and_changes_its_volume),
		TEST(paused_before_it_began_it_waits),
		TEST(stopped_it_stops_within_a_packet),
		TEST(a_loop_of_nothing_ends),
		TEST(it_ends_whenever_the_call_does),
		TEST(a_list_rings_until_the_peer_is_joined),
		TEST(an_unanswered_caller_hears_the_list_as_early_media),
		TEST(an_answered_caller_hears_a_tone_when_the_peer_rings),
		TEST(early_media_is_heard_instead_of_the_tone),
		TEST(ringback_ends_with_a_failure),
		TEST(ringback_ends_with_the_caller),
		TEST(speech_stops_the_sounds_and_is_understood),
		TEST(what_comes_of_speech),
		TEST(a_key_is_more_than_speech),
		TEST(a_caller_may_hang_up_while_he_speaks),
		TEST(who_is_held_hears_music),
		TEST(the_old_hold_is_one_too),
		TEST(both_on_hold_hear_nothing),
		TEST(a_hold_while_it_rings),
		TEST(music_ends_with_either_party),
		TEST(holds_at_any_time),
		TEST(a_party_moves),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
