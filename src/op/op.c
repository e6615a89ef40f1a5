#include "op/op_impl.h"

#include <assert.h>

void op_stop(struct op *o)
{
	o->ops->stop(o);
}

void op_follow(struct op *o, op_done_fn *done, void *arg)
{
	o->done = done;
	o->arg = arg;
}

void op_finish(struct op *o, const struct op_result *r)
{
	assert(!o->finished);
	o->finished = true;
	o->done(o->arg, r);
}
