#include "call/leg_impl.h"

#include <assert.h>
#include <errno.h>

#include "base/str.h"

/* Rows: from, columns: to. A leg only moves forward; early media may come before or after ringing. */
static bool legal(enum leg_state from, enum leg_state to)
{
	static const bool table[LEG_CLOSED + 1][LEG_CLOSED + 1] = {
		[LEG_NEW] = { [LEG_OFFERED] = true, [LEG_DIALLING] = true, [LEG_CLOSING] = true },
		[LEG_OFFERED] = { [LEG_RINGING] = true,
				  [LEG_EARLY] = true,
				  [LEG_ANSWERED] = true,
				  [LEG_CLOSING] = true },
		[LEG_DIALLING] = { [LEG_RINGING] = true,
				   [LEG_EARLY] = true,
				   [LEG_ANSWERED] = true,
				   [LEG_CLOSING] = true },
		[LEG_RINGING] = { [LEG_EARLY] = true, [LEG_ANSWERED] = true, [LEG_CLOSING] = true },
		[LEG_EARLY] = { [LEG_ANSWERED] = true, [LEG_CLOSING] = true },
		[LEG_ANSWERED] = { [LEG_CLOSING] = true },
		[LEG_CLOSING] = { [LEG_CLOSED] = true },
	};

	return table[from][to];
}

void leg_move(struct leg *l, enum leg_state to)
{
	assert(legal(l->state, to));
	l->state = to;
}

void leg_blame(struct leg *l, enum cause cause, uint16_t status, const char *by, const char *why)
{
	if (l->end.cause != CAUSE_NONE)
		return;
	l->end.cause = cause;
	l->end.status = status;
	str_copy(l->by, sizeof(l->by), str_of(by));
	str_copy(l->why, sizeof(l->why), str_of(why));
}

void leg_handle(struct leg *l, const struct leg_handlers *h, void *arg)
{
	l->handlers = h;
	l->arg = arg;
}

enum leg_state leg_state(const struct leg *l)
{
	return l->state;
}

void *leg_owner(const struct leg *l)
{
	return l->arg;
}

static bool unanswered_inbound(const struct leg *l)
{
	return l->inbound && l->state < LEG_ANSWERED;
}

void leg_ring(struct leg *l)
{
	if (!unanswered_inbound(l) || l->state >= LEG_RINGING)
		return;
	leg_move(l, LEG_RINGING);
	l->ops->ring(l);
}

int leg_early(struct leg *l, const struct codec_list *prefer)
{
	int err;

	if (!unanswered_inbound(l))
		return l->state == LEG_ANSWERED ? EALREADY : ENOTCONN;
	err = l->ops->early(l, prefer);
	if (!err && l->state != LEG_EARLY)
		leg_move(l, LEG_EARLY);
	return err;
}

int leg_answer(struct leg *l, const struct codec_list *prefer)
{
	int err;

	if (!unanswered_inbound(l))
		return l->state == LEG_ANSWERED ? EALREADY : ENOTCONN;
	err = l->ops->answer(l, prefer);
	if (!err) {
		l->end.answered = true;
		leg_move(l, LEG_ANSWERED);
	}
	return err;
}

void leg_hangup(struct leg *l, enum cause cause, uint16_t status, const char *by, const char *why)
{
	if (l->state >= LEG_CLOSING)
		return;
	leg_blame(l, cause, 0, by, why);
	leg_move(l, LEG_CLOSING);
	l->ops->hangup(l, status);
}

int leg_reoffer(struct leg *l, enum codec_id codec)
{
	return l->state == LEG_ANSWERED ? l->ops->reoffer(l, codec) : ENOTCONN;
}

int leg_transfer(struct leg *l, const struct transfer *t)
{
	if (l->state >= LEG_CLOSING)
		return ENOTCONN;
	return l->state == LEG_ANSWERED ? l->ops->transfer(l, t) : EINVAL;
}

int leg_credentials(struct leg *l, const char *username, const char *password)
{
	if (l->state >= LEG_CLOSING)
		return ENOTCONN;
	return l->ops->credentials ? l->ops->credentials(l, username, password) : 0;
}

int leg_take_refer(struct leg *l, struct sip_notifier **out)
{
	return l->ops->take_refer(l, out);
}

void leg_refuse_refer(struct leg *l, int status)
{
	l->ops->refuse_refer(l, status);
}

enum leg_video_state leg_video(const struct leg *l, struct video_formats *out)
{
	return l->ops->video(l, out);
}

void leg_permit_video(struct leg *l, const struct video_formats *formats)
{
	l->ops->permit_video(l, formats);
}

int leg_offer_video(struct leg *l, const struct video_formats *formats)
{
	return l->state == LEG_ANSWERED ? l->ops->offer_video(l, formats) : ENOTCONN;
}

bool leg_opus(const struct leg *l, struct opus_wish *out)
{
	return l->ops->opus(l, out);
}

void leg_wish_opus(struct leg *l, const struct opus_wish *w)
{
	if (l->ops->wish_opus)
		l->ops->wish_opus(l, w);
}

void leg_tell_opus(struct leg *l)
{
	if (l->state == LEG_ANSWERED && l->ops->tell_opus)
		l->ops->tell_opus(l);
}

struct port *leg_video_port(const struct leg *l)
{
	return l->ops->video_port(l);
}

struct port *leg_port(const struct leg *l)
{
	return l->ops->port(l);
}

void leg_codecs(const struct leg *l, struct codec_list *out)
{
	l->ops->codecs(l, out);
}

bool leg_agreed(const struct leg *l, enum codec_id *codec)
{
	return l->ops->agreed(l, codec);
}

bool leg_holds(const struct leg *l)
{
	return l->ops->holds(l);
}

void leg_report_ringing(struct leg *l)
{
	if (l->state != LEG_DIALLING)
		return;
	leg_move(l, LEG_RINGING);
	l->handlers->ringing(l->arg);
}

void leg_report_early(struct leg *l)
{
	if (l->state != LEG_DIALLING && l->state != LEG_RINGING)
		return;
	leg_move(l, LEG_EARLY);
	l->handlers->early(l->arg);
}

void leg_report_answered(struct leg *l)
{
	/* Answered after we gave up on it: the loser of a race was never answered (connect.md §2). */
	if (l->state >= LEG_ANSWERED)
		return;
	l->end.answered = true;
	leg_move(l, LEG_ANSWERED);
	l->handlers->answered(l->arg);
}

void leg_report_played(struct leg *l, uint32_t id, enum port_played how)
{
	l->handlers->played(l->arg, id, how);
}

void leg_report_detached(struct leg *l, uint32_t id, struct sink *s)
{
	l->handlers->detached(l->arg, id, s);
}

void leg_report_news(struct leg *l, uint32_t id, unsigned what)
{
	l->handlers->news(l->arg, id, what);
}

void leg_report_key(struct leg *l, char key)
{
	if (l->handlers && l->state < LEG_CLOSING)
		l->handlers->key(l->arg, key);
}

void leg_report_video(struct leg *l)
{
	if (l->handlers && l->handlers->video && l->state == LEG_ANSWERED)
		l->handlers->video(l->arg);
}

void leg_report_opus(struct leg *l)
{
	if (l->handlers && l->handlers->opus && l->state == LEG_ANSWERED)
		l->handlers->opus(l->arg);
}

void leg_report_asked(struct leg *l, const struct transfer_wish *w)
{
	if (l->handlers && l->handlers->asked && l->state == LEG_ANSWERED)
		l->handlers->asked(l->arg, w);
}

void leg_report_silence(struct leg *l, const struct port_silence *s)
{
	if (l->state < LEG_CLOSING)
		l->handlers->silence(l->arg, s);
}

void leg_report_leaving(struct leg *l)
{
	if (l->handlers)
		l->handlers->leaving(l->arg);
}

void leg_report_held(struct leg *l, bool on)
{
	if (l->state < LEG_CLOSING && l->handlers->held)
		l->handlers->held(l->arg, on);
}

void leg_report_closed(struct leg *l)
{
	if (l->state != LEG_CLOSING)
		leg_move(l, LEG_CLOSING);
	leg_move(l, LEG_CLOSED);
	l->end.by = l->by;
	l->end.why = l->why;
	if (l->handlers)
		l->handlers->closed(l->arg, &l->end);
	l->ops->free(l);
}

/* --- what its port says --- */

void leg_port_played(void *arg, uint32_t id, enum port_played how)
{
	leg_report_played(arg, id, how);
}

void leg_port_detached(void *arg, uint32_t id, struct sink *s)
{
	leg_report_detached(arg, id, s);
}

void leg_port_news(void *arg, uint32_t id, unsigned what)
{
	leg_report_news(arg, id, what);
}

void leg_port_silence(void *arg, const struct port_silence *s)
{
	leg_report_silence(arg, s);
}

void leg_port_key(void *arg, char key)
{
	leg_report_key(arg, key);
}
