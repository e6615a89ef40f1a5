/* sort: stable, by texts or by a callback. Short lists are sorted by V8's own steps, so that a callback that is no
 * order ((a, b) => a > b) gives what authors know. Source: ECMA-262 §23.1.3.30. */
#include <math.h>
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_text.h"

enum { SHORT = 64 };

struct entry {
	struct value value;
	struct str text; /* absent with a callback */
};

static double order(struct machine *m, const struct args *args, const struct entry *a, const struct entry *b)
{
	const struct value v[] = { a->value, b->value };
	struct value result;
	double n;

	if (!work_spend(&m->w, 1))
		return 0;
	if (!args->callback)
		return text_compare(&m->w, a->text, b->text);
	result = expr_call_back(m, args, v, ARRAY_LEN(v));
	n = m->w.fault ? 0 : value_to_number(&m->w, &result);
	return isnan(n) ? 0 : n;
}

static void turn_round(struct entry *e, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct entry other = e[i];

		e[i] = e[n - 1 - i];
		e[n - 1 - i] = other;
	}
}

/* Length of the run that e begins with, made to rise. */
static size_t first_run(struct machine *m, const struct args *args, struct entry *e, size_t n)
{
	bool falls = order(m, args, &e[1], &e[0]) < 0;
	size_t run = 2;

	while (run < n && !m->w.fault && (order(m, args, &e[run], &e[run - 1]) < 0) == falls)
		run++;
	if (falls)
		turn_round(e, run);
	return run;
}

static void sort_short(struct machine *m, const struct args *args, struct entry *e, size_t n)
{
	for (size_t i = n < 2 ? n : first_run(m, args, e, n); i < n && !m->w.fault; i++) {
		size_t left = 0, right = i;
		struct entry pivot = e[i];

		while (left < right) {
			size_t middle = left + (right - left) / 2;

			if (order(m, args, &pivot, &e[middle]) < 0)
				right = middle;
			else
				left = middle + 1;
		}
		memmove(e + left + 1, e + left, (i - left) * sizeof(*e));
		e[left] = pivot;
	}
}

static void sort_entries(struct machine *m, const struct args *args, struct entry *e, struct entry *spare, size_t n)
{
	size_t half = n / 2, a = 0, b = half, k = 0;

	if (n < SHORT) {
		sort_short(m, args, e, n);
		return;
	}
	sort_entries(m, args, e, spare, half);
	sort_entries(m, args, e + half, spare, n - half);
	while (a < half && b < n && !m->w.fault)
		spare[k++] = order(m, args, &e[b], &e[a]) < 0 ? e[b++] : e[a++];
	if (m->w.fault)
		return;
	memcpy(spare + k, e + a, (half - a) * sizeof(*e));
	memcpy(e, spare, (k + half - a) * sizeof(*e));
}

struct value expr_sort(struct machine *m, const struct value *self, const struct args *args)
{
	const struct value *items = value_items(&m->w, self->list);
	size_t count = items ? self->list->count : 0, n = 0;
	struct value list = value_new_list(&m->w, count);
	struct entry *e = work_alloc(&m->w, (count + 1) * sizeof(*e)), *spare = NULL;

	if (count >= SHORT)
		spare = work_alloc(&m->w, count * sizeof(*e));
	if (!args->callback && expr_arg(args, 0)->type != VALUE_UNDEFINED)
		return expr_fail(m, args->at, "\"sort\" takes a callback: (a, b) => …");
	for (size_t i = 0; i < count && work_spend(&m->w, 1); i++) {
		if (items[i].type == VALUE_UNDEFINED)
			continue; /* they come last */
		e[n].value = items[i];
		e[n].text = args->callback ? (struct str){ 0 } : value_to_text(&m->w, &items[i]);
		n++;
	}
	if (!m->w.fault)
		sort_entries(m, args, e, spare, n);
	for (size_t i = 0; i < n && !m->w.fault; i++)
		list.list->items[i] = e[i].value;
	return list;
}
