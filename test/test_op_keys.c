/* The verbs collect and send on a call that only writes down what is done to it; the functions of call.h, call_media.h and
 * op_play.h that they use are defined here. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/loop.h"
#include "call/call_media.h"
#include "op/hearing.h"
#include "op/op_collect.h"
#include "op/op_impl.h"
#include "op/op_send.h"

struct call {
	struct loop *loop;
	struct call_info info;
	struct call_watch *watch, *play_watch;
	struct call_keys *keys;
	struct call_playing *sending;
	struct hearing *hearing;
	struct buf log;
	int answer_error;
	bool stopped, closing;
};

/* Virtual time begins at one second. */
static unsigned now_of(const struct call *c)
{
	return (unsigned)loop_now_ms(c->loop) - 1000;
}

/* --- what the call is asked --- */

void call_get_info(const struct call *c, struct call_info *out)
{
	*out = c->info;
}

struct loop *call_loop(const struct call *c)
{
	return c->loop;
}

int call_answer(struct call *c, const struct codec_list *prefer)
{
	if (!c->answer_error)
		c->info.state = CALL_ANSWERED;
	return c->answer_error;
}

void call_watch(struct call *c, struct call_watch *w, const struct call_watcher *ops, void *arg)
{
	CHECK(!c->watch);
	w->ops = ops;
	w->arg = arg;
	c->watch = w;
	list_init(&w->node);
}

void call_unwatch(struct call_watch *w)
{
	w->node = (struct list){ NULL, NULL };
}

void call_watch_keys(struct call *c, struct call_keys *k)
{
	CHECK(!c->keys);
	c->keys = k;
	k->call = c;
}

void call_unwatch_keys(struct call_keys *k)
{
	if (k->call)
		k->call->keys = NULL;
	k->call = NULL;
}

bool call_can_hear(const struct call *c)
{
	return !c->closing;
}

int call_send_keys(struct call *c, struct call_playing *p, const char *text)
{
	buf_printf(&c->log, "send %s;", text);
	c->sending = p;
	list_init(&p->node);
	return *text == 'B' ? ENOTCONN : 0;
}

void call_play_control(struct call *c, const struct call_playing *p, enum port_control verb, float gain)
{
	CHECK_INT(PORT_STOP, verb);
	CHECK(c->sending == p);
	c->stopped = true;
}

void call_play_forget(struct call_playing *p)
{
	p->node = (struct list){ NULL, NULL };
}

void call_emit_operation(struct call *c, const struct call_operation *o)
{
	CHECK_STR("calling.call.collect", o->type);
	CHECK(o->final);
	buf_printf(&c->log, "event %.*s%s%s;", STR_ARG(o->params), o->hook ? " to " : "", o->hook ? o->hook : "");
}

/* --- who hears --- */

struct hearing {
	struct hearing_opts opts;
};

int hearing_start(struct hearing **out, const struct hearing_opts *opts)
{
	struct hearing *h = calloc(1, sizeof(*h));

	h->opts = *opts;
	opts->call->hearing = *out = h;
	return 0;
}

void hearing_stop(struct hearing **h)
{
	if (!*h)
		return;
	(*h)->opts.call->hearing = NULL;
	free(*h);
	*h = NULL;
}

static void tell_hearing(struct call *c, char what)
{
	const struct recognize_result yes = { .text = "yes", .confidence = 0.5 },
				      nothing = { .text = "", .confidence = -1 },
				      failed = { .why = "out of order", .text = "", .confidence = -1 };
	const struct hearing_opts o = c->hearing ? c->hearing->opts : (struct hearing_opts){ .arg = NULL };

	if (!c->hearing)
		buf_cstr(&c->log, "deaf;");
	else if (what == 's')
		o.began(o.arg);
	else
		o.heard(o.arg, what == 'y' ? &yes : what == 'n' ? &nothing : &failed);
}

/* --- the sounds: last 2 s --- */

struct play {
	struct op op;
	struct call *call;
	struct loop_timer timer;
	enum op_outcome outcome;
};

static void play_over(void *arg)
{
	struct play *p = arg;
	struct op_result r = { .outcome = p->outcome,
			       .why = p->outcome == OP_FAILED ? "x cannot be played" : "played" };

	buf_printf(&p->call->log, "played at %u;", now_of(p->call));
	op_finish(&p->op, &r);
	free(p);
}

static void play_stop(struct op *o)
{
	struct play *p = (struct play *)(void *)o;

	CHECK(p->outcome != OP_STOPPED); /* once is enough */
	p->outcome = OP_STOPPED;
	loop_timer_start(p->call->loop, &p->timer, 0, play_over, p);
}

int op_play_start(struct op **out, const struct op_start *start, const struct play_request *r)
{
	static const struct op_ops ops = { .stop = play_stop };
	struct play *p = calloc(1, sizeof(*p));

	CHECK(r->quiet && r->answer && !r->loops);
	p->op = (struct op){ .ops = &ops, .done = start->done, .arg = start->arg };
	p->call = start->call;
	p->outcome = !strcmp(r->uris[0], "x") ? OP_FAILED : OP_DONE;
	loop_timer_start(p->call->loop, &p->timer, 2000, play_over, p);
	*out = &p->op;
	return 0;
}

/* --- a story --- */

struct world {
	struct call call;
	struct op *op;
	unsigned done;
};

static void on_done(void *arg, const struct op_result *r)
{
	static const char *const outcomes[] = { "done", "failed", "stopped", "gone" };
	struct world *w = arg;

	w->done++;
	buf_printf(&w->call.log, "%s", outcomes[r->outcome]);
	if (r->collect && r->outcome == OP_DONE)
		buf_printf(&w->call.log, " %s", r->collect->digits);
	if (r->collect && r->collect->terminator)
		buf_printf(&w->call.log, " ended by %c", r->collect->terminator);
	if (r->collect && r->outcome == OP_DONE && *r->collect->speech)
		buf_printf(&w->call.log, "\"%s\" %.2f", r->collect->speech, r->collect->confidence);
	if (r->collect && *r->why)
		buf_printf(&w->call.log, " (%s)", r->why);
	buf_printf(&w->call.log, " at %u", now_of(&w->call));
}

/* The call ends: as call.c does it, each watch is told once. */
static void end_call(struct world *w)
{
	struct call_watch *watch = w->call.watch;

	w->call.info.state = CALL_ENDED;
	if (watch && watch->node.next) {
		call_unwatch(watch);
		watch->ops->closed(watch->arg, &w->call);
	}
}

static void nothing(void *arg)
{
}

/* Virtual time stands still where nobody waits for it. */
static void pass_second(struct loop *l)
{
	struct loop_timer t = { .active = false };

	loop_timer_start(l, &t, 1000, nothing, NULL);
	loop_run_until(l, loop_now_ms(l) + 1000);
}

/* What happens: keys, "." = 1 s, "!" = the call ends, "/" = op_stop(); speech: s = it begins, y = it was yes, n = nothing
 * was understood, f = the recognizer failed. */
static void play_story(struct world *w, const char *story)
{
	for (; *story; story++) {
		if (*story == '.')
			pass_second(w->call.loop);
		else if (*story == '!')
			end_call(w);
		else if (*story == '/')
			op_stop(w->op);
		else if (strchr("synf", *story))
			tell_hearing(&w->call, *story);
		else if (w->call.keys)
			w->call.keys->pressed(w->call.keys->arg, *story);
	}
	loop_run_until(w->call.loop, loop_now_ms(w->call.loop) + 60000);
}

static void open_world(struct world *w)
{
	*w = (struct world){ .call.info = { .id = "id-1", .state = CALL_CREATED } };
	CHECK_INT(0, loop_new(&w->call.loop, true, 1));
}

static void close_world(struct world *w, const char *what, const char *want)
{
	buf_char(&w->call.log, '\0');
	if (strcmp(want, w->call.log.data))
		fprintf(stderr, "%s:\n", what);
	CHECK_STR(want, w->call.log.data);
	CHECK_INT(0, loop_timer_count(w->call.loop));
	CHECK(!w->call.keys && !w->call.hearing);
	buf_free(&w->call.log);
	loop_free(&w->call.loop);
}

#define DIGIT(keys, end)                                                                                               \
	"event \"result\":{\"type\":\"digit\",\"params\":{\"digits\":\"" keys "\",\"terminator\":\"" end               \
	"\"}},\"final\":true;"
#define RESULT(type) "event \"result\":{\"type\":\"" type "\"},\"final\":true;"

static void keys_are_collected(void **state)
{
	static const struct {
		const char *sound, *story, *want;
	} rows[] = {
		/* up to three keys, ended by #; 5 s for the first, 3 s for each further one */
		{ NULL, ".12.3", DIGIT("123", "") "done 123 at 2000" },
		{ NULL, ".12#9", DIGIT("12", "#") "done 12 ended by # at 1000" },
		{ NULL, "", RESULT("no_input") "done  at 5000" },
		{ NULL, "....1", DIGIT("1", "") "done 1 at 7000" },
		{ NULL, ".#", RESULT("no_match") "done  ended by # at 1000" },
		{ "a", "", "played at 2000;" RESULT("no_input") "done  at 7000" },
		{ "x", "", "played at 2000;" RESULT("no_input") "done  (x cannot be played) at 7000" },
		{ "a", ".1", "played at 1000;" DIGIT("1", "") "done 1 at 4000" },
		{ "a", ".1.2", "played at 1000;" DIGIT("12", "") "done 12 at 5000" },
		{ "a", ".123", "played at 1000;" DIGIT("123", "") "done 123 at 1000" },
		{ "a", ".#", "played at 1000;" RESULT("no_match") "done  ended by # at 1000" },
		{ NULL, ".1/", RESULT("finished") "stopped at 1000" },
		{ "a", ".1/", "played at 1000;" RESULT("finished") "stopped at 1000" },
		{ "a", "./", "played at 1000;" RESULT("finished") "stopped at 1000" },
		{ NULL, ".1!", RESULT("finished") "gone at 1000" },
		{ NULL, "!", RESULT("finished") "gone at 0" },
		{ NULL, ".123!", RESULT("finished") "gone at 1000" }, /* its end was due, but he is gone */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct play_request play = { .uris = &rows[i].sound, .count = 1 };
		const struct collect_request r = {
			.rules = { .max = 3, .terminators = "#", .first_ms = 5000, .next_ms = 3000 },
			.play = rows[i].sound ? &play : NULL,
		};
		struct world w;
		const struct op_start start = { .call = &w.call, .done = on_done, .arg = &w };

		open_world(&w);
		CHECK_INT(0, op_collect_start(&w.op, &start, &r));
		CHECK_INT(0, w.done);
		play_story(&w, rows[i].story);
		CHECK_INT(1, w.done);
		close_world(&w, rows[i].story, rows[i].want);
	}
}

#define YES                                                                                                            \
	"event \"result\":{\"type\":\"speech\",\"params\":{\"text\":\"yes\",\"confidence\":0.5}},\"final\":true;done " \
	"\"yes\" 0.50 "

static void speech_is_collected(void **state)
{
	static const struct {
		const char *sound, *story, *want;
		bool no_digits;
	} rows[] = {
		/* 5 s for a first key or the beginning of speech, which may then take as long as it does */
		{ NULL, ".s......y", YES "at 7000", false },
		{ NULL, "", RESULT("no_input") "done  at 5000", false },
		{ NULL, ".s.n", RESULT("no_match") "done  at 2000", false },
		{ NULL, ".s.f", RESULT("error") "done  (out of order) at 2000", false },
		{ NULL, ".f", RESULT("error") "done  (out of order) at 1000", false },
		{ NULL, ".s.y!", RESULT("finished") "gone at 2000", false },
		{ NULL, ".s!", RESULT("finished") "gone at 1000", false },
		{ NULL, ".s./", RESULT("finished") "stopped at 2000", false },
		/* it stops the sounds */
		{ "a", ".s..y", "played at 1000;" YES "at 3000", false },
		{ "a", ".sy", "played at 1000;" YES "at 1000", false },
		{ "a", ".y", "played at 1000;" YES "at 1000", false },
		{ "x", "...sy", "played at 2000;" YES "(x cannot be played) at 3000", false },
		/* a key is more: what was said is forgotten */
		{ NULL, ".s.1.y", "deaf;" DIGIT("1", "") "done 1 at 5000", false },
		{ "a", ".s1.s", "played at 1000;deaf;" DIGIT("1", "") "done 1 at 4000", false },
		{ NULL, ".s.123", DIGIT("123", "") "done 123 at 2000", false },
		/* speech alone: keys are somebody else's */
		{ NULL, ".1.s.2.y", YES "at 4000", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct play_request play = { .uris = &rows[i].sound, .count = 1 };
		const struct collect_speech speech = { .end_ms = 1000, .max_ms = 60000 };
		const struct collect_request r = {
			.rules = { .max = 3, .terminators = "#", .first_ms = 5000, .next_ms = 3000 },
			.play = rows[i].sound ? &play : NULL,
			.speech = &speech,
			.no_digits = rows[i].no_digits,
		};
		struct world w;
		const struct op_start start = { .call = &w.call, .done = on_done, .arg = &w };

		open_world(&w);
		CHECK_INT(0, op_collect_start(&w.op, &start, &r));
		play_story(&w, rows[i].story);
		CHECK_INT(1, w.done);
		close_world(&w, rows[i].story, rows[i].want);
	}
}

static void collects_that_cannot_be(void **state)
{
	struct collect_request r = { .rules = { .max = 0, .terminators = "" }, .status_url = "http://h/s" };
	struct world w;
	const struct op_start start = { .call = &w.call, .done = on_done, .arg = &w };

	open_world(&w);
	CHECK_INT(EINVAL, op_collect_start(&w.op, &start, &r));
	r.rules.max = 1;
	w.call.info.state = CALL_ENDED;
	CHECK_INT(ENOTCONN, op_collect_start(&w.op, &start, &r));
	w.call.info.state = CALL_CREATED;
	/* No answer can be given: the call ends, and that is what is told. */
	w.call.answer_error = EPROTO;
	CHECK_INT(0, op_collect_start(&w.op, &start, &r));
	play_story(&w, "..!");
	close_world(&w, "no answer",
		    "event \"result\":{\"type\":\"finished\"},\"final\":true to http://h/s;gone at 2000");
}

static void keys_are_sent(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *want;
		enum port_played how;
		bool gone, stop;
	} rows[] = {
		{ "12w#", 0, "send 12w#;done at 0", PORT_PLAYED, false, false },
		{ "1", 0, "send 1;failed at 0", PORT_GONE, false, false },
		{ "1", 0, "send 1;stopped at 0", PORT_STOPPED, false, true },
		{ "1", 0, "send 1;gone at 0", PORT_PLAYED, true, false },
		{ "B", 0, "send B;failed at 0", PORT_PLAYED, false, false },
		{ "", EINVAL, "", PORT_PLAYED, false, false },
		{ "1 2", EINVAL, "", PORT_PLAYED, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		const struct op_start start = { .call = &w.call, .done = on_done, .arg = &w };

		open_world(&w);
		CHECK_INT(rows[i].err, op_send_start(&w.op, &start, rows[i].text));
		if (!rows[i].err) {
			CHECK_INT(0, w.done);
			loop_run_until(w.call.loop, 2000);
			if (rows[i].stop)
				op_stop(w.op);
			CHECK(rows[i].stop == w.call.stopped);
			if (rows[i].gone)
				end_call(&w);
			else if (!w.done)
				w.call.sending->played(w.call.sending->arg, rows[i].how);
			CHECK_INT(1, w.done);
		}
		close_world(&w, rows[i].text, rows[i].want);
	}
}

/* The port goes before the call says that it has ended. */
static void a_send_whose_port_goes_waits_for_the_call(void **state)
{
	struct world w;
	const struct op_start start = { .call = &w.call, .done = on_done, .arg = &w };

	open_world(&w);
	CHECK_INT(0, op_send_start(&w.op, &start, "1"));
	loop_run_until(w.call.loop, 2000);
	w.call.closing = true;
	w.call.sending->played(w.call.sending->arg, PORT_GONE);
	CHECK_INT(0, w.done);
	end_call(&w);
	close_world(&w, "gone", "send 1;gone at 0");
}

static void a_send_is_stopped_before_it_began(void **state)
{
	struct world w;
	const struct op_start start = { .call = &w.call, .done = on_done, .arg = &w };

	open_world(&w);
	CHECK_INT(0, op_send_start(&w.op, &start, "1"));
	op_stop(w.op);
	play_story(&w, "");
	close_world(&w, "stop", "stopped at 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_are_collected),
		TEST(speech_is_collected),
		TEST(collects_that_cannot_be),
		TEST(keys_are_sent),
		TEST(a_send_whose_port_goes_waits_for_the_call),
		TEST(a_send_is_stopped_before_it_began),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
