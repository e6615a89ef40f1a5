/* op_play: play a list of sounds to a call's party, one behind the other; the next is made ready while one plays.
 *
 * A sound that cannot be had is left out and the list goes on; the op has then failed at its end, and says what the
 * first one lacked. A party that hangs up ends it (OP_GONE). Thread: signal. Source: swml.md §7, §8. */
#ifndef OP_PLAY_H
#define OP_PLAY_H

#include "op/op.h"

struct sounds;

enum { PLAY_MAX_SOUNDS = 256, PLAY_MAX_DB = 40 };

struct play_request { /* all copied */
	const char *const *uris;
	size_t count;                          /* 1 to PLAY_MAX_SOUNDS */
	const char *voice, *language, *gender; /* of say:; NULL = the engine's */
	double volume_db;                      /* -40 to 40 */
	bool answer;                           /* an unanswered caller is answered; else hears it as early media */
	bool loops;                            /* until it is stopped */
	bool quiet;                            /* part of something else: no events of its own */
	bool fills;                            /* heard only while nothing audible comes from the call's peer */
	bool own;                              /* of the configuration: may be a file (sound_uri_parse_own()) */
	const char *status_url;                /* of the events, NULL = none */
	const char *control_id;                /* NULL = one is made */
};

/* 0, EINVAL (no sound, or too many), ENOMEM, ENOTCONN (the call has ended). */
int op_play_start(struct op **out, const struct op_start *start, const struct play_request *r);
/* What is heard stops within a packet; each has no effect twice. op_stop() ends it all. */
void op_play_pause(struct op *o);
void op_play_resume(struct op *o);
void op_play_volume(struct op *o, double db);
const char *op_play_control_id(const struct op *o); /* borrowed */

#endif
