/* speech_cache: what was spoken before: decoded in memory, the least lately used dropped first, and as files, the oldest
 * removed when they are too many.
 *
 * Keys are hexadecimal; files are FOLDER/KEY.wav. What the disk holds is found by who looks there, on the pool.
 * Thread: signal; removing files on the pool. */
#ifndef SPEECH_CACHE_H
#define SPEECH_CACHE_H

#include "base/str.h"

struct clip;
struct loop;
struct pool;
struct speech_cache;

struct speech_cache_opts { /* borrowed */
	struct loop *loop;
	struct pool *pool;
	const char *folder;  /* made when it is not there; copied */
	size_t memory_bytes; /* decoded */
	uint64_t disk_bytes;
};

/* Unfinished files of an earlier run are removed when they are old. 0, ENOMEM, or the errno of making the folder. */
int speech_cache_new(struct speech_cache **out, const struct speech_cache_opts *opts);
void speech_cache_free(struct speech_cache **c);
/* Borrowed until the next put; NULL = not in memory. */
struct clip *speech_cache_get(struct speech_cache *c, const char *key);
/* Counts a reference of its own. What is too big, or finds no memory, is not kept. */
void speech_cache_put(struct speech_cache *c, const char *key, struct clip *clip);
/* The name of a file of the key; ending: ".wav", or that of an unfinished one: must end with ".tmp". */
void speech_cache_path(const struct speech_cache *c, const char *key, const char *ending, struct buf *out);
/* A file of so many bytes was added. */
void speech_cache_grew(struct speech_cache *c, uint64_t bytes);

#endif
