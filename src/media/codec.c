#include "media/codec.h"

static const struct codec table[CODEC_COUNT] = {
	[CODEC_OPUS] = { CODEC_OPUS, "OPUS", "opus", 48000, 48000, 2, 111, "useinbandfec=1" },
	/* RFC 3551 §4.5.2: the RTP clock of G.722 is 8000 by an old mistake, its samples are 16 kHz. */
	[CODEC_G722] = { CODEC_G722, "G722", "G722", 8000, 16000, 1, 9, NULL },
	[CODEC_PCMU] = { CODEC_PCMU, "PCMU", "PCMU", 8000, 8000, 1, 0, NULL },
	[CODEC_PCMA] = { CODEC_PCMA, "PCMA", "PCMA", 8000, 8000, 1, 8, NULL },
	/* Silent frames of annex B would be a second format for whoever listens: say that we want none. */
	[CODEC_G729] = { CODEC_G729, "G729", "G729", 8000, 8000, 1, 18, "annexb=no" },
	[CODEC_L16] = { CODEC_L16, "L16", "L16", 16000, 16000, 1, 112, NULL },
	/* Numbers and parameters of video are those of the party that is relayed (video.h). */
	[CODEC_VP8] = { CODEC_VP8, "VP8", "VP8", 90000, 0, 1, 96, NULL },
	[CODEC_H264] = { CODEC_H264, "H264", "H264", 90000, 0, 1, 97, NULL },
};

static const char *const foreign[] = { "AMR-WB" };

const struct codec *codec_get(enum codec_id id)
{
	return &table[id];
}

const struct codec *codec_by_name(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_iis(name, table[i].name))
			return &table[i];
	}
	return NULL;
}

bool codec_is_foreign(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		if (str_iis(name, foreign[i]))
			return true;
	}
	return false;
}

bool codec_is_video(enum codec_id id)
{
	return id == CODEC_VP8 || id == CODEC_H264;
}

bool codec_list_has(const struct codec_list *l, enum codec_id id)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i] == id)
			return true;
	}
	return false;
}

void codec_list_add(struct codec_list *l, enum codec_id id)
{
	if (!codec_list_has(l, id))
		l->items[l->count++] = id;
}

void codec_list_common(struct codec_list *out, const struct codec_list *a, const struct codec_list *b)
{
	struct codec_list common = { .count = 0 };

	for (size_t i = 0; i < a->count; i++) {
		if (codec_list_has(b, a->items[i]))
			codec_list_add(&common, a->items[i]);
	}
	*out = common; /* out may be a or b */
}

void codec_list_split(const struct codec_list *all, struct codec_list *audio, struct codec_list *video)
{
	struct codec_list from = *all; /* one of the two may be all */

	audio->count = video->count = 0;
	for (size_t i = 0; i < from.count; i++)
		codec_list_add(codec_is_video(from.items[i]) ? video : audio, from.items[i]);
}

void codec_list_parse(struct codec_list *out, struct str text, void (*unknown)(void *arg, struct str name), void *arg)
{
	struct str name;

	out->count = 0;
	while (str_split(&text, ',', &name)) {
		const struct codec *c;

		name = str_trim(name);
		c = codec_by_name(name);
		if (c)
			codec_list_add(out, c->id);
		else if (unknown && name.n && !codec_is_foreign(name))
			unknown(arg, name);
	}
}
