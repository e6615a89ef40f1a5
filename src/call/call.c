#include "call/call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/handle.h"
#include "base/log.h"
#include "base/map.h"
#include "call/bridge.h"
#include "call/call_alarm.h"
#include "call/call_impl.h"
#include "call/call_quality.h"
#include "call/trunk_state.h"
#include "call/users.h"

enum { HOLD_MS = 5000 }; /* longer than a disk should take */

/* --- the table of calls --- */

static int watch_trunks(struct calls *cs)
{
	const struct trunks_opts opts = { cs->opts.loop, cs->sip.stack, cs->opts.events };

	return trunks_new(&cs->trunks, &opts);
}

/* From now on those of the configuration that is in force. */
static void configure_trunks(struct calls *cs)
{
	const char *domain = cs->opts.domain ? cs->opts.domain : cs->opts.sip.advertise;
	const struct trunks_config c = { cs->opts.routes, cs->opts.default_transport, domain };

	if (c.routes)
		trunks_configure(cs->trunks, &c);
}

static void free_tables(struct calls *cs)
{
	handle_table_free(&cs->handles);
	map_free(&cs->ids);
	free(cs);
}

int calls_new(struct calls **out, const struct calls_opts *opts, char why[160])
{
	struct calls *cs = calloc(1, sizeof(*cs));
	struct sip_stack_opts sip = opts->sip;
	int err;

	str_copy(why, 160, STR("out of memory"));
	if (!cs)
		return ENOMEM;
	cs->opts = *opts;
	list_init(&cs->list);
	err = handle_table_new(&cs->handles, 0);
	if (!err)
		err = map_new(&cs->ids, loop_random(opts->loop));
	sip.loop = opts->loop;
	sip.handlers = &sip_endpoint_handlers;
	sip.arg = cs;
	if (!err)
		err = sip_stack_new(&cs->sip.stack, &sip, why);
	if (!err)
		err = watch_trunks(cs);
	if (err) {
		sip_stack_free(&cs->sip.stack);
		free_tables(cs);
		return err;
	}
	sip_stack_limit(cs->sip.stack, opts->limits.messages_per_second);
	cs->sip.media = opts->media;
	cs->sip.loop = opts->loop;
	cs->sip.trace = opts->sip.trace;
	cs->sip.encryption = opts->encryption;
	configure_trunks(cs);
	err = users_serve(cs);
	if (err) {
		sip_stack_free(&cs->sip.stack);
		free_tables(cs);
		return err;
	}
	*out = cs;
	return 0;
}

void calls_free(struct calls **cs)
{
	struct calls *dead = *cs;

	if (!dead)
		return;
	*cs = NULL;
	trunks_free(&dead->trunks);
	/* Sessions report their end inside; the ports' ends come by message, so the loop turns until all are in. */
	sip_stack_free(&dead->sip.stack);
	calls_hangup_all(dead, "server", "the server ends"); /* those without a session */
	while (dead->count && loop_turn(dead->opts.loop))
		;
	loop_timer_stop(dead->opts.loop, &dead->drained);
	assert(!dead->count);
	free_tables(dead);
}

size_t calls_count(const struct calls *cs)
{
	return cs->count - cs->silent;
}

struct sip_stack *calls_sip(const struct calls *cs)
{
	return cs->sip.stack;
}

static void tell_drained(void *arg)
{
	struct calls *cs = arg;

	if (cs->opts.drained)
		cs->opts.drained(cs->opts.arg);
}

static void check_drained(struct calls *cs)
{
	if (cs->draining && !cs->count)
		loop_timer_start(cs->opts.loop, &cs->drained, 0, tell_drained, cs);
}

void calls_drain(struct calls *cs)
{
	cs->draining = true;
	check_drained(cs);
}

bool calls_draining(const struct calls *cs)
{
	return cs->draining;
}

void calls_configure(struct calls *cs, const struct calls_config *c)
{
	cs->opts.routes = c->routes;
	cs->opts.domain = c->domain;
	cs->opts.digests = c->digests;
	cs->opts.sip.advertise = c->advertise;
	cs->opts.codecs = c->codecs;
	cs->opts.encryption = cs->sip.encryption = c->encryption;
	cs->opts.default_transport = c->default_transport;
	cs->opts.header_prefix = c->header_prefix;
	cs->opts.limits = c->limits;
	cs->opts.no_media_ms = c->no_media_ms;
	cs->opts.no_transfers = c->no_transfers;
	cs->opts.hold_music = c->hold_music;
	configure_trunks(cs);
	if (users_serve(cs))
		log_printf(LOG_ERROR, NULL, "out of memory: nobody can register until the next reload");
	sip_stack_time(cs->sip.stack, c->session_timeout_s);
	sip_stack_limit(cs->sip.stack, c->limits.messages_per_second);
}

struct trunks *calls_trunks(const struct calls *cs)
{
	return cs->trunks;
}

void calls_each(const struct calls *cs, bool (*fn)(void *arg, struct call *c), void *arg)
{
	for (const struct list *n = cs->list.next; n != &cs->list; n = n->next) {
		struct call *c = LIST_ITEM(n, struct call, node);

		if (!c->origin.silent && !fn(arg, c))
			return;
	}
}

uint64_t calls_oldest(const struct calls *cs)
{
	return list_empty(&cs->list) ? 0 : LIST_ITEM(cs->list.next, struct call, node)->number;
}

uint64_t calls_newest(const struct calls *cs)
{
	return cs->born;
}

void calls_count_all(const struct calls *cs, struct calls_counts *out)
{
	*out = cs->counts;
}

const char *calls_refuse(struct calls *cs)
{
	const char *why = limits_refuse(&cs->opts.limits, &cs->bucket, cs->counted, loop_now_ms(cs->opts.loop));

	cs->counts.refused += why != NULL;
	return why;
}

void calls_hangup_all(struct calls *cs, const char *by, const char *why)
{
	/* Nothing closes inside call_hangup(), so the ring keeps its shape. */
	for (struct list *n = cs->list.next; n != &cs->list; n = n->next)
		call_hangup(LIST_ITEM(n, struct call, node), CAUSE_HANGUP, by, why);
}

struct call *call_find(struct calls *cs, uint64_t handle)
{
	return handle_get(cs->handles, handle);
}

struct call *call_find_id(struct calls *cs, struct str call_id)
{
	return map_get(cs->ids, call_id);
}

/* --- birth --- */

static const char *copy(struct call *c, const char *text)
{
	return text ? str_dup(c->arena, str_of(text)) : NULL;
}

/* *out stays NULL when there are none. */
static int copy_headers(struct call *c, const struct call_header **out, const struct call_header *from, size_t count)
{
	struct call_header *headers;

	*out = NULL;
	if (!count)
		return 0;
	headers = arena_alloc(c->arena, count * sizeof(*headers));
	if (!headers)
		return ENOMEM;
	for (size_t i = 0; i < count; i++) {
		headers[i].name = copy(c, from[i].name);
		headers[i].value = copy(c, from[i].value);
		if (!headers[i].name || !headers[i].value)
			return ENOMEM;
	}
	*out = headers;
	return 0;
}

static int copy_info(struct call *c, const struct call_info *info)
{
	int err;

	c->info = *info;
	c->info.id = c->id;
	c->info.segment_id = c->segment;
	c->info.parent_id = copy(c, info->parent_id);
	c->info.from = copy(c, info->from);
	c->info.to = copy(c, info->to);
	c->info.from_name = copy(c, info->from_name ? info->from_name : "");
	c->info.hook.url = copy(c, info->hook.url);
	if (!c->info.from || !c->info.to || !c->info.from_name || (info->parent_id && !c->info.parent_id) ||
	    (info->hook.url && !c->info.hook.url))
		return ENOMEM;
	err = copy_headers(c, &c->info.headers, info->headers, info->header_count);
	return err ? err : copy_headers(c, &c->info.kept, info->kept, info->kept_count);
}

int call_new(struct call **out, struct calls *cs, const struct call_info *info)
{
	struct call *c = calloc(1, sizeof(*c));
	int err = ENOMEM;

	if (!c)
		return ENOMEM;
	c->owner = cs;
	list_init(&c->node);
	list_init(&c->watches);
	list_init(&c->playing);
	list_init(&c->listening);
	list_init(&c->keys);
	list_init(&c->holds);
	list_init(&c->background);
	str_uuid(c->id, loop_random(cs->opts.loop), loop_random(cs->opts.loop));
	str_uuid(c->segment, loop_random(cs->opts.loop), loop_random(cs->opts.loop));
	c->sum.created_ms = loop_wall_ms(cs->opts.loop);
	if (!arena_new(&c->arena, 512, 0))
		err = copy_info(c, info);
	if (!err)
		err = map_put(cs->ids, str_of(c->id), c);
	if (!err) {
		err = handle_add(cs->handles, c, &c->handle);
		if (err)
			map_take(cs->ids, str_of(c->id));
	}
	if (err) {
		arena_free(&c->arena);
		free(c);
		return err;
	}
	list_append(&cs->list, &c->node);
	c->number = ++cs->born;
	cs->count++;
	*out = c;
	return 0;
}

void call_discard(struct call *c)
{
	struct calls *cs = c->owner;

	list_remove(&c->node);
	map_take(cs->ids, str_of(c->id));
	handle_remove(cs->handles, c->handle);
	loop_timer_stop(cs->opts.loop, &c->lifetime);
	loop_timer_stop(cs->opts.loop, &c->alone);
	dial_address_forget(c);
	cs->count--;
	cs->silent -= c->origin.silent;
	cs->counted -= c->counted;
	arena_free(&c->arena);
	free(c);
	check_drained(cs);
}

/* --- state and events --- */

/* The only way to change the state; a call only moves forward. */
static void move(struct call *c, enum call_state to)
{
	assert(to > c->info.state);
	c->info.state = to;
}

static void emit_party(struct call *c, enum event_type type)
{
	const struct event_field fields[] = {
		{ "direction", c->info.inbound ? STR("inbound") : STR("outbound") },
		{ "type", str_of(c->info.type) },
		{ "from", str_of(c->info.from) },
		{ "to", str_of(c->info.to) },
	};

	call_emit(c, type, fields, ARRAY_LEN(fields));
}

static void set_ringing(struct call *c)
{
	move(c, CALL_RINGING);
	c->sum.ringing_ms = loop_wall_ms(c->owner->opts.loop);
	emit_party(c, EVENT_RINGING);
}

static void set_answered(struct call *c)
{
	move(c, CALL_ANSWERED);
	c->answered_ms = loop_now_ms(c->owner->opts.loop);
	c->sum.answered_ms = loop_wall_ms(c->owner->opts.loop);
	emit_party(c, EVENT_ANSWERED);
	call_alarm_start(c);
}

/* --- what the leg says --- */

static void leg_ringing(void *arg)
{
	struct call *c = arg;

	set_ringing(c);
	if (c->controller && c->controller->ringing)
		c->controller->ringing(c->controller_arg, c);
}

static void leg_is_early(void *arg)
{
	struct call *c = arg;

	if (c->info.state < CALL_RINGING)
		set_ringing(c);
	if (c->controller && c->controller->early)
		c->controller->early(c->controller_arg, c);
}

static void leg_answered(void *arg)
{
	struct call *c = arg;

	set_answered(c);
	if (c->controller && c->controller->answered)
		c->controller->answered(c->controller_arg, c);
}

static void leg_reoffered(void *arg, int status)
{
	struct call *c = arg;

	struct list *next;

	for (struct list *n = c->watches.next; n != &c->watches; n = next) {
		struct call_watch *w = LIST_ITEM(n, struct call_watch, node);

		next = n->next;
		if (w->ops->reoffered)
			w->ops->reoffered(w->arg, c, status);
	}
}

static void leg_held(void *arg, bool on)
{
	call_media_held(arg, on);
}

static void leg_transferred(void *arg, const struct transferred *t)
{
	struct call *c = arg;
	struct list *next;

	for (struct list *n = c->watches.next; n != &c->watches; n = next) {
		struct call_watch *w = LIST_ITEM(n, struct call_watch, node);

		next = n->next;
		if (w->ops->transferred)
			w->ops->transferred(w->arg, c, t);
	}
}

/* What the records keep, as numbers. */
static void sum_up(struct call *c, const struct leg_end *end)
{
	c->sum.ended_ms = loop_wall_ms(c->owner->opts.loop);
	c->sum.talk_ms = c->answered_ms ? loop_now_ms(c->owner->opts.loop) - c->answered_ms : 0;
	c->sum.sip_code = end->status;
	c->sum.packets_in = end->media.packets_in;
	c->sum.packets_out = end->media.packets_out;
	c->sum.packets_lost = end->media.lost;
	c->sum.packets_foreign = end->media.foreign;
	call_quality_sum_up(&c->sum, &end->media);
}

static void emit_ended(struct call *c, const struct leg_end *end)
{
	char status[8], seconds[24], media[160], video[160], quality[160];
	uint64_t talk_ms = c->sum.talk_ms;
	struct event_field fields[13];
	size_t n = 0;

	snprintf(status, sizeof(status), "%u", end->status);
	snprintf(seconds, sizeof(seconds), "%llu.%03u", (unsigned long long)(talk_ms / 1000),
		 (unsigned)(talk_ms % 1000));
	call_quality_packets(&end->media, media);
	fields[n++] = (struct event_field){ "direction", c->info.inbound ? STR("inbound") : STR("outbound") };
	fields[n++] = (struct event_field){ "type", str_of(c->info.type) };
	fields[n++] = (struct event_field){ "from", str_of(c->info.from) };
	fields[n++] = (struct event_field){ "to", str_of(c->info.to) };
	fields[n++] = (struct event_field){ "cause", str_of(cause_name(end->cause)) };
	fields[n++] = (struct event_field){ "sip_code", str_of(status) };
	fields[n++] = (struct event_field){ "ended_by", str_of(end->by) };
	fields[n++] = (struct event_field){ "seconds", str_of(seconds) };
	fields[n++] = (struct event_field){ "rtp", str_of(media) };
	if (end->video)
		fields[n++] = (struct event_field){ "video", str_of(call_quality_packets(end->video, video)) };
	if (*call_quality_print(&end->media, quality))
		fields[n++] = (struct event_field){ "quality", str_of(quality) };
	if (c->info.transferred_by)
		fields[n++] = (struct event_field){ "transferred_by", str_of(c->info.transferred_by) };
	fields[n++] = (struct event_field){ "why", str_of(end->why) };
	call_emit(c, EVENT_ENDED, fields, n);
}

static void tell_watches(void *arg)
{
	struct call *c = arg;
	struct list *n;

	while ((n = list_first(&c->watches))) {
		struct call_watch *w = LIST_ITEM(n, struct call_watch, node);

		list_remove(n);
		w->ops->closed(w->arg, c);
	}
}

/* Their owners live on, and look whether they are in it still. */
static void empty(struct list *l)
{
	struct list *n;

	while ((n = list_first(l))) {
		list_remove(n);
		*n = (struct list){ NULL, NULL };
	}
}

static void conclude(struct call *c, const struct leg_end *end)
{
	loop_timer_stop(c->owner->opts.loop, &c->ending);
	empty(&c->holds);
	empty(&c->background);
	emit_ended(c, end);
	if (c->controller)
		c->controller->closed(c->controller_arg, c);
	call_discard(c);
}

static void held_enough(void *arg)
{
	struct call *c = arg;

	conclude(c, c->end);
}

/* The leg is gone behind this, and what it says of its end with it. False: no memory. */
static bool keep_end(struct call *c, const struct leg_end *end)
{
	c->end = arena_alloc(c->arena, sizeof(*c->end));
	if (!c->end)
		return false;
	*c->end = *end;
	c->end->video = call_quality_keep(c->arena, end->video);
	c->end->by = str_dup(c->arena, str_of(end->by));
	c->end->why = c->info.end_why = str_dup(c->arena, str_of(end->why));
	return c->end->by && c->end->why;
}

/* Nobody on this call need wait for its port: the peer is hung up in the same turn. */
static void leg_leaving(void *arg)
{
	tell_watches(arg);
}

/* Order: ops, the final event, the controller; then the call is gone. */
static void leg_closed(void *arg, const struct leg_end *end)
{
	struct call *c = arg;

	move(c, CALL_ENDED);
	c->leg = NULL;
	bridge_leave(c);
	c->info.cause = end->cause;
	c->info.end_status = end->status;
	c->info.end_why = end->why;
	loop_timer_stop(c->owner->opts.loop, &c->ending);
	call_count_end(c, end);
	sum_up(c, end);
	tell_watches(c);
	if (!list_empty(&c->holds) && keep_end(c, end)) {
		loop_timer_start(c->owner->opts.loop, &c->ending, HOLD_MS, held_enough, c);
		return;
	}
	c->info.end_why = end->why;
	conclude(c, end);
}

void call_hold(struct call *c, struct call_hold *h)
{
	list_append(&c->holds, &h->node);
}

bool call_is_held(const struct call_hold *h)
{
	return h->node.next;
}

void call_let_go(struct call *c, struct call_hold *h)
{
	if (!call_is_held(h))
		return;
	list_remove(&h->node);
	*h = (struct call_hold){ { NULL, NULL } };
	if (c->end && list_empty(&c->holds))
		loop_timer_start(c->owner->opts.loop, &c->ending, 0, held_enough, c);
}

struct list *call_background(struct call *c)
{
	return &c->background;
}

static void leg_played(void *arg, uint32_t id, enum port_played how)
{
	call_media_played(arg, id, how);
}

static void leg_detached(void *arg, uint32_t id, struct sink *s)
{
	call_media_detached(arg, id, s);
}

static void leg_news(void *arg, uint32_t id, unsigned what)
{
	call_media_news(arg, id, what);
}

static void leg_key(void *arg, char key)
{
	call_media_key(arg, key);
}

static void leg_silence(void *arg, const struct port_silence *s)
{
	call_alarm_silence(arg, s);
}

static void leg_video_changed(void *arg)
{
	bridge_settle_video(arg);
}

static void leg_opus_changed(void *arg)
{
	bridge_pass_opus(arg);
}

static const struct leg_handlers leg_handlers = {
	.ringing = leg_ringing,
	.early = leg_is_early,
	.answered = leg_answered,
	.reoffered = leg_reoffered,
	.played = leg_played,
	.detached = leg_detached,
	.news = leg_news,
	.key = leg_key,
	.silence = leg_silence,
	.held = leg_held,
	.video = leg_video_changed,
	.opus = leg_opus_changed,
	.transferred = leg_transferred,
	.asked = call_asked,
	.leaving = leg_leaving,
	.closed = leg_closed,
};

static void lived_long_enough(void *arg)
{
	call_hangup(arg, CAUSE_HANGUP, "server", "limits.call_seconds is over");
}

void call_start_counting(struct call *c)
{
	struct calls *cs = c->owner;

	c->counted = true;
	cs->counted++;
	if (cs->opts.limits.call_seconds)
		loop_timer_start(cs->opts.loop, &c->lifetime, (uint64_t)cs->opts.limits.call_seconds * 1000,
				 lived_long_enough, c);
}

void call_begin(struct call *c, struct leg *leg)
{
	c->leg = leg;
	call_count_begin(c);
	leg_handle(leg, &leg_handlers, c);
	emit_party(c, EVENT_CREATED);
}

/* --- for ops and dialects --- */

void call_get_info(const struct call *c, struct call_info *out)
{
	*out = c->info;
}

uint64_t call_created_ms(const struct call *c)
{
	return c->sum.created_ms;
}

uint64_t call_since_ms(const struct call *c)
{
	switch (c->info.state) {
	case CALL_CREATED:
		break;
	case CALL_RINGING:
		return c->sum.ringing_ms;
	case CALL_ANSWERED:
		return c->sum.answered_ms;
	case CALL_ENDED:
		return c->sum.ended_ms;
	}
	return c->sum.created_ms;
}

struct loop *call_loop(const struct call *c)
{
	return c->owner->opts.loop;
}

struct calls *call_owner(const struct call *c)
{
	return c->owner;
}

uint64_t call_handle(const struct call *c)
{
	return c->handle;
}

void call_control(struct call *c, const struct call_controller *controller, void *arg)
{
	c->controller = controller;
	c->controller_arg = arg;
}

void *call_controlled_by(const struct call *c, const struct call_controller *controller)
{
	return c->controller == controller ? c->controller_arg : NULL;
}

int call_set_hook(struct call *c, const struct call_hook *hook)
{
	const char *url = copy(c, hook->url);

	if (hook->url && !url)
		return ENOMEM;
	c->info.hook = (struct call_hook){ url, hook->events };
	return 0;
}

void call_watch(struct call *c, struct call_watch *w, const struct call_watcher *ops, void *arg)
{
	w->ops = ops;
	w->arg = arg;
	list_append(&c->watches, &w->node);
}

void call_unwatch(struct call_watch *w)
{
	if (w->node.next)
		list_remove(&w->node);
}

bool call_is_answered(const struct call *c)
{
	return c->info.state == CALL_ANSWERED;
}

void call_ring(struct call *c)
{
	if (c->info.state != CALL_CREATED || !c->info.inbound)
		return;
	leg_ring(c->leg);
	if (leg_state(c->leg) == LEG_RINGING)
		set_ringing(c);
}

int call_early(struct call *c, const struct codec_list *prefer)
{
	int err = c->leg ? leg_early(c->leg, prefer) : ENOTCONN;

	if (!err && c->info.state == CALL_CREATED)
		set_ringing(c);
	return err;
}

int call_answer(struct call *c, const struct codec_list *prefer)
{
	int err = c->leg ? leg_answer(c->leg, prefer) : ENOTCONN;

	if (err == EALREADY)
		return 0;
	if (err == EPROTO)
		leg_hangup(c->leg, CAUSE_ERROR, 488, "server", "no codec of the caller's offer can be used");
	if (!err) {
		set_answered(c);
		bridge_leave_opus(c);
	}
	return err;
}

int call_transfer(struct call *c, const struct transfer *t)
{
	return c->leg ? leg_transfer(c->leg, t) : ENOTCONN;
}

static void hang_up(struct call *c, enum cause cause, uint16_t status, const char *by, const char *why)
{
	if (!c->leg)
		return;
	leg_hangup(c->leg, cause, status, by, why);
	loop_timer_start(c->owner->opts.loop, &c->ending, 0, tell_watches, c);
}

void call_hangup(struct call *c, enum cause cause, const char *by, const char *why)
{
	hang_up(c, cause, cause_to_status(cause), by, why);
}

void call_hangup_loser(struct call *c, const char *by, const char *why)
{
	hang_up(c, CAUSE_CANCEL, 200, by, why);
}
