/* control: the HTTP addresses that run a server: health, metrics, live calls, events, reload, drain, and the calling
 * API as far as placing and ending calls goes.
 *
 * Knows no sockets: requests come in by control_request(), answers leave by a door. Everything under /api wants basic
 * auth of a configured project, and so do recordings without a signed address.
 * Thread: signal; bodies are parsed on the pool. Source: PRODUCT §4, rest.md §4. */
#ifndef CONTROL_H
#define CONTROL_H

#include "call/calls.h"
#include "dialect/script.h"
#include "net/web.h"

struct control;
struct metrics;
struct pool;
struct recordings;

struct control_door { /* the web server, or a fake */
	void (*reply)(void *arg, uint64_t id, const struct web_answer *a);
	void (*stream_start)(void *arg, uint64_t id, const char *content_type);
	void (*stream_send)(void *arg, uint64_t id, struct str piece);
	void (*stream_end)(void *arg, uint64_t id);
	void (*file)(void *arg, uint64_t id, int fd, uint64_t size_bytes, const char *content_type); /* takes fd */
	void *arg;
};

struct control_opts { /* all borrowed, must outlive the control */
	struct loop *loop;
	struct pool *pool;
	struct events *events;
	struct calls *calls;
	const struct metrics *metrics;
	const struct sip_trace *trace; /* NULL = none is kept */
	const struct recordings *recordings;
	const struct script_env *scripts; /* looked at anew for each call */
	/* The token of a project, NULL = there is no such project. */
	const char *(*token)(void *arg, struct str project);
	/* Read the configuration anew, and say how it went with control_answer(), at once or later. */
	void (*reload)(void *arg, uint64_t request);
	void (*drain)(void *arg);
	void *arg;
};

int control_new(struct control **out, const struct control_opts *opts);
/* After the last call has gone, and before the pool. */
void control_free(struct control **c);
/* Where answers go from now on; NULL = nowhere, and nothing is begun any more. */
void control_open(struct control *c, const struct control_door *door);
struct control_door control_web_door(struct web *w);

void control_request(struct control *c, const struct web_request *r);
/* The client of a stream has left. */
void control_gone(struct control *c, uint64_t id);
/* No more events will come. */
void control_end_streams(struct control *c);
/* Answer a request with JSON. */
void control_answer(struct control *c, uint64_t request, int status, struct str json);

#endif
