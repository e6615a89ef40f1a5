#include "check.h"

#include "media/offer.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define OUR_HEAD "v=0\r\no=- 42 3 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
#define EVENT "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"

static struct media_local local_with(const char *codecs)
{
	struct media_local l = { .session_id = 42, .version = 3 };

	addr_parse(&l.rtp, STR("198.51.100.7"), 20000);
	codec_list_parse(&l.codecs, str_of(codecs), NULL, NULL);
	return l;
}

static void check_addr(const char *want, const struct addr *a)
{
	char text[ADDR_TEXT];

	CHECK_STR(want, addr_text(a, text));
}

static void our_offer_names_everything(void **state)
{
	struct media_local l = local_with("OPUS,G722,PCMU,PCMA,G729");
	struct buf b = { 0 };

	offer_print(&b, &l);
	CHECK_STR(OUR_HEAD "m=audio 20000 RTP/AVP 111 9 0 8 18 101 110\r\n"
			   "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=rtpmap:9 G722/8000\r\n"
			   "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\n"
			   "a=fmtp:18 annexb=no\r\n" EVENT
			   "a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
		  b.data);
	buf_reset(&b);
	l = local_with("PCMA");
	addr_parse(&l.rtp, STR("2001:db8::1"), 20002);
	l.direction = MEDIA_SENDONLY;
	offer_print(&b, &l);
	CHECK_STR("v=0\r\no=- 42 3 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
		  "m=audio 20002 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n" EVENT "a=ptime:20\r\na=sendonly\r\n",
		  b.data);
	buf_free(&b);
}

static void answers_keep_number_and_order_of_lines(void **state)
{
	struct media_local l = local_with("PCMU,PCMA");
	struct media_agreed a;
	struct buf b = { 0 };
	const char *why;
	static const char offer[] = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=10 20\r\n"
				    "m=video 5000 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\n"
				    "m=audio 5002 RTP/SAVP 8\r\n"
				    "m=audio 5004 RTP/AVP 18 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\n"
				    "m=audio 5006 RTP/AVP 0\r\nm=image 5008 udptl t38\r\n";

	CHECK_INT(OFFER_OK, offer_answer(&l, str_of(offer), &b, &a, &why));
	CHECK_STR("v=0\r\no=- 42 3 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=10 20\r\n"
		  "m=video 0 RTP/AVP 96\r\nm=audio 0 RTP/SAVP 8\r\n"
		  "m=audio 20000 RTP/AVP 8 97\r\na=rtpmap:8 PCMA/8000\r\n"
		  "a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
		  "m=audio 0 RTP/AVP 0\r\nm=image 0 udptl t38\r\n",
		  b.data);
	CHECK_INT(CODEC_PCMA, a.codec);
	CHECK_INT(8, a.send_pt);
	CHECK_INT(97, a.event_recv_pt);
	check_addr("192.0.2.1:5004", &a.remote);
	check_addr("192.0.2.1:5005", &a.remote_rtcp);
	buf_free(&b);
}

static void answers_choose_one_codec(void **state)
{
	static const struct {
		const char *ours, *prefer, *theirs;
		enum offer_result want;
		enum codec_id codec;
		uint8_t pt, event;
	} rows[] = {
		{ "PCMU,PCMA", NULL, "8 0", OFFER_OK, CODEC_PCMA, 8, 255 },
		{ "PCMU,PCMA", "PCMU", "8 0", OFFER_OK, CODEC_PCMU, 0, 255 },
		{ "PCMU,PCMA", "G722,PCMU,PCMA", "9 8 0", OFFER_OK, CODEC_PCMU, 0, 255 },
		{ "PCMU,PCMA", "G729", "8 0", OFFER_OK, CODEC_PCMA, 8, 255 },
		{ "OPUS", NULL, "96 101\r\na=rtpmap:96 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000", OFFER_OK,
		  CODEC_OPUS, 96, 101 },
		{ "OPUS", NULL, "96\r\na=rtpmap:96 opus/48000", OFFER_OK, CODEC_OPUS, 96, 255 },
		{ "OPUS", NULL, "96\r\na=rtpmap:96 opus/16000/2", OFFER_NO_CODEC, 0, 0, 0 },
		{ "OPUS", NULL, "111", OFFER_NO_CODEC, 0, 0, 0 }, /* a dynamic number without rtpmap says nothing */
		{ "G722", NULL, "9\r\na=rtpmap:9 G722/16000", OFFER_OK, CODEC_G722, 9, 255 },
		{ "G729", NULL, "18\r\na=rtpmap:18 g729/8000/1\r\na=fmtp:18 annexb=yes", OFFER_OK, CODEC_G729, 18,
		  255 },
		{ "PCMU", NULL, "0\r\na=rtpmap:0 PCMU/16000", OFFER_NO_CODEC, 0, 0, 0 },
		{ "PCMU", NULL, "0\r\na=rtpmap:0 PCMU/8000/2", OFFER_NO_CODEC, 0, 0, 0 },
		{ "PCMU", NULL, "99\r\na=rtpmap:99 PCMU/8000", OFFER_OK, CODEC_PCMU, 99, 255 },
		{ "PCMU", NULL, "8 18", OFFER_NO_CODEC, 0, 0, 0 },
		{ "PCMU", NULL, "101\r\na=rtpmap:101 telephone-event/8000", OFFER_NO_CODEC, 0, 0, 0 },
		{ "PCMU", NULL, "0 100\r\na=rtpmap:100 telephone-event/48000", OFFER_OK, CODEC_PCMU, 0, 100 },
		{ "PCMU", NULL, "0 100\r\na=rtpmap:100 telephone-event/16000", OFFER_OK, CODEC_PCMU, 0, 255 },
		{ "OPUS", NULL,
		  "96 101 102\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
		  "a=rtpmap:102 telephone-event/48000",
		  OFFER_OK, CODEC_OPUS, 96, 102 },
		{ "PCMU", NULL, "0 100 102\r\na=rtpmap:100 telephone-event/48000\r\na=rtpmap:102 telephone-event/8000",
		  OFFER_OK, CODEC_PCMU, 0, 102 },
		{ "", NULL, "0", OFFER_NO_CODEC, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with(rows[i].ours);
		struct media_agreed a = { 0 };
		struct codec_list prefer;
		struct buf offer = { 0 }, b = { 0 };
		const char *why = NULL;

		codec_list_parse(&prefer, str_of(rows[i].prefer), NULL, NULL);
		if (rows[i].prefer)
			l.prefer = &prefer;
		buf_printf(&offer, HEAD "m=audio 5004 RTP/AVP %s\r\n", rows[i].theirs);
		CHECK_INT(rows[i].want, offer_answer(&l, buf_view(&offer), &b, &a, &why));
		if (rows[i].want == OFFER_OK) {
			CHECK_INT(rows[i].codec, a.codec);
			CHECK_INT(rows[i].pt, a.send_pt);
			CHECK_INT(rows[i].pt, a.recv_pt);
			CHECK_INT(rows[i].event, a.event_send_pt);
			CHECK_INT(rows[i].event, a.event_recv_pt);
		} else {
			CHECK(why && !b.len);
		}
		buf_free(&offer);
		buf_free(&b);
	}
}

static void offers_that_are_refused(void **state)
{
	static const struct {
		const char *offer;
		enum offer_result want;
		const char *why;
	} rows[] = {
		{ "", OFFER_BAD, "empty" },
		{ "hello", OFFER_BAD, "no v=0 line" },
		{ HEAD, OFFER_NO_AUDIO, "no audio line" },
		{ HEAD "m=video 5000 RTP/AVP 0\r\n", OFFER_NO_AUDIO, "no audio line" },
		{ HEAD "m=audio 0 RTP/AVP 0\r\n", OFFER_NO_AUDIO, "the audio line is declined" },
		{ HEAD "m=audio 5000 RTP/SAVP 0\r\n", OFFER_NO_AUDIO, "the peer offers SRTP, which is forbidden here" },
		{ HEAD "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\n", OFFER_NO_AUDIO,
		  "the audio line has another profile than RTP/AVP and RTP/SAVP" },
		{ HEAD "m=audio 5000 RTP/AVP 8\r\n", OFFER_NO_CODEC, "no codec in common" },
		{ "v=0\r\nm=audio 5000 RTP/AVP 0\r\n", OFFER_NO_AUDIO, "no c= line with an address" },
		{ "v=0\r\nc=IN IP4 host.example\r\nm=audio 5000 RTP/AVP 0\r\n", OFFER_NO_AUDIO,
		  "the address of the c= line is not numeric" },
		{ "v=0\r\nc=IN IP6 ::1\r\nm=audio 5000 RTP/AVP 0\r\n", OFFER_NO_AUDIO,
		  "the address of the c= line is of the other IP family" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with("PCMU");
		struct buf b = { 0 };
		struct media_agreed a;
		const char *why = NULL;

		CHECK_INT(rows[i].want, offer_answer(&l, str_of(rows[i].offer), &b, &a, &why));
		CHECK_STR(rows[i].why, why);
		CHECK_INT(0, b.len);
		buf_free(&b);
	}
}

static void directions_are_mirrored(void **state)
{
	static const struct {
		const char *theirs, *host;
		enum media_direction ours, want;
		const char *answer;
	} rows[] = {
		{ "sendrecv", "192.0.2.1", MEDIA_SENDRECV, MEDIA_SENDRECV, "a=sendrecv\r\n" },
		{ "sendonly", "192.0.2.1", MEDIA_SENDRECV, MEDIA_RECVONLY, "a=recvonly\r\n" },
		{ "recvonly", "192.0.2.1", MEDIA_SENDRECV, MEDIA_SENDONLY, "a=sendonly\r\n" },
		{ "inactive", "192.0.2.1", MEDIA_SENDRECV, MEDIA_INACTIVE, "a=inactive\r\n" },
		{ "sendrecv", "192.0.2.1", MEDIA_SENDONLY, MEDIA_SENDONLY, "a=sendonly\r\n" },
		{ "sendonly", "192.0.2.1", MEDIA_SENDONLY, MEDIA_INACTIVE, "a=inactive\r\n" },
		{ "sendrecv", "192.0.2.1", MEDIA_RECVONLY, MEDIA_RECVONLY, "a=recvonly\r\n" },
		{ "sendrecv", "192.0.2.1", MEDIA_INACTIVE, MEDIA_INACTIVE, "a=inactive\r\n" },
		{ "sendrecv", "0.0.0.0", MEDIA_SENDRECV, MEDIA_RECVONLY, "a=recvonly\r\n" },
		{ "recvonly", "0.0.0.0", MEDIA_SENDRECV, MEDIA_INACTIVE, "a=inactive\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with("PCMU");
		struct buf offer = { 0 }, b = { 0 };
		struct media_agreed a = { 0 };
		const char *why;

		l.direction = rows[i].ours;
		buf_printf(&offer, "v=0\r\nc=IN IP4 %s\r\nm=audio 5004 RTP/AVP 0\r\na=%s\r\n", rows[i].host,
			   rows[i].theirs);
		CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &b, &a, &why));
		CHECK_INT(rows[i].want, a.direction);
		CHECK(b.data && strstr(b.data, rows[i].answer) != NULL);
		a.direction = 99;
		CHECK_INT(OFFER_OK, offer_accept(&l, buf_view(&offer), &a, &why));
		CHECK_INT(rows[i].want, a.direction);
		buf_free(&offer);
		buf_free(&b);
	}
}

static void rtcp_goes_where_they_say(void **state)
{
	static const struct {
		const char *lines, *rtcp;
		bool mux;
	} rows[] = {
		{ "", "192.0.2.1:5005", false },
		{ "a=rtcp:6000\r\n", "192.0.2.1:6000", false },
		{ "a=rtcp:6000 IN IP4 192.0.2.2\r\n", "192.0.2.2:6000", false },
		{ "a=rtcp:6000 IN IP4 name.example\r\n", "192.0.2.1:6000", false },
		{ "a=rtcp:6000 IN IP6 ::1\r\n", "192.0.2.1:6000", false },
		{ "a=rtcp:6000\r\na=rtcp-mux\r\n", "192.0.2.1:5004", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with("PCMU");
		struct buf offer = { 0 }, b = { 0 };
		struct media_agreed a = { 0 };
		const char *why;

		buf_printf(&offer, HEAD "m=audio 5004 RTP/AVP 0\r\na=ptime:30\r\n%s", rows[i].lines);
		CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &b, &a, &why));
		check_addr(rows[i].rtcp, &a.remote_rtcp);
		CHECK_INT(rows[i].mux, a.rtcp_mux);
		CHECK_INT(rows[i].mux, strstr(b.data, "a=rtcp-mux\r\n") != NULL);
		CHECK_INT(30, a.ptime_ms);
		/* We did not offer mux, so an answer cannot agree to it. */
		CHECK_INT(OFFER_OK, offer_accept(&l, buf_view(&offer), &a, &why));
		CHECK(!a.rtcp_mux);
		buf_free(&offer);
		buf_free(&b);
	}
}

static void packets_are_as_long_as_they_want(void **state)
{
	static const struct {
		const char *codec, *lines, *answer;
		uint8_t want_ms;
	} rows[] = {
		{ "PCMU", "", "a=ptime:20\r\na=sendrecv", 20 },
		{ "PCMU", "a=ptime:10\r\n", "a=ptime:10\r\na=maxptime:60\r\n", 10 },
		{ "PCMU", "a=ptime:30\r\n", "a=ptime:30\r\na=maxptime:60\r\n", 30 },
		{ "PCMU", "a=ptime:40\r\n", "a=ptime:40\r\n", 40 },
		{ "PCMU", "a=ptime:50\r\n", "a=ptime:40\r\n", 40 },
		{ "PCMU", "a=ptime:60\r\na=maxptime:120\r\n", "a=ptime:60\r\n", 60 },
		{ "PCMU", "a=ptime:4000000000\r\n", "a=ptime:20\r\n", 20 },
		{ "PCMU", "a=ptime:240\r\n", "a=ptime:60\r\n", 60 },
		{ "PCMU", "a=maxptime:10\r\n", "a=ptime:10\r\na=maxptime:60\r\n", 10 },
		{ "PCMU", "a=ptime:60\r\na=maxptime:30\r\n", "a=ptime:30\r\n", 30 },
		{ "PCMU", "a=ptime:5\r\n", "a=ptime:10\r\n", 10 },
		{ "OPUS", "a=ptime:30\r\n", "a=ptime:20\r\n", 20 },
		{ "OPUS", "a=ptime:60\r\n", "a=ptime:60\r\n", 60 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with(rows[i].codec);
		struct buf offer = { 0 }, b = { 0 };
		struct media_agreed a = { 0 };
		const char *why;

		buf_printf(&offer, HEAD "m=audio 5004 RTP/AVP 0 111\r\na=rtpmap:111 opus/48000/2\r\n%s", rows[i].lines);
		CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &b, &a, &why));
		CHECK_INT(rows[i].want_ms, a.packet_ms);
		CHECK(strstr(b.data, rows[i].answer) != NULL);
		CHECK_INT(OFFER_OK, offer_accept(&l, buf_view(&offer), &a, &why));
		CHECK_INT(rows[i].want_ms, a.packet_ms);
		buf_free(&offer);
		buf_free(&b);
	}
}

static void their_answers(void **state)
{
	static const struct {
		const char *answer;
		enum offer_result want;
		enum codec_id codec;
		uint8_t send, recv, event_send, event_recv;
		uint32_t clock_hz;
	} rows[] = {
		{ "m=audio 5000 RTP/AVP 111 101 110\r\na=rtpmap:111 opus/48000/2\r\n"
		  "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 telephone-event/48000\r\n",
		  OFFER_OK, CODEC_OPUS, 111, 111, 110, 110, 48000 },
		{ "m=audio 5000 RTP/AVP 0 110 101\r\na=rtpmap:101 telephone-event/8000\r\n"
		  "a=rtpmap:110 telephone-event/48000\r\n",
		  OFFER_OK, CODEC_PCMU, 0, 0, 101, 101, 8000 },
		{ "m=audio 5000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/48000\r\n", OFFER_OK, CODEC_PCMU, 0, 0, 97,
		  110, 48000 },
		{ "m=audio 5000 RTP/AVP 0\r\n", OFFER_OK, CODEC_PCMU, 0, 0, 255, 255, 0 },
		{ "m=audio 5000 RTP/AVP 111 101\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
		  OFFER_OK, CODEC_OPUS, 111, 111, 101, 101, 8000 },
		{ "m=audio 5000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/8000\r\n",
		  OFFER_OK, CODEC_OPUS, 96, 111, 97, 101, 8000 },
		{ "m=audio 5000 RTP/AVP 111\r\n", OFFER_OK, CODEC_OPUS, 111, 111, 255, 255, 0 },
		{ "m=audio 5000 RTP/AVP 18 0\r\n", OFFER_OK, CODEC_PCMU, 0, 0, 255, 255, 0 },
		{ "m=audio 5000 RTP/AVPF 0\r\n", OFFER_OK, CODEC_PCMU, 0, 0, 255, 255, 0 },
		{ "m=audio 5000 RTP/AVP 8\r\n", OFFER_NO_CODEC, 0, 0, 0, 0, 0, 0 },
		{ "m=audio 0 RTP/AVP 0\r\n", OFFER_NO_AUDIO, 0, 0, 0, 0, 0, 0 },
		{ "m=audio 5000 RTP/SAVP 0\r\n", OFFER_NO_AUDIO, 0, 0, 0, 0, 0, 0 },
		{ "m=video 0 RTP/AVP 0\r\nm=audio 5000 RTP/AVP 0\r\n", OFFER_NO_AUDIO, 0, 0, 0, 0, 0, 0 },
		{ "", OFFER_NO_AUDIO, 0, 0, 0, 0, 0, 0 },
		{ "m=", OFFER_BAD, 0, 0, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with("OPUS,PCMU");
		struct buf answer = { 0 };
		struct media_agreed a = { 0 };
		const char *why;

		buf_printf(&answer, HEAD "%s", rows[i].answer);
		CHECK_INT(rows[i].want, offer_accept(&l, buf_view(&answer), &a, &why));
		if (rows[i].want == OFFER_OK) {
			CHECK_INT(rows[i].codec, a.codec);
			CHECK_INT(rows[i].send, a.send_pt);
			CHECK_INT(rows[i].recv, a.recv_pt);
			CHECK_INT(rows[i].event_send, a.event_send_pt);
			CHECK_INT(rows[i].event_recv, a.event_recv_pt);
			CHECK_INT(rows[i].clock_hz, a.event_clock_hz);
			check_addr("192.0.2.1:5000", &a.remote);
		} else {
			CHECK(why != NULL);
		}
		buf_free(&answer);
	}
}

/* RFC 3264 §8.3.2: a number keeps its meaning as long as the session lives. */
static void offers_inside_a_session_keep_payload_types(void **state)
{
	struct media_agreed before = { .codec = CODEC_OPUS,
				       .recv_pt = 101,
				       .event_recv_pt = 111,
				       .event_clock_hz = 8000,
				       .lines = 1 },
			    a = { 0 };
	struct media_local l = local_with("OPUS");
	struct buf b = { 0 };
	const char *why;

	l.before = &before;
	offer_print(&b, &l);
	CHECK(strstr(b.data, "m=audio 20000 RTP/AVP 101 111 110\r\na=rtpmap:101 opus/48000/2\r\n") != NULL);
	CHECK(strstr(b.data, "a=rtpmap:111 telephone-event/8000\r\n") != NULL);
	CHECK_INT(OFFER_OK,
		  offer_accept(&l, STR(HEAD "m=audio 5000 RTP/AVP 101\r\na=rtpmap:101 opus/48000/2\r\n"), &a, &why));
	CHECK_INT(101, a.recv_pt);

	/* Events were not agreed before, and 101 is something else by now: another number is found. */
	before.event_recv_pt = MEDIA_NO_PT;
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK(strstr(b.data, "m=audio 20000 RTP/AVP 101 96 110\r\n") != NULL);
	buf_free(&b);
}

/* RFC 3264 §8: so do its lines, declined or not. */
static void offers_inside_a_session_keep_lines(void **state)
{
	static const char offer[] =
		HEAD "m=video 5000 RTP/AVP 96\r\nm=audio 5002 RTP/AVP 8\r\nm=image 5004 udptl t38\r\n";
	static const char answer[] = HEAD "m=audio 0 RTP/AVP 0\r\nm=audio 6002 RTP/AVP 8\r\nm=audio 0 RTP/AVP 0\r\n";
	struct media_local l = local_with("PCMA");
	struct media_agreed first, a;
	struct buf b = { 0 };
	const char *why;

	CHECK_INT(OFFER_OK, offer_answer(&l, STR(offer), &b, &first, &why));
	CHECK_INT(1, first.line);
	CHECK_INT(3, first.lines);
	l.before = &first;
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK_STR(OUR_HEAD "m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n" EVENT
			   "a=ptime:20\r\na=sendrecv\r\nm=audio 0 RTP/AVP 0\r\n",
		  b.data);
	CHECK_INT(OFFER_OK, offer_accept(&l, STR(answer), &a, &why));
	check_addr("192.0.2.1:6002", &a.remote);
	CHECK_INT(1, a.line);
	CHECK_INT(3, a.lines);
	CHECK_INT(OFFER_NO_AUDIO, offer_accept(&l, STR(HEAD "m=audio 6002 RTP/AVP 8\r\n"), &a, &why));
	buf_free(&b);
}

static void codecs_of_an_offer(void **state)
{
	static const struct {
		const char *text;
		enum offer_result want;
		const char *codecs;
	} rows[] = {
		{ HEAD "m=video 1 RTP/AVP 9\r\nm=audio 2 RTP/AVP 8 96 3 0 8\r\na=rtpmap:96 opus/48000/2\r\n", OFFER_OK,
		  "PCMA,OPUS,PCMU" },
		{ HEAD "m=audio 2 RTP/AVP 3\r\n", OFFER_OK, "" },
		{ HEAD "m=audio 2 RTP/SAVP 8\r\nm=audio 2 RTP/AVP 0\r\n", OFFER_OK, "PCMU" },
		{ HEAD "m=audio 2 RTP/SAVP 0\r\n", OFFER_NO_AUDIO, "" },
		{ "x", OFFER_BAD, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct codec_list want, got = { .count = 0 };
		const char *why;

		codec_list_parse(&want, str_of(rows[i].codecs), NULL, NULL);
		CHECK_INT(rows[i].want, offer_codecs(str_of(rows[i].text), MEDIA_FORBIDDEN, &got, &why));
		CHECK_INT(want.count, got.count);
		CHECK(!memcmp(want.items, got.items, want.count * sizeof(want.items[0])));
	}
}

/* Whatever we offer we can answer ourselves, and both sides then agree. */
static void two_of_us_agree(void **state)
{
	struct media_local a = local_with("OPUS,PCMU"), b = local_with("G729,PCMU");
	struct media_agreed at_a, at_b;
	struct buf offer = { 0 }, answer = { 0 };
	const char *why;

	addr_parse(&b.rtp, STR("198.51.100.8"), 30000);
	offer_print(&offer, &a);
	CHECK_INT(OFFER_OK, offer_answer(&b, buf_view(&offer), &answer, &at_b, &why));
	CHECK_INT(OFFER_OK, offer_accept(&a, buf_view(&answer), &at_a, &why));
	CHECK_INT(CODEC_PCMU, at_a.codec);
	CHECK_INT(at_a.codec, at_b.codec);
	CHECK_INT(at_a.send_pt, at_b.recv_pt);
	CHECK_INT(at_a.event_send_pt, at_b.event_recv_pt);
	CHECK_INT(101, at_b.event_send_pt);
	check_addr("198.51.100.8:30000", &at_a.remote);
	check_addr("198.51.100.7:20000", &at_b.remote);
	buf_free(&offer);
	buf_free(&answer);
}

/* What they say of Opus in an offer and in an answer; rubbish says nothing. */
static void opus_is_read(void **state)
{
	static const struct {
		const char *fmtp;
		struct opus_wish want;
	} rows[] = {
		{ NULL, { 0 } },
		{ "minptime=10;useinbandfec=1", { .fec = true } },
		{ "stereo=1; sprop-stereo=1; UseDTX = 1; cbr=1;useinbandfec=0", { .dtx = true, .constant = true } },
		{ "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000",
		  { .most_bit_s = 20000, .most_hz = 16000, .sends_hz = 16000 } },
		{ "sprop-maxcapturerate=7999;maxplaybackrate=8000", { .most_hz = 8000 } },
		{ "maxaveragebitrate=5999;maxplaybackrate=48001;usedtx=2;cbr=yes;useinbandfec", { 0 } },
		{ "maxaveragebitrate=-20000;maxplaybackrate=;;=;usedtx=11", { 0 } },
		{ "maxaveragebitrate=99999999999999999999", { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with("OPUS");
		struct media_agreed a = { 0 }, b = { 0 };
		struct buf sdp = { 0 }, answer = { 0 };
		const char *why = NULL;

		buf_cstr(&sdp, HEAD "m=audio 5004 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n");
		if (rows[i].fmtp)
			buf_printf(&sdp, "a=fmtp:111 %s\r\n", rows[i].fmtp);
		CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&sdp), &answer, &a, &why));
		CHECK_INT(OFFER_OK, offer_accept(&l, buf_view(&sdp), &b, &why));
		for (int k = 0; k < 2; k++) {
			const struct opus_wish *w = k ? &b.opus : &a.opus;

			CHECK_INT(rows[i].want.most_bit_s, w->most_bit_s);
			CHECK_INT(rows[i].want.most_hz, w->most_hz);
			CHECK_INT(rows[i].want.sends_hz, w->sends_hz);
			CHECK_INT(rows[i].want.fec, w->fec);
			CHECK_INT(rows[i].want.dtx, w->dtx);
			CHECK_INT(rows[i].want.constant, w->constant);
		}
		buf_free(&sdp);
		buf_free(&answer);
	}
}

/* The line of Opus in an SDP, without its number; "" = there is none. */
static const char *opus_line(const struct buf *sdp, char out[200])
{
	const char *at = strstr(sdp->data, "a=fmtp:111 ");

	str_copy(out, 200, at ? (struct str){ at + 11, strcspn(at + 11, "\r") } : STR(""));
	return out;
}

/* What the other end can use stands in offer, answer and re-offer, and is read as it was meant. */
static void opus_is_said(void **state)
{
	static const char all[] = "maxplaybackrate=12000;sprop-maxcapturerate=24000;maxaveragebitrate=20000;cbr=1;"
				  "useinbandfec=1;usedtx=1";
	static const struct opus_wish nothing = { 0 }, fec = { .fec = true };
	const struct opus_wish phone = opus_wish_of_rate(8000), wide = opus_wish_of_rate(16000),
			       full = opus_wish_of_rate(48000);
	const struct opus_wish every = {
		.most_bit_s = 20000, .most_hz = 12000, .sends_hz = 24000, .fec = true, .dtx = true, .constant = true
	};
	const struct {
		const struct opus_wish *wish;
		const char *want;
	} rows[] = {
		{ NULL, "useinbandfec=1" },
		{ &nothing, "" },
		{ &fec, "useinbandfec=1" },
		{ &full, "useinbandfec=1" },
		{ &phone, "maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1" },
		{ &wide, "maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1" },
		{ &every, all },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local a = local_with("PCMU,OPUS"), b = local_with("OPUS");
		struct media_agreed at_a, at_b = { 0 };
		struct buf offer = { 0 }, answer = { 0 };
		const char *why;
		char line[200];

		a.opus = b.opus = rows[i].wish;
		offer_print(&offer, &a);
		CHECK_STR(rows[i].want, opus_line(&offer, line));
		CHECK_INT(OFFER_OK, offer_answer(&b, buf_view(&offer), &answer, &at_b, &why));
		CHECK_STR(rows[i].want, opus_line(&answer, line));
		CHECK_INT(OFFER_OK, offer_accept(&a, buf_view(&answer), &at_a, &why));
		if (rows[i].wish) {
			CHECK_INT(rows[i].wish->most_hz, at_b.opus.most_hz);
			CHECK_INT(rows[i].wish->sends_hz, at_b.opus.sends_hz);
			CHECK_INT(rows[i].wish->most_bit_s, at_a.opus.most_bit_s);
			CHECK_INT(rows[i].wish->constant, at_a.opus.constant);
		}
		/* Inside the session somebody else is at the other end. */
		a.before = &at_a;
		a.opus = NULL;
		buf_reset(&offer);
		offer_print(&offer, &a);
		CHECK_STR("useinbandfec=1", opus_line(&offer, line));
		buf_free(&offer);
		buf_free(&answer);
	}
}

/* The widest codec of an offer that is ours too; of Opus what it says. */
static void offers_tell_what_they_can_use(void **state)
{
	static const struct {
		const char *ours, *line;
		bool known;
		uint32_t most_hz, most_bit_s;
	} rows[] = {
		{ "OPUS,G722,PCMU", "0 8\r\n", true, 8000, 0 },
		{ "OPUS,G722,PCMU,G729", "18\r\n", true, 8000, 0 },
		{ "OPUS,G722,PCMU", "0 9\r\n", true, 16000, 0 },
		{ "OPUS,PCMU", "0 9\r\n", true, 8000, 0 },
		{ "PCMU,OPUS", "0 9 111\r\na=rtpmap:111 opus/48000/2\r\n", true, 0, 0 },
		{ "PCMU,OPUS",
		  "0 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxplaybackrate=16000;maxaveragebitrate=9000\r\n",
		  true, 16000, 9000 },
		{ "PCMU,G722", "0 9 111\r\na=rtpmap:111 opus/48000/2\r\n", true, 16000, 0 },
		{ "PCMU", "8\r\n", false, 0, 0 },
		{ "PCMU", "0\r\na=crypto\r\nm=audio x", false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_local l = local_with(rows[i].ours);
		struct opus_wish w = { 0 };
		struct buf sdp = { 0 };

		buf_printf(&sdp, HEAD "m=audio 5004 RTP/AVP %s", rows[i].line);
		CHECK_INT(rows[i].known, offer_opus(buf_view(&sdp), MEDIA_OPTIONAL, &l.codecs, &w));
		CHECK_INT(rows[i].most_hz, w.most_hz);
		CHECK_INT(rows[i].most_bit_s, w.most_bit_s);
		buf_free(&sdp);
	}
}

static void wishes_are_compared(void **state)
{
	const struct opus_wish phone = opus_wish_of_rate(8000), wide = opus_wish_of_rate(16000), full = { 0 },
			       few = { .most_bit_s = 9000 }, more = { .most_bit_s = 20000 };

	CHECK(opus_wish_exceeds(&wide, &phone) && opus_wish_exceeds(&full, &phone) && opus_wish_exceeds(&full, &wide));
	CHECK(!opus_wish_exceeds(&phone, &phone) && !opus_wish_exceeds(&phone, &wide) &&
	      !opus_wish_exceeds(&phone, &full));
	CHECK(opus_wish_exceeds(&more, &few) && opus_wish_exceeds(&full, &few) && opus_wish_exceeds(&phone, &few));
	CHECK(!opus_wish_exceeds(&few, &more) && !opus_wish_exceeds(&few, &full) && !opus_wish_exceeds(&full, &full));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opus_is_read),
		TEST(opus_is_said),
		TEST(offers_tell_what_they_can_use),
		TEST(wishes_are_compared),
		TEST(our_offer_names_everything),
		TEST(answers_keep_number_and_order_of_lines),
		TEST(answers_choose_one_codec),
		TEST(offers_that_are_refused),
		TEST(directions_are_mirrored),
		TEST(rtcp_goes_where_they_say),
		TEST(packets_are_as_long_as_they_want),
		TEST(their_answers),
		TEST(offers_inside_a_session_keep_payload_types),
		TEST(offers_inside_a_session_keep_lines),
		TEST(codecs_of_an_offer),
		TEST(two_of_us_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
