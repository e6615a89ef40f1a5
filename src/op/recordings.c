#include "op/recordings.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/store.h"

enum { ID_CHARS = 36, KEY_BYTES = 32, TOKEN_BYTES = 16, TOKEN_CHARS = 2 * TOKEN_BYTES };

struct recordings {
	struct recordings_opts opts;
	char *folder, *address;
	unsigned char key[KEY_BYTES];
};

const char *const recordings_schema[] = {
	"CREATE TABLE IF NOT EXISTS recordings ("
	"recording_id TEXT PRIMARY KEY NOT NULL, call_id TEXT NOT NULL, control_id TEXT NOT NULL, state TEXT NOT NULL, "
	"format TEXT NOT NULL, channels INTEGER NOT NULL, direction TEXT NOT NULL, started_at INTEGER NOT NULL, "
	"ended_at INTEGER, duration_ms INTEGER, lost_ms INTEGER, size INTEGER, sha256 TEXT)",
	"CREATE INDEX IF NOT EXISTS recordings_call_id ON recordings (call_id)",
	NULL,
};

const char *const recordings_statements[] = {
	"INSERT OR REPLACE INTO recordings (recording_id, call_id, control_id, state, format, channels, direction, "
	"started_at, ended_at, duration_ms, lost_ms, size, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
	"?11, ?12, ?13)",
	NULL,
};

/* --- the key --- */

static int read_key(struct recordings *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	ssize_t n;

	if (fd < 0)
		return errno;
	n = read(fd, r->key, KEY_BYTES);
	err = n == KEY_BYTES ? 0 : n < 0 ? errno : EINVAL;
	close(fd);
	return err;
}

static int make_key(struct recordings *r, const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600), err = 0;

	if (fd < 0)
		return errno;
	for (size_t i = 0; i < KEY_BYTES; i += sizeof(uint64_t)) {
		uint64_t x = loop_random(r->opts.loop);

		memcpy(r->key + i, &x, sizeof(x));
	}
	if (write(fd, r->key, KEY_BYTES) != KEY_BYTES || fsync(fd))
		err = errno ? errno : EIO;
	if (close(fd) && !err)
		err = errno;
	if (err)
		unlink(path); /* half a key would be an error at every start */
	return err;
}

static int take_key(struct recordings *r, char why[160])
{
	struct buf path;
	int err;

	buf_init(&path, 0);
	buf_printf(&path, "%s/key", r->folder);
	err = path.failed ? ENOMEM : read_key(r, path.data);
	if (err == ENOENT)
		err = make_key(r, path.data);
	if (err)
		snprintf(why, 160, "%s: %s", path.failed ? "key" : path.data,
			 err == EINVAL ? "must be 32 bytes" : strerror(err));
	buf_free(&path);
	return err;
}

static void sign(const struct recordings *r, struct str id, char out[TOKEN_CHARS + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };

	HMAC(EVP_sha256(), r->key, KEY_BYTES, (const unsigned char *)id.p, id.n, digest, NULL);
	for (size_t i = 0; i < TOKEN_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* --- life --- */

int recordings_move(struct recordings *r, const char *address)
{
	char *copy = str_heap(str_of(address));

	if (!copy)
		return ENOMEM;
	free(r->address);
	r->address = copy;
	return 0;
}

int recordings_new(struct recordings **out, const struct recordings_opts *opts, char why[160])
{
	struct recordings *r = calloc(1, sizeof(*r));
	int err = ENOMEM;

	if (!r)
		return ENOMEM;
	r->opts = *opts;
	r->folder = str_heap(str_of(opts->folder));
	if (r->folder && !recordings_move(r, opts->address))
		err = mkdir(r->folder, 0700) && errno != EEXIST ? errno : 0;
	if (err)
		snprintf(why, 160, "%s: %s", opts->folder, strerror(err));
	else
		err = take_key(r, why);
	if (err)
		recordings_free(&r);
	else
		*out = r;
	return err;
}

void recordings_free(struct recordings **pr)
{
	struct recordings *r = *pr;

	if (!r)
		return;
	*pr = NULL;
	OPENSSL_cleanse(r->key, sizeof(r->key));
	free(r->folder);
	free(r->address);
	free(r);
}

struct loop *recordings_loop(const struct recordings *r)
{
	return r->opts.loop;
}

struct pool *recordings_pool(const struct recordings *r)
{
	return r->opts.pool;
}

const char *recordings_folder(const struct recordings *r)
{
	return r->folder;
}

/* --- rows --- */

static struct store_value text(const char *s)
{
	return (struct store_value){ .type = STORE_TEXT, .text = str_of(s) };
}

static struct store_value number(uint64_t n)
{
	return (struct store_value){ .type = STORE_INTEGER, .integer = (int64_t)n };
}

/* NULL until it has ended. */
static struct store_value at_end(const struct recording_row *row, struct store_value v)
{
	return row->ended_ms ? v : (struct store_value){ .type = STORE_NULL };
}

void recordings_keep(struct recordings *r, const struct recording_row *row)
{
	const struct store_value values[] = {
		text(row->id),
		text(row->call_id),
		text(row->control_id),
		text(row->state),
		text(recordings_suffix(row->format)),
		number(row->channels),
		text(row->direction),
		number(row->started_ms),
		at_end(row, number(row->ended_ms)),
		at_end(row, number(row->duration_ms)),
		at_end(row, number(row->lost_ms)),
		at_end(row, number(row->bytes)),
		at_end(row, text(row->sha256[0] ? row->sha256 : NULL)),
	};

	if (store_write(r->opts.store, r->opts.statement, values, ARRAY_LEN(values)))
		log_printf(LOG_ERROR, row->call_id, "the row of recording %s is lost: out of memory", row->id);
}

/* --- names --- */

const char *recordings_suffix(enum recorder_format format)
{
	return format == RECORDER_MP3 ? "mp3" : "wav";
}

void recordings_path(const struct recordings *r, struct buf *out, struct str id, enum recorder_format format)
{
	buf_printf(out, "%s/%.*s.%s", r->folder, STR_ARG(id), recordings_suffix(format));
}

void recordings_url(const struct recordings *r, struct buf *out, const char *id, enum recorder_format format)
{
	char token[TOKEN_CHARS + 1];

	sign(r, str_of(id), token);
	buf_printf(out, "%s/recordings/%s-%s.%s", r->address, id, token, recordings_suffix(format));
}

/* Only what str_uuid() writes: it becomes part of a file name. */
static bool is_id(struct str s)
{
	if (s.n != ID_CHARS)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f');

		if (dash ? s.p[i] != '-' : !hex)
			return false;
	}
	return true;
}

bool recordings_parse(const struct recordings *r, struct recordings_name *out, struct str s)
{
	struct recordings_name name = { .any = true };
	char token[TOKEN_CHARS + 1];

	for (int f = RECORDER_WAV; f <= RECORDER_MP3 && name.any; f++) {
		if (s.n < 4 || s.p[s.n - 4] != '.' || !str_is(str_from(s, s.n - 3), recordings_suffix(f)))
			continue;
		name.format = (enum recorder_format)f;
		name.any = false;
		s = str_head(s, s.n - 4);
	}
	name.id = str_head(s, ID_CHARS);
	s = str_from(s, ID_CHARS);
	if (!is_id(name.id))
		return false;
	if (s.n) {
		sign(r, name.id, token);
		if (s.n != TOKEN_CHARS + 1 || s.p[0] != '-' || CRYPTO_memcmp(s.p + 1, token, TOKEN_CHARS))
			return false;
		name.is_signed = true;
	}
	*out = name;
	return true;
}
