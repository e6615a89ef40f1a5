/* web: libwebsockets in a thread of its own: an HTTP server whose answers come from the signalling loop.
 *
 * The web thread knows request ids, no calls. A request is handed over whole, with a body of up to 1 MiB; one that
 * on_request leaves without an answer for 5 s gets 504. An answer is one text, or a stream of pieces that lasts until
 * the server ends it or the client leaves; a client that lets more than 1 MiB of pieces pile up is disconnected. A file
 * is read by the web thread as fast as the client takes it, whole or the range that was asked for. TLS, where an
 * address asks for it, is 1.2 or 1.3 by the rules of tls.h, without resumption.
 * Thread: all calls on the loop given at birth. */
#ifndef WEB_H
#define WEB_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/addr.h"

struct web;
struct loop;
struct tls_ctx;

enum { WEB_ADDRESS = ADDR_TEXT + sizeof("https:") };

struct web_listen {               /* all borrowed */
	const char *const *texts; /* "ADDRESS:PORT", or "https:ADDRESS:PORT" for TLS */
	size_t count;
	const struct tls_ctx *tls; /* whose certificate is shown; NULL = none of them is for TLS */
};

struct web_request { /* borrowed during on_request() */
	uint64_t id;
	char method[8];
	char path[256];            /* without query */
	char query[512];           /* decoded "name=value&…", "" = none */
	char accept[80];           /* the header's value, cut; "" = none */
	const char *authorization; /* the header's value, "" = none */
	struct str body;           /* empty = none */
};

struct web_answer { /* all copied */
	int status;
	const char *content_type;
	struct str body;
	const char *header, *value; /* one more header line, with the colon ("retry-after:"); NULL = none */
};

/* on_request runs on the loop; answer with one of the functions below, at once or
 * later. Returns 0 or errno (EADDRINUSE …) with the reason in why. */
int web_new(struct web **out, struct loop *l, const struct web_listen *listen,
	    void (*on_request)(void *arg, const struct web_request *r), void *arg, char why[128]);
void web_reply(struct web *w, uint64_t id, int status, const char *content_type, struct str body);
void web_reply_with(struct web *w, uint64_t id, const struct web_answer *a);

/* A streamed answer, status 200. gone (set before the first stream) is told once when its client left, unless it was
 * ended before; ids of streams that are over are harmless. */
void web_on_gone(struct web *w, void (*gone)(void *arg, uint64_t id));
void web_stream_start(struct web *w, uint64_t id, const char *content_type);
void web_stream_send(struct web *w, uint64_t id, struct str piece);
void web_stream_end(struct web *w, uint64_t id);

/* Other listeners, in two steps. Can those be opened that are not open yet? 0; or errno with why. Then these only, from a
 * moment on, with that certificate for new handshakes. Connections that stand are served on, also of an address that
 * goes. */
int web_try(const struct web *w, const struct web_listen *listen, char why[160]);
void web_switch(struct web *w, const struct web_listen *listen);
/* Answer with a file of so many bytes. The descriptor is given away; it is read from its beginning. */
void web_reply_file(struct web *w, uint64_t id, int fd, uint64_t size_bytes, const char *content_type);

/* The port of the n-th listener (tests listen on port 0). */
uint16_t web_port(const struct web *w, size_t n);
/* Stops the thread and closes all connections. */
void web_free(struct web **w);

#endif
