#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mq.h"
#include "media/denoise.h"
#include "media/jitter.h"
#include "media/mix.h"
#include "media/resample.h"
#include "media/sink.h"
#include "media/source.h"
#include "media/worker_audio_impl.h"

/* --- life --- */

static void on_tick(void *arg);

static void start_ticking(struct worker *w)
{
	if (w->tick.active)
		return;
	w->tick_due_ms = loop_now_ms(w->loop) + TICK_MS;
	loop_timer_start(w->loop, &w->tick, TICK_MS, on_tick, w);
}

static struct audio *ensure(struct worker_port *p)
{
	struct worker *w = p->worker;
	struct audio *a;

	if (p->audio)
		return p->audio;
	a = calloc(1, sizeof(*a));
	if (!a) {
		log_printf(LOG_ERROR, NULL, "media: no memory for audio");
		return NULL;
	}
	a->port = p;
	a->rate_hz = audio_rate_of(p);
	list_init(&a->playing);
	list_init(&a->listeners);
	a->phase = (w->phase + 1) % PHASES; /* whose turn is next: what is played begins within a tick */
	list_append(&w->ticking[a->phase], &a->node);
	p->audio = a;
	start_ticking(w);
	return a;
}

static void free_audio(struct worker_port *p)
{
	struct audio *a = p->audio;

	list_remove(&a->node);
	audio_free_coders(a);
	free(a);
	p->audio = NULL;
}

/* Ports that hear each other are served in the same tick: what one says now the other hears now. */
static void share_phase(struct audio *a, const struct audio *with)
{
	if (a->phase == with->phase)
		return;
	a->phase = with->phase;
	list_remove(&a->node);
	list_append(&a->port->worker->ticking[a->phase], &a->node);
}

/* Nothing of it goes on as it came, and what is decoded waits for a tick anyway. */
static bool is_read_by_tick(const struct worker_port *p)
{
	bool relayed = p->sink && !p->sink->local && !audio_makes(p->sink);

	return p->audio && p->audio->decodes && !p->local && !relayed;
}

static void refresh_reading(struct worker_port *p)
{
	rtp_read_by_tick(p, is_read_by_tick(p));
	if (p->source)
		rtp_read_by_tick(p->source, is_read_by_tick(p->source));
}

static void refresh_one(struct worker_port *p)
{
	bool needed = audio_is_needed(p);

	if (!p->audio && needed)
		ensure(p);
	if (p->audio)
		audio_refresh_coders(p->audio);
	if (p->audio && !needed)
		free_audio(p);
	else if (p->audio && p->source && p->source->audio)
		share_phase(p->audio, p->source->audio);
	else if (p->audio && p->sink && p->sink->audio)
		share_phase(p->audio, p->sink->audio);
	refresh_reading(p);
}

void audio_refresh(struct worker_port *p)
{
	refresh_one(p);
	if (p->sink)
		refresh_one(p->sink);
	if (p->source && p->source != p->sink)
		refresh_one(p->source);
}

/* --- what the party says --- */

void audio_take(struct worker_port *p, const struct rtp_header *h)
{
	struct audio *a = p->audio;

	noise_stop(&a->noise);
	if (a->decodes)
		jitter_put(a->jitter, h, p->worker->packet + h->header_bytes, p->worker->came_us);
}

void audio_take_noise(struct worker_port *p, const struct rtp_header *h)
{
	noise_take(&p->audio->noise, p->worker->packet + h->header_bytes, h->payload_bytes,
		   loop_now_ms(p->worker->loop));
}

/* pcm: a->decoded_count samples, room behind them. */
static void conceal(struct audio *a, int16_t *pcm)
{
	size_t count = a->packet_count ? a->packet_count : frame_of(a->rate_hz);
	struct jitter_packet next = { 0 };

	jitter_peek(a->jitter, &next);
	decoder_conceal(a->decoder, next.payload, next.n, pcm + a->decoded_count, count);
	a->decoded_count += count;
}

/* One packet's worth more, or what stands for it. false = there is nothing. */
static bool decode_more(struct audio *a, uint64_t now_us, int16_t *pcm)
{
	struct jitter_packet packet;
	size_t count;

	switch (jitter_get(a->jitter, now_us, &packet)) {
	case JITTER_PACKET:
		count = decoder_run(a->decoder, packet.payload, packet.n, pcm + a->decoded_count);
		if (!count) {
			conceal(a, pcm);
			return true;
		}
		a->packet_count = count;
		a->decoded_count += count;
		return true;
	case JITTER_MISSING:
		conceal(a, pcm);
		return true;
	case JITTER_EMPTY:
		break;
	}
	return false;
}

/* Decoded, or what stands for it. False: nothing. */
static bool hear_packets(struct audio *a, uint64_t now_us)
{
	size_t frame = frame_of(a->rate_hz), have;
	int16_t pcm[DECODED_MAX + FRAME_MAX]; /* the same memory for all ports: it is in the cache */

	memcpy(pcm, a->decoded, a->decoded_count * sizeof(pcm[0]));
	while (a->decoded_count < frame && decode_more(a, now_us, pcm))
		;
	have = a->decoded_count < frame ? a->decoded_count : frame;
	memcpy(a->said, pcm, have * sizeof(a->said[0]));
	memset(a->said + have, 0, (frame - have) * sizeof(a->said[0]));
	a->decoded_count -= have;
	memcpy(a->decoded, pcm + have, a->decoded_count * sizeof(pcm[0]));
	return have > 0 || noise_make(&a->noise, a->said + have, frame - have, now_us / 1000);
}

static void hear_party(struct audio *a, uint64_t now_us)
{
	size_t frame = frame_of(a->rate_hz);

	a->talks = a->port->local ? local_hear(a->port, a->said, frame) : hear_packets(a, now_us);
	if (keys_need_audio(a->port))
		keys_listen(a->port, a->said, frame, a->rate_hz);
	if (a->denoiser && a->talks)
		denoiser_run(a->denoiser, a->said);
}

/* --- what it hears --- */

/* The peer's 20 ms at our rate, or zeros. Returns false when it says nothing. */
static bool add_peer(struct audio *a)
{
	const struct worker_port *peer = a->port->source;
	size_t frame = frame_of(a->rate_hz), have, count;
	int16_t at_rate[FRAME_MAX];

	if (!peer || !peer->audio || !peer->audio->decodes || !peer->audio->talks)
		return false;
	if (peer->audio->rate_hz == a->rate_hz) {
		memcpy(a->heard, peer->audio->said, frame * sizeof(a->heard[0]));
		return true;
	}
	if (a->from_peer && a->peer_hz != peer->audio->rate_hz)
		resampler_free(&a->from_peer);
	a->peer_hz = peer->audio->rate_hz;
	if (!a->from_peer && resampler_new(&a->from_peer, a->peer_hz, a->rate_hz))
		return false;
	count = frame_of(a->peer_hz);
	have = resampler_run(a->from_peer, peer->audio->said, &count, at_rate, FRAME_MAX);
	memcpy(a->heard, at_rate, (have < frame ? have : frame) * sizeof(a->heard[0]));
	return true;
}

static void end_playing(struct audio *a, struct playing *p, enum port_played how)
{
	struct worker_event event = {
		.news = WORKER_PLAYED,
		.port = a->port->number,
		.played = { p->what.id, how },
	};

	list_remove(&p->node);
	p->what.source->ops->free(p->what.source);
	free(p);
	mq_send_reserved(a->port->worker->events, &event);
}

static bool fills(const struct audio *a)
{
	for (const struct list *n = a->playing.next; n != &a->playing; n = n->next) {
		if (LIST_ITEM(n, struct playing, node)->what.fills)
			return true;
	}
	return false;
}

/* Returns true when something was played, be it silence. peer_heard: what only fills its silence waits. */
static bool add_playing(struct audio *a, bool peer_heard)
{
	size_t frame = frame_of(a->rate_hz);
	struct list *next;
	bool any = false;

	for (struct list *n = a->playing.next; n != &a->playing; n = next) {
		struct playing *p = LIST_ITEM(n, struct playing, node);
		int16_t audio[FRAME_MAX];
		size_t got;

		next = n->next;
		if (p->paused || (p->what.fills && peer_heard))
			continue;
		got = p->what.source->ops->pull(p->what.source, audio, frame, a->rate_hz);
		mix_add(a->heard, audio, got, p->what.gain);
		any = any || got;
		if (got < frame)
			end_playing(a, p, PORT_PLAYED);
	}
	return any;
}

static void write_header(uint8_t *packet, struct audio *a)
{
	const struct rtp_out *o = &a->port->out;

	packet[0] = 0x80;
	packet[1] = (uint8_t)(a->port->send_pt | (o->paused ? MARKER : 0));
	rtp_renumber(packet, o->seq, o->timestamp, o->ssrc);
}

static void send_packet(struct audio *a, const int16_t *audio, size_t count)
{
	uint8_t *packet = a->port->worker->packet;
	size_t n = encoder_run(a->encoder, audio, count, packet + RTP_HEADER_BYTES);

	if (!n) { /* silence that the party does without: the next packet begins a talkspurt */
		a->port->out.paused = true;
		return;
	}
	write_header(packet, a);
	a->port->out.seq++;
	a->port->out.paused = false;
	a->port->out.made = true;
	rtp_transmit(a->port, RTP_HEADER_BYTES + n);
}

static void send_next(struct audio *a, const int16_t *audio, size_t count)
{
	send_packet(a, audio, count);
	a->port->out.timestamp += coder_ticks(a->encoder_codec, a->rate_hz, count);
}

/* 20 ms more; out as many packets as are full. The time stamp is that of the first sample that waits. */
static void send_heard(struct audio *a)
{
	size_t frame = frame_of(a->rate_hz), at = 0;
	size_t count = (a->port->packet_ms ? a->port->packet_ms : FRAME_MS) * a->rate_hz / 1000;

	if (count == frame && !a->unsent_count) {
		send_next(a, a->heard, count);
		return;
	}
	memcpy(a->unsent + a->unsent_count, a->heard, frame * sizeof(a->heard[0]));
	a->unsent_count += frame;
	for (; a->unsent_count - at >= count; at += count)
		send_next(a, a->unsent + at, count);
	a->unsent_count -= at;
	memmove(a->unsent, a->unsent + at, a->unsent_count * sizeof(a->unsent[0]));
}

/* Nothing is sent while nobody says anything: the timestamp goes on, and the next packet bears the marker. */
static void send_20ms(struct audio *a, bool any, enum keys_said keys)
{
	size_t frame = frame_of(a->rate_hz);
	struct rtp_out *o = &a->port->out;

	if (!a->makes && keys == KEYS_NONE)
		return;
	/* What waits for its packet to be full goes out with silence behind it, unless a key comes between. */
	if (a->makes && keys != KEYS_EVENT && (any || keys == KEYS_TONE || a->unsent_count)) {
		send_heard(a);
	} else {
		audio_drop_unsent(a);
		o->paused = true;
		o->timestamp += coder_ticks(a->port->codec, a->rate_hz, frame);
	}
	o->left_ms = loop_now_ms(a->port->worker->loop) - a->unsent_count * 1000 / a->rate_hz;
}

static void speak_to_party(struct audio *a)
{
	size_t frame = frame_of(a->rate_hz);
	enum keys_said keys;
	bool any, peer;

	memset(a->heard, 0, frame * sizeof(a->heard[0]));
	peer = add_peer(a);
	any = add_playing(a, fills(a) && fill_yields(&a->fill, peer ? a->heard : NULL, frame)) || peer;
	keys = keys_speak(a->port, a->heard, frame, a->rate_hz);
	if (!a->port->may_send) /* a party on hold hears nothing, so its recording has nothing either */
		memset(a->heard, 0, frame * sizeof(a->heard[0]));
	if (a->port->local)
		local_say(a->port, a->makes && any && keys == KEYS_NONE ? a->heard : NULL, frame);
	else
		send_20ms(a, any, keys);
}

void audio_expect_loss(struct worker_port *p, unsigned percent)
{
	if (p->audio && p->audio->encoder)
		encoder_expect_loss(p->audio->encoder, percent);
}

void audio_tell_key(struct worker_port *p, char key)
{
	if (!p->audio)
		return;
	for (struct list *n = p->audio->listeners.next; n != &p->audio->listeners; n = n->next) {
		struct sink *s = LIST_ITEM(n, struct listener, node)->sink;

		if (s->ops->digit)
			s->ops->digit(s, key);
	}
}

/* --- who listens --- */

static void end_listener(struct audio *a, struct listener *l)
{
	struct worker_event event = {
		.news = WORKER_DETACHED,
		.port = a->port->number,
		.detached = { l->id, l->sink },
	};

	list_remove(&l->node);
	resampler_free(&l->said);
	resampler_free(&l->heard);
	free(l);
	mq_send_reserved(a->port->worker->events, &event);
}

/* A direction at the rate of the listener. */
static const int16_t *at_rate(struct resampler **r, uint32_t from_hz, uint32_t to_hz, const int16_t *in, int16_t *out)
{
	size_t want = frame_of(to_hz), have, count = frame_of(from_hz);

	if (from_hz == to_hz)
		return in;
	if (!*r && resampler_new(r, from_hz, to_hz))
		return in; /* at the wrong speed, until there is memory again */
	have = resampler_run(*r, in, &count, out, want);
	memset(out + have, 0, (want - have) * sizeof(*out));
	return out;
}

static void tell_news(const struct audio *a, struct listener *l)
{
	const struct worker_event event = {
		.news = WORKER_SINK_NEWS,
		.port = a->port->number,
		.sink_news = { l->id, l->sink->news },
	};

	if (l->sink->news && !mq_send(a->port->worker->events, &event))
		l->sink->news = 0;
}

static void push_all(struct audio *a)
{
	struct list *next;

	for (struct list *n = a->listeners.next; n != &a->listeners; n = next) {
		struct listener *l = LIST_ITEM(n, struct listener, node);
		int16_t said[FRAME_MAX], heard[FRAME_MAX];
		const int16_t *s = NULL, *h = NULL;
		bool goes_on;

		next = n->next;
		if (l->from_hz != a->rate_hz) {
			resampler_free(&l->said);
			resampler_free(&l->heard);
			l->from_hz = a->rate_hz;
		}
		if (l->sink->wants & SINK_SAID)
			s = at_rate(&l->said, a->rate_hz, l->rate_hz, a->said, said);
		if (l->sink->wants & SINK_HEARD)
			h = at_rate(&l->heard, a->rate_hz, l->rate_hz, a->heard, heard);
		goes_on = l->sink->ops->push(l->sink, s, h, frame_of(l->rate_hz), l->rate_hz);
		tell_news(a, l);
		if (!goes_on)
			end_listener(a, l);
	}
}

/* --- the tick --- */

/* A packet may change who is in the list: that keys are passed on begins with one. */
static void read_all(struct list *ports)
{
	struct list unread, *n;

	list_init(&unread);
	list_splice(&unread, ports);
	while ((n = list_first(&unread))) {
		list_remove(n);
		list_append(ports, n);
		rtp_read_all(LIST_ITEM(n, struct audio, node)->port);
	}
}

static void serve(struct worker *w, struct list *ports)
{
	uint64_t now_us = loop_now_us(w->loop);
	struct list *next;

	read_all(ports);
	rtp_gather(w);
	for (struct list *n = ports->next; n != ports; n = n->next) {
		struct audio *a = LIST_ITEM(n, struct audio, node);

		if (a->decodes)
			hear_party(a, now_us);
	}
	for (struct list *n = ports->next; n != ports; n = n->next)
		speak_to_party(LIST_ITEM(n, struct audio, node));
	rtp_send_gathered(w);
	for (struct list *n = ports->next; n != ports; n = n->next)
		push_all(LIST_ITEM(n, struct audio, node));
	for (struct list *n = ports->next; n != ports; n = next) {
		next = n->next;
		/* What has ended just now may make coders, and this port's audio, superfluous. */
		refresh_one(LIST_ITEM(n, struct audio, node)->port);
	}
}

static void on_tick(void *arg)
{
	struct worker *w = arg;
	uint64_t now_ms = loop_now_ms(w->loop);

	if (now_ms > w->tick_due_ms + LATEST_MS)
		w->tick_due_ms = now_ms;
	w->phase = (w->phase + 1) % PHASES;
	serve(w, &w->ticking[w->phase]);
	for (unsigned i = 0; i < PHASES; i++) {
		if (list_empty(&w->ticking[i]))
			continue;
		w->tick_due_ms += TICK_MS;
		loop_timer_start(w->loop, &w->tick, w->tick_due_ms > now_ms ? w->tick_due_ms - now_ms : 0, on_tick, w);
		return;
	}
}

void audio_stop(struct worker *w)
{
	loop_timer_stop(w->loop, &w->tick);
}

/* --- to another worker --- */

/* The next turn of a port, by the ticks of its worker. */
static uint64_t turn_of(const struct worker *w, unsigned phase)
{
	return w->tick_due_ms + (phase == (w->phase + 1) % PHASES ? 0 : TICK_MS);
}

void audio_leave(struct worker_port *p)
{
	struct audio *a = p->audio;

	if (!a)
		return;
	a->due_ms = turn_of(p->worker, a->phase);
	list_remove(&a->node);
}

void audio_arrive(struct worker_port *p)
{
	struct worker *w = p->worker;
	struct audio *a = p->audio;

	if (!a)
		return;
	start_ticking(w);
	/* The turn that is nearest to the one it would have had: what is made goes on at its pace. */
	a->phase = (w->phase + 1) % PHASES;
	if (a->due_ms > w->tick_due_ms + TICK_MS / 2)
		a->phase = (a->phase + 1) % PHASES;
	list_append(&w->ticking[a->phase], &a->node);
}

/* --- commands --- */

void audio_play(struct worker_port *p, const struct worker_play *play)
{
	struct playing *new = calloc(1, sizeof(*new));
	struct audio *a = new ? ensure(p) : NULL;

	if (!a) {
		struct worker_event event = {
			.news = WORKER_PLAYED,
			.port = p->number,
			.played = { play->id, PORT_GONE },
		};

		free(new);
		play->source->ops->free(play->source);
		mq_send_reserved(p->worker->events, &event);
		return;
	}
	new->what = *play;
	list_append(&a->playing, &new->node);
	audio_refresh(p);
}

static struct playing *find_playing(struct worker_port *p, uint32_t id)
{
	if (!p->audio)
		return NULL;
	for (struct list *n = p->audio->playing.next; n != &p->audio->playing; n = n->next) {
		struct playing *found = LIST_ITEM(n, struct playing, node);

		if (found->what.id == id)
			return found;
	}
	return NULL;
}

void audio_control(struct worker_port *p, const struct worker_control *control)
{
	struct playing *found = find_playing(p, control->id);

	if (!found) {
		if (control->verb == PORT_STOP)
			keys_stop(p, control->id);
		return;
	}
	switch (control->verb) {
	case PORT_STOP:
		end_playing(p->audio, found, PORT_STOPPED);
		audio_refresh(p);
		break;
	case PORT_PAUSE:
		found->paused = true;
		break;
	case PORT_RESUME:
		found->paused = false;
		break;
	case PORT_GAIN:
		found->what.gain = control->gain;
		break;
	}
}

void audio_denoise(struct worker_port *p, bool on)
{
	p->denoises = on;
	audio_refresh(p);
}

void audio_attach(struct worker_port *p, uint32_t id, struct sink *s)
{
	struct listener *l = calloc(1, sizeof(*l));
	struct audio *a = l ? ensure(p) : NULL;

	if (!a) {
		struct worker_event event = {
			.news = WORKER_DETACHED,
			.port = p->number,
			.detached = { id, s },
		};

		free(l);
		mq_send_reserved(p->worker->events, &event);
		return;
	}
	*l = (struct listener){ .id = id, .sink = s, .rate_hz = s->rate_hz };
	list_append(&a->listeners, &l->node);
	audio_refresh(p);
}

void audio_detach(struct worker_port *p, uint32_t id)
{
	struct list *next;

	if (!p->audio)
		return;
	for (struct list *n = p->audio->listeners.next; n != &p->audio->listeners; n = next) {
		struct listener *l = LIST_ITEM(n, struct listener, node);

		next = n->next;
		if (l->id == id)
			end_listener(p->audio, l);
	}
	audio_refresh(p);
}

void audio_close(struct worker_port *p)
{
	struct audio *a = p->audio;
	struct list *n;

	if (!a)
		return;
	while ((n = list_first(&a->playing)))
		end_playing(a, LIST_ITEM(n, struct playing, node), PORT_GONE);
	while ((n = list_first(&a->listeners)))
		end_listener(a, LIST_ITEM(n, struct listener, node));
	free_audio(p);
}
