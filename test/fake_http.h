/* fake_http: a small HTTP server on 127.0.0.1 for tests; each path has one canned behaviour, good or bad.
 *
 * Real sockets in threads of its own: the client under test keeps real time even on a virtual loop. */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include <stddef.h>
#include <stdint.h>

struct fake_http;

enum fake_then {
	FAKE_KEEP,  /* read the next request */
	FAKE_CLOSE, /* close the connection */
	FAKE_RUDE,  /* read the next request and close without an answer to it */
	FAKE_HANG,  /* say nothing more until the client leaves */
	FAKE_FLOOD, /* send the byte 'x' until the client leaves */
};

struct fake_page {
	const char *path;  /* of the request, with query; "*" = any */
	const char *reply; /* all bytes of the answer; NULL = 200 with an empty body */
	enum fake_then then;
};

struct fake_http *fake_http_new(void);
/* pages: ends with a NULL path; borrowed. */
void fake_http_pages(struct fake_http *h, const struct fake_page *pages);
uint16_t fake_http_port(const struct fake_http *h);
size_t fake_http_connections(struct fake_http *h);
size_t fake_http_requests(struct fake_http *h);
/* The n-th request as it came, borrowed until the next fake_http_forget(). "" = there was none. */
const char *fake_http_request(struct fake_http *h, size_t n);
void fake_http_forget(struct fake_http *h); /* requests and counts */
void fake_http_free(struct fake_http **h);

#endif
