#include "op/ringback.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "op/op_play.h"

struct ringback {
	struct ringback **place; /* the owner's pointer, NULL once he has let go */
	struct op *op;
	char call_id[37];
};

static void over(void *arg, const struct op_result *r)
{
	struct ringback *b = arg;

	if (r->outcome == OP_FAILED)
		log_printf(LOG_WARN, b->call_id, "ringback: %s", r->why);
	if (b->place)
		*b->place = NULL;
	free(b);
}

void ringback_start(struct ringback **out, struct call *caller, struct sounds *s, const char *const *uris, size_t count)
{
	struct ringback *b = calloc(1, sizeof(*b));
	const struct op_start start = { .call = caller, .sounds = s, .done = over, .arg = b };
	const struct play_request r = { .uris = uris, .count = count, .loops = true, .quiet = true };
	struct call_info info;

	assert(!*out);
	if (!b)
		return;
	call_get_info(caller, &info);
	str_copy(b->call_id, sizeof(b->call_id), str_of(info.id));
	if (op_play_start(&b->op, &start, &r)) {
		log_printf(LOG_WARN, b->call_id, "ringback: cannot be played");
		free(b);
		return;
	}
	b->place = out;
	*out = b;
}

void ringback_stop(struct ringback **r)
{
	struct ringback *b = *r;

	if (!b)
		return;
	*r = NULL;
	b->place = NULL;
	op_stop(b->op);
}
