/* A port goes from one worker to another: all of it, as it is, between two ticks. What comes for it meanwhile waits in its sockets. */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/mq.h"
#include "media/worker_impl.h"

void worker_watch_sockets(struct worker_port *p)
{
	struct loop *l = p->worker->loop;
	int err = loop_io_add(l, &p->rtp_io, p->rtp_io.fd, LOOP_READ, rtp_on_readable, p);

	if (!err)
		err = loop_io_add(l, &p->rtcp_io, p->rtcp_io.fd, LOOP_READ, rtcp_on_readable, p);
	if (err)
		log_printf(LOG_ERROR, NULL, "media: cannot watch a socket: %s", strerror(err));
}

void worker_take_out(struct worker_port *p)
{
	struct worker_event event = { .news = WORKER_MOVED, .port = p->number, .moved = p };
	struct worker *w = p->worker;

	assert(!p->local && !p->sink && !p->source);
	audio_leave(p);
	report_close(p);
	loop_io_remove(w->loop, &p->rtp_io);
	loop_io_remove(w->loop, &p->rtcp_io);
	w->ports[p->number] = NULL;
	p->worker = NULL;
	mq_send_reserved(w->events, &event);
}

void worker_take_in(struct worker *w, uint32_t number, struct worker_port *p)
{
	assert(number == p->number && number < w->max_ports && !w->ports[number]);
	/* Its times are of another loop, whose turn may have begun later than this one. */
	loop_catch_up(w->loop);
	w->ports[number] = p;
	p->worker = w;
	report_arrive(p);
	audio_arrive(p);
	worker_watch_sockets(p);
}
