#include <errno.h>

#include "check.h"
#include "net/addr.h"

static void addresses_are_parsed_and_printed(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *host, *uri;
	} rows[] = {
		{ "1.2.3.4", 0, "1.2.3.4", "1.2.3.4" },
		{ "0.0.0.0", 0, "0.0.0.0", "0.0.0.0" },
		{ "::1", 0, "::1", "[::1]" },
		{ "[::1]", 0, "::1", "[::1]" },
		{ "2001:DB8::0:1", 0, "2001:db8::1", "[2001:db8::1]" },
		{ "::ffff:1.2.3.4", 0, "::ffff:1.2.3.4", "[::ffff:1.2.3.4]" },
		{ "", EINVAL, NULL, NULL },
		{ "[]", EINVAL, NULL, NULL },
		{ "[1.2.3.4]", EINVAL, NULL, NULL },
		{ "1.2.3", EINVAL, NULL, NULL },
		{ "1.2.3.4.5", EINVAL, NULL, NULL },
		{ "1.2.3.256", EINVAL, NULL, NULL },
		{ "1.2.3.4 ", EINVAL, NULL, NULL },
		{ "localhost", EINVAL, NULL, NULL },
		{ "[::1", EINVAL, NULL, NULL },
		{ "fe80::1%eth0", EINVAL, NULL, NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", EINVAL, NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ADDR_TEXT];
		struct addr a;

		CHECK_INT(rows[i].err, addr_parse(&a, str_of(rows[i].text), 5060));
		if (rows[i].err)
			continue;
		CHECK_STR(rows[i].host, addr_host(&a, text));
		CHECK_STR(rows[i].uri, addr_uri_host(&a, text));
		CHECK_INT(5060, addr_port(&a));
	}
}

static void a_nul_inside_is_no_address(void **state)
{
	struct addr a;

	CHECK_INT(EINVAL, addr_parse(&a, (struct str){ "1.2.3.4\0x", 9 }, 0));
	CHECK_INT(EINVAL, addr_parse(&a, (struct str){ NULL, 0 }, 0));
}

static void ports_are_parsed(void **state)
{
	static const struct {
		const char *text, *want; /* NULL = EINVAL */
	} rows[] = {
		{ "1.2.3.4:5070", "1.2.3.4:5070" },
		{ "1.2.3.4", "1.2.3.4:77" },
		{ "[::1]:5070", "[::1]:5070" },
		{ "[::1]", "[::1]:77" },
		{ "::1", "[::1]:77" },
		{ "1.2.3.4:0", "1.2.3.4:0" },
		{ "1.2.3.4:65535", "1.2.3.4:65535" },
		{ "1.2.3.4:65536", NULL },
		{ "1.2.3.4:", NULL },
		{ "1.2.3.4:x", NULL },
		{ "1.2.3.4:-1", NULL },
		{ "[::1]x", NULL },
		{ "[::1]5060", NULL },
		{ ":5060", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ADDR_TEXT];
		struct addr a;

		CHECK_INT(rows[i].want ? 0 : EINVAL, addr_parse_port(&a, str_of(rows[i].text), 77));
		if (rows[i].want)
			CHECK_STR(rows[i].want, addr_text(&a, text));
	}
}

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	CHECK_INT(0, addr_parse_port(&a, str_of(text), 0));
	return a;
}

static void equality_sees_through_mapped_addresses(void **state)
{
	static const struct {
		const char *a, *b;
		bool host, all;
	} rows[] = {
		{ "1.2.3.4:5", "1.2.3.4:5", true, true },   { "1.2.3.4:5", "1.2.3.4:6", true, false },
		{ "1.2.3.4:5", "1.2.3.5:5", false, false }, { "1.2.3.4:5", "[::ffff:1.2.3.4]:5", true, true },
		{ "[::1]:5", "[::1]:5", true, true },       { "[::1]:5", "[::2]:5", false, false },
		{ "0.0.0.1:5", "[::1]:5", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = of(rows[i].a), b = of(rows[i].b);

		CHECK_INT(rows[i].host, addr_same_host(&a, &b));
		CHECK_INT(rows[i].all, addr_equal(&a, &b));
		CHECK_INT(rows[i].all, addr_hash(&a, 7) == addr_hash(&b, 7));
	}
}

static void any_is_known_in_both_families(void **state)
{
	struct addr a = of("0.0.0.0:5060"), b = of("[::]:5060"), c = of("127.0.0.1"), d = of("::1");

	CHECK(addr_is_any(&a) && addr_is_any(&b) && !addr_is_any(&c) && !addr_is_any(&d));
	CHECK(!addr_is_v6(&a) && addr_is_v6(&b));
	addr_set_port(&b, 9);
	CHECK_INT(9, addr_port(&b));
	CHECK(addr_len(&a) == sizeof(struct sockaddr_in) && addr_len(&b) == sizeof(struct sockaddr_in6));
}

static void networks_hold_their_hosts(void **state)
{
	static const struct {
		const char *net, *host;
		bool in;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.1.2", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.7/8", "10.1.1.1", true },
		{ "192.168.1.128/25", "192.168.1.128", true },
		{ "192.168.1.128/25", "192.168.1.127", false },
		{ "192.168.1.4/30", "192.168.1.7", true },
		{ "192.168.1.4/30", "192.168.1.8", false },
		{ "1.2.3.4", "1.2.3.4", true },
		{ "1.2.3.4", "1.2.3.5", false },
		{ "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "8.8.8.8", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "::1/128", "::1", true },
		{ "::1", "::2", false },
		{ "fd00::/8", "fdff::1", true },
		{ "fd00::/9", "fd80::1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr host = of(rows[i].host);
		struct addr_net net;

		CHECK_INT(0, addr_net_parse(&net, str_of(rows[i].net)));
		if (rows[i].in != addr_net_has(&net, &host)) {
			fprintf(stderr, "row %zu: %s in %s\n", i, rows[i].host, rows[i].net);
			CHECK(false);
		}
	}
}

static void bad_networks_are_refused(void **state)
{
	static const char *const rows[] = { "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "/8", "ten/8", "" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr_net net;

		CHECK_INT(EINVAL, addr_net_parse(&net, str_of(rows[i])));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_are_parsed_and_printed),
		TEST(a_nul_inside_is_no_address),
		TEST(ports_are_parsed),
		TEST(equality_sees_through_mapped_addresses),
		TEST(any_is_known_in_both_families),
		TEST(networks_hold_their_hosts),
		TEST(bad_networks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
