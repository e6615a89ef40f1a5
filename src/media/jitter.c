#include "media/jitter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 32, /* a power of two; 320 ms of 10 ms packets */
	DEFAULT_MIN_MS = 15,
	DEFAULT_MAX_MS = 200,
	STRETCHES = 3,    /* in a row, then it is a pause */
	WINDOW = 100,     /* packets, between two judgements of the delay */
	SPARE_US = 25000, /* more than a packet and a tick: what may be left out */
};

struct slot {
	bool used, marker;
	uint8_t buffer; /* its payload's */
	uint16_t seq, n;
	uint32_t timestamp;
	uint64_t came_us;
};

struct jitter {
	uint32_t min_us, max_us;
	uint16_t max_payload;
	bool running; /* a packet has been taken, and there was no pause since */
	bool started; /* next is known */
	bool taken;   /* a packet of this stream: what is before next has had its turn */
	uint32_t ssrc;
	uint16_t next;      /* sequence number that is taken next */
	uint16_t highest;   /* that has come */
	uint16_t waiting;   /* slots in use */
	unsigned stretches; /* in a row; what of them a gap has not paid back */
	unsigned seen;      /* packets of this window */
	uint64_t least_us;  /* that one of them has waited */
	struct jitter_stats stats;
	struct slot slots[SLOTS];
	/* Buffers not in use; the one that was given back last is taken first, for it is still in the cache. */
	uint8_t spare[SLOTS];
	uint8_t bytes[]; /* SLOTS buffers of max_payload */
};

int jitter_new(struct jitter **out, const struct jitter_opts *opts)
{
	struct jitter *j = calloc(1, sizeof(*j) + (size_t)SLOTS * opts->max_payload);

	if (!j)
		return ENOMEM;
	j->min_us = 1000 * (opts->min_ms ? opts->min_ms : DEFAULT_MIN_MS);
	j->max_us = 1000 * (opts->max_ms ? opts->max_ms : DEFAULT_MAX_MS);
	j->max_payload = opts->max_payload;
	for (uint8_t i = 0; i < SLOTS; i++)
		j->spare[i] = i;
	*out = j;
	return 0;
}

void jitter_free(struct jitter **j)
{
	free(*j);
	*j = NULL;
}

static void begin_window(struct jitter *j)
{
	j->seen = 0;
	j->least_us = UINT64_MAX;
}

static void drop(struct jitter *j, struct slot *s)
{
	s->used = false;
	j->spare[SLOTS - j->waiting--] = s->buffer;
}

void jitter_reset(struct jitter *j)
{
	for (size_t i = 0; i < SLOTS && j->waiting; i++) {
		if (j->slots[i].used)
			drop(j, &j->slots[i]);
	}
	j->started = j->running = j->taken = false;
	j->stretches = 0;
	begin_window(j);
}

static struct slot *slot_of(struct jitter *j, uint16_t seq)
{
	return &j->slots[seq % SLOTS];
}

static const uint8_t *bytes_of(const struct jitter *j, const struct slot *s)
{
	return j->bytes + (size_t)s->buffer * j->max_payload;
}

/* Two of the first packets have changed places; the slots hold all from this one to the highest. */
static bool may_go_back(const struct jitter *j, uint16_t seq)
{
	return !j->taken && (uint16_t)(j->highest - seq) < SLOTS;
}

void jitter_put(struct jitter *j, const struct rtp_header *h, const uint8_t *payload, uint64_t now_us)
{
	int16_t ahead = (int16_t)(uint16_t)(h->seq - j->next);
	struct slot *s = slot_of(j, h->seq);

	if (!h->payload_bytes || h->payload_bytes > j->max_payload) {
		j->stats.dropped++;
		return;
	}
	if (!j->started || h->ssrc != j->ssrc || ahead >= SLOTS || ahead < -SLOTS) {
		jitter_reset(j);
		j->started = true;
		j->ssrc = h->ssrc;
		j->next = j->highest = h->seq;
	} else if (ahead < 0 && !may_go_back(j, h->seq)) {
		j->stats.late++;
		return;
	} else if (ahead < 0) {
		j->next = h->seq;
	} else if ((int16_t)(uint16_t)(h->seq - j->highest) > 0) {
		j->highest = h->seq;
	}
	if (s->used) {
		j->stats.doubled++;
		return;
	}
	*s = (struct slot){
		.used = true,
		.marker = h->marker,
		.seq = h->seq,
		.n = h->payload_bytes,
		.timestamp = h->timestamp,
		.came_us = now_us,
		.buffer = j->spare[SLOTS - ++j->waiting],
	};
	memcpy(j->bytes + (size_t)s->buffer * j->max_payload, payload, h->payload_bytes);
}

static void hand_out(struct jitter *j, uint64_t now_us, struct jitter_packet *out)
{
	struct slot *s = slot_of(j, j->next);
	uint64_t waited = now_us - s->came_us;

	/* The buffer stays as it is until the next packet comes. */
	*out = (struct jitter_packet){ bytes_of(j, s), s->n, s->timestamp, s->marker };
	drop(j, s);
	j->next++;
	j->running = j->taken = true;
	j->stretches = 0;
	j->stats.delay_ms = (uint32_t)(waited / 1000);
	if (waited < j->least_us)
		j->least_us = waited;
	j->seen++;
}

/* Every packet of the window has waited longer than it had to; or so much waits that the delay is over its limit. */
static bool should_shorten(struct jitter *j, uint64_t now_us)
{
	bool spare = j->seen >= WINDOW && j->least_us > j->min_us + SPARE_US;

	if (j->seen >= WINDOW)
		begin_window(j);
	if (j->waiting < 2 || !slot_of(j, j->next)->used)
		return false;
	return spare || now_us - slot_of(j, j->next)->came_us > j->max_us;
}

/* The stream begins, or begins again after a pause: its first packet waits a moment for those that may be late. Then the
 * numbers before it are skipped. */
static bool is_ripe(struct jitter *j, uint64_t now_us)
{
	uint16_t first = j->next;

	while (!slot_of(j, first)->used)
		first++;
	if (now_us - slot_of(j, first)->came_us < j->min_us)
		return false;
	j->next = first;
	return true;
}

enum jitter_result jitter_get(struct jitter *j, uint64_t now_us, struct jitter_packet *out)
{
	if (!j->waiting) {
		if (!j->running)
			return JITTER_EMPTY;
		j->stats.stretched += !j->stretches;
		j->running = ++j->stretches < STRETCHES;
		return j->running ? JITTER_MISSING : JITTER_EMPTY;
	}
	if (!j->running && !is_ripe(j, now_us))
		return JITTER_EMPTY;
	while (should_shorten(j, now_us)) {
		drop(j, slot_of(j, j->next++));
		j->stats.dropped++;
	}
	if (!slot_of(j, j->next)->used) {
		j->next++;
		j->stats.lost++;
		if (!j->stretches)
			return JITTER_MISSING;
		/* Its place has been concealed already, while we waited for it. */
		j->stretches--;
		return jitter_get(j, now_us, out);
	}
	hand_out(j, now_us, out);
	return JITTER_PACKET;
}

bool jitter_peek(const struct jitter *j, struct jitter_packet *out)
{
	const struct slot *s = &j->slots[j->next % SLOTS];

	if (!s->used)
		return false;
	*out = (struct jitter_packet){ bytes_of(j, s), s->n, s->timestamp, s->marker };
	return true;
}

void jitter_get_stats(const struct jitter *j, struct jitter_stats *out)
{
	*out = j->stats;
}
