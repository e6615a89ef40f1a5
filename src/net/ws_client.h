/* ws_client: WebSockets that we open (RFC 6455): libwebsockets in a thread of its own, behind a door for tests.
 *
 * Messages go both ways through the loop; audio goes out beside it, by a ws_feed that another thread fills. Messages in are at
 * most 64 KiB (else 1009), and no more is read while the loop is behind. TLS verifies the host of the URL by the
 * system's authorities ($SSL_CERT_FILE). user:password@ becomes basic auth. Redirects are not followed, proxies not
 * used. A server that takes or says nothing at all, not even PONG, is left after 30 s. The owner judges beforehand
 * which addresses are used (net/reach.h). Thread: all calls on the loop given at birth. */
#ifndef WS_CLIENT_H
#define WS_CLIENT_H

#include <stdbool.h>

#include "net/addr.h"
#include "net/url.h"

struct loop;
struct ws_feed;

enum { WS_MAX_MESSAGE = 64 * 1024, WS_MAX_WAITING = 256 * 1024, WS_MAX_ADDRS = 8, WS_MAX_BEARER = 4000 };

enum ws_kind { WS_TEXT, WS_BINARY };

struct ws_end {          /* borrowed during closed() */
	uint16_t code;   /* of the server's close frame; 0 = there was none */
	const char *why; /* one clause, never NULL */
};

struct ws_handlers {
	void (*opened)(void *arg); /* the handshake is accepted */
	/* NULL = what comes is read and forgotten, and counted by the feed. */
	void (*message)(void *arg, enum ws_kind kind, struct str bytes);
	/* Never was, or is, open: the id is stale. Once, unless closed by us. */
	void (*closed)(void *arg, const struct ws_end *end);
};

struct ws_request {               /* all copied */
	struct url url;           /* url_parse_ws() */
	const struct addr *addrs; /* tried one after the other until one is connected to; 1 to WS_MAX_ADDRS */
	size_t addr_count;
	/* Its frames become binary messages, or text as it says; a reference is taken. NULL = none. */
	struct ws_feed *feed;
	/* "Authorization: Bearer", in place of what the URL has: printable, without blanks. NULL = none. */
	const char *bearer;
	uint32_t deadline_ms; /* for connecting and the handshake */
};

struct ws;

/* Handlers run from the loop, never inside of these. */
struct ws_ops {
	/* 0; EINVAL: host, path or bearer are too long; ENFILE: too many are open; ENOMEM. */
	int (*open)(struct ws *w, const struct ws_request *r, const struct ws_handlers *h, void *arg, uint64_t *id);
	/* In order, and before what waits in the feed; from inside open() on. When WS_MAX_WAITING bytes wait, it is closed. 0,
	 * ENOMEM, ENOENT: it is closed. */
	int (*send)(struct ws *w, uint64_t id, enum ws_kind kind, struct str bytes);
	/* Behind what waits, within 2 s. No handler runs any more. Stale ids are fine. */
	void (*close)(struct ws *w, uint64_t id, uint16_t code);
};

struct ws {
	const struct ws_ops *ops;
};

struct ws_client_opts {
	struct loop *loop;
	uint16_t ping_after_s, gone_after_s; /* of silence; 0 = 20, 30 */
};

/* The thread begins with the first connection. 0 or ENOMEM. */
int ws_client_new(struct ws **out, const struct ws_client_opts *opts);
/* What is open is cut. *w may be NULL. */
void ws_client_free(struct ws **w);

#endif
