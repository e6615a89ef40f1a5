/* fetch_seen: the latest document of each of the last few URLs, with its text: a server mostly answers the same to every call,
 * and to parse it costs more than to ask for it.
 *
 * Nothing is spared the server: only a text that has come again, byte for byte, is not parsed again. Thread: fetch's. */
#ifndef FETCH_SEEN_H
#define FETCH_SEEN_H

#include "base/str.h"

struct document;

enum { SEEN_ENTRIES = 32, SEEN_BYTES = 32 * 1024 }; /* longer texts are not kept */

struct fetch_seen {
	struct seen_entry {
		char *location, *text;
		size_t n;
		struct document *document; /* NULL = free */
		uint64_t used;
	} entries[SEEN_ENTRIES];
	uint64_t uses;
};

/* A reference for the caller, NULL = it has to be parsed. */
struct document *fetch_seen_get(struct fetch_seen *s, const char *location, struct str text);
/* text came from location and was parsed to d. Instead of what was there, or of what was not asked for the longest; without memory it is not kept. */
void fetch_seen_put(struct fetch_seen *s, const char *location, struct str text, struct document *d);
void fetch_seen_clear(struct fetch_seen *s);

#endif
