#include "call/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum note { NOTE_LINK = 1, NOTE_CHILD, NOTE_EVENT, NOTE_STEP = CALL_TRACE_STEP };

enum { MAX_LINE = 1024, MAX_REPLACED = 8 };

/* --- writing --- */

void call_trace_link(struct sip_trace *trace, struct str call_id, struct str sip_call_id)
{
	sip_trace_note(trace, NOTE_LINK, call_id, sip_call_id);
}

void call_trace_note(struct sip_trace *trace, struct str call_id, struct str text)
{
	sip_trace_note(trace, NOTE_EVENT, call_id, text);
}

struct line { /* what is too long for it is cut */
	char text[MAX_LINE];
	size_t n;
};

static void add(struct line *l, struct str s)
{
	s = str_head(s, sizeof(l->text) - l->n);
	if (s.n)
		memcpy(l->text + l->n, s.p, s.n);
	l->n += s.n;
}

void call_trace_event(void *arg, const struct event *ev)
{
	struct sip_trace *trace = arg;
	struct line l = { .n = 0 };

	if (event_is_of_steps(ev->type)) /* the script writes notes of its own (step.h) */
		return;
	if (ev->type == EVENT_CREATED && ev->parent_id)
		sip_trace_note(trace, NOTE_CHILD, str_of(ev->parent_id), str_of(ev->call_id));
	add(&l, str_of(event_name(ev->type)));
	for (size_t i = 0; i < ev->field_count; i++) {
		add(&l, STR(" "));
		add(&l, str_of(ev->fields[i].key));
		add(&l, STR("="));
		add(&l, ev->fields[i].value);
	}
	call_trace_note(trace, str_of(ev->call_id), (struct str){ l.text, l.n });
}

/* --- reading --- */

struct reader {
	struct call_trace *t;
	size_t cap;
	unsigned leg, depth;
	bool failed;
};

static void keep(struct reader *r, const struct sip_trace_item *i)
{
	struct call_trace *t = r->t;

	if (t->count == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct call_trace_item *items = realloc(t->items, cap * sizeof(*items));

		if (!items) {
			r->failed = true;
			return;
		}
		t->items = items;
		r->cap = cap;
	}
	t->items[t->count++] = (struct call_trace_item){ .item = *i, .leg = r->leg };
	t->cut |= t->count == CALL_TRACE_ITEMS;
}

static bool take_message(void *arg, const struct sip_trace_item *i)
{
	struct reader *r = arg;

	if (i->kind != SIP_TRACE_NOTE) {
		keep(r, i);
	} else if (i->note == SIP_TRACE_REPLACED && r->depth < MAX_REPLACED) {
		r->depth++;
		sip_trace_find(r->t->trace, i->text, take_message, r);
		r->depth--;
	}
	return !r->failed && r->t->count < CALL_TRACE_ITEMS;
}

static void add_leg(struct call_trace *t, struct str id, unsigned parent)
{
	for (size_t i = 0; i < t->leg_count; i++)
		if (str_eq(t->legs[i], id))
			return;
	if (t->leg_count == CALL_TRACE_LEGS) {
		t->cut = true;
		return;
	}
	t->parents[t->leg_count] = parent;
	t->legs[t->leg_count++] = id;
}

static bool take_note(void *arg, const struct sip_trace_item *i)
{
	struct reader *r = arg;

	if (i->kind != SIP_TRACE_NOTE) /* somebody's Call-ID looks like an id of ours */
		return true;
	switch ((enum note)i->note) {
	case NOTE_LINK:
		sip_trace_find(r->t->trace, i->text, take_message, r);
		break;
	case NOTE_CHILD:
		add_leg(r->t, i->text, r->leg);
		break;
	case NOTE_EVENT:
	case NOTE_STEP:
		keep(r, i);
		break;
	}
	return !r->failed && r->t->count < CALL_TRACE_ITEMS;
}

static int by_position(const void *a, const void *b)
{
	const struct call_trace_item *x = a, *y = b;

	return x->item.position < y->item.position ? -1 : x->item.position > y->item.position;
}

static bool same_message(const struct sip_trace_item *a, const struct sip_trace_item *b)
{
	return a->kind == b->kind && a->kind != SIP_TRACE_NOTE && a->text.n == b->text.n &&
	       addr_equal(&a->remote, &b->remote) && !memcmp(a->text.p, b->text.p, a->text.n);
}

/* Two calls of ours may be the two ends of one dialog. */
static void drop_doubles(struct call_trace *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->count; i++)
		if (!n || t->items[n - 1].item.position != t->items[i].item.position)
			t->items[n++] = t->items[i];
	t->count = n;
}

/* Items are few hundred, and texts of the same length rare. */
static void count_repeats(struct call_trace *t)
{
	for (size_t i = 0; i < t->count; i++) {
		for (size_t k = i; k-- > 0;) {
			if (!same_message(&t->items[i].item, &t->items[k].item))
				continue;
			t->items[i].again = t->items[k].again + 1;
			break;
		}
	}
}

int call_trace_collect(struct call_trace **out, const struct sip_trace *trace, struct str call_id)
{
	struct call_trace *t = calloc(1, sizeof(*t));
	struct reader r = { .t = t };

	if (!t)
		return ENOMEM;
	t->trace = trace;
	add_leg(t, call_id, 0);
	for (r.leg = 0; r.leg < t->leg_count && !r.failed && t->count < CALL_TRACE_ITEMS; r.leg++)
		sip_trace_find(trace, t->legs[r.leg], take_note, &r);
	if (r.failed || !t->count) {
		call_trace_free(&t);
		return r.failed ? ENOMEM : ENOENT;
	}
	qsort(t->items, t->count, sizeof(*t->items), by_position);
	drop_doubles(t);
	count_repeats(t);
	*out = t;
	return 0;
}

void call_trace_free(struct call_trace **t)
{
	if (!*t)
		return;
	free((*t)->items);
	free(*t);
	*t = NULL;
}
