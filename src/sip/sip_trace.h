/* sip_trace: the newest SIP messages of a server, in one ring of fixed size, found again by their Call-ID.
 *
 * Everybody writes into the same ring and the oldest go first: nothing is allocated for a message or a call. Beside
 * messages it holds notes, lines of text under a key of their writer's, which say what belongs together. Bytes are kept
 * as they were on the wire; whoever shows them takes the secrets out of a copy with sip_trace_mask().
 * Thread: signal. */
#ifndef SIP_TRACE_H
#define SIP_TRACE_H

#include "net/wire.h"

struct hep;
struct loop;
struct sip_trace;

enum sip_trace_kind { SIP_TRACE_IN, SIP_TRACE_OUT, SIP_TRACE_NOTE };

/* A note of sip/: under the Call-ID of a dialog, that of the one which took its place. */
enum { SIP_TRACE_REPLACED = 255 };

struct sip_trace_item { /* borrowed until something is written */
	enum sip_trace_kind kind;
	uint8_t note;        /* of notes: what the writer calls it */
	enum wire_kind wire; /* of messages, as are the addresses  */
	struct addr local, remote;
	uint64_t at_us;    /* monotonic clock                    */
	uint64_t position; /* a later record has a greater one   */
	struct str key;    /* of messages: the Call-ID           */
	struct str text;
};

struct sip_trace_opts {
	struct loop *loop;
	size_t bytes;    /* of the ring, 0 = keep nothing      */
	struct hep *hep; /* gets each message too, NULL = none */
};

/* 0 or ENOMEM. hep is borrowed. */
int sip_trace_new(struct sip_trace **out, const struct sip_trace_opts *opts);
void sip_trace_free(struct sip_trace **t);
/* Does it keep anything? t may be NULL. */
bool sip_trace_keeps(const struct sip_trace *t);

/* i->kind, wire, local, remote and text count; key absent = looked for in the text. t may be NULL. */
void sip_trace_message(struct sip_trace *t, const struct sip_trace_item *i);
/* t may be NULL. */
void sip_trace_note(struct sip_trace *t, uint8_t note, struct str key, struct str text);
/* Visit what there is under a key, newest first, until fn returns false. */
void sip_trace_find(const struct sip_trace *t, struct str key, bool (*fn)(void *arg, const struct sip_trace_item *i),
		    void *arg);

/* Unix time [us] of a record. */
uint64_t sip_trace_wall_us(const struct sip_trace *t, uint64_t at_us);

/* Put x over what must not be seen in a message: responses of digests, keys of SDP, passwords of URIs. The length
 * stays. Pure. */
void sip_trace_mask(char *bytes, size_t n);

#endif
