#include "check.h"

#include "call/call_alarm.h"

static void each_silence_has_a_cause_and_a_sentence(void **state)
{
	static const struct {
		enum port_stray stray;
		const char *cause, *why;
	} rows[] = {
		{ PORT_STRAY_NONE, "nothing",
		  "no packet comes: a firewall or NAT on the way, or media.advertise is an address that the peer "
		  "cannot reach" },
		{ PORT_STRAY_FOREIGN, "foreign_source",
		  "packets come from [2001:db8:1111:2222:3333:4444:5555:6666]:65535 only, which is not whom the SDP "
		  "named, nor heard first" },
		{ PORT_STRAY_TYPE, "payload_type",
		  "packets from [2001:db8:1111:2222:3333:4444:5555:6666]:65535 bear payload type 127, which was not "
		  "agreed on" },
		{ PORT_STRAY_BAD, "not_rtp", "packets from [2001:db8:1111:2222:3333:4444:5555:6666]:65535 are no RTP" },
		{ PORT_STRAY_UNAUTHENTIC, "unauthentic",
		  "packets from [2001:db8:1111:2222:3333:4444:5555:6666]:65535 are not SRTP of the key in the SDP: "
		  "plain RTP, or another key" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct port_silence s = { .stray = rows[i].stray, .payload_type = 127 };
		char why[160];

		CHECK_INT(0, addr_parse(&s.from, STR("2001:db8:1111:2222:3333:4444:5555:6666"), 65535));
		CHECK_STR(rows[i].cause, call_alarm_cause(rows[i].stray));
		CHECK_STR(rows[i].why, call_alarm_why(&s, why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(each_silence_has_a_cause_and_a_sentence) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
