/* steps: how fast the interpreter of documents is, what a running script holds, and how long the worst expressions
 * take. Calls and operations are the stand-ins of the unit tests; the clock of the loop is virtual. Prints a line a
 * figure. README.md has the method. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "base/arena.h"
#include "dialect/expr.h"
#include "hostile_expressions.h"
#include "script_world.h"

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Jumps of six steps each until the gotos have jumped 100 times; a sleep after 30, because only 32 may come without. */
static const char plain[] =
	"sections:\n"
	"  main:\n"
	"    - set: {n: 0, name: Ann, round: 0}\n"
	"    - label: round\n"
	"    - set: {round: '${round + 1}', jump: 0}\n"
	"    - label: jump\n"
	"    - set: {jump: '${jump + 1}'}\n"
	"    - set: {n: '${n + 1}', greeting: 'hello ${name}, ${call.from}'}\n"
	"    - cond: [{when: 'n % 2 == 0', then: [{set: {even: true}}], else: [{unset: even}]}]\n"
	"    - switch: {variable: name, case: {Bob: [{set: {who: bob}}], Ann: [{set: {who: ann}}]}}\n"
	"    - goto: {label: jump, when: 'jump < 30', max: 100}\n"
	"    - sleep: 1\n"
	"    - goto: {label: round, when: 'round < 60', max: 100}\n";

/* Only so many steps are told one by one, of the rest how many there were. */
static unsigned count_told(const char *told)
{
	unsigned steps = 0;

	for (const char *line = told; line && *line; line = strchr(line, '\n') + 1) {
		steps += !strncmp(line, "step ", 5);
		if (!strncmp(line, "skipped ", 8))
			steps += (unsigned)strtoul(line + 8, NULL, 10);
	}
	return steps;
}

/* CPU time of one run [us]. steps may be NULL. */
static double one_run(unsigned wants_steps, unsigned *steps)
{
	struct world w;
	double began, us;

	open_world(&w);
	w.call.wants_steps = wants_steps;
	began = now_us();
	run(&w, plain);
	us = now_us() - began;
	if (steps)
		*steps = count_told(w.call.told.data);
	close_world(&w);
	return us;
}

static void interpreter(const char *name, unsigned wants_steps)
{
	double best_us = 1e9;
	unsigned steps;

	one_run(CALL_STEP_TRACED, &steps);
	for (int i = 0; i < 20; i++) {
		double us = one_run(wants_steps, NULL);

		if (us < best_us)
			best_us = us;
	}
	printf("%s: %.0f steps/s (%u steps, best of 20)\n", name, steps / best_us * 1e6, steps);
}

enum { SCRIPTS = 1000 };

/* Of scripts that wait in a section that was executed, with some variables; their document is there once. */
static void memory(void)
{
	static const char text[] = "sections:\n"
				   "  main:\n"
				   "    - set: {n: 1, name: Ann, list: [1, 2, 3]}\n"
				   "    - execute: {dest: waits, params: {a: 1, b: two}}\n"
				   "  waits:\n"
				   "    - sleep: 1000\n"
				   "    - return\n";
	struct call *calls = calloc(SCRIPTS, sizeof(*calls));
	size_t before, told = 0;
	struct world w;

	open_world(&w);
	run(&w, text); /* the document is kept */

	for (int i = 0; i < SCRIPTS; i++) {
		calls[i].loop = w.loop;
		calls[i].info = w.call.info;
		calls[i].info.state = CALL_CREATED;
		calls[i].wants_steps = i == SCRIPTS - 1 ? CALL_STEP_TRACED : 0; /* to see where it is */
	}
	before = mallinfo2().uordblks;
	for (int i = 0; i < SCRIPTS; i++)
		script_start(&calls[i], &w.env, w.path);
	for (int turns = 0; turns < 100000 && calls[SCRIPTS - 1].steps < 3; turns++)
		loop_turn(w.loop);
	for (int i = 0; i < SCRIPTS; i++)
		told += calls[i].told.cap;
	printf("memory: %zu bytes a waiting script\n", (mallinfo2().uordblks - before - told) / SCRIPTS);
	while (loop_turn(w.loop))
		;
	for (int i = 0; i < SCRIPTS; i++) {
		buf_free(&calls[i].log);
		buf_free(&calls[i].told);
	}
	close_world(&w);
	free(calls);
}

static const struct doc *nothing(void *arg, struct str scope, struct str name)
{
	return NULL;
}

static double one(const char *text, uint32_t *steps)
{
	struct expr_scope scope = { .lookup = nothing };
	struct expr_problem problem = { .steps = 0 };
	const struct doc *d;
	struct arena *a = NULL;
	double began = now_us();

	arena_new(&a, 0, 0);
	expr_eval(a, &d, str_of(text), &scope, &problem);
	arena_free(&a);
	*steps = problem.steps;
	return now_us() - began;
}

static int by_time(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void expressions(bool each)
{
	double worst = 0;
	size_t worst_at = 0;

	for (size_t i = 0; i < ARRAY_LEN(hostile_expressions); i++) {
		double us[21];
		uint32_t steps = 0;

		for (size_t k = 0; k < ARRAY_LEN(us); k++)
			us[k] = one(hostile_expressions[i], &steps);
		qsort(us, ARRAY_LEN(us), sizeof(us[0]), by_time);
		if (each)
			printf("%8.0f us %6u steps  %s\n", us[10], steps, hostile_expressions[i]);
		if (us[10] > worst) {
			worst = us[10];
			worst_at = i;
		}
	}
	printf("worst expression: %.0f us (%s)\n", worst, hostile_expressions[worst_at]);
}

int main(int argc, char **argv)
{
	interpreter("interpreter", 0);
	interpreter("interpreter with its trace", CALL_STEP_TRACED);
	memory();
	expressions(argc > 1);
	return 0;
}
