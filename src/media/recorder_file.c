#include "media/recorder_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sndfile.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

enum { WAV_HEADER_BYTES = 44, SAMPLE_BYTES = 2, READ_BYTES = 65536, PCM = 1, FORMAT_BYTES = 16 };

struct recorder_file {
	int fd;
	SNDFILE *mp3; /* NULL = WAV */
	uint32_t rate_hz;
	unsigned channels;
	uint64_t frames;
	int err; /* the first one */
};

uint64_t recorder_file_max_frames(enum recorder_format format, unsigned channels)
{
	if (format == RECORDER_MP3)
		return UINT64_MAX;
	return (UINT32_MAX - WAV_HEADER_BYTES) / (channels * SAMPLE_BYTES);
}

static int failed(struct recorder_file *f, int err)
{
	if (!f->err)
		f->err = err;
	return err;
}

/* --- WAV --- */

static void put(unsigned char **at, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*(*at)++ = (unsigned char)(value >> 8 * i);
}

static void put_name(unsigned char **at, const char *name)
{
	memcpy(*at, name, 4);
	*at += 4;
}

/* All of it, or the error. *done: what was written, also then. */
static int write_all(int fd, const void *data, size_t n, off_t at, size_t *done)
{
	const char *p = data;

	for (*done = 0; *done < n;) {
		ssize_t got = pwrite(fd, p + *done, n - *done, at + (off_t)*done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		*done += (size_t)got;
	}
	return 0;
}

static uint32_t frame_bytes(const struct recorder_file *f)
{
	return f->channels * SAMPLE_BYTES;
}

static int write_wav_header(struct recorder_file *f)
{
	uint32_t data_bytes = (uint32_t)(f->frames * frame_bytes(f));
	unsigned char header[WAV_HEADER_BYTES], *at = header;
	size_t done;

	put_name(&at, "RIFF");
	put(&at, data_bytes + WAV_HEADER_BYTES - 8, 4);
	put_name(&at, "WAVE");
	put_name(&at, "fmt ");
	put(&at, FORMAT_BYTES, 4);
	put(&at, PCM, 2);
	put(&at, f->channels, 2);
	put(&at, f->rate_hz, 4);
	put(&at, f->rate_hz * frame_bytes(f), 4);
	put(&at, frame_bytes(f), 2);
	put(&at, 8 * SAMPLE_BYTES, 2);
	put_name(&at, "data");
	put(&at, data_bytes, 4);
	return write_all(f->fd, header, sizeof(header), 0, &done);
}

/* Samples are little endian in the file, as they are in the memory of every machine this is built for. */
static int write_wav(struct recorder_file *f, const int16_t *samples, size_t frames)
{
	off_t at = (off_t)(WAV_HEADER_BYTES + f->frames * frame_bytes(f));
	size_t done;
	int err = write_all(f->fd, samples, frames * frame_bytes(f), at, &done);

	f->frames += done / frame_bytes(f);
	return err;
}

/* --- MP3 --- */

enum { MP3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, WAV = SF_FORMAT_WAV | SF_FORMAT_PCM_16 };

static int open_mp3(struct recorder_file *f)
{
	SF_INFO info = { .samplerate = (int)f->rate_hz, .channels = (int)f->channels, .format = MP3 };

	f->mp3 = sf_open_fd(f->fd, SFM_WRITE, &info, SF_FALSE);
	return f->mp3 ? 0 : EIO;
}

/* The library does not say why it could not write. */
static int write_mp3(struct recorder_file *f, const int16_t *samples, size_t frames)
{
	sf_count_t done;

	errno = 0;
	done = sf_writef_short(f->mp3, samples, (sf_count_t)frames);
	if (done > 0)
		f->frames += (uint64_t)done;
	if (done == (sf_count_t)frames && !sf_error(f->mp3))
		return 0;
	return errno ? errno : EIO;
}

/* --- both --- */

int recorder_file_open(struct recorder_file **out, const char *path, enum recorder_format format, uint32_t rate_hz,
		       unsigned channels)
{
	struct recorder_file *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return ENOMEM;
	f->rate_hz = rate_hz;
	f->channels = channels;
	f->fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	err = f->fd < 0 ? errno : 0;
	if (!err)
		err = format == RECORDER_MP3 ? open_mp3(f) : write_wav_header(f);
	if (err) {
		if (f->fd >= 0)
			close(f->fd);
		free(f);
		return err;
	}
	*out = f;
	return 0;
}

int recorder_file_write(struct recorder_file *f, const int16_t *samples, size_t frames)
{
	int err = f->mp3 ? write_mp3(f, samples, frames) : write_wav(f, samples, frames);

	return err ? failed(f, err) : 0;
}

int recorder_file_settle(struct recorder_file *f)
{
	int err = f->mp3 ? 0 : write_wav_header(f); /* the frames of an MP3 need no header */

	return err ? failed(f, err) : 0;
}

static void checksum(int fd, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE], *bytes = malloc(READ_BYTES);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = bytes && md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	unsigned length = 0;
	off_t at = 0;
	ssize_t n;

	while (good && (n = pread(fd, bytes, READ_BYTES, at)) != 0) {
		good = n > 0 && EVP_DigestUpdate(md, bytes, (size_t)n);
		at += n;
	}
	good = good && EVP_DigestFinal_ex(md, digest, &length);
	for (unsigned i = 0; good && i < length && i < 32; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", digest[i]);
	EVP_MD_CTX_free(md);
	free(bytes);
}

static int finish(struct recorder_file *f)
{
	if (f->mp3) {
		/* The descriptor is ours still. */
		if (sf_close(f->mp3))
			return EIO;
		f->mp3 = NULL;
		return 0;
	}
	/* A disk that became full may have taken half a frame. */
	if (ftruncate(f->fd, (off_t)(WAV_HEADER_BYTES + f->frames * frame_bytes(f))))
		return errno;
	return write_wav_header(f);
}

int recorder_file_close(struct recorder_file **pf, struct recorder_sum *sum)
{
	struct recorder_file *f = *pf;
	struct stat st;
	int err;

	*sum = (struct recorder_sum){ 0 };
	if (!f)
		return 0;
	*pf = NULL;
	err = finish(f);
	if (err)
		failed(f, err);
	sum->frames = f->frames;
	sum->bytes = fstat(f->fd, &st) ? 0 : (uint64_t)st.st_size;
	checksum(f->fd, sum->sha256);
	err = f->err;
	close(f->fd);
	free(f);
	return err;
}

/* --- from one to the other --- */

static int copy(SNDFILE *from, SNDFILE *to, int channels)
{
	int16_t samples[4096];
	sf_count_t most = (sf_count_t)ARRAY_LEN(samples) / channels, n;

	while ((n = sf_readf_short(from, samples, most)) > 0) {
		errno = 0;
		if (sf_writef_short(to, samples, n) != n)
			return errno ? errno : EIO;
	}
	return 0;
}

static int convert(int to_fd, SNDFILE *from, const SF_INFO *source, enum recorder_format to)
{
	SF_INFO info = {
		.samplerate = source->samplerate,
		.channels = source->channels,
		.format = to == RECORDER_MP3 ? MP3 : WAV,
	};
	SNDFILE *f = sf_open_fd(to_fd, SFM_WRITE, &info, SF_FALSE);
	int err;

	if (!f)
		return EIO;
	err = copy(from, f, source->channels);
	if (sf_close(f) && !err)
		err = EIO;
	return err;
}

int recorder_file_convert(int *out, int fd, const char *folder, enum recorder_format to)
{
	SF_INFO info = { 0 };
	SNDFILE *from = sf_open_fd(fd, SFM_READ, &info, SF_FALSE);
	int to_fd = -1, err = EINVAL;

	if (!from || info.channels < 1 || info.channels > 2 || info.samplerate < 1)
		goto out;
	err = info.frames / info.samplerate > RECORDER_CONVERTED_S ? EFBIG : 0;
	if (err)
		goto out;
	to_fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	err = to_fd < 0 ? errno : convert(to_fd, from, &info, to);
out:
	if (from)
		sf_close(from);
	if (err && to_fd >= 0)
		close(to_fd);
	else if (!err)
		*out = to_fd;
	return err;
}
