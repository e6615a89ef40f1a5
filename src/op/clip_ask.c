#include "op/clip_ask.h"

#include <stdlib.h>

#include "base/handle.h"
#include "media/clip.h"

int clip_asks_init(struct clip_asks *of, struct loop *l)
{
	of->loop = l;
	list_init(&of->all);
	return handle_table_new(&of->ids, 0);
}

void clip_asks_done(struct clip_asks *of)
{
	handle_table_free(&of->ids);
}

int clip_ask_begin(struct clip_asks *of, struct clip_ask *a, clip_done_fn *done, void *arg)
{
	int err;

	a->of = of;
	a->done = done;
	a->arg = arg;
	list_init(&a->node);
	list_append(&of->all, &a->all);
	err = handle_add(of->ids, a, &a->id);
	if (err)
		clip_ask_end(a);
	return err;
}

struct clip_ask *clip_ask_of(struct clip_asks *of, uint64_t id)
{
	return handle_get(of->ids, id);
}

struct clip_ask *clip_ask_any(struct clip_asks *of)
{
	struct list *n = of->ids ? list_first(&of->all) : NULL;

	return n ? LIST_ITEM(n, struct clip_ask, all) : NULL;
}

void clip_ask_end(struct clip_ask *a)
{
	loop_timer_stop(a->of->loop, &a->later);
	handle_remove(a->of->ids, a->id);
	list_remove(&a->all);
	list_remove(&a->node);
	clip_unref(&a->clip);
	free(a);
}

void clip_ask_answer(struct clip_ask *a, struct clip *clip, const char *why)
{
	clip_done_fn *done = a->done;
	void *arg = a->arg;

	clip_ask_end(a);
	done(arg, clip, why);
}

static void answer_now(void *arg)
{
	struct clip_ask *a = arg;
	struct clip *clip = a->clip;

	a->clip = NULL;
	clip_ask_answer(a, clip, a->why);
	clip_unref(&clip);
}

void clip_ask_answer_later(struct clip_ask *a, struct clip *clip, const char *why)
{
	a->clip = clip ? clip_ref(clip) : NULL;
	a->why = why;
	loop_timer_start(a->of->loop, &a->later, 0, answer_now, a);
}
