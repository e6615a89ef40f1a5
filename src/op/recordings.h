/* recordings: where the recordings of a server lie, what their addresses are, and their rows in the table "recordings".
 *
 * A recording is one file, FOLDER/ID.wav or .mp3. Its address bears a signature of its id, made with a key that lies
 * beside the files: who has the address may hear it, also after a restart, and nobody has to look it up. What the
 * columns mean is in docs/records.md.
 * Thread: signal. */
#ifndef RECORDINGS_H
#define RECORDINGS_H

#include "base/str.h"
#include "media/recorder.h"

struct loop;
struct pool;
struct recordings;
struct store;

/* For store_opts. */
extern const char *const recordings_schema[];
extern const char *const recordings_statements[];

struct recordings_opts { /* all borrowed, must outlive the recordings */
	struct loop *loop;
	struct pool *pool; /* for what a slow disk may hold up: nothing else should wait there */
	struct store *store;
	unsigned statement;  /* number of the first of recordings_statements */
	const char *folder;  /* copied; made when missing */
	const char *address; /* copied: "http://127.0.0.1:8080", without a slash at its end; "" = addresses are paths */
};

/* Blocking, at start only. 0 or errno with why. */
int recordings_new(struct recordings **out, const struct recordings_opts *opts, char why[160]);
/* The last recording must be closed. *r may be NULL. */
void recordings_free(struct recordings **r);
/* From the next recording on. */
int recordings_move(struct recordings *r, const char *address);
struct loop *recordings_loop(const struct recordings *r);
struct pool *recordings_pool(const struct recordings *r);
const char *recordings_folder(const struct recordings *r);

struct recording_row {
	const char *id, *call_id, *control_id, *direction, *state;
	const char *sha256; /* "" = not yet, or unknown */
	enum recorder_format format;
	unsigned channels;
	uint64_t started_ms, ended_ms; /* Unix time, 0 = not yet */
	uint64_t duration_ms, lost_ms, bytes;
};

/* Write the row, or write it anew. */
void recordings_keep(struct recordings *r, const struct recording_row *row);

const char *recordings_suffix(enum recorder_format format); /* "wav", "mp3" */
void recordings_path(const struct recordings *r, struct buf *out, struct str id, enum recorder_format format);
/* The address that opens by itself. */
void recordings_url(const struct recordings *r, struct buf *out, const char *id, enum recorder_format format);

struct recordings_name {
	struct str id;
	bool is_signed; /* and the signature is right */
	bool any;       /* no suffix: whatever the format is */
	enum recorder_format format;
};
/* What follows "/recordings/" in a path: ID, ID-SIGNATURE, with or without .wav or .mp3. False: no such name, or a wrong
 * signature. */
bool recordings_parse(const struct recordings *r, struct recordings_name *out, struct str text);

#endif
