/* The interpreter against a call that only writes down what it is told. The functions of call.h and op.h that
 * script.c uses are defined here, so the real ones stay out of this program. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pool.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "op/op.h"
#include "op/op_background.h"
#include "op/op_collect.h"
#include "op/op_play.h"
#include "op/op_record.h"
#include "op/op_send.h"
#include "op/refer.h"

struct outcome { /* of the connects, in order */
	enum op_outcome outcome;
	enum cause cause;
	uint32_t ms;
};

struct call {
	struct loop *loop;
	struct call_info info;
	struct buf log; /* "answer; warn code@line; connect TO,TO; hangup cause" */
	char why[200];
	const struct call_controller *controller;
	void *arg;
	struct loop_timer end;
	bool hung_up, closed;
	const struct outcome *outcomes;
	size_t outcome_count, connects;
	int answer_error, refer_error;
	struct op *background;
	unsigned steps;
};

struct op {
	struct call *call;
	struct loop_timer timer;
	struct outcome outcome;
	struct collect_result collected;
	op_done_fn *done;
	void *arg;
};

static void note(struct call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void note(struct call *c, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&c->log, "%s%s", c->log.len ? "; " : "", text);
}

void call_get_info(const struct call *c, struct call_info *out)
{
	*out = c->info;
}

struct loop *call_loop(const struct call *c)
{
	return c->loop;
}

void call_control(struct call *c, const struct call_controller *controller, void *arg)
{
	c->controller = controller;
	c->arg = arg;
}

void *call_controlled_by(const struct call *c, const struct call_controller *controller)
{
	return c->controller == controller ? c->arg : NULL;
}

bool call_is_answered(const struct call *c)
{
	return c->info.state == CALL_ANSWERED;
}

static void end(void *arg)
{
	struct call *c = arg;

	c->closed = true;
	if (c->controller)
		c->controller->closed(c->arg, c);
}

static void begin_end(struct call *c)
{
	c->info.state = CALL_ENDED;
	c->hung_up = true;
	loop_timer_start(c->loop, &c->end, 0, end, c);
}

int call_answer(struct call *c, const struct codec_list *prefer)
{
	note(c, "answer");
	for (uint8_t i = 0; prefer && i < prefer->count; i++)
		buf_printf(&c->log, " %s", codec_get(prefer->items[i])->name);
	if (c->answer_error) {
		begin_end(c);
		return c->answer_error;
	}
	c->info.state = CALL_ANSWERED;
	return 0;
}

void call_hangup(struct call *c, enum cause cause, const char *by, const char *why)
{
	CHECK(!c->hung_up); /* once is enough */
	CHECK_STR("document", by);
	note(c, "hangup %s", cause_name(cause));
	snprintf(c->why, sizeof(c->why), "%s", why);
	begin_end(c);
}

void call_warn(struct call *c, const char *code, uint32_t line, uint32_t col, const char *fmt, ...)
{
	note(c, "warn %s@%u", code, line);
}

void call_note(struct call *c, const char *fmt, ...)
{
}

void call_emit(struct call *c, enum event_type type, const struct event_field *fields, size_t count)
{
	uint32_t line = 0;

	CHECK_INT(EVENT_STEP, type);
	CHECK_STR("line", fields[count - 1].key);
	CHECK(!str_u32(fields[count - 1].value, &line) && line);
	c->steps++;
}

static void op_over(void *arg)
{
	struct op *o = arg;
	struct op_result r = { .outcome = o->outcome.outcome, .cause = o->outcome.cause, .why = "as the test wants" };
	struct collect_result collected = o->collected;
	op_done_fn *done = o->done;

	if (collected.digits) {
		r.collect = &collected;
		r.why = "";
	}
	arg = o->arg;
	free(o);
	done(arg, &r);
}

int connect_start(struct op **out, const struct op_start *start, struct plan *plan)
{
	static const struct outcome busy = { OP_FAILED, CAUSE_BUSY, 10 };
	struct op *o = calloc(1, sizeof(*o));
	struct call *caller = start->call;
	size_t n = caller->connects++;

	CHECK(!plan_fault(plan));
	note(caller, "connect");
	for (size_t i = 0; i < plan_target_count(plan); i++)
		buf_printf(&caller->log, "%c%s", i ? ',' : ' ', plan_target(plan, i)->address);
	plan_free(&plan);
	o->call = caller;
	o->outcome = n < caller->outcome_count ? caller->outcomes[n] : busy;
	o->done = start->done;
	o->arg = start->arg;
	if (!caller->info.inbound) {
		free(o);
		return ENOTCONN;
	}
	loop_timer_start(caller->loop, &o->timer, o->outcome.ms, op_over, o);
	*out = o;
	return 0;
}

static void refer_is_over(void *arg)
{
	struct op *o = arg;
	const bool good = o->outcome.outcome == OP_DONE;
	const struct op_result r = { .outcome = o->outcome.outcome,
				     .sip_status = 202,
				     .notify_status = good ? 200 : 486,
				     .why = "as the test wants" };
	op_done_fn *done = o->done;

	arg = o->arg;
	free(o);
	done(arg, &r);
}

int refer_start(struct op **out, struct call *c, const struct refer_params *p, op_done_fn *done, void *arg)
{
	struct op *o;

	note(c, "refer %s %s %s %s", p->to.to, p->to.username ? p->to.username : "-",
	     p->to.password ? p->to.password : "-", p->status_url ? p->status_url : "-");
	if (c->refer_error == ENOTCONN)
		begin_end(c);
	if (c->refer_error)
		return c->refer_error;
	o = calloc(1, sizeof(*o));
	o->call = c;
	o->outcome = c->outcomes[0];
	o->done = done;
	o->arg = arg;
	loop_timer_start(c->loop, &o->timer, o->outcome.ms, refer_is_over, o);
	*out = o;
	return 0;
}

/* "play URI,URI [early] [-6 dB] [voice] [to URL]"; a sound "say:nothing" fails, "say:gone" takes the call with it. */
int op_play_start(struct op **out, const struct op_start *start, const struct play_request *r)
{
	struct call *c = start->call;
	struct op *o = calloc(1, sizeof(*o));

	note(c, "play");
	for (size_t i = 0; i < r->count; i++)
		buf_printf(&c->log, "%c%s", i ? ',' : ' ', r->uris[i]);
	if (!r->answer)
		buf_cstr(&c->log, " early");
	if (r->volume_db != 0)
		buf_printf(&c->log, " %g dB", r->volume_db);
	if (r->voice || r->language || r->gender)
		buf_printf(&c->log, " %s/%s/%s", r->voice ? r->voice : "", r->language ? r->language : "",
			   r->gender ? r->gender : "");
	if (r->status_url)
		buf_printf(&c->log, " to %s", r->status_url);
	CHECK(!r->quiet && !r->loops && !r->control_id);
	if (!strcmp(r->uris[0], "say:late")) {
		begin_end(c);
		free(o);
		return ENOTCONN;
	}
	o->call = c;
	o->done = start->done;
	o->arg = start->arg;
	o->outcome = (struct outcome){ OP_DONE, CAUSE_NONE, 500 };
	if (!strcmp(r->uris[0], "say:nothing"))
		o->outcome.outcome = OP_FAILED;
	if (!strcmp(r->uris[0], "say:gone")) {
		o->outcome.outcome = OP_GONE;
		begin_end(c);
		o->outcome.ms = 0;
	}
	loop_timer_start(c->loop, &o->timer, o->outcome.ms, op_over, o);
	*out = o;
	return 0;
}

/* --- recordings --- */

int recording_start(struct op **out, const struct recording_start *start, const struct recording_ask *ask)
{
	struct op *o = calloc(1, sizeof(*o));

	note(start->call, "%s %s%s%s '%s' %u %u %llu", ask->background ? "record_call" : "record",
	     ask->direction == SINK_BOTH    ? "both"
	     : ask->direction == SINK_HEARD ? "listen"
					    : "speak",
	     ask->stereo ? " stereo" : "", ask->format == RECORDER_MP3 ? " mp3" : "", ask->terminators, ask->initial_ms,
	     ask->end_ms, (unsigned long long)ask->max_ms);
	o->call = start->call;
	o->outcome = (struct outcome){ ask->initial_ms == 1 ? OP_FAILED : OP_DONE, CAUSE_NONE, 10 };
	o->done = start->done;
	o->arg = start->arg;
	if (ask->background)
		start->call->background = o;
	else
		loop_timer_start(start->call->loop, &o->timer, o->outcome.ms, op_over, o);
	*out = o;
	return 0;
}

const char *recording_url(const struct op *o)
{
	return "url-1";
}

const char *recording_control_id(const struct op *o)
{
	return "control-1";
}

struct op *background_find(struct call *c, const char *kind, struct str control_id)
{
	CHECK_STR("record", kind);
	return !control_id.n || str_is(control_id, "control-1") ? c->background : NULL;
}

void op_follow(struct op *o, op_done_fn *done, void *arg)
{
	o->done = done;
	o->arg = arg;
}

void op_stop(struct op *o)
{
	note(o->call, "stop");
	o->call->background = NULL;
	loop_timer_start(o->call->loop, &o->timer, o->outcome.ms, op_over, o);
}

static struct op *new_op(const struct op_start *start, enum op_outcome outcome)
{
	struct op *o = calloc(1, sizeof(*o));

	*o = (struct op){
		.call = start->call, .outcome = { outcome, CAUSE_NONE, 500 }, .done = start->done, .arg = start->arg
	};
	if (outcome == OP_GONE) {
		begin_end(start->call);
		o->outcome.ms = 0;
	}
	loop_timer_start(start->call->loop, &o->timer, o->outcome.ms, op_over, o);
	return o;
}

/* "collect MAX [TERMINATORS] FIRST/NEXT [URI,URI] [to URL]"; the terminators say what comes: none = 42, # = 42#, * = nothing,
 * A = nothing but it, D = the party hangs up. */
int op_collect_start(struct op **out, const struct op_start *start, const struct collect_request *r)
{
	static const struct {
		const char *terminators;
		enum op_outcome outcome;
		struct collect_result result;
	} rows[] = {
		{ "", OP_DONE, { COLLECT_DIGITS, "42", '\0' } },  { "#", OP_DONE, { COLLECT_DIGITS, "42", '#' } },
		{ "*", OP_DONE, { COLLECT_NO_INPUT, "", '\0' } }, { "A", OP_DONE, { COLLECT_NO_MATCH, "", 'A' } },
		{ "D", OP_GONE, { COLLECT_NO_INPUT, "", '\0' } },
	};
	struct call *c = start->call;

	note(c, "collect %zu %s %u/%u", r->rules.max, r->rules.terminators, r->rules.first_ms, r->rules.next_ms);
	for (size_t i = 0; r->play && i < r->play->count; i++)
		buf_printf(&c->log, "%c%s", i ? ',' : ' ', r->play->uris[i]);
	if (r->status_url)
		buf_printf(&c->log, " to %s", r->status_url);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].terminators, r->rules.terminators))
			continue;
		*out = new_op(start, rows[i].outcome);
		(*out)->collected = rows[i].result;
		return 0;
	}
	return ENOMEM;
}

bool op_send_ok(const char *text)
{
	return !strchr(text, 'x');
}

int op_send_start(struct op **out, const struct op_start *start, const char *text)
{
	note(start->call, "send %s", text);
	if (!op_send_ok(text))
		return EINVAL;
	*out = new_op(start, strchr(text, 'D') ? OP_FAILED : strchr(text, 'C') ? OP_GONE : OP_DONE);
	return 0;
}

/* --- a world --- */

struct world {
	struct loop *loop;
	struct pool *pool;
	struct fetch *fetch;
	struct call call;
	struct script_env env;
	char path[40];
};

static void open_world(struct world *w)
{
	static const char *const envs[] = { "OFFICE", "sip:office@h", NULL };
	static const struct call_header headers[] = { { "X-Tenant", "7" } };

	memset(w, 0, sizeof(*w));
	CHECK_INT(0, loop_new(&w->loop, true, 1));
	CHECK_INT(0, pool_new(&w->pool, w->loop, 0));
	CHECK_INT(0, fetch_new(&w->fetch, w->loop, w->pool));
	w->call.loop = w->loop;
	w->call.info = (struct call_info){ .id = "id-1",
					   .segment_id = "seg-1",
					   .inbound = true,
					   .type = "phone",
					   .from = "+15550001111",
					   .to = "+15550002222",
					   .from_name = "",
					   .headers = headers,
					   .header_count = 1 };
	w->env = (struct script_env){ .fetch = w->fetch, .envs = envs, .country = "1" };
	strcpy(w->path, "/tmp/test_script.XXXXXX");
}

static void close_world(struct world *w)
{
	CHECK(w->call.closed);
	CHECK_INT(0, loop_timer_count(w->loop));
	buf_free(&w->call.log);
	fetch_free(&w->fetch);
	pool_free(&w->pool);
	loop_free(&w->loop);
	unlink(w->path);
}

static void start(struct world *w, const char *text)
{
	int fd = mkstemp(w->path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	CHECK(f);
	if (f) {
		fputs(text, f);
		fclose(f);
	}
	CHECK_INT(0, script_start(&w->call, &w->env, w->path));
}

/* Run a document to its end. */
static void run(struct world *w, const char *text)
{
	start(w, text);
	while (loop_turn(w->loop))
		;
}

static const char *story(const struct world *w)
{
	return w->call.log.len ? w->call.log.data : "";
}

struct row {
	const char *text, *want;
};

static void tell(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct world w;

		open_world(&w);
		run(&w, rows[i].text);
		if (strcmp(rows[i].want, story(&w)))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

/* A SIP address made from a value is how the tests below look at variables. */
#define SHOW(value) "connect: 'sip:" value "@h'"

static void steps_run_in_order(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [hangup]}", "hangup hangup" },
		{ "sections: {main: {hangup: busy}}", "hangup busy" },
		{ "sections: {main: [{hangup: {reason: decline}}, answer]}", "hangup declined" },
		{ "sections: {main: [answer]}", "answer; hangup hangup" },
		{ "sections: {main: [answer: {codecs: 'pcma, OPUS,VP8'}]}", "answer PCMA OPUS VP8; hangup hangup" },
		{ "sections: {main: [answer: {codecs: [PCMU, xyz]}]}",
		  "warn method_parameter_invalid_value@1; answer PCMU; hangup hangup" },
		{ "sections: {main: [answer, {answer: 60}, {sleep: 100}, hangup]}", "answer; hangup hangup" },
		{ "sections: {main: [{set: {ms: '5'}}, {sleep: '${ms}'}, {sleep: '${ms + 1}'}]}", "hangup hangup" },
		{ "{\"sections\": {\"main\": [\"answer\", {\"hangup\": {}}]}}", "answer; hangup hangup" },
		{ "sections: {main: [{connect: '${envs.OFFICE}'}, {connect: '+15550003333'}]}",
		  "connect sip:office@h; connect +15550003333; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void variables_reach_the_next_steps(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{set: {a: 1, b: '${a + 1}', c: 'x${b}'}}, {" SHOW("${a}-${b}-${c}") "}]}",
		  "connect sip:1-2-x2@h; hangup busy" },
		{ "sections: {main: [{set: {a: 1}}, {unset: a}, {" SHOW("u${a}") "}]}",
		  "connect sip:u@h; hangup busy" },
		{ "sections: {main: [{set: {a: 1, b: 2, c: 3}}, {unset: [a, vars.b]}, {" SHOW("u${a}${b}${c}") "}]}",
		  "connect sip:u3@h; hangup busy" },
		{ "sections: {main: [{" SHOW("${call.from}.${call.direction}.${call.type}.${call.call_state}") "}]}",
		  "connect sip:+15550001111.inbound.phone.created@h; hangup busy" },
		{ "sections: {main: [answer, {" SHOW(
			  "${call.call_state}.${call.call_id}.${call.headers[0].value}") "}]}",
		  "answer; connect sip:answered.id-1.7@h; hangup hangup" },
		{ "sections: {main: [answer, {" SHOW("${answer_result}.${to_number}") "}]}",
		  "answer; connect sip:success.+15550002222@h; hangup hangup" },
		{ "sections: {main: [{set: {a: '${f(1)}'}}, {" SHOW("x${a}${script_error}") "}]}",
		  "warn js_eval_error@1; connect sip:xrelay_script_js_eval_error@h; hangup busy" },
		{ "sections: {main: [{set: {call.from: x}}, {set: 5}, unset, hangup]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; "
		  "warn method_parameter_missing@1; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void sections_call_and_return(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{execute: b}, {" SHOW("r${return_value}") "}], b: [{return: 5}, answer]}",
		  "connect sip:r5@h; hangup busy" },
		/* parameters are texts, replaced by each execute and restored */
		{ "sections: {main: [{execute: {dest: b, params: {n: 1, m: 2}}}, {" SHOW(
			  "x${params.n}") "}],"
					  "b: [{execute: {dest: c, params: {n: '${params.n + params.m}'}}}, {" SHOW(
						  "b${params.n}") "}],"
								  "c: [{" SHOW("c${params.n}${params.m}") "}]}",
		  "connect sip:c12@h; connect sip:b1@h; connect sip:x@h; hangup busy" },
		/* on_return, then result, then the next step */
		{ "sections: {main: [{execute: {dest: b, on_return: [{" SHOW(
			  "on-${return_value}") "}],"
						"result: {case: {failed: [{" SHOW("case") "}]}}}}, {" SHOW(
							"next") "}], b: [{return: r}]}",
		  "connect sip:on-r@h; connect sip:case@h; connect sip:next@h; hangup busy" },
		{ "sections: {main: [{execute: {dest: b, result: [{when: return_value == 6, then: hangup}]}}],"
		  "b: [{return: '${2*3}'}]}",
		  "hangup hangup" },
		/* the end of a section returns nothing */
		{ "sections: {main: [{execute: b}, {execute: c}, {" SHOW(
			  "r${return_value}.") "}],"
					       "b: [{return: 5}], c: [{label: x}]}",
		  "connect sip:r.@h; hangup busy" },
		{ "sections: {main: [{execute: b}, {" SHOW(
			  "r${return_value}") "}],"
					      "b: [{switch: {variable: call.type, case: {phone: [{return: p}, "
					      "answer]}}}, answer]}",
		  "connect sip:rp@h; hangup busy" },
		/* unknown: a warning, the next step */
		{ "sections: {main: [{execute: nowhere}, answer]}",
		  "warn section_parameter_undefined@1; answer; hangup hangup" },
		{ "sections: {main: [{execute: b}, answer], b: []}",
		  "warn section_code_missing@1; answer; hangup hangup" },
		{ "sections: {main: [{execute: 'https://x.test/'}, answer]}",
		  "warn method_execute_failed@1; answer; hangup hangup" },
		/* return outside ends the script, transfer does not come back */
		{ "sections: {main: [{return: 1}, answer]}", "hangup hangup" },
		{ "sections: {main: [{transfer: b}, hangup], b: [answer, return]}", "answer; hangup hangup" },
		{ "sections: {main: [{execute: b}, hangup], b: [{transfer: c}, hangup],"
		  "c: [{" SHOW("x${params.n}") "}, answer]}",
		  "connect sip:x@h; answer; hangup hangup" },
		{ "sections: {main: [{transfer: [{dest: b}, {params: [{n: 1}]}]}], b: [{" SHOW("${params.n}") "}]}",
		  "connect sip:1@h; hangup busy" },
		{ "sections: {main: [{execute: {dest: b, params: {p: a}}}],"
		  "b: [{transfer: {dest: c, params: {q: '${params}'}}}], c: [{" SHOW("${params.q.p}") "}]}",
		  "connect sip:a@h; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void choices_choose(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{set: {n: 5}}, {switch: {variable: n, case: {5: [answer]}, default: [hangup]}}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{switch: {variable: '${call.type}', case: {sip: [hangup]}, default: [answer]}}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{switch: {variable: nothing, case: {a: [hangup]}}}, answer]}",
		  "warn method_no_matching_condition@1; answer; hangup hangup" },
		{ "sections: {main: [{switch: {variable: nothing, case: {'': [answer]}}}]}", "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: 1 > 2, then: [hangup]}, {when: call.type == 'phone', then: answer},"
		  "{else: hangup}]}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: false, then: [hangup]}, {else: [answer]}]}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: false, then: [hangup], else: [answer]}, {when: true, then: "
		  "[hangup]}]}]}",
		  "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: false, then: [hangup]}]}, answer]}", "answer; hangup hangup" },
		{ "sections: {main: [{cond: [{when: f(), then: [hangup]}, {else: [answer]}]}]}",
		  "warn js_eval_error@1; answer; hangup hangup" },
		{ "sections: {main: [{cond: {a: b}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void labels_and_jumps(void **state)
{
	static const struct row rows[] = {
		/* max 3: the section runs four times */
		{ "sections: {main: [{label: a}, {" SHOW("x") "}, {goto: {label: a, max: 3}}]}",
		  "connect sip:x@h; connect sip:x@h; connect sip:x@h; connect sip:x@h; hangup busy" },
		{ "sections: {main: [{set: {n: 0}}, {label: a}, {set: {n: '${n + 1}'}}, {goto: {label: a, when: n < "
		  "7}},"
		  "{" SHOW("${n}") "}]}",
		  "connect sip:7@h; hangup busy" },
		{ "sections: {main: [{goto: b}, answer, {label: b}]}", "hangup hangup" },
		{ "sections: {main: [{goto: nowhere}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* out of a block, not into another section */
		{ "sections: {main: [{cond: [{when: true, then: [{goto: b}, answer]}]}, answer, {label: b}]}",
		  "hangup hangup" },
		{ "sections: {main: [{label: a}, {execute: b}], b: [{goto: a}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* each run of a section counts anew */
		{ "sections: {main: [{execute: b}, {execute: b}],"
		  "b: [{label: a}, {" SHOW("x") "}, {goto: {label: a, max: 1}}]}",
		  "connect sip:x@h; connect sip:x@h; connect sip:x@h; connect sip:x@h; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void endless_documents_end(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{transfer: main}]}", "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{transfer: b}], b: [{transfer: main}]}",
		  "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{label: a}, {goto: a}]}", "warn too_many_transfers@1; hangup error" },
		{ "sections: {main: [{execute: main}]}", "warn nested_too_deep@1; hangup error" },
		{ "sections: {main: [{execute: main}, {execute: main}]}", "warn nested_too_deep@1; hangup error" },
	};
	struct buf text = { 0 };
	struct world w;

	tell(rows, ARRAY_LEN(rows));

	/* 2^30 steps without any of these limits */
	buf_cstr(&text, "sections:\n  main: [execute: s0]\n");
	for (int i = 0; i < 30; i++)
		buf_printf(&text, "  s%d: [{execute: s%d}, {execute: s%d}]\n", i, i + 1, i + 1);
	buf_cstr(&text, "  s30: [{label: a}]\n");
	open_world(&w);
	run(&w, text.data);
	CHECK(strstr(story(&w), "warn method_execute_failed"));
	CHECK_STR("the document ran without end", w.call.why);
	close_world(&w);

	/* Waiting in between is no endless loop: 100 jumps are the limit of a goto then. */
	open_world(&w);
	run(&w, "sections: {main: [{set: {n: 0}}, {label: a}, {set: {n: '${n + 1}'}}, {sleep: 1}, {goto: a}, {" SHOW(
			"${n}") "}]}");
	CHECK_STR("connect sip:101@h; hangup busy", story(&w));
	close_world(&w);
	buf_free(&text);
}

static void variables_have_a_limit(void **state)
{
	struct world w;

	open_world(&w);
	run(&w, "sections: {main: [{set: {a: 0123456789abcdef}}, {label: l}, {set: {a: '${a}${a}'}}, {goto: l}]}");
	CHECK_STR("warn method_execute_failed@1; hangup error", story(&w));
	CHECK_STR("the variables of the document became larger than 1 MiB", w.call.why);
	close_world(&w);
}

static void sounds_are_played(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{play: 'say:x'}, hangup]}", "play say:x; hangup hangup" },
		{ "sections: {main: [{play: [a, 'ring:us']}]}", "play a,ring:us; hangup hangup" },
		{ "sections: {main: [{play: {url: 'ring:us', volume: -6.5, auto_answer: false, say_voice: v, "
		  "say_language: de-DE, say_gender: male, status_url: 'http://h/s'}}]}",
		  "play ring:us early -6.5 dB v/de-DE/male to http://h/s; hangup hangup" },
		{ "sections: {main: [{set: {u: 'say:1', v: '3'}}, {play: {urls: ['${u}', 'say:2'], volume: '${v}'}}]}",
		  "play say:1,say:2 3 dB; hangup hangup" },
		{ "sections: {main: [{play: {urls: 'say:1', status_url: nowhere}}]}",
		  "warn method_parameter_invalid_value@1; play say:1; hangup hangup" },
		{ "sections: {main: [{play: 'say:nothing'}, {cond: [{when: \"script_error == "
		  "'relay_script_method_execute_failed'\", then: [hangup: busy]}]}]}",
		  "play say:nothing; warn method_execute_failed@1; hangup busy" },
		{ "sections: {main: [{play: 'say:gone'}, answer]}", "play say:gone" },
		{ "sections: {main: [{play: 'say:late'}, answer]}", "play say:late" },
		{ "sections: {main: [{play: {volume: 3}}, answer]}", "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{play: {url: a, urls: [b]}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{play: []}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{play: {url: a, volume: 41}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{play: {url: a, volume: loud}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		/* What is done to the call behind a failed connect is the last word. */
		{ "sections: {main: [{connect: {to: 'sip:a@h'}}, {play: 'say:x'}]}",
		  "connect sip:a@h; play say:x; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

#define SHOW_PROMPT SHOW("${prompt_result}.${prompt_value}.${prompt_digit_terminator}")

static void keys_are_asked_for(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{prompt: 'ring:us'}, {" SHOW_PROMPT "}]}",
		  "collect 1  5000/5000 ring:us; connect sip:match_digits.42.@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: [a, b], max_digits: 4, terminators: '#', initial_timeout: 2.5, "
		  "digit_timeout: '0.5', status_url: 'http://h/s'}}, {" SHOW_PROMPT "}]}",
		  "collect 4 # 2500/500 a,b to http://h/s; connect sip:match_digits.42.#@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: '*'}}, {" SHOW_PROMPT "}]}",
		  "collect 1 * 5000/5000 a; connect sip:no_input..@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: Ax}}, {" SHOW_PROMPT "}]}",
		  "warn method_parameter_invalid_value@1; collect 1 A 5000/5000 a; connect sip:no_match..A@h; hangup "
		  "busy" },
		{ "sections: {main: [{prompt: {play: a, terminators: D}}, answer]}", "collect 1 D 5000/5000 a" },
		{ "sections: {main: [{prompt: {play: a, terminators: B}}, {" SHOW_PROMPT "}]}",
		  "collect 1 B 5000/5000 a; warn internal_error@1; connect sip:failed..@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, speech_language: en-US}}, {" SHOW_PROMPT "}]}",
		  "warn method_execute_failed@1; connect sip:failed..@h; hangup busy" },
		{ "sections: {main: [{prompt: {play: a, speech_hints: [x], max_digits: 2}}, {" SHOW_PROMPT "}]}",
		  "warn method_execute_failed@1; collect 2  5000/5000 a; connect sip:match_digits.42.@h; hangup busy" },
		{ "sections: {main: [{prompt: a}, {switch: {variable: prompt_value, case: {'42': [hangup: busy]}}}]}",
		  "collect 1  5000/5000 a; hangup busy" },
		{ "sections: {main: [{prompt: {max_digits: 1}}, answer]}",
		  "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{prompt: {play: a, max_digits: 65}}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void keys_are_sent(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{send_digits: '1w2#'}, {" SHOW("${send_digits_result}") "}]}",
		  "send 1w2#; connect sip:success@h; hangup busy" },
		{ "sections: {main: [{set: {d: 7}}, {send_digits: {digits: '${d}*'}}, hangup]}",
		  "send 7*; hangup hangup" },
		{ "sections: {main: [{send_digits: 12}, hangup]}", "send 12; hangup hangup" },
		{ "sections: {main: [{send_digits: 1x}, {" SHOW("${send_digits_result}") "}]}",
		  "send 1x; warn method_parameter_invalid_value@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{send_digits: D}, {" SHOW("${send_digits_result}") "}]}",
		  "send D; warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{send_digits: C}, answer]}", "send C" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void faulty_steps_warn(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{pay: 'say:x'}, {tap: {uri: 'say:x'}}, answer]}",
		  "warn method_execute_failed@1; warn method_execute_failed@1; answer; hangup hangup" },
		{ "sections: {main: [fly, answer]}", "warn method_undefined@1; hangup error" },
		{ "sections: {main: [{answer: {}, hangup: {}}, 5, '', answer]}",
		  "warn element_invalid_value@1; warn element_wrong_type@1; warn method_missing_name@1; answer; "
		  "hangup hangup" },
		{ "sections: {main: [{sleep: {}}, answer]}", "warn method_parameter_missing@1; hangup error" },
		{ "sections: {main: [{sleep: soon}, answer]}",
		  "warn method_parameter_invalid_value@1; answer; hangup hangup" },
		{ "sections: {main: [{answer: {max_duration: 60, codec: x}}]}",
		  "warn method_parameter_undefined@1; answer; hangup hangup" },
		{ "sections: {main: [{answer: {username: u}}]}",
		  "warn method_execute_failed@1; answer; hangup hangup" },
		{ "sections: {main: []}", "warn section_code_missing@1; hangup error" },
		{ "sections: {b: [hangup]}", "warn main_section_missing@1; hangup error" },
		{ "version: 3", "warn version_invalid@1; warn sections_missing@1; hangup error" },
		{ "a: [", "warn parse_error@2; hangup error" },
		{ "a: 1\na: 2", "warn element_duplicated@2; hangup error" },
	};

	tell(rows, ARRAY_LEN(rows));
}

static void documents_that_cannot_be_read(void **state)
{
	static const char *const locations[] = { "/nonexistent/document.yaml", "/tmp", "https://example.test/x" };

	for (size_t i = 0; i < ARRAY_LEN(locations); i++) {
		struct world w;

		open_world(&w);
		CHECK_INT(0, script_start(&w.call, &w.env, locations[i]));
		while (loop_turn(w.loop))
			;
		CHECK_STR("warn parse_error@0; hangup error", story(&w));
		close_world(&w);
	}
}

static void sip_refer_tells_what_became_of_it(void **state)
{
#define TOLD                                                                                                           \
	SHOW("${sip_refer_to}!${sip_refer_result}!${return_value}!${sip_refer_response_code}!"                         \
	     "${sip_refer_to_response_code}")
	static const struct {
		struct outcome outcome;
		int error;
		const char *text, *want;
	} rows[] = {
		{ { OP_DONE, CAUSE_NONE, 5 },
		  0,
		  "sections: {main: [answer, {sip_refer: {to_uri: 'sip:x', username: u, password: p, status_url: "
		  "'http://h'}}, {" TOLD "}]}",
		  "answer; refer sip:x u p http://h; connect sip:x!success!success!202!200@h; hangup hangup" },
		{ { OP_FAILED, CAUSE_NONE, 5 },
		  0,
		  "sections: {main: [answer, {sip_refer: 'sip:x'}, {" TOLD "}]}",
		  "answer; refer sip:x - - -; connect sip:x!failed!failed!202!486@h; hangup hangup" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  EINVAL,
		  "sections: {main: [answer, {sip_refer: 'x'}, {" TOLD "}, {" SHOW("${script_error}") "}]}",
		  "answer; refer x - - -; warn method_parameter_invalid_value@1; connect sip:x!failed!failed!!@h; "
		  "connect sip:relay_script_method_parameter_invalid_value@h; hangup hangup" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  EINVAL,
		  "sections: {main: [{sip_refer: 'sip:x'}, {set: {a: '${sip_refer_result}'}}, {" SHOW("${a}") "}]}",
		  "refer sip:x - - -; warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  ENOTCONN,
		  "sections: {main: [answer, {sip_refer: 'sip:x'}, {" SHOW("a") "}]}",
		  "answer; refer sip:x - - -" },
		{ { OP_DONE, CAUSE_NONE, 5 },
		  0,
		  "sections: {main: [{sip_refer: {}}, answer]}",
		  "warn method_parameter_missing@1; hangup error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct outcome outcomes[] = { rows[i].outcome, { OP_FAILED, CAUSE_BUSY, 10 } };
		struct world w;

		open_world(&w);
		w.call.outcomes = outcomes;
		w.call.outcome_count = 1;
		w.call.connects = 1; /* they are busy */
		w.call.refer_error = rows[i].error;
		run(&w, rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

static void connect_sets_variables_and_runs_its_result(void **state)
{
#define VALUES "${connect_result}.${connect_failed_reason}.${return_value}"
	static const struct {
		struct outcome outcome;
		const char *text, *want;
	} rows[] = {
		{ { OP_DONE, CAUSE_HANGUP, 5000 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:connected..connected@h; hangup busy" },
		{ { OP_FAILED, CAUSE_NO_ANSWER, 10 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:failed.no_answer.failed@h; hangup busy" },
		{ { OP_FAILED, CAUSE_NOT_FOUND, 0 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:failed.error.failed@h; hangup busy" },
		{ { OP_FAILED, CAUSE_NONE, 0 },
		  "sections: {main: [{" SHOW("a") "}, {" SHOW(VALUES) "}]}",
		  "connect sip:a@h; connect sip:failed.error.failed@h; hangup busy" },
		/* switch without and with variable, cond */
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {case: {connected: [hangup]}, default: "
		  "[answer]}}}]}",
		  "connect +1555; hangup hangup" },
		{ { OP_FAILED, CAUSE_DECLINED, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {case: {connected: [hangup]},"
		  "default: [{execute: voicemail}, hangup]}}}, answer]}",
		  "connect +1555; warn section_parameter_undefined@1; hangup hangup" },
		{ { OP_FAILED, CAUSE_BUSY, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {variable: connect_failed_reason,"
		  "case: {busy: [answer]}}}}, {set: {a: 1}}]}",
		  "connect +1555; answer; hangup hangup" },
		{ { OP_FAILED, CAUSE_BUSY, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: [{when: connect_result == 'connected', then: "
		  "[answer]},"
		  "{when: connect_failed_reason == 'busy', then: [{hangup: busy}]}, {else: [answer]}]}}]}",
		  "connect +1555; hangup busy" },
		{ { OP_FAILED, CAUSE_ERROR, 5 },
		  "sections: {main: [{connect: {to: '+1555', result: {case: {connected: [answer]}}}}]}",
		  "connect +1555; warn method_no_matching_condition@1; hangup error" },
		/* The result of a connect with references stands in the document, not in what was made for the step. */
		{ { OP_FAILED, CAUSE_BUSY, 5 },
		  "sections: {main: [{connect: {to: '${call.to}', result: [{else: {" SHOW(
			  "${connect_failed_reason}") "}}]}}]}",
		  "connect +15550002222; connect sip:busy@h; hangup busy" },
		/* what is wrong dials nothing, and the document goes on */
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {timeout: 5, result: [{else: [answer]}]}}, {" SHOW(VALUES) "}]}",
		  "warn method_parameter_missing@1; answer; connect sip:failed.error.failed@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: 'sip:a@b', headers: {A: \"x\\ny\"}}}, {" SHOW(
			  "${script_error}") "}]}",
		  "warn method_parameter_invalid_value@1; "
		  "connect sip:relay_script_method_parameter_invalid_value@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: 'sip:a@b', webrtc_media: true}}, {" SHOW(VALUES) "}]}",
		  "warn method_execute_failed@1; connect sip:failed.error.failed@h; hangup hangup" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [connect: [a]]}",
		  "warn method_parameter_invalid_value@1; hangup error" },
		{ { OP_DONE, CAUSE_HANGUP, 5 },
		  "sections: {main: [{connect: {to: '${vars.none}'}}]}",
		  "warn method_parameter_invalid_value@1; hangup error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;

		open_world(&w);
		w.call.outcomes = &rows[i].outcome;
		w.call.outcome_count = 1;
		run(&w, rows[i].text);
		if (strcmp(rows[i].want, story(&w)))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, story(&w));
		close_world(&w);
	}
}

/* PRODUCT §6: the final answer of a caller that nobody answered tells of the last connect. */
static void the_last_failure_is_the_callers_answer(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{connect: '+1555'}]}", "connect +1555; hangup busy" },
		{ "sections: {main: [{connect: '+1555'}, {set: {a: 1}}, {label: x}]}", "connect +1555; hangup busy" },
		{ "sections: {main: [{connect: '+1555'}, {sleep: 1}]}", "connect +1555; hangup hangup" },
		{ "sections: {main: [{connect: '+1555'}, hangup]}", "connect +1555; hangup hangup" },
		{ "sections: {main: [answer, {connect: '+1555'}]}", "answer; connect +1555; hangup hangup" },
		{ "sections: {main: [{execute: b}], b: [{connect: '+1555'}]}", "connect +1555; hangup busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

/* --- races with the end of the call --- */

static void the_call_may_end_at_any_time(void **state)
{
	static const char text[] =
		"sections: {main: [{sleep: 10}, answer, {connect: {to: '+1555', result: [{else: [answer]}]}},"
		"{sleep: -1}, answer]}";
	static const struct outcome lasting = { OP_GONE, CAUSE_CANCEL, 50 };
	unsigned waiting = 0;

	for (uint64_t at = 1000; at < 1100; at += 5) {
		struct world w;

		open_world(&w);
		w.call.outcomes = &lasting;
		w.call.outcome_count = 1;
		start(&w, text);
		if (at > 1000)
			loop_run_until(w.loop, at);
		waiting += strstr(story(&w), "connect") && !w.call.hung_up;
		if (!w.call.hung_up)
			begin_end(&w.call);
		while (loop_turn(w.loop))
			;
		CHECK(!strstr(story(&w), "hangup"));
		CHECK(!strstr(story(&w), "connect +1555; answer"));
		close_world(&w);
	}
	CHECK(waiting > 3); /* the end really met an open connect */
}

static void a_dead_call_stops_the_script(void **state)
{
	static const struct outcome gone = { OP_GONE, CAUSE_CANCEL, 5 }, done = { OP_DONE, CAUSE_HANGUP, 20 };
	struct world w;

	open_world(&w); /* done() first, closed() later */
	w.call.outcomes = &gone;
	w.call.outcome_count = 1;
	start(&w, "sections: {main: [{connect: '+1555'}, answer]}");
	loop_run_until(w.loop, 1500);
	CHECK_STR("connect +1555", story(&w));
	begin_end(&w.call);
	loop_run_until(w.loop, 2000);
	CHECK_STR("connect +1555", story(&w));
	close_world(&w);

	open_world(&w); /* the talk ended because the caller hung up: no result */
	w.call.outcomes = &done;
	w.call.outcome_count = 1;
	start(&w, "sections: {main: [{connect: {to: '+1555', result: [{else: [answer]}]}}, answer]}");
	loop_run_until(w.loop, 1010);
	w.call.info.state = CALL_ENDED;
	loop_run_until(w.loop, 1500);
	begin_end(&w.call);
	loop_run_until(w.loop, 2000);
	CHECK_STR("connect +1555", story(&w));
	close_world(&w);

	open_world(&w); /* nothing in common: the call ends with 488 by itself */
	w.call.answer_error = EPROTO;
	run(&w, "sections: {main: [answer, {connect: '+1555'}]}");
	CHECK_STR("answer", story(&w));
	close_world(&w);

	open_world(&w); /* it ended while the connect was being started */
	w.call.info.inbound = false;
	start(&w, "sections: {main: [{connect: '+1555'}, answer]}");
	loop_run_until(w.loop, 1500);
	begin_end(&w.call);
	loop_run_until(w.loop, 2000);
	CHECK_STR("connect +1555", story(&w));
	close_world(&w);
}

static void max_duration_ends_the_call(void **state)
{
	static const struct outcome lasting = { OP_GONE, CAUSE_HANGUP, 61000 };
	struct world w;

	open_world(&w);
	run(&w, "sections: {main: [{answer: 60}, {sleep: -1}]}");
	CHECK_STR("answer; hangup hangup", story(&w));
	CHECK_STR("max_duration of answer is over", w.call.why);
	CHECK_INT(61, loop_now_ms(w.loop) / 1000);
	close_world(&w);

	open_world(&w); /* in the middle of a connect */
	w.call.outcomes = &lasting;
	w.call.outcome_count = 1;
	run(&w, "sections: {main: [{answer: {max_duration: 60}}, {connect: '+1555'}, answer]}");
	CHECK_STR("answer; connect +1555; hangup hangup", story(&w));
	close_world(&w);
}

static void long_documents_give_way(void **state)
{
	struct buf text = { 0 };
	struct world w;
	unsigned turns = 0;

	buf_cstr(&text, "sections:\n  main:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "    - set: {a: %d}\n", i);
	buf_cstr(&text, "    - " SHOW("${a}") "\n");
	open_world(&w);
	start(&w, text.data);
	while (!w.call.connects && loop_turn(w.loop))
		turns++;
	CHECK(turns >= 10);
	while (loop_turn(w.loop))
		;
	CHECK_STR("connect sip:999@h; hangup busy", story(&w));
	close_world(&w);
	buf_free(&text);
}

static void steps_are_events_when_asked_for(void **state)
{
	struct world w;

	for (int debug = 0; debug < 2; debug++) {
		log_set_level(debug ? LOG_DEBUG : LOG_INFO);
		open_world(&w);
		run(&w, "sections: {main: [answer, {set: {a: 1}}, hangup]}");
		CHECK_INT(debug ? 3 : 0, w.call.steps);
		close_world(&w);
	}
	log_set_level(LOG_INFO);
}

static void recordings_set_variables(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [answer, record, {" SHOW("${record_result}.${record_url}") "}]}",
		  "answer; record speak '#' 4000 5000 0; connect sip:success.url-1@h; hangup hangup" },
		{ "sections: {main: [{record: {initial_timeout: 0.001, direction: listen, format: mp3, stereo: true}}, "
		  "{" SHOW("${record_result}") "}]}",
		  "answer; record listen stereo mp3 '#' 1 5000 0; connect sip:failed@h; hangup hangup" },
		{ "sections: {main: [{record: {end_silence_timeout: 0, initial_timeout: '1.5', max_length: 60, "
		  "terminators: '*0'}}]}",
		  "answer; record speak '*0' 1500 0 60000; hangup hangup" },
		{ "sections: {main: [record_call, {" SHOW(
			  "${record_call_result}.${record_control_id}") "}, "
									"stop_record_call, {" SHOW(
										"${stop_record_call_result}") "}]}",
		  "answer; record_call both '' 0 0 0; connect sip:success.control-1@h; stop; connect sip:success@h; "
		  "hangup hangup" },
		{ "sections: {main: [{record_call: {max_length: 1}}, {stop_record_call: other}, "
		  "{" SHOW("${stop_record_call_result}") "}, stop_record_call]}",
		  "answer; record_call both '' 0 0 1000; warn method_execute_failed@1; connect sip:failed@h; stop; "
		  "hangup hangup" },
		{ "sections: {main: [{record: {format: mp4}}]}",
		  "warn method_execute_failed@1; answer; record speak '#' 4000 5000 0; hangup hangup" },
		{ "sections: {main: [{record: {status_url: 'ftp://h/'}}]}",
		  "warn method_parameter_invalid_value@1; answer; record speak '#' 4000 5000 0; hangup hangup" },
		{ "sections: {main: [{record: {direction: up}}, {record: {input_sensitivity: 101}}]}",
		  "warn method_parameter_invalid_value@1; warn method_parameter_invalid_value@1; hangup hangup" },
	};

	tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_run_in_order),
		TEST(variables_reach_the_next_steps),
		TEST(sections_call_and_return),
		TEST(choices_choose),
		TEST(labels_and_jumps),
		TEST(endless_documents_end),
		TEST(variables_have_a_limit),
		TEST(sounds_are_played),
		TEST(keys_are_asked_for),
		TEST(keys_are_sent),
		TEST(faulty_steps_warn),
		TEST(documents_that_cannot_be_read),
		TEST(sip_refer_tells_what_became_of_it),
		TEST(connect_sets_variables_and_runs_its_result),
		TEST(the_last_failure_is_the_callers_answer),
		TEST(recordings_set_variables),
		TEST(the_call_may_end_at_any_time),
		TEST(a_dead_call_stops_the_script),
		TEST(max_duration_ends_the_call),
		TEST(long_documents_give_way),
		TEST(steps_are_events_when_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
