#include "call/leg_sip_impl.h"

void leg_sip_asked(void *arg, const struct sip_refer_in *in)
{
	const struct transfer_wish wish = { in->to, in->replaces, in->referred_by };
	struct leg_sip *l = arg;

	leg_report_asked(&l->leg, &wish);
}

int leg_sip_take_refer(struct leg *leg, struct sip_notifier **out)
{
	struct leg_sip *l = (struct leg_sip *)(void *)leg;

	return sip_session_take_refer(l->session, out);
}

void leg_sip_refuse_refer(struct leg *leg, int status)
{
	struct leg_sip *l = (struct leg_sip *)(void *)leg;

	sip_session_refuse_refer(l->session, status);
}

struct leg *leg_sip_named(const struct leg_sip_env *env, struct str replaces)
{
	struct leg_sip *l = sip_session_named(env->stack, replaces, &leg_sip_session_handlers);

	return l ? &l->leg : NULL;
}
