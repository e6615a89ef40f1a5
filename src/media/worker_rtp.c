#include <errno.h>

#include "base/mq.h"
#include "media/rtcp.h"
#include "media/worker_impl.h"

enum { COMFORT_NOISE = 13, NOISE_HZ = 8000 }; /* its number needs no agreement (RFC 3551), and many send it unasked */

enum { MAX_OLD = 256 }; /* packets thrown away at opening; a flood must not hold the worker */

/* One datagram into w->packet; -1 = none. Longer ones than fit give a length over RTP_MAX_BYTES. */
static ssize_t receive(struct worker *w, int fd, struct addr *from)
{
	socklen_t len = sizeof(*from);

	return recvfrom(fd, w->packet, sizeof(w->packet), MSG_TRUNC, &from->sa, &len);
}

static bool transmit(struct worker *w, int fd, size_t n, const struct addr *to)
{
	return sendto(fd, w->packet, n, 0, &to->sa, addr_len(to)) >= 0;
}

bool rtp_transmit(struct worker_port *p, size_t n)
{
	if (!transmit(p->worker, p->rtp_io.fd, n, &p->rtp.to))
		return false;
	p->stats.packets_out++;
	p->stats.bytes_out += n;
	return true;
}

static bool is_event(const struct worker_port *p, uint8_t payload_type)
{
	return payload_type == p->event_recv_pt || payload_type == p->event_send_pt;
}

/* Ours is what they shall send; many send what they named themselves (RFC 3264 §5.1 leaves the two apart). */
static bool is_known(const struct worker_port *p, uint8_t payload_type)
{
	return payload_type == p->recv_pt || payload_type == p->send_pt || is_event(p, payload_type);
}

/* For codecs of the telephone's clock. */
static bool is_noise(const struct worker_port *p, uint8_t payload_type)
{
	return payload_type == COMFORT_NOISE && !is_known(p, payload_type) && p->codec != CODEC_COUNT &&
	       codec_get(p->codec)->clock_hz == NOISE_HZ;
}

static void pass_rtp(struct worker_port *p, size_t n, bool event)
{
	struct worker_port *to = p->sink;
	uint8_t payload_type;
	bool made;

	if (!to || !p->may_listen || !to->may_send)
		return;
	made = audio_makes(to);
	if (made && !event)
		return;
	if (!made && to->codec != p->codec) {
		p->stats.invalid++; /* we cannot code one of the two */
		return;
	}
	payload_type = event ? to->event_send_pt : to->send_pt;
	if (payload_type == MEDIA_NO_PT)
		return; /* they know no events */
	if (!is_noise(p, p->worker->packet[1] & 0x7f))
		rtp_set_payload_type(p->worker->packet, payload_type);
	if (made)
		audio_number(to, p->worker->packet[1] >> 7);
	rtp_transmit(to, n);
}

static void tell_heard(struct worker_port *p, const struct addr *from)
{
	struct worker_event event = { .news = WORKER_HEARD, .port = p->number, .from = *from };

	p->heard = true;
	mq_send_reserved(p->worker->events, &event);
}

/* What is nothing that was agreed on, or not the peer's, is counted and left. */
static bool is_taken(struct worker_port *p, size_t n, const struct addr *from, struct rtp_header *h)
{
	if (!p->rtp.agreed || rtp_parse(h, p->worker->packet, n)) {
		p->stats.invalid++;
		report_stray(p, PORT_STRAY_BAD, from, 0);
		return false;
	}
	if (!is_known(p, h->payload_type) && !is_noise(p, h->payload_type)) {
		p->stats.invalid++;
		report_stray(p, PORT_STRAY_TYPE, from, h->payload_type);
		return false;
	}
	if (!latch_hear(&p->rtp, from, loop_now_ms(p->worker->loop))) {
		p->stats.foreign++;
		report_stray(p, PORT_STRAY_FOREIGN, from, h->payload_type);
		return false;
	}
	return true;
}

static void take_rtp(struct worker_port *p, size_t n, const struct addr *from)
{
	enum latch_state before = p->rtp.state;
	struct rtp_header h;
	bool event, noise;

	if (!is_taken(p, n, from, &h))
		return;
	if (p->rtp.state != before)
		latch_reset(&p->rtcp);
	if (!p->heard)
		tell_heard(p, from);
	p->stats.packets_in++;
	p->stats.bytes_in += n;
	rtp_seq_note(&p->seq, h.ssrc, h.seq);
	/* The codec's number wins where a peer uses one number of ours for codec and the other for events. */
	event = h.payload_type != p->recv_pt && is_event(p, h.payload_type);
	noise = is_noise(p, h.payload_type);
	report_heard(p, &h, !event && !noise);
	if (p->audio && noise && p->may_listen)
		audio_take_noise(p, &h);
	else if (p->audio && !event && p->may_listen)
		audio_take(p, &h);
	pass_rtp(p, n, event);
}

/* RTCP on the RTP port never decides who the peer is. */
static bool is_peer(const struct worker_port *p, const struct addr *from)
{
	return p->rtp.state == LATCH_NONE ? addr_same_host(from, &p->rtp.sdp) : addr_equal(from, &p->rtp.to);
}

bool rtcp_transmit(struct worker_port *p, size_t n)
{
	const struct addr *where = p->rtcp_mux ? &p->rtp.to : &p->rtcp.to;

	if (!p->rtp.agreed || addr_is_any(where) || !addr_port(where))
		return false;
	report_passed(p, n);
	if (!transmit(p->worker, p->rtcp_mux ? p->rtp_io.fd : p->rtcp_io.fd, n, where))
		return false;
	p->stats.rtcp_out++;
	return true;
}

/* Reports pass in every direction: they tell that a stream on hold lives (RFC 3264 §5.1). Not to a party for which we
 * make the packets: it does not get the stream that they are about. */
static void pass_rtcp(struct worker_port *p, size_t n)
{
	if (p->sink && !audio_makes(p->sink))
		rtcp_transmit(p->sink, n);
}

static void take_rtcp(struct worker_port *p, size_t n, const struct addr *from, bool muxed)
{
	if (!p->rtp.agreed || n > RTP_MAX_BYTES || rtcp_check(p->worker->packet, n)) {
		p->stats.invalid++;
		return;
	}
	if (muxed ? !is_peer(p, from) : !latch_hear_beside(&p->rtcp, &p->rtp, from)) {
		p->stats.foreign++;
		return;
	}
	p->stats.rtcp_in++;
	report_take(p, n);
	pass_rtcp(p, n);
}

/* One packet a wake-up: a second one is hardly ever there, and asking for it costs a system call. */
void rtp_on_readable(void *arg, unsigned ready)
{
	struct worker_port *p = arg;
	struct addr from;
	ssize_t n = receive(p->worker, p->rtp_io.fd, &from);

	if (n < 0)
		return;
	if (p->rtcp_mux && rtcp_is_muxed(p->worker->packet, (size_t)n))
		take_rtcp(p, (size_t)n, &from, true);
	else
		take_rtp(p, (size_t)n, &from);
}

void rtcp_on_readable(void *arg, unsigned ready)
{
	struct worker_port *p = arg;
	struct addr from;
	ssize_t n = receive(p->worker, p->rtcp_io.fd, &from);

	if (n >= 0)
		take_rtcp(p, (size_t)n, &from, false);
}

void rtp_discard_old(struct worker_port *p)
{
	struct addr from;

	for (int i = 0; i < MAX_OLD && receive(p->worker, p->rtp_io.fd, &from) >= 0; i++)
		p->stats.invalid++;
}
