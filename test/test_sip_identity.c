#include "check.h"
#include "sip/sip_identity.h"
#include "sip/sip_reason.h"

static void callers_are_read_as_peers_assert_them(void **state)
{
	static const struct {
		const char *lines;
		const char *user, *name, *uri; /* NULL = nothing */
	} rows[] = {
		{ "", NULL, NULL, NULL },
		{ "P-Asserted-Identity: <sip:+15550001111@c.test>\r\n", "+15550001111", "", "sip:+15550001111@c.test" },
		{ "p-asserted-identity: \"Ann, B\" <sip:+1@c.test;x=y>\r\n", "+1", "Ann, B", "sip:+1@c.test;x=y" },
		{ "P-Asserted-Identity: tel:+1-555.000(1111)\r\n", "+15550001111", "", "tel:+1-555.000(1111)" },
		{ "P-Asserted-Identity: <tel:+1555;phone-context=x>\r\n", "+1555", "", "tel:+1555;phone-context=x" },
		{ "P-Asserted-Identity: <sip:a@b>, <tel:+1555>\r\n", "a", "", "sip:a@b" },
		{ "P-Asserted-Identity: <sip:c.test>, <tel:+1555>\r\n", "+1555", "", "tel:+1555" },
		{ "P-Asserted-Identity: <mailto:a@b>, <<, , <tel:abc>\r\n", NULL, NULL, NULL },
		{ "P-Asserted-Identity: <sip:+1@c.test>\r\nPrivacy: none\r\n", "+1", "", "sip:+1@c.test" },
		{ "P-Asserted-Identity: <sip:+1@c.test>\r\nPrivacy: critical; id\r\n", NULL, NULL, NULL },
		{ "P-Asserted-Identity: <sip:+1@c.test>\r\nPrivacy: user\r\n", NULL, NULL, NULL },
		{ "Remote-Party-ID: \"B\" <sip:+2@c.test>;party=calling;privacy=off\r\n", "+2", "B", "sip:+2@c.test" },
		{ "Remote-Party-ID: <sip:+2@c.test>\r\n", "+2", "", "sip:+2@c.test" },
		{ "Remote-Party-ID: <sip:+3@c.test>;party=called, <sip:+2@c.test>;party=calling\r\n", "+2", "",
		  "sip:+2@c.test" },
		{ "Remote-Party-ID: <sip:+2@c.test>;privacy=full\r\n", NULL, NULL, NULL },
		{ "Remote-Party-ID: <sip:+2@c.test>\r\nP-Asserted-Identity: <sip:+1@c.test>\r\n", "+1", "",
		  "sip:+1@c.test" },
	};
	static struct sip_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_identity who;
		char text[512], copy[128];
		const char *why;
		size_t used;

		snprintf(text, sizeof(text), "INVITE sip:x@y SIP/2.0\r\nFrom: <sip:z@y>;tag=1\r\n%s\r\n",
			 rows[i].lines);
		assert_int_equal(sip_msg_parse(&m, text, strlen(text), false, &used, &why), SIP_PARSE_OK);
		CHECK_INT(rows[i].user != NULL, sip_identity_read(&who, &m));
		if (!rows[i].user)
			continue;
		str_copy(copy, sizeof(copy), who.user);
		CHECK_STR(rows[i].user, copy);
		str_copy(copy, sizeof(copy), who.name);
		CHECK_STR(rows[i].name, copy);
		str_copy(copy, sizeof(copy), who.uri);
		CHECK_STR(rows[i].uri, copy);
	}
}

static void reasons_are_read(void **state)
{
	static const struct {
		const char *header, *protocol, *text; /* protocol NULL = none */
		uint32_t cause;
	} rows[] = {
		{ "SIP ;cause=200 ;text=\"Call completed elsewhere\"", "SIP", "Call completed elsewhere", 200 },
		{ "Q.850;cause=16", "Q.850", "", 16 },
		{ "q.850 ; text=\"a, \\\"b\\\"; c\" ; cause=\"17\"", "q.850", "a, \\\"b\\\"; c", 17 },
		{ "SIP, Q.850;cause=31", "Q.850", "", 31 },
		{ "preemption;cause=1;x", "preemption", "", 1 },
		{ "SIP;text=\"only\"", "SIP", "only", 0 },
		{ "SIP;cause=x", NULL, NULL, 0 },
		{ "SIP;cause=99999999999", NULL, NULL, 0 },
		{ "SIP", NULL, NULL, 0 },
		{ ";cause=1", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_reason r;
		char copy[80];

		CHECK_INT(rows[i].protocol == NULL, sip_reason_parse(&r, str_of(rows[i].header)) != 0);
		if (!rows[i].protocol)
			continue;
		str_copy(copy, sizeof(copy), r.protocol);
		CHECK_STR(rows[i].protocol, copy);
		str_copy(copy, sizeof(copy), r.text);
		CHECK_STR(rows[i].text, copy);
		CHECK_INT(rows[i].cause, r.cause);
	}
	CHECK(sip_reason_parse(&(struct sip_reason){ .cause = 0 }, (struct str){ NULL, 0 }) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(callers_are_read_as_peers_assert_them),
		TEST(reasons_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
