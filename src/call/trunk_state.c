#include "call/trunk_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "call/event.h"
#include "call/trunk_impl.h"

enum { LEAVE_MS = 2000 };

/* --- health --- */

const char *trunk_health_name(enum trunk_health h)
{
	switch (h) {
	case TRUNK_STARTING:
		return "starting";
	case TRUNK_UP:
		return "up";
	case TRUNK_DOWN:
		return "down";
	}
	return "";
}

static const char *why_down(const struct trunk_line *l)
{
	if (l->health != TRUNK_DOWN)
		return "";
	return l->reg.state != REGISTER_OFF && !l->reg.bound ? l->reg.why : l->probe.why;
}

static void publish(struct trunk_line *l)
{
	const struct event_field fields[] = { { "trunk", str_of(l->name) }, { "why", str_of(why_down(l)) } };
	struct event ev = {
		.type = l->health == TRUNK_DOWN ? EVENT_TRUNK_DOWN : EVENT_TRUNK_UP,
		.call_id = "",
		.field_count = l->health == TRUNK_DOWN ? 2 : 1,
		.fields = fields,
	};

	event_publish(l->owner->opts.events, &ev);
}

void trunk_judge(struct trunk_line *l)
{
	enum trunk_health health = TRUNK_UP;

	if ((l->reg.state != REGISTER_OFF && l->reg.answered && !l->reg.bound) || l->probe.down)
		health = TRUNK_DOWN;
	else if (l->reg.state != REGISTER_OFF && !l->reg.answered)
		health = TRUNK_STARTING;
	if (health == l->health)
		return;
	l->health = health;
	l->since_ms = loop_wall_ms(l->owner->opts.loop);
	if (health != TRUNK_STARTING)
		publish(l);
}

/* --- lines --- */

void trunk_place(struct buf *out, const struct trunk *t)
{
	struct str uri = str_of(t->uri);
	size_t scheme = (size_t)str_chr(uri, ':') + 1; /* the configuration wants one */
	long at = str_chr(uri, '@'), headers;
	struct str rest = str_from(uri, at >= 0 ? (size_t)at + 1 : scheme);

	headers = str_chr(rest, '?');
	buf_str(out, str_head(uri, scheme));
	buf_str(out, headers >= 0 ? str_head(rest, (size_t)headers) : rest);
}

static void line_free(struct trunk_line *l)
{
	trunk_register_stop(l);
	trunk_probe_stop(l);
	list_remove(&l->node);
	free(l->name);
	free(l);
}

static void check_left(struct trunks *ts)
{
	void (*left)(void *arg) = ts->left;

	if (!left || !list_empty(&ts->leaving))
		return;
	ts->left = NULL;
	loop_timer_stop(ts->opts.loop, &ts->limit);
	left(ts->left_arg);
}

void trunk_line_left(struct trunk_line *l)
{
	struct trunks *ts = l->owner;

	line_free(l);
	check_left(ts);
}

/* l is gone afterwards, or leaves. */
static void line_leave(struct trunk_line *l)
{
	trunk_probe_stop(l);
	if (!trunk_register_leave(l)) {
		line_free(l);
		return;
	}
	l->t = NULL;
	list_remove(&l->node);
	list_append(&l->owner->leaving, &l->node);
}

static bool same(const char *a, const char *b)
{
	return !a || !b ? a == b : !strcmp(a, b);
}

/* Would it register as the same one at the same place? Then a line for it replaces the binding of the other. */
static bool same_binding(const struct trunk *a, const struct trunk *b)
{
	return b && a->registers && b->registers && same(a->uri, b->uri) && same(a->username, b->username);
}

static bool same_line(const struct trunk *a, const struct trunk *b)
{
	return same(a->uri, b->uri) && a->registers == b->registers && same(a->username, b->username) &&
	       same(a->password, b->password) && a->expires_s == b->expires_s && a->probe_s == b->probe_s;
}

/* NULL = no memory. */
static struct trunk_line *line_new(struct trunks *ts, const struct trunk *t)
{
	struct trunk_line *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->owner = ts;
	l->t = t;
	l->name = str_heap(str_of(t->name));
	l->health = t->registers ? TRUNK_STARTING : TRUNK_UP;
	l->since_ms = loop_wall_ms(ts->opts.loop);
	list_init(&l->node);
	list_append(&ts->lines, &l->node);
	if (l->name)
		return l;
	line_free(l);
	return NULL;
}

static void watch(struct trunks *ts, const struct trunk *t)
{
	struct trunk_line *l = line_new(ts, t);
	int err = l ? 0 : ENOMEM, fault = 0;

	if (l && t->registers && (err = trunk_register_start(l)))
		trunk_register_refuse(l, strerror(err));
	if (l && t->probe_s)
		fault = trunk_probe_start(l);
	if (err || fault)
		log_printf(LOG_ERROR, NULL, "trunk %s cannot be watched: %s", t->name, strerror(err ? err : fault));
}

static const struct trunk *find_trunk(const struct route_table *table, const char *name)
{
	for (size_t i = 0; i < table->trunk_count; i++)
		if (same(table->trunks[i].name, name))
			return &table->trunks[i];
	return NULL;
}

static struct trunk_line *find_line(const struct trunks *ts, const char *name)
{
	for (const struct list *n = ts->lines.next; n != &ts->lines; n = n->next)
		if (!strcmp(LIST_ITEM(n, struct trunk_line, node)->name, name))
			return LIST_ITEM(n, struct trunk_line, node);
	return NULL;
}

static void keep_or_end(struct trunk_line *l, const struct trunk *now, bool moved)
{
	if (now && same_line(l->t, now) && !moved) {
		l->t = now;
		trunk_register_check(l);
	} else if (same_binding(l->t, now) && !moved) {
		line_free(l); /* unregistered, the old one might take the new one's Contact away */
	} else {
		line_leave(l);
	}
}

void trunks_configure(struct trunks *ts, const struct trunks_config *c)
{
	bool moved = ts->config.default_transport != c->default_transport;
	struct list *next;

	ts->config = *c;
	if (ts->ended)
		return;
	for (struct list *n = ts->lines.next; n != &ts->lines; n = next) {
		struct trunk_line *l = LIST_ITEM(n, struct trunk_line, node);

		next = n->next;
		keep_or_end(l, find_trunk(c->routes, l->name), moved);
	}
	for (size_t i = 0; i < c->routes->trunk_count; i++) {
		const struct trunk *t = &c->routes->trunks[i];

		if ((t->registers || t->probe_s) && !find_line(ts, t->name))
			watch(ts, t);
	}
}

/* --- the end --- */

static void give_up(void *arg)
{
	struct trunks *ts = arg;
	struct list *n;

	while ((n = list_first(&ts->leaving)))
		line_free(LIST_ITEM(n, struct trunk_line, node));
	check_left(ts);
}

void trunks_leave(struct trunks *ts, void (*done)(void *arg), void *arg)
{
	struct list *n;

	ts->ended = true;
	while ((n = list_first(&ts->lines)))
		line_leave(LIST_ITEM(n, struct trunk_line, node));
	ts->left = done;
	ts->left_arg = arg;
	loop_timer_start(ts->opts.loop, &ts->limit, list_empty(&ts->leaving) ? 0 : LEAVE_MS, give_up, ts);
}

int trunks_new(struct trunks **out, const struct trunks_opts *opts)
{
	struct trunks *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return ENOMEM;
	ts->opts = *opts;
	list_init(&ts->lines);
	list_init(&ts->leaving);
	*out = ts;
	return 0;
}

void trunks_free(struct trunks **tp)
{
	struct trunks *ts = *tp;
	struct list *n;

	*tp = NULL;
	if (!ts)
		return;
	loop_timer_stop(ts->opts.loop, &ts->limit);
	list_splice(&ts->leaving, &ts->lines);
	while ((n = list_first(&ts->leaving)))
		line_free(LIST_ITEM(n, struct trunk_line, node));
	free(ts);
}

/* --- questions --- */

enum trunk_health trunks_health(const struct trunks *ts, const struct trunk *t)
{
	const struct trunk_line *l = t->registers || t->probe_s ? find_line(ts, t->name) : NULL;

	return l ? l->health : TRUNK_UP;
}

const struct trunk *trunks_source(const struct trunks *ts, const struct addr *from)
{
	for (const struct list *n = ts->lines.next; n != &ts->lines; n = n->next) {
		const struct trunk_line *l = LIST_ITEM(n, struct trunk_line, node);

		if (l->reg.bound && addr_same_host(&l->reg.registrar, from))
			return l->t;
	}
	return NULL;
}

void trunks_each(const struct trunks *ts, void (*fn)(void *arg, const struct trunk_report *r), void *arg)
{
	const struct route_table *table = ts->config.routes;

	for (size_t i = 0; table && i < table->trunk_count; i++) {
		const struct trunk *t = &table->trunks[i];
		const struct trunk_line *l = find_line(ts, t->name);
		struct trunk_report r = { .name = t->name, .health = TRUNK_UP, .why = "", .registers = t->registers };

		if (l) {
			r.health = l->health;
			r.why = why_down(l);
			r.since_ms = l->since_ms;
			r.registered = l->reg.bound;
			r.probed = l->probe.request != NULL;
			r.registered_total = l->reg.good;
			r.refused_total = l->reg.bad;
		}
		fn(arg, &r);
	}
}
