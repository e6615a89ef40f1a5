#include <stdlib.h>

#include "base/loop.h"
#include "check.h"
#include "sip/sip_health.h"

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse_port(&a, str_of(text), 0));
	return a;
}

static void on_time(void *arg)
{
}

static void failures_are_known_by_address_port_and_transport(void **state)
{
	struct addr bad = of("10.0.0.1:5060"), other_port = of("10.0.0.1:5061"), v6 = of("[fd00::1]:5060");
	struct loop_timer t = { .active = false };
	struct sip_health *h = NULL;
	struct loop *l = NULL;

	assert_int_equal(0, loop_new(&l, true, 1));
	assert_int_equal(0, sip_health_new(&h, l));
	CHECK(!sip_health_is_bad(h, WIRE_UDP, &bad));
	sip_health_failed(h, WIRE_UDP, &bad);
	sip_health_failed(h, WIRE_TCP, &v6);
	CHECK(sip_health_is_bad(h, WIRE_UDP, &bad) && sip_health_is_bad(h, WIRE_TCP, &v6));
	CHECK(!sip_health_is_bad(h, WIRE_TCP, &bad) && !sip_health_is_bad(h, WIRE_UDP, &other_port));
	CHECK(!sip_health_is_bad(h, WIRE_UDP, &v6));
	sip_health_good(h, WIRE_UDP, &v6); /* another one's word */
	CHECK(sip_health_is_bad(h, WIRE_TCP, &v6));
	sip_health_good(h, WIRE_TCP, &v6);
	CHECK(!sip_health_is_bad(h, WIRE_TCP, &v6));
	loop_timer_start(l, &t, SIP_HEALTH_MS, on_time, NULL); /* without a timer the clock would stand */
	loop_run_until(l, 1000 + SIP_HEALTH_MS - 1);
	CHECK(sip_health_is_bad(h, WIRE_UDP, &bad));
	loop_run_until(l, 1000 + SIP_HEALTH_MS);
	CHECK(!sip_health_is_bad(h, WIRE_UDP, &bad));
	sip_health_free(&h);
	loop_free(&l);
}

static void what_failed_goes_last_in_its_order(void **state)
{
	static const struct {
		const char *bad, *want; /* last digits */
	} rows[] = {
		{ "", "12345" }, { "1", "23451" }, { "5", "12345" }, { "24", "13524" }, { "12345", "12345" },
	};
	struct sip_health *h = NULL;
	struct loop *l = NULL;
	char text[] = "10.0.0.0:5060";

	assert_int_equal(0, loop_new(&l, true, 1));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_result r = { .count = 5, .kind = WIRE_TLS };
		char got[8] = "";

		assert_int_equal(0, sip_health_new(&h, l));
		for (size_t j = 0; j < r.count; j++) {
			text[7] = (char)('1' + j);
			r.addrs[j] = of(text);
			if (strchr(rows[i].bad, text[7]))
				sip_health_failed(h, WIRE_TLS, &r.addrs[j]);
		}
		sip_health_sort(h, &r);
		for (size_t j = 0; j < r.count; j++)
			got[j] = addr_host(&r.addrs[j], (char[ADDR_TEXT]){ 0 })[7];
		CHECK_STR(rows[i].want, got);
		sip_health_free(&h);
	}
	loop_free(&l);
}

/* Ten thousand addresses fit into what a few take; the newest are known. */
static void the_table_is_bounded(void **state)
{
	struct sip_health *h = NULL;
	struct loop *l = NULL;
	unsigned known = 0;
	char text[32];
	struct addr a;

	assert_int_equal(0, loop_new(&l, true, 1));
	assert_int_equal(0, sip_health_new(&h, l));
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u:5060", i / 250, i % 250);
		a = of(text);
		sip_health_failed(h, WIRE_UDP, &a);
		CHECK(sip_health_is_bad(h, WIRE_UDP, &a));
	}
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "10.1.%u.%u:5060", i / 250, i % 250);
		a = of(text);
		known += sip_health_is_bad(h, WIRE_UDP, &a);
	}
	CHECK(known > 200 && known <= 256);
	sip_health_free(&h);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(failures_are_known_by_address_port_and_transport),
		TEST(what_failed_goes_last_in_its_order),
		TEST(the_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
