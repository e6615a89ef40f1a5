/* Random documents run to their end on virtual time: nothing crashes, leaks, hangs up twice or goes on behind the end.
 * DOCUMENTS=n, SEED=n: how many, beginning with which. */
#include "random_document.h"
#include "script_world.h"

enum { TURNS = 3000 };

static const struct outcome outcomes[] = {
	{ OP_FAILED, CAUSE_BUSY, 10 },
	{ OP_DONE, CAUSE_NONE, 2000 },
	{ OP_FAILED, CAUSE_NONE, 0 },
	{ OP_DONE, CAUSE_HANGUP, 50 },
};

struct count {
	unsigned ended, unfinished, said[5];
};

static const char *const words[] = { "hangup", "warn", "connect", "play", "user_event" };

static void run_one(uint64_t seed, struct count *n)
{
	struct choices c = { .state = seed * 2654435761u + 1 };
	struct buf text = { 0 };
	struct world w;

	random_document(&text, &c);
	open_world(&w);
	w.call.outcomes = outcomes;
	w.call.outcome_count = ARRAY_LEN(outcomes);
	start(&w, text.data);
	for (unsigned i = 0; i < TURNS && !w.call.closed && loop_turn(w.loop); i++)
		;
	n->ended += w.call.hung_up;
	n->unfinished += !w.call.hung_up;
	if (!w.call.hung_up) /* it sleeps, or goes round with a pause: the caller leaves */
		begin_end(&w.call);
	while (loop_turn(w.loop))
		;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		n->said[i] += strstr(story(&w), words[i]) != NULL;
	if (!w.call.closed || loop_timer_count(w.loop))
		fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, text.data);
	close_world(&w);
	buf_free(&text);
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void random_documents_come_to_an_end(void **state)
{
	unsigned long count = from_environment("DOCUMENTS", 1500), first = from_environment("SEED", 1);
	struct count n = { 0 };

	for (unsigned long i = 0; i < count; i++)
		run_one(first + i, &n);
	CHECK_INT(count, n.ended + n.unfinished);
	/* The grammar reaches what it is for. */
	for (size_t i = 0; i < ARRAY_LEN(words) && count >= 1000; i++)
		CHECK(n.said[i] > count / 100);
	CHECK(count < 1000 || n.ended > count / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_documents_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
