/* ringback: what a party hears of ours while it waits, for others who ring or who hold the call: a list of sounds, over and over,
 * until it is stopped.
 *
 * It tells no events. A list of which nothing can be had ends by itself: then the caller hears nothing, and the log
 * says why. Thread: signal. */
#ifndef RINGBACK_H
#define RINGBACK_H

#include <stddef.h>

struct call;
struct ringback;
struct sounds;

/* The caller is answered or has early media. On failure, which the log tells, *out stays NULL. *out must be NULL, must
 * stay where it is until ringback_stop(), and becomes NULL by itself when it ends before. */
void ringback_start(struct ringback **out, struct call *caller, struct sounds *s, const char *const *uris,
		    size_t count);
/* The same, of the configuration, and heard only while nothing audible comes from the call's peer. */
void ringback_hold(struct ringback **out, struct call *held, struct sounds *s, const char *const *uris, size_t count);
/* Nothing of it is sent after what is sent now. *r may be NULL. */
void ringback_stop(struct ringback **r);

#endif
