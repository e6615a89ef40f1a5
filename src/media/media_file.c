#include "media/media_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/resample.h"

enum {
	MAX_SAMPLES = (64 << 20) / (int)sizeof(int16_t),
	MAX_CHANNELS = 16,
	MIN_HZ = 1000,
	MAX_HZ = 192000,
	RAW_HZ = 8000,
	CHUNK = 4096, /* floats */
};

/* --- what it is --- */

/* libsndfile knows two dozen formats more; whoever serves a file must not choose among all their parsers. */
static bool is_known(struct str b)
{
	static const char *const starts[] = { "RIFF", "RIFX", "RF64", "FORM", ".snd", "fLaC", "OggS", "ID3" };
	const uint8_t *p = (const uint8_t *)b.p;

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (str_starts(b, starts[i]))
			return true;
	/* A frame of MPEG audio, layer 2 or 3. */
	return b.n > 4 && p[0] == 0xff && (p[1] & 0xe0) == 0xe0 && (p[1] & 0x06) != 0 && (p[1] & 0x06) != 0x06;
}

static bool ends_with(struct str s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && str_iis(str_from(s, s.n - n), end);
}

/* Formats without a header: 8 kHz, one channel. 0 = none of them. */
static int raw_format(struct str type, struct str name)
{
	static const struct {
		const char *type, *end;
		int format;
	} rows[] = {
		{ "audio/basic", ".ul", SF_FORMAT_ULAW },  { "audio/x-mulaw", ".ulaw", SF_FORMAT_ULAW },
		{ "audio/pcmu", ".pcmu", SF_FORMAT_ULAW }, { "audio/x-alaw", ".al", SF_FORMAT_ALAW },
		{ "audio/pcma", ".alaw", SF_FORMAT_ALAW }, { "audio/x-ulaw", ".mulaw", SF_FORMAT_ULAW },
		{ "audio/gsm", ".gsm", SF_FORMAT_GSM610 }, { "audio/x-gsm", ".gsm", SF_FORMAT_GSM610 },
	};
	struct str bare;

	str_split(&type, ';', &bare);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_iis(str_trim(bare), rows[i].type) || ends_with(name, rows[i].end))
			return SF_FORMAT_RAW | rows[i].format;
	return 0;
}

/* --- bytes as a file --- */

struct memory {
	struct str bytes;
	size_t at;
};

static sf_count_t memory_size(void *arg)
{
	return (sf_count_t)((struct memory *)arg)->bytes.n;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *arg)
{
	struct memory *m = arg;
	sf_count_t size = (sf_count_t)m->bytes.n;
	sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (sf_count_t)m->at : size;

	/* The offset comes out of the file. */
	if (offset < -base || offset > size - base)
		return -1;
	m->at = (size_t)(base + offset);
	return base + offset;
}

static sf_count_t memory_read(void *out, sf_count_t count, void *arg)
{
	struct memory *m = arg;
	size_t left = m->bytes.n - m->at, n = count < 0 ? 0 : (size_t)count;

	n = n < left ? n : left;
	if (n)
		memcpy(out, m->bytes.p + m->at, n);
	m->at += n;
	return (sf_count_t)n;
}

static sf_count_t memory_write(const void *data, sf_count_t count, void *arg)
{
	return 0;
}

static sf_count_t memory_tell(void *arg)
{
	return (sf_count_t)((struct memory *)arg)->at;
}

/* --- decoding --- */

struct decoding {
	SNDFILE *file;
	SF_INFO info;
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
static void mix(int16_t *out, const float *in, size_t frames, int channels)
{
	for (size_t i = 0; i < frames; i++) {
		float sum = 0;

		for (int k = 0; k < channels; k++)
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
	sf_count_t frames, chunk = CHUNK / d->info.channels;
	float floats[CHUNK];
	int16_t mono[CHUNK];
	int err = 0;

	/* What breaks in the middle is heard up to there. */
	while (!err && (frames = sf_readf_float(d->file, floats, chunk)) > 0) {
		mix(mono, floats, (size_t)frames, d->info.channels);
		err = add(d, mono, (size_t)frames);
	}
	if (!err && !d->count)
		err = complain(d->why, EINVAL, "there is no audio in the file");
	return err;
}

static int open_file(struct decoding *d, struct memory *m, int raw)
{
	static const SF_VIRTUAL_IO io = { memory_size, memory_seek, memory_read, memory_write, memory_tell };

	d->info = (SF_INFO){ .format = raw, .samplerate = raw ? RAW_HZ : 0, .channels = raw ? 1 : 0 };
	/* libsndfile types its table of functions without const. */
	d->file = sf_open_virtual((SF_VIRTUAL_IO *)&io, SFM_READ, &d->info, m);
	if (!d->file) {
		snprintf(d->why, MEDIA_FILE_WHY, "the audio cannot be decoded: %.80s", sf_strerror(NULL));
		return EINVAL;
	}
	if (d->info.channels < 1 || d->info.channels > MAX_CHANNELS || d->info.samplerate < MIN_HZ ||
	    d->info.samplerate > MAX_HZ) {
		snprintf(d->why, MEDIA_FILE_WHY, "the audio has %d channels at %d Hz", d->info.channels,
			 d->info.samplerate);
		return EINVAL;
	}
	d->rate_hz = (uint32_t)d->info.samplerate;
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
	struct memory m = { .bytes = bytes };
	struct decoding d = { .why = why };
	int raw = is_known(bytes) ? 0 : raw_format(type, name), err;

	if (!bytes.n)
		return complain(why, EINVAL, "the file is empty");
	if (bytes.n > MEDIA_FILE_MAX_BYTES)
		return complain(why, EFBIG, "the file is larger than 32 MiB");
	if (!raw && !is_known(bytes))
		return complain(why, EINVAL, "this is no audio file that we know (WAV, MP3, AIFF, AU, FLAC, Ogg, GSM)");
	err = open_file(&d, &m, raw);
	if (!err)
		err = decode_all(&d);
	if (!err)
		err = make_clip(out, &d);
	if (d.file)
		sf_close(d.file);
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
