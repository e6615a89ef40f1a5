/* hooks: takes events to the URLs they name: signed JSON, in order per call, tried again, kept on disk until then.
 *
 * Events of one call go one at a time; different calls in parallel, as many at once as a host may have. An event has
 * three attempts within 10 s of its first and then is given up; one that waits for a full host too long, too. What
 * leaves is taken from the spool. When too many wait for one host, the oldest that are not final are dropped.
 * Thread: signal. Source: PRODUCT §5-6, swml.md §6, layout.md §9. */
#ifndef HOOKS_H
#define HOOKS_H

#include "api/hook_payload.h"
#include "api/spool.h"
#include "base/histogram.h"
#include "net/http_client.h"

struct hooks;

struct hooks_door { /* http_client_send(), _cancel() and _hurry(), or a fake */
	int (*send)(void *http, const struct http_request *r, void (*done)(void *arg, const struct http_answer *a),
		    void *arg, uint64_t *id);
	void (*cancel)(void *http, uint64_t id);
	void (*hurry)(void *http, uint64_t id);
	void *http;
};

struct hooks_opts {
	struct loop *loop;
	struct hooks_door door;
	struct spool spool;            /* copied; its store and journal outlive the hooks. No store: memory only */
	struct hook_identity identity; /* copied, as is the key */
	const char *signing_key;       /* NULL = unsigned */
	uint32_t per_host;             /* requests at once, 0 = 16; not more than those of the client */
	uint32_t queue_max;            /* events that wait for one host, 0 = 10000 */
};

struct hooks_counts { /* since the start */
	uint64_t accepted, delivered, failed_attempts, given_up, dropped;
	uint64_t not_journaled; /* accepted while the journal was full */
	size_t waiting;         /* now, those on their way included */
	struct histogram
		delay; /* of those delivered: from acceptance, or the start for those from before it, to the answer */
};

/* The door to a real client, which outlives the hooks. */
struct hooks_door hooks_http_door(struct http_client *c);

/* Reads the spool (blocking) and begins with what it holds. 0, ENOMEM, EIO. */
int hooks_new(struct hooks **out, const struct hooks_opts *opts);
/* What was not delivered stays in the spool. */
void hooks_free(struct hooks **h);
/* The subscriber; arg is the struct hooks. */
void hooks_on_event(void *arg, const struct event *ev);
/* Other ids and key from now on (reload). 0 or ENOMEM, and nothing has changed. */
int hooks_identify(struct hooks *h, const struct hook_identity *identity, const char *signing_key);
/* The end is near: done() follows from the loop when all is delivered, at the latest after limit_ms. After that events
 * go to the spool only. */
void hooks_flush(struct hooks *h, uint32_t limit_ms, void (*done)(void *arg), void *arg);
void hooks_count(const struct hooks *h, struct hooks_counts *out);

#endif
