#include "op/op_background.h"

void background_add(struct call *c, struct background *b)
{
	list_append(call_background(c), &b->node);
}

void background_remove(struct background *b)
{
	if (!b->node.next)
		return;
	list_remove(&b->node);
	b->node = (struct list){ NULL, NULL };
}

struct op *background_find(struct call *c, const char *kind, struct str control_id)
{
	struct list *all = call_background(c);

	for (struct list *n = all->prev; n != all; n = n->prev) {
		const struct background *b = LIST_ITEM(n, struct background, node);

		if (str_is(str_of(b->kind), kind) && (!control_id.n || str_is(control_id, b->control_id)))
			return b->op;
	}
	return NULL;
}

size_t background_count(struct call *c, const char *kind)
{
	struct list *all = call_background(c);
	size_t count = 0;

	for (struct list *n = all->next; n != all; n = n->next)
		count += str_is(str_of(LIST_ITEM(n, struct background, node)->kind), kind);
	return count;
}

const char *background_direction(enum sink_wants wants)
{
	switch (wants) {
	case SINK_SAID:
		return "speak";
	case SINK_HEARD:
		return "listen";
	case SINK_BOTH:
		break;
	}
	return "both";
}
