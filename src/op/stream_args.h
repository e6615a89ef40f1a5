/* stream_args: what a document says of a stream: its URL, its codec, its token. Pure. Thread: any.
 * Source: swml.md §8, connect.md §3.6. */
#ifndef STREAM_ARGS_H
#define STREAM_ARGS_H

#include "media/streamer.h"
#include "net/url.h"

/* wss://… only. Slices of the text. 0, EPROTONOSUPPORT (another scheme), EINVAL. */
int stream_url_parse(struct url *out, struct str text);
/* What is wrong with it, one clause; NULL = nothing. */
const char *stream_url_fault(struct str text);

/* "PCMU", "L16@24000h@40i": a codec, its rate [Hz], the length of its packets [ms], in any order behind it. Absent or empty is
 * PCMU. NULL, or one clause that says what is wrong. */
const char *stream_format_parse(struct stream_format *out, struct str text);

/* It can stand behind "Bearer ". */
const char *stream_token_fault(struct str token);

#endif
