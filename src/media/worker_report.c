/* What is known of a port's streams beside their packets: how they arrive, what RTCP tells of them, and that nothing
 * comes. One slow timer serves all ports, an eighth of them at a time. */
#include <stdio.h>

#include "base/mq.h"
#include "media/quality.h"
#include "media/rtcp.h"
#include "media/worker_impl.h"

enum {
	ROUND_MS = 1000, /* in which each port is looked at once */
	REPORT_MS = 5000,
	SLOWLY = 8,          /* round trips are averaged over so many */
	COARSE_US = 10000,   /* of clocks: a party near by may seem to have held a report for longer than we waited */
	TICKS_S = 65536,     /* of ages in reports */
	FIRST_WRAP = 0x10000 /* struct rtp_seq counts from here */
};

/* --- what comes --- */

void report_heard(struct worker_port *p, const struct rtp_header *h, bool timed)
{
	struct worker_report *r = &p->report;

	r->heard_ms = loop_now_ms(p->worker->loop);
	if (timed)
		quality_arrive(&r->arrival, h->ssrc, h->timestamp, codec_get(p->codec)->clock_hz, p->worker->came_us);
	if (h->ssrc != r->counted_ssrc) {
		r->counted_ssrc = h->ssrc;
		r->expected_before = r->received_before = 0;
		r->sr_heard = 0;
	}
}

void report_stray(struct worker_port *p, enum port_stray kind, const struct addr *from, uint8_t payload_type)
{
	struct worker_report *r = &p->report;

	r->stray = kind;
	r->stray_from = *from;
	r->stray_type = payload_type;
	r->stray_ms = loop_now_ms(p->worker->loop);
}

/* --- their reports --- */

static void note_round_trip(struct worker_report *r, const struct rtcp_block *b, uint64_t now_us)
{
	uint64_t held_us = (uint64_t)b->sr_age * 1000000 / TICKS_S, took_us, trip_us;
	/* A relayed report is as good as ours: it is the party's own delay, from the moment that it was sent there. */
	unsigned which = b->sr == r->sr_sent[0] ? 0 : 1;

	took_us = now_us - r->sr_sent_us[which];
	if (!b->sr || b->sr != r->sr_sent[which] || held_us > took_us + COARSE_US)
		return;
	trip_us = took_us > held_us ? took_us - held_us : 0;
	if (r->round_trip_us)
		trip_us = (r->round_trip_us * (uint64_t)(SLOWLY - 1) + trip_us) / SLOWLY;
	r->round_trip_us = trip_us ? (uint32_t)trip_us : 1;
}

static void note_block(struct worker_port *p, const struct rtcp_block *b)
{
	struct worker_report *r = &p->report;
	uint32_t lost = b->lost > 0 ? (uint32_t)b->lost : 0;

	if (!p->out.started || b->ssrc != rtp_sent_ssrc(p))
		return; /* of a stream that was, or is another's */
	note_round_trip(r, b, p->worker->came_us);
	if (r->far_ssrc != b->ssrc) {
		r->far_ssrc = b->ssrc;
		r->far_lost_before += r->far_lost;
	}
	r->far_lost = lost;
	r->far_jitter_us = (uint32_t)((uint64_t)b->jitter * 1000000 / codec_get(p->codec)->clock_hz);
	r->far_reported = true;
	if (audio_makes(p))
		audio_expect_loss(p, (b->fraction * 100u + 255) / 256);
}

void report_take(struct worker_port *p, size_t n)
{
	struct worker_report *r = &p->report;
	struct rtcp_report said;

	if (p->codec == CODEC_COUNT || rtcp_read(&said, p->worker->packet, n))
		return;
	if (said.sends) {
		r->sr_heard = rtcp_middle(said.ntp);
		r->sr_heard_us = p->worker->came_us;
	}
	for (size_t i = 0; i < said.count; i++)
		note_block(p, &said.blocks[i]);
}

void report_passed(struct worker_port *to, size_t n)
{
	struct worker_report *r = &to->report;
	struct rtcp_report said;

	if (rtcp_read(&said, to->worker->packet, n) || !said.sends)
		return;
	r->sr_sent[1] = r->sr_sent[0];
	r->sr_sent_us[1] = r->sr_sent_us[0];
	r->sr_sent[0] = rtcp_middle(said.ntp);
	r->sr_sent_us[0] = loop_now_us(to->worker->loop);
}

/* --- ours --- */

/* What p says is not relayed, so nobody behind us can tell it how that arrives. */
static bool ends_here(const struct worker_port *p)
{
	return p->may_listen && p->seq.started && (!p->sink || audio_makes(p->sink));
}

static struct rtcp_block block_of(struct worker_port *p, uint64_t now_us)
{
	struct worker_report *r = &p->report;
	const struct rtp_seq *s = &p->seq;
	uint32_t expected = s->highest - s->first + 1;
	uint32_t due = expected - r->expected_before, came = s->received - r->received_before;
	struct rtcp_block b = {
		.ssrc = s->ssrc,
		.highest = s->highest - FIRST_WRAP,
		.lost = (int32_t)(rtp_seq_lost(s) - s->lost_before),
		.fraction = due > came ? (uint8_t)((uint64_t)(due - came) * 255 / due) : 0,
		.jitter =
			(uint32_t)((uint64_t)quality_jitter_us(&r->arrival) * codec_get(p->codec)->clock_hz / 1000000),
		.sr = r->sr_heard,
	};

	if (b.lost > 0x7fffff)
		b.lost = 0x7fffff;
	if (b.sr)
		b.sr_age = (uint32_t)((now_us - r->sr_heard_us) * TICKS_S / 1000000);
	r->expected_before = expected;
	r->received_before = s->received;
	return b;
}

/* The sender's part, but for the time. */
static void describe(const struct worker_port *p, struct rtcp_report *out)
{
	out->ssrc = rtp_sent_ssrc(p);
	out->sends = p->out.packets;
	out->timestamp = p->out.timestamp;
	out->packets = p->out.packets;
	out->bytes = p->out.bytes;
}

static void send_report(struct worker_port *p)
{
	struct worker *w = p->worker;
	struct rtcp_report report = { .ssrc = p->report.ssrc };
	char name[RTCP_NAME_BYTES + 1];
	size_t n;

	if (audio_makes(p))
		describe(p, &report);
	if (report.sends)
		report.ntp = rtcp_ntp(loop_wall_ms(w->loop));
	if (ends_here(p))
		report.blocks[report.count++] = block_of(p, loop_now_us(w->loop));
	if (!report.sends && !report.count)
		return;
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)p->report.name);
	n = rtcp_write(w->packet, &report, name);
	rtcp_transmit(p, n);
}

/* --- nothing comes --- */

static bool tell(struct worker_port *p, bool over, uint64_t ms)
{
	const struct worker_report *r = &p->report;
	struct worker_event event = { .news = WORKER_SILENCE, .port = p->number };

	event.silence = (struct port_silence){
		.over = over,
		.ms = ms,
		.stray = r->stray_ms > r->silent_from_ms ? r->stray : PORT_STRAY_NONE,
		.payload_type = r->stray_type,
		.from = r->stray_from,
	};
	return !mq_send(p->worker->events, &event);
}

static void watch_silence(struct worker_port *p, uint64_t now_ms)
{
	struct worker_report *r = &p->report;
	bool heard = r->heard_ms > r->silent_from_ms;

	if (r->silent) {
		if (heard && tell(p, true, r->heard_ms - r->silent_from_ms))
			r->silent = false;
		return;
	}
	if (heard)
		r->silent_from_ms = r->heard_ms;
	/* When the queue is full the next round tries again. */
	if (r->silence_ms && p->may_listen && now_ms - r->silent_from_ms >= r->silence_ms)
		r->silent = tell(p, false, now_ms - r->silent_from_ms);
}

void report_expect(struct worker_port *p, uint32_t silence_ms)
{
	p->report.silence_ms = silence_ms;
	p->report.silent_from_ms = loop_now_ms(p->worker->loop);
}

void report_agree(struct worker_port *p)
{
	if (!p->report.silent)
		p->report.silent_from_ms = loop_now_ms(p->worker->loop);
}

/* --- the round --- */

static void on_round(void *arg);

static void start(struct worker *w)
{
	loop_timer_start(w->loop, &w->round, ROUND_MS / REPORT_SLICES, on_round, w);
}

static void look_at(struct worker_port *p, uint64_t now_ms)
{
	if (!p->rtp.agreed)
		return;
	watch_silence(p, now_ms);
	if (now_ms < p->report.due_ms)
		return;
	/* RFC 3550 §6.3.1: between half and one and a half of the interval. */
	p->report.due_ms = now_ms + REPORT_MS / 2 + loop_random_below(p->worker->loop, REPORT_MS);
	send_report(p);
}

static void on_round(void *arg)
{
	struct worker *w = arg;
	uint64_t now_ms = loop_now_ms(w->loop);
	struct list *ports;

	w->slice = (w->slice + 1) % REPORT_SLICES;
	ports = &w->reported[w->slice];
	for (struct list *n = ports->next; n != ports; n = n->next)
		look_at(LIST_ITEM(n, struct worker_port, report.node), now_ms);
	for (unsigned i = 0; i < REPORT_SLICES; i++) {
		if (list_empty(&w->reported[i]))
			continue;
		start(w);
		return;
	}
}

void report_arrive(struct worker_port *p)
{
	struct worker *w = p->worker;

	list_append(&w->reported[p->number % REPORT_SLICES], &p->report.node);
	if (!w->round.active)
		start(w);
}

void report_open(struct worker_port *p)
{
	struct worker *w = p->worker;
	uint64_t now_ms = loop_now_ms(w->loop);

	p->report.name = loop_random(w->loop);
	p->report.ssrc = (uint32_t)loop_random(w->loop);
	p->report.due_ms = now_ms + REPORT_MS / 2 + loop_random_below(w->loop, REPORT_MS);
	report_arrive(p);
}

void report_sum_up(const struct worker_port *p, struct port_stats *out)
{
	const struct worker_report *r = &p->report;
	struct quality_path path = {
		.codec = p->codec,
		.lost = out->lost,
		.of = out->packets_in ? out->packets_in + out->lost : 0,
		.jitter_us = quality_mean_us(&r->arrival),
		.round_trip_us = r->round_trip_us,
	};

	out->jitter_us = path.jitter_us;
	out->jitter_max_us = r->arrival.max_us;
	out->round_trip_us = r->round_trip_us;
	out->score = quality_score(&path);
	if (!r->far_reported)
		return;
	out->far_reported = true;
	out->far_lost = r->far_lost_before + r->far_lost;
	out->far_jitter_us = r->far_jitter_us;
	path.lost = out->far_lost < out->packets_out ? out->far_lost : out->packets_out;
	path.of = out->packets_out;
	path.jitter_us = out->far_jitter_us;
	out->far_score = quality_score(&path);
}

void report_close(struct worker_port *p)
{
	struct worker *w = p->worker;

	list_remove(&p->report.node);
	for (unsigned i = 0; i < REPORT_SLICES; i++) {
		if (!list_empty(&w->reported[i]))
			return;
	}
	loop_timer_stop(w->loop, &w->round);
}
