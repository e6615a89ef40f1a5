/* Files in every format, made by libsndfile itself or byte by byte; and files that lie. */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <unistd.h>

#include "media/media_file.h"

enum { MAX_FILE = 4 << 20, TONE_HZ = 700 };

struct file {
	char path[40];
	uint8_t *bytes;
	size_t n;
};

static void make(struct file *f, int format, int rate, int channels, double seconds)
{
	SF_INFO info = { .samplerate = rate, .channels = channels, .format = format };
	size_t frames = (size_t)(rate * seconds);
	SNDFILE *s;
	FILE *in;
	int fd;

	strcpy(f->path, "/tmp/test_media_file.XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	s = sf_open_fd(fd, SFM_WRITE, &info, 1);
	if (!s)
		fprintf(stderr, "format %x: %s\n", (unsigned)format, sf_strerror(NULL));
	assert_non_null(s);
	/* The second channel is silent: mixed, the tone is heard at half of what it was. */
	for (size_t i = 0; i < frames; i++) {
		float frame[16] = { (float)(10000.0 / 32768 * sin(2 * M_PI * TONE_HZ * (double)i / rate)) };

		assert_int_equal(sf_writef_float(s, frame, 1), 1);
	}
	sf_close(s);
	f->bytes = malloc(MAX_FILE);
	in = fopen(f->path, "rb");
	f->n = fread(f->bytes, 1, MAX_FILE, in);
	fclose(in);
}

static void drop(struct file *f)
{
	unlink(f->path);
	free(f->bytes);
}

/* Amplitude of a frequency in the middle half. */
static double level(const struct clip *c, double hz)
{
	size_t from = clip_count(c) / 4, n = clip_count(c) / 2;
	double re = 0, im = 0;

	for (size_t i = from; i < from + n; i++) {
		re += clip_samples(c)[i] * cos(2 * M_PI * hz * (double)i / clip_rate_hz(c));
		im += clip_samples(c)[i] * sin(2 * M_PI * hz * (double)i / clip_rate_hz(c));
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}

static struct str view(const struct file *f)
{
	return (struct str){ (const char *)f->bytes, f->n };
}

static void every_format_is_heard(void **state)
{
	static const struct {
		const char *name, *type, *file;
		int format, rate, channels;
		double seconds, slack_ms, least;
		uint32_t want_hz;
	} rows[] = {
		{ "wav", "audio/wav", "/a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, 1.5, 0, 9900, 8000 },
		{ "stereo", "", "", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 2, 1.5, 0, 4900, 8000 },
		{ "44.1", "", "", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 44100, 2, 1.5, 2, 4800, 16000 },
		{ "float", "", "", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, 0.5, 0, 9900, 16000 },
		{ "wav mu-law", "", "", SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1, 0.5, 0, 9800, 8000 },
		{ "wav gsm", "", "", SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1, 1.0, 45, 6000, 8000 },
		{ "aiff", "audio/aiff", "", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 11025, 1, 1.0, 1, 9900, 11025 },
		{ "au", "audio/basic", "", SF_FORMAT_AU | SF_FORMAT_ULAW, 8000, 1, 1.0, 0, 9800, 8000 },
		{ "flac", "", "", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 48000, 6, 1.0, 2, 1500, 16000 },
		{ "vorbis", "", "", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000, 1, 1.0, 1, 9000, 16000 },
		{ "opus", "", "", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1, 1.0, 10, 9000, 16000 },
		{ "mp3", "audio/mpeg", "", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 1, 2.0, 80, 9000, 16000 },
		{ "raw mu-law", "audio/basic", "/x", SF_FORMAT_RAW | SF_FORMAT_ULAW, 8000, 1, 1.0, 0, 9800, 8000 },
		{ "raw by name", "", "/hello.ULAW", SF_FORMAT_RAW | SF_FORMAT_ULAW, 8000, 1, 1.0, 0, 9800, 8000 },
		{ "raw a-law", "audio/PCMA; rate=8000", "", SF_FORMAT_RAW | SF_FORMAT_ALAW, 8000, 1, 1.0, 0, 9800,
		  8000 },
		{ "raw gsm", "application/octet-stream", "/a.gsm", SF_FORMAT_RAW | SF_FORMAT_GSM610, 8000, 1, 1.0, 45,
		  6000, 8000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char why[MEDIA_FILE_WHY] = "";
		struct clip *c = NULL;
		struct file f;

		make(&f, rows[i].format, rows[i].rate, rows[i].channels, rows[i].seconds);
		CHECK_INT(0, media_file_decode(&c, view(&f), str_of(rows[i].type), str_of(rows[i].file), why));
		if (c) {
			CHECK_INT(rows[i].want_hz, clip_rate_hz(c));
			CHECK(fabs(clip_ms(c) - rows[i].seconds * 1000) <= rows[i].slack_ms + 1);
			CHECK(level(c, TONE_HZ) > rows[i].least && level(c, TONE_HZ) < 11000);
			CHECK(level(c, 1900) < 300);
		}
		if (!c || level(c, TONE_HZ) <= rows[i].least || level(c, TONE_HZ) >= 11000 || level(c, 1900) >= 300)
			fprintf(stderr, "in \"%s\": %s, level %.0f, %u ms\n", rows[i].name, why,
				c ? level(c, TONE_HZ) : 0, c ? clip_ms(c) : 0);
		clip_unref(&c);
		drop(&f);
	}
}

static void a_file_is_read_from_the_disk(void **state)
{
	char why[MEDIA_FILE_WHY] = "";
	struct clip *c = NULL;
	struct file f;

	make(&f, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, 0.5);
	CHECK_INT(0, media_file_read(&c, f.path, why));
	CHECK_INT(500, c ? clip_ms(c) : 0);
	clip_unref(&c);
	CHECK_INT(ENOENT, media_file_read(&c, "/nowhere/at/all.wav", why));
	CHECK_STR("No such file or directory", why);
	CHECK_INT(EINVAL, media_file_read(&c, "/dev/zero", why));
	CHECK_INT(EINVAL, media_file_read(&c, "/tmp", why));
	drop(&f);
}

/* --- files that lie --- */

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Offsets in the header that libsndfile writes: 22 channels, 24 rate, 40 bytes of data. */
static void headers_that_lie_do_no_harm(void **state)
{
	static const struct {
		const char *name;
		unsigned at;
		uint32_t value;
		size_t cut; /* bytes kept, 0 = all */
		int err;
		uint32_t ms;
	} rows[] = {
		{ "4 GiB of data", 40, 0xffffffff, 0, 0, 500 },
		{ "data past the end", 40, 100000, 0, 0, 500 },
		{ "no data", 40, 0, 0, -1, 0 },
		{ "1000 channels", 22, 1000 | 2 << 16, 0, EINVAL, 0 },
		{ "0 Hz", 24, 0, 0, EINVAL, 0 },
		{ "4 GHz", 24, 0xf0000000, 0, EINVAL, 0 },
		{ "2 Hz", 24, 2, 0, EINVAL, 0 },
		{ "cut in the header", 0, 0x46464952, 20, EINVAL, 0 },
		{ "cut before the audio", 0, 0x46464952, 44, EINVAL, 0 },
		{ "cut in the audio", 0, 0x46464952, 44 + 4000, 0, 250 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char why[MEDIA_FILE_WHY] = "";
		struct clip *c = NULL;
		struct file f;
		int err;

		make(&f, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, 0.5);
		put32(f.bytes + rows[i].at, rows[i].value);
		if (rows[i].cut)
			f.n = rows[i].cut;
		err = media_file_decode(&c, view(&f), STR(""), STR(""), why);
		if (rows[i].err >= 0)
			CHECK_INT(rows[i].err, err);
		CHECK(!err == !!c && !err == !why[0]);
		if (c && rows[i].ms)
			CHECK_INT(rows[i].ms, clip_ms(c));
		if (rows[i].err >= 0 && rows[i].err != err)
			fprintf(stderr, "in \"%s\": %s\n", rows[i].name, why);
		clip_unref(&c);
		drop(&f);
	}
}

static void other_things_are_refused(void **state)
{
	static const struct {
		struct str bytes;
		const char *type, *why;
	} rows[] = {
		{ { "", 0 }, "audio/wav", "the file is empty" },
		{ { "<html>404</html>", 16 },
		  "text/html",
		  "this is no audio file that we know (WAV, MP3, AIFF, AU, FLAC, Ogg, GSM)" },
		{ { "RIFFxxxxWAVEfmt ", 16 }, "audio/wav", NULL },
		{ { "OggSxxxx", 8 }, "", NULL },
		{ { "ID3\4\0\0\x7f\x7f\x7f\x7f", 10 }, "", NULL },
		{ { "\xff\xfb\x90\x00\xff\xfb\x90\x00", 8 }, "audio/mpeg", NULL },
		{ { "fLaC\0\0\0\x22", 8 }, "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char why[MEDIA_FILE_WHY] = "";
		struct clip *c = NULL;

		CHECK_INT(EINVAL, media_file_decode(&c, rows[i].bytes, str_of(rows[i].type), STR(""), why));
		CHECK(!c && why[0]);
		if (rows[i].why)
			CHECK_STR(rows[i].why, why);
	}
}

/* libsndfile 1.2 would turn for ever in this one. Passed over, the list hides no data: there is none. */
static void a_list_with_a_wrong_length_is_passed_over(void **state)
{
	static const char bytes[] =
		"\x52\x49\x46\x46\x56\x04\x00\x00\x57\x41\x56\x45\x66\x6d\x74\x20\x14\x00\x00\x00\x11\x00"
		"\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x00\x04\x04\x00\x02\x00\xf9\x07\x66\x61\x63\x74"
		"\x04\x00\x00\x00\xf9\x07\x00\x00\x4c\x49\x53\x54\x1a\x00\x00\x00\x49\x4e\x46\x4f\x49\x53"
		"\x06\x54\xf3\xff\xff\xff\x4c\x61\x30\x45\x74\x20\x14\x00\x00\x00\x45\x88\x88";
	struct str file = { bytes, sizeof(bytes) - 1 };
	char why[MEDIA_FILE_WHY] = "";
	struct clip *c = NULL;

	CHECK_INT(EINVAL, media_file_decode(&c, file, STR(""), STR(""), why));
	CHECK_STR("the audio cannot be decoded: Error in WAV file. No 'data' chunk marker.", why);
	CHECK(!c);
}

static void audio_has_an_end(void **state)
{
	size_t hour = (size_t)3600 * 8000, n = hour + 5000;
	char *zeros = malloc((32u << 20) + 1), why[MEDIA_FILE_WHY] = "";
	struct clip *c = NULL;

	memset(zeros, 0xff, (32u << 20) + 1);
	CHECK_INT(EFBIG, media_file_decode(&c, (struct str){ zeros, n }, STR("audio/basic"), STR(""), why));
	CHECK_STR("the audio is longer than 60 minutes or larger than 64 MiB when decoded", why);
	CHECK_INT(EFBIG,
		  media_file_decode(&c, (struct str){ zeros, (32u << 20) + 1 }, STR("audio/basic"), STR(""), why));
	CHECK_STR("the file is larger than 32 MiB", why);
	CHECK_INT(0, media_file_decode(&c, (struct str){ zeros, hour - 5000 }, STR("audio/basic"), STR(""), why));
	clip_unref(&c);
	free(zeros);
}

/* An MP3 whose Xing header tells of 100 hours, and one cut in the middle of a frame. */
static void an_mp3_is_as_long_as_it_is(void **state)
{
	char why[MEDIA_FILE_WHY] = "";
	struct clip *c = NULL;
	struct file f;

	make(&f, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 1, 1.0);
	for (size_t i = 0; i + 12 < f.n && i < 400; i++) {
		if (memcmp(f.bytes + i, "Info", 4) && memcmp(f.bytes + i, "Xing", 4))
			continue;
		memset(f.bytes + i + 8, 0x7f, 4);
		break;
	}
	CHECK_INT(0, media_file_decode(&c, view(&f), STR(""), STR(""), why));
	CHECK(c && clip_ms(c) > 900 && clip_ms(c) < 1200);
	clip_unref(&c);
	f.n = f.n / 2 + 7;
	CHECK_INT(0, media_file_decode(&c, view(&f), STR(""), STR(""), why));
	CHECK(c && clip_ms(c) > 300 && clip_ms(c) < 800);
	clip_unref(&c);
	drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_format_is_heard),
		TEST(a_file_is_read_from_the_disk),
		TEST(headers_that_lie_do_no_harm),
		TEST(other_things_are_refused),
		TEST(a_list_with_a_wrong_length_is_passed_over),
		TEST(audio_has_an_end),
		TEST(an_mp3_is_as_long_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
