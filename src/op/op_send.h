/* op_send: send keys to a call's party.
 *
 * One after the other, as its phone understands them (port.h). A party that hangs up ends it (OP_GONE); op_stop() leaves
 * out what has not begun to sound. Thread: signal. Source: swml.md §8. */
#ifndef OP_SEND_H
#define OP_SEND_H

#include "op/op.h"

enum { SEND_MAX_KEYS = 256 };

/* Is it what can be sent? */
bool op_send_ok(const char *text);
/* text: copied; 0-9 * # A-D, w = 0.5 s and W = 1 s of waiting, at most SEND_MAX_KEYS. An unanswered call is answered. 0,
 * EINVAL (another character, none, too many), ENOMEM, ENOTCONN (the call has ended). */
int op_send_start(struct op **out, const struct op_start *start, const char *text);

#endif
