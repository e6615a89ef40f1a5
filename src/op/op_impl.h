/* op_impl: what every running verb embeds. Thread: signal. */
#ifndef OP_IMPL_H
#define OP_IMPL_H

#include "op/op.h"
#include "op/plan.h"

struct op_ops {
	void (*stop)(struct op *o);
};

struct op {
	const struct op_ops *ops;
	op_done_fn *done;
	void *arg;
	bool finished;
};

/* connect_expand.c: addresses become what they stand for, and a subscriber the phones he is registered with now, which
 * ring together. What has no phone stays, and fails when it is dialled. 0 or ENOMEM. */
int connect_expand(struct plan *plan, const struct calls *cs);

/* Tell done(), exactly once. The owner may free the op afterwards, not before. */
void op_finish(struct op *o, const struct op_result *r);

#endif
