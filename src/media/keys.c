#include "media/keys.h"

#include <string.h>

enum {
	ON_FRAMES = 5,  /* 100 ms: detectors want 40 */
	OFF_FRAMES = 5, /* 100 ms to the next key, with three end packets in it (RFC 4733 §2.5.1.4) */
	END_FRAMES = 3,
	SHORT_PAUSE_FRAMES = 25,
	LONGEST_FRAMES = 500, /* a key held by a peer that never lets go of it */
	VOLUME = 10,          /* -10 dBm0 */
	END_BIT = 0x80,
	LATE_S = 10, /* a timestamp that is behind by more is a new beginning */
	MAX_CLOCK_HZ = 48000,
	/* A long press goes on with a new timestamp where the duration is full (§2.5.1.3). The packets around that place
	 * may be lost. */
	FULL = UINT16_MAX,
	FULL_SLACK = 0x4000,
};

static const char events[] = "0123456789*#ABCD";

char key_of_event(uint8_t event)
{
	return event < sizeof(events) - 1 ? events[event] : '\0';
}

bool key_is(char c)
{
	return c && strchr(events, c);
}

bool key_text_ok(const char *text)
{
	size_t n = strlen(text);

	return n && n <= KEYS_MAX_TEXT && strspn(text, "0123456789*#ABCDwW") == n;
}

void key_tones(char key, uint16_t *low_hz, uint16_t *high_hz)
{
	static const char pad[] = "123A456B789C*0#D";
	static const uint16_t low[] = { 697, 770, 852, 941 }, high[] = { 1209, 1336, 1477, 1633 };
	const char *at = strchr(pad, key);

	*low_hz = low[(at - pad) / 4 % 4];
	*high_hz = high[(at - pad) % 4];
}

/* --- in --- */

static uint16_t read_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void write_u16(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 8);
	p[1] = (uint8_t)x;
}

static void begin(struct key_in *k, const struct rtp_header *h)
{
	*k = (struct key_in){ .started = true, .ssrc = h->ssrc, .timestamp = h->timestamp, .seq = h->seq };
}

/* The same long press under its next timestamp. */
static bool goes_on(const struct key_in *k, const struct rtp_header *h, uint16_t bit)
{
	uint32_t ahead = h->timestamp - k->timestamp;

	return k->told == bit && !k->ended && !h->marker && ahead <= FULL && ahead >= FULL - FULL_SLACK &&
	       k->duration >= FULL - 2 * FULL_SLACK;
}

/* False: a packet of a press that is over. */
static bool find_press(struct key_in *k, const struct rtp_header *h, uint16_t bit)
{
	int32_t ahead = (int32_t)(h->timestamp - k->timestamp);

	if (!k->started || h->ssrc != k->ssrc) {
		begin(k, h);
	} else if (ahead < 0 && ahead > -LATE_S * MAX_CLOCK_HZ) {
		return false;
	} else if (ahead) {
		if (goes_on(k, h, bit)) {
			k->timestamp = h->timestamp;
			k->duration = 0;
		} else {
			begin(k, h);
		}
	}
	return true;
}

unsigned key_in_take(struct key_in *k, const struct rtp_header *h, const uint8_t *payload, char *key)
{
	bool newer, end;
	unsigned news = 0;
	uint16_t bit, duration;

	*key = h->payload_bytes >= KEY_PACKET_BYTES ? key_of_event(payload[0]) : '\0';
	if (!*key)
		return 0;
	bit = (uint16_t)(1u << payload[0]);
	end = payload[1] & END_BIT;
	duration = read_u16(payload + 2);
	if (!find_press(k, h, bit))
		return 0;
	newer = (int16_t)(h->seq - k->seq) > 0;
	/* Some senders never move the timestamp: what follows an end and is shorter again is the key's next press. */
	if (k->ended & bit && newer && !end && duration < k->duration) {
		k->told &= (uint16_t)~bit;
		k->ended &= (uint16_t)~bit;
	}
	if (!(k->told & bit)) {
		k->told |= bit;
		k->duration = 0;
		news |= KEY_DOWN;
	}
	if (end && !(k->ended & bit)) {
		k->ended |= bit;
		news |= KEY_UP;
	}
	if (newer)
		k->seq = h->seq;
	if (duration > k->duration)
		k->duration = duration;
	return news;
}

/* --- out --- */

void key_out_press(struct key_out *o, char key, bool held)
{
	*o = (struct key_out){ .key = key, .held = held, .on = held ? LONGEST_FRAMES : ON_FRAMES, .off = OFF_FRAMES };
}

/* Not before it has sounded long enough to be heard. */
void key_out_release(struct key_out *o)
{
	uint16_t sent = (uint16_t)(LONGEST_FRAMES - o->on);

	if (!o->held)
		return;
	o->held = false;
	o->on = sent < ON_FRAMES ? (uint16_t)(ON_FRAMES - sent) : 0;
}

void key_out_pause(struct key_out *o, char pause)
{
	*o = (struct key_out){ .off = pause == 'W' ? 2 * SHORT_PAUSE_FRAMES : SHORT_PAUSE_FRAMES };
}

static void sign(struct key_out *o, uint32_t ticks, bool end, struct key_sign *out)
{
	out->timestamp = o->timestamp;
	out->payload[0] = (uint8_t)(strchr(events, o->key) - events);
	out->payload[1] = end ? END_BIT | VOLUME : VOLUME;
	write_u16(out->payload + 2, o->frames * ticks);
}

static bool is_full(const struct key_out *o, uint32_t ticks)
{
	return (o->frames + 1u) * ticks > FULL;
}

static enum key_frame sound(struct key_out *o, uint32_t now, uint32_t ticks, struct key_sign *out)
{
	out->first = !o->begun;
	if (!o->begun)
		o->timestamp = now;
	o->begun = true;
	if (is_full(o, ticks)) {
		o->timestamp += o->frames * ticks;
		o->frames = 0;
	}
	o->frames++;
	o->on--;
	sign(o, ticks, false, out);
	return KEY_FRAME_ON;
}

enum key_frame key_out_frame(struct key_out *o, uint32_t now, uint32_t clock_hz, struct key_sign *out)
{
	uint32_t ticks = clock_hz / (1000 / KEY_FRAME_MS);

	/* It cannot go on in a stream whose clock is another one: timestamps would say something else than durations. */
	if (o->begun && is_full(o, ticks) && now - o->timestamp != o->frames * ticks)
		o->on = 0;
	if (o->on)
		return sound(o, now, ticks, out);
	if (!o->off)
		return KEY_FRAME_IDLE;
	o->held = false; /* it was, for too long */
	o->off--;
	if (!o->key || o->off < OFF_FRAMES - END_FRAMES)
		return KEY_FRAME_PAUSE;
	out->first = false;
	sign(o, ticks, true, out);
	return KEY_FRAME_END;
}
