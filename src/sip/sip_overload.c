/* sip_overload: what is not done for a message, so that the others can be: sources that send too much are not read,
 * and new calls are refused while datagrams pile up or too many transactions live. */
#include "base/log.h"
#include "sip/sip_bucket.h"
#include "sip/sip_impl.h"

enum { TELL_LIMITED_MS = 10000, TELL_SHED_MS = 1000, MAX_TRANSACTIONS = 1000000, WINDOW_MS = 500 };

int overload_init(struct overload *o, struct sip_stack *k, const struct sip_stack_opts *opts)
{
	o->max_transactions = opts->max_transactions ? opts->max_transactions : MAX_TRANSACTIONS;
	return sip_buckets_new(&o->buckets, loop_random(k->loop));
}

void overload_done(struct overload *o, struct loop *l)
{
	loop_timer_stop(l, &o->shed_timer);
	loop_timer_stop(l, &o->limited_timer);
	sip_buckets_free(&o->buckets);
}

static void tell_limited(void *arg)
{
	struct overload *o = &((struct sip_stack *)arg)->overload;
	char text[ADDR_TEXT];

	log_printf(LOG_WARN, NULL, "sip: %llu messages of sources that send too much were not read, the last from %s",
		   (unsigned long long)(o->limited - o->limited_told), addr_text(&o->limited_last, text));
	o->limited_told = o->limited;
}

/* The bucket is asked first: it is cheaper than to look who it is, and is seldom empty. */
bool overload_admits(void *arg, const struct sip_flow *flow)
{
	struct sip_stack *k = arg;
	struct overload *o = &k->overload;
	uint64_t now_ms = loop_now_ms(k->loop);

	if (now_ms - o->window_ms >= WINDOW_MS) {
		o->seen /= 2;
		o->not_read /= 2;
		o->window_ms = now_ms;
	}
	o->seen++;
	if (sip_buckets_take(o->buckets, &flow->remote, now_ms) || !k->handlers->trusted ||
	    k->handlers->trusted(k->arg, &flow->remote))
		return true;
	o->not_read++;
	o->limited++;
	o->limited_last = flow->remote;
	if (!o->limited_timer.active)
		loop_timer_start(k->loop, &o->limited_timer, TELL_LIMITED_MS, tell_limited, k);
	return false;
}

void overload_prove(struct sip_stack *k, const struct sip_flow *flow)
{
	sip_buckets_prove(k->overload.buckets, &flow->remote, loop_now_ms(k->loop));
}

static void tell_shed(void *arg)
{
	struct overload *o = &((struct sip_stack *)arg)->overload;

	log_printf(LOG_WARN, NULL, "overloaded: %llu new calls refused with 503",
		   (unsigned long long)(o->shed - o->shed_told));
	o->shed_told = o->shed;
}

/* Datagrams pile up. When most of them are of those that are not read, the pile is gone as soon as we get to it, and
 * refusing calls would do what the flood is for. */
static bool is_crowded(struct sip_stack *k)
{
	const struct overload *o = &k->overload;

	return sip_transport_crowded(k->transport) && o->not_read < o->seen - o->not_read;
}

/* A call refused at once costs a tenth of one that is taken too late. */
bool overload_sheds(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow)
{
	static const struct sip_field retry = { "Retry-After", { "5", 1 } };
	static const struct sip_fields fields = { &retry, 1 };
	struct overload *o = &k->overload;

	if (!is_crowded(k) && sip_trans_alive(k->trans) < o->max_transactions)
		return false;
	o->shed++;
	stack_reply(k, m, flow, 503, &fields);
	if (!o->shed_timer.active)
		loop_timer_start(k->loop, &o->shed_timer, TELL_SHED_MS, tell_shed, k);
	return true;
}
