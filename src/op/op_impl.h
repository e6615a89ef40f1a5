/* op_impl: what every running verb embeds. Thread: signal. */
#ifndef OP_IMPL_H
#define OP_IMPL_H

#include "op/op.h"
#include "op/plan.h"

struct call_dial;

struct op_ops {
	void (*stop)(struct op *o);
};

struct op {
	const struct op_ops *ops;
	op_done_fn *done;
	void *arg;
	bool finished;
};

/* Tell done(), exactly once. The owner may free the op afterwards, not before. */
void op_finish(struct op *o, const struct op_result *r);

/* What a plan wishes for a leg, as call_dial() takes it. */
void op_ask_encryption(struct call_dial *ask, enum plan_encryption wish);

#endif
