#include <string.h>

#include "media/offer_impl.h"

enum {
	CLOCK_HZ = 90000,
	FIRST_DYNAMIC = 96,
	LAST_DYNAMIC = 127,
};

/* The stream as its own small session, for what audio and video have in common. */
static struct media_local stream_of(const struct media_local *l)
{
	const struct media_video *v = l->video;

	return (struct media_local){
		.rtp = v->rtp,
		.direction = l->direction,
		.encryption = l->encryption,
		.keys = v->keys,
		.before = addr_port(&v->agreed.remote) ? &v->agreed : NULL,
	};
}

bool offer_video_is_offered(const struct media_local *l)
{
	return l->video && l->video->formats.count && addr_port(&l->video->rtp);
}

/* A NACK wants a packet again, and SRTP never seals one twice: its key stream would be used again. */
static unsigned without_nack(unsigned feedback, bool srtp)
{
	return srtp ? feedback & ~(unsigned)VIDEO_NACK : feedback;
}

/* --- what we offer --- */

/* Our numbers are those of the other end, so that most packets keep theirs; what is agreed on keeps its own
 * (RFC 3264 §8.3.2). */
static void number_offer(const struct media_video *v, uint8_t out[VIDEO_FORMATS])
{
	bool taken[LAST_DYNAMIC + 1] = { false };
	bool live = addr_port(&v->agreed.remote);

	for (size_t i = 0; i < v->formats.count; i++) {
		const struct video_format *f = &v->formats.items[i];

		out[i] = f->payload_type;
		if (live && video_fits(f, &v->format))
			out[i] = v->agreed.recv_pt;
		for (uint8_t pt = FIRST_DYNAMIC; taken[out[i]] && pt <= LAST_DYNAMIC; pt++)
			out[i] = pt;
		taken[out[i]] = true;
	}
}

static void print_format(struct buf *out, const struct video_format *f, uint8_t payload_type)
{
	struct sdp_format s = {
		.name = str_of(codec_get(f->codec)->sdp_name),
		.fmtp = str_of(f->fmtp[0] ? f->fmtp : NULL),
		.clock_hz = CLOCK_HZ,
		.channels = 1,
		.payload_type = payload_type,
	};

	sdp_print_format(out, &s);
}

static void print_feedback(struct buf *out, unsigned feedback)
{
	for (unsigned bit = 1; bit <= VIDEO_REMB; bit <<= 1) {
		if (feedback & bit)
			buf_printf(out, "a=rtcp-fb:* %s\r\n", video_feedback_name(bit));
	}
}

/* RTP/AVP with a=rtcp-fb: who does not know it leaves it out, and nobody has to refuse the line for its profile. */
void offer_video_print(struct buf *out, const struct media_local *l)
{
	const struct media_video *v = l->video;
	uint8_t numbers[VIDEO_FORMATS];
	struct media_local stream;
	bool srtp;

	if (!offer_video_is_offered(l)) {
		buf_cstr(out, "m=video 0 RTP/AVP 31\r\n");
		return;
	}
	stream = stream_of(l);
	srtp = l->encryption == MEDIA_MANDATORY || (stream.before && stream.before->keys);
	number_offer(v, numbers);
	buf_printf(out, "m=video %u %s", addr_port(&v->rtp), offer_secure_profile(&stream));
	for (size_t i = 0; i < v->formats.count; i++)
		buf_printf(out, " %u", numbers[i]);
	buf_cstr(out, "\r\n");
	for (size_t i = 0; i < v->formats.count; i++)
		print_format(out, &v->formats.items[i], numbers[i]);
	print_feedback(out, without_nack(v->formats.feedback, srtp));
	offer_print_direction(out, l->direction);
	offer_secure_print(out, &stream);
}

/* --- what they wrote --- */

static bool is_video(const struct sdp_media *m)
{
	return str_iis(m->media, "video") && m->port;
}

/* CODEC_COUNT = none that we know. */
static enum codec_id codec_of(const struct sdp_format *f)
{
	enum codec_id id = CODEC_VP8;

	while (id < CODEC_COUNT && !(str_iis(f->name, codec_get(id)->sdp_name) && f->clock_hz == CLOCK_HZ))
		id = (enum codec_id)(id + 1);
	return id;
}

/* What they say of one number or of all ("*") counts for the line. */
static unsigned read_feedback(const struct sdp_media *m)
{
	struct str lines = m->lines, value, number;
	unsigned feedback = 0;

	while (sdp_next_value(&lines, "a=rtcp-fb:", &value)) {
		value = str_trim(value);
		if (str_split(&value, ' ', &number) && value.p)
			feedback |= video_feedback_of(value);
	}
	return feedback;
}

static void read_formats(const struct sdp_media *m, unsigned codecs, struct video_formats *out)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	size_t n = sdp_formats(m, formats);

	*out = (struct video_formats){ .feedback = (uint8_t)read_feedback(m) };
	for (size_t i = 0; i < n; i++) {
		enum codec_id id = codec_of(&formats[i]);

		if (id != CODEC_COUNT && codecs & 1u << id)
			video_add(out, id, formats[i].payload_type, formats[i].fmtp);
	}
}

static bool could_be_taken(const struct media_local *l, const struct sdp_media *m, struct video_choice *c)
{
	struct media_local stream = stream_of(l);

	if (!is_video(m) || offer_secure_read(l->encryption, stream.keys, m, &c->crypto))
		return false;
	read_formats(m, l->video->codecs, &c->theirs);
	return c->theirs.count;
}

/* Their first format that the other end has, too. */
static bool choose_format(const struct media_video *v, struct video_choice *c)
{
	for (size_t i = 0; i < c->theirs.count && !c->taken; i++) {
		c->other = video_find(&v->formats, &c->theirs.items[i]);
		if (c->other)
			c->taken = &c->theirs.items[i];
	}
	c->feedback = (uint8_t)without_nack(c->theirs.feedback & v->formats.feedback, c->crypto.found);
	return c->taken;
}

void offer_video_choose(const struct media_local *l, const struct sdp *sdp, struct video_choice *c)
{
	const struct sdp_media *m = NULL;
	struct media_local stream;

	*c = (struct video_choice){ .agreed = { .codec = CODEC_COUNT } };
	for (size_t i = 0; l->video && !m && i < sdp->media_count; i++) {
		if (could_be_taken(l, &sdp->media[i], c))
			m = &sdp->media[i];
	}
	if (!m || !offer_video_is_offered(l) || !choose_format(l->video, c))
		return;
	stream = stream_of(l);
	if ((c->crypto.found && !stream.keys) || offer_read_remote(&stream, m, &c->agreed))
		return;
	c->media = m;
	c->agreed.codec = c->taken->codec;
	c->agreed.send_pt = c->agreed.recv_pt = c->taken->payload_type;
	c->agreed.event_send_pt = c->agreed.event_recv_pt = MEDIA_NO_PT;
	c->agreed.feedback = c->feedback;
	offer_agree(&stream, m, true, &c->agreed);
}

void offer_video_print_answer(struct buf *out, const struct media_local *l, const struct video_choice *c)
{
	buf_printf(out, "m=%.*s %u %.*s %u\r\n", STR_ARG(c->media->media), addr_port(&l->video->rtp),
		   STR_ARG(c->media->proto), c->taken->payload_type);
	print_format(out, c->other, c->taken->payload_type);
	print_feedback(out, c->feedback);
	offer_print_direction(out, c->agreed.direction);
	if (c->agreed.rtcp_mux)
		buf_cstr(out, "a=rtcp-mux\r\n");
	offer_secure_print_answer(out, l->video->keys, &c->crypto);
}

void offer_video_forget(struct video_choice *c)
{
	secure_forget(&c->crypto.theirs);
}

void offer_video_settle(const struct media_local *l, struct video_choice *c)
{
	struct media_video *v = l->video;

	if (v) {
		v->theirs = c->theirs;
		v->agreed = (struct media_agreed){ .codec = CODEC_COUNT };
	}
	if (v && c->media) {
		v->agreed = c->agreed;
		v->agreed.keys = offer_secure_settle(v->keys, &c->crypto);
		v->format = *c->taken;
	}
	offer_video_forget(c);
}

/* --- their answer to our offer --- */

/* A number without rtpmap means what it meant in our offer. */
static bool accept_format(const struct media_video *v, const struct sdp_format *f, struct video_format *theirs,
			  uint8_t *ours)
{
	struct video_formats one = { .count = 0 };
	enum codec_id id = codec_of(f);
	uint8_t numbers[VIDEO_FORMATS];

	number_offer(v, numbers);
	for (size_t i = 0; i < v->formats.count; i++) {
		const struct video_format *o = &v->formats.items[i];

		if (f->name.p ? id != o->codec : f->payload_type != numbers[i])
			continue;
		one.count = 0;
		video_add(&one, o->codec, f->payload_type, f->fmtp.p ? f->fmtp : STR(""));
		if (!one.count || !video_fits(&one.items[0], o))
			continue;
		*theirs = one.items[0];
		*ours = numbers[i];
		return true;
	}
	return false;
}

static bool accept_formats(const struct media_video *v, const struct sdp_media *m, struct video_format *theirs,
			   struct media_agreed *out)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	size_t n = sdp_formats(m, formats);

	for (size_t i = 0; i < n; i++) {
		if (!accept_format(v, &formats[i], theirs, &out->recv_pt))
			continue;
		out->codec = theirs->codec;
		out->send_pt = theirs->payload_type;
		out->event_send_pt = out->event_recv_pt = MEDIA_NO_PT;
		return true;
	}
	return false;
}

void offer_video_accept(const struct media_local *l, const struct sdp_media *m)
{
	struct media_local stream = stream_of(l);
	struct media_agreed agreed = { .codec = CODEC_COUNT };
	struct offer_crypto crypto = { .found = false };
	struct media_video *v = l->video;
	struct video_format theirs;

	if (!offer_video_is_offered(l)) {
		v->agreed = agreed; /* it was declined by us, whatever they wrote */
		return;
	}
	if (!m || !is_video(m) || !accept_formats(v, m, &theirs, &agreed) || offer_read_remote(&stream, m, &agreed) ||
	    offer_secure_accept(&stream, m, &crypto)) {
		secure_forget(&crypto.theirs);
		v->agreed = (struct media_agreed){ .codec = CODEC_COUNT };
		v->theirs.count = 0;
		return;
	}
	agreed.feedback = (uint8_t)without_nack(read_feedback(m) & v->formats.feedback, crypto.found);
	offer_agree(&stream, m, false, &agreed);
	agreed.keys = offer_secure_settle(v->keys, &crypto);
	v->agreed = agreed;
	v->format = theirs;
	v->theirs = (struct video_formats){ .count = 1, .feedback = agreed.feedback, .items = { theirs } };
}

void offer_video_formats(struct str text, enum media_encryption encryption, unsigned codecs, struct video_formats *out)
{
	struct video_choice choice;
	struct media_video video = { .codecs = codecs };
	struct media_local l = { .encryption = encryption, .video = &video };
	const char *why;
	struct sdp sdp;

	out->count = 0;
	if (sdp_parse(&sdp, text, &why))
		return;
	offer_video_choose(&l, &sdp, &choice);
	*out = choice.theirs;
	offer_video_forget(&choice);
}
