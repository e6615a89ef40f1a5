/* script_impl: what script.c (life, frames, turns) and script_steps.c (the methods) share. Private to them. */
#ifndef SCRIPT_IMPL_H
#define SCRIPT_IMPL_H

#include "base/loop.h"
#include "dialect/call_vars.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "dialect/script_trace.h"
#include "dialect/swml.h"
#include "dialect/vars.h"
#include "op/op_background.h"

enum { SCRIPT_MAX_DEPTH = 32, SCRIPT_MAX_HOPS = 32, SCRIPT_MAX_UNWAITED = 100000, SCRIPT_MAX_WARNINGS = 100 };

struct jump { /* how often a goto has jumped since its section began */
	const struct doc *step;
	int64_t count;
};

/* A list of steps being run. A section owns the parameters it was entered with and the counters of its gotos; a
 * block (then, case, on_return, result …) belongs to the section below it. */
struct frame {
	const struct doc *steps; /* the list, or the one step */
	const struct doc *next;  /* NULL = at the end */
	bool is_section;
	bool is_choice; /* steps is the result of an execute, to be looked at behind its on_return */
	bool executed;  /* by execute: the end returns */
	const struct doc *on_return, *result; /* of that execute */
	struct document *document;            /* of the section: a reference of its own */
	struct str name;                      /* of the section */
	struct arena *arena;                  /* of params, NULL = none */
	const struct doc *params;
	char *leave_to; /* behind a bridge: at its end the call goes there; steps is the connect. NULL = nowhere */
	struct jump *jumps;
	size_t jump_count;
};

enum script_state {
	SCRIPT_FETCHING,
	SCRIPT_RUNNING,
	SCRIPT_WAITING, /* for a timer or an op */
	SCRIPT_ENDING,  /* nothing more runs; the call is on its way out */
};

enum going_kind { GOING_FIRST, GOING_EXECUTE, GOING_TRANSFER };

/* The step that waits for a document. */
struct going {
	enum going_kind kind;
	const struct doc *at;                 /* NULL with the first one */
	const struct doc *on_return, *result; /* of an execute */
	const struct doc *params;
	struct arena *arena; /* of params, NULL = none */
};

struct script {
	enum script_state state;
	struct call *call;
	struct loop *loop;
	struct fetch *fetch;
	uint64_t fetch_id;
	const char *country;
	struct document *document; /* given at the start, until its section is entered */
	struct going going;
	struct call_ids ids;
	struct vars *vars;
	struct script_trace *trace; /* NULL = nobody has wanted to know */
	uint64_t asked_us;          /* when the document was asked for */
	struct frame *frames;
	size_t frame_count, frame_room;
	unsigned depth;          /* executed sections in frames */
	struct loop_timer turn;  /* the next turn, or the end of a sleep */
	struct loop_timer limit; /* max_duration of answer */
	struct op *op;
	const struct doc *op_at; /* the step that waits for it */
	uint64_t request_id;     /* of the request that is waited for, 0 = none */
	bool request_saves;      /* the fields of its answer */
	struct op *detecting;    /* a detect_machine beside the document, NULL = none */
	struct sounds *sounds;
	struct recordings *recordings;
	struct recognizer *recognizer;
	const struct tap_env *taps;
	const struct doc *connect_result; /* of the connect that runs, NULL = none */
	char *after_bridge;               /* of it: where the call goes then, NULL = nowhere */
	struct arena *scratch;            /* of the step that runs */
	struct swml_report report;
	/* Cause of the last failed connect while nothing else was done to the call. */
	enum cause failed;
	char error[64];    /* code for script_error, "" = nothing new */
	unsigned hops;     /* transfers and gotos since the last wait */
	uint64_t work;     /* bytes made beside those that the variables count */
	uint32_t unwaited; /* steps since then */
	uint32_t warned;   /* likewise, warnings */
	bool closed;
	struct arena *own; /* of start and of envs that are the script's own; NULL = none */
	struct script_start start;
	struct script *next;   /* takes over when the op has stopped */
	struct script_env env; /* as given, envs with the script's own */
	struct run *run;       /* it confirms for a connect, and is not the call's own document; NULL = it is */
};

/* Run one step. */
void script_step(struct script *s, const struct doc *step);
/* Enter what a result (switch or cond form) selects. variable: of a switch that names none. */
void script_choose(struct script *s, const struct doc *result, const char *variable);

/* --- script_confirm.c --- */

/* Who runs the confirms of this script's peers. */
struct runner script_runner(struct script *s);
/* s->run is at its end; where another script would hang up. */
void script_run_over(struct script *s, enum run_outcome outcome, const char *why);
/* False: the method is not for a confirm, which has failed. */
bool script_run_allows(struct script *s, const struct swml_step *st);

/* --- script_connect.c --- */

void script_connect(struct script *s, const struct swml_step *st, const struct doc *args);
/* The result is through: on to leave_to of the frame on top. */
void script_leave_bridge(struct script *s);

/* --- script_fetch.c --- */

/* Ask for a document; fetched() goes on with what s->going says. The body is made here. 0 or ENOMEM. */
int script_fetch(struct script *s, const struct fetch_request *r);
/* Run on in d, whose reference is taken over, as s->going says. From the loop only. */
void script_enter_document(struct script *s, struct document *d);
/* execute and transfer to a URL or an inline document. */
void script_go_elsewhere(struct script *s, const struct going *to, struct str dest);

/* --- script_denoise.c --- */

void script_denoise(struct script *s, const struct swml_step *st, const struct doc *args);
void script_stop_denoise(struct script *s, const struct swml_step *st, const struct doc *args);

/* --- script_detect.c --- */

void script_detect_machine(struct script *s, const struct swml_step *st, const struct doc *args);
/* The script ends: the one that runs beside it tells it no more. */
void script_detect_leave(struct script *s);

/* --- script_digits.c --- */

void script_prompt(struct script *s, const struct swml_step *st, const struct doc *args);
void script_send_digits(struct script *s, const struct swml_step *st, const struct doc *args);

/* --- script_play.c --- */

void script_play(struct script *s, const struct swml_step *st, const struct doc *args);
/* --- script_record.c --- */

void script_record(struct script *s, const struct swml_step *st, const struct doc *args);
void script_record_call(struct script *s, const struct swml_step *st, const struct doc *args);
void script_stop_record_call(struct script *s, const struct swml_step *st, const struct doc *args);

/* --- script_request.c --- */

void script_request(struct script *s, const struct swml_step *st, const struct doc *args);
/* The one under way, if any, tells nothing any more. */
void script_request_cancel(struct script *s);

/* --- script_later.c --- */

void script_user_event(struct script *s, const struct swml_step *st, const struct doc *args);
/* A method that fails here. args NULL: they are not what the method takes, as was warned of. */
void script_later(struct script *s, const struct swml_step *st, const struct doc *args);

/* --- script_args.c --- */

/* Too many variables end the script. */
void script_assign(struct script *s, const char *name, const char *text);
const char *script_arg_text(const struct doc *args, const char *name, const char *otherwise);
/* One that is no http or https URL is warned of, and NULL. */
const char *script_arg_url(struct script *s, const struct doc *args, const char *name);
enum sink_wants script_arg_direction(const struct doc *args, enum sink_wants otherwise);
/* The op that was waited for is done, and what it told is in the variables. */
void script_op_go_on(struct script *s);
bool script_op_ended_call(const struct script *s, const struct op_result *r);
/* It runs on beside the document, and tells that no more. False as of script_op_done(). */
bool script_op_beside(struct script *s, struct op *o);
/* kind ("tap") never stood, which the variable KIND_result says too. */
void script_beside_failed(struct script *s, const struct op_result *r, const char *kind);
/* Stop the one that is named, else the newest of that kind; stopped() ends in script_beside_stopped(). */
void script_beside_stop(struct script *s, const struct swml_step *st, const struct doc *args, const char *kind,
			op_done_fn *stopped);
void script_beside_stopped(struct script *s, const struct op_result *r, const char *kind);

/* --- script_stream.c --- */

void script_stream(struct script *s, const struct swml_step *st, const struct doc *args);
void script_stop_stream(struct script *s, const struct swml_step *st, const struct doc *args);

/* --- script_tap.c --- */

void script_tap(struct script *s, const struct swml_step *st, const struct doc *args);
void script_stop_tap(struct script *s, const struct swml_step *st, const struct doc *args);

/* --- script.c, for the methods --- */

/* A script that has not begun. 0 or ENOMEM. */
int script_new(struct script **out, struct call *c, const struct script_env *env, const struct script_start *how);
/* Its document is on its way: nothing happens inside. 0 or ENOMEM. */
int script_begin(struct script *s);
void script_free(struct script *s);

/* Memory of this step. NULL on no memory. */
struct arena *script_scratch(struct script *s);
/* A warning event; its code becomes script_error behind the step. Arguments borrow from the variables, so these must
 * not move while a step still looks at them. */
void script_warn(struct script *s, const char *code, const struct doc *at, const char *fmt, ...) PRINTF_LIKE(4, 5);
void script_settle_error(struct script *s);
void script_hangup(struct script *s, enum cause cause, const char *why);
/* Stop for good after what cannot be gone on from. */
void script_fail(struct script *s, const char *why);
/* Wait for the call to be closed by somebody else. */
void script_wait_for_end(struct script *s);
/* Go on after ms; UINT64_MAX = never by itself. */
void script_sleep(struct script *s, uint64_t ms);
void script_wait_for_op(struct script *s, struct op *op);
/* The op waited for is done. False: nothing may run any more, and the script may be gone. */
bool script_op_done(struct script *s);
/* Run on; from the loop only. */
void script_go_on(struct script *s);

/* Steps of a block; d may be NULL or null: nothing. */
void script_enter_block(struct script *s, const struct doc *d);
/* Behind what is entered from now on, unless that goes elsewhere, the call goes to dest (taken). */
void script_enter_leave(struct script *s, const struct doc *connect, char *dest);
/* A copy in an arena of its own, with numbers as texts, as the platform passes them (swml.md §3). NULL: there is no room,
 * and the script has ended. */
const struct doc *script_copy_params(struct script *s, struct arena **a, const struct doc *params);
/* params are copied. like: executed, on_return, result, and document (NULL = that of the current section); the rest is
 * ignored. */
void script_enter_section(struct script *s, const struct doc *section, const struct doc *params,
			  const struct frame *like);
/* Only the section on top stays: transfer. */
void script_drop_below(struct script *s);
/* Back to behind the execute; without one the script ends. */
void script_return(struct script *s);
struct frame *script_section(struct script *s);
/* Count a transfer or goto. False: too many, the script has ended. */
bool script_hop(struct script *s, const struct doc *at);
/* Leave the blocks up to where the label stands and go on behind it. False: no such label in the section. */
bool script_jump(struct script *s, struct str label);

#endif
