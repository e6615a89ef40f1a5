/* The section resources of the configuration, and the routes that lead to its addresses. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "config_impl.h"

enum { MAX_ADDRESS = 120 };

/* --- one resource --- */

static void read_password(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && !*text)
		conf_problem(c, CONF_ERROR, d, "must not be empty");
	for (const char *p = text; p && *p; p++) {
		if ((unsigned char)*p >= ' ' && *p != 0x7f)
			continue;
		conf_problem(c, CONF_ERROR, d, "has a control character in it");
		return;
	}
	*(const char **)field = text;
}

static const struct conf_setting subscriber_table[] = {
	{ .name = "password",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct resource, password),
	  .read = read_password,
	  .required = true },
	{ .name = NULL },
};

/* Without settings it has no password either. */
static void read_subscriber(struct conf *c, const struct doc *d, void *field)
{
	conf_struct(c, d, subscriber_table, field);
}

static void read_uri(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	struct str uri = str_of(text);

	if (text && (str_istarts(uri, "sip:") || str_istarts(uri, "sips:")) && uri.n <= 255 &&
	    !strpbrk(text, " \t\r\n<>\""))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be a SIP URI like sip:office@192.0.2.1;transport=tcp");
}

static void read_swml(struct conf *c, const struct doc *d, void *field)
{
	struct resource *r = field;

	config_read_document(c, d, &r->swml, &r->url);
}

static const struct conf_setting resource_table[] = {
	{ .name = "subscriber", .type = CONF_CUSTOM, .read = read_subscriber },
	{ .name = "sip", .type = CONF_CUSTOM, .offset = offsetof(struct resource, uri), .read = read_uri },
	{ .name = "swml", .type = CONF_CUSTOM, .read = read_swml },
	{ .name = "room", .type = CONF_LATER },
	{ .name = "queue", .type = CONF_LATER },
	{ .name = NULL },
};

/* "/public/name" or "/private/name". */
static const char *name_in(const char *address)
{
	struct str s = str_of(address);
	const char *name = str_starts(s, "/public/") ? address + 8 : str_starts(s, "/private/") ? address + 9 : NULL;

	return name && config_only(name, "-_.+") && s.n <= MAX_ADDRESS ? name : NULL;
}

static void read_resource(struct conf *c, const struct doc *d, struct resource *r)
{
	static const enum resource_kind kinds[] = { RESOURCE_SUBSCRIBER, RESOURCE_SIP, RESOURCE_SWML, RESOURCE_LATER,
						    RESOURCE_LATER };
	size_t count = 0;

	r->address = conf_dup(c, d->key);
	r->name = r->address ? name_in(r->address) : NULL;
	r->line = d->key_line;
	r->col = d->key_col;
	if (r->address && !r->name) {
		r->name = r->address;
		conf_problem(c, CONF_ERROR, d,
			     "\"%.60s\" is no address: /public/NAME or /private/NAME, letters, digits and -_.+",
			     r->address);
	}
	conf_struct(c, d, resource_table, r);
	for (size_t i = 0; resource_table[i].name && d->type == DOC_MAP; i++) {
		if (!doc_get(d, resource_table[i].name))
			continue;
		count++;
		r->kind = kinds[i];
		r->kind_name = resource_table[i].name;
	}
	if (count != 1 && d->type == DOC_MAP)
		conf_problem(c, CONF_ERROR, d, "a resource is one of subscriber, sip, swml, room, queue");
	if (!r->kind_name)
		r->kind_name = "";
}

/* --- all of them --- */

static int by_address(const void *a, const void *b)
{
	const struct resource *x = a, *y = b;

	return resource_compare(str_of(x->address), str_of(y->address));
}

static int by_name(const void *a, const void *b)
{
	const struct resource *x = *(const struct resource *const *)a, *y = *(const struct resource *const *)b;
	int order = resource_compare(str_of(x->name), str_of(y->name));

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void index_subscribers(struct conf *c, const struct doc *d, struct resource_table *t)
{
	const struct resource **list = conf_alloc(c, t->count * sizeof(*list));
	size_t n = 0;

	if (!list)
		return;
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].kind == RESOURCE_SUBSCRIBER)
			list[n++] = &t->items[i];
	qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(list[i]->name, list[i - 1]->name))
			conf_problem(c, CONF_ERROR, doc_get(d, list[i]->address),
				     "another subscriber has this name: both would register as sip:%.60s@domain",
				     list[i]->name);
	t->subscribers = list;
	t->subscriber_count = n;
}

void config_read_resources(struct conf *c, const struct doc *d, void *field)
{
	struct resource_table *t = conf_alloc(c, sizeof(*t));
	struct resource *items = conf_alloc(c, d->count * sizeof(*items));
	struct route_table *routes = field;

	if (d->type == DOC_NULL || !t || !items)
		return;
	if (d->type != DOC_MAP) {
		conf_problem(c, CONF_ERROR, d, "must be addresses with what they stand for");
		return;
	}
	for (const struct doc *m = d->child; m; m = m->next) {
		read_resource(c, m, &items[t->count]);
		t->count += items[t->count].address != NULL;
	}
	qsort(items, t->count, sizeof(*items), by_address);
	t->items = items;
	index_subscribers(c, d, t);
	routes->resources = t;
}

/* --- what needs more than one section --- */

/* Among the others, in order of the file. */
static int add_problem(struct conf_problem **list, struct arena *a, const struct conf_problem *like)
{
	struct conf_problem *p = arena_alloc(a, sizeof(*p));

	if (!p)
		return ENOMEM;
	while (*list && ((*list)->line < like->line || ((*list)->line == like->line && (*list)->col <= like->col)))
		list = &(*list)->next;
	*p = *like;
	p->next = *list;
	*list = p;
	return 0;
}

/* The document of a route that leads to a phone: ring it, and answer when it does. */
static const char *connect_document(struct arena *a, const char *address)
{
	struct buf b = { 0 };
	char *text;

	buf_cstr(&b, "{\"sections\":{\"main\":[{\"connect\":{\"answer_on_bridge\":true,\"to\":");
	buf_json(&b, str_of(address));
	buf_cstr(&b, "}}]}}");
	text = b.failed ? NULL : str_dup(a, buf_view(&b));
	buf_free(&b);
	return text;
}

static int resolve(struct route *r, const struct resource_table *t, struct arena *a, struct conf_problem **problems)
{
	const struct resource *found = t ? resource_find(t, str_of(r->address)) : NULL;
	struct conf_problem p = { .line = r->address_line, .col = r->address_col };

	if (!found) {
		p.severity = CONF_ERROR;
		p.message = "no resource has this address";
		return add_problem(problems, a, &p);
	}
	switch (found->kind) {
	case RESOURCE_SUBSCRIBER:
	case RESOURCE_SIP:
		r->swml = connect_document(a, r->address);
		return r->swml ? 0 : ENOMEM;
	case RESOURCE_SWML:
		r->swml = found->swml;
		r->url = found->url;
		return 0;
	case RESOURCE_LATER:
		break;
	}
	p.severity = CONF_WARNING;
	p.message = "an address of this kind is not in this version: calls to this route are refused with 480";
	return add_problem(problems, a, &p);
}

static int check_domain(const struct config *c, struct arena *a, struct conf_problem **problems)
{
	const struct resource_table *t = c->routes.resources;
	struct conf_problem p = { .severity = CONF_ERROR,
				  .message = "subscribers need sip.domain: they register as sip:NAME@DOMAIN" };

	if (!t || !t->subscriber_count || c->sip.domain)
		return 0;
	p.line = t->subscribers[0]->line;
	p.col = t->subscribers[0]->col;
	return add_problem(problems, a, &p);
}

int config_resolve(struct config *c, struct arena *a, struct conf_problem **problems)
{
	struct route *routes = arena_alloc(a, (c->routes.route_count + 1) * sizeof(*routes));
	int err = routes ? check_domain(c, a, problems) : ENOMEM;

	if (err)
		return err;
	for (size_t i = 0; !err && i < c->routes.route_count; i++) {
		routes[i] = c->routes.routes[i];
		if (routes[i].address)
			err = resolve(&routes[i], c->routes.resources, a, problems);
	}
	c->routes.routes = routes;
	for (const struct conf_problem *p = *problems; !err && p; p = p->next)
		if (p->severity == CONF_ERROR)
			err = EINVAL;
	return err;
}
