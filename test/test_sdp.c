#include "check.h"

#include "media/sdp.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static bool is(struct str s, const char *want)
{
	if (str_is(s, want))
		return true;
	fprintf(stderr, "want \"%s\", got \"%.*s\"\n", want, STR_ARG(s));
	return false;
}

static void what_is_refused_and_what_is_forgiven(void **state)
{
	static const struct {
		const char *text;
		const char *why; /* NULL = accepted */
		size_t media;
	} rows[] = {
		{ HEAD "m=audio 4000 RTP/AVP 0\r\n", NULL, 1 },
		{ HEAD "m=audio 4000 RTP/AVP 0", NULL, 1 },                 /* no last line end */
		{ "v=0\nm=audio 4000 RTP/AVP 0\n", NULL, 1 },               /* LF, no o= s= t= c= */
		{ HEAD "\r\nm=audio 4000 RTP/AVP 0\r\n\r\n\r\n", NULL, 1 }, /* blank lines */
		{ HEAD "m=audio  4000  RTP/AVP  0  8 \r\n", NULL, 1 },      /* blanks doubled */
		{ HEAD "m=audio 4000/2 RTP/AVP 0\r\n", NULL, 1 },
		{ HEAD "x=unknown\r\nm=audio 4000 RTP/AVP 0\r\nz=\r\n", NULL, 1 },
		{ HEAD, NULL, 0 },
		{ HEAD "c=ATM NSAP 47\r\nm=audio 4000 RTP/AVP 0\r\n", NULL, 1 },
		{ HEAD "m=image 0 udptl t38\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", NULL, 2 },
		{ "", "empty", 0 },
		{ "v=1\r\n", "no v=0 line", 0 },
		{ "o=- 1 1 IN IP4 1.2.3.4\r\nv=0\r\n", "no v=0 line", 0 },
		{ "INVITE sip:a@b SIP/2.0\r\n", "no v=0 line", 0 },
		{ HEAD "hello\r\n", "a line without =", 0 },
		{ HEAD "m\r\n", "a line without =", 0 },
		{ HEAD "m=\r\n", "m= line without a media type", 0 },
		{ HEAD "m=audio\r\n", "m= line without a port", 0 },
		{ HEAD "m=audio x RTP/AVP 0\r\n", "bad port in an m= line", 0 },
		{ HEAD "m=audio -1 RTP/AVP 0\r\n", "bad port in an m= line", 0 },
		{ HEAD "m=audio 65536 RTP/AVP 0\r\n", "bad port in an m= line", 0 },
		{ HEAD "m=audio 4000\r\n", "bad protocol in an m= line", 0 },
		{ HEAD "m=audio 4000 RT\xac/AVP 0\r\n", "bad protocol in an m= line", 0 },
		{ HEAD "m=audio 4000 RTP/AVP\r\n", "m= line without a format", 0 },
		{ HEAD "m=audio 4000 RTP/AVP 0 \xff\r\n", "bad format in an m= line", 0 },
		{ HEAD "m=au\tdio 4000 RTP/AVP 0\r\n", "m= line without a media type", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = "unset";
		struct sdp sdp;
		int err = sdp_parse(&sdp, str_of(rows[i].text), &why);

		CHECK_INT(rows[i].why != NULL, err != 0);
		if (rows[i].why)
			CHECK_STR(rows[i].why, why);
		else
			CHECK_INT(rows[i].media, sdp.media_count);
	}
}

static void nul_bytes_are_refused(void **state)
{
	static const char text[] = "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=x\0y\r\n";
	const char *why;
	struct sdp sdp;

	CHECK(sdp_parse(&sdp, (struct str){ text, sizeof(text) - 1 }, &why) != 0);
	CHECK_STR("NUL byte", why);
}

static void fields_of_a_line(void **state)
{
	static const char text[] =
		"v=0\r\no=alice 2890 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=3034423619 3042462419\r\n"
		"a=sendonly\r\n"
		"m=audio 49170 RTP/AVP 0 101\r\n"
		"m=audio 49180/2 RTP/SAVP 8\r\nc=IN IP6 2001:db8::1/64\r\n"
		"a=rtcp:53020 IN IP4 192.0.2.9\r\na=rtcp-mux\r\na=ptime:30\r\na=maxptime: 40\r\n"
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\na=inactive\r\n"
		"m=video 0 RTP/AVP 31\r\na=rtcp:70000\r\na=rtcp:\r\na=ptime\r\na=ptime:x\r\n";
	const char *why;
	struct sdp sdp;
	const struct sdp_media *m = sdp.media;

	assert_int_equal(sdp_parse(&sdp, str_of(text), &why), 0);
	CHECK(is(sdp.origin, "alice 2890 1 IN IP4 192.0.2.1"));
	CHECK(is(sdp.timing, "3034423619 3042462419"));
	CHECK_INT(3, sdp.media_count);

	CHECK(is(m[0].media, "audio") && is(m[0].proto, "RTP/AVP") && is(m[0].formats, "0 101"));
	CHECK(is(m[0].host, "192.0.2.1") && !m[0].rtcp_host.p && !m[0].lines.n);
	CHECK_INT(49170, m[0].port);
	CHECK_INT(0, m[0].rtcp_port);
	CHECK_INT(SDP_SENDONLY, m[0].direction);
	CHECK(!m[0].rtcp_mux && !m[0].crypto && !m[0].ptime_ms);

	CHECK(is(m[1].proto, "RTP/SAVP") && is(m[1].host, "2001:db8::1") && is(m[1].rtcp_host, "192.0.2.9"));
	CHECK_INT(49180, m[1].port);
	CHECK_INT(53020, m[1].rtcp_port);
	CHECK_INT(SDP_INACTIVE, m[1].direction);
	CHECK(m[1].rtcp_mux && m[1].crypto);
	CHECK_INT(30, m[1].ptime_ms);
	CHECK_INT(40, m[1].maxptime_ms);

	CHECK(is(m[2].media, "video"));
	CHECK_INT(0, m[2].port);
	CHECK_INT(0, m[2].rtcp_port);
	CHECK_INT(0, m[2].ptime_ms);
}

static void formats_with_their_lines(void **state)
{
	static const char text[] = HEAD "m=audio 4000 RTP/AVP 111 0 x 0 300 101 9 96 97\r\n"
					"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10; useinbandfec=1\r\n"
					"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
					"a=rtpmap:5 DVI4/8000\r\na=rtpmap:9\r\na=rtpmap:96 /8000\r\n"
					"a=rtpmap:97 L16/x\r\na=rtpmap: 97 L16/44100/300\r\na=fmtp:999 y\r\n";
	struct sdp_format f[SDP_MAX_FORMATS];
	const char *why;
	struct sdp sdp;

	assert_int_equal(sdp_parse(&sdp, str_of(text), &why), 0);
	CHECK(is(sdp_first_format(sdp.media), "111"));
	assert_int_equal(sdp_formats(sdp.media, f), 6);
	CHECK_INT(111, f[0].payload_type);
	CHECK(is(f[0].name, "opus") && is(f[0].fmtp, "minptime=10; useinbandfec=1"));
	CHECK_INT(48000, f[0].clock_hz);
	CHECK_INT(2, f[0].channels);
	CHECK_INT(0, f[1].payload_type);
	CHECK(!f[1].name.p && !f[1].fmtp.p);
	CHECK(is(f[2].name, "telephone-event") && is(f[2].fmtp, "0-15"));
	CHECK_INT(1, f[2].channels);
	CHECK(!f[3].name.p && !f[4].name.p && !f[5].name.p);
}

static void limits_hold(void **state)
{
	struct sdp_format f[SDP_MAX_FORMATS];
	struct buf b = { 0 };
	const char *why;
	struct sdp sdp;

	buf_cstr(&b, HEAD "m=audio 4000 RTP/AVP");
	for (unsigned i = 0; i < 128; i++)
		buf_printf(&b, " %u", i);
	CHECK_INT(0, sdp_parse(&sdp, buf_view(&b), &why));
	CHECK_INT(SDP_MAX_FORMATS, sdp_formats(sdp.media, f));
	for (unsigned i = 1; i < SDP_MAX_MEDIA; i++)
		buf_cstr(&b, "\r\nm=audio 0 RTP/AVP 0");
	CHECK_INT(0, sdp_parse(&sdp, buf_view(&b), &why));
	CHECK_INT(SDP_MAX_MEDIA, sdp.media_count);
	buf_cstr(&b, "\r\nm=audio 0 RTP/AVP 0");
	CHECK(sdp_parse(&sdp, buf_view(&b), &why) != 0);
	CHECK_STR("too many m= lines", why);
	buf_free(&b);
}

static void printing(void **state)
{
	struct sdp_origin o = { .session_id = 18446744073709551615ull, .version = 7, .host = "::1", .v6 = true };
	struct sdp_format f = {
		.name = STR("opus"), .fmtp = STR("x=1"), .clock_hz = 48000, .channels = 2, .payload_type = 111
	};
	struct buf b = { 0 };

	sdp_print_session(&b, &o);
	sdp_print_format(&b, &f);
	sdp_print_direction(&b, SDP_RECVONLY);
	CHECK_STR("v=0\r\no=- 18446744073709551615 7 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\n"
		  "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 x=1\r\na=recvonly\r\n",
		  b.data);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_refused_and_what_is_forgiven),
		TEST(nul_bytes_are_refused),
		TEST(fields_of_a_line),
		TEST(formats_with_their_lines),
		TEST(limits_hold),
		TEST(printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
