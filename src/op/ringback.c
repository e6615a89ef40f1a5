#include "op/ringback.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "op/op_play.h"

struct ringback {
	struct ringback **place; /* the owner's pointer, NULL once he has let go */
	struct op *op;
	const char *name; /* in the log */
	char call_id[37];
};

static void over(void *arg, const struct op_result *r)
{
	struct ringback *b = arg;

	if (r->outcome == OP_FAILED)
		log_printf(LOG_WARN, b->call_id, "%s: %s", b->name, r->why);
	if (b->place)
		*b->place = NULL;
	free(b);
}

static void begin(struct ringback **out, struct call *party, struct sounds *s, const struct play_request *r)
{
	struct ringback *b = calloc(1, sizeof(*b));
	const struct op_start start = { .call = party, .sounds = s, .done = over, .arg = b };
	struct call_info info;

	assert(!*out);
	if (!b)
		return;
	b->name = r->fills ? "music on hold" : "ringback";
	call_get_info(party, &info);
	str_copy(b->call_id, sizeof(b->call_id), str_of(info.id));
	if (op_play_start(&b->op, &start, r)) {
		log_printf(LOG_WARN, b->call_id, "%s: cannot be played", b->name);
		free(b);
		return;
	}
	b->place = out;
	*out = b;
}

void ringback_start(struct ringback **out, struct call *caller, struct sounds *s, const char *const *uris, size_t count)
{
	begin(out, caller, s, &(struct play_request){ .uris = uris, .count = count, .loops = true, .quiet = true });
}

void ringback_hold(struct ringback **out, struct call *held, struct sounds *s, const char *const *uris, size_t count)
{
	begin(out, held, s,
	      &(struct play_request){
		      .uris = uris, .count = count, .loops = true, .quiet = true, .fills = true, .own = true });
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
