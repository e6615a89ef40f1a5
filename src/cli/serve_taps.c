#include "cli/serve_taps.h"

#include "config.h"
#include "net/http_rules.h"
#include "net/ws_client.h"

int serve_taps_move(struct serve_taps *t, const struct config *c)
{
	struct http_rules *rules;
	int err = http_rules_new(&rules, c->webhooks.allow_hosts, c->webhooks.deny_private);

	if (err)
		return err;
	http_rules_drop(t->env.rules);
	t->env.rules = rules;
	t->env.from = c->media.address;
	t->env.advertise = c->media.advertise;
	return 0;
}

int serve_taps_open(struct serve_taps *t, struct loop *l, struct dns *dns, const struct config *c)
{
	const struct ws_client_opts ws = { .loop = l };
	int err = ws_client_new(&t->env.ws, &ws);

	t->env.loop = l;
	t->env.dns = dns;
	return err ? err : serve_taps_move(t, c);
}

void serve_taps_close(struct serve_taps *t)
{
	ws_client_free(&t->env.ws);
	http_rules_drop(t->env.rules);
	t->env.rules = NULL;
}
