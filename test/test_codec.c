#include "check.h"

#include "media/codec.h"

static void table_follows_the_rfcs(void **state)
{
	static const struct {
		enum codec_id id;
		const char *name;
		uint32_t clock_hz, sample_hz;
		uint8_t channels, payload_type;
	} rows[] = {
		{ CODEC_OPUS, "OPUS", 48000, 48000, 2, 111 }, { CODEC_G722, "G722", 8000, 16000, 1, 9 },
		{ CODEC_PCMU, "PCMU", 8000, 8000, 1, 0 },     { CODEC_PCMA, "PCMA", 8000, 8000, 1, 8 },
		{ CODEC_G729, "G729", 8000, 8000, 1, 18 },    { CODEC_L16, "L16", 16000, 16000, 1, 112 },
		{ CODEC_VP8, "VP8", 90000, 0, 1, 96 },        { CODEC_H264, "H264", 90000, 0, 1, 97 },
	};

	CHECK_INT(CODEC_COUNT, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct codec *c = codec_get(rows[i].id);

		CHECK_INT(rows[i].id, c->id);
		CHECK_STR(rows[i].name, c->name);
		CHECK_INT(rows[i].clock_hz, c->clock_hz);
		CHECK_INT(rows[i].sample_hz, c->sample_hz);
		CHECK_INT(rows[i].channels, c->channels);
		CHECK_INT(rows[i].payload_type, c->payload_type);
		CHECK(codec_by_name(str_of(rows[i].name)) == c);
	}
}

static void names_are_found_in_any_case(void **state)
{
	static const struct {
		const char *name;
		bool ours, foreign;
	} rows[] = {
		{ "pcmu", true, false }, { "Opus", true, false },   { "g722", true, false },
		{ "VP8", true, false },  { "h264", true, false },   { "amr-wb", false, true },
		{ "PCM", false, false }, { "PCMUX", false, false }, { "", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(rows[i].ours, codec_by_name(str_of(rows[i].name)) != NULL);
		CHECK_INT(rows[i].foreign, codec_is_foreign(str_of(rows[i].name)));
	}
}

static void note_unknown(void *arg, struct str name)
{
	struct buf *b = arg;

	buf_str(b, name);
	buf_char(b, ';');
}

static void list_text(struct buf *b, const struct codec_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		buf_printf(b, "%s%s", i ? "," : "", codec_get(l->items[i])->name);
}

static void lists_are_parsed_in_order(void **state)
{
	static const struct {
		const char *text, *list, *unknown;
	} rows[] = {
		{ "PCMU, pcma,OPUS", "PCMU,PCMA,OPUS", "" },
		{ "PCMU,PCMU,pcmu", "PCMU", "" },
		{ " VP8 ,G722,H264,AMR-WB", "VP8,G722,H264", "" },
		{ "SPEEX,G729,iLBC", "G729", "SPEEX;iLBC;" },
		{ ",,PCMA,", "PCMA", "" },
		{ "", "", "" },
		{ "G729,PCMA,PCMU,G722,OPUS,PCMA", "G729,PCMA,PCMU,G722,OPUS", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf unknown = { 0 }, list = { 0 };
		struct codec_list l;

		codec_list_parse(&l, str_of(rows[i].text), note_unknown, &unknown);
		list_text(&list, &l);
		CHECK_STR(rows[i].list, list.data ? list.data : "");
		CHECK_STR(rows[i].unknown, unknown.data ? unknown.data : "");
		codec_list_parse(&l, str_of(rows[i].text), NULL, NULL);
		buf_free(&unknown);
		buf_free(&list);
	}
}

static void common_keeps_the_first_order(void **state)
{
	static const struct {
		const char *a, *b, *want;
	} rows[] = {
		{ "PCMU,PCMA,G722", "G722,PCMU", "PCMU,G722" },
		{ "PCMU", "PCMA", "" },
		{ "", "PCMA", "" },
		{ "OPUS,G729", "OPUS,G729", "OPUS,G729" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = { 0 };
		struct codec_list a, b;

		codec_list_parse(&a, str_of(rows[i].a), NULL, NULL);
		codec_list_parse(&b, str_of(rows[i].b), NULL, NULL);
		codec_list_common(&a, &a, &b); /* in place */
		list_text(&text, &a);
		CHECK_STR(rows[i].want, text.data ? text.data : "");
		buf_free(&text);
	}
}

static void audio_and_video_are_told_apart(void **state)
{
	static const struct {
		const char *all, *audio, *video;
	} rows[] = {
		{ "H264,PCMU,VP8,OPUS", "PCMU,OPUS", "H264,VP8" },
		{ "PCMA", "PCMA", "" },
		{ "VP8", "", "VP8" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = { 0 };
		struct codec_list all, audio, video;

		codec_list_parse(&all, str_of(rows[i].all), NULL, NULL);
		codec_list_split(&all, &audio, &video);
		list_text(&text, &audio);
		CHECK_STR(rows[i].audio, text.data ? text.data : "");
		buf_reset(&text);
		list_text(&text, &video);
		CHECK_STR(rows[i].video, text.data ? text.data : "");
		codec_list_split(&all, &all, &video); /* in place */
		CHECK_INT(audio.count, all.count);
		buf_free(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(table_follows_the_rfcs),         TEST(names_are_found_in_any_case),
		TEST(lists_are_parsed_in_order),      TEST(common_keeps_the_first_order),
		TEST(audio_and_video_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
