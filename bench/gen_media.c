/* Audio of the calls that are up: packets at even distances in both directions, and how long each was on its way. */
#include "gen.h"

#include <errno.h>
#include <string.h>

enum {
	FRAMES_PER_S = 50,
	FRAME_NS = 20000000,
	SAMPLE_NS = 125000,  /* of G.711 */
	WARM_UP_FRAMES = 50, /* not counted: the server learns where the peers are */
	HEADER_BYTES = 12,
	PAYLOAD_BYTES = 160,
	MARKED_BYTES = HEADER_BYTES + PAYLOAD_BYTES,
	ROOM_BYTES = 512,  /* a frame of any codec, and SRTP's tag */
	APART = 41,        /* frames between what two streams say */
	BURST = 16,        /* sent in one round, when late */
	LATE_NS = 1000000, /* from here on the schedule moves: a burst after a pause of ours is not what phones do */
	DRAIN_NS = 300000000,
};

struct packet {
	uint8_t rtp[HEADER_BYTES];
	union {
		struct {
			uint32_t call, to_callee, frame;
			uint64_t sent_ns;
		} __attribute__((packed)) mark;
		uint8_t bytes[ROOM_BYTES];
	};
} __attribute__((aligned(8)));

static bool is_coded(const struct gen *g, const struct side *s)
{
	return !g->direct && s->speech.frames;
}

static uint32_t ticks_of(const struct side *s)
{
	return s->payload == PAYLOAD_OPUS ? 960 : 160; /* also of G.722 (RFC 3551 §4.5.2) */
}

static void write_header(const struct gen *g, struct packet *p, const struct side *from, uint32_t frame,
			 uint32_t stream)
{
	uint16_t seq = htons((uint16_t)frame);
	uint32_t at = htonl(frame * ticks_of(from)), ssrc = htonl(stream + 1);

	p->rtp[0] = 0x80;
	p->rtp[1] = from->payload == PAYLOAD_OPUS ? (uint8_t)g->opts.opus_type : (uint8_t)from->payload;
	memcpy(p->rtp + 2, &seq, 2);
	memcpy(p->rtp + 4, &at, 4);
	memcpy(p->rtp + 8, &ssrc, 4);
}

/* What stream says in this frame; its length. */
static size_t say(struct gen *g, struct packet *p, const struct side *from, uint32_t frame, uint32_t stream)
{
	struct call *c = &g->calls[stream / 2];
	uint32_t at = frame + stream * APART;
	bool narrow = stream & 1 ? c->caller_narrow : c->callee_narrow;
	const struct speech *speech = narrow && from->narrow.frames ? &from->narrow : &from->speech;
	const struct speech_frame *f;

	if (!is_coded(g, from)) {
		memset(p->bytes, 0, PAYLOAD_BYTES);
		p->mark.call = c->number;
		p->mark.to_callee = stream & 1;
		p->mark.frame = frame;
		p->mark.sent_ns = wall_ns();
		return MARKED_BYTES;
	}
	f = &speech->frame[at % speech->frames];
	memcpy(p->bytes, f->bytes, f->n);
	if (speech_is_burst(g, at))
		c->burst_ns[!(stream & 1)] = frame < WARM_UP_FRAMES ? 0 : wall_ns();
	return HEADER_BYTES + (size_t)f->n;
}

/* Packet i of all: streams take turns, so that the packets of one frame spread over its 20 ms. */
static void send_packet(struct gen *g, uint64_t i)
{
	uint32_t streams = 2 * (uint32_t)g->opts.calls, frame = (uint32_t)(i / streams),
		 stream = (uint32_t)(i % streams);
	bool to_callee = stream & 1;
	struct side *from = to_callee ? &g->caller_m : &g->callee_m;
	struct call *c = &g->calls[stream / 2];
	struct sockaddr_in to = g->target;
	struct packet p;
	size_t n;

	write_header(g, &p, from, frame, stream);
	n = say(g, &p, from, frame, stream);
	to.sin_port = htons(to_callee ? c->caller_rtp : c->callee_rtp);
	if (g->direct)
		to = to_callee ? g->callee_m.addr : g->caller_m.addr;
	else if (to_callee && c->ours)
		secure_seal(c, &p, &n);
	if (sendto(from->fd, &p, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != ECONNREFUSED)
		die("send RTP");
	g->counting = frame >= WARM_UP_FRAMES;
	g->n.sent += g->counting;
}

/* What the server has made anew bears no mark: it is counted, and its bursts are looked for. */
static void take_coded(struct gen *g, struct call *c, bool to_callee, const struct arrival *a)
{
	struct side *s = to_callee ? &g->callee_m : &g->caller_m;
	uint64_t *sent_ns = &c->burst_ns[!to_callee];
	int at;

	g->n.received += g->counting;
	if (!g->opts.bursts || !*sent_ns || a->n <= HEADER_BYTES)
		return;
	at = speech_burst(s->payload, (const uint8_t *)a->bytes + HEADER_BYTES, a->n - HEADER_BYTES);
	if (at < 0)
		return;
	/* The burst was the beginning of its packet; where it begins later in this one it is heard later. */
	hist_add(&g->delay, *sent_ns, a->at_ns + (uint64_t)at * SAMPLE_NS);
	hist_add(&g->seen, *sent_ns, wall_ns() + (uint64_t)at * SAMPLE_NS);
	*sent_ns = 0;
}

static void take_marked(struct gen *g, const struct call *from, bool to_callee, const struct arrival *a)
{
	struct packet p;

	memcpy(&p, a->bytes, MARKED_BYTES);
	/* Calls are told apart by the server's port; the mark must say the same. */
	if (a->n != MARKED_BYTES ||
	    (!g->direct && (!from || from->number != p.mark.call || to_callee != p.mark.to_callee))) {
		g->n.strays++;
		return;
	}
	if (p.mark.frame < WARM_UP_FRAMES)
		return;
	g->n.received++;
	hist_add(&g->delay, p.mark.sent_ns, a->at_ns);
	hist_add(&g->seen, p.mark.sent_ns, wall_ns());
}

void media_take(struct gen *g, const struct arrival *a)
{
	uint16_t port = ntohs(a->from.sin_port);
	struct call *c = g->owner[port];
	bool to_callee = c && port == c->callee_rtp;
	struct arrival opened = *a;

	if (g->mode == MODE_RATE) {
		if (!g->first_ns[port])
			g->first_ns[port] = a->at_ns;
		return;
	}
	if (!g->direct && c && c->theirs && !to_callee && !secure_unseal(c, opened.bytes, &opened.n)) {
		g->n.strays++;
		return;
	}
	if (c && is_coded(g, to_callee ? &g->callee_m : &g->caller_m))
		take_coded(g, c, to_callee, &opened);
	else
		take_marked(g, c, to_callee, &opened);
}

void media_run(struct gen *g, bool direct, double seconds)
{
	uint64_t streams = 2 * (uint64_t)g->opts.calls, total = (uint64_t)(seconds * FRAMES_PER_S) * streams;
	uint64_t start_ns = now_ns(g) + 1000000, i = 0;

	g->direct = direct;
	g->n.sent = g->n.received = g->n.strays = 0;
	g->stalled_ns = 0;
	hist_clear(&g->delay);
	hist_clear(&g->seen);
	while (i < total) {
		uint64_t now = now_ns(g);
		uint64_t due = start_ns + i * FRAME_NS / streams;
		unsigned burst = 0;

		if (now > due + LATE_NS) {
			g->stalled_ns += now - due;
			start_ns += now - due;
		}
		for (; i < total && burst < BURST && start_ns + i * FRAME_NS / streams <= now; burst++)
			send_packet(g, i++);
		if (!gen_round(g) && !burst)
			gen_wait(g, start_ns + i * FRAME_NS / streams);
	}
	for (start_ns = now_ns(g); now_ns(g) < start_ns + DRAIN_NS;)
		if (!gen_round(g))
			gen_wait(g, start_ns + DRAIN_NS);
}
