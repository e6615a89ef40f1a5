/* call_transfer: a party asks to be replaced by somebody else (REFER in its dialog): who is asked, what is answered, and
 * what the new call is dialled as. Thread: signal. Source: RFC 3515, 3891, 5589. */
#ifndef CALL_TRANSFER_H
#define CALL_TRANSFER_H

#include "call/call.h"

struct arena;
struct sip_notifier;

struct call_pairing { /* whoever has joined a call with another one answers for both */
	/* Call call_take_transfer() or call_refuse_transfer() inside, else it is refused with 603. */
	void (*asked)(struct call_pairing *p, struct call *c, const struct transfer_wish *w);
};

/* p must live until it is taken away (NULL) or the call has ended. */
void call_set_pairing(struct call *c, struct call_pairing *p);
struct call_pairing *call_pairing(const struct call *c); /* NULL = nobody: the party is refused */

/* Inside asked(): 202. What becomes of it is told through *out, which outlives the call. 0 or ENOMEM. */
int call_take_transfer(struct call *c, struct sip_notifier **out);
/* Inside asked(). */
void call_refuse_transfer(struct call *c, int status);
/* The new call has come so far; a status from 200 on is the last, and sets *n to NULL. */
void call_tell_transfer(const struct calls *cs, struct sip_notifier **n, int status);

/* The answered call whose dialog the value of a Replaces header names; NULL = none of ours. */
struct call *call_named(const struct calls *cs, struct str replaces);
/* This call was put into its talk by the party of that one: for its record. */
void call_set_transferred_by(struct call *c, const struct call *by);
/* It goes on without the call that has dialled it: limits hold for it now. */
void call_count_alone(struct call *c);

enum { TRANSFER_MAX_PHONES = 8 };

struct transfer_target { /* as struct call_dial wants it */
	bool number;
	const char *address;                  /* in the arena */
	uint64_t phones[TRANSFER_MAX_PHONES]; /* of a subscriber of ours; they ring together */
	size_t phone_count;
};

/* What a Refer-To means, by the rules of a connect's destination. 0, or the status to refuse with. */
int transfer_target_read(struct transfer_target *out, const struct calls *cs, struct arena *a, struct str uri);

#endif
