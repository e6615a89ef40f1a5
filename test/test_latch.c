#include "check.h"

#include "media/latch.h"

enum { WINDOW_MS = 5000 };

static struct addr at(const char *text)
{
	struct addr a = { 0 };

	addr_parse_port(&a, str_of(text), 0);
	return a;
}

/* Steps: "A addr" an SDP names it, "H addr" accepted, "F addr" foreign, "> addr" sent to it, "+ ms" time passes. */
static void run(const char *const *steps)
{
	struct latch l = { 0 };
	uint64_t now_ms = 1000;
	char text[ADDR_TEXT];

	for (; *steps; steps++) {
		const char *what = *steps + 2;
		struct addr a = at(what);
		uint32_t ms = 0;

		switch (**steps) {
		case 'A':
			latch_agree(&l, &a, now_ms, WINDOW_MS);
			break;
		case 'H':
		case 'F':
			if (latch_hear(&l, &a, now_ms) != (**steps == 'H')) {
				fprintf(stderr, "step \"%s\"\n", *steps);
				check_bad++;
			}
			break;
		case '>':
			CHECK_STR(what, addr_text(&l.to, text));
			break;
		case '+':
			str_u32(str_of(what), &ms);
			now_ms += ms;
			break;
		}
	}
}

static void who_is_the_peer(void **state)
{
	static const char *const rows[][16] = {
		/* the SDP's address, and then nobody else: another port of it neither */
		{ "A 10.0.0.1:4000", "> 10.0.0.1:4000", "H 10.0.0.1:4000", "F 10.0.0.2:4000", "F 10.0.0.1:4001",
		  "H 10.0.0.1:4000", "> 10.0.0.1:4000" },
		/* another port of the SDP's host, at any time */
		{ "A 10.0.0.1:4000", "+ 6000", "H 10.0.0.1:5000", "> 10.0.0.1:5000", "F 10.0.0.1:4000" },
		/* behind a NAT: the first within the window */
		{ "A 192.168.1.2:4000", "+ 4999", "H 10.0.0.9:1234", "> 10.0.0.9:1234", "F 10.0.0.9:1235",
		  "F 10.0.0.8:1234", "+ 10000", "H 10.0.0.9:1234" },
		/* and nobody after it */
		{ "A 192.168.1.2:4000", "+ 5000", "F 10.0.0.9:1234", "> 192.168.1.2:4000" },
		/* a stranger was faster: the SDP's host takes its place while the window is open */
		{ "A 10.0.0.1:4000", "H 10.0.0.66:4000", "H 10.0.0.1:4000", "> 10.0.0.1:4000", "F 10.0.0.66:4000" },
		{ "A 10.0.0.1:4000", "H 10.0.0.66:4000", "+ 5000", "F 10.0.0.1:4000", "H 10.0.0.66:4000" },
		/* the same SDP again changes nothing; another one forgets */
		{ "A 10.0.0.1:4000", "H 10.0.0.1:4002", "A 10.0.0.1:4000", "F 10.0.0.2:4000", "> 10.0.0.1:4002",
		  "A 10.0.0.2:4000", "> 10.0.0.2:4000", "H 10.0.0.2:4000", "F 10.0.0.1:4002" },
		/* who moves on its host is not taken back by what comes late from the old place */
		{ "A 10.0.0.1:4000", "H 10.0.0.1:4000", "A 10.0.0.1:4002", "> 10.0.0.1:4002", "F 10.0.0.1:4000",
		  "+ 900", "F 10.0.0.1:4000", "H 10.0.0.1:4002", "F 10.0.0.1:4000" },
		/* unless it has not moved after all */
		{ "A 192.168.1.2:4000", "H 10.0.0.9:1234", "A 192.168.1.2:4002", "F 10.0.0.9:1234", "+ 1000",
		  "H 10.0.0.9:1234" },
		{ "A 10.0.0.1:4000", "H 10.0.0.1:4002", "A 10.0.0.1:4002", "H 10.0.0.1:4002" },
		/* nobody heard so far (held from the start): each SDP opens the window again */
		{ "A 192.168.1.2:4000", "+ 9000", "A 192.168.1.2:4000", "H 10.0.0.9:1234" },
		/* hold by zeros keeps the address */
		{ "A 10.0.0.1:4000", "H 10.0.0.1:4000", "A 0.0.0.0:4000", "> 10.0.0.1:4000", "F 10.0.0.2:4000",
		  "A 10.0.0.1:4000", "H 10.0.0.1:4000" },
		/* begun on hold */
		{ "A 0.0.0.0:4000", "A 10.0.0.1:4000", "> 10.0.0.1:4000", "H 10.0.0.1:4000" },
		{ "A [2001:db8::1]:4000", "H [2001:db8::1]:4002", "F [2001:db8::2]:4000" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run(rows[i]);
}

static void the_companion_stays_with_its_host(void **state)
{
	struct latch rtp = { 0 }, rtcp = { 0 };
	struct addr sdp = at("192.168.1.2:4000"), sdp_rtcp = at("192.168.1.2:4001");
	struct addr nat = at("10.0.0.9:777"), nat_rtcp = at("10.0.0.9:778"), other = at("10.0.0.9:779");

	latch_agree(&rtp, &sdp, 0, WINDOW_MS);
	latch_agree(&rtcp, &sdp_rtcp, 0, WINDOW_MS);
	CHECK(!latch_hear_beside(&rtcp, &rtp, &nat_rtcp)); /* RTP says who the peer is, not RTCP */
	CHECK(latch_hear_beside(&rtcp, &rtp, &sdp_rtcp));
	CHECK(latch_hear(&rtp, &nat, 1));
	latch_reset(&rtcp);
	CHECK(addr_equal(&rtcp.to, &sdp_rtcp));
	CHECK(!latch_hear_beside(&rtcp, &rtp, &sdp_rtcp));
	CHECK(latch_hear_beside(&rtcp, &rtp, &nat_rtcp));
	CHECK(!latch_hear_beside(&rtcp, &rtp, &other));
	CHECK(addr_equal(&rtcp.to, &nat_rtcp));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(who_is_the_peer), TEST(the_companion_stays_with_its_host) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
