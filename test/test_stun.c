#include <errno.h>
#include <string.h>

#include "check.h"
#include "net/stun.h"

/* The sample request of RFC 5769 §2.1 (it has MESSAGE-INTEGRITY and FINGERPRINT), and the IPv4 response of §2.2. */
static const char sample_request[] =
	"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	"\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff"
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20"
	"\x20"
	"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

static const char sample_response[] =
	"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6"
	"\x43"
	"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"
	"\x80\x28\x00\x04\xc0\x7d\x4c\x96";

static const char sample_response_v6[] =
	"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20"
	"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
	"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41"
	"\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

static const char plain_request[] = "\x00\x01\x00\x00\x21\x12\xa4\x42"
				    "abcdefghijkl";

#define BYTES(a) ((struct str){ (a), sizeof(a) - 1 })

static void the_samples_of_the_rfc_are_understood(void **state)
{
	struct stun_msg m;
	char text[ADDR_TEXT];
	struct addr a;

	CHECK_INT(0, stun_parse(&m, BYTES(sample_request)));
	CHECK_INT(STUN_BINDING_REQUEST, m.type);
	CHECK(m.fingerprint);
	CHECK_INT(EINVAL, stun_mapped(&m, &a));
	CHECK_INT(0, stun_parse(&m, BYTES(sample_response)));
	CHECK_INT(STUN_BINDING_SUCCESS, m.type);
	CHECK_INT(0, stun_mapped(&m, &a));
	CHECK_STR("192.0.2.1:32853", addr_text(&a, text));
	CHECK_INT(0, stun_parse(&m, BYTES(sample_response_v6)));
	CHECK_INT(0, stun_mapped(&m, &a));
	CHECK_STR("[2001:db8:1234:5678:11:2233:4455:6677]:32853", addr_text(&a, text));
}

static void what_is_broken_is_refused(void **state)
{
	static const struct {
		const char *what;
		size_t at, cut; /* change this byte, or leave out so many at the end */
	} rows[] = {
		{ "type", 0, 0 },       { "length", 3, 0 },        { "cookie", 4, 0 },       { "id", 9, 0 },
		{ "attribute", 23, 0 }, { "fingerprint", 105, 0 }, { "its length", 103, 0 }, { "cut", 200, 1 },
		{ "cut", 200, 4 },      { "cut", 200, 100 },
	};
	struct stun_msg m;
	char copy[sizeof(sample_request)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memcpy(copy, sample_request, sizeof(copy));
		if (rows[i].at < sizeof(copy))
			copy[rows[i].at] ^= (char)0x81;
		CHECK_INT(EINVAL, stun_parse(&m, (struct str){ copy, sizeof(copy) - 1 - rows[i].cut }));
	}
	CHECK_INT(EINVAL, stun_parse(&m, STR("")));
	CHECK_INT(EINVAL, stun_parse(&m, STR("OPTIONS sip:a SIP/2.0\r\n\r\n")));
}

static void a_request_is_answered_with_its_source(void **state)
{
	static const char *const sources[] = { "10.1.2.3:5062", "[fd00::7]:40000" };
	unsigned char out[STUN_MAX_ANSWER];
	struct stun_msg m, answer;
	struct addr from, mapped;
	char text[ADDR_TEXT];
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		CHECK_INT(0, addr_parse_port(&from, str_of(sources[i]), 0));
		CHECK_INT(0, stun_parse(&m, BYTES(plain_request)));
		n = stun_answer(out, &m, &from);
		CHECK_INT(0, stun_parse(&answer, (struct str){ (char *)out, n }));
		CHECK_INT(STUN_BINDING_SUCCESS, answer.type);
		CHECK(!memcmp(answer.id, "abcdefghijkl", STUN_ID));
		CHECK(!answer.fingerprint);
		CHECK_INT(0, stun_mapped(&answer, &mapped));
		CHECK_STR(sources[i], addr_text(&mapped, text));
	}
	CHECK_INT(0, stun_parse(&m, BYTES(sample_response)));
	CHECK_INT(0, stun_answer(out, &m, &from)); /* never a ping-pong */
}

/* PRIORITY (0x0024) belongs to ICE, which is not spoken here. */
static void an_unknown_attribute_is_refused(void **state)
{
	unsigned char out[STUN_MAX_ANSWER];
	struct stun_msg m, answer;
	struct str value;
	struct addr from;
	size_t n, pos = 0;
	uint16_t type;

	CHECK_INT(0, addr_parse(&from, STR("10.0.0.1"), 5060));
	CHECK_INT(0, stun_parse(&m, BYTES(sample_request)));
	n = stun_answer(out, &m, &from);
	CHECK_INT(0, stun_parse(&answer, (struct str){ (char *)out, n }));
	CHECK_INT(STUN_BINDING_ERROR, answer.type);
	CHECK(answer.fingerprint); /* as it had one */
	CHECK(stun_next(&answer, &pos, &type, &value));
	CHECK_INT(STUN_A_ERROR_CODE, type);
	CHECK(value.n > 4 && value.p[2] == 4 && value.p[3] == 20);
	CHECK(stun_next(&answer, &pos, &type, &value));
	CHECK_INT(STUN_A_UNKNOWN_ATTRIBUTES, type);
	CHECK(value.n == 2 && !memcmp(value.p, "\x00\x24", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_samples_of_the_rfc_are_understood),
		TEST(what_is_broken_is_refused),
		TEST(a_request_is_answered_with_its_source),
		TEST(an_unknown_attribute_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
