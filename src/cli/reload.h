/* reload: the configurations of a running server, as numbered snapshots.
 *
 * Reads the file anew on the pool, refuses what needs a restart, lets the server take over the rest, and only then
 * makes it the current one; whatever goes wrong leaves everything as it was. A snapshot lives as long as a call that
 * began under it, the first one as long as the server.
 * Thread: signal. Source: PRODUCT §6 (reload), layout.md §12. */
#ifndef RELOAD_H
#define RELOAD_H

#include "base/arena.h"
#include "config.h"

struct calls;
struct loop;
struct pool;
struct reload;

struct reload_opts { /* borrowed */
	struct loop *loop;
	struct pool *pool;
	const char *path;
	/* Use this configuration from now on. 0, or errno with why and nothing has changed. */
	int (*apply)(void *arg, const struct config *c, char why[160]);
	/* How it went, for the one who asked: 200, or 400 and 409 (nothing has changed); json has all problems. */
	void (*done)(void *arg, uint64_t request, int status, struct str json);
	void *arg;
};

/* The first snapshot: first lives in *a, which becomes reload's own. 0 or ENOMEM. */
int reload_new(struct reload **out, const struct reload_opts *opts, struct arena **a, const struct config *first);
void reload_free(struct reload **r); /* before the pool; done() is not called any more */
/* Whose calls keep old snapshots alive. */
void reload_watch(struct reload *r, const struct calls *cs);
/* done() follows. While one is under way, the next is refused with 409. */
void reload_start(struct reload *r, uint64_t request);
uint64_t reload_number(const struct reload *r); /* of the current snapshot, from 1 */
size_t reload_kept(const struct reload *r);     /* snapshots in memory */

/* The first key whose change needs a restart, NULL = none. Exposed for tests. */
const char *reload_refused_key(const struct config *old, const struct config *new);

#endif
