#include "fake_talk.h"

#include <sys/socket.h>

#include "media/rtp.h"
#include "net/sock.h"
#include "own_net.h"

static const char *const hold_music[] = { "ring:1:it", NULL };

/* --- the phones --- */

static void take_sdp(struct talker *p, struct str sdp)
{
	const char *m = sdp.n ? strstr(sdp.p, "m=audio ") : NULL;
	uint32_t port = m ? (uint32_t)strtoul(m + 8, NULL, 10) : 0;

	if (port)
		own_addr(1, (uint16_t)port, &p->server);
}

static void on_progress(void *arg, const struct sip_msg *m, int status, struct str body)
{
	struct talker *p = arg;

	p->rings += status == 180;
	p->early += body.n > 0;
	take_sdp(p, body);
}

static void on_answered(void *arg, const struct sip_msg *m, struct str body)
{
	struct talker *p = arg;

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
	struct talker *p = arg;

	p->closed++;
	p->status = end->status;
	p->session = NULL;
	p->server.sa.sa_family = AF_UNSPEC;
	loop_timer_stop(p->world->base.loop, &p->act);
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
	struct talker *p = arg;

	if (p->refuses)
		sip_session_refuse(p->session, 486, STR(""), &(struct sip_fields){ NULL, 0 });
	else
		sip_session_answer(p->session, str_of(p->sdp));
}

static void ring(void *arg)
{
	struct talker *p = arg;

	sip_session_ring(p->session, p->early_media ? 183 : 180, p->early_media ? str_of(p->sdp) : STR(""));
	if (p->answer_ms)
		loop_timer_start(p->world->base.loop, &p->act, p->answer_ms - p->ring_ms, answer, p);
}

static void on_invite(void *arg, struct sip_session *s, const struct sip_invite *in)
{
	struct talker *p = arg;

	p->session = s;
	take_sdp(p, in->sdp);
	sip_session_accept(s, &party, p);
	if (p->ring_ms)
		loop_timer_start(p->world->base.loop, &p->act, p->ring_ms, ring, p);
	else if (p->answer_ms)
		loop_timer_start(p->world->base.loop, &p->act, p->answer_ms, answer, p);
}

static const struct sip_stack_handlers phone_handlers = { .invite = on_invite };

static void open_phone(struct talk *w, struct talker *p, unsigned last)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct sip_stack_opts opts = { .loop = w->base.loop,
				       .dns = fake_dns_door(w->base.dns),
				       .listen = &listen,
				       .listen_count = 1,
				       .user_agent = "phone",
				       .handlers = &phone_handlers,
				       .arg = p };
	char host[ADDR_TEXT], why[160];

	p->world = w;
	p->last = last;
	snprintf(host, sizeof(host), "10.0.0.%u", last);
	opts.net = fake_net_host(w->base.net, host);
	assert_int_equal(0, addr_parse(&listen.addr, str_of(host), 5060));
	assert_int_equal(sip_stack_new(&p->stack, &opts, why), 0);
	own_addr(last, TALK_RTP_PORT, &p->at);
	addr_host(&p->at, host);
	assert_int_equal(sock_udp(&p->fd, &p->at), 0);
	snprintf(p->sdp, sizeof(p->sdp),
		 "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 0\r\n", host, host,
		 TALK_RTP_PORT);
	assert_int_equal(0, decoder_new(&p->decoder, CODEC_PCMU, 8000));
	assert_int_equal(0, encoder_new(&p->encoder, CODEC_PCMU, 8000));
}

static void close_phone(struct talker *p)
{
	sip_stack_free(&p->stack);
	decoder_free(&p->decoder);
	encoder_free(&p->encoder);
	close(p->fd);
}

void talk_dial(struct talk *w)
{
	const struct sip_call_params params = {
		.ruri = STR("sip:main@10.0.0.1:5060"),
		.kind = WIRE_UDP,
		.from_uri = STR("sip:caller@10.0.0.2"),
		.to_uri = STR("sip:main@10.0.0.1"),
		.sdp = str_of(w->a.sdp),
	};
	const char *why;

	w->start_ms = loop_now_ms(w->base.loop);
	assert_int_equal(sip_session_call(&w->a.session, w->a.stack, &params, &party, &w->a, &why), 0);
}

static void say(struct talker *p)
{
	uint8_t packet[RTP_HEADER_BYTES + CODER_MAX_BYTES] = { 0x80 };
	int16_t audio[TALK_FRAME];
	size_t n;

	if (p->hz == 0 || p->server.sa.sa_family == AF_UNSPEC)
		return;
	for (size_t i = 0; i < TALK_FRAME; i++)
		audio[i] = (int16_t)lrint(8000 * sin(2 * M_PI * p->hz * (double)(p->said + i) / 8000));
	n = encoder_run(p->encoder, audio, TALK_FRAME, packet + RTP_HEADER_BYTES);
	rtp_renumber(packet, p->seq++, (uint32_t)p->said, 77);
	p->said += TALK_FRAME;
	assert_true(sendto(p->fd, packet, RTP_HEADER_BYTES + n, 0, &p->server.sa, addr_len(&p->server)) > 0);
}

static void hear(struct talker *p, size_t frame)
{
	uint8_t packet[RTP_MAX_BYTES];
	ssize_t n;

	while ((n = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		int16_t audio[CODER_MAX_SAMPLES];
		struct rtp_header h;

		assert_int_equal(0, rtp_parse(&h, packet, (size_t)n));
		assert_int_equal(TALK_FRAME, decoder_run(p->decoder, packet + h.header_bytes, h.payload_bytes, audio));
		if (frame < TALK_MAX_FRAMES) {
			p->any[frame] = true;
			memcpy(p->heard[frame], audio, sizeof(p->heard[frame]));
		}
	}
}

/* --- the server --- */

static void note(struct talk *w, const char *what, struct str how)
{
	size_t n = strlen(w->log);

	snprintf(w->log + n, sizeof(w->log) - n, "%s%s%s%.*s", n ? "; " : "", what, how.n ? " " : "", STR_ARG(how));
}

static void gone(void *arg, struct call *c)
{
	((struct talk *)arg)->call = NULL;
}

static const struct call_controller by_hand = { .closed = gone };

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct talk *w = arg;

	w->call = c;
	if (w->by_hand)
		call_control(c, &by_hand, w);
	else
		assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void on_event(void *arg, const struct event *ev)
{
	struct talk *w = arg;
	char text[80];

	w->created += ev->type == EVENT_CREATED;
	w->ended += ev->type == EVENT_ENDED;
	if (ev->type == EVENT_OPERATION) {
		if (str_is(event_get(ev, "operation"), "calling.call.collect")) {
			note(w, "collect", event_get(ev, "params"));
			return;
		}
		assert_true(str_is(event_get(ev, "operation"), "calling.call.play"));
		assert_int_equal(36, event_get(ev, "control_id").n);
		str_copy(text, sizeof(text), event_get(ev, "state"));
		assert_string_equal(strcmp(text, "finished") && strcmp(text, "error") ? "false" : "true",
				    event_get(ev, "final").p);
		note(w, "play", str_of(text));
		if (event_get(ev, "params").n)
			assert_true(str_starts(event_get(ev, "params"), "\"error\":\""));
	}
	if (ev->type == EVENT_WARNING)
		note(w, "warn", event_get(ev, "text"));
	if (ev->type == EVENT_CONNECTED || ev->type == EVENT_FAILED)
		note(w, event_name(ev->type), STR(""));
}

struct talk *talk_open(const char *document, const struct fake_page *pages)
{
	static const char *const loopback[] = { "127.0.0.0/8", NULL };
	static const struct fake_page none[] = { { NULL, NULL, FAKE_KEEP } };
	const struct http_client_opts http = { .allow = loopback, .deny_private = true };
	struct sounds_opts sounds = { .keep_bytes = 0 };
	struct talk *w = calloc(1, sizeof(*w));
	char text[1200];
	const struct fake_world_opts opts = { .seed = 1,
					      .document = text,
					      .port_max = 22999,
					      .hold_music = hold_music,
					      .event = on_event,
					      .incoming = incoming,
					      .arg = w };
	const char *at = document ? strchr(document, '@') : NULL;

	assert_non_null(w);
	w->web = fake_http_new();
	fake_http_pages(w->web, pages ? pages : none);
	w->by_hand = !document;
	if (at && at[1] == '/')
		snprintf(text, sizeof(text), "%.*shttp://127.0.0.1:%u%s", (int)(at - document), document,
			 fake_http_port(w->web), at + 1);
	else
		snprintf(text, sizeof(text), "%s", document ? document : "");
	fake_world_open(&w->base, &opts);
	assert_int_equal(http_client_new(&w->client, w->base.loop, &http), 0);
	sounds.loop = w->base.loop;
	sounds.pool = w->base.pool;
	sounds.http = w->client;
	assert_int_equal(sounds_new(&w->sounds, &sounds), 0);
	w->base.scripts.sounds = w->sounds;
	open_phone(w, &w->a, 2);
	open_phone(w, &w->b, 3);
	w->a.hz = 300;
	w->b.hz = 1000;
	return w;
}

void talk_run(struct talk *w, uint32_t ms)
{
	for (uint32_t at = 0; at < ms; at += TALK_FRAME_MS) {
		say(&w->a);
		say(&w->b);
		fake_world_run(&w->base, TALK_FRAME_MS);
		hear(&w->a, (loop_now_ms(w->base.loop) - w->start_ms) / TALK_FRAME_MS);
		hear(&w->b, (loop_now_ms(w->base.loop) - w->start_ms) / TALK_FRAME_MS);
	}
}

void talk_end_calls(struct talk *w)
{
	if (w->a.session)
		sip_session_hangup(w->a.session, STR(""));
	if (w->b.session)
		sip_session_hangup(w->b.session, STR(""));
	fake_world_run(&w->base, 300000);
}

void talk_free_parts(struct talk *w)
{
	close_phone(&w->a);
	close_phone(&w->b);
	sounds_free(&w->sounds);
	http_client_free(&w->client);
	recognizer_free(&w->recognizer);
	if (*w->folder)
		rmdir(w->folder);
}

void talk_free(struct talk *w)
{
	fake_http_free(&w->web);
	free(w);
}

double talker_level(const struct talker *p, double hz, size_t from_ms, size_t to_ms)
{
	double re = 0, im = 0;
	size_t n = 0;

	for (size_t f = from_ms / TALK_FRAME_MS; f < to_ms / TALK_FRAME_MS; f++) {
		for (size_t i = 0; i < TALK_FRAME; i++, n++) {
			re += p->heard[f][i] * cos(2 * M_PI * hz * (double)n / 8000);
			im += p->heard[f][i] * sin(2 * M_PI * hz * (double)n / 8000);
		}
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}

unsigned talker_packets(const struct talker *p, size_t from_ms, size_t to_ms)
{
	unsigned n = 0;

	for (size_t f = from_ms / TALK_FRAME_MS; f < to_ms / TALK_FRAME_MS; f++)
		n += p->any[f];
	return n;
}

bool talker_hears_ring(const struct talker *p, size_t from_ms, size_t to_ms)
{
	return talker_level(p, 440, from_ms, to_ms) > 1000 && talker_level(p, 480, from_ms, to_ms) > 1000;
}
