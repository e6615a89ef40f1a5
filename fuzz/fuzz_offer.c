/* Pairs: the text up to the first NUL is offered to us, the rest answers an offer of ours. What we answer must be an
 * answer to that offer: as many lines, readable, and our own other half must come to the same end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "media/offer.h"
#include "media/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_agreed(const struct media_local *l, const struct media_agreed *a)
{
	must(codec_list_has(&l->codecs, a->codec));
	must(a->send_pt < 128 && a->recv_pt < 128 && a->send_pt != a->event_send_pt);
	must((a->event_send_pt == MEDIA_NO_PT) == (a->event_recv_pt == MEDIA_NO_PT));
	must(addr_port(&a->remote) && addr_is_v6(&a->remote) == addr_is_v6(&l->rtp));
	must(addr_is_v6(&a->remote_rtcp) == addr_is_v6(&l->rtp));
	must(!a->keys || (a->keys == l->keys && l->encryption != MEDIA_FORBIDDEN));
	must(a->keys || l->encryption != MEDIA_MANDATORY);
	must(!addr_is_any(&a->remote) || a->direction == MEDIA_RECVONLY || a->direction == MEDIA_INACTIVE);
}

static void check_video(const struct media_local *l)
{
	const struct media_video *v = l->video;
	const struct media_agreed *a;

	if (!v)
		return;
	a = &v->agreed;
	must(v->theirs.count <= VIDEO_FORMATS);
	for (size_t i = 0; i < v->theirs.count; i++)
		must(v->codecs & 1u << v->theirs.items[i].codec && !strpbrk(v->theirs.items[i].fmtp, "\r\n"));
	if (!addr_port(&a->remote))
		return;
	must(v->formats.count && video_find(&v->formats, &v->format) && a->codec == v->format.codec);
	must(a->send_pt < 128 && a->recv_pt < 128 && !(a->feedback & ~v->formats.feedback));
	must(addr_is_v6(&a->remote) == addr_is_v6(&l->rtp) && (!a->keys || a->keys == v->keys));
	must(a->keys || l->encryption != MEDIA_MANDATORY);
	must(!a->keys || !(a->feedback & VIDEO_NACK));
}

static void answer_it(const struct media_local *l, struct str offer)
{
	struct media_agreed agreed, again;
	struct sdp theirs, ours;
	struct buf answer = { 0 };
	const char *why;
	size_t taken = 0;

	if (offer_answer(l, offer, &answer, &agreed, &why) != OFFER_OK) {
		must(why && !answer.len);
		buf_free(&answer);
		return;
	}
	check_agreed(l, &agreed);
	check_video(l);
	must(!sdp_parse(&theirs, offer, &why) && !sdp_parse(&ours, buf_view(&answer), &why));
	must(theirs.media_count == ours.media_count);
	for (size_t i = 0; i < ours.media_count; i++) {
		must(str_eq(ours.media[i].media, theirs.media[i].media));
		must(str_eq(ours.media[i].proto, theirs.media[i].proto));
		taken += ours.media[i].port != 0;
		must(!ours.media[i].port || theirs.media[i].port);
	}
	must(taken == 1u + (l->video && addr_port(&l->video->agreed.remote)));
	/* With SRTP it bears a tag that no offer of ours has. */
	if (!agreed.line && !agreed.keys) {
		struct media_local caller = *l;

		caller.encryption = MEDIA_FORBIDDEN;
		caller.video = NULL;
		caller.codecs = (struct codec_list){ .items = { agreed.codec }, .count = 1 };
		must(offer_accept(&caller, buf_view(&answer), &again, &why) == OFFER_OK);
		must(again.codec == agreed.codec && again.send_pt == agreed.recv_pt);
	}
	buf_free(&answer);
}

/* What the other end of the bridge has. */
static void give_video(struct media_local *l, struct media_video *v)
{
	*v = (struct media_video){ .rtp = l->rtp, .codecs = 1 << CODEC_VP8 | 1 << CODEC_H264 };
	video_add(&v->formats, CODEC_H264, 102, STR("profile-level-id=42e01f;packetization-mode=1"));
	video_add(&v->formats, CODEC_VP8, 96, STR(""));
	v->formats.feedback = VIDEO_NACK | VIDEO_PLI | VIDEO_REMB;
	l->video = v;
}

/* What they can use of Opus is within its bounds, and reads back as it is passed on. */
static void check_wish(const struct opus_wish *w)
{
	char text[OPUS_WISH_TEXT];
	struct opus_wish again;

	must(!w->most_hz || (w->most_hz >= 8000 && w->most_hz <= 48000));
	must(!w->sends_hz || (w->sends_hz >= 8000 && w->sends_hz <= 48000));
	must(!w->most_bit_s || (w->most_bit_s >= 6000 && w->most_bit_s <= 510000));
	opus_wish_read(&again, str_of(opus_wish_print(text, w)));
	must(again.most_hz == w->most_hz && again.sends_hz == w->sends_hz && again.most_bit_s == w->most_bit_s);
	must(again.fec == w->fec && again.dtx == w->dtx && again.constant == w->constant);
}

/* Our offer with what is known by now can be read, and its answer can be anything. */
static void offer_again(struct media_local *l, struct str answer)
{
	struct media_agreed agreed;
	struct buf offer = { 0 };
	const char *why;
	struct sdp sdp;

	offer_print(&offer, l);
	must(!sdp_parse(&sdp, buf_view(&offer), &why));
	buf_free(&offer);
	if (offer_accept(l, answer, &agreed, &why) != OFFER_OK)
		return;
	check_agreed(l, &agreed);
	check_video(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, 0, size);
	size_t n = end ? (size_t)(end - data) : size;
	struct media_local l = { .session_id = 1, .version = 1 };
	struct codec_list prefer, codecs;
	struct video_formats formats;
	struct media_video video;
	struct opus_wish wish;
	static struct loop *loop;
	const char *why;

	l.encryption = (enum media_encryption)(size / 4 % 3);
	codec_list_parse(&l.codecs, STR("OPUS,G722,PCMU,PCMA,G729"), NULL, NULL);
	codec_list_parse(&prefer, STR("PCMA"), NULL, NULL);
	addr_parse(&l.rtp, STR("192.0.2.1"), 20000);
	if (size & 1)
		l.prefer = &prefer;
	if (size & 2)
		addr_parse(&l.rtp, STR("2001:db8::1"), 20000);
	if (size & 8)
		give_video(&l, &video);
	if (offer_opus((struct str){ (const char *)data, n }, l.encryption, &l.codecs, &wish)) {
		check_wish(&wish);
		l.opus = &wish;
	}
	must((loop || !loop_new(&loop, true, 1)) && !media_keys_need(&l, loop));
	answer_it(&l, (struct str){ (const char *)data, n });
	offer_codecs((struct str){ (const char *)data, n }, l.encryption, &codecs, &why);
	offer_video_formats((struct str){ (const char *)data, n }, l.encryption, 1 << CODEC_VP8, &formats);
	must(!formats.count || (formats.count == 1 && formats.items[0].codec == CODEC_VP8));
	if (end)
		offer_again(&l, (struct str){ (const char *)end + 1, size - n - 1 });
	if (l.video)
		media_keys_free(&video.keys);
	media_keys_free(&l.keys);
	return 0;
}
