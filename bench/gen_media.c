/* Audio of the calls that are up: packets at even distances in both directions, and how long each was on its way. */
#include "gen.h"

#include <errno.h>
#include <string.h>

enum {
	FRAMES_PER_S = 50,
	FRAME_NS = 20000000,
	WARM_UP_FRAMES = 50, /* not counted: the server learns where the peers are */
	PAYLOAD_BYTES = 160,
	BURST = 16,        /* sent in one round, when late */
	LATE_NS = 1000000, /* from here on the schedule moves: a burst after a pause of ours is not what phones do */
	DRAIN_NS = 300000000,
};

struct packet {
	uint8_t rtp[12];
	struct {
		uint32_t call, to_callee, frame;
		uint64_t sent_ns;
	} __attribute__((packed)) mark;
	uint8_t rest[PAYLOAD_BYTES - 20];
};

/* Packet i of all: streams take turns, so that the packets of one frame spread over its 20 ms. */
static void send_packet(struct gen *g, uint64_t i)
{
	uint32_t streams = 2 * (uint32_t)g->opts.calls, frame = (uint32_t)(i / streams),
		 stream = (uint32_t)(i % streams);
	bool to_callee = stream & 1;
	struct side *from = to_callee ? &g->caller_m : &g->callee_m;
	struct sockaddr_in to = g->target;
	struct call *c = &g->calls[stream / 2];
	struct packet p = { .rtp = { 0x80 } };
	uint16_t seq = htons((uint16_t)frame);
	uint32_t at = htonl(frame * PAYLOAD_BYTES), ssrc = htonl(stream + 1);

	memcpy(p.rtp + 2, &seq, 2);
	memcpy(p.rtp + 4, &at, 4);
	memcpy(p.rtp + 8, &ssrc, 4);
	p.mark.call = c->number;
	p.mark.to_callee = to_callee;
	p.mark.frame = frame;
	to.sin_port = htons(to_callee ? c->caller_rtp : c->callee_rtp);
	if (g->direct)
		to = to_callee ? g->callee_m.addr : g->caller_m.addr;
	p.mark.sent_ns = wall_ns();
	if (sendto(from->fd, &p, sizeof(p), 0, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != ECONNREFUSED)
		die("send RTP");
	g->n.sent += frame >= WARM_UP_FRAMES;
}

void media_take(struct gen *g, const struct arrival *a)
{
	struct packet p;
	struct call *c;
	bool right;

	if (a->n != sizeof(p)) {
		g->n.strays++;
		return;
	}
	memcpy(&p, a->bytes, sizeof(p));
	c = &g->calls[p.mark.call % SLOTS];
	/* Calls are told apart by the server's port; the mark must say the same. */
	right = c->number == p.mark.call &&
		ntohs(a->from.sin_port) == (p.mark.to_callee ? c->callee_rtp : c->caller_rtp);
	if (!right && !g->direct) {
		g->n.strays++;
		return;
	}
	if (p.mark.frame < WARM_UP_FRAMES)
		return;
	g->n.received++;
	hist_add(&g->delay, p.mark.sent_ns, a->at_ns);
	hist_add(&g->seen, p.mark.sent_ns, wall_ns());
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
