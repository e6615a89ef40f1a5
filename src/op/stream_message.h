/* stream_message: the messages of audio over a WebSocket: JSON as text, ours to the server.
 *
 * connected and start come first, then what a queue of struct stream_frame holds, each made a message by who takes it
 * out: media, dtmf, and stop at the end. sequenceNumber counts all but connected, from 1, without gaps: what was lost
 * shows in the chunk of media. Numbers are texts. Source: cxml.md §Stream. */
#ifndef STREAM_MESSAGE_H
#define STREAM_MESSAGE_H

#include "base/str.h"
#include "media/streamer.h"
#include "net/ws_feed.h"

enum { STREAM_MAX_START = 64 * 1024 };

struct stream_parameter {
	struct str name, value;
};

struct stream_hello {                                 /* what start says; borrowed */
	const char *stream_id, *account_id, *call_id; /* account_id NULL = "" */
	enum sink_wants tracks;
	struct stream_format format;
	const struct stream_parameter *parameters;
	size_t parameter_count;
};

/* {"event":"connected",…} */
struct str stream_message_connected(void);
/* Past STREAM_MAX_START bytes failed is set. */
void stream_message_start(struct buf *out, const struct stream_hello *s);
/* The messages behind start. 0 or ENOMEM. free() of *out frees it. */
int stream_message_text(struct ws_feed_text *out, const struct stream_format *f);

#endif
