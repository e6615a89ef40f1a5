/* serve_taps: what the taps of a server share: which targets they may have, where RTP comes from, the client of
 * WebSockets. Part of serve.c. Thread: signal. */
#ifndef SERVE_TAPS_H
#define SERVE_TAPS_H

#include "op/op_tap.h"

struct config;

struct serve_taps {
	struct tap_env env;
};

/* dns: borrowed. 0 or ENOMEM. */
int serve_taps_open(struct serve_taps *t, struct loop *l, struct dns *dns, const struct config *c);
/* Another configuration, for taps from now on. 0 or ENOMEM, and nothing changes. */
int serve_taps_move(struct serve_taps *t, const struct config *c);
/* No tap may be left. */
void serve_taps_close(struct serve_taps *t);

#endif
