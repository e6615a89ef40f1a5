#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mq.h"
#include "media/key_detect.h"
#include "media/tone.h"
#include "media/worker_impl.h"

enum {
	MAX_WAITING = 32,     /* keys passed on faster than they can be sent */
	SILENT_MS = 250,      /* a press of which nothing more comes is over */
	MAX_ALLOWANCE = 32,   /* presses at once … */
	ALLOWANCE_MS = 50,    /* … and one more each so often: more is no finger */
	TONE_PART_MS = 60000, /* a plan for longer than any key */
};

/* Keys that were asked for. */
struct sending {
	struct list node;
	uint32_t id;
	char *text;
	size_t at;
};

/* What is being sent to a party. */
struct keying {
	struct key_out out;
	struct list sendings; /* of struct sending */
	/* Presses of the party it hears. The newest of them may last still. */
	char waiting[MAX_WAITING];
	size_t waiting_count;
	bool last_lasts;
	uint64_t lasted_ms; /* the newest sign of that */
	struct tone tone;
	struct tone_plan plan;
};

static uint64_t now_of(const struct worker_port *p)
{
	return loop_now_ms(p->worker->loop);
}

/* --- what a party presses --- */

static bool spend_allowance(struct worker_port *p)
{
	struct worker_keys *k = &p->keys;
	uint64_t more = (now_of(p) - k->allowance_ms) / ALLOWANCE_MS;

	if (more >= (uint64_t)MAX_ALLOWANCE - k->allowance) {
		k->allowance = MAX_ALLOWANCE;
		k->allowance_ms = now_of(p);
	} else {
		k->allowance = (uint16_t)(k->allowance + more);
		k->allowance_ms += more * ALLOWANCE_MS;
	}
	if (!k->allowance) {
		p->stats.invalid++;
		return false;
	}
	k->allowance--;
	return true;
}

static bool comes_by(struct worker_port *p, enum key_way way)
{
	if (p->keys.way == KEY_WAY_NONE)
		p->keys.way = way;
	return p->keys.way == way;
}

static void tell_key(struct worker_port *p, char key)
{
	const struct worker_event event = { .news = WORKER_KEY, .port = p->number, .key = key };

	audio_tell_key(p, key);
	if (mq_send(p->worker->events, &event))
		p->stats.invalid++;
}

/* --- what is sent --- */

bool keys_are_sent(const struct worker_port *p)
{
	return p->keys.keying;
}

bool keys_sound(const struct worker_port *p)
{
	return p->keys.keying && p->keys.keying->out.key;
}

static struct keying *ensure(struct worker_port *p)
{
	struct keying *k = p->keys.keying;

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k) {
		log_printf(LOG_ERROR, NULL, "media: no memory for keys");
		return NULL;
	}
	list_init(&k->sendings);
	p->keys.keying = k;
	audio_refresh(p);
	if (p->audio && !audio_makes(p))
		rtp_take_up(p); /* for the events alone: the audio cannot be made */
	if (p->audio)
		return k;
	free(k);
	p->keys.keying = NULL;
	return NULL;
}

static void tell_sent(struct worker_port *p, uint32_t id, enum port_played how)
{
	const struct worker_event event = { .news = WORKER_PLAYED, .port = p->number, .played = { id, how } };

	mq_send_reserved(p->worker->events, &event);
}

static void end_sending(struct worker_port *p, struct sending *s, enum port_played how)
{
	list_remove(&s->node);
	tell_sent(p, s->id, how);
	free(s->text);
	free(s);
}

void keys_send(struct worker_port *p, uint32_t id, char *text)
{
	struct sending *s = calloc(1, sizeof(*s));
	struct keying *k = s ? ensure(p) : NULL;

	if (!k) {
		free(s);
		free(text);
		tell_sent(p, id, PORT_GONE);
		return;
	}
	s->id = id;
	s->text = text;
	list_append(&k->sendings, &s->node);
}

/* A key that has begun sounds to its end. */
void keys_stop(struct worker_port *p, uint32_t id)
{
	struct keying *k = p->keys.keying;

	for (struct list *n = k ? k->sendings.next : NULL; n && n != &k->sendings; n = n->next) {
		struct sending *s = LIST_ITEM(n, struct sending, node);

		if (s->id != id)
			continue;
		if (!k->out.key)
			k->out = (struct key_out){ .off = 0 };
		end_sending(p, s, PORT_STOPPED);
		return;
	}
}

static void pass_press(struct worker_port *to, char key, bool lasts)
{
	struct keying *k = ensure(to);

	if (!k || k->waiting_count == MAX_WAITING)
		return;
	key_out_release(&k->out);
	k->waiting[k->waiting_count++] = key;
	k->last_lasts = lasts;
	k->lasted_ms = now_of(to);
}

static void pass_release(struct worker_port *to)
{
	struct keying *k = to->keys.keying;

	if (!k)
		return;
	k->last_lasts = false;
	if (!k->waiting_count)
		key_out_release(&k->out);
}

/* The next key of what waits. False: there is none. */
static bool next_key(struct worker_port *p, struct keying *k)
{
	struct list *n;

	if (k->waiting_count) {
		char key = k->waiting[0];

		memmove(k->waiting, k->waiting + 1, --k->waiting_count);
		key_out_press(&k->out, key, k->last_lasts && !k->waiting_count);
		return true;
	}
	while ((n = list_first(&k->sendings))) {
		struct sending *s = LIST_ITEM(n, struct sending, node);
		char c = s->text[s->at];

		if (!c) {
			end_sending(p, s, PORT_PLAYED);
			continue;
		}
		s->at++;
		if (key_is(c))
			key_out_press(&k->out, c, false);
		else
			key_out_pause(&k->out, c);
		return true;
	}
	return false;
}

static enum keys_said send_sign(struct worker_port *p, const struct key_sign *sign)
{
	struct rtp_out *o = &p->out;
	uint8_t *packet = p->worker->packet;

	packet[0] = 0x80;
	packet[1] = (uint8_t)(p->event_send_pt | (sign->first ? 0x80 : 0));
	rtp_renumber(packet, o->seq++, sign->timestamp, o->ssrc);
	o->made = true;
	memcpy(packet + RTP_HEADER_BYTES, sign->payload, sizeof(sign->payload));
	rtp_transmit(p, RTP_HEADER_BYTES + sizeof(sign->payload));
	return KEYS_EVENT;
}

static void sound(struct keying *k, const struct key_sign *sign, int16_t *heard, size_t count, uint32_t rate_hz)
{
	if (sign->first) {
		k->plan = (struct tone_plan){ .parts = { { .ms = TONE_PART_MS } } };
		key_tones(k->out.key, &k->plan.parts[0].hz, &k->plan.parts[0].with);
		k->tone = (struct tone){ .plan = &k->plan };
	}
	tone_run(&k->tone, heard, count, rate_hz);
}

enum keys_said keys_speak(struct worker_port *p, int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct keying *k = p->keys.keying;
	bool events = p->event_send_pt != MEDIA_NO_PT;
	struct key_sign sign = { 0 };
	enum key_frame frame;

	if (!k || !p->may_send) /* a party on hold gets them afterwards */
		return KEYS_NONE;
	if (k->last_lasts && now_of(p) - k->lasted_ms > SILENT_MS)
		pass_release(p);
	frame = key_out_frame(&k->out, p->out.timestamp, p->event_clock_hz, &sign);
	if (frame == KEY_FRAME_IDLE) {
		if (!next_key(p, k)) {
			free(k);
			p->keys.keying = NULL;
			return KEYS_NONE;
		}
		frame = key_out_frame(&k->out, p->out.timestamp, p->event_clock_hz, &sign);
	}
	if (frame == KEY_FRAME_PAUSE)
		return KEYS_NONE;
	if (p->local && sign.first)
		local_press(p, k->out.key);
	if (p->local)
		return KEYS_EVENT;
	if (events)
		return send_sign(p, &sign);
	memset(heard, 0, count * sizeof(*heard));
	if (frame == KEY_FRAME_ON)
		sound(k, &sign, heard, count, rate_hz);
	return KEYS_TONE;
}

/* --- from one to the other --- */

/* Packet by packet, as it came: nothing else is in the stream of this party, and durations mean the same to it. */
static bool can_relay(const struct worker_port *p, const struct worker_port *to)
{
	return !audio_makes(to) && !keys_are_sent(to) && to->event_send_pt != MEDIA_NO_PT &&
	       to->event_clock_hz == p->event_clock_hz;
}

/* A press goes one way to its end: another timestamp in the middle would be another press. */
static void pass(struct worker_port *p, const struct rtp_header *h, size_t n, unsigned news, char key)
{
	struct worker_port *to = p->sink;

	if (!to || !to->may_send)
		return;
	if (news & KEY_DOWN)
		p->keys.relayed = can_relay(p, to);
	if (can_relay(p, to) && (!key || p->keys.relayed)) {
		rtp_relay(to, h, to->event_send_pt, n);
		return;
	}
	if (!key || p->keys.relayed)
		return;
	if (news & KEY_DOWN)
		pass_press(to, key, !(news & KEY_UP));
	else if (news & KEY_UP)
		pass_release(to);
	else if (to->keys.keying)
		to->keys.keying->lasted_ms = now_of(to);
}

void keys_take(struct worker_port *p, const struct rtp_header *h, size_t n)
{
	unsigned news;
	char key;

	if (!p->may_listen || !comes_by(p, KEY_WAY_RTP))
		return;
	news = key_in_take(&p->keys.in, h, p->worker->packet + h->header_bytes, &key);
	if (news & KEY_DOWN && !spend_allowance(p))
		return;
	pass(p, h, n, news, key);
	if (news & KEY_DOWN)
		tell_key(p, key);
}

void keys_press(struct worker_port *p, char key)
{
	if (!comes_by(p, KEY_WAY_SIGNALLED) || !spend_allowance(p))
		return;
	if (p->sink && p->sink->may_send)
		pass_press(p->sink, key, false);
	tell_key(p, key);
}

/* --- tones in what a party says --- */

static bool wants_tones(const struct worker_port *p)
{
	return p->keys.watched && p->event_recv_pt == MEDIA_NO_PT;
}

bool keys_need_audio(const struct worker_port *p)
{
	return wants_tones(p);
}

void keys_listen(struct worker_port *p, const int16_t *said, size_t count, uint32_t rate_hz)
{
	struct worker_keys *k = &p->keys;
	char keys[8];
	size_t n;

	if (k->detector && k->detector_hz != rate_hz)
		key_detector_free(&k->detector);
	k->detector_hz = rate_hz;
	if (!k->detector && key_detector_new(&k->detector, rate_hz))
		return;
	n = key_detector_run(k->detector, said, count, keys);
	/* Whoever hears the party hears the tone: the audio carries it. */
	for (size_t i = 0; i < n; i++) {
		if (comes_by(p, KEY_WAY_TONES) && spend_allowance(p))
			tell_key(p, keys[i]);
	}
}

void keys_watch(struct worker_port *p, bool on)
{
	p->keys.watched = on;
	if (!on)
		key_detector_free(&p->keys.detector);
	audio_refresh(p);
}

/* --- life --- */

void keys_agree(struct worker_port *p)
{
	p->keys.way = KEY_WAY_NONE; /* after a transfer it may be another device */
	if (!wants_tones(p))
		key_detector_free(&p->keys.detector);
}

void keys_close(struct worker_port *p)
{
	struct keying *k = p->keys.keying;
	struct list *n;

	p->keys.watched = false;
	key_detector_free(&p->keys.detector);
	if (!k)
		return;
	while ((n = list_first(&k->sendings)))
		end_sending(p, LIST_ITEM(n, struct sending, node), PORT_GONE);
	free(k);
	p->keys.keying = NULL;
}
