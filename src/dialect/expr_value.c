#include "dialect/expr_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/expr_text.h"

static const double MAX_SAFE_INTEGER = 9007199254740991.0;

/* --- budget --- */

void work_fail(struct work *w, enum work_fault fault)
{
	if (!w->fault)
		w->fault = fault;
}

bool work_spend(struct work *w, size_t steps)
{
	if (steps > w->steps_left) {
		w->steps_left = 0;
		work_fail(w, WORK_STEPS);
	} else {
		w->steps_left -= steps;
	}
	return !w->fault;
}

bool work_scan(struct work *w, size_t n)
{
	return work_spend(w, n / WORK_SCANNED_A_STEP);
}

void *work_alloc(struct work *w, size_t bytes)
{
	void *p;

	if (bytes > w->bytes_left)
		work_fail(w, WORK_BYTES);
	if (!work_spend(w, bytes / WORK_BYTES_A_STEP))
		return NULL;
	w->bytes_left -= bytes;
	p = arena_alloc(w->arena, bytes);
	if (!p)
		work_fail(w, WORK_NO_MEMORY);
	return p;
}

bool work_enter(struct work *w)
{
	if (w->depth < WORK_MAX_DEPTH && !w->fault) {
		w->depth++;
		return true;
	}
	work_fail(w, WORK_DEPTH);
	return false;
}

void maker_room(struct maker *m, size_t bytes)
{
	char *p;

	if (bytes <= m->room - m->n || m->w->fault)
		return;
	p = work_alloc(m->w, m->n + bytes + 1);
	if (!p)
		return;
	if (m->n)
		memcpy(p, m->p, m->n);
	m->p = p;
	m->room = m->n + bytes;
}

void maker_text(struct maker *m, struct str s)
{
	uint32_t pair = text_pair((struct str){ m->p, m->n }, s);
	char whole[4];

	if (!s.n || m->w->fault)
		return;
	if (m->room - m->n < s.n + 1)
		maker_room(m, s.n + m->n + 24);
	if (m->w->fault)
		return;
	if (pair) {
		m->n -= 3;
		s = str_from(s, 3);
		memcpy(m->p + m->n, whole, text_encode(whole, pair));
		m->n += 4;
	}
	memcpy(m->p + m->n, s.p, s.n);
	m->n += s.n;
}

void maker_char(struct maker *m, char c)
{
	maker_text(m, (struct str){ &c, 1 });
}

struct str maker_view(const struct maker *m)
{
	if (m->w->fault)
		return (struct str){ 0 };
	return m->n ? (struct str){ m->p, m->n } : STR("");
}

/* --- making --- */

struct value value_undefined(void)
{
	return (struct value){ .type = VALUE_UNDEFINED };
}

struct value value_null(void)
{
	return (struct value){ .type = VALUE_NULL };
}

struct value value_bool(bool b)
{
	return (struct value){ .type = VALUE_BOOL, .boolean = b };
}

struct value value_number(double n)
{
	return (struct value){ .type = VALUE_NUMBER, .number = n };
}

struct value value_string(struct str s)
{
	return (struct value){ .type = VALUE_STRING, .text = s };
}

struct value value_new_list(struct work *w, size_t count)
{
	struct value_list *list = NULL;

	if (count > UINT32_MAX / sizeof(struct value))
		work_fail(w, WORK_BYTES);
	else
		list = work_alloc(w, sizeof(*list));
	if (!list)
		return value_undefined();
	list->items = count ? work_alloc(w, count * sizeof(struct value)) : NULL;
	list->count = list->items ? (uint32_t)count : 0;
	return (struct value){ .type = VALUE_LIST, .list = list };
}

struct value value_new_map(struct work *w)
{
	struct value_map *map = work_alloc(w, sizeof(*map));

	return map ? (struct value){ .type = VALUE_MAP, .map = map } : value_undefined();
}

static struct value of_tree(struct work *w, const struct doc *d)
{
	struct value v = { .type = d->type == DOC_LIST ? VALUE_LIST : VALUE_MAP };

	if (d->type == DOC_LIST) {
		v.list = work_alloc(w, sizeof(*v.list));
		if (!v.list)
			return value_undefined();
		*v.list = (struct value_list){ .tree = d, .count = d->count };
	} else {
		v.map = work_alloc(w, sizeof(*v.map));
		if (!v.map)
			return value_undefined();
		*v.map = (struct value_map){ .tree = d, .count = d->count };
	}
	return v;
}

struct value value_of(struct work *w, const struct doc *d)
{
	if (!d)
		return value_undefined();

	switch (d->type) {
	case DOC_NULL:
		return value_null();
	case DOC_BOOL:
		return value_bool(d->boolean);
	case DOC_INT:
		return (struct value){ .type = VALUE_NUMBER, .number = (double)d->integer, .text = d->text };
	case DOC_REAL:
		return (struct value){ .type = VALUE_NUMBER, .number = d->real, .text = d->text };
	case DOC_STR:
		return value_string(d->text.p ? d->text : STR(""));
	case DOC_LIST:
	case DOC_MAP:
		break;
	}
	return of_tree(w, d);
}

const struct value *value_items(struct work *w, struct value_list *list)
{
	struct value *items;
	size_t i = 0;

	if (list->items || !list->count)
		return w->fault ? NULL : list->items;
	items = work_alloc(w, list->count * sizeof(*items));
	if (!items)
		return NULL;
	for (const struct doc *d = list->tree->child; d && i < list->count && work_spend(w, 1); d = d->next)
		items[i++] = value_of(w, d);
	if (w->fault)
		return NULL;
	list->items = items;
	return items;
}

/* "0", "1" … "4294967294": they come first, in the order of their numbers. -1 = another name. */
static int64_t index_key(struct str key)
{
	uint32_t n;

	if (!key.n || key.n > 10 || (key.p[0] == '0' && key.n > 1) || str_u32(key, &n) || n == UINT32_MAX)
		return -1;
	return n;
}

/* Where a new key belongs. */
static uint32_t place_of(const struct value_map *map, int64_t index)
{
	uint32_t low = 0, high = map->numbered;

	if (index < 0)
		return map->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (index_key(map->members[middle].key) < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert(struct work *w, struct value_map *map, struct str key, struct value v)
{
	uint32_t room = map->room ? 2 * map->room : 4, at;
	const int64_t index = index_key(key);
	struct value_member *members;

	if (map->count == map->room) {
		members = work_alloc(w, room * sizeof(*members));
		if (!members)
			return;
		if (map->count)
			memcpy(members, map->members, map->count * sizeof(*members));
		map->members = members;
		map->room = room;
	}
	at = place_of(map, index);
	if (!work_spend(w, (index < 0 ? 1 : 10) + (map->count - at) / 16))
		return;
	memmove(map->members + at + 1, map->members + at, (map->count - at) * sizeof(*map->members));
	map->members[at] = (struct value_member){ key, v };
	map->count++;
	map->numbered += index >= 0;
}

static struct value_member *find(struct work *w, const struct value_map *map, struct str key)
{
	if (!work_spend(w, 1 + map->count / 16))
		return NULL;
	for (uint32_t i = 0; map->members && i < map->count; i++)
		if (str_eq(map->members[i].key, key))
			return &map->members[i];
	return NULL;
}

void value_put(struct work *w, struct value_map *map, struct str key, struct value v)
{
	struct value_member *m = find(w, map, key);

	if (m)
		m->value = v;
	else if (!w->fault)
		insert(w, map, key, v);
}

const struct value_member *value_members(struct work *w, struct value_map *map)
{
	struct value_map made = { .tree = map->tree, .room = map->count };

	if (map->members || !map->count)
		return w->fault ? NULL : map->members;
	made.members = work_alloc(w, map->count * sizeof(*made.members));
	if (!made.members)
		return NULL;
	/* Keys of a document are different ones: nothing is looked for. */
	for (const struct doc *d = map->tree->child; d && made.count < made.room && work_spend(w, 1); d = d->next)
		insert(w, &made, d->key, value_of(w, d));
	if (w->fault)
		return NULL;
	*map = made;
	return map->members;
}

const struct value *value_member(struct work *w, struct value_map *map, struct str key)
{
	const struct value_member *m = value_members(w, map) ? find(w, map, key) : NULL;

	return m ? &m->value : NULL;
}

/* --- into a document --- */

static struct doc *number_doc(struct work *w, const struct value *v)
{
	bool whole = v->number == floor(v->number) && fabs(v->number) <= MAX_SAFE_INTEGER;
	struct doc *d = doc_new(w->arena, whole ? DOC_INT : DOC_REAL);
	char text[40];

	if (!d || !work_spend(w, value_number_steps(v->number)))
		return NULL;
	if (whole)
		d->integer = (int64_t)v->number;
	else
		d->real = v->number;
	value_number_text(text, v->number);
	d->text = v->text.p ? v->text : str_of(text);
	d->text = (struct str){ str_dup(w->arena, d->text), d->text.n };
	return d->text.p ? d : NULL;
}

static struct doc *doc_of(struct work *w, const struct value *v);

static void append(struct work *w, struct doc *parent, struct str key, const struct value *v)
{
	struct doc *d = doc_of(w, v);

	if (!d)
		return;
	if (key.p) {
		key = text_whole(w, key);
		d->key = (struct str){ str_dup(w->arena, key), key.n };
	}
	doc_append(parent, d);
}

static struct doc *made_tree(struct work *w, const struct value *v)
{
	struct doc *d = doc_new(w->arena, v->type == VALUE_LIST ? DOC_LIST : DOC_MAP);
	static const struct value null = { .type = VALUE_NULL };

	if (!d || !work_enter(w))
		return NULL;
	if (v->type == VALUE_LIST)
		for (uint32_t i = 0; i < v->list->count && !w->fault; i++) {
			const struct value *item = &v->list->items[i];

			append(w, d, (struct str){ 0 }, item->type == VALUE_UNDEFINED ? &null : item);
		}
	else
		for (uint32_t i = 0; i < v->map->count && !w->fault; i++)
			if (v->map->members[i].value.type != VALUE_UNDEFINED)
				append(w, d, v->map->members[i].key, &v->map->members[i].value);
	w->depth--;
	return d;
}

/* A node of its own, so that it can stand in another tree. */
static struct doc *borrowed_tree(struct work *w, const struct doc *tree)
{
	struct doc *d = doc_new(w->arena, tree->type);

	if (!d)
		return NULL;
	*d = *tree;
	d->key = (struct str){ 0 };
	d->next = NULL;
	return d;
}

static struct doc *string_doc(struct work *w, const struct value *v)
{
	struct str text = text_whole(w, v->text);

	return work_spend(w, text.n / WORK_BYTES_A_STEP) ? doc_new_str(w->arena, text) : NULL;
}

static struct doc *bool_doc(struct work *w, const struct value *v)
{
	struct doc *d = doc_new(w->arena, DOC_BOOL);

	if (!d)
		return NULL;
	d->boolean = v->boolean;
	d->text = v->boolean ? STR("true") : STR("false");
	return d;
}

static const struct doc *tree_of(const struct value *v)
{
	return v->type == VALUE_LIST ? v->list->tree : v->type == VALUE_MAP ? v->map->tree : NULL;
}

static struct doc *doc_of(struct work *w, const struct value *v)
{
	struct doc *d = NULL;

	if (!work_spend(w, 3))
		return NULL;

	switch (v->type) {
	case VALUE_UNDEFINED:
	case VALUE_NULL:
		d = doc_new(w->arena, DOC_NULL);
		break;
	case VALUE_BOOL:
		d = bool_doc(w, v);
		break;
	case VALUE_NUMBER:
		d = number_doc(w, v);
		break;
	case VALUE_STRING:
		d = string_doc(w, v);
		break;
	case VALUE_LIST:
	case VALUE_MAP:
		d = tree_of(v) ? borrowed_tree(w, tree_of(v)) : made_tree(w, v);
		break;
	}
	if (!d)
		work_fail(w, WORK_NO_MEMORY);
	return d;
}

void value_doc(struct work *w, const struct doc **out, const struct value *v)
{
	*out = tree_of(v);
	if (!*out && v->type != VALUE_UNDEFINED)
		*out = doc_of(w, v);
}

/* --- conversions --- */

bool value_is_tree(const struct value *v)
{
	return v->type == VALUE_LIST || v->type == VALUE_MAP;
}

bool value_nothing(const struct value *v)
{
	return v->type == VALUE_UNDEFINED || v->type == VALUE_NULL;
}

bool value_true(const struct value *v)
{
	switch (v->type) {
	case VALUE_UNDEFINED:
	case VALUE_NULL:
		return false;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_NUMBER:
		return v->number != 0 && !isnan(v->number);
	case VALUE_STRING:
		return v->text.n > 0;
	case VALUE_LIST:
	case VALUE_MAP:
		break;
	}
	return true;
}

static void join(struct maker *m, struct value_list *list, struct str between)
{
	const struct value *items = value_items(m->w, list);

	if (!items || !work_enter(m->w))
		return;
	for (uint32_t i = 0; i < list->count && work_spend(m->w, 2); i++) {
		if (i)
			maker_text(m, between);
		if (items[i].type == VALUE_LIST)
			join(m, items[i].list, STR(","));
		else if (!value_nothing(&items[i]))
			maker_text(m, value_to_text(m->w, &items[i]));
	}
	m->w->depth--;
}

struct str value_join(struct work *w, struct value_list *list, struct str between)
{
	struct maker m = { .w = w };

	join(&m, list, between);
	return maker_view(&m);
}

static struct str number_text(struct work *w, double n)
{
	struct maker m = { .w = w };
	char text[40];

	if (!work_spend(w, value_number_steps(n)))
		return (struct str){ 0 };
	value_number_text(text, n);
	maker_text(&m, str_of(text));
	return maker_view(&m);
}

struct str value_to_text(struct work *w, const struct value *v)
{
	switch (v->type) {
	case VALUE_UNDEFINED:
		return STR("undefined");
	case VALUE_NULL:
		return STR("null");
	case VALUE_BOOL:
		return v->boolean ? STR("true") : STR("false");
	case VALUE_NUMBER:
		return v->text.p ? v->text : number_text(w, v->number);
	case VALUE_STRING:
		return v->text;
	case VALUE_LIST:
		return value_join(w, v->list, STR(","));
	case VALUE_MAP:
		break;
	}
	return STR("[object Object]");
}

struct value value_primitive(struct work *w, const struct value *v)
{
	return value_is_tree(v) ? value_string(value_to_text(w, v)) : *v;
}

double value_to_number(struct work *w, const struct value *v)
{
	switch (v->type) {
	case VALUE_UNDEFINED:
		return NAN;
	case VALUE_NULL:
		return 0;
	case VALUE_BOOL:
		return v->boolean;
	case VALUE_NUMBER:
		return v->number;
	case VALUE_STRING:
	case VALUE_LIST:
	case VALUE_MAP:
		break;
	}
	return value_text_number(w, value_to_text(w, v));
}

double value_to_integer(struct work *w, const struct value *v)
{
	double n = value_to_number(w, v);

	return isnan(n) ? 0 : trunc(n) + 0.0;
}

uint32_t value_to_uint32(struct work *w, const struct value *v)
{
	double n = value_to_number(w, v);

	if (!isfinite(n))
		return 0;
	n = fmod(trunc(n), 4294967296.0);
	return n < 0 ? (uint32_t)(n + 4294967296.0) : (uint32_t)n;
}

bool value_strict_equal(struct work *w, const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;

	switch (a->type) {
	case VALUE_UNDEFINED:
	case VALUE_NULL:
		return true;
	case VALUE_BOOL:
		return a->boolean == b->boolean;
	case VALUE_NUMBER:
		return a->number == b->number;
	case VALUE_STRING:
		return (a->text.n != b->text.n || work_scan(w, a->text.n)) && str_eq(a->text, b->text);
	case VALUE_LIST:
		return a->list == b->list || (a->list->tree && a->list->tree == b->list->tree);
	case VALUE_MAP:
		break;
	}
	return a->map == b->map || (a->map->tree && a->map->tree == b->map->tree);
}

bool value_loose_equal(struct work *w, const struct value *a, const struct value *b)
{
	struct value left, right;

	if (a->type == b->type || (value_is_tree(a) && value_is_tree(b)))
		return value_strict_equal(w, a, b);
	if (value_nothing(a) || value_nothing(b))
		return value_nothing(a) && value_nothing(b);
	left = value_primitive(w, a);
	right = value_primitive(w, b);
	if (left.type == VALUE_STRING && right.type == VALUE_STRING)
		return value_strict_equal(w, &left, &right);
	return value_to_number(w, &left) == value_to_number(w, &right);
}

int value_compare(struct work *w, const struct value *a, const struct value *b)
{
	struct value left = value_primitive(w, a), right = value_primitive(w, b);
	double x, y;

	if (left.type == VALUE_STRING && right.type == VALUE_STRING)
		return text_compare(w, left.text, right.text);
	x = value_to_number(w, &left);
	y = value_to_number(w, &right);
	if (isnan(x) || isnan(y))
		return 2;
	return (x > y) - (x < y);
}
