/* tap_uri: where the audio of a call may be sent: rtp://HOST:PORT, ws://…, wss://…. Pure. Thread: any.
 * Source: swml.md §8. */
#ifndef TAP_URI_H
#define TAP_URI_H

#include "net/url.h"

/* Slices of the text. 0, EPROTONOSUPPORT (another scheme), EINVAL. */
int tap_uri_parse(struct url *out, bool *rtp, struct str uri);
/* What is wrong with it, one clause; NULL = nothing. */
const char *tap_uri_fault(struct str uri);

#endif
