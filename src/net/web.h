/* web: libwebsockets in a thread of its own: an HTTP server whose answers come from the signalling loop.
 *
 * The web thread knows request ids, no calls. First version: GET of small JSON bodies (/healthz, /readyz).
 * A request for which on_request gives no answer within 5 s gets 504.
 * Thread: all calls on the loop given at birth. */
#ifndef WEB_H
#define WEB_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct web;
struct loop;

struct web_request {
	uint64_t id;
	char method[8];
	char path[256]; /* without query */
};

/* listen: "ADDRESS:PORT" texts. on_request runs on the loop; answer with web_reply(), at once or later.
 * Returns 0 or errno (EADDRINUSE …) with the reason in why. */
int web_new(struct web **out, struct loop *l, const char *const *listen, size_t count,
	    void (*on_request)(void *arg, const struct web_request *r), void *arg, char why[128]);
void web_reply(struct web *w, uint64_t id, int status, const char *content_type, struct str body);
/* The port of the n-th listener (tests listen on port 0). */
uint16_t web_port(const struct web *w, size_t n);
/* Stops the thread and closes all connections. */
void web_free(struct web **w);

#endif
