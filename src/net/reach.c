#include "net/reach.h"

#include <errno.h>
#include <stdio.h>

static void forget(struct reach *r)
{
	http_rules_drop(r->rules);
	r->rules = NULL;
	r->dns = NULL;
}

static const char *no_name(int err)
{
	switch (err) {
	case ENOENT:
		return "the name of the host is not found";
	case ETIMEDOUT:
		return "the name was not resolved in time";
	default:
		return "the name could not be resolved";
	}
}

/* Of several addresses one may be allowed. */
static void judge(const struct reach *r, struct reach_result *out, const struct dns_result *found, char why[200])
{
	char host[ADDR_TEXT];

	for (size_t i = 0; i < found->count; i++) {
		const struct addr *a = &found->addrs[i];

		if (http_rules_allow(r->rules, str_of(r->host), a))
			out->addrs[out->count++] = *a;
		else
			snprintf(why, 200, "%s is a private address and %.80s is not in webhooks.allow_hosts",
				 addr_host(a, host), r->host);
	}
	if (!out->count)
		out->why = why;
}

static void found(void *arg, const struct dns_result *result)
{
	struct reach_result out = { .count = 0 };
	struct reach *r = arg;
	char why[200] = "the name of the host has no address";

	if (result->err)
		out.why = no_name(result->err);
	else
		judge(r, &out, result, why);
	forget(r);
	r->done(r->arg, &out);
}

int reach_start(struct reach *r, const struct reach_query *q, void (*done)(void *arg, const struct reach_result *r),
		void *arg)
{
	const struct dns_query query = { .host = q->host, .port = q->port, .kind = WIRE_UDP };
	int err;

	if (q->host.n >= sizeof(r->host) || !q->port)
		return EINVAL;
	str_copy(r->host, sizeof(r->host), q->host);
	r->done = done;
	r->arg = arg;
	err = q->dns->ops->lookup(q->dns, &query, found, r, &r->id);
	if (err)
		return err;
	r->dns = q->dns;
	r->rules = http_rules_use(q->rules);
	return 0;
}

void reach_stop(struct reach *r)
{
	if (!r->dns)
		return;
	r->dns->ops->cancel(r->dns, r->id);
	forget(r);
}
