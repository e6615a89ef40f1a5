#include "sip/sip_bindings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct sip_registered {
	struct list node; /* in the store's list */
	struct list bindings;
	struct sip_bindings *owner;
	size_t count;
	struct str name; /* behind it */
};

struct sip_bindings {
	struct loop *loop;
	struct map *users; /* of struct sip_registered, by name */
	struct list all;   /* the same, in order of coming */
	struct sip_table ids, connections;
	uint64_t seed;
	uint64_t newest; /* id */
};

/* --- equality --- */

static bool same_transport(const struct sip_uri *a, const struct sip_uri *b)
{
	struct str x = sip_param(a->params, "transport"), y = sip_param(b->params, "transport");

	return !x.p == !y.p && str_ieq(x.p ? x : STR(""), y.p ? y : STR(""));
}

/* RFC 3261 §19.1.4 as far as contacts differ by it. */
static bool same_uri(struct str left, struct str right)
{
	struct sip_uri a, b;

	if (str_eq(left, right))
		return true;
	if (sip_uri_parse(&a, left) || sip_uri_parse(&b, right))
		return false;
	return str_ieq(a.scheme, b.scheme) && str_eq(a.user, b.user) && str_ieq(a.host, b.host) && a.port == b.port &&
	       same_transport(&a, &b);
}

static bool means(const struct sip_contact *c, const struct sip_binding *b)
{
	if (c->instance.n && str_eq(c->instance, b->instance))
		return c->reg_id == b->reg_id;
	return same_uri(c->uri, b->contact);
}

static bool is_meant(const struct sip_bindings_change *c, const struct sip_binding *b)
{
	for (size_t i = 0; i < c->count; i++)
		if (means(&c->contacts[i], b))
			return true;
	return c->remove_all;
}

/* --- one binding --- */

static struct sip_key number_key(const struct sip_table *t, uint64_t number)
{
	struct sip_key key = t->seed;

	sip_key_add(&key, (struct str){ (const char *)&number, sizeof(number) });
	return key;
}

static void drop_user(struct sip_registered *u)
{
	map_take(u->owner->users, u->name);
	list_remove(&u->node);
	free(u);
}

/* The last one takes its user along. */
static void drop(struct sip_binding *b)
{
	struct sip_registered *u = b->user;

	loop_timer_stop(u->owner->loop, &b->expiry);
	sip_table_remove(&u->owner->connections, &b->on_connection);
	sip_table_remove(&u->owner->ids, &b->by_id);
	list_remove(&b->node);
	free(b);
	if (!--u->count)
		drop_user(u);
}

static void expired(void *arg)
{
	drop(arg);
}

static struct str put(char **at, struct str s)
{
	struct str copy = { *at, s.n };

	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static struct sip_binding *make(struct sip_bindings *s, const struct sip_bindings_change *c,
				const struct sip_contact *want)
{
	struct sip_binding *b = calloc(1, sizeof(*b) + want->uri.n + want->instance.n + c->path.n);
	char *at;

	if (!b)
		return NULL;
	at = b->texts;
	b->contact = put(&at, want->uri);
	b->instance = put(&at, want->instance);
	b->path = put(&at, c->path);
	b->flow = c->flow;
	b->by_flow = want->by_flow;
	b->call_hash = map_hash(c->call_id, s->seed);
	b->cseq = c->cseq;
	b->reg_id = want->reg_id;
	b->q = want->q;
	b->expires_ms = loop_now_ms(s->loop) + (uint64_t)want->expires_s * 1000;
	b->id = ++s->newest;
	list_init(&b->node);
	return b;
}

static void insert(struct sip_registered *u, struct sip_binding *b)
{
	struct sip_bindings *s = u->owner;
	struct list *at = u->bindings.next;

	while (at != &u->bindings && LIST_ITEM(at, struct sip_binding, node)->q > b->q)
		at = at->next;
	list_append(at, &b->node);
	b->user = u;
	u->count++;
	sip_table_add(&s->ids, &b->by_id, number_key(&s->ids, b->id));
	if (b->flow.connection)
		sip_table_add(&s->connections, &b->on_connection, number_key(&s->connections, b->flow.connection));
	loop_timer_start_loose(s->loop, &b->expiry, b->expires_ms - loop_now_ms(s->loop), expired, b);
}

static void make_room(struct sip_registered *u)
{
	struct sip_binding *first = NULL;

	for (struct list *n = u->bindings.next; n != &u->bindings; n = n->next) {
		struct sip_binding *b = LIST_ITEM(n, struct sip_binding, node);

		if (!first || b->expires_ms <= first->expires_ms)
			first = b;
	}
	drop(first);
}

/* --- changes --- */

static struct sip_registered *user_get(struct sip_bindings *s, struct str name)
{
	struct sip_registered *u = map_get(s->users, name);
	char *text;

	if (u)
		return u;
	u = calloc(1, sizeof(*u) + name.n + 1);
	if (!u)
		return NULL;
	text = (char *)(u + 1);
	memcpy(text, name.p, name.n);
	u->name = (struct str){ text, name.n };
	u->owner = s;
	list_init(&u->bindings);
	if (map_put(s->users, u->name, u)) {
		free(u);
		return NULL;
	}
	list_append(&s->all, &u->node);
	return u;
}

/* A request that was overtaken by a later one of its own. */
static bool is_late(const struct sip_bindings *s, const struct sip_bindings_change *c, const struct sip_registered *u)
{
	uint64_t call_hash = map_hash(c->call_id, s->seed);

	for (const struct list *n = u->bindings.next; n != &u->bindings; n = n->next) {
		const struct sip_binding *b = LIST_ITEM(n, struct sip_binding, node);

		if (is_meant(c, b) && b->call_hash == call_hash && c->cseq <= b->cseq)
			return true;
	}
	return false;
}

static bool is_too_big(const struct sip_bindings_change *c)
{
	if (c->count > SIP_MAX_CONTACTS || c->path.n > SIP_MAX_PATH)
		return true;
	for (size_t i = 0; i < c->count; i++)
		if (c->contacts[i].uri.n > SIP_MAX_CONTACT || c->contacts[i].instance.n > SIP_MAX_INSTANCE)
			return true;
	return false;
}

static void unmake(struct sip_binding **fresh, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(fresh[i]);
}

/* The last of several that mean the same counts. */
static bool is_repeated(const struct sip_bindings_change *c, size_t i, const struct sip_binding *b)
{
	for (size_t k = i + 1; k < c->count; k++)
		if (means(&c->contacts[k], b))
			return true;
	return false;
}

static int make_all(struct sip_bindings *s, const struct sip_bindings_change *c, struct sip_binding **fresh,
		    size_t *count)
{
	for (size_t i = 0; i < c->count; i++) {
		if (!c->contacts[i].expires_s)
			continue;
		fresh[*count] = make(s, c, &c->contacts[i]);
		if (!fresh[*count])
			return ENOMEM;
		++*count;
		if (is_repeated(c, i, fresh[*count - 1]))
			unmake(&fresh[--*count], 1);
	}
	return 0;
}

/* Who dials an id means the phone, not the REGISTER. */
static void inherit(struct sip_binding *b, const struct list *old)
{
	const struct sip_contact contact = { .uri = b->contact, .instance = b->instance, .reg_id = b->reg_id };

	for (const struct list *n = old->next; n != old; n = n->next)
		if (means(&contact, LIST_ITEM(n, struct sip_binding, node)))
			b->id = LIST_ITEM(n, struct sip_binding, node)->id;
}

/* The user stays while there is something new for him, so the old ones go behind its coming. */
static void replace(struct sip_registered *u, const struct sip_bindings_change *c, struct sip_binding **fresh,
		    size_t count)
{
	struct list old;

	list_init(&old);
	for (struct list *n = u->bindings.next, *next; n != &u->bindings; n = next) {
		next = n->next;
		if (!is_meant(c, LIST_ITEM(n, struct sip_binding, node)))
			continue;
		list_remove(n);
		list_append(&old, n);
	}
	for (size_t i = 0; i < count; i++) {
		inherit(fresh[i], &old);
		insert(u, fresh[i]);
	}
	while (u->count > SIP_MAX_CONTACTS && !list_empty(&old))
		drop(LIST_ITEM(list_first(&old), struct sip_binding, node));
	while (u->count > SIP_MAX_CONTACTS)
		make_room(u);
	while (!list_empty(&old)) /* old is ours: the user may go with the last one */
		drop(LIST_ITEM(list_first(&old), struct sip_binding, node));
}

int sip_bindings_apply(struct sip_bindings *s, const struct sip_bindings_change *c)
{
	struct sip_binding *fresh[SIP_MAX_CONTACTS];
	struct sip_registered *u = map_get(s->users, c->user);
	size_t count = 0;
	int err = 0;

	if (is_too_big(c))
		return E2BIG;
	if (u && is_late(s, c, u))
		return EAGAIN;
	err = make_all(s, c, fresh, &count);
	if (!err && count && !u) {
		u = user_get(s, c->user);
		err = u ? 0 : ENOMEM;
	}
	if (err) {
		unmake(fresh, count);
		return err;
	}
	if (u)
		replace(u, c, fresh, count);
	return 0;
}

void sip_bindings_lost(struct sip_bindings *s, uint64_t connection)
{
	struct sip_key key = number_key(&s->connections, connection);
	struct sip_node *n;

	while ((n = sip_table_find(&s->connections, key)))
		drop(LIST_ITEM(n, struct sip_binding, on_connection));
}

bool sip_bindings_need(const struct sip_bindings *s, uint64_t connection)
{
	return sip_table_find(&s->connections, number_key(&s->connections, connection));
}

/* --- looking --- */

const struct sip_binding *sip_bindings_find(const struct sip_bindings *s, uint64_t id)
{
	struct sip_node *n = sip_table_find(&s->ids, number_key(&s->ids, id));

	return n ? LIST_ITEM(n, struct sip_binding, by_id) : NULL;
}

struct str sip_binding_user(const struct sip_binding *b)
{
	return b->user->name;
}

/* False: enough. */
static bool visit(const struct sip_registered *u, bool (*fn)(void *arg, const struct sip_binding *b), void *arg)
{
	for (const struct list *n = u->bindings.next; n != &u->bindings; n = n->next)
		if (!fn(arg, LIST_ITEM(n, struct sip_binding, node)))
			return false;
	return true;
}

void sip_bindings_each(const struct sip_bindings *s, struct str user,
		       bool (*fn)(void *arg, const struct sip_binding *b), void *arg)
{
	const struct sip_registered *u = user.p ? map_get(s->users, user) : NULL;

	if (u)
		visit(u, fn, arg);
	for (const struct list *n = s->all.next; !user.p && n != &s->all; n = n->next)
		if (!visit(LIST_ITEM(n, struct sip_registered, node), fn, arg))
			return;
}

size_t sip_bindings_count(const struct sip_bindings *s)
{
	return s->ids.count;
}

size_t sip_bindings_users(const struct sip_bindings *s)
{
	return map_count(s->users);
}

/* --- many at once --- */

static void drop_all_of(struct sip_registered *u)
{
	struct list all;

	list_init(&all);
	list_splice(&all, &u->bindings);
	while (!list_empty(&all))
		drop(LIST_ITEM(list_first(&all), struct sip_binding, node));
}

void sip_bindings_sift(struct sip_bindings *s, bool (*keep)(void *arg, struct str user), void *arg)
{
	for (struct list *n = s->all.next, *next; n != &s->all; n = next) {
		struct sip_registered *u = LIST_ITEM(n, struct sip_registered, node);

		next = n->next;
		if (!keep || !keep(arg, u->name))
			drop_all_of(u);
	}
}

/* --- life --- */

int sip_bindings_new(struct sip_bindings **out, struct loop *l)
{
	struct sip_bindings *s = calloc(1, sizeof(*s));
	struct sip_key seed = { loop_random(l), loop_random(l) };
	int err;

	if (!s)
		return ENOMEM;
	s->loop = l;
	s->seed = loop_random(l);
	list_init(&s->all);
	err = map_new(&s->users, loop_random(l));
	if (!err)
		err = sip_table_init(&s->ids, seed);
	if (!err)
		err = sip_table_init(&s->connections, seed);
	if (err) {
		sip_bindings_free(&s);
		return err;
	}
	*out = s;
	return 0;
}

void sip_bindings_free(struct sip_bindings **sp)
{
	struct sip_bindings *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	sip_bindings_sift(s, NULL, NULL);
	map_free(&s->users);
	sip_table_done(&s->ids);
	sip_table_done(&s->connections);
	free(s);
}
