/* How many legs there are, were, and how they fared (calls_count_all()). */
#include "call/call_impl.h"
#include "call/call_quality.h"

void call_count_begin(struct call *c)
{
	struct calls_counts *n = &c->owner->counts;

	if (c->origin.silent)
		return;
	*(c->info.inbound ? &n->inbound : &n->outbound) += 1;
	*(c->info.inbound ? &n->began_inbound : &n->began_outbound) += 1;
}

void call_count_end(struct call *c, const struct leg_end *end)
{
	struct calls_counts *n = &c->owner->counts;

	if (c->origin.silent)
		return;
	*(c->info.inbound ? &n->inbound : &n->outbound) -= 1;
	n->ended[end->cause]++;
	n->packets_in += end->media.packets_in;
	n->packets_out += end->media.packets_out;
	n->packets_lost += end->media.lost;
	n->packets_foreign += end->media.foreign;
	n->packets_unauthentic += end->media.unauthentic;
	call_quality_count(n, &end->media);
}
