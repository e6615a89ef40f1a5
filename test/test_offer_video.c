/* Video in offers and answers: what is taken, what is declined, and what either side is told of the other. */
#include "check.h"

#include "base/loop.h"
#include "media/offer.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define OUR_HEAD "v=0\r\no=- 42 3 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 0\r\n"
#define OUR_AUDIO "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
#define VP8 "a=rtpmap:96 VP8/90000\r\n"
#define H264 "a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f;packetization-mode=1\r\n"

enum { BOTH = 1 << CODEC_VP8 | 1 << CODEC_H264 };

static struct media_video video_with(const char *formats)
{
	struct media_video v = { .codecs = BOTH, .agreed = { .codec = CODEC_COUNT } };

	assert_int_equal(addr_parse(&v.rtp, STR("198.51.100.7"), 20002), 0);
	if (strstr(formats, "vp8"))
		video_add(&v.formats, CODEC_VP8, 100, STR("max-fs=3600"));
	if (strstr(formats, "h264"))
		video_add(&v.formats, CODEC_H264, 102, STR("profile-level-id=42E01E; packetization-mode=1"));
	if (strstr(formats, "single"))
		video_add(&v.formats, CODEC_H264, 103, STR("profile-level-id=42e01f"));
	v.formats.feedback = VIDEO_NACK | VIDEO_PLI | VIDEO_FIR;
	return v;
}

static struct media_local local_with(struct media_video *v)
{
	struct media_local l = { .session_id = 42, .version = 3, .video = v };

	codec_list_add(&l.codecs, CODEC_PCMU);
	assert_int_equal(addr_parse(&l.rtp, STR("198.51.100.7"), 20000), 0);
	return l;
}

static void formats_fit_or_not(void **state)
{
	static const struct {
		enum codec_id a, b;
		const char *of_a, *of_b;
		bool want;
	} rows[] = {
		{ CODEC_VP8, CODEC_VP8, "", "max-fs=3600", true },
		{ CODEC_VP8, CODEC_H264, "", "", false },
		{ CODEC_H264, CODEC_H264, "", "", true },
		{ CODEC_H264, CODEC_H264, "", "packetization-mode=0", true },
		{ CODEC_H264, CODEC_H264, "packetization-mode=1", "", false },
		{ CODEC_H264, CODEC_H264, "Packetization-Mode = 1", "x=y; packetization-mode=1 ;z", true },
		{ CODEC_H264, CODEC_H264, "packetization-mode=1", "packetization-mode=2", false },
		{ CODEC_H264, CODEC_H264, "profile-level-id=42e01f", "profile-level-id=42801E", true },
		{ CODEC_H264, CODEC_H264, "profile-level-id=640028", "profile-level-id=42e01f", false },
		{ CODEC_H264, CODEC_H264, "profile-level-id=640028", "profile-level-id=64001f", true },
		{ CODEC_H264, CODEC_H264, "profile-level-id=42000a", "", true },
		{ CODEC_H264, CODEC_H264, "profile-level-id=64", "", true }, /* none that can be read */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct video_formats l = { .count = 0 };
		struct video_format b = { .codec = rows[i].b };

		str_copy(b.fmtp, sizeof(b.fmtp), str_of(rows[i].of_b));
		video_add(&l, rows[i].a, 96, str_of(rows[i].of_a));
		CHECK_INT(1, l.count);
		CHECK_INT(rows[i].want, video_fits(&l.items[0], &b));
		CHECK_INT(rows[i].want, video_fits(&b, &l.items[0]));
		video_add(&l, rows[i].b, 97, str_of(rows[i].of_b));
		CHECK_INT(rows[i].want ? 1 : 2, l.count);
	}
}

/* What is theirs goes to the other party as it is, so it must be clean. */
static void parameters_are_clean_and_short(void **state)
{
	struct video_formats l = { .count = 0 };
	char text[VIDEO_FMTP_BYTES + 1];

	memset(text, 'x', sizeof(text));
	video_add(&l, CODEC_VP8, 96, (struct str){ text, VIDEO_FMTP_BYTES });
	video_add(&l, CODEC_VP8, 96, STR("a=\rm=audio"));
	video_add(&l, CODEC_VP8, 96, STR("caf\xc3\xa9"));
	CHECK_INT(0, l.count);
	video_add(&l, CODEC_VP8, 96, (struct str){ text, VIDEO_FMTP_BYTES - 1 });
	CHECK_INT(1, l.count);
	video_keep(&l, 1 << CODEC_H264);
	CHECK_INT(0, l.count);
	CHECK_INT(VIDEO_PLI, video_feedback_of(STR(" nack pli ")));
	CHECK_INT(VIDEO_NACK, video_feedback_of(STR("nack")));
	CHECK_INT(VIDEO_TMMBR, video_feedback_of(STR("ccm tmmbr smaxpr=120")));
	CHECK_INT(0, video_feedback_of(STR("transport-cc")));
	CHECK_STR("ccm fir", video_feedback_name(VIDEO_FIR));
}

/* Their offer, what the other end has, and the video lines of our answer. */
static void answers_take_what_the_other_end_has(void **state)
{
	static const struct {
		const char *offer, *other, *answer;
		unsigned theirs; /* formats that they could take */
	} rows[] = {
		{ "m=video 5000 RTP/AVP 96\r\n" VP8, "vp8",
		  "m=video 20002 RTP/AVP 96\r\n" VP8 "a=fmtp:96 max-fs=3600\r\na=sendrecv\r\n", 1 },
		/* their order, our parameters */
		{ "m=video 5000 RTP/AVP 97 96\r\n" VP8 H264, "vp8 h264",
		  "m=video 20002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n"
		  "a=fmtp:97 profile-level-id=42E01E; packetization-mode=1\r\na=sendrecv\r\n",
		  2 },
		/* the profile of AVPF is echoed, feedback is what both name */
		{ "m=video 5000 RTP/AVPF 96\r\n" VP8 "a=rtcp-fb:* nack pli\r\na=rtcp-fb:96 goog-remb\r\n"
		  "a=rtcp-fb:96 ccm fir\r\na=rtcp-mux\r\na=sendonly\r\n",
		  "vp8",
		  "m=video 20002 RTP/AVPF 96\r\n" VP8 "a=fmtp:96 max-fs=3600\r\na=rtcp-fb:* nack pli\r\n"
		  "a=rtcp-fb:* ccm fir\r\na=recvonly\r\na=rtcp-mux\r\n",
		  1 },
		/* nothing in common, or not yet */
		{ "m=video 5000 RTP/AVP 97\r\n" H264, "vp8", "m=video 0 RTP/AVP 97\r\n", 1 },
		{ "m=video 5000 RTP/AVP 97\r\n" H264, "single", "m=video 0 RTP/AVP 97\r\n", 1 },
		{ "m=video 5000 RTP/AVP 96\r\n" VP8, "", "m=video 0 RTP/AVP 96\r\n", 1 },
		/* what cannot be taken at all */
		{ "m=video 5000 RTP/AVP 96\r\n", "vp8", "m=video 0 RTP/AVP 96\r\n", 0 },
		{ "m=video 5000 RTP/AVP 31\r\n", "vp8", "m=video 0 RTP/AVP 31\r\n", 0 },
		{ "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/8000\r\n", "vp8", "m=video 0 RTP/AVP 96\r\n", 0 },
		{ "m=video 0 RTP/AVP 96\r\n" VP8, "vp8", "m=video 0 RTP/AVP 96\r\n", 0 },
		{ "m=video 5000 UDP/TLS/RTP/SAVPF 96\r\n" VP8, "vp8", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n", 0 },
		{ "m=video 5000 RTP/SAVP 96\r\n" VP8, "vp8", "m=video 0 RTP/SAVP 96\r\n", 0 },
		/* the other family: its formats are known, and nothing can be sent there */
		{ "m=video 5000 RTP/AVP 96\r\nc=IN IP6 2001:db8::1\r\n" VP8, "vp8", "m=video 0 RTP/AVP 96\r\n", 1 },
		/* one of several */
		{ "m=video 0 RTP/AVP 96\r\nm=video 5002 RTP/AVP 96\r\n" VP8 "m=video 5004 RTP/AVP 96\r\n" VP8, "vp8",
		  "m=video 0 RTP/AVP 96\r\nm=video 20002 RTP/AVP 96\r\n" VP8 "a=fmtp:96 max-fs=3600\r\na=sendrecv\r\n"
		  "m=video 0 RTP/AVP 96\r\n",
		  1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_video v = video_with(rows[i].other);
		struct media_local l = local_with(&v);
		struct buf offer = { 0 }, answer = { 0 }, want = { 0 };
		struct media_agreed a;
		const char *why;

		buf_printf(&offer, "%s%s", HEAD AUDIO, rows[i].offer);
		buf_printf(&want, "%s%s", OUR_HEAD OUR_AUDIO, rows[i].answer);
		CHECK_INT(OFFER_OK, offer_answer(&l, buf_view(&offer), &answer, &a, &why));
		CHECK_STR(want.data, answer.data);
		CHECK_INT(rows[i].theirs, v.theirs.count);
		CHECK_INT(strstr(rows[i].answer, "20002") != NULL, addr_port(&v.agreed.remote) != 0);
		buf_free(&offer);
		buf_free(&answer);
		buf_free(&want);
	}
}

/* Without video here nothing changes for anybody. */
static void without_video_it_is_declined(void **state)
{
	struct media_local l = local_with(NULL);
	struct buf answer = { 0 };
	struct media_agreed a;
	const char *why;

	CHECK_INT(OFFER_OK, offer_answer(&l, STR(HEAD "m=video 5000 RTP/AVP 96\r\n" VP8 AUDIO), &answer, &a, &why));
	CHECK_STR(OUR_HEAD "m=video 0 RTP/AVP 96\r\n" OUR_AUDIO, answer.data);
	CHECK_INT(1, a.video_line); /* it stays one in offers of ours */
	l.before = &a;
	buf_reset(&answer);
	offer_print(&answer, &l);
	CHECK(strstr(answer.data, "\r\nm=video 0 RTP/AVP 31\r\nm=audio 20000 "));
	buf_free(&answer);
}

static void answer_to_ours(const char *lines, struct media_local *l, struct media_agreed *a)
{
	struct buf text = { 0 };
	const char *why;

	buf_printf(&text, "%s%s", HEAD AUDIO, lines);
	CHECK_INT(OFFER_OK, offer_accept(l, buf_view(&text), a, &why));
	buf_free(&text);
}

static void offers_say_what_the_other_end_has(void **state)
{
	struct media_video v = video_with("vp8 h264");
	struct media_local l = local_with(&v);
	struct buf b = { 0 };

	offer_print(&b, &l);
	CHECK_STR(OUR_HEAD "m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
			   "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
			   "m=video 20002 RTP/AVP 100 102\r\na=rtpmap:100 VP8/90000\r\na=fmtp:100 max-fs=3600\r\n"
			   "a=rtpmap:102 H264/90000\r\n"
			   "a=fmtp:102 profile-level-id=42E01E; packetization-mode=1\r\n"
			   "a=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\na=sendrecv\r\n",
		  b.data);
	buf_free(&b);
}

static void their_answers_are_read(void **state)
{
	static const struct {
		const char *lines;
		enum codec_id codec; /* CODEC_COUNT = no video */
		uint8_t send, recv, feedback;
		enum media_direction direction;
		const char *fmtp;
	} rows[] = {
		{ "m=video 5000 RTP/AVP 96\r\n" VP8 "a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n", CODEC_VP8,
		  96, 100, VIDEO_PLI, MEDIA_SENDRECV, "" },
		{ "m=video 5000 RTP/AVP 97\r\n" H264 "a=recvonly\r\n", CODEC_H264, 97, 102, 0, MEDIA_SENDONLY,
		  "profile-level-id=42e01f;packetization-mode=1" },
		/* a number of ours without rtpmap; both, then the first counts */
		{ "m=video 5000 RTP/AVP 100\r\n", CODEC_VP8, 100, 100, 0, MEDIA_SENDRECV, "" },
		{ "m=video 5000 RTP/AVP 97 96\r\n" H264 VP8, CODEC_H264, 97, 102, 0, MEDIA_SENDRECV,
		  "profile-level-id=42e01f;packetization-mode=1" },
		{ "", CODEC_COUNT, 0, 0, 0, 0, "" },
		{ "m=video 0 RTP/AVP 100\r\n", CODEC_COUNT, 0, 0, 0, 0, "" },
		{ "m=audio 5000 RTP/AVP 100\r\n", CODEC_COUNT, 0, 0, 0, 0, "" },
		{ "m=video 5000 RTP/AVP 99\r\na=rtpmap:99 VP9/90000\r\n", CODEC_COUNT, 0, 0, 0, 0, "" },
		/* another packetization mode than offered */
		{ "m=video 5000 RTP/AVP 102\r\na=rtpmap:102 H264/90000\r\n", CODEC_COUNT, 0, 0, 0, 0, "" },
		{ "m=video 5000 RTP/SAVP 96\r\n" VP8, CODEC_COUNT, 0, 0, 0, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct media_video v = video_with("vp8 h264");
		struct media_local l = local_with(&v);
		struct media_agreed a;

		answer_to_ours(rows[i].lines, &l, &a);
		CHECK_INT(2, a.lines);
		CHECK_INT(2, a.video_line);
		CHECK_INT(rows[i].codec, v.agreed.codec);
		CHECK_INT(rows[i].codec != CODEC_COUNT, addr_port(&v.agreed.remote) == 5000);
		CHECK_INT(rows[i].codec != CODEC_COUNT, v.theirs.count);
		if (rows[i].codec == CODEC_COUNT)
			continue;
		CHECK_INT(rows[i].send, v.agreed.send_pt);
		CHECK_INT(rows[i].recv, v.agreed.recv_pt);
		CHECK_INT(rows[i].feedback, v.agreed.feedback);
		CHECK_INT(rows[i].direction, v.agreed.direction);
		CHECK_STR(rows[i].fmtp, v.format.fmtp);
	}
}

static const char *lines_of(const struct buf *b, char out[200])
{
	const char *at = b->data;
	size_t n = 0;

	out[0] = '\0';
	while ((at = strstr(at, "m="))) {
		n += (size_t)snprintf(out + n, 200 - n, "%.*s;", (int)strcspn(at, "\r"), at);
		at += 2;
	}
	return out;
}

/* Lines and numbers stay where they are, through taking away and giving back (RFC 3264 §8). */
static void lines_and_numbers_stay(void **state)
{
	struct media_video v = video_with("vp8");
	struct media_local l = local_with(&v);
	struct media_agreed a;
	struct buf b = { 0 };
	const char *why;
	char text[200];

	CHECK_INT(OFFER_OK, offer_answer(&l, STR(HEAD "m=video 5000 RTP/AVP 98\r\na=rtpmap:98 VP8/90000\r\n" AUDIO), &b,
					 &a, &why));
	CHECK_INT(1, a.video_line);
	CHECK_INT(1, a.line);
	l.before = &a;
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK_STR("m=video 20002 RTP/AVP 98;m=audio 20000 RTP/AVP 0 101;", lines_of(&b, text));
	v.formats.count = 0; /* it is taken away */
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK_STR("m=video 0 RTP/AVP 31;m=audio 20000 RTP/AVP 0 101;", lines_of(&b, text));
	CHECK_INT(OFFER_OK, offer_accept(&l, STR(HEAD "m=video 0 RTP/AVP 31\r\n" AUDIO), &a, &why));
	CHECK_INT(0, addr_port(&v.agreed.remote));
	CHECK_INT(1, v.theirs.count); /* they would still have it */
	v.formats.count = 1;
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK_STR("m=video 20002 RTP/AVP 100;m=audio 20000 RTP/AVP 0 101;", lines_of(&b, text));
	buf_free(&b);
}

/* A session of audio alone gets a line more, and keeps it. */
static void video_comes_later(void **state)
{
	struct media_local l = local_with(NULL);
	struct media_video v = video_with("vp8");
	struct media_agreed a;
	struct buf b = { 0 };
	const char *why;
	char text[200];

	CHECK_INT(OFFER_OK, offer_answer(&l, STR(HEAD AUDIO), &b, &a, &why));
	l.before = &a;
	l.video = &v;
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK_STR("m=audio 20000 RTP/AVP 0 101;m=video 20002 RTP/AVP 100;", lines_of(&b, text));
	answer_to_ours("m=video 0 RTP/AVP 100\r\n", &l, &a);
	v.formats.count = 0;
	buf_reset(&b);
	offer_print(&b, &l);
	CHECK_STR("m=audio 20000 RTP/AVP 0 101;m=video 0 RTP/AVP 31;", lines_of(&b, text));
	buf_free(&b);
}

/* Keys of its own, and no NACK where a packet can be sealed once only. */
static void video_is_secured_too(void **state)
{
	struct media_video caller_video = video_with("vp8"), callee_video = video_with("vp8");
	struct media_local caller = local_with(&caller_video), callee = local_with(&callee_video);
	struct buf offer = { 0 }, answer = { 0 };
	struct media_agreed a, b;
	struct loop *loop;
	const char *why;

	caller.encryption = callee.encryption = MEDIA_MANDATORY;
	assert_int_equal(loop_new(&loop, true, 1), 0);
	assert_int_equal(media_keys_need(&caller, loop), 0);
	assert_int_equal(media_keys_need(&callee, loop), 0);
	offer_print(&offer, &caller);
	CHECK(strstr(offer.data, "m=video 20002 RTP/SAVP 100\r\n"));
	CHECK(!strstr(offer.data, "a=rtcp-fb:* nack\r\n"));
	CHECK_INT(OFFER_OK, offer_answer(&callee, buf_view(&offer), &answer, &a, &why));
	CHECK(strstr(answer.data, "m=video 20002 RTP/SAVP 100\r\n"));
	CHECK_INT(OFFER_OK, offer_accept(&caller, buf_view(&answer), &b, &why));
	CHECK(a.keys && b.keys && callee_video.agreed.keys == callee_video.keys);
	CHECK(caller_video.agreed.keys == caller_video.keys && caller_video.keys != caller.keys);
	CHECK_INT(VIDEO_PLI | VIDEO_FIR, caller_video.agreed.feedback);
	/* In the clear it is no video, and the call goes on. */
	CHECK_INT(OFFER_OK, offer_accept(&caller, buf_view(&answer), &b, &why));
	buf_reset(&offer);
	buf_printf(&offer, "%.*sm=video 5000 RTP/AVP 100\r\n", (int)(strstr(answer.data, "m=video") - answer.data),
		   answer.data);
	CHECK_INT(OFFER_OK, offer_accept(&caller, buf_view(&offer), &b, &why));
	CHECK_INT(0, addr_port(&caller_video.agreed.remote));
	buf_free(&offer);
	buf_free(&answer);
	media_keys_free(&caller.keys);
	media_keys_free(&callee.keys);
	media_keys_free(&caller_video.keys);
	media_keys_free(&callee_video.keys);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(formats_fit_or_not),
		TEST(parameters_are_clean_and_short),
		TEST(answers_take_what_the_other_end_has),
		TEST(without_video_it_is_declined),
		TEST(offers_say_what_the_other_end_has),
		TEST(their_answers_are_read),
		TEST(lines_and_numbers_stay),
		TEST(video_comes_later),
		TEST(video_is_secured_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
