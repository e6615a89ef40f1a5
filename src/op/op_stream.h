/* op_stream: send a copy of a call's audio to a WebSocket, track by track, beside the document; one way.
 *
 * Tells of itself by events calling.call.stream: streaming, finished; one that never came to stand is told by finished
 * alone. It ends when it is stopped, with the call, or when its WebSocket does; the call goes on. What the server says is
 * ignored and counted. Found by background_find("stream"). The messages: stream_message.h.
 * Thread: signal. Source: swml.md §8, connect.md §6.3, cxml.md §Stream. */
#ifndef OP_STREAM_H
#define OP_STREAM_H

#include "op/op.h"
#include "op/op_tap.h"
#include "op/stream_message.h"

enum { STREAMS_A_CALL = 16 };

struct stream_ask {             /* all copied */
	const char *url;        /* op/stream_args.h finds no fault */
	const char *control_id; /* NULL = a new one */
	const char *name;       /* NULL = none */
	const char *status_url; /* NULL = nowhere */
	bool status_get;        /* GET in place of POST */
	const char *bearer;     /* stream_token_fault() finds none; NULL = none */
	const char *account_id; /* of the server, for the start message; NULL = "" */
	enum sink_wants tracks; /* SINK_SAID: inbound, SINK_HEARD: outbound */
	struct stream_format format;
	const struct stream_parameter *parameters; /* for the start message */
	size_t parameter_count;
};

struct stream_start {
	struct call *call;
	const struct tap_env *env; /* what taps and streams share */
	/* It stands; from the loop, once at most. */
	void (*streaming)(void *arg, struct op *o);
	op_done_fn *done; /* also when it never stood: OP_FAILED */
	void *arg;        /* op_follow() replaces both */
};

/* 0, EINVAL (url), EEXIST (that control_id streams already), EMFILE (STREAMS_A_CALL run), EMSGSIZE (the start message would be too long), ENOTCONN (the
 * call has ended), ENOMEM. */
int stream_start(struct op **out, const struct stream_start *start, const struct stream_ask *ask);
/* Borrowed, up to the end of done(). */
const char *stream_control_id(const struct op *o);

#endif
