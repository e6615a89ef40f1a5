#include "media/offer.h"

#include <string.h>

#include "media/offer_impl.h"

enum {
	FIRST_DYNAMIC = 96,
	LAST_DYNAMIC = 127,
	PTIME_MS = 20,
	MAX_PTIME_MS = 60, /* of a packet that we can decode */
};

/* telephone-event by its clock: that of telephones, and that of Opus. RFC 4733 §2.1 wants the clock of the audio, but
 * many know the first one only. */
enum { EVENT_CLOCKS = 2 };

static const struct {
	uint32_t hz;
	uint8_t payload_type;
} event_clocks[EVENT_CLOCKS] = { { 8000, 101 }, { 48000, 110 } };

/* One side's payload types: by codec, and of telephone-event by its clock. */
struct payload_types {
	uint8_t codec[CODEC_COUNT];
	uint8_t event[EVENT_CLOCKS];
};

struct event_choice {
	uint8_t pt; /* MEDIA_NO_PT = none, the clock means nothing then */
	unsigned clock;
};

/* What an audio line of theirs holds for us. */
struct choice {
	const struct sdp_media *media;
	enum codec_id codec;
	uint8_t pt;
	struct str fmtp;
	struct event_choice event;
	struct offer_crypto crypto;
};

/* --- directions: the text is the writer's view, ours is the mirror of theirs --- */

static bool we_send(enum media_direction d)
{
	return d == MEDIA_SENDRECV || d == MEDIA_SENDONLY;
}

static bool we_listen(enum media_direction d)
{
	return d == MEDIA_SENDRECV || d == MEDIA_RECVONLY;
}

static enum media_direction direction_of(bool send, bool listen)
{
	if (send)
		return listen ? MEDIA_SENDRECV : MEDIA_SENDONLY;
	return listen ? MEDIA_RECVONLY : MEDIA_INACTIVE;
}

static enum sdp_direction to_sdp(enum media_direction d)
{
	switch (d) {
	case MEDIA_SENDRECV:
		return SDP_SENDRECV;
	case MEDIA_SENDONLY:
		return SDP_SENDONLY;
	case MEDIA_RECVONLY:
		return SDP_RECVONLY;
	case MEDIA_INACTIVE:
		break;
	}
	return SDP_INACTIVE;
}

void offer_print_direction(struct buf *out, enum media_direction d)
{
	sdp_print_direction(out, to_sdp(d));
}

/* What is left of our wish against their line. An address of zeros is the hold of RFC 2543: they do not listen. */
static enum media_direction meet(enum media_direction ours, enum sdp_direction theirs, const struct addr *remote)
{
	bool they_listen = theirs == SDP_SENDRECV || theirs == SDP_RECVONLY;
	bool they_send = theirs == SDP_SENDRECV || theirs == SDP_SENDONLY;

	return direction_of(we_send(ours) && they_listen && !addr_is_any(remote), we_listen(ours) && they_send);
}

/* --- formats --- */

/* RFC 3551 table 4: these numbers need no rtpmap. */
static const struct codec *by_static_number(uint8_t pt)
{
	for (int id = 0; id < CODEC_COUNT; id++) {
		const struct codec *c = codec_get((enum codec_id)id);

		if (c->payload_type < FIRST_DYNAMIC && c->payload_type == pt)
			return c;
	}
	return NULL;
}

static const struct codec *codec_of(const struct sdp_format *f)
{
	if (!f->name.p)
		return by_static_number(f->payload_type);
	for (int id = 0; id < CODEC_COUNT; id++) {
		const struct codec *c = codec_get((enum codec_id)id);

		if (codec_is_video(c->id) || !str_iis(f->name, c->sdp_name))
			continue;
		/* Some write the samples' rate of G.722 in place of its clock; some forget Opus' "/2". */
		if (f->clock_hz == c->clock_hz || (c->id == CODEC_G722 && f->clock_hz == c->sample_hz))
			return f->channels == c->channels || f->channels == 1 ? c : NULL;
	}
	return NULL;
}

/* That of the codec's clock, or the first that we know. */
static struct event_choice choose_event(const struct sdp_format *formats, size_t n, enum codec_id codec)
{
	struct event_choice best = { .pt = MEDIA_NO_PT };

	for (size_t i = 0; i < n; i++) {
		for (unsigned k = 0; k < EVENT_CLOCKS; k++) {
			uint32_t hz = event_clocks[k].hz;
			bool better = best.pt == MEDIA_NO_PT ||
				      (hz == codec_get(codec)->clock_hz && hz != event_clocks[best.clock].hz);

			if (str_iis(formats[i].name, "telephone-event") && formats[i].clock_hz == hz && better)
				best = (struct event_choice){ formats[i].payload_type, k };
		}
	}
	return best;
}

/* --- what we offer --- */

static bool is_taken(const struct payload_types *t, uint8_t pt)
{
	for (int id = 0; id < CODEC_COUNT; id++) {
		if (t->codec[id] == pt)
			return true;
	}
	for (int i = 0; i < EVENT_CLOCKS; i++) {
		if (t->event[i] == pt)
			return true;
	}
	return false;
}

static uint8_t free_type(const struct payload_types *t, uint8_t wish)
{
	uint8_t pt = wish;

	for (int i = FIRST_DYNAMIC; i <= LAST_DYNAMIC && is_taken(t, pt); i++)
		pt = (uint8_t)i;
	return pt;
}

/* Which of our event types has this clock? EVENT_CLOCKS = none. */
static unsigned event_clock(uint32_t hz)
{
	unsigned i = 0;

	while (i < EVENT_CLOCKS && event_clocks[i].hz != hz)
		i++;
	return i;
}

/* The clock of telephones always, another one only with its codec. */
static bool offers_event(const struct media_local *l, unsigned clock)
{
	return clock == 0 || codec_list_has(&l->codecs, CODEC_OPUS);
}

/* The numbers of our offer. Those of the running session stay (RFC 3264 §8.3.2), the others keep clear of them. */
static void number_offer(struct payload_types *t, const struct media_local *l)
{
	memset(t, MEDIA_NO_PT, sizeof(*t));
	if (l->before) {
		t->codec[l->before->codec] = l->before->recv_pt;
		if (event_clock(l->before->event_clock_hz) < EVENT_CLOCKS)
			t->event[event_clock(l->before->event_clock_hz)] = l->before->event_recv_pt;
	}
	for (size_t i = 0; i < l->codecs.count; i++) {
		enum codec_id id = l->codecs.items[i];

		if (t->codec[id] == MEDIA_NO_PT)
			t->codec[id] = free_type(t, codec_get(id)->payload_type);
	}
	for (unsigned i = 0; i < EVENT_CLOCKS; i++) {
		if (t->event[i] == MEDIA_NO_PT && offers_event(l, i))
			t->event[i] = free_type(t, event_clocks[i].payload_type);
	}
}

static void print_session(struct buf *out, const struct media_local *l, struct str timing)
{
	char host[ADDR_TEXT];
	struct sdp_origin o = {
		.session_id = l->session_id,
		.version = l->version,
		.host = addr_host(&l->rtp, host),
		.v6 = addr_is_v6(&l->rtp),
		.timing = timing,
	};

	sdp_print_session(out, &o);
}

static void print_codec(struct buf *out, const struct media_local *l, enum codec_id id, uint8_t pt)
{
	const struct codec *c = codec_get(id);
	char wish[OPUS_WISH_TEXT];
	struct sdp_format f = {
		.name = str_of(c->sdp_name),
		.fmtp = str_of(id == CODEC_OPUS && l->opus ? opus_wish_print(wish, l->opus) : c->fmtp),
		.clock_hz = c->clock_hz,
		.channels = c->channels,
		.payload_type = pt,
	};

	sdp_print_format(out, &f);
}

static void print_event(struct buf *out, uint8_t pt, unsigned clock)
{
	struct sdp_format f = {
		.name = STR("telephone-event"),
		.fmtp = STR("0-16"),
		.clock_hz = event_clocks[clock].hz,
		.channels = 1,
		.payload_type = pt,
	};

	if (pt != MEDIA_NO_PT)
		sdp_print_format(out, &f);
}

static void print_audio(struct buf *out, const struct media_local *l)
{
	struct payload_types types;

	number_offer(&types, l);
	buf_printf(out, "m=audio %u %s", addr_port(&l->rtp), offer_secure_profile(l));
	for (size_t i = 0; i < l->codecs.count; i++)
		buf_printf(out, " %u", types.codec[l->codecs.items[i]]);
	for (unsigned i = 0; i < EVENT_CLOCKS; i++) {
		if (types.event[i] != MEDIA_NO_PT)
			buf_printf(out, " %u", types.event[i]);
	}
	buf_cstr(out, "\r\n");
	for (size_t i = 0; i < l->codecs.count; i++)
		print_codec(out, l, l->codecs.items[i], types.codec[l->codecs.items[i]]);
	for (unsigned i = 0; i < EVENT_CLOCKS; i++)
		print_event(out, types.event[i], i);
	buf_printf(out, "a=ptime:%u\r\n", PTIME_MS);
	offer_print_direction(out, l->direction);
	offer_secure_print(out, l);
}

/* The lines of our offer: those of the session, and one more when video is new. */
static struct media_agreed places_of(const struct media_local *l)
{
	struct media_agreed a = { .codec = CODEC_COUNT, .lines = 1 };

	if (l->before) {
		a.line = l->before->line;
		a.lines = l->before->lines;
		a.video_line = l->before->video_line;
	}
	if (!a.video_line && offer_video_is_offered(l))
		a.video_line = ++a.lines;
	return a;
}

void offer_print(struct buf *out, const struct media_local *l)
{
	struct media_agreed places = places_of(l);

	print_session(out, l, (struct str){ NULL, 0 });
	/* Lines that were declined stay, and stay declined (RFC 3264 §8). */
	for (unsigned i = 0; i < places.lines; i++) {
		if (i == places.line)
			print_audio(out, l);
		else if (i + 1 == places.video_line)
			offer_video_print(out, l);
		else
			buf_cstr(out, "m=audio 0 RTP/AVP 0\r\n");
	}
}

/* --- what they wrote --- */

static bool is_audio(const struct sdp_media *m)
{
	return str_iis(m->media, "audio") && m->port;
}

static const char *why_no_audio(const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (str_iis(sdp->media[i].media, "audio"))
			return "the audio line is declined";
	}
	return "no audio line";
}

/* Where to send. The address must be numeric and of our family: nothing below can look up or translate. */
const char *offer_read_remote(const struct media_local *l, const struct sdp_media *m, struct media_agreed *out)
{
	struct addr rtp, rtcp;
	uint16_t rtcp_port = m->rtcp_port;

	if (!m->host.n)
		return "no c= line with an address";
	if (addr_parse(&rtp, m->host, m->port))
		return "the address of the c= line is not numeric";
	if (addr_is_v6(&rtp) != addr_is_v6(&l->rtp))
		return "the address of the c= line is of the other IP family";
	if (!rtcp_port && m->port < UINT16_MAX)
		rtcp_port = (uint16_t)(m->port + 1);
	rtcp = rtp;
	addr_set_port(&rtcp, rtcp_port);
	if (m->rtcp_host.n && (addr_parse(&rtcp, m->rtcp_host, rtcp_port) || addr_is_v6(&rtcp) != addr_is_v6(&rtp))) {
		rtcp = rtp;
		addr_set_port(&rtcp, rtcp_port);
	}
	out->remote = rtp;
	out->remote_rtcp = rtcp;
	return NULL;
}

/* The longest packets that we can make and that are not above what they want. */
static uint8_t packet_ms(enum codec_id codec, uint32_t ptime_ms, uint32_t maxptime_ms)
{
	static const uint8_t sizes_ms[] = { 60, 40, 30, 20, 10 };
	uint32_t wish_ms = ptime_ms ? ptime_ms : PTIME_MS;

	if (maxptime_ms && wish_ms > maxptime_ms)
		wish_ms = maxptime_ms;
	for (size_t i = 0; i < ARRAY_LEN(sizes_ms); i++) {
		/* RFC 6716 §2.1.4: no frame of Opus has 30 ms. */
		if (sizes_ms[i] <= wish_ms && !(codec == CODEC_OPUS && sizes_ms[i] == 30))
			return sizes_ms[i];
	}
	return 10;
}

void offer_agree(const struct media_local *l, const struct sdp_media *m, bool mux, struct media_agreed *out)
{
	out->rtcp_mux = mux && m->rtcp_mux;
	if (out->rtcp_mux)
		out->remote_rtcp = out->remote;
	out->direction = meet(l->direction, m->direction, &out->remote);
	out->ptime_ms = m->ptime_ms > UINT16_MAX ? 0 : (uint16_t)m->ptime_ms;
	out->packet_ms = packet_ms(out->codec, out->ptime_ms, m->maxptime_ms);
}

static void agree_codec(struct media_agreed *out, enum codec_id codec, struct str fmtp)
{
	out->codec = codec;
	if (codec == CODEC_OPUS)
		opus_wish_read(&out->opus, fmtp);
}

static void agree_events(struct media_agreed *out, const struct event_choice *theirs, uint8_t ours)
{
	bool none = theirs->pt == MEDIA_NO_PT || ours == MEDIA_NO_PT;

	out->event_send_pt = none ? MEDIA_NO_PT : theirs->pt;
	out->event_recv_pt = none ? MEDIA_NO_PT : ours;
	out->event_clock_hz = none ? 0 : event_clocks[theirs->clock].hz;
}

/* The place of a codec in the prefer list; those behind it keep the order of the offer. */
static size_t rank_of(const struct media_local *l, enum codec_id id, size_t place)
{
	if (l->prefer) {
		for (size_t i = 0; i < l->prefer->count; i++) {
			if (l->prefer->items[i] == id)
				return i;
		}
	}
	return CODEC_COUNT + place;
}

static bool choose_format(const struct media_local *l, const struct sdp_media *m, struct choice *out)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	size_t n = sdp_formats(m, formats), best = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct codec *c = codec_of(&formats[i]);

		if (!c || !codec_list_has(&l->codecs, c->id) || rank_of(l, c->id, i) >= best)
			continue;
		best = rank_of(l, c->id, i);
		out->codec = c->id;
		out->pt = formats[i].payload_type;
		out->fmtp = formats[i].fmtp;
	}
	out->media = m;
	if (best == SIZE_MAX)
		return false;
	out->event = choose_event(formats, n, out->codec);
	return true;
}

/* The first audio line that we can take. */
static enum offer_result choose_line(const struct media_local *l, const struct sdp *sdp, struct choice *out,
				     const char **why)
{
	enum offer_result result = OFFER_NO_AUDIO;

	*why = why_no_audio(sdp);
	for (size_t i = 0; i < sdp->media_count; i++) {
		const char *fault;

		if (!is_audio(&sdp->media[i]))
			continue;
		fault = offer_secure_read(l->encryption, l->keys, &sdp->media[i], &out->crypto);
		if (!fault && choose_format(l, &sdp->media[i], out))
			return OFFER_OK;
		if (!fault)
			result = OFFER_NO_CODEC;
		if (!fault || result == OFFER_NO_AUDIO)
			*why = fault ? fault : "no codec in common";
	}
	return result;
}

static void print_declined(struct buf *out, const struct sdp_media *m)
{
	buf_printf(out, "m=%.*s 0 %.*s %.*s\r\n", STR_ARG(m->media), STR_ARG(m->proto), STR_ARG(sdp_first_format(m)));
}

static void print_taken(struct buf *out, const struct media_local *l, const struct choice *c,
			const struct media_agreed *a)
{
	buf_printf(out, "m=%.*s %u %.*s %u", STR_ARG(c->media->media), addr_port(&l->rtp), STR_ARG(c->media->proto),
		   c->pt);
	if (c->event.pt != MEDIA_NO_PT)
		buf_printf(out, " %u", c->event.pt);
	buf_cstr(out, "\r\n");
	print_codec(out, l, c->codec, c->pt);
	print_event(out, c->event.pt, c->event.clock);
	buf_printf(out, "a=ptime:%u\r\n", a->packet_ms);
	if (c->media->ptime_ms || c->media->maxptime_ms)
		buf_printf(out, "a=maxptime:%u\r\n", MAX_PTIME_MS);
	offer_print_direction(out, a->direction);
	if (a->rtcp_mux)
		buf_cstr(out, "a=rtcp-mux\r\n");
	offer_secure_print_answer(out, l->keys, &c->crypto);
}

/* As media_agreed.video_line: the one that is taken, or the first that may be one day. */
static uint8_t line_of_video(const struct sdp *sdp, const struct video_choice *c)
{
	if (c->media)
		return (uint8_t)(c->media - sdp->media + 1);
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (str_iis(sdp->media[i].media, "video"))
			return (uint8_t)(i + 1);
	}
	return 0;
}

enum offer_result offer_answer(const struct media_local *l, struct str offer, struct buf *answer,
			       struct media_agreed *out, const char **why)
{
	struct media_agreed agreed = { .codec = CODEC_COUNT };
	enum offer_result result;
	struct choice choice = { 0 };
	struct video_choice video;
	struct sdp sdp;

	if (sdp_parse(&sdp, offer, why))
		return OFFER_BAD;
	result = choose_line(l, &sdp, &choice, why);
	if (result == OFFER_OK) {
		*why = offer_read_remote(l, choice.media, &agreed);
		result = *why ? OFFER_NO_AUDIO : OFFER_OK;
	}
	if (result != OFFER_OK) {
		secure_forget(&choice.crypto.theirs);
		return result;
	}
	agreed.line = (uint8_t)(choice.media - sdp.media);
	agreed.lines = (uint8_t)sdp.media_count;
	agree_codec(&agreed, choice.codec, choice.fmtp);
	agreed.send_pt = agreed.recv_pt = choice.pt;
	agree_events(&agreed, &choice.event, choice.event.pt);
	offer_agree(l, choice.media, true, &agreed);
	offer_video_choose(l, &sdp, &video);
	agreed.video_line = line_of_video(&sdp, &video);
	print_session(answer, l, sdp.timing);
	for (size_t i = 0; i < sdp.media_count; i++) {
		if (&sdp.media[i] == choice.media)
			print_taken(answer, l, &choice, &agreed);
		else if (&sdp.media[i] == video.media)
			offer_video_print_answer(answer, l, &video);
		else
			print_declined(answer, &sdp.media[i]);
	}
	agreed.keys = offer_secure_settle(l->keys, &choice.crypto);
	offer_video_settle(l, &video);
	*out = agreed;
	return OFFER_OK;
}

/* A format of their answer as one of ours. Without rtpmap a number means what it meant in our offer. */
static const struct codec *codec_of_answer(const struct payload_types *ours, const struct sdp_format *f)
{
	for (int id = 0; !f->name.p && id < CODEC_COUNT; id++) {
		if (ours->codec[id] == f->payload_type)
			return codec_get((enum codec_id)id);
	}
	return codec_of(f);
}

static bool accept_format(const struct media_local *l, const struct sdp_media *m, struct media_agreed *out)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	size_t n = sdp_formats(m, formats);
	struct payload_types ours;
	struct event_choice event;

	number_offer(&ours, l);
	for (size_t i = 0; i < n; i++) {
		const struct codec *c = codec_of_answer(&ours, &formats[i]);

		if (!c || !codec_list_has(&l->codecs, c->id))
			continue;
		agree_codec(out, c->id, formats[i].fmtp);
		out->send_pt = formats[i].payload_type;
		out->recv_pt = ours.codec[c->id];
		event = choose_event(formats, n, c->id);
		agree_events(out, &event, ours.event[event.clock]);
		return true;
	}
	return false;
}

static enum offer_result accept_line(const struct media_local *l, const struct sdp *sdp, struct media_agreed *out,
				     const char **why)
{
	const struct sdp_media *m = &sdp->media[out->line];

	*why = why_no_audio(sdp);
	/* Our offer has one live line, so that at its place is the answer to it, whatever else they wrote. */
	if (sdp->media_count <= out->line || !is_audio(m))
		return OFFER_NO_AUDIO;
	*why = offer_read_remote(l, m, out);
	if (*why)
		return OFFER_NO_AUDIO;
	*why = "no codec of our offer in the answer";
	return accept_format(l, m, out) ? OFFER_OK : OFFER_NO_CODEC;
}

enum offer_result offer_accept(const struct media_local *l, struct str answer, struct media_agreed *out,
			       const char **why)
{
	struct media_agreed agreed = places_of(l);
	struct offer_crypto crypto = { .found = false };
	enum offer_result result;
	const struct sdp_media *m;
	struct sdp sdp;

	if (sdp_parse(&sdp, answer, why))
		return OFFER_BAD;
	result = accept_line(l, &sdp, &agreed, why);
	if (result != OFFER_OK)
		return result;
	m = &sdp.media[agreed.line];
	*why = offer_secure_accept(l, m, &crypto);
	if (*why)
		return OFFER_NO_AUDIO;
	offer_agree(l, m, false, &agreed);
	agreed.keys = offer_secure_settle(l->keys, &crypto);
	if (agreed.video_line && l->video)
		offer_video_accept(l, agreed.video_line <= sdp.media_count ? &sdp.media[agreed.video_line - 1] : NULL);
	*out = agreed;
	return OFFER_OK;
}

/* Formats of the first audio line that we could take. */
static enum offer_result offered_formats(struct str text, enum media_encryption encryption, struct sdp_format *formats,
					 size_t *n, const char **why)
{
	struct offer_crypto crypto;
	struct sdp sdp;

	if (sdp_parse(&sdp, text, why))
		return OFFER_BAD;
	*n = 0;
	*why = why_no_audio(&sdp);
	for (size_t i = 0; i < sdp.media_count && *why; i++) {
		if (!is_audio(&sdp.media[i]))
			continue;
		*why = offer_secure_read(encryption, NULL, &sdp.media[i], &crypto);
		secure_forget(&crypto.theirs);
		if (!*why)
			*n = sdp_formats(&sdp.media[i], formats);
	}
	return *why ? OFFER_NO_AUDIO : OFFER_OK;
}

enum offer_result offer_codecs(struct str text, enum media_encryption encryption, struct codec_list *out,
			       const char **why)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	size_t n;
	enum offer_result result = offered_formats(text, encryption, formats, &n, why);

	if (result != OFFER_OK)
		return result;
	out->count = 0;
	for (size_t i = 0; i < n; i++) {
		const struct codec *c = codec_of(&formats[i]);

		if (c)
			codec_list_add(out, c->id);
	}
	return OFFER_OK;
}

bool offer_opus(struct str text, enum media_encryption encryption, const struct codec_list *ours, struct opus_wish *out)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	const struct codec *widest = NULL;
	struct str fmtp = { NULL, 0 };
	const char *why;
	size_t n;

	if (offered_formats(text, encryption, formats, &n, &why) != OFFER_OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct codec *c = codec_of(&formats[i]);

		if (!c || !codec_list_has(ours, c->id) || (widest && widest->sample_hz >= c->sample_hz))
			continue;
		widest = c;
		fmtp = formats[i].fmtp;
	}
	if (widest && widest->id == CODEC_OPUS)
		opus_wish_read(out, fmtp);
	else if (widest)
		*out = opus_wish_of_rate(widest->sample_hz);
	return widest;
}
