#include "media/video.h"

#include <string.h>

#include "media/sdp.h"

enum { BASELINE = 0x42 }; /* profile of H264 when nothing is said (RFC 6184 §8.1) */

static const struct {
	unsigned bit;
	const char *name;
} feedbacks[] = {
	{ VIDEO_NACK, "nack" },       { VIDEO_PLI, "nack pli" },   { VIDEO_FIR, "ccm fir" },
	{ VIDEO_TMMBR, "ccm tmmbr" }, { VIDEO_REMB, "goog-remb" },
};

static uint32_t packetization_mode(const struct video_format *f)
{
	uint32_t mode = 0;

	str_u32(sdp_parameter(str_of(f->fmtp), "packetization-mode"), &mode);
	return mode;
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Of "profile-level-id=42e01f" the 42. The flags behind it are written in too many ways by phones that understand each
 * other. */
static int profile(const struct video_format *f)
{
	struct str id = sdp_parameter(str_of(f->fmtp), "profile-level-id");

	return id.n == 6 && hex(id.p[0]) >= 0 && hex(id.p[1]) >= 0 ? hex(id.p[0]) << 4 | hex(id.p[1]) : BASELINE;
}

bool video_fits(const struct video_format *a, const struct video_format *b)
{
	if (a->codec != b->codec)
		return false;
	return a->codec != CODEC_H264 || (packetization_mode(a) == packetization_mode(b) && profile(a) == profile(b));
}

const struct video_format *video_find(const struct video_formats *l, const struct video_format *f)
{
	for (size_t i = 0; i < l->count; i++) {
		if (video_fits(&l->items[i], f))
			return &l->items[i];
	}
	return NULL;
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

void video_add(struct video_formats *l, enum codec_id codec, uint8_t payload_type, struct str fmtp)
{
	struct video_format f = { .codec = codec, .payload_type = payload_type };

	if (l->count == VIDEO_FORMATS || fmtp.n >= sizeof(f.fmtp) || !is_printable(fmtp))
		return;
	str_copy(f.fmtp, sizeof(f.fmtp), fmtp);
	if (!video_find(l, &f))
		l->items[l->count++] = f;
}

void video_keep(struct video_formats *l, unsigned codecs)
{
	uint8_t count = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (codecs & 1u << l->items[i].codec)
			l->items[count++] = l->items[i];
	}
	l->count = count;
}

unsigned video_codecs(const struct codec_list *l)
{
	unsigned bits = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (codec_is_video(l->items[i]))
			bits |= 1u << l->items[i];
	}
	return bits;
}

unsigned video_feedback_of(struct str text)
{
	text = str_trim(text);
	for (size_t i = 0; i < ARRAY_LEN(feedbacks); i++) {
		if (str_iis(text, feedbacks[i].name))
			return feedbacks[i].bit;
	}
	/* Behind tmmbr a limit may stand: "ccm tmmbr smaxpr=120" (RFC 5104 §7.1). */
	return str_istarts(text, "ccm tmmbr ") ? VIDEO_TMMBR : 0;
}

const char *video_feedback_name(unsigned feedback)
{
	for (size_t i = 0; i < ARRAY_LEN(feedbacks); i++) {
		if (feedbacks[i].bit == feedback)
			return feedbacks[i].name;
	}
	return "";
}
