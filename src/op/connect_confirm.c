/* connect_confirm: a script runs on a peer before it is joined. */
#include <stdio.h>

#include "base/loop.h"
#include "op/connect_impl.h"

static void take_back(struct attempt *a)
{
	a->run = NULL;
	call_control(a->call, &connect_peer_controller, a);
}

static void refused(struct attempt *a, enum cause cause, const char *why)
{
	snprintf(a->why, sizeof(a->why), "its confirm: %s", why);
	connect_refuse(a, cause);
}

static void told(void *arg, const struct run_result *r)
{
	struct attempt *a = arg;

	take_back(a);
	switch (r->outcome) {
	case RUN_ENDED:
		connect_agree(a);
		break;
	case RUN_REFUSED:
		refused(a, CAUSE_DECLINED, r->why);
		break;
	case RUN_FAILED:
		refused(a, CAUSE_ERROR, r->why);
		break;
	case RUN_GONE:
		connect_peer_controller.closed(a, a->call);
		break;
	}
}

void connect_confirm(struct attempt *a)
{
	const struct runner *runner = &a->owner->runner;
	const struct plan_script *script = plan_target(a->owner->plan, a->slot)->confirm;
	const struct run_ask ask = {
		.call = a->call, .url = script->url, .methods = script->methods, .done = told, .arg = a
	};

	/* A peer is never joined unconfirmed. */
	if (!runner->start || runner->start(runner->arg, &a->run, &ask))
		connect_fail_at_once(a, CAUSE_ERROR, "its confirm cannot be run");
}

void connect_confirm_stop(struct attempt *a)
{
	if (!a->run)
		return;
	a->owner->runner.stop(a->run);
	take_back(a);
}
