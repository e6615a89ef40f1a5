#include "media/media_reader.h"

#include <errno.h>
#include <mpg123.h>
#include <opusfile.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vorbis/vorbisfile.h>

enum { MIN_HZ = 1000, MAX_HZ = 192000, RAW_HZ = 8000, OPUS_HZ = 48000, PAGE_BYTES = 27, MAX_LISTS = 64 };

struct media_reader {
	struct str bytes;
	size_t at; /* of the libraries that read through us */
	uint32_t rate_hz;
	unsigned channels;
	size_t (*read)(struct media_reader *r, float *out, size_t max);
	/* One of them is open. */
	SNDFILE *file;
	size_t lists[MAX_LISTS]; /* where the file says "LIST" */
	size_t list_count;
	mpg123_handle *mp3;
	OggVorbis_File vorbis;
	bool is_vorbis;
	OggOpusFile *opus;
};

/* --- bytes as a file --- */

/* Offsets come out of the file. -1 = there is no such place. */
static int64_t seek(struct media_reader *r, int64_t offset, int whence)
{
	int64_t size = (int64_t)r->bytes.n;
	int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)r->at : size;

	if (offset < -base || offset > size - base)
		return -1;
	r->at = (size_t)(base + offset);
	return base + offset;
}

static size_t take(struct media_reader *r, void *out, size_t max)
{
	size_t left = r->bytes.n - r->at, n = max < left ? max : left;

	if (n)
		memcpy(out, r->bytes.p + r->at, n);
	r->at += n;
	return n;
}

/* --- WAV, AIFF, AU, FLAC, raw: libsndfile --- */

static sf_count_t file_size(void *arg)
{
	return (sf_count_t)((struct media_reader *)arg)->bytes.n;
}

static sf_count_t file_seek(sf_count_t offset, int whence, void *arg)
{
	return seek(arg, offset, whence);
}

/* A LIST of RIFF holds titles and the like, which nobody here wants; with a wrong length in it libsndfile 1.2 turns for ever.
 * So it sees another name there, which it passes over. False: no sound file has so many. */
static bool find_lists(struct media_reader *r)
{
	const char *from = r->bytes.p, *end = from + r->bytes.n;

	while ((from = memmem(from, (size_t)(end - from), "LIST", 4))) {
		if (r->list_count == MAX_LISTS)
			return false;
		r->lists[r->list_count++] = (size_t)(from - r->bytes.p);
		from += 4;
	}
	return true;
}

static sf_count_t file_read(void *out, sf_count_t count, void *arg)
{
	struct media_reader *r = arg;
	size_t at = r->at, n = count < 0 ? 0 : take(r, out, (size_t)count);

	for (size_t i = 0; i < r->list_count; i++) {
		for (size_t k = 0; k < 4; k++) {
			if (r->lists[i] + k >= at && r->lists[i] + k < at + n)
				((char *)out)[r->lists[i] + k - at] = "JUNK"[k];
		}
	}
	return (sf_count_t)n;
}

static sf_count_t file_write(const void *data, sf_count_t count, void *arg)
{
	return 0;
}

static sf_count_t file_tell(void *arg)
{
	return (sf_count_t)((struct media_reader *)arg)->at;
}

static size_t read_file(struct media_reader *r, float *out, size_t max)
{
	sf_count_t n = sf_readf_float(r->file, out, (sf_count_t)max);

	return n > 0 ? (size_t)n : 0;
}

static int open_file(struct media_reader *r, enum media_raw raw, char why[MEDIA_READER_WHY])
{
	static const int formats[] = { 0, SF_FORMAT_ULAW, SF_FORMAT_ALAW, SF_FORMAT_GSM610 };
	SF_VIRTUAL_IO io = { file_size, file_seek, file_read, file_write, file_tell };
	SF_INFO info = { .format = 0 };

	if (!find_lists(r)) {
		str_copy(why, MEDIA_READER_WHY, STR("the audio has too many lists in it"));
		return EINVAL;
	}
	if (raw)
		info = (SF_INFO){ .format = SF_FORMAT_RAW | formats[raw], .samplerate = RAW_HZ, .channels = 1 };
	r->file = sf_open_virtual(&io, SFM_READ, &info, r);
	if (!r->file) {
		snprintf(why, MEDIA_READER_WHY, "the audio cannot be decoded: %.80s", sf_strerror(NULL));
		return EINVAL;
	}
	r->read = read_file;
	r->rate_hz = info.samplerate > 0 ? (uint32_t)info.samplerate : 0;
	r->channels = info.channels > 0 ? (unsigned)info.channels : 0;
	return 0;
}

/* --- MP3: mpg123 --- */

static ssize_t mp3_read(void *arg, void *out, size_t max)
{
	return (ssize_t)take(arg, out, max);
}

static off_t mp3_seek(void *arg, off_t offset, int whence)
{
	return seek(arg, offset, whence);
}

/* A stream that changes its rate in the middle ends there. */
static size_t read_mp3(struct media_reader *r, float *out, size_t max)
{
	size_t frame = r->channels * sizeof(*out), done = 0;
	int err = mpg123_read(r->mp3, (unsigned char *)out, max * frame, &done);

	return err == MPG123_OK || err == MPG123_DONE ? done / frame : 0;
}

static int open_mp3(struct media_reader *r, char why[MEDIA_READER_WHY])
{
	int err, channels, encoding;
	long rate;

	r->mp3 = mpg123_new(NULL, &err);
	if (!r->mp3)
		return ENOMEM;
	mpg123_param(r->mp3, MPG123_ADD_FLAGS, MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_SKIP_ID3V2, 0);
	err = mpg123_replace_reader_handle(r->mp3, mp3_read, mp3_seek, NULL);
	if (!err)
		err = mpg123_open_handle(r->mp3, r);
	if (!err)
		err = mpg123_getformat(r->mp3, &rate, &channels, &encoding);
	if (!err && encoding != MPG123_ENC_FLOAT_32)
		err = MPG123_BAD_OUTFORMAT;
	if (err) {
		snprintf(why, MEDIA_READER_WHY, "the MP3 cannot be decoded: %.80s", mpg123_strerror(r->mp3));
		return EINVAL;
	}
	r->read = read_mp3;
	r->rate_hz = (uint32_t)rate;
	r->channels = (unsigned)channels;
	return 0;
}

/* --- Ogg: vorbisfile and opusfile --- */

static size_t vorbis_read(void *out, size_t size, size_t n, void *arg)
{
	return size ? take(arg, out, size * n) / size : 0;
}

static int vorbis_seek(void *arg, ogg_int64_t offset, int whence)
{
	return seek(arg, offset, whence) < 0 ? -1 : 0;
}

static long vorbis_tell(void *arg)
{
	return (long)((struct media_reader *)arg)->at;
}

/* A link of the chain with another shape is the end. */
static size_t read_vorbis(struct media_reader *r, float *out, size_t max)
{
	const vorbis_info *info;
	float **channels;
	int link = 0;
	long n = ov_read_float(&r->vorbis, &channels, (int)max, &link);

	while (n == OV_HOLE)
		n = ov_read_float(&r->vorbis, &channels, (int)max, &link);
	info = n > 0 ? ov_info(&r->vorbis, link) : NULL;
	if (!info || info->channels != (int)r->channels || info->rate != (long)r->rate_hz)
		return 0;
	for (long i = 0; i < n; i++)
		for (unsigned k = 0; k < r->channels; k++)
			*out++ = channels[k][i];
	return (size_t)n;
}

static int open_vorbis(struct media_reader *r, char why[MEDIA_READER_WHY])
{
	const ov_callbacks io = { vorbis_read, vorbis_seek, NULL, vorbis_tell };
	const vorbis_info *info = NULL;

	if (!ov_open_callbacks(r, &r->vorbis, NULL, 0, io)) {
		r->is_vorbis = true;
		info = ov_info(&r->vorbis, -1);
	}
	if (!info) {
		str_copy(why, MEDIA_READER_WHY, STR("the Vorbis stream cannot be decoded"));
		return EINVAL;
	}
	r->read = read_vorbis;
	r->rate_hz = info->rate > 0 ? (uint32_t)info->rate : 0;
	r->channels = (unsigned)info->channels;
	return 0;
}

static size_t read_opus(struct media_reader *r, float *out, size_t max)
{
	int n = op_read_float_stereo(r->opus, out, (int)(2 * max));

	while (n == OP_HOLE)
		n = op_read_float_stereo(r->opus, out, (int)(2 * max));
	return n > 0 ? (size_t)n : 0;
}

static int open_opus(struct media_reader *r, char why[MEDIA_READER_WHY])
{
	r->opus = op_open_memory((const unsigned char *)r->bytes.p, r->bytes.n, NULL);
	if (!r->opus) {
		str_copy(why, MEDIA_READER_WHY, STR("the Opus stream cannot be decoded"));
		return EINVAL;
	}
	r->read = read_opus;
	r->rate_hz = OPUS_HZ;
	r->channels = 2;
	return 0;
}

/* By the first packet of the first page. */
static int open_ogg(struct media_reader *r, char why[MEDIA_READER_WHY])
{
	struct str packet = { "", 0 };

	if (r->bytes.n > PAGE_BYTES)
		packet = str_from(r->bytes, PAGE_BYTES + (uint8_t)r->bytes.p[PAGE_BYTES - 1]);
	if (str_starts(packet, "OpusHead"))
		return open_opus(r, why);
	if (str_starts(packet, "\x01vorbis"))
		return open_vorbis(r, why);
	str_copy(why, MEDIA_READER_WHY, STR("in Ogg, only Vorbis and Opus can be decoded"));
	return EINVAL;
}

/* --- the door --- */

/* A frame of MPEG audio, layer 2 or 3, or a tag before it. */
static bool is_mp3(struct str b)
{
	const uint8_t *p = (const uint8_t *)b.p;

	if (str_starts(b, "ID3"))
		return true;
	return b.n > 4 && p[0] == 0xff && (p[1] & 0xe0) == 0xe0 && (p[1] & 0x06) != 0 && (p[1] & 0x06) != 0x06;
}

/* libsndfile knows two dozen formats more; whoever serves a file must not choose among all their parsers. */
bool media_reader_knows(struct str b)
{
	static const char *const starts[] = { "RIFF", "RIFX", "RF64", "FORM", ".snd", "fLaC", "OggS" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (str_starts(b, starts[i]))
			return true;
	return is_mp3(b);
}

static int open_any(struct media_reader *r, enum media_raw raw, char why[MEDIA_READER_WHY])
{
	if (raw)
		return open_file(r, raw, why);
	if (is_mp3(r->bytes))
		return open_mp3(r, why);
	if (str_starts(r->bytes, "OggS"))
		return open_ogg(r, why);
	return open_file(r, raw, why);
}

int media_reader_open(struct media_reader **out, struct str bytes, enum media_raw raw, char why[MEDIA_READER_WHY])
{
	struct media_reader *r = calloc(1, sizeof(*r));
	int err = ENOMEM;

	str_copy(why, MEDIA_READER_WHY, STR("out of memory"));
	if (!r)
		return ENOMEM;
	r->bytes = bytes;
	err = open_any(r, raw, why);
	if (!err && (r->channels < 1 || r->channels > MEDIA_READER_MAX_CHANNELS || r->rate_hz < MIN_HZ ||
		     r->rate_hz > MAX_HZ)) {
		snprintf(why, MEDIA_READER_WHY, "the audio has %u channels at %u Hz", r->channels, r->rate_hz);
		err = EINVAL;
	}
	if (err) {
		media_reader_close(&r);
		return err;
	}
	why[0] = '\0';
	*out = r;
	return 0;
}

void media_reader_close(struct media_reader **reader)
{
	struct media_reader *r = *reader;

	if (!r)
		return;
	*reader = NULL;
	if (r->file)
		sf_close(r->file);
	if (r->mp3)
		mpg123_delete(r->mp3);
	if (r->is_vorbis)
		ov_clear(&r->vorbis);
	if (r->opus)
		op_free(r->opus);
	free(r);
}

uint32_t media_reader_hz(const struct media_reader *r)
{
	return r->rate_hz;
}

unsigned media_reader_channels(const struct media_reader *r)
{
	return r->channels;
}

size_t media_reader_read(struct media_reader *r, float *out, size_t max)
{
	return r->read(r, out, max);
}
