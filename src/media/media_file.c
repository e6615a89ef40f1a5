#include "media/media_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/media_reader.h"
#include "media/resample.h"

enum {
	MAX_SAMPLES = (64 << 20) / (int)sizeof(int16_t),
	CHUNK = 4096, /* floats */
};

/* --- what it is --- */

static bool ends_with(struct str s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && str_iis(str_from(s, s.n - n), end);
}

/* Formats without a header. */
static enum media_raw raw_format(struct str type, struct str name)
{
	static const struct {
		const char *type, *end;
		enum media_raw raw;
	} rows[] = {
		{ "audio/basic", ".ul", MEDIA_RAW_ULAW },  { "audio/x-mulaw", ".ulaw", MEDIA_RAW_ULAW },
		{ "audio/pcmu", ".pcmu", MEDIA_RAW_ULAW }, { "audio/x-alaw", ".al", MEDIA_RAW_ALAW },
		{ "audio/pcma", ".alaw", MEDIA_RAW_ALAW }, { "audio/x-ulaw", ".mulaw", MEDIA_RAW_ULAW },
		{ "audio/gsm", ".gsm", MEDIA_RAW_GSM },    { "audio/x-gsm", ".gsm", MEDIA_RAW_GSM },
	};
	struct str bare = STR("");

	str_split(&type, ';', &bare); /* leaves it when there is no type */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_iis(str_trim(bare), rows[i].type) || ends_with(name, rows[i].end))
			return rows[i].raw;
	return MEDIA_RAW_NONE;
}

/* --- decoding --- */

struct decoding {
	struct media_reader *reader;
	struct resampler *resampler; /* NULL = as it is */
	uint32_t rate_hz;            /* of the clip */
	int16_t *samples;
	size_t count, room;
	char *why;
};

static int complain(char why[MEDIA_FILE_WHY], int err, const char *text)
{
	str_copy(why, MEDIA_FILE_WHY, str_of(text));
	return err;
}

static int too_long(struct decoding *d)
{
	snprintf(d->why, MEDIA_FILE_WHY, "the audio is longer than %d minutes or larger than 64 MiB when decoded",
		 MEDIA_FILE_MAX_S / 60);
	return EFBIG;
}

static int make_room(struct decoding *d, size_t more)
{
	size_t longest = (size_t)MEDIA_FILE_MAX_S * d->rate_hz, room = d->room ? 2 * d->room : 8 * CHUNK;
	int16_t *samples;

	longest = longest < MAX_SAMPLES ? longest : MAX_SAMPLES;
	if (d->count + more > longest)
		return too_long(d);
	if (d->count + more <= d->room)
		return 0;
	while (room < d->count + more)
		room *= 2;
	samples = realloc(d->samples, room * sizeof(*samples));
	if (!samples)
		return complain(d->why, ENOMEM, "out of memory");
	d->samples = samples;
	d->room = room;
	return 0;
}

/* One channel of 16 bits from floats, which a file may fill with anything. */
static void mix(int16_t *out, const float *in, size_t frames, unsigned channels)
{
	for (size_t i = 0; i < frames; i++) {
		float sum = 0;

		for (unsigned k = 0; k < channels; k++)
			sum += *in++;
		sum = sum * 32768.0f / (float)channels;
		if (!(sum > -32768.0f)) /* also what is no number */
			sum = isnan(sum) ? 0 : -32768.0f;
		out[i] = sum > 32767.0f ? INT16_MAX : (int16_t)lrintf(sum);
	}
}

static int add(struct decoding *d, const int16_t *mono, size_t frames)
{
	int err = make_room(d, frames + 1);

	if (err)
		return err;
	if (!d->resampler) {
		memcpy(d->samples + d->count, mono, frames * sizeof(*mono));
		d->count += frames;
		return 0;
	}
	while (frames) {
		size_t n = frames;

		d->count += resampler_run(d->resampler, mono, &n, d->samples + d->count, d->room - d->count);
		if (!n)
			break;
		mono += n;
		frames -= n;
	}
	return 0;
}

static int decode_all(struct decoding *d)
{
	unsigned channels = media_reader_channels(d->reader);
	int16_t mono[CHUNK];
	float floats[CHUNK];
	size_t frames;
	int err = 0;

	/* What breaks in the middle is heard up to there. */
	while (!err && (frames = media_reader_read(d->reader, floats, CHUNK / channels))) {
		mix(mono, floats, frames, channels);
		err = add(d, mono, frames);
	}
	if (!err && !d->count)
		err = complain(d->why, EINVAL, "there is no audio in the file");
	return err;
}

static int open_reader(struct decoding *d, struct str bytes, enum media_raw raw)
{
	int err = media_reader_open(&d->reader, bytes, raw, d->why);

	if (err)
		return err;
	d->rate_hz = media_reader_hz(d->reader);
	if (d->rate_hz <= MEDIA_FILE_MAX_HZ)
		return 0;
	if (resampler_new(&d->resampler, d->rate_hz, MEDIA_FILE_MAX_HZ))
		return complain(d->why, ENOMEM, "out of memory");
	d->rate_hz = MEDIA_FILE_MAX_HZ;
	return 0;
}

/* The samples in no more memory than they need. */
static int make_clip(struct clip **out, struct decoding *d)
{
	int16_t *fit = realloc(d->samples, d->count * sizeof(*fit));

	d->samples = fit ? fit : d->samples;
	if (clip_new(out, d->rate_hz, d->samples, d->count))
		return complain(d->why, ENOMEM, "out of memory");
	d->samples = NULL;
	return 0;
}

int media_file_decode(struct clip **out, struct str bytes, struct str type, struct str name, char why[MEDIA_FILE_WHY])
{
	struct decoding d = { .why = why };
	bool known = media_reader_knows(bytes);
	enum media_raw raw = known ? MEDIA_RAW_NONE : raw_format(type, name);
	int err;

	if (!bytes.n)
		return complain(why, EINVAL, "the file is empty");
	if (bytes.n > MEDIA_FILE_MAX_BYTES)
		return complain(why, EFBIG, "the file is larger than 32 MiB");
	if (!raw && !known)
		return complain(why, EINVAL, "this is no audio file that we know (WAV, MP3, AIFF, AU, FLAC, Ogg, GSM)");
	err = open_reader(&d, bytes, raw);
	if (!err)
		err = decode_all(&d);
	if (!err)
		err = make_clip(out, &d);
	media_reader_close(&d.reader);
	resampler_free(&d.resampler);
	free(d.samples);
	return err;
}

/* --- files --- */

static int read_all(int fd, char **out, size_t *n)
{
	struct stat st;
	ssize_t got = 1;
	size_t size;

	if (fstat(fd, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	if (st.st_size > MEDIA_FILE_MAX_BYTES)
		return EFBIG;
	size = (size_t)st.st_size;
	*out = malloc(size + 1);
	if (!*out)
		return ENOMEM;
	for (*n = 0; *n < size && got > 0; *n += got > 0 ? (size_t)got : 0)
		got = read(fd, *out + *n, size - *n);
	return got < 0 ? errno : 0;
}

int media_file_read(struct clip **out, const char *path, char why[MEDIA_FILE_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
	char *bytes = NULL;
	size_t n = 0;

	if (fd < 0)
		return complain(why, errno, strerror(errno));
	err = read_all(fd, &bytes, &n);
	close(fd);
	if (err)
		complain(why, err, strerror(err));
	else
		err = media_file_decode(out, (struct str){ bytes, n }, STR(""), str_of(path), why);
	free(bytes);
	return err;
}
