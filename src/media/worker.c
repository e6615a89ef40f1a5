#include "media/worker_impl.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mq.h"

/* --- commands --- */

static void open_port(struct worker *w, uint32_t number, struct worker_port *p)
{
	assert(number < w->max_ports && !w->ports[number]);
	w->ports[number] = p;
	p->worker = w;
	p->number = number;
	report_open(p);
	if (p->local)
		return;
	rtp_discard_old(p);
	worker_watch_sockets(p);
}

void worker_keys_free(struct secure_pair **k)
{
	if (*k)
		explicit_bzero(*k, sizeof(**k));
	free(*k);
	*k = NULL;
}

/* Whatever fails here: what was agreed to be SRTP never passes in the clear. */
static void agree_keys(struct worker_port *p, bool secured, struct secure_pair *keys)
{
	int err = 0;

	p->secured = secured;
	if (!secured)
		secure_free(&p->secure);
	else if (!keys)
		err = ENOMEM;
	else
		err = p->secure ? secure_keep(p->secure, keys) : secure_new(&p->secure, keys);
	if (err) {
		secure_free(&p->secure);
		log_printf(LOG_ERROR, NULL, "media: SRTP cannot be set up: %s", strerror(err));
	}
	worker_keys_free(&keys);
}

static void agree(struct worker_port *p, const struct media_agreed *a)
{
	uint64_t now_ms = loop_now_ms(p->worker->loop);

	p->codec = a->codec;
	p->video = codec_is_video(a->codec);
	p->feedback = a->feedback;
	p->send_pt = a->send_pt;
	p->recv_pt = a->recv_pt;
	p->event_send_pt = a->event_send_pt;
	p->event_recv_pt = a->event_recv_pt;
	p->packet_ms = a->packet_ms;
	p->opus = a->opus;
	p->event_clock_hz = a->event_clock_hz;
	keys_agree(p);
	p->rtcp_mux = a->rtcp_mux;
	latch_agree(&p->rtcp, &a->remote_rtcp, now_ms, p->worker->latch_ms);
	if (latch_agree(&p->rtp, &a->remote, now_ms, p->worker->latch_ms))
		latch_reset(&p->rtcp);
	p->may_listen = a->direction == MEDIA_SENDRECV || a->direction == MEDIA_RECVONLY;
	p->may_send = (a->direction == MEDIA_SENDRECV || a->direction == MEDIA_SENDONLY) && !addr_is_any(&p->rtp.to) &&
		      addr_port(&p->rtp.to);
	report_agree(p);
	audio_refresh(p);
	audio_agree(p);
	video_refresh(p);
}

static void unlink_sink(struct worker_port *p)
{
	struct worker_port *sink = p->sink;

	if (!sink)
		return;
	sink->source = NULL;
	p->sink = NULL;
	p->passes = false;
	audio_refresh(sink);
	audio_refresh(p);
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
	audio_refresh(to);
	audio_refresh(from);
	video_refresh(to);
}

static void join(struct worker_port *a, struct worker_port *b)
{
	if (a->sink == b && b->sink == a)
		return;
	part(a);
	part(b);
	feed(a, b);
	b->sink = a;
	a->source = b;
	audio_refresh(a);
	audio_refresh(b);
	video_refresh(a);
}

static void tell(void *arg)
{
	struct worker *w = arg;

	mq_wake(w->events);
}

static void close_port(struct worker *w, struct worker_port *p)
{
	struct worker_event event = { .news = WORKER_CLOSED, .port = p->number, .heard = p->heard };

	if (!p->local) {
		event.fds[0] = p->rtp_io.fd;
		event.fds[1] = p->rtcp_io.fd;
		loop_io_remove(w->loop, &p->rtp_io);
		loop_io_remove(w->loop, &p->rtcp_io);
	}
	keys_close(p);
	audio_close(p);
	part(p);
	if (p->local)
		local_close(p);
	w->ports[p->number] = NULL;
	report_close(p);
	p->stats.lost = rtp_seq_lost(&p->seq);
	report_sum_up(p, &p->stats);
	event.stats = p->stats;
	secure_free(&p->secure);
	free(p);
	/* Both ends of a call close in one turn: one wake for them. */
	if (mq_put_reserved(w->events, &event))
		loop_timer_start(w->loop, &w->telling, 0, tell, w);
}

static struct worker_port *find(const struct worker *w, uint32_t number)
{
	assert(number < w->max_ports && w->ports[number]);
	return w->ports[number];
}

/* Its ports come and go, and it may end. */
static void come_or_go(struct worker *w, const struct worker_command *c)
{
	switch (c->verb) {
	case WORKER_OPEN:
		open_port(w, c->port, c->opened);
		break;
	case WORKER_ARRIVE:
		worker_take_in(w, c->port, c->opened);
		break;
	case WORKER_MOVE:
		part(find(w, c->port));
		worker_take_out(find(w, c->port));
		break;
	case WORKER_CLOSE:
		close_port(w, find(w, c->port));
		break;
	default:
		loop_stop(w->loop);
		break;
	}
}

static void on_command(void *arg, void *msg)
{
	const struct worker_command *c = msg;
	struct worker *w = arg;

	switch (c->verb) {
	case WORKER_AGREE:
		agree_keys(find(w, c->port), c->agree.secured, c->agree.keys);
		agree(find(w, c->port), &c->agree.media);
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
	case WORKER_PLAY:
		audio_play(find(w, c->port), &c->play);
		break;
	case WORKER_CONTROL:
		audio_control(find(w, c->port), &c->control);
		break;
	case WORKER_ATTACH:
		audio_attach(find(w, c->port), c->attach.id, c->attach.sink);
		break;
	case WORKER_DETACH:
		audio_detach(find(w, c->port), c->other);
		break;
	case WORKER_EXPECT:
		report_expect(find(w, c->port), c->silence_ms);
		break;
	case WORKER_KEYS:
		keys_send(find(w, c->port), c->keys.id, c->keys.text);
		break;
	case WORKER_PRESS:
		keys_press(find(w, c->port), c->key);
		break;
	case WORKER_WATCH:
		keys_watch(find(w, c->port), c->on);
		break;
	case WORKER_DENOISE:
		audio_denoise(find(w, c->port), c->on);
		break;
	case WORKER_OPEN:
	case WORKER_ARRIVE:
	case WORKER_MOVE:
	case WORKER_CLOSE:
	case WORKER_STOP:
		come_or_go(w, c);
		break;
	}
}

int worker_reserve(struct worker *w)
{
	return mq_reserve(w->commands, 2);
}

void worker_unreserve(struct worker *w)
{
	mq_unreserve(w->commands, 2);
}

static bool has_place(enum worker_verb verb)
{
	return verb == WORKER_OPEN || verb == WORKER_CLOSE || verb == WORKER_MOVE || verb == WORKER_ARRIVE;
}

static void wake(void *arg)
{
	struct worker *w = arg;

	mq_wake(w->commands);
}

int worker_reserve_one(struct worker *w)
{
	return mq_reserve(w->commands, 1);
}

void worker_send_reserved(struct worker *w, const struct worker_command *command)
{
	if (!mq_put_reserved(w->commands, command))
		return;
	/* An answer agrees on two ports and joins them: one wake of the thread for what a turn sends. */
	if (w->own_loop && loop_is_turning_here(w->from))
		loop_timer_start(w->from, &w->waking, 0, wake, w);
	else
		wake(w);
}

int worker_send(struct worker *w, const struct worker_command *command)
{
	int err = has_place(command->verb) ? 0 : worker_reserve_one(w);

	if (!err)
		worker_send_reserved(w, command);
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
	p->codec = CODEC_COUNT;
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
	w->from = opts->from;
	w->events = opts->events;
	w->max_ports = opts->max_ports;
	w->latch_ms = opts->latch_ms;
	for (unsigned i = 0; i < PHASES; i++)
		list_init(&w->ticking[i]);
	for (unsigned i = 0; i < REPORT_SLICES; i++)
		list_init(&w->reported[i]);
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
	loop_timer_stop(w->from, &w->waking);
	if (w->running) {
		mq_put_reserved(w->commands, &(struct worker_command){ .verb = WORKER_STOP });
		mq_wake(w->commands); /* whether or not the turn was to do it: it does not end before this */
		pthread_join(w->thread, NULL);
	}
	if (w->loop) {
		loop_timer_stop(w->loop, &w->telling);
		audio_stop(w);
	}
	mq_free(&w->commands);
	if (w->own_loop)
		loop_free(&w->loop);
	free(w->ports);
	free(w);
	*worker = NULL;
}
