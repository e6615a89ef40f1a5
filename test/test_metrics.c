#include "api/metrics.h"
#include "check.h"

static void every_time_has_its_step(void **state)
{
	static const struct {
		uint64_t us;
		unsigned step;
	} rows[] = {
		{ 0, 0 },
		{ 1000, 0 },
		{ 1001, 1 },
		{ 2000, 1 },
		{ 250000, 7 },
		{ 250001, 8 },
		{ 300000000, HISTOGRAM_STEPS - 1 },
		{ 300000001, HISTOGRAM_STEPS },
		{ UINT64_C(400000000000), HISTOGRAM_STEPS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct histogram h = { .count = 0 };

		histogram_add(&h, rows[i].us);
		CHECK_INT(1, h.steps[rows[i].step]);
		CHECK_INT(1, h.count);
		CHECK(h.sum_us == rows[i].us);
	}
}

static void print(void *arg, struct buf *out)
{
	metrics_print_histogram(out, "x_seconds", "Of x.", arg);
}

/* Steps add up, the last is all; seconds with a point, and no zeros behind. */
static void a_histogram_is_printed(void **state)
{
	static const char want[] = "# HELP x_seconds Of x.\n"
				   "# TYPE x_seconds histogram\n"
				   "x_seconds_bucket{le=\"0.001\"} 1\n"
				   "x_seconds_bucket{le=\"0.002\"} 1\n"
				   "x_seconds_bucket{le=\"0.005\"} 2\n"
				   "x_seconds_bucket{le=\"0.01\"} 2\n"
				   "x_seconds_bucket{le=\"0.025\"} 2\n"
				   "x_seconds_bucket{le=\"0.05\"} 2\n"
				   "x_seconds_bucket{le=\"0.1\"} 2\n"
				   "x_seconds_bucket{le=\"0.25\"} 2\n"
				   "x_seconds_bucket{le=\"0.5\"} 2\n"
				   "x_seconds_bucket{le=\"1\"} 3\n"
				   "x_seconds_bucket{le=\"2.5\"} 3\n"
				   "x_seconds_bucket{le=\"5\"} 3\n"
				   "x_seconds_bucket{le=\"10\"} 3\n"
				   "x_seconds_bucket{le=\"30\"} 3\n"
				   "x_seconds_bucket{le=\"60\"} 3\n"
				   "x_seconds_bucket{le=\"300\"} 3\n"
				   "x_seconds_bucket{le=\"+Inf\"} 4\n"
				   "x_seconds_sum 500.0051\n"
				   "x_seconds_count 4\n";
	struct histogram h = { .count = 0 };
	struct metrics *m = NULL;
	struct buf out = { 0 };
	const char *at;

	histogram_add(&h, 100);
	histogram_add(&h, 5000);
	histogram_add(&h, 1000000);
	histogram_add(&h, 499000000);
	assert_int_equal(0, metrics_new(&m));
	metrics_add_printer(m, print, &h);
	metrics_print(m, &out);
	at = out.data ? strstr(out.data, "# HELP x_") : NULL;
	CHECK_STR(want, at);
	buf_free(&out);
	metrics_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_time_has_its_step),
		TEST(a_histogram_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
