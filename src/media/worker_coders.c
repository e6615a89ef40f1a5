/* Which of a port's audio has to be decoded and made, at which rate, and the coders for it. */
#include <string.h>

#include "base/log.h"
#include "media/denoise.h"
#include "media/jitter.h"
#include "media/resample.h"
#include "media/sink.h"
#include "media/worker_audio_impl.h"

/* --- what is needed --- */

static bool can_code(const struct worker_port *p)
{
	return p->codec != CODEC_COUNT && coder_has(p->codec);
}

static bool plays(const struct worker_port *p)
{
	return p->audio && !list_empty(&p->audio->playing);
}

static bool needs_made(const struct worker_port *p)
{
	const struct worker_port *from = p->source;
	bool transcodes = from && (from->codec != p->codec || from->denoises || p->local) && can_code(from);

	return p->may_send && can_code(p) && (plays(p) || transcodes || keys_are_sent(p));
}

static bool is_listened_to(const struct worker_port *p, enum sink_wants wants)
{
	if (!p->audio)
		return false;
	for (struct list *n = p->audio->listeners.next; n != &p->audio->listeners; n = n->next) {
		if (LIST_ITEM(n, struct listener, node)->sink->wants & wants)
			return true;
	}
	return false;
}

static bool needs_decoded(const struct worker_port *p)
{
	if (!can_code(p))
		return false;
	return is_listened_to(p, SINK_SAID) || keys_need_audio(p) ||
	       (p->sink && (needs_made(p->sink) || is_listened_to(p->sink, SINK_HEARD)));
}

static bool is_narrow(const struct worker_port *p)
{
	return p && p->codec != CODEC_COUNT && codec_get(p->codec)->sample_hz == NARROW_HZ;
}

static bool is_wide(const struct worker_port *p)
{
	return p && (p->local || !is_narrow(p));
}

static bool has_wide_listener(const struct worker_port *p)
{
	if (!p->audio)
		return false;
	for (const struct list *n = p->audio->listeners.next; n != &p->audio->listeners; n = n->next) {
		if (LIST_ITEM(n, struct listener, node)->rate_hz > NARROW_HZ)
			return true;
	}
	return false;
}

/* G.722 works at the rate of a telephone where telephones are all that it has to do with. */
static bool meets_telephones_only(const struct worker_port *p)
{
	if (p->local || is_wide(p->sink) || is_wide(p->source) || plays(p) || has_wide_listener(p))
		return false;
	return p->sink || p->source;
}

/* Opus works at the rate of the telephone at the other end, everything else at its own. */
uint32_t audio_rate_of(const struct worker_port *p)
{
	bool narrow = !p->local && is_narrow(p);

	if (p->codec == CODEC_OPUS)
		narrow = is_narrow(p->sink) || is_narrow(p->source);
	else if (p->codec == CODEC_G722)
		narrow = meets_telephones_only(p);
	return narrow ? NARROW_HZ : WIDE_HZ;
}

bool audio_makes(const struct worker_port *p)
{
	return p->audio && p->audio->makes;
}

/* --- coders --- */

/* Audio comes as it is. */
static void want_local(struct audio *a, bool decoded, bool made)
{
	if (decoded && !a->decodes)
		local_forget(a->port);
	a->decodes = decoded;
	a->makes = made;
}

static void drop_decoder(struct audio *a)
{
	jitter_free(&a->jitter);
	decoder_free(&a->decoder);
	denoiser_free(&a->denoiser);
	a->decoded_count = a->packet_count = 0;
	a->talks = false;
}

static int make_decoder(struct audio *a)
{
	struct jitter_opts opts = { .max_payload = CODER_MAX_BYTES };
	int err = 0;

	if (codec_get(a->decoder_codec)->sample_hz == NARROW_HZ)
		opts.max_payload = CODER_MAX_MS * NARROW_HZ / 1000;
	if (!a->decoder)
		err = decoder_new(&a->decoder, a->decoder_codec, a->rate_hz);
	if (!err && !a->jitter)
		err = jitter_new(&a->jitter, &opts);
	return err;
}

static void want_decoder(struct audio *a, bool wanted)
{
	if (!wanted || a->decoder_codec != a->port->codec)
		drop_decoder(a);
	a->decodes = wanted;
	if (!wanted || a->decoder)
		return;
	a->decoder_codec = a->port->codec;
	if (make_decoder(a)) {
		drop_decoder(a);
		a->decodes = false;
		log_printf(LOG_ERROR, NULL, "media: no memory for a decoder");
	}
}

/* Behind want_decoder(). */
static void want_denoiser(struct audio *a)
{
	if (!a->port->denoises || !a->decodes)
		denoiser_free(&a->denoiser);
	else if (!a->denoiser && denoiser_new(&a->denoiser, a->rate_hz))
		log_printf(LOG_ERROR, NULL, "media: no memory to take noise out");
}

/* Without a gap in time: the next packet is later by what was dropped. */
void audio_drop_unsent(struct audio *a)
{
	if (a->unsent_count)
		a->port->out.timestamp += coder_ticks(a->encoder_codec, a->rate_hz, a->unsent_count);
	a->unsent_count = 0;
}

static void want_encoder(struct audio *a, bool wanted)
{
	if (a->encoder && (!wanted || a->encoder_codec != a->port->codec))
		encoder_free(&a->encoder);
	if (wanted && !a->makes) {
		rtp_take_up(a->port);
		a->unsent_count = 0;
	}
	a->makes = wanted;
	if (!wanted || a->encoder)
		return;
	a->encoder_codec = a->port->codec;
	if (encoder_new(&a->encoder, a->encoder_codec, a->rate_hz)) {
		a->makes = false;
		log_printf(LOG_ERROR, NULL, "media: no memory for an encoder");
		return;
	}
	encoder_wish(a->encoder, &a->port->opus);
}

void audio_agree(struct worker_port *p)
{
	if (p->audio && p->audio->encoder)
		encoder_wish(p->audio->encoder, &p->opus);
}

/* What waits in the jitter buffer stays: it is packets yet. */
static void set_rate(struct audio *a)
{
	uint32_t rate_hz = audio_rate_of(a->port);

	if (a->rate_hz == rate_hz)
		return;
	if (a->decoder && !(a->decoder_codec == a->port->codec && decoder_retune(a->decoder, rate_hz)))
		decoder_free(&a->decoder);
	if (a->encoder && !(a->encoder_codec == a->port->codec && encoder_retune(a->encoder, rate_hz)))
		encoder_free(&a->encoder);
	a->decoded_count = a->packet_count = 0;
	a->talks = false; /* said is at the other rate */
	denoiser_free(&a->denoiser);
	resampler_free(&a->from_peer);
	audio_drop_unsent(a);
	a->rate_hz = rate_hz;
}

/* Somebody asked this port itself for something. */
static bool is_used(const struct worker_port *p)
{
	return keys_are_sent(p) || (p->audio && (!list_empty(&p->audio->playing) || !list_empty(&p->audio->listeners)));
}

bool audio_is_needed(const struct worker_port *p)
{
	return needs_decoded(p) || needs_made(p) || is_used(p);
}

void audio_refresh_coders(struct audio *a)
{
	bool decoded = needs_decoded(a->port), made = needs_made(a->port);

	set_rate(a);
	if (a->port->local) {
		want_local(a, decoded, made);
	} else {
		want_decoder(a, decoded);
		want_encoder(a, made);
	}
	want_denoiser(a);
}

void audio_free_coders(struct audio *a)
{
	drop_decoder(a);
	encoder_free(&a->encoder);
	resampler_free(&a->from_peer);
}
