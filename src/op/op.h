/* op: a running verb: started, perhaps stopped, done exactly once.
 *
 * A dialect starts an op and hears of it once, through done(), from the loop and never from inside the
 * starting call. Stopping is a request: done() still follows. When the call ends, the op sees to itself and
 * done() follows too. After done() the pointer is dead. Thread: signal. */
#ifndef OP_H
#define OP_H

#include "call/call.h"
#include "call/runner.h"
#include "op/connect_engine.h"

struct collect_result;
struct op;
struct sounds;

enum op_outcome {
	OP_DONE,    /* ran to its own end; a connect: the peers were joined */
	OP_FAILED,  /* could not do it                                      */
	OP_STOPPED, /* op_stop()                                            */
	OP_GONE,    /* the call ended first                                 */
};

struct op_result {
	enum op_outcome outcome;
	enum cause cause;       /* connect: why it failed or ended             */
	const char *why;        /* one sentence, never NULL, borrowed          */
	const char *peer_id;    /* connect: call id of the joined or last leg, NULL = none was made */
	uint32_t joined_ms;     /* connect: how long the parties were joined   */
	uint16_t sip_status;    /* connect: final status of that leg's INVITE, refer: of the request; 0 = none */
	uint16_t notify_status; /* refer: of the new call, 0 = not told */
	const struct collect_result *collect; /* collect: what came (op_collect.h) */
};

typedef void op_done_fn(void *arg, const struct op_result *r);

/* Where an op runs, and who hears of its end. */
struct op_start {
	struct call *call;
	struct sounds *sounds; /* where what it plays comes from; must outlive the op */
	struct runner runner;  /* connect: who runs the confirms of its peers; zeroed = nobody, then none is joined */
	op_done_fn *done;
	void *arg;
};

void op_stop(struct op *o);
/* done() goes to somebody else from now on. */
void op_follow(struct op *o, op_done_fn *done, void *arg);

/* Connect the call, the caller, somewhere. Takes the plan (also on error). Targets are dialled from the loop, so no leg
 * exists yet when this returns. 0, EINVAL (plan_fault), ENOMEM, ENOTCONN (the caller has ended). */
int connect_start(struct op **out, const struct op_start *start, struct plan *plan);

#endif
