/* op_tap: send a copy of a call's audio elsewhere, beside the document: as RTP, or over a WebSocket.
 *
 * Tells of itself by events calling.call.tap: tapping, finished; a tap that never came to stand is told by finished alone. It
 * ends when it is stopped, with the call, or when its WebSocket does; the call goes on. Found by background_find("tap").
 * Over a WebSocket one text message comes first, an object that says what the binary ones hold (docs/tap.md).
 * Thread: signal. Source: swml.md §8, relay.md §5.8. */
#ifndef OP_TAP_H
#define OP_TAP_H

#include "media/sink.h"
#include "op/op.h"

struct dns;
struct http_rules;
struct ws;

/* What the taps of a server share. All borrowed, must outlive the taps. */
struct tap_env {
	struct loop *loop;
	struct dns *dns;
	struct http_rules *rules;    /* which addresses they may go to */
	struct ws *ws;               /* NULL = no WebSockets */
	struct addr from, advertise; /* of RTP; ports ignored. family 0 = any; family 0 = from */
};

struct tap_ask {                   /* all copied */
	const char *uri;           /* op/tap_uri.h finds no fault */
	const char *control_id;    /* NULL = a new one */
	const char *status_url;    /* NULL = nowhere */
	enum sink_wants direction; /* SINK_SAID: speak, SINK_HEARD: listen */
	enum codec_id codec;       /* PCMU or PCMA */
	uint32_t packet_ms;        /* RTP: media/tap.h says from what to what */
};

struct tap_start {
	struct call *call;
	const struct tap_env *env;
	/* It stands; from the loop, once at most. */
	void (*tapping)(void *arg, struct op *o);
	op_done_fn *done; /* also when it never stood: OP_FAILED */
	void *arg;        /* op_follow() replaces both */
};

/* 0, EINVAL (uri), ENOTCONN (the call has ended), ENOMEM. */
int tap_start(struct op **out, const struct tap_start *start, const struct tap_ask *ask);

struct tap_facts {       /* borrowed, up to the end of done() */
	const char *uri; /* without user and password */
	const char *control_id;
	const char *codec;
	bool rtp;
	struct addr source; /* RTP: where it comes from, as the receiver sees it */
	uint32_t packet_ms, rate_hz;
};
/* From tapping() on. */
void tap_get_facts(const struct op *o, struct tap_facts *out);

#endif
