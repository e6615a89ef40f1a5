/* dial_address: from "call /public/reception" to what that stands for. A document runs on a leg of its own, as on a call that came
 * in; towards whoever dialled, its far end (leg_local.h) is the leg that was dialled.
 *
 * A leg that a connect dialled is told of once: as the call on which the document runs, child of the caller. The other half is
 * silent, and goes by the same id. A call that the API places is told of by itself, and the document's is its child. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "call/call_impl.h"
#include "call/users.h"

/* Documents that connect to their own address: how deep, and how many legs at once because of one call. */
enum { MAX_DEPTH = 8, MAX_LEGS = 64 };
enum { RING_MS = 200 }; /* a document that answers sooner has never rung */
enum { MAX_URI = 600 };

static int fail(struct call_dial_fault *fault, enum cause cause, int err, const char *fmt, ...) PRINTF_LIKE(4, 5);
static int fail(struct call_dial_fault *fault, enum cause cause, int err, const char *fmt, ...)
{
	va_list ap;

	fault->cause = cause;
	va_start(ap, fmt);
	vsnprintf(fault->why, sizeof(fault->why), fmt, ap);
	va_end(ap);
	return err;
}

/* --- loops --- */

static struct call *root_of(struct call *c)
{
	return c->origin.root ? call_find(c->owner, c->origin.root) : c;
}

static int check_loop(struct call *parent, const struct call_dial *ask, struct call_dial_fault *fault)
{
	struct call *root = parent ? root_of(parent) : NULL;

	if (parent && parent->origin.depth >= MAX_DEPTH)
		return fail(fault, CAUSE_ERROR, ELOOP,
			    "%.60s: documents have connected to addresses %d deep: is it a loop?", ask->address,
			    MAX_DEPTH);
	if (root && root->origin.legs >= MAX_LEGS)
		return fail(fault, CAUSE_ERROR, ELOOP, "%.60s: one call has connected to %d documents at once",
			    ask->address, MAX_LEGS);
	return 0;
}

/* Both halves have the origin; the one that runs the document counts. */
static void note_origin(struct call *half, struct call *parent)
{
	struct call *root = parent ? root_of(parent) : NULL;

	half->origin.depth = parent ? (uint8_t)(parent->origin.depth + 1) : 0;
	half->origin.root = root ? root->handle : 0;
	if (root && half->info.inbound)
		root->origin.legs++;
}

void dial_address_forget(struct call *c)
{
	struct call *root = c->origin.root && c->info.inbound ? call_find(c->owner, c->origin.root) : NULL;

	loop_timer_stop(c->owner->opts.loop, &c->origin.ring);
	if (root && root->origin.legs)
		root->origin.legs--;
}

/* --- the pair --- */

static bool is_number(const char *text)
{
	if (*text++ != '+' || !*text)
		return false;
	while (*text >= '0' && *text <= '9')
		text++;
	return !*text;
}

static struct call_info describe(const struct call_dial *ask)
{
	const struct call_info *parent = ask->parent ? &ask->parent->info : NULL;
	const char *from = ask->from ? ask->from : parent ? parent->from : "anonymous";
	const char *name = ask->from_name ? ask->from_name : !ask->from && parent ? parent->from_name : "";
	struct call_info info = {
		.type = is_number(from) ? "phone" : "sip",
		.from = from,
		.to = ask->address,
		.from_name = name,
		.headers = ask->headers,
		.header_count = ask->header_count,
		.hook = ask->hook,
	};

	if (!parent)
		return info;
	info.parent_id = parent->id;
	info.parent_type = parent->type;
	info.kept = parent->kept; /* a trunk behind the document passes them on */
	info.kept_count = parent->kept_count;
	return info;
}

/* dialled, then offered: what was dialled, and what the document runs on. 0, or ENOMEM and neither is there. */
static int make_calls(struct call *made[2], struct calls *cs, const struct call_dial *ask)
{
	struct call_info info = describe(ask);
	int err = call_new(&made[0], cs, &info);

	if (err)
		return err;
	info.inbound = true;
	if (!ask->parent) {
		info.parent_id = made[0]->id;
		info.parent_type = made[0]->info.type;
		info.hook = (struct call_hook){ NULL, 0 };
	}
	err = call_new(&made[1], cs, &info);
	if (err) {
		call_discard(made[0]);
		return err;
	}
	note_origin(made[0], ask->parent);
	note_origin(made[1], ask->parent ? ask->parent : made[0]);
	return 0;
}

static void ring(void *arg)
{
	call_ring(arg);
}

/* From here on they live by themselves. */
static void begin(struct call *made[2], const struct leg_pair *legs, const struct call_dial *ask,
		  const struct resource *r)
{
	const struct route route = { .match = "", .swml = r->swml, .url = r->url, .address = r->address };
	struct calls *cs = made[0]->owner;

	if (ask->parent) {
		made[0]->origin.silent = true;
		made[0]->origin.told = made[1]->handle;
		cs->silent++;
		made[0]->info.id = made[1]->id;
		made[0]->info.segment_id = made[1]->segment;
	} else {
		call_start_counting(made[0]);
	}
	call_begin(made[0], legs->dialled);
	call_begin(made[1], legs->offered);
	loop_timer_start(cs->opts.loop, &made[1]->origin.ring, RING_MS, ring, made[1]);
	cs->opts.incoming(cs->opts.arg, made[1], &route);
}

/* Can he hear audio that was made here? */
static int check_caller(const struct call_dial *ask, struct call_dial_fault *fault)
{
	struct codec_list can;

	if (!ask->parent)
		return 0;
	leg_codecs(ask->parent->leg, &can);
	for (size_t i = 0; i < can.count; i++)
		if (port_can_join(can.items[i], CODEC_L16))
			return 0;
	return fail(fault, CAUSE_ERROR, EPROTO, "488: the caller has no codec in which a document could be heard");
}

static int run_document(struct call **out, struct calls *cs, const struct call_dial *ask, const struct resource *r,
			struct call_dial_fault *fault)
{
	const struct port *near = ask->parent ? leg_port(ask->parent->leg) : NULL;
	const char *why = "out of memory";
	struct leg_pair legs;
	struct call *made[2];
	int err = check_loop(ask->parent, ask, fault);

	if (!err)
		err = check_caller(ask, fault);
	if (!err)
		err = dial_admit(cs, ask, fault);
	if (err)
		return err;
	err = make_calls(made, cs, ask);
	if (!err) {
		err = leg_local_open(&legs, cs->opts.media, cs->opts.loop, near, &why);
		if (err) {
			call_discard(made[1]);
			call_discard(made[0]);
		}
	}
	if (err)
		return fail(fault, CAUSE_ERROR, err, "%s", why);
	begin(made, &legs, ask, r);
	*out = made[0];
	return 0;
}

/* --- what it stands for --- */

static int dial_uri(struct call **out, struct calls *cs, const struct call_dial *ask, const char *uri,
		    struct call_dial_fault *fault)
{
	struct call_dial other = *ask;

	other.address = uri;
	return call_dial(out, cs, &other, NULL, NULL, fault);
}

int dial_address(struct call **out, struct calls *cs, const struct call_dial *ask, struct call_dial_fault *fault)
{
	const struct resource *r = users_address(cs, ask->address);
	char uri[MAX_URI];

	if (!r)
		return fail(fault, CAUSE_NOT_FOUND, ENOENT, "no resource has the address %.50s", ask->address);
	switch (r->kind) {
	case RESOURCE_SWML:
		return run_document(out, cs, ask, r, fault);
	case RESOURCE_SIP:
		return dial_uri(out, cs, ask, r->uri, fault);
	case RESOURCE_SUBSCRIBER:
		if (!users_domain(cs))
			return fail(fault, CAUSE_ERROR, ENOENT, "subscribers need sip.domain");
		snprintf(uri, sizeof(uri), "sip:%s@%s", r->name, users_domain(cs));
		return dial_uri(out, cs, ask, uri, fault);
	case RESOURCE_LATER:
		break;
	}
	return fail(fault, CAUSE_ERROR, ENOTSUP, "addresses of this kind as destinations are not in this version");
}
