/* call_media: what is played to a call's party, who listens to it, which keys it presses; for ops.
 *
 * The small structs are embedded in their owners. Each start that returned 0 ends in exactly one played() or detached(),
 * from the loop, unless the owner forgets it before: then what comes is seen to here. When a call hangs up its
 * watches hear closed() first; an owner that dies then forgets what it has started.
 * Thread: signal. */
#ifndef CALL_MEDIA_H
#define CALL_MEDIA_H

#include "base/list.h"
#include "media/port.h"

struct call;

/* The party is answered or has early media: what is played is heard. */
bool call_can_hear(const struct call *c);

struct call_playing {
	struct list node; /* zeroed = not playing */
	uint32_t id;
	void (*played)(void *arg, enum port_played how);
	void *arg;
};

/* The party hears s (taken, also on error) beside whoever it is joined with. The call must be answered or have early
 * media. 0, ENOMEM, ENOTCONN. */
int call_play(struct call *c, struct call_playing *p, struct source *s, float gain);
/* gain counts for PORT_GAIN only. Harmless when it is over. */
/* The same, but it is heard only while nothing audible comes from that peer (port_fill()). */
int call_fill(struct call *c, struct call_playing *p, struct source *s, float gain);
void call_play_control(struct call *c, const struct call_playing *p, enum port_control verb, float gain);
void call_play_forget(struct call_playing *p);

struct call_listening {
	struct list node; /* zeroed = not listening */
	uint32_t id;
	void (*detached)(void *arg, struct sink *s); /* s is the owner's again */
	void (*news)(void *arg, unsigned what);      /* s has found something (sink.h); may be NULL */
	void *arg;
};

/* s listens to the party until call_unlisten(), its own wish, or the end. 0; ENOMEM or ENOTCONN, and s stays the caller's. */
int call_listen(struct call *c, struct call_listening *l, struct sink *s);
/* detached() follows. */
void call_unlisten(struct call *c, const struct call_listening *l);
void call_listen_forget(struct call_listening *l);

struct call_keys {
	struct list node; /* zeroed = not watching */
	struct call *call;
	/* 0-9 * # A-D, when its press begins. Return true to keep it from those that began to watch earlier. */
	bool (*pressed)(void *arg, char key);
	bool overhears; /* hears of all keys, before the others do, and keeps none; must not act on the call */
	void *arg;
};

/* Keys and pauses (port_keys_ok()) go to the party, one after the other; ends like something that is played, and
 * PORT_STOP stops it. 0, ENOMEM, ENOTCONN. */
int call_send_keys(struct call *c, struct call_playing *p, const char *text);

/* While anybody watches, tones are keys too, from parties that have no telephone-event. */
void call_watch_keys(struct call *c, struct call_keys *k);
void call_unwatch_keys(struct call_keys *k); /* harmless when not watching */

/* Take the noise out of what the party says, or leave it in; told by an event calling.call.denoise. 0, ENOTSUP (on: its codec cannot
 * be decoded here), ENOTCONN. */
int call_denoise(struct call *c, bool on);

/* --- from the leg --- */

void call_media_played(struct call *c, uint32_t id, enum port_played how);
void call_media_detached(struct call *c, uint32_t id, struct sink *s);
void call_media_news(struct call *c, uint32_t id, unsigned what);
void call_media_key(struct call *c, char key);
void call_media_held(struct call *c, bool on);

#endif
