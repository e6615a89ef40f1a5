#include "fake_dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/loop.h"

struct name {
	struct list node;
	char text[256];
	int err;
	struct addr addrs[DNS_MAX_ADDRS];
	size_t count;
	bool prefers;
	enum wire_kind kind;
};

struct asked {
	struct list node;
	struct fake_dns *d;
	struct loop_timer timer;
	uint64_t id;
	struct dns_result result; /* made when asked: later changes of the table do not count */
	void (*done)(void *arg, const struct dns_result *r);
	void *arg;
};

struct fake_dns {
	struct dns door; /* first: struct dns pointers are cast back */
	struct loop *loop;
	struct list names, open;
	uint32_t delay_ms;
	uint64_t next_id;
	size_t count;
};

static struct fake_dns *fake_of(struct dns *d)
{
	return (struct fake_dns *)(void *)d;
}

static struct name *find(struct fake_dns *d, struct str text)
{
	for (struct list *n = d->names.next; n != &d->names; n = n->next) {
		struct name *name = LIST_ITEM(n, struct name, node);

		if (str_iis(text, name->text))
			return name;
	}
	return NULL;
}

static struct name *find_or_add(struct fake_dns *d, const char *text)
{
	struct name *name = find(d, str_of(text));

	if (name)
		return name;
	name = calloc(1, sizeof(*name));
	if (!name)
		abort();
	str_copy(name->text, sizeof(name->text), str_of(text));
	list_append(&d->names, &name->node);
	return name;
}

static void asked_free(struct asked *a)
{
	loop_timer_stop(a->d->loop, &a->timer);
	list_remove(&a->node);
	free(a);
}

static void answer(void *arg)
{
	struct asked *a = arg;
	void (*done)(void *arg, const struct dns_result *r) = a->done;
	struct dns_result result = a->result;
	void *done_arg = a->arg;

	asked_free(a);
	done(done_arg, &result);
}

static void resolve(struct fake_dns *d, const struct dns_query *q, struct dns_result *out)
{
	uint16_t usual = q->kind == WIRE_TLS || q->kind == WIRE_WSS ? 5061 : 5060;
	const struct name *name = find(d, q->host);

	memset(out, 0, sizeof(*out));
	out->kind = q->kind;
	if (!addr_parse(&out->addrs[0], q->host, q->port ? q->port : usual)) {
		out->count = 1;
		return;
	}
	if (!name || name->err || !name->count) {
		out->err = name && name->err ? name->err : ENOENT;
		return;
	}
	if (!q->port && name->prefers && q->kinds & 1U << name->kind) {
		out->kind = name->kind;
		usual = name->kind == WIRE_TLS || name->kind == WIRE_WSS ? 5061 : 5060;
	}
	for (; out->count < name->count; out->count++) {
		struct addr *a = &out->addrs[out->count];

		*a = name->addrs[out->count];
		if (q->port || !addr_port(a))
			addr_set_port(a, q->port ? q->port : usual);
	}
}

static int op_lookup(struct dns *door, const struct dns_query *q, void (*done)(void *arg, const struct dns_result *r),
		     void *arg, uint64_t *id)
{
	struct fake_dns *d = fake_of(door);
	struct asked *a = calloc(1, sizeof(*a));

	if (!a)
		return ENOMEM;
	a->d = d;
	a->id = ++d->next_id;
	a->done = done;
	a->arg = arg;
	resolve(d, q, &a->result);
	list_append(&d->open, &a->node);
	loop_timer_start(d->loop, &a->timer, d->delay_ms, answer, a);
	d->count++;
	*id = a->id;
	return 0;
}

static void op_cancel(struct dns *door, uint64_t id)
{
	struct fake_dns *d = fake_of(door);

	for (struct list *n = d->open.next, *next; n != &d->open; n = next) {
		struct asked *a = LIST_ITEM(n, struct asked, node);

		next = n->next;
		if (a->id == id)
			asked_free(a);
	}
}

static const struct dns_ops ops = { op_lookup, op_cancel };

int fake_dns_new(struct fake_dns **out, struct loop *l)
{
	struct fake_dns *d = calloc(1, sizeof(*d));

	if (!d)
		return ENOMEM;
	d->door.ops = &ops;
	d->loop = l;
	list_init(&d->names);
	list_init(&d->open);
	*out = d;
	return 0;
}

void fake_dns_free(struct fake_dns **dp)
{
	struct fake_dns *d = *dp;
	struct list *n;

	if (!d)
		return;
	while ((n = list_first(&d->open)))
		asked_free(LIST_ITEM(n, struct asked, node));
	while ((n = list_first(&d->names))) {
		list_remove(n);
		free(LIST_ITEM(n, struct name, node));
	}
	free(d);
	*dp = NULL;
}

struct dns *fake_dns_door(struct fake_dns *d)
{
	return &d->door;
}

void fake_dns_add(struct fake_dns *d, const char *text, const char *address)
{
	struct name *name = find_or_add(d, text);

	if (name->count == DNS_MAX_ADDRS || addr_parse_port(&name->addrs[name->count], str_of(address), 0))
		abort();
	name->count++;
}

void fake_dns_prefer(struct fake_dns *d, const char *text, enum wire_kind kind)
{
	struct name *name = find_or_add(d, text);

	name->prefers = true;
	name->kind = kind;
}

void fake_dns_fail(struct fake_dns *d, const char *text, int err)
{
	find_or_add(d, text)->err = err;
}

void fake_dns_delay(struct fake_dns *d, uint32_t delay_ms)
{
	d->delay_ms = delay_ms;
}

size_t fake_dns_open(const struct fake_dns *d)
{
	size_t n = 0;

	for (const struct list *i = d->open.next; i != &d->open; i = i->next)
		n++;
	return n;
}

size_t fake_dns_asked(const struct fake_dns *d)
{
	return d->count;
}
