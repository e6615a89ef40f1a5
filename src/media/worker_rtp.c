#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/log.h"
#include "base/mq.h"
#include "media/rtcp.h"
#include "media/worker_impl.h"

enum { COMFORT_NOISE = 13, NOISE_HZ = 8000 }; /* its number needs no agreement (RFC 3551), and many send it unasked */

enum {
	MAX_OLD = 256,       /* packets thrown away at opening; a flood must not hold the worker */
	REFUSED_ANEW = 5,    /* packets with numbers used before: not doubles any more */
	REFUSED_VIDEO = 200, /* of video: a NACK may bring many again */
	RELAYED_MS = 20,     /* what a relayed packet is taken to last */
	CROWD = 32,          /* packets in 20 ms that no telephone sends */
};

/* One datagram into w->packet; -1 = none. Longer ones than fit give a length over RTP_MAX_BYTES. */
static ssize_t receive(struct worker *w, int fd, struct addr *from)
{
	socklen_t len = sizeof(*from);

	return recvfrom(fd, w->packet, RTP_MAX_BYTES, MSG_TRUNC, &from->sa, &len);
}

/* The same of a socket whose packets are stamped; w->came_us is when it came. */
static ssize_t receive_stamped(struct worker *w, int fd, struct addr *from)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec bytes = { w->packet, RTP_MAX_BYTES };
	struct msghdr m = {
		.msg_name = from,
		.msg_namelen = sizeof(*from),
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &m, MSG_TRUNC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	struct timespec stamp;

	w->came_us = loop_now_us(w->loop);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		w->came_us = loop_stamp_us(w->loop, &stamp);
	}
	return n;
}

static bool transmit(int fd, const uint8_t *packet, size_t n, const struct addr *to)
{
	return sendto(fd, packet, n, 0, &to->sa, addr_len(to)) >= 0;
}

/* SRTP. A packet that goes out twice, or one of an SSRC too many, is not sent: its key stream would be used again. */
static bool seal(struct worker_port *p, bool rtcp, size_t *n)
{
	struct worker *w = p->worker;

	return p->secure && !secure_protect(p->secure, rtcp, w->packet, n, sizeof(w->packet));
}

static void mask_ssrc(uint8_t *packet, uint32_t mask)
{
	for (int i = 0; i < 4; i++)
		packet[8 + i] ^= (uint8_t)(mask >> (24 - 8 * i));
}

/* Some peers begin their numbers anew under the SSRC that they had. As RTP that is heard; sealed it would be silence
 * until the numbers are past those that were used, so it goes on as another SSRC. */
static bool seal_rtp(struct worker_port *p, size_t *n)
{
	mask_ssrc(p->worker->packet, p->ssrc_mask);
	if (seal(p, false, n)) {
		p->refused = 0;
		return true;
	}
	if (p->secure && ++p->refused == (p->video ? REFUSED_VIDEO : REFUSED_ANEW)) {
		p->ssrc_mask = (uint32_t)loop_random(p->worker->loop);
		p->refused = 0;
	}
	return false;
}

static bool unseal(struct worker_port *p, bool rtcp, size_t *n)
{
	if (p->secure && !secure_unprotect(p->secure, rtcp, p->worker->packet, n))
		return true;
	p->stats.unauthentic++;
	return false;
}

uint32_t rtp_sent_ssrc(const struct worker_port *p)
{
	return p->secured ? p->out.ssrc ^ p->ssrc_mask : p->out.ssrc;
}

static bool send_rtp(struct worker_port *p, const uint8_t *packet, size_t n, uint32_t borne)
{
	if (!transmit(p->rtp_io.fd, packet, n, &p->rtp.to))
		return false;
	p->stats.packets_out++;
	p->stats.bytes_out += n;
	p->out.packets++;
	p->out.bytes += borne;
	return true;
}

static void send_all(struct worker_out *o)
{
	for (unsigned i = 0; i < o->count; i++)
		send_rtp(o->packets[i].port, o->bytes + o->packets[i].at, o->packets[i].n, o->packets[i].borne);
	o->count = 0;
	o->used = 0;
}

void rtp_gather(struct worker *w)
{
	w->out.gathers = true;
}

void rtp_send_gathered(struct worker *w)
{
	send_all(&w->out);
	w->out.gathers = false;
}

static void put_by(struct worker_port *p, size_t n, uint32_t borne)
{
	struct worker_out *o = &p->worker->out;

	if (o->count == OUT_PACKETS || n > sizeof(o->bytes) - o->used)
		send_all(o);
	memcpy(o->bytes + o->used, p->worker->packet, n);
	o->packets[o->count].port = p;
	o->packets[o->count].at = o->used;
	o->packets[o->count].n = n;
	o->packets[o->count++].borne = borne;
	o->used += n;
}

bool rtp_transmit(struct worker_port *p, size_t n)
{
	uint32_t borne = (uint32_t)(n - RTP_HEADER_BYTES);

	if (p->secured && !seal_rtp(p, &n))
		return false;
	if (!p->worker->out.gathers)
		return send_rtp(p, p->worker->packet, n, borne);
	put_by(p, n, borne);
	return true;
}

static uint32_t ticks_since(const struct worker_port *p, uint64_t since_ms, uint32_t least_ms)
{
	uint64_t ms = loop_now_ms(p->worker->loop) - since_ms;

	ms = ms < least_ms ? least_ms : ms;
	return p->codec == CODEC_COUNT ? 0 : (uint32_t)(ms * codec_get(p->codec)->clock_hz / 1000);
}

/* A source that comes back after packets of ours under its name (music while it held the call) goes on behind them: a
 * party takes smaller numbers for packets that are late, and SRTP cannot use them again. */
static void renumber(struct worker_port *p, const struct rtp_header *h)
{
	struct rtp_out *o = &p->out;

	if (h->ssrc != o->ssrc) {
		o->packets = o->bytes = 0;
		/* Under another name any number would do (RFC 3550 §8.2), but there are phones whose buffer goes by numbers
		 * alone: baresip's takes lower ones for late and plays none of them. Of video they stay, for NACKs name them. */
		o->seq_shift = o->started && !p->video ? (uint16_t)(o->seq - h->seq) : 0;
		o->time_shift = 0;
	} else if (o->made) {
		o->seq_shift = (uint16_t)(o->seq - h->seq);
		o->time_shift = o->timestamp + ticks_since(p, o->left_ms, 0) - h->timestamp;
	}
	o->made = false;
	if (o->seq_shift || o->time_shift)
		rtp_renumber(p->worker->packet, (uint16_t)(h->seq + o->seq_shift), h->timestamp + o->time_shift,
			     h->ssrc);
}

void rtp_relay(struct worker_port *p, const struct rtp_header *h, uint8_t payload_type, size_t n)
{
	struct rtp_out *o = &p->out;

	renumber(p, h);
	rtp_set_payload_type(p->worker->packet, payload_type);
	rtp_transmit(p, n);
	if (payload_type != p->event_send_pt) { /* those stay at the time when they began */
		o->timestamp = h->timestamp + o->time_shift;
		o->left_ms = loop_now_ms(p->worker->loop);
		o->ssrc = h->ssrc;
		o->started = true;
	}
	o->seq = (uint16_t)(h->seq + o->seq_shift + 1);
}

void rtp_take_up(struct worker_port *p)
{
	uint64_t now_ms = loop_now_ms(p->worker->loop);
	struct rtp_out *o = &p->out;

	if (!o->started) {
		o->ssrc = (uint32_t)loop_random(p->worker->loop);
		o->timestamp = (uint32_t)loop_random(p->worker->loop);
		o->seq = (uint16_t)loop_random(p->worker->loop);
	} else {
		/* The time stamp of a relayed packet is that of its beginning: ours begins where it ends. */
		o->timestamp += ticks_since(p, o->left_ms, o->made ? 0 : RELAYED_MS);
	}
	o->started = o->paused = true;
	o->left_ms = now_ms;
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

static void pass_rtp(struct worker_port *p, const struct rtp_header *h, size_t n)
{
	struct worker_port *to = p->sink;

	if (!to || !p->may_listen || !to->may_send || to->local || audio_makes(to) || keys_sound(to))
		return;
	if (to->codec != p->codec) {
		p->stats.invalid++; /* we cannot code one of the two */
		return;
	}
	rtp_relay(to, h, is_noise(p, h->payload_type) ? h->payload_type : to->send_pt, n);
}

static void tell_heard(struct worker_port *p, const struct addr *from)
{
	struct worker_event event = { .news = WORKER_HEARD, .port = p->number, .from = *from };

	p->heard = true;
	mq_send_reserved(p->worker->events, &event);
}

/* Of a port with SRTP: does it come from where it may, and is it whole? A copy of the latch is asked, so that what is
 * not authentic teaches nothing. */
static bool unseal_rtp(struct worker_port *p, size_t *n, const struct addr *from)
{
	uint8_t payload_type = *n > 1 ? p->worker->packet[1] & 0x7f : 0;
	struct latch trial = p->rtp;

	if (!p->rtp.agreed || *n > RTP_MAX_BYTES) {
		p->stats.invalid++;
		report_stray(p, PORT_STRAY_BAD, from, 0);
		return false;
	}
	if (!latch_hear(&trial, from, loop_now_ms(p->worker->loop))) {
		p->stats.foreign++;
		report_stray(p, PORT_STRAY_FOREIGN, from, payload_type);
		return false;
	}
	if (unseal(p, false, n))
		return true;
	report_stray(p, PORT_STRAY_UNAUTHENTIC, from, payload_type);
	return false;
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
	bool noise;

	if (p->secured && !unseal_rtp(p, &n, from))
		return;
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
	if (h.payload_type != p->recv_pt && is_event(p, h.payload_type)) {
		report_heard(p, &h, false);
		keys_take(p, &h, n);
		return;
	}
	noise = is_noise(p, h.payload_type);
	report_heard(p, &h, !noise && !p->video);
	if (p->audio && noise && p->may_listen)
		audio_take_noise(p, &h);
	else if (p->audio && p->may_listen)
		audio_take(p, &h);
	pass_rtp(p, &h, n);
	video_heard(p);
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
	if (p->secured && !seal(p, true, &n))
		return false;
	if (!transmit(p->rtcp_mux ? p->rtp_io.fd : p->rtcp_io.fd, p->worker->packet, n, where))
		return false;
	p->stats.rtcp_out++;
	return true;
}

/* A stream that goes out under another SSRC than its own is spoken of by that name out there, and by its own behind us. */
static void rename_source(struct worker_port *p, size_t n, bool outwards)
{
	uint32_t out_there = rtp_sent_ssrc(p);

	if (p->ssrc_mask)
		rtcp_rename(p->worker->packet, n, outwards ? p->out.ssrc : out_there,
			    outwards ? out_there : p->out.ssrc);
}

/* What p's party says of our stream to it, in the numbers that the stream has behind us; what it says of its own, in those
 * that it has towards to. */
static void shift_numbers(struct worker_port *p, struct worker_port *to, size_t n)
{
	if (p->out.seq_shift)
		rtcp_renumber(p->worker->packet, n, p->out.ssrc, 0, p->out.seq_shift);
	if (to->out.time_shift)
		rtcp_renumber(p->worker->packet, n, to->out.ssrc, to->out.time_shift, 0);
}

/* Reports pass in every direction: they tell that a stream on hold lives (RFC 3264 §5.1). Not to a party for which we
 * make the packets: it does not get the stream that they are about. */
static void pass_rtcp(struct worker_port *p, size_t n)
{
	struct worker_port *to = p->sink;

	if (!to || audio_makes(to))
		return;
	rename_source(p, n, false);
	shift_numbers(p, to, n);
	rename_source(to, n, true);
	rtcp_transmit(to, n);
}

static bool may_be_rtcp(const struct worker_port *p, struct latch *beside, const struct addr *from, bool muxed)
{
	return muxed ? is_peer(p, from) : latch_hear_beside(beside, &p->rtp, from);
}

static bool unseal_rtcp(struct worker_port *p, size_t *n, const struct addr *from, bool muxed)
{
	struct latch trial = p->rtcp;

	if (!p->rtp.agreed || *n > RTP_MAX_BYTES) {
		p->stats.invalid++;
		return false;
	}
	if (!may_be_rtcp(p, &trial, from, muxed)) {
		p->stats.foreign++;
		return false;
	}
	return unseal(p, true, n);
}

static void take_rtcp(struct worker_port *p, size_t n, const struct addr *from, bool muxed)
{
	if (p->secured && !unseal_rtcp(p, &n, from, muxed))
		return;
	if (p->video && n <= RTP_MAX_BYTES)
		n = rtcp_complete(p->worker->packet, n);
	if (!p->rtp.agreed || n > RTP_MAX_BYTES || rtcp_check(p->worker->packet, n)) {
		p->stats.invalid++;
		return;
	}
	if (!may_be_rtcp(p, &p->rtcp, from, muxed)) {
		p->stats.foreign++;
		return;
	}
	p->stats.rtcp_in++;
	report_take(p, n);
	pass_rtcp(p, n);
}

static void take(struct worker_port *p, size_t n, const struct addr *from)
{
	if (p->rtcp_mux && rtcp_is_muxed(p->worker->packet, n))
		take_rtcp(p, n, from, true);
	else
		take_rtp(p, n, from);
}

/* One packet a wake-up: a second one is hardly ever there, and asking for it costs a system call. */
void rtp_on_readable(void *arg, unsigned ready)
{
	struct worker_port *p = arg;
	struct addr from;
	ssize_t n = receive(p->worker, p->rtp_io.fd, &from);

	p->worker->came_us = loop_now_us(p->worker->loop);
	if (n >= 0)
		take(p, (size_t)n, &from);
}

/* On a virtual loop stamps would be of another time, so packets are read as they come. */
void rtp_read_by_tick(struct worker_port *p, bool by_tick)
{
	struct loop *l = p->worker->loop;
	int on = 1;

	if (!p->rtp_io.active || loop_is_virtual(l))
		return;
	if (by_tick && !p->stamped)
		p->stamped = !setsockopt(p->rtp_io.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	by_tick = by_tick && p->stamped && !p->crowded;
	if (loop_io_change(l, &p->rtp_io, by_tick ? 0 : LOOP_READ))
		log_printf(LOG_ERROR, NULL, "media: cannot watch a socket again");
}

/* Nobody's flood may fill the socket between two ticks, and push the party's own packets out. */
void rtp_read_all(struct worker_port *p)
{
	struct addr from;
	ssize_t n;

	if (!p->rtp_io.active || p->rtp_io.events)
		return;
	for (int i = 0; (n = receive_stamped(p->worker, p->rtp_io.fd, &from)) >= 0; i++) {
		take(p, (size_t)n, &from);
		if (i < CROWD)
			continue;
		p->crowded = true;
		rtp_read_by_tick(p, false);
		return;
	}
}

void rtcp_on_readable(void *arg, unsigned ready)
{
	struct worker_port *p = arg;
	struct addr from;
	ssize_t n = receive(p->worker, p->rtcp_io.fd, &from);

	p->worker->came_us = loop_now_us(p->worker->loop);
	if (n >= 0)
		take_rtcp(p, (size_t)n, &from, false);
}

void rtp_discard_old(struct worker_port *p)
{
	struct addr from;

	for (int i = 0; i < MAX_OLD && receive(p->worker, p->rtp_io.fd, &from) >= 0; i++)
		p->stats.invalid++;
}
