#include <stdlib.h>

#include "base/loop.h"
#include "check.h"
#include "net/dns_order.h"

static void add(struct dns_target *t, const char *host)
{
	struct addr a;

	CHECK_INT(0, addr_parse(&a, str_of(host), 0));
	dns_target_add(t, &a);
}

static void ipv4_goes_first_whichever_came_first(void **state)
{
	static const struct {
		const char *hosts[8], *want;
	} rows[] = {
		{ { "10.0.0.1", "fd00::1" }, "10.0.0.1:7 [fd00::1]:7 " },
		{ { "fd00::1", "10.0.0.1" }, "10.0.0.1:7 [fd00::1]:7 " },
		{ { "fd00::1", "fd00::2", "fd00::3", "fd00::4", "10.0.0.1", "10.0.0.2" },
		  "10.0.0.1:7 10.0.0.2:7 [fd00::1]:7 [fd00::2]:7 " },
		{ { "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", "fd00::3", "fd00::4" },
		  "10.0.0.1:7 10.0.0.2:7 [fd00::1]:7 [fd00::2]:7 " },
		{ { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "fd00::1" },
		  "10.0.0.1:7 10.0.0.2:7 10.0.0.3:7 10.0.0.4:7 " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_target t = { .port = 7 };
		char got[256] = "", text[ADDR_TEXT];

		for (size_t j = 0; j < ARRAY_LEN(rows[i].hosts) && rows[i].hosts[j]; j++)
			add(&t, rows[i].hosts[j]);
		for (size_t j = 0; j < t.count; j++) {
			strcat(got, addr_text(&t.addrs[j], text));
			strcat(got, " ");
		}
		CHECK_STR(rows[i].want, got);
	}
}

/* Each target has one address, its number. Ten thousand draws, and how often each came first, in per cent. */
static void weights_share_within_a_priority(void **state)
{
	static const struct {
		struct {
			uint16_t priority, weight;
		} targets[4];
		int want[4];
	} rows[] = {
		{ { { 1, 0 }, { 1, 0 }, { 1, 0 }, { 1, 0 } }, { 25, 25, 25, 25 } },
		{ { { 1, 10 }, { 1, 20 }, { 1, 30 }, { 1, 40 } }, { 10, 20, 30, 40 } },
		{ { { 2, 90 }, { 1, 10 }, { 1, 30 }, { 3, 0 } }, { 0, 25, 75, 0 } },
		{ { { 1, 0 }, { 1, 65535 }, { 2, 65535 }, { 2, 1 } }, { 0, 100, 0, 0 } },
	};
	struct loop *l = NULL;

	assert_int_equal(0, loop_new(&l, true, 9));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_answer a = { .count = 4, .kind = WIRE_TCP };
		int first[4] = { 0 };

		for (size_t j = 0; j < 4; j++) {
			char host[16];

			a.targets[j].priority = rows[i].targets[j].priority;
			a.targets[j].weight = rows[i].targets[j].weight;
			snprintf(host, sizeof(host), "10.0.0.%zu", j);
			add(&a.targets[j], host);
		}
		for (int n = 0; n < 10000; n++) {
			struct dns_result r;
			unsigned before = 0;

			dns_order(l, &a, &r);
			CHECK_INT(4, r.count);
			CHECK_INT(WIRE_TCP, r.kind);
			first[ntohl(r.addrs[0].in4.sin_addr.s_addr) & 3]++;
			for (size_t j = 0; j < r.count; j++) {
				unsigned at = ntohl(r.addrs[j].in4.sin_addr.s_addr) & 3;

				CHECK(a.targets[at].priority >= before);
				before = a.targets[at].priority;
			}
		}
		for (size_t j = 0; j < 4; j++)
			CHECK(abs(first[j] - 100 * rows[i].want[j]) < 200);
	}
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ipv4_goes_first_whichever_came_first),
		TEST(weights_share_within_a_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
