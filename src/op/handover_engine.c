#include "op/handover_engine.h"

#include <assert.h>

void handover_engine_init(struct handover_engine *e, size_t count)
{
	assert(count && count <= HANDOVER_TARGETS);
	*e = (struct handover_engine){ .count = count };
}

static struct handover_action *emit(struct handover_engine *e, enum handover_action_type type, size_t target)
{
	struct handover_action *a = &e->actions[e->action_count++];

	*a = (struct handover_action){ .type = type, .target = (uint16_t)target };
	return a;
}

static bool lives(const struct handover_engine *e, size_t target)
{
	return e->legs[target] == HANDOVER_LEG_DIALLED || e->legs[target] == HANDOVER_LEG_RINGING;
}

static void tell(struct handover_engine *e, uint16_t status)
{
	emit(e, HANDOVER_TELL, 0)->status = status;
}

static void start(struct handover_engine *e)
{
	if (e->started)
		return;
	e->started = true;
	for (size_t i = 0; i < e->count; i++) {
		e->legs[i] = HANDOVER_LEG_DIALLED;
		emit(e, HANDOVER_DIAL, i);
	}
}

static void drop_others(struct handover_engine *e, size_t but)
{
	for (size_t i = 0; i < e->count; i++) {
		if (i == but || !lives(e, i))
			continue;
		e->legs[i] = HANDOVER_LEG_GONE;
		emit(e, HANDOVER_DROP, i);
	}
}

static void fail(struct handover_engine *e, uint16_t status)
{
	drop_others(e, e->count);
	tell(e, status);
	e->over = true;
	emit(e, HANDOVER_FAIL, 0)->alone = e->left;
}

static void ringing(struct handover_engine *e, size_t target)
{
	if (!lives(e, target))
		return;
	e->legs[target] = HANDOVER_LEG_RINGING;
	if (!e->told_ringing)
		tell(e, 180);
	e->told_ringing = true;
}

static void answered(struct handover_engine *e, size_t target)
{
	if (!lives(e, target))
		return;
	drop_others(e, target);
	tell(e, 200);
	e->over = true;
	emit(e, HANDOVER_JOIN, target);
}

/* Of several phones one that says something about its owner tells more than one that does not answer. */
static unsigned rank(enum cause cause)
{
	switch (cause) {
	case CAUSE_BUSY:
		return 3;
	case CAUSE_DECLINED:
		return 2;
	case CAUSE_NONE:
	case CAUSE_HANGUP:
	case CAUSE_NO_ANSWER:
	case CAUSE_CANCEL:
	case CAUSE_NOT_FOUND:
	case CAUSE_ERROR:
		break;
	}
	return 1;
}

static void gone(struct handover_engine *e, const struct handover_event *ev)
{
	bool last = true;

	if (!lives(e, ev->target))
		return;
	e->legs[ev->target] = HANDOVER_LEG_GONE;
	if (rank(ev->cause) >= rank(e->cause)) {
		e->status = ev->status;
		e->cause = ev->cause;
	}
	for (size_t i = 0; i < e->count; i++)
		last &= !lives(e, i);
	if (last)
		fail(e, e->status);
}

size_t handover_engine_step(struct handover_engine *e, const struct handover_event *ev,
			    const struct handover_action **actions)
{
	e->action_count = 0;
	*actions = e->actions;
	if (e->over || ev->target >= e->count)
		return 0;
	switch (ev->type) {
	case HANDOVER_START:
		start(e);
		break;
	case HANDOVER_RINGING:
		ringing(e, ev->target);
		break;
	case HANDOVER_ANSWERED:
		answered(e, ev->target);
		break;
	case HANDOVER_GONE:
		gone(e, ev);
		break;
	case HANDOVER_TIMEOUT:
		if (e->started)
			fail(e, 408);
		break;
	case HANDOVER_LEFT:
		if (!e->left)
			emit(e, HANDOVER_COMFORT, 0);
		e->left = true;
		break;
	case HANDOVER_LOST:
		fail(e, 487);
		break;
	}
	return e->action_count;
}
