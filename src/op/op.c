#include "op/op_impl.h"

#include <assert.h>

#include "call/calls.h"

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

void op_ask_encryption(struct call_dial *ask, enum plan_encryption wish)
{
	ask->own_encryption = true;
	switch (wish) {
	case PLAN_ENCRYPTION_DEFAULT:
		ask->own_encryption = false;
		break;
	case PLAN_ENCRYPTION_FORBIDDEN:
		ask->encryption = MEDIA_FORBIDDEN;
		break;
	case PLAN_ENCRYPTION_OPTIONAL:
		ask->encryption = MEDIA_OPTIONAL;
		break;
	case PLAN_ENCRYPTION_MANDATORY:
		ask->encryption = MEDIA_MANDATORY;
		break;
	}
}
