#include "media/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/mq.h"
#include "media/latch.h"
#include "media/rtcp.h"
#include "media/rtp.h"

enum { MAX_OLD = 256 }; /* packets thrown away at opening; a flood must not hold the worker */

struct worker_port { /* media */
	struct worker *worker;
	struct worker_port *sink, *source; /* a->sink == b exactly when b->source == a */
	struct loop_io rtp_io, rtcp_io;
	struct latch rtp, rtcp;
	enum codec_id codec;
	uint8_t send_pt, recv_pt, event_send_pt, event_recv_pt;
	bool rtcp_mux, may_send, may_listen, heard;
	uint32_t number;
	struct rtp_seq seq;
	struct port_stats stats;
};

struct worker {
	struct loop *loop;
	bool own_loop, running;
	pthread_t thread;
	struct mq *commands;
	struct mq *events;
	uint32_t latch_ms, max_ports;
	struct worker_port **ports; /* media; by number */
	uint8_t packet[RTP_MAX_BYTES];
};

/* --- packets --- */

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

static bool is_event(const struct worker_port *p, uint8_t payload_type)
{
	return payload_type == p->event_recv_pt || payload_type == p->event_send_pt;
}

/* Ours is what they shall send; many send what they named themselves (RFC 3264 §5.1 leaves the two apart). */
static bool is_known(const struct worker_port *p, uint8_t payload_type)
{
	return payload_type == p->recv_pt || payload_type == p->send_pt || is_event(p, payload_type);
}

static void pass_rtp(struct worker_port *p, size_t n, bool event)
{
	struct worker_port *to = p->sink;
	uint8_t payload_type;

	if (!to || !p->may_listen || !to->may_send)
		return;
	if (to->codec != p->codec) {
		p->stats.invalid++;
		return;
	}
	payload_type = event ? to->event_send_pt : to->send_pt;
	if (payload_type == MEDIA_NO_PT)
		return; /* they know no events */
	rtp_set_payload_type(p->worker->packet, payload_type);
	if (!transmit(p->worker, to->rtp_io.fd, n, &to->rtp.to))
		return;
	to->stats.packets_out++;
	to->stats.bytes_out += n;
}

static void tell_heard(struct worker_port *p, const struct addr *from)
{
	struct worker_event event = { .news = WORKER_HEARD, .port = p->number, .from = *from };

	p->heard = true;
	mq_send_reserved(p->worker->events, &event);
}

static void take_rtp(struct worker_port *p, size_t n, const struct addr *from)
{
	enum latch_state before = p->rtp.state;
	struct rtp_header h;

	if (!p->rtp.agreed || rtp_parse(&h, p->worker->packet, n) || !is_known(p, h.payload_type)) {
		p->stats.invalid++;
		return;
	}
	if (!latch_hear(&p->rtp, from, loop_now_ms(p->worker->loop))) {
		p->stats.foreign++;
		return;
	}
	if (p->rtp.state != before)
		latch_reset(&p->rtcp);
	if (!p->heard)
		tell_heard(p, from);
	p->stats.packets_in++;
	p->stats.bytes_in += n;
	rtp_seq_note(&p->seq, h.ssrc, h.seq);
	/* The codec's number wins where a peer uses one number of ours for codec and the other for events. */
	pass_rtp(p, n, h.payload_type != p->recv_pt && is_event(p, h.payload_type));
}

/* RTCP on the RTP port never decides who the peer is. */
static bool is_peer(const struct worker_port *p, const struct addr *from)
{
	return p->rtp.state == LATCH_NONE ? addr_same_host(from, &p->rtp.sdp) : addr_equal(from, &p->rtp.to);
}

/* Reports pass in every direction: they tell that a stream on hold lives (RFC 3264 §5.1). */
static void pass_rtcp(struct worker_port *p, size_t n)
{
	struct worker_port *to = p->sink;
	const struct addr *where;

	if (!to || !to->rtp.agreed)
		return;
	where = to->rtcp_mux ? &to->rtp.to : &to->rtcp.to;
	if (addr_is_any(where) || !addr_port(where))
		return;
	if (transmit(p->worker, to->rtcp_mux ? to->rtp_io.fd : to->rtcp_io.fd, n, where))
		to->stats.rtcp_out++;
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
	pass_rtcp(p, n);
}

/* One packet a wake-up: a second one is hardly ever there, and asking for it costs a system call. */
static void on_rtp(void *arg, unsigned ready)
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

static void on_rtcp(void *arg, unsigned ready)
{
	struct worker_port *p = arg;
	struct addr from;
	ssize_t n = receive(p->worker, p->rtcp_io.fd, &from);

	if (n >= 0)
		take_rtcp(p, (size_t)n, &from, false);
}

/* --- commands --- */

/* What came while nobody had agreed on anything is stale by now. */
static void discard_old(struct worker_port *p)
{
	struct addr from;

	for (int i = 0; i < MAX_OLD && receive(p->worker, p->rtp_io.fd, &from) >= 0; i++)
		p->stats.invalid++;
}

static void open_port(struct worker *w, uint32_t number, struct worker_port *p)
{
	int err;

	assert(number < w->max_ports && !w->ports[number]);
	w->ports[number] = p;
	p->worker = w;
	p->number = number;
	discard_old(p);
	err = loop_io_add(w->loop, &p->rtp_io, p->rtp_io.fd, LOOP_READ, on_rtp, p);
	if (!err)
		err = loop_io_add(w->loop, &p->rtcp_io, p->rtcp_io.fd, LOOP_READ, on_rtcp, p);
	if (err)
		log_printf(LOG_ERROR, NULL, "media: cannot watch a socket: %s", strerror(err));
}

static void agree(struct worker_port *p, const struct media_agreed *a)
{
	uint64_t now_ms = loop_now_ms(p->worker->loop);

	p->codec = a->codec;
	p->send_pt = a->send_pt;
	p->recv_pt = a->recv_pt;
	p->event_send_pt = a->event_send_pt;
	p->event_recv_pt = a->event_recv_pt;
	p->rtcp_mux = a->rtcp_mux;
	latch_agree(&p->rtcp, &a->remote_rtcp, now_ms, p->worker->latch_ms);
	if (latch_agree(&p->rtp, &a->remote, now_ms, p->worker->latch_ms))
		latch_reset(&p->rtcp);
	p->may_listen = a->direction == MEDIA_SENDRECV || a->direction == MEDIA_RECVONLY;
	p->may_send = (a->direction == MEDIA_SENDRECV || a->direction == MEDIA_SENDONLY) && !addr_is_any(&p->rtp.to) &&
		      addr_port(&p->rtp.to);
}

static void unlink_sink(struct worker_port *p)
{
	if (p->sink)
		p->sink->source = NULL;
	p->sink = NULL;
}

static void part(struct worker_port *p)
{
	unlink_sink(p);
	if (p->source)
		unlink_sink(p->source);
}

static void feed(struct worker_port *from, struct worker_port *to)
{
	assert(from != to);
	unlink_sink(from);
	if (to->source)
		unlink_sink(to->source);
	if (to->sink == from)
		unlink_sink(to);
	from->sink = to;
	to->source = from;
}

static void join(struct worker_port *a, struct worker_port *b)
{
	part(a);
	part(b);
	feed(a, b);
	b->sink = a;
	a->source = b;
}

static void close_port(struct worker *w, struct worker_port *p)
{
	struct worker_event event = { .news = WORKER_CLOSED, .port = p->number, .heard = p->heard };

	part(p);
	loop_io_close(w->loop, &p->rtp_io);
	loop_io_close(w->loop, &p->rtcp_io);
	w->ports[p->number] = NULL;
	p->stats.lost = rtp_seq_lost(&p->seq);
	event.stats = p->stats;
	free(p);
	mq_send_reserved(w->events, &event);
}

static struct worker_port *find(const struct worker *w, uint32_t number)
{
	assert(number < w->max_ports && w->ports[number]);
	return w->ports[number];
}

static void on_command(void *arg, void *msg)
{
	const struct worker_command *c = msg;
	struct worker *w = arg;

	switch (c->verb) {
	case WORKER_OPEN:
		open_port(w, c->port, c->opened);
		break;
	case WORKER_AGREE:
		agree(find(w, c->port), &c->agreed);
		break;
	case WORKER_JOIN:
		join(find(w, c->port), find(w, c->other));
		break;
	case WORKER_FEED:
		feed(find(w, c->port), find(w, c->other));
		break;
	case WORKER_PART:
		part(find(w, c->port));
		break;
	case WORKER_CLOSE:
		close_port(w, find(w, c->port));
		break;
	case WORKER_STOP:
		loop_stop(w->loop);
		break;
	}
}

int worker_reserve(struct worker *w)
{
	return mq_reserve(w->commands, 2);
}

static bool has_place(enum worker_verb verb)
{
	return verb == WORKER_OPEN || verb == WORKER_CLOSE;
}

int worker_send(struct worker *w, const struct worker_command *command)
{
	int err = has_place(command->verb) ? 0 : mq_reserve(w->commands, 1);

	if (!err)
		mq_send_reserved(w->commands, command);
	return err;
}

/* --- life --- */

struct worker_port *worker_port_new(int rtp_fd, int rtcp_fd)
{
	struct worker_port *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->rtp_io.fd = rtp_fd;
	p->rtcp_io.fd = rtcp_fd;
	p->send_pt = p->recv_pt = p->event_send_pt = p->event_recv_pt = MEDIA_NO_PT;
	return p;
}

void worker_port_free(struct worker_port **p)
{
	free(*p);
	*p = NULL;
}

static void *run(void *arg)
{
	struct worker *w = arg;

	loop_run(w->loop);
	return NULL;
}

/* Signals are for the main thread's signalfd. */
static int start_thread(struct worker *w)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, run, w);
	if (!err) {
		pthread_setname_np(w->thread, "media");
		w->running = true;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

int worker_new(struct worker **out, const struct worker_opts *opts)
{
	struct worker *w = calloc(1, sizeof(*w));
	int err = ENOMEM;

	if (!w)
		return ENOMEM;
	w->events = opts->events;
	w->max_ports = opts->max_ports;
	w->latch_ms = opts->latch_ms;
	w->own_loop = !opts->loop;
	w->loop = opts->loop;
	w->ports = calloc(opts->max_ports, sizeof(struct worker_port *));
	if (!w->ports)
		goto out;
	err = w->own_loop ? loop_new(&w->loop, false, 0) : 0;
	if (!err)
		err = mq_new(&w->commands, w->loop, sizeof(struct worker_command), 0, on_command, w);
	if (!err)
		err = mq_reserve(w->commands, 1); /* of WORKER_STOP */
	if (!err && w->own_loop)
		err = start_thread(w);
	if (err)
		goto out;
	*out = w;
	w = NULL;
out:
	worker_free(&w);
	return err;
}

void worker_free(struct worker **worker)
{
	struct worker *w = *worker;

	if (!w)
		return;
	if (w->running) {
		mq_send_reserved(w->commands, &(struct worker_command){ .verb = WORKER_STOP });
		pthread_join(w->thread, NULL);
	}
	mq_free(&w->commands);
	if (w->own_loop)
		loop_free(&w->loop);
	free(w->ports);
	free(w);
	*worker = NULL;
}
