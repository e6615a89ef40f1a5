/* refer: asks the far end of a SIP call to call somebody else, and waits for what becomes of it.
 *
 * The call itself goes on, whatever the outcome: most far ends hang up by themselves after a success. Thread: signal. */
#ifndef REFER_H
#define REFER_H

#include "call/transfer.h"
#include "op/op.h"

struct refer_params { /* copied */
	struct transfer to;
	const char *status_url; /* gets the event "refer", NULL = nowhere */
};

/* 0; EINVAL: not answered, or no address a transfer can go to; EBUSY: another one runs; ENOMEM; ENOTCONN: the call has
 * ended. done() has sip_status (of the request) and notify_status (of the new call), 0 = not told. A call that ends
 * meanwhile is OP_GONE: nobody can tell any more. */
int refer_start(struct op **out, struct call *call, const struct refer_params *p, op_done_fn *done, void *arg);

#endif
