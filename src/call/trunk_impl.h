/* trunk_impl: one trunk's state, shared by trunk_state.c, trunk_register.c and trunk_probe.c only. Thread: signal. */
#ifndef TRUNK_IMPL_H
#define TRUNK_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "call/trunk_state.h"
#include "sip/sip_request.h"

struct trunks {
	struct trunks_opts opts;
	struct trunks_config config;
	struct list lines;   /* of struct trunk_line, as far as they are configured */
	struct list leaving; /* those that only wait for the answer to their last REGISTER */
	bool ended;          /* nothing begins any more */
	void (*left)(void *arg);
	void *left_arg;
	struct loop_timer limit; /* of waiting for those that leave */
};

/*   OFF ─> TRYING ──2xx──> BOUND ──refresh is due, connection lost──> TRYING
 *             `──failed──> WAITING ──back-off is over──────────────────^
 *   each ─> LEAVING ──any answer, or none──> the line is gone */
enum register_state {
	REGISTER_OFF,
	REGISTER_TRYING,  /* a REGISTER is open                 */
	REGISTER_BOUND,   /* the timer brings the refresh       */
	REGISTER_WAITING, /* the timer brings the next try      */
	REGISTER_LEAVING, /* the last one, with Expires 0, is open */
};

struct trunk_register {
	enum register_state state;
	struct sip_request *request;
	struct loop_timer timer;
	uint32_t expires_s; /* what is asked for; a registrar may want more */
	unsigned raised;    /* how often this try was told 423 */
	unsigned failures;  /* in a row */
	bool answered;      /* there was a verdict, good or bad */
	bool bound;         /* the newest verdict was good */
	struct addr registrar;
	uint64_t good, bad;
	char why[160]; /* of the newest failure */
};

struct trunk_probe {
	struct sip_request *request; /* NULL = not probed */
	struct loop_timer timer;
	unsigned failures; /* in a row */
	bool down;
	char why[160];
};

struct trunk_line {
	struct list node;
	struct trunks *owner;
	char *name;
	const struct trunk *t; /* of the newest table; NULL once leaving */
	enum trunk_health health;
	uint64_t since_ms; /* Unix time */
	struct trunk_register reg;
	struct trunk_probe probe;
};

/* --- trunk_state.c --- */

/* Something about it has changed: find out its health, and publish a change. */
void trunk_judge(struct trunk_line *l);
/* The last REGISTER is over; l is gone afterwards. */
void trunk_line_left(struct trunk_line *l);
/* "sip:host:port;params" of the trunk's uri: without user and headers. */
void trunk_place(struct buf *out, const struct trunk *t);

/* --- trunk_register.c --- */

/* 0, EINVAL (the uri gives no place), ENOMEM. */
int trunk_register_start(struct trunk_line *l);
/* It cannot even be tried, until another configuration comes. */
void trunk_register_refuse(struct trunk_line *l, const char *why);
/* Register anew now when a reload has taken away what Contact names. */
void trunk_register_check(struct trunk_line *l);
/* Take the Contact away, if the registrar may have it: true, and trunk_line_left() follows. */
bool trunk_register_leave(struct trunk_line *l);
void trunk_register_stop(struct trunk_line *l);

/* --- trunk_probe.c --- */

int trunk_probe_start(struct trunk_line *l);
void trunk_probe_stop(struct trunk_line *l);

#endif
