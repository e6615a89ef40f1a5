/* call: what the APIs name: an id, two parties' names, one leg, one controller, a final report.
 *
 * A call has one leg, always. It has one controller at a time: a script, or the connect that created it.
 * The call lives until its leg is closed and its last event is out; then it frees itself. Whoever keeps a
 * call for longer than a function call keeps its handle (call_handle) and looks it up again, or is its
 * controller and is told closed().
 * Thread: signal. */
#ifndef CALL_H
#define CALL_H

#include "base/list.h"
#include "call/cause.h"
#include "call/event.h"
#include "call/transfer.h"
#include "media/offer.h"

struct call;
struct calls; /* all calls of a server */
struct loop;

enum call_state { CALL_CREATED, CALL_RINGING, CALL_ANSWERED, CALL_ENDED };

struct call_header {
	const char *name, *value;
};

struct call_info { /* borrowed, lives as long as the call; strings never NULL unless said */
	const char *id;
	const char *parent_id;   /* NULL = none */
	const char *parent_type; /* "sip" | "phone", NULL = none */
	const char *segment_id;
	bool inbound;
	const char *type;                  /* "sip" | "phone" */
	const char *from, *to;             /* number, or sip: URI */
	const char *from_name;             /* display name, "" = none */
	const struct call_header *headers; /* X- headers of the INVITE */
	size_t header_count;
	const struct call_header *kept; /* of the INVITE, for trunks that pass them on; not for documents */
	size_t kept_count;
	struct call_hook hook;      /* never printed */
	const char *transferred_by; /* call whose party has put it into its talk, NULL = none */
	enum call_state state;
	enum cause cause;    /* these three once ended */
	uint16_t end_status; /* final SIP status of its INVITE, 0 = none */
	const char *end_why; /* one sentence; NULL before the end        */
};

struct call_controller {
	/* The call has ended; the last thing the controller hears of it. */
	void (*closed)(void *arg, struct call *c);
	/* Outbound legs: ringing, early media there, answered. May be NULL. */
	void (*ringing)(void *arg, struct call *c);
	void (*early)(void *arg, struct call *c);
	void (*answered)(void *arg, struct call *c);
};

/* Ops that run on a call are told of its end before the controller and before the final event, at the latest;
 * as soon as the call has begun to hang up when it can be. */
struct call_watcher {
	void (*closed)(void *arg, struct call *c);
	/* A re-offer of ours (bridge.h) has ended: 200 = agreed. May be NULL. */
	void (*reoffered)(void *arg, struct call *c, int status);
	/* Of call_transfer(). May be NULL. */
	void (*transferred)(void *arg, struct call *c, const struct transferred *t);
	/* Its party has put it on hold, or taken it back: see call_holds(). May be NULL. */
	void (*held)(void *arg, struct call *c, bool on);
};
struct call_watch {
	struct list node; /* zeroed = not watching */
	const struct call_watcher *ops;
	void *arg;
};
void call_watch(struct call *c, struct call_watch *w, const struct call_watcher *ops, void *arg);
void call_unwatch(struct call_watch *w); /* harmless when not watching */

/* Somebody has a last report to give: the final event, and the end of the call, wait for it, for 5 s at most behind the
 * leg's end. closed() of the watchers does not. */
struct call_hold {
	struct list node; /* zeroed = does not hold, or no more */
};
void call_hold(struct call *c, struct call_hold *h);
void call_let_go(struct call *c, struct call_hold *h);
/* False: the call has not waited, and is gone. */
bool call_is_held(const struct call_hold *h);

/* The list of background ops (op/op_background.h); emptied, and its nodes zeroed, when the call goes. */
struct list *call_background(struct call *c);

void call_get_info(const struct call *c, struct call_info *out);
/* When it was made, when it came into its state: Unix time [ms]. */
uint64_t call_created_ms(const struct call *c);
uint64_t call_since_ms(const struct call *c);
struct loop *call_loop(const struct call *c);
struct calls *call_owner(const struct call *c);
uint64_t call_handle(const struct call *c);
struct call *call_find(struct calls *cs, uint64_t handle);       /* NULL = gone */
struct call *call_find_id(struct calls *cs, struct str call_id); /* NULL = gone */

/* Replace the controller (the old one hears nothing more). NULL = none. */
void call_control(struct call *c, const struct call_controller *controller, void *arg);
/* arg of that controller, when it is the one; else NULL. */
void *call_controlled_by(const struct call *c, const struct call_controller *controller);
/* Where its state events go from now on; copied. 0 or ENOMEM. */
int call_set_hook(struct call *c, const struct call_hook *hook);

/* Inbound and unanswered: 200 now. prefer: codecs to favour in the answer, NULL = the caller's order.
 * Answered already: no effect. 0, ENOTCONN when it has ended, EPROTO when nothing fits (the call ends with 488). */
int call_answer(struct call *c, const struct codec_list *prefer);
bool call_is_answered(const struct call *c);
/* Inbound and unanswered: 183 with media. 0, EALREADY (answered), ENOTCONN, EPROTO when nothing fits (the call goes on). */
int call_early(struct call *c, const struct codec_list *prefer);
/* Inbound and unanswered: 180. */
void call_ring(struct call *c);
/* Has its party put it on hold: does it not listen, by its newest SDP? */
bool call_holds(const struct call *c);
/* Answered: ask its far end to call somebody else. Watches hear transferred(). As leg_transfer(). */
int call_transfer(struct call *c, const struct transfer *t);
/* What we say when its far end asks who sends it a request of this call: digest. 0; EINVAL: control characters; ENOMEM;
 * ENOTCONN. */
int call_credentials(struct call *c, const char *username, const char *password);
/* End it. why: one sentence for log and record; by: "document", "api", "server", "peer call" … . Unanswered inbound: the status
 * that cause_to_status() gives. closed() and the final event follow; nothing happens inside. */
void call_hangup(struct call *c, enum cause cause, const char *by, const char *why);

/* End a leg that lost a race: its peer is told that the call was answered elsewhere. */
void call_hangup_loser(struct call *c, const char *by, const char *why);

/* A script warning: event and log line. code without the relay_script_ prefix; line 0 = no place. */
void call_warn(struct call *c, const char *code, uint32_t line, uint32_t col, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* A line for the trace of this call (trace.h), and nowhere else. */
void call_note(struct call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Publish an event of this call (sequence number and ids are filled in). */
void call_emit(struct call *c, enum event_type type, const struct event_field *fields, size_t count);
/* The same, and to be sent to this URL. NULL = nowhere. */
void call_emit_to(struct call *c, const char *hook, enum event_type type, const struct event_field *fields,
		  size_t count);

/* What a verb tells of itself. */
struct call_operation {
	const char *type;       /* "calling.call.play" */
	const char *state;      /* "playing"; NULL = none */
	const char *control_id; /* NULL = none */
	struct str
		params; /* members of a JSON object, without braces: what the payload has beside these; may be empty */
	bool final;     /* nothing follows: never dropped */
	const char *hook; /* URL it is sent to; NULL = nowhere */
	bool hook_get;    /* by GET, in the query; else POST */
};
void call_emit_operation(struct call *c, const struct call_operation *o);

#endif
