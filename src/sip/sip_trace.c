#include "sip/sip_trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/map.h"
#include "sip/hep.h"

enum { ALIGN = 8, BYTES_PER_BUCKET = 1024 };

/* A record lies in the ring in one piece, at its position modulo the size, with its key and its text behind it. Positions
 * only grow, so what has been overwritten is known by its number, and nothing has to be taken out. */
struct record {
	uint64_t before; /* the one before it in its chain, 0 = none */
	uint64_t at_us;
	struct addr local, remote;
	uint32_t key_n, text_n;
	uint8_t kind, note, wire;
};

struct sip_trace {
	struct loop *loop;
	struct hep *hep;
	uint64_t seed;
	uint64_t head; /* position of the next record */
	size_t bytes;
	char *ring;
	size_t bucket_count; /* a power of two */
	uint64_t *buckets;   /* the newest record of each chain */
};

int sip_trace_new(struct sip_trace **out, const struct sip_trace_opts *opts)
{
	struct sip_trace *t = calloc(1, sizeof(*t));

	if (!t)
		return ENOMEM;
	t->loop = opts->loop;
	t->hep = opts->hep;
	t->seed = loop_random(opts->loop);
	t->bytes = opts->bytes / ALIGN * ALIGN;
	t->head = t->bytes; /* so that 0 is no position */
	for (t->bucket_count = 1; t->bucket_count < t->bytes / BYTES_PER_BUCKET; t->bucket_count *= 2)
		;
	if (t->bytes) {
		t->ring = malloc(t->bytes);
		t->buckets = calloc(t->bucket_count, sizeof(*t->buckets));
	}
	if (t->bytes && (!t->ring || !t->buckets)) {
		sip_trace_free(&t);
		return ENOMEM;
	}
	*out = t;
	return 0;
}

void sip_trace_free(struct sip_trace **tp)
{
	struct sip_trace *t = *tp;

	if (!t)
		return;
	free(t->ring);
	free(t->buckets);
	free(t);
	*tp = NULL;
}

bool sip_trace_keeps(const struct sip_trace *t)
{
	return t && t->bytes;
}

uint64_t sip_trace_wall_us(const struct sip_trace *t, uint64_t at_us)
{
	return loop_wall_ms(t->loop) * 1000 - (loop_now_us(t->loop) - at_us);
}

/* --- writing --- */

static uint64_t *bucket_of(const struct sip_trace *t, struct str key)
{
	return &t->buckets[map_hash(key, t->seed) & (t->bucket_count - 1)];
}

/* Room for n bytes in one piece; returns its position. */
static uint64_t make_room(struct sip_trace *t, size_t n)
{
	size_t at = (size_t)(t->head % t->bytes);
	uint64_t position;

	if (at + n > t->bytes)
		t->head += t->bytes - at;
	position = t->head;
	t->head += n;
	return position;
}

static void append(struct sip_trace *t, const struct sip_trace_item *i)
{
	size_t n = (sizeof(struct record) + i->key.n + i->text.n + ALIGN - 1) / ALIGN * ALIGN;
	struct record r = {
		.at_us = i->at_us,
		.local = i->local,
		.remote = i->remote,
		.key_n = (uint32_t)i->key.n,
		.text_n = (uint32_t)i->text.n,
		.kind = (uint8_t)i->kind,
		.note = i->note,
		.wire = (uint8_t)i->wire,
	};
	uint64_t *bucket, position;
	char *to;

	if (n > t->bytes)
		return;
	bucket = bucket_of(t, i->key);
	r.before = *bucket;
	position = make_room(t, n);
	*bucket = position;
	to = t->ring + position % t->bytes;
	memcpy(to, &r, sizeof(r));
	memcpy(to + sizeof(r), i->key.p, i->key.n);
	memcpy(to + sizeof(r) + i->key.n, i->text.p, i->text.n);
}

/* In a message of ours, which writes the name in one way only. */
static struct str printed_call_id(struct str text)
{
	static const char name[] = "\r\nCall-ID: ";
	const char *p = memmem(text.p, text.n, name, sizeof(name) - 1), *end;
	struct str rest;

	if (!p)
		return STR("");
	rest = str_from(text, (size_t)(p - text.p) + sizeof(name) - 1);
	end = memchr(rest.p, '\r', rest.n);
	return end ? str_head(rest, (size_t)(end - rest.p)) : STR("");
}

void sip_trace_message(struct sip_trace *t, const struct sip_trace_item *i)
{
	struct sip_trace_item item;

	if (!t)
		return;
	item = *i;
	item.at_us = loop_now_us(t->loop);
	if (!item.key.p)
		item.key = printed_call_id(item.text);
	if (t->bytes)
		append(t, &item);
	if (t->hep)
		hep_send(t->hep, &item, sip_trace_wall_us(t, item.at_us));
}

void sip_trace_note(struct sip_trace *t, uint8_t note, struct str key, struct str text)
{
	const struct sip_trace_item item = {
		.kind = SIP_TRACE_NOTE, .note = note, .key = key, .text = text, .at_us = t ? loop_now_us(t->loop) : 0
	};

	if (t && t->bytes)
		append(t, &item);
}

/* --- reading --- */

void sip_trace_find(const struct sip_trace *t, struct str key, bool (*fn)(void *arg, const struct sip_trace_item *i),
		    void *arg)
{
	uint64_t position = t->bytes ? *bucket_of(t, key) : 0;

	while (position && position + t->bytes >= t->head) {
		const char *at = t->ring + position % t->bytes;
		struct sip_trace_item i = { .position = position };
		struct record r;

		memcpy(&r, at, sizeof(r));
		i.kind = (enum sip_trace_kind)r.kind;
		i.note = r.note;
		i.wire = (enum wire_kind)r.wire;
		i.local = r.local;
		i.remote = r.remote;
		i.at_us = r.at_us;
		i.key = (struct str){ at + sizeof(r), r.key_n };
		i.text = (struct str){ at + sizeof(r) + r.key_n, r.text_n };
		if (str_eq(i.key, key) && !fn(arg, &i))
			return;
		assert(r.before < position);
		position = r.before;
	}
}
