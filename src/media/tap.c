#include "media/tap.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media/coder.h"
#include "media/rtp.h"
#include "net/sock.h"
#include "net/ws_feed.h"

enum { BYTES_A_MS = TAP_RATE_HZ / 1000, MARKER = 0x80 };

struct tap {
	struct sink sink; /* first: struct sink pointers are cast back */
	struct ws_feed *feed;
	int fd;
	struct addr source;
	atomic_bool closed;      /* signal says, media obeys */
	_Atomic uint64_t unsent; /* packets; media */
	/* media */
	struct encoder *encoder;
	uint32_t ssrc, timestamp;
	uint16_t seq;
	uint8_t payload_type;
	bool begun;
	size_t payload_bytes; /* of a packet */
	size_t held;          /* behind the header's room in packet */
	uint8_t packet[RTP_HEADER_BYTES + TAP_MAX_MS * BYTES_A_MS + TAP_FRAME_BYTES];
	/* signal */
	bool lent, over;
};

static struct tap *tap_of(struct sink *s)
{
	return (struct tap *)(void *)s;
}

/* --- media --- */

static void mix(int16_t *out, const int16_t *said, const int16_t *heard, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int32_t sum = (said ? said[i] : 0) + (heard ? heard[i] : 0);

		out[i] = (int16_t)(sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum);
	}
}

static void send_packet(struct tap *t)
{
	size_t n = RTP_HEADER_BYTES + t->payload_bytes;

	t->packet[0] = 0x80; /* version 2 */
	t->packet[1] = (uint8_t)(t->payload_type | (t->begun ? 0 : MARKER));
	rtp_renumber(t->packet, t->seq++, t->timestamp, t->ssrc);
	t->timestamp += (uint32_t)t->payload_bytes; /* a byte is a tick */
	t->begun = true;
	/* Also news of an earlier packet (nobody listens there): who begins to listen later shall hear it. */
	if (send(t->fd, t->packet, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		atomic_fetch_add(&t->unsent, 1);
}

static void send_packets(struct tap *t, const uint8_t *frame, size_t n)
{
	uint8_t *payload = t->packet + RTP_HEADER_BYTES;

	memcpy(payload + t->held, frame, n);
	t->held += n;
	while (t->held >= t->payload_bytes) {
		send_packet(t);
		t->held -= t->payload_bytes;
		memmove(payload, payload + t->payload_bytes, t->held);
	}
}

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	int16_t sum[TAP_FRAME_BYTES];
	uint8_t frame[CODER_MAX_BYTES];
	struct tap *t = tap_of(s);
	size_t n;

	if (atomic_load(&t->closed))
		return false;
	assert(count == TAP_FRAME_BYTES && rate_hz == TAP_RATE_HZ);
	mix(sum, said, heard, count);
	n = encoder_run(t->encoder, sum, count, frame);
	if (t->feed)
		ws_feed_put(t->feed, frame, n);
	else
		send_packets(t, frame, n);
	return true;
}

/* --- signal --- */

static void tap_free(struct tap *t)
{
	encoder_free(&t->encoder);
	ws_feed_drop(&t->feed);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

static void sink_free(struct sink *s)
{
	struct tap *t = tap_of(s);

	t->lent = false;
	if (t->over)
		tap_free(t);
}

static const struct sink_ops ops = { .push = push, .free = sink_free };

static int open_socket(struct tap *t, const struct tap_opts *o)
{
	bool same = o->from.sa.sa_family == o->to.sa.sa_family;

	return sock_udp_to(&t->fd, &t->source, same ? &o->from : NULL, &o->to);
}

int tap_new(struct tap **out, const struct tap_opts *o)
{
	struct tap *t = calloc(1, sizeof(*t));
	int err;

	assert(o->codec == CODEC_PCMU || o->codec == CODEC_PCMA);
	assert(o->feed || (o->packet_ms >= TAP_MIN_MS && o->packet_ms <= TAP_MAX_MS));
	if (!t)
		return ENOMEM;
	t->sink = (struct sink){ .ops = &ops, .wants = o->wants, .rate_hz = TAP_RATE_HZ };
	t->fd = -1;
	t->ssrc = o->ssrc;
	t->timestamp = o->timestamp;
	t->seq = o->seq;
	t->payload_type = codec_get(o->codec)->payload_type;
	t->payload_bytes = (size_t)o->packet_ms * BYTES_A_MS;
	t->feed = o->feed ? ws_feed_use(o->feed) : NULL;
	err = encoder_new(&t->encoder, o->codec, TAP_RATE_HZ);
	if (!err && !o->feed)
		err = open_socket(t, o);
	if (err) {
		tap_free(t);
		return err;
	}
	*out = t;
	return 0;
}

void tap_source(const struct tap *t, struct addr *out)
{
	*out = t->source;
}

struct sink *tap_lend(struct tap *t)
{
	assert(!t->lent);
	t->lent = true;
	return &t->sink;
}

uint64_t tap_lost_ms(const struct tap *t)
{
	if (t->feed)
		return ws_feed_lost(t->feed) * TAP_FRAME_MS;
	return atomic_load(&t->unsent) * (t->payload_bytes / BYTES_A_MS);
}

void tap_close(struct tap **tap)
{
	struct tap *t = *tap;

	*tap = NULL;
	if (!t)
		return;
	atomic_store(&t->closed, true);
	t->over = true;
	if (!t->lent)
		tap_free(t);
}
