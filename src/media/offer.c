#include "media/offer.h"

#include <string.h>

#include "media/sdp.h"

enum {
	EVENT_PAYLOAD_TYPE = 101,
	EVENT_CLOCK_HZ = 8000,
	FIRST_DYNAMIC = 96,
	LAST_DYNAMIC = 127,
	PTIME_MS = 20,
	MAX_PTIME_MS = 60, /* of a packet that we can decode */
};

/* One side's payload types: by codec, and of telephone-event. */
struct payload_types {
	uint8_t codec[CODEC_COUNT];
	uint8_t event;
};

/* What an audio line of theirs holds for us. */
struct choice {
	const struct sdp_media *media;
	enum codec_id codec;
	uint8_t pt, event_pt;
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

/* What is left of our wish against their line. An address of zeros is the hold of RFC 2543: they do not listen. */
static enum media_direction meet(enum media_direction ours, enum sdp_direction theirs, const struct addr *remote)
{
	bool they_listen = theirs == SDP_SENDRECV || theirs == SDP_RECVONLY;
	bool they_send = theirs == SDP_SENDRECV || theirs == SDP_SENDONLY;

	return direction_of(we_send(ours) && they_listen && !addr_is_any(remote), we_listen(ours) && they_send);
}

/* --- formats --- */

static bool is_event(const struct sdp_format *f)
{
	/* Events of another clock would need their durations rewritten when they pass to the other leg. */
	return str_iis(f->name, "telephone-event") && f->clock_hz == EVENT_CLOCK_HZ;
}

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

		if (!str_iis(f->name, c->sdp_name))
			continue;
		/* Some write the samples' rate of G.722 in place of its clock; some forget Opus' "/2". */
		if (f->clock_hz == c->clock_hz || (c->id == CODEC_G722 && f->clock_hz == c->sample_hz))
			return f->channels == c->channels || f->channels == 1 ? c : NULL;
	}
	return NULL;
}

static uint8_t event_type_of(const struct sdp_format *formats, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_event(&formats[i]))
			return formats[i].payload_type;
	}
	return MEDIA_NO_PT;
}

/* --- what we offer --- */

static bool is_taken(const struct payload_types *t, uint8_t pt)
{
	for (int id = 0; id < CODEC_COUNT; id++) {
		if (t->codec[id] == pt)
			return true;
	}
	return t->event == pt;
}

static uint8_t free_type(const struct payload_types *t, uint8_t wish)
{
	uint8_t pt = wish;

	for (int i = FIRST_DYNAMIC; i <= LAST_DYNAMIC && is_taken(t, pt); i++)
		pt = (uint8_t)i;
	return pt;
}

/* The numbers of our offer. Those of the running session stay (RFC 3264 §8.3.2), the others keep clear of them. */
static void number_offer(struct payload_types *t, const struct media_local *l)
{
	memset(t, MEDIA_NO_PT, sizeof(*t));
	if (l->before) {
		t->codec[l->before->codec] = l->before->recv_pt;
		t->event = l->before->event_recv_pt;
	}
	for (size_t i = 0; i < l->codecs.count; i++) {
		enum codec_id id = l->codecs.items[i];

		if (t->codec[id] == MEDIA_NO_PT)
			t->codec[id] = free_type(t, codec_get(id)->payload_type);
	}
	if (t->event == MEDIA_NO_PT)
		t->event = free_type(t, EVENT_PAYLOAD_TYPE);
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

static void print_codec(struct buf *out, enum codec_id id, uint8_t pt)
{
	const struct codec *c = codec_get(id);
	struct sdp_format f = {
		.name = str_of(c->sdp_name),
		.fmtp = str_of(c->fmtp),
		.clock_hz = c->clock_hz,
		.channels = c->channels,
		.payload_type = pt,
	};

	sdp_print_format(out, &f);
}

static void print_event(struct buf *out, uint8_t pt)
{
	struct sdp_format f = {
		.name = STR("telephone-event"),
		.fmtp = STR("0-16"),
		.clock_hz = EVENT_CLOCK_HZ,
		.channels = 1,
		.payload_type = pt,
	};

	if (pt != MEDIA_NO_PT)
		sdp_print_format(out, &f);
}

void offer_print(struct buf *out, const struct media_local *l)
{
	struct payload_types types;

	number_offer(&types, l);
	print_session(out, l, (struct str){ NULL, 0 });
	buf_printf(out, "m=audio %u RTP/AVP", addr_port(&l->rtp));
	for (size_t i = 0; i < l->codecs.count; i++)
		buf_printf(out, " %u", types.codec[l->codecs.items[i]]);
	buf_printf(out, " %u\r\n", types.event);
	for (size_t i = 0; i < l->codecs.count; i++)
		print_codec(out, l->codecs.items[i], types.codec[l->codecs.items[i]]);
	print_event(out, types.event);
	buf_printf(out, "a=ptime:%u\r\n", PTIME_MS);
	sdp_print_direction(out, to_sdp(l->direction));
}

/* --- what they wrote --- */

static bool is_acceptable(const struct sdp_media *m)
{
	/* AVPF without feedback attributes is AVP with other timing of RTCP (RFC 4585 §3.1): relayed as it comes. */
	return str_iis(m->media, "audio") && m->port && (str_iis(m->proto, "RTP/AVP") || str_iis(m->proto, "RTP/AVPF"));
}

static const char *why_no_audio(const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *m = &sdp->media[i];

		if (!str_iis(m->media, "audio"))
			continue;
		return m->port ? "the audio line has another profile than RTP/AVP" : "the audio line is declined";
	}
	return "no audio line";
}

/* Where to send. The address must be numeric and of our family: nothing below can look up or translate. */
static const char *read_remote(const struct media_local *l, const struct sdp_media *m, struct media_agreed *out)
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

static void agree(const struct media_local *l, const struct sdp_media *m, bool mux, struct media_agreed *out)
{
	out->rtcp_mux = mux && m->rtcp_mux;
	if (out->rtcp_mux)
		out->remote_rtcp = out->remote;
	out->direction = meet(l->direction, m->direction, &out->remote);
	out->ptime_ms = m->ptime_ms > UINT16_MAX ? 0 : (uint16_t)m->ptime_ms;
	out->packet_ms = packet_ms(out->codec, out->ptime_ms, m->maxptime_ms);
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
	}
	out->media = m;
	out->event_pt = event_type_of(formats, n);
	return best != SIZE_MAX;
}

/* The first audio line that we can take. */
static enum offer_result choose_line(const struct media_local *l, const struct sdp *sdp, struct choice *out,
				     const char **why)
{
	enum offer_result result = OFFER_NO_AUDIO;

	*why = why_no_audio(sdp);
	for (size_t i = 0; i < sdp->media_count; i++) {
		if (!is_acceptable(&sdp->media[i]))
			continue;
		if (choose_format(l, &sdp->media[i], out))
			return OFFER_OK;
		result = OFFER_NO_CODEC;
		*why = "no codec in common";
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
	if (c->event_pt != MEDIA_NO_PT)
		buf_printf(out, " %u", c->event_pt);
	buf_cstr(out, "\r\n");
	print_codec(out, c->codec, c->pt);
	print_event(out, c->event_pt);
	buf_printf(out, "a=ptime:%u\r\n", a->packet_ms);
	if (c->media->ptime_ms || c->media->maxptime_ms)
		buf_printf(out, "a=maxptime:%u\r\n", MAX_PTIME_MS);
	sdp_print_direction(out, to_sdp(a->direction));
	if (a->rtcp_mux)
		buf_cstr(out, "a=rtcp-mux\r\n");
}

enum offer_result offer_answer(const struct media_local *l, struct str offer, struct buf *answer,
			       struct media_agreed *out, const char **why)
{
	struct media_agreed agreed = { .codec = CODEC_COUNT };
	enum offer_result result;
	struct choice choice = { 0 };
	struct sdp sdp;

	if (sdp_parse(&sdp, offer, why))
		return OFFER_BAD;
	result = choose_line(l, &sdp, &choice, why);
	if (result != OFFER_OK)
		return result;
	*why = read_remote(l, choice.media, &agreed);
	if (*why)
		return OFFER_NO_AUDIO;

	agreed.codec = choice.codec;
	agreed.send_pt = agreed.recv_pt = choice.pt;
	agreed.event_send_pt = agreed.event_recv_pt = choice.event_pt;
	agree(l, choice.media, true, &agreed);
	print_session(answer, l, sdp.timing);
	for (size_t i = 0; i < sdp.media_count; i++) {
		if (&sdp.media[i] == choice.media)
			print_taken(answer, l, &choice, &agreed);
		else
			print_declined(answer, &sdp.media[i]);
	}
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

	number_offer(&ours, l);
	out->event_send_pt = event_type_of(formats, n);
	out->event_recv_pt = out->event_send_pt == MEDIA_NO_PT ? MEDIA_NO_PT : ours.event;
	for (size_t i = 0; i < n; i++) {
		const struct codec *c = codec_of_answer(&ours, &formats[i]);

		if (!c || !codec_list_has(&l->codecs, c->id))
			continue;
		out->codec = c->id;
		out->send_pt = formats[i].payload_type;
		out->recv_pt = ours.codec[c->id];
		return true;
	}
	return false;
}

enum offer_result offer_accept(const struct media_local *l, struct str answer, struct media_agreed *out,
			       const char **why)
{
	struct media_agreed agreed = { .codec = CODEC_COUNT };
	struct sdp sdp;

	if (sdp_parse(&sdp, answer, why))
		return OFFER_BAD;
	*why = why_no_audio(&sdp);
	/* Our offer has one line, so the first of theirs is the answer to it, whatever else they wrote. */
	if (!sdp.media_count || !is_acceptable(&sdp.media[0]))
		return OFFER_NO_AUDIO;
	*why = read_remote(l, &sdp.media[0], &agreed);
	if (*why)
		return OFFER_NO_AUDIO;
	*why = "no codec of our offer in the answer";
	if (!accept_format(l, &sdp.media[0], &agreed))
		return OFFER_NO_CODEC;
	*why = NULL;
	agree(l, &sdp.media[0], false, &agreed);
	*out = agreed;
	return OFFER_OK;
}

enum offer_result offer_codecs(struct str text, struct codec_list *out, const char **why)
{
	struct sdp_format formats[SDP_MAX_FORMATS];
	struct sdp sdp;
	size_t n = 0;

	if (sdp_parse(&sdp, text, why))
		return OFFER_BAD;
	*why = why_no_audio(&sdp);
	for (size_t i = 0; i < sdp.media_count; i++) {
		if (!is_acceptable(&sdp.media[i]))
			continue;
		n = sdp_formats(&sdp.media[i], formats);
		*why = NULL;
		break;
	}
	if (*why)
		return OFFER_NO_AUDIO;
	out->count = 0;
	for (size_t i = 0; i < n; i++) {
		const struct codec *c = codec_of(&formats[i]);

		if (c)
			codec_list_add(out, c->id);
	}
	return OFFER_OK;
}
