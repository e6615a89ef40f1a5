#include "check.h"

#include <errno.h>

#include "base/loop.h"
#include "fake_dns.h"
#include "net/reach.h"

struct world {
	struct loop *loop;
	struct fake_dns *dns;
	struct http_rules *rules;
	struct reach reach;
	unsigned told;
	char what[300];
};

static void begin(struct world *w, const char *const *allow)
{
	*w = (struct world){ .told = 0 };
	assert_int_equal(loop_new(&w->loop, true, 1), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(http_rules_new(&w->rules, allow, true), 0);
	fake_dns_add(w->dns, "both.test", "10.0.0.1");
	fake_dns_add(w->dns, "both.test", "192.0.2.7");
	fake_dns_add(w->dns, "both.test", "198.51.100.7");
	fake_dns_add(w->dns, "inside.test", "10.0.0.2");
	fake_dns_fail(w->dns, "broken.test", EIO);
	fake_dns_fail(w->dns, "slow.test", ETIMEDOUT);
}

static void end(struct world *w)
{
	reach_stop(&w->reach);
	http_rules_drop(w->rules);
	fake_dns_free(&w->dns);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
}

static void done(void *arg, const struct reach_result *r)
{
	struct world *w = arg;
	char text[ADDR_TEXT];
	size_t n = 0;

	w->told++;
	if (!r->count)
		snprintf(w->what, sizeof(w->what), "%s", r->why);
	for (size_t i = 0; i < r->count; i++)
		n += (size_t)snprintf(w->what + n, sizeof(w->what) - n, "%s ", addr_text(&r->addrs[i], text));
}

static void targets_are_judged(void **state)
{
	static const char *const named[] = { "inside.test", "127.0.0.0/8", NULL };
	static const struct {
		const char *host, *want;
	} rows[] = {
		{ "both.test", "192.0.2.7:4000 198.51.100.7:4000 " },
		{ "inside.test", "10.0.0.2:4000 " },
		{ "127.0.0.1", "127.0.0.1:4000 " },
		{ "192.0.2.1", "192.0.2.1:4000 " },
		{ "10.0.0.9", "10.0.0.9 is a private address and 10.0.0.9 is not in webhooks.allow_hosts" },
		{ "::1", "::1 is a private address and ::1 is not in webhooks.allow_hosts" },
		{ "nobody.test", "the name of the host is not found" },
		{ "broken.test", "the name could not be resolved" },
		{ "slow.test", "the name was not resolved in time" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct reach_query q = { .port = 4000 };
		struct world w;

		begin(&w, named);
		q.dns = fake_dns_door(w.dns);
		q.rules = w.rules;
		q.host = str_of(rows[i].host);
		CHECK_INT(0, reach_start(&w.reach, &q, done, &w));
		CHECK_INT(0, w.told);
		loop_run_until(w.loop, UINT64_MAX);
		CHECK_INT(1, w.told);
		CHECK_STR(rows[i].want, w.what);
		end(&w);
	}
}

static void it_can_be_stopped(void **state)
{
	struct reach_query q = { .port = 1, .host = STR("both.test") };
	struct world w;

	begin(&w, NULL);
	q.dns = fake_dns_door(w.dns);
	q.rules = w.rules;
	CHECK_INT(0, reach_start(&w.reach, &q, done, &w));
	reach_stop(&w.reach);
	CHECK_INT(0, fake_dns_open(w.dns));
	loop_run_until(w.loop, UINT64_MAX);
	CHECK_INT(0, w.told);
	q.port = 0;
	CHECK_INT(EINVAL, reach_start(&w.reach, &q, done, &w));
	/* Rules live on with who looks by them. */
	q.port = 1;
	CHECK_INT(0, reach_start(&w.reach, &q, done, &w));
	http_rules_drop(w.rules);
	w.rules = NULL;
	loop_run_until(w.loop, UINT64_MAX);
	CHECK_INT(1, w.told);
	end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TEST(targets_are_judged), TEST(it_can_be_stopped) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
