/* Streams: which index a packet has, and that none passes twice. The bytes are secure_cipher.c's. */
#include "media/secure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/secure_cipher.h"

enum {
	WINDOW = 128, /* packets that may come late */
	RTP_HEADER = 12,
	RTCP_HEADER = 8,
	HALF = 0x8000, /* of the sequence numbers */
	ROOM_STEP = 4,
	LAST_RTCP = 0x7fffffff,
};

/* Indexes that were seen: the newest and those up to WINDOW before it. */
struct seen {
	uint64_t newest;
	uint64_t bits[WINDOW / 64]; /* the lowest of the first stands for newest */
};

struct stream {
	uint32_t ssrc;
	struct seen rtp, rtcp;
};

struct way { /* one direction */
	struct secure_cipher *rtp, *rtcp;
	struct secure_key key;
	/* None is forgotten: it would begin again at counter 0, the same key stream twice going out, replay coming in. */
	struct stream *streams;
	size_t sources, room;
	size_t newest; /* the one that was used last */
};

struct secure {
	struct way out, in;
};

/* --- life --- */

static void close_way(struct way *w)
{
	secure_cipher_free(&w->rtp);
	secure_cipher_free(&w->rtcp);
	free(w->streams);
	explicit_bzero(w, sizeof(*w));
}

static int open_way(struct way *w, const struct secure_key *key, bool seals)
{
	struct way opened = { .key = *key };
	int err = key->set ? secure_cipher_new(&opened.rtp, key, false, seals) : EINVAL;

	if (!err)
		err = secure_cipher_new(&opened.rtcp, key, true, seals);
	if (!err)
		*w = opened;
	else
		close_way(&opened);
	secure_forget(&opened.key);
	return err;
}

int secure_new(struct secure **out, const struct secure_pair *keys)
{
	struct secure *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return ENOMEM;
	err = open_way(&s->out, &keys->ours, true);
	if (!err)
		err = open_way(&s->in, &keys->theirs, false);
	if (err)
		secure_free(&s);
	else
		*out = s;
	return err;
}

void secure_free(struct secure **secure)
{
	struct secure *s = *secure;

	if (!s)
		return;
	close_way(&s->out);
	close_way(&s->in);
	free(s);
	*secure = NULL;
}

static bool is_key(const struct way *w, const struct secure_key *key)
{
	return w->key.suite == key->suite && !memcmp(w->key.bytes, key->bytes, secure_key_bytes(key->suite));
}

int secure_keep(struct secure *s, const struct secure_pair *keys)
{
	struct way out = s->out, in = s->in;
	int err = 0;

	if (!is_key(&s->out, &keys->ours))
		err = open_way(&out, &keys->ours, true);
	if (!err && !is_key(&s->in, &keys->theirs))
		err = open_way(&in, &keys->theirs, false);
	if (err && out.rtp != s->out.rtp)
		close_way(&out);
	if (!err && out.rtp != s->out.rtp) {
		close_way(&s->out);
		s->out = out;
	}
	if (!err && in.rtp != s->in.rtp) {
		close_way(&s->in);
		s->in = in;
	}
	secure_forget(&out.key);
	secure_forget(&in.key);
	return err;
}

/* --- indexes --- */

/* RFC 3711 §3.3.1: the index nearest to the newest one. Below the first half of the numbers there was no turn before,
 * so a higher number is just a higher number. */
static uint64_t guess_index(const struct seen *s, uint16_t seq)
{
	uint64_t turn = s->newest & ~(uint64_t)0xffff, guess = turn | seq;

	if (s->newest <= HALF)
		return seq;
	if (guess + HALF < s->newest)
		return guess + 0x10000;
	return turn && guess > s->newest + HALF ? guess - 0x10000 : guess;
}

static bool is_new(const struct seen *s, uint64_t index)
{
	uint64_t back = s->newest - index;

	if (index > s->newest)
		return true;
	return back < WINDOW && !(s->bits[back / 64] >> back % 64 & 1);
}

static void note(struct seen *s, uint64_t index)
{
	uint64_t ahead = index - s->newest, back = s->newest - index;

	if (index <= s->newest) {
		s->bits[back / 64] |= 1ULL << back % 64;
		return;
	}
	if (ahead >= WINDOW) {
		s->bits[0] = s->bits[1] = 0;
	} else if (ahead >= 64) {
		s->bits[1] = s->bits[0] << (ahead - 64);
		s->bits[0] = 0;
	} else {
		s->bits[1] = s->bits[1] << ahead | s->bits[0] >> (64 - ahead);
		s->bits[0] <<= ahead;
	}
	s->bits[0] |= 1;
	s->newest = index;
}

/* --- packets --- */

static uint32_t ssrc_of(const uint8_t *packet, bool rtcp)
{
	const uint8_t *p = packet + (rtcp ? 4 : 8);

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* What stays readable: sources and extension of RTP too. 0 = it does not fit into n. */
static size_t header_of(const uint8_t *packet, bool rtcp, size_t n)
{
	size_t header = rtcp ? RTCP_HEADER : RTP_HEADER;

	if (n < header)
		return 0;
	if (rtcp)
		return header;
	header += 4 * (size_t)(packet[0] & 0x0f);
	if (packet[0] & 0x10) {
		if (header + 4 > n)
			return 0;
		header += 4 + 4 * (size_t)(packet[header + 2] << 8 | packet[header + 3]);
	}
	return header <= n ? header : 0;
}

/* The stream of an SSRC, or *fresh for one that has none yet. NULL = one too many. */
static struct stream *find(struct way *w, uint32_t ssrc, struct stream *fresh)
{
	if (w->newest < w->sources && w->streams[w->newest].ssrc == ssrc)
		return &w->streams[w->newest];
	for (size_t i = 0; i < w->sources; i++) {
		if (w->streams[i].ssrc == ssrc) {
			w->newest = i;
			return &w->streams[i];
		}
	}
	*fresh = (struct stream){ .ssrc = ssrc };
	return w->sources < SECURE_SOURCES ? fresh : NULL;
}

/* Room for one more, before it is used: what has been sealed must be remembered. */
static bool make_room(struct way *w)
{
	struct stream *more;

	if (w->sources < w->room)
		return true;
	more = realloc(w->streams, (w->room + ROOM_STEP) * sizeof(*more));
	if (!more)
		return false;
	w->streams = more;
	w->room += ROOM_STEP;
	return true;
}

static void add(struct way *w, const struct stream *fresh)
{
	w->newest = w->sources;
	w->streams[w->sources++] = *fresh;
}

int secure_protect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n, size_t size)
{
	struct way *w = &s->out;
	struct secure_packet p = { .bytes = packet, .n = *n, .header = header_of(packet, rtcp, *n) };
	struct stream fresh, *stream;
	struct seen *seen;

	if (!p.header || size < SECURE_GROWTH || *n > size - SECURE_GROWTH)
		return EINVAL;
	p.ssrc = ssrc_of(packet, rtcp);
	/* The array may move: room first. */
	stream = make_room(w) ? find(w, p.ssrc, &fresh) : NULL;
	if (!stream)
		return EINVAL;
	seen = rtcp ? &stream->rtcp : &stream->rtp;
	p.index = rtcp ? seen->newest + 1 : guess_index(seen, (uint16_t)(packet[2] << 8 | packet[3]));
	if (rtcp && p.index > LAST_RTCP)
		return EINVAL;
	if (!is_new(seen, p.index))
		return EBADMSG;
	if (!secure_cipher_seal(rtcp ? w->rtcp : w->rtp, &p))
		return EINVAL;
	note(seen, p.index);
	if (stream == &fresh)
		add(w, &fresh);
	*n = p.n;
	return 0;
}

int secure_unprotect(struct secure *s, bool rtcp, uint8_t *packet, size_t *n)
{
	struct way *w = &s->in;
	struct secure_cipher *c = rtcp ? w->rtcp : w->rtp;
	struct secure_packet p = { .bytes = packet, .n = *n };
	struct stream fresh, *stream;
	struct seen *seen;

	if (*n < secure_cipher_growth(c))
		return EINVAL;
	p.header = header_of(packet, rtcp, *n - secure_cipher_growth(c));
	if (!p.header || (rtcp && !secure_cipher_index(c, &p, &p.index)))
		return EINVAL;
	p.ssrc = ssrc_of(packet, rtcp);
	stream = make_room(w) ? find(w, p.ssrc, &fresh) : NULL;
	if (!stream)
		return EINVAL;
	seen = rtcp ? &stream->rtcp : &stream->rtp;
	if (!rtcp)
		p.index = guess_index(seen, (uint16_t)(packet[2] << 8 | packet[3]));
	if (!is_new(seen, p.index) || !secure_cipher_open(c, &p))
		return EBADMSG;
	note(seen, p.index);
	if (stream == &fresh)
		add(w, &fresh);
	*n = p.n;
	return 0;
}
