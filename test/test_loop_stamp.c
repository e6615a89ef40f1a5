/* Stamps of the kernel on a loop's clock. */
#include "check.h"

#include <time.h>

#include "base/loop.h"

static struct timespec wall(int64_t shift_us)
{
	struct timespec t;
	int64_t us;

	clock_gettime(CLOCK_REALTIME, &t);
	us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + shift_us;
	return (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
}

/* Between what the clock showed before and after. */
static void a_stamp_is_a_time_of_this_clock(void **state)
{
	struct timespec past = wall(-30000), future = wall(30000000), set = wall(-5000000);
	uint64_t before_us, now_us;
	struct loop *l = NULL;

	CHECK_INT(0, loop_new(&l, false, 0));
	before_us = loop_now_us(l);
	while (loop_now_us(l) < before_us + 2000)
		loop_catch_up(l);
	now_us = loop_now_us(l);
	/* The stamp was made a moment before the loop was. */
	CHECK(loop_stamp_us(l, &past) < before_us - 20000);
	CHECK(loop_stamp_us(l, &past) > before_us - 30000 - 900000);
	CHECK_INT(now_us, loop_stamp_us(l, &future));
	CHECK_INT(now_us, loop_stamp_us(l, &set)); /* as if the wall clock had been put forward since */
	loop_free(&l);
}

static void a_virtual_clock_has_no_stamps(void **state)
{
	struct timespec past = wall(-30000);
	struct loop *l = NULL;

	CHECK_INT(0, loop_new(&l, true, 1));
	CHECK_INT(loop_now_us(l), loop_stamp_us(l, &past));
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stamp_is_a_time_of_this_clock),
		TEST(a_virtual_clock_has_no_stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
