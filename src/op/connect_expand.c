#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "call/resource.h"
#include "call/users.h"
#include "op/connect_impl.h"

struct expansion {
	struct plan *plan;
	const struct calls *calls;
	size_t room; /* targets that may still be added */
};

/* sip:name@domain. NULL on no memory. */
static const char *uri_of(struct arena *a, const char *name, const char *domain)
{
	size_t n = strlen(name), m = strlen(domain);
	char *uri = arena_alloc(a, n + m + 6);

	if (!uri)
		return NULL;
	memcpy(uri, "sip:", 4);
	memcpy(uri + 4, name, n);
	uri[n + 4] = '@';
	memcpy(uri + n + 5, domain, m + 1);
	return uri;
}

/* Kinds that connect cannot reach stay addresses. 0 or ENOMEM. */
static int resolve(const struct expansion *x, struct plan_target *t)
{
	const struct resource *r = t->kind == TARGET_ADDRESS ? users_address(x->calls, t->address) : NULL;
	const char *domain = users_domain(x->calls);

	if (!r)
		return 0;
	if (r->kind == RESOURCE_SIP)
		t->address = r->uri;
	else if (r->kind == RESOURCE_SUBSCRIBER && domain)
		t->address = uri_of(x->plan->arena, r->name, domain);
	else
		return 0;
	t->kind = TARGET_SIP;
	return t->address ? 0 : ENOMEM;
}

/* The phones of a target that is a subscriber of ours; 0 = it is none, or has none. */
static size_t phones(const struct expansion *x, const struct plan_target *t, uint64_t *out, size_t max)
{
	if (t->kind != TARGET_SIP || t->binding)
		return 0;
	return users_phones_of(x->calls, t->address, out, max);
}

static int expand_group(struct expansion *x, struct plan_group *g)
{
	uint64_t ids[PLAN_MAX_TARGETS];
	struct plan_target *out = arena_alloc(x->plan->arena, (g->count + x->room) * sizeof(*out));
	size_t n = 0;

	if (!out)
		return ENOMEM;
	for (size_t i = 0; i < g->count; i++) {
		struct plan_target t = g->targets[i];
		size_t count;

		if (resolve(x, &t))
			return ENOMEM;
		count = phones(x, &t, ids, x->room + 1);
		x->room -= count > 1 ? count - 1 : 0;
		if (!count)
			out[n++] = t;
		for (size_t k = 0; k < count; k++) {
			out[n] = t;
			out[n++].binding = ids[k];
		}
	}
	g->targets = out;
	g->count = n;
	return 0;
}

/* Most plans need nothing of this, and no memory for it. */
static bool wants_expansion(const struct plan *p, const struct calls *cs)
{
	size_t count = plan_target_count(p);

	for (size_t i = 0; i < count; i++) {
		const struct plan_target *t = plan_target(p, i);
		if (t->kind == TARGET_ADDRESS || (t->kind == TARGET_SIP && users_owns(cs, t->address)))
			return true;
	}
	return false;
}

int connect_expand(struct plan *plan, const struct calls *cs)
{
	struct expansion x = { plan, cs, PLAN_MAX_TARGETS - plan_target_count(plan) };
	struct plan_group *groups;

	if (!wants_expansion(plan, cs))
		return 0;
	groups = arena_alloc(plan->arena, plan->group_count * sizeof(*groups));
	if (!groups)
		return ENOMEM;
	memcpy(groups, plan->groups, plan->group_count * sizeof(*groups));
	for (size_t i = 0; i < plan->group_count; i++)
		if (expand_group(&x, &groups[i]))
			return ENOMEM;
	plan->groups = groups;
	return 0;
}
