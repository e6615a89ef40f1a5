/* pairing: two calls that are joined, as those see them who take a party's wish to be replaced by somebody else (REFER).
 *
 * Both users of it embed it: a connect, whose caller's document waits for the other party, and a pair (pair.h), which has
 * no document. judge() in pairing.c is the one place where such wishes are judged. Thread: signal. */
#ifndef PAIRING_H
#define PAIRING_H

#include "call/call_transfer.h"
#include "op/plan.h"

struct pairing;
struct sounds;
struct handover;

enum { PAIRING_TRANSFERS = 10 }; /* taken for one pair of parties, whoever they are by then */

struct pairing_terms { /* of the connect that all began with; they go on for who comes later */
	struct sounds *sounds;
	char from[256];     /* caller id that its document has set, "" = none */
	uint32_t price_cap; /* as in struct plan_target */
	uint32_t ring_ms;
	enum plan_encryption encryption;
	uint32_t talk_ms;   /* that are left of its max_duration, 0 = no limit */
	unsigned transfers; /* so many were taken */
};

struct pairing_ops {
	/* Who c is joined with; NULL = nobody (any more). */
	struct call *(*other)(const struct pairing *p, const struct call *c);
	/* Is c the one whose document waits for the end of the other? */
	bool (*has_document)(const struct pairing *p, const struct call *c);
	void (*get_terms)(const struct pairing *p, struct pairing_terms *out);
	/* joiner, of nobody now, takes the place of whom the document waited for, and is joined. */
	void (*exchange)(struct pairing *p, struct call *joiner);
	/* c, who has no document, is let go: joined with nobody and of nobody. A pair is gone behind this; a connect waits for
	 * the end of its caller. */
	void (*give)(struct pairing *p, struct call *c);
	/* Both have documents that wait for who leaves: from now on each waits for the caller of the other one. */
	void (*link)(struct pairing *p, struct pairing *theirs);
	/* A transfer has come to nothing. alone: who asked is gone, so the kept one has nobody. */
	void (*failed)(struct pairing *p, bool alone);
};

struct pairing {
	struct call_pairing base;
	const struct pairing_ops *ops;
	struct handover *handover; /* NULL = none runs */
	unsigned transfers;
};

void pairing_init(struct pairing *p, const struct pairing_ops *ops, unsigned transfers);

struct pairing_swap {
	struct call *by; /* who has asked; NULL = gone already */
	struct call *kept, *target;
	struct pairing
		*theirs; /* where the target talks to `out`, who has asked as well; NULL = the target is of nobody */
	struct call *out;
};
/* kept is joined with target from now on; `by` and `out` are hung up soon, unless they do so. p may be gone behind this. */
void pairing_swap(struct pairing *p, const struct pairing_swap *s);

struct pairing_news {      /* of a transfer; calls may be NULL */
	const char *state; /* "started", "success", "failed" */
	struct str to;
	const struct call *by, *target;
	uint16_t status; /* 0 = none yet */
	const char *why;
};
/* The event, on the call of who is kept. */
void pairing_tell(struct call *kept, const struct pairing_news *n);

#endif
