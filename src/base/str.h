/* str: slices, a growing buffer, and the small text jobs.
 *
 * A slice (struct str) is a pointer and a length into memory that somebody else
 * owns; it is never NUL-terminated by promise and is passed by value. An absent
 * slice has p == NULL; an empty one has n == 0 and p != NULL.
 * A struct buf owns its bytes; data is always NUL-terminated behind len.
 * Thread: any. */
#ifndef STR_H
#define STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"

struct arena;

struct str {
	const char *p;
	size_t n;
};

/* Slice of a string literal, usable in static tables too. */
#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
/* printf arguments for "%.*s". */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

/* The comparisons are inline: nearly all are with a literal, whose length the compiler then knows, and nearly all
 * end at a length that differs. A SIP call makes a thousand. */

/* NULL gives the absent slice. */
static inline struct str str_of(const char *cstr)
{
	return (struct str){ cstr, cstr ? strlen(cstr) : 0 };
}

bool str_folded_eq(const char *a, const char *b, size_t n);

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

/* ASCII case folded */
static inline bool str_ieq(struct str a, struct str b)
{
	return a.n == b.n && str_folded_eq(a.p, b.p, a.n);
}

static inline bool str_is(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

static inline bool str_iis(struct str a, const char *b)
{
	return str_ieq(a, str_of(b));
}

bool str_starts(struct str s, const char *prefix);
bool str_istarts(struct str s, const char *prefix);
struct str str_trim(struct str s);            /* SP HT CR LF off both ends */
struct str str_from(struct str s, size_t at); /* the rest from byte at */
struct str str_head(struct str s, size_t n);  /* the first n bytes */
/* Index of the first c, or -1. */
long str_chr(struct str s, char c);
/* Cut the part before the first c off *rest (and drop the c); when there is no c,
 * all of *rest. Returns false when *rest was absent; a last part leaves *rest absent. */
bool str_split(struct str *rest, char c, struct str *part);
/* The whole slice is digits and fits: 0, else EINVAL (*out untouched). */
int str_u32(struct str s, uint32_t *out);
int str_u64(struct str s, uint64_t *out);
/* Copy into the arena, NUL-terminated. NULL on no memory; an absent slice gives NULL. */
char *str_dup(struct arena *a, struct str s);
/* Copy with malloc, NUL-terminated; the caller frees. NULL as above. */
char *str_heap(struct str s);
/* Copy into a fixed array, cut to size-1 bytes, always NUL-terminated. */
void str_copy(char *out, size_t size, struct str s);
/* Decode %XX; bad escapes stay as written. In the arena. */
struct str str_percent_decode(struct arena *a, struct str s);
bool str_is_utf8(struct str s); /* RFC 3629 */
/* UUID version 4 text of 128 random bits; out holds 37 bytes. */
void str_uuid(char out[37], uint64_t hi, uint64_t lo);
/* Letters put in, left out, changed, and neighbours swapped; ASCII case folded; texts over 63 bytes count as far away. */
unsigned str_distance(struct str a, struct str b);
/* The nearest of n names (NULL entries are skipped) by str_distance, or NULL when none is near enough
 * to be a slip of the pen (at most a third of the letters, at least 1). Borrowed. */
const char *str_nearest(struct str s, const char *const *names, size_t n);

/* --- growing buffer --- */

struct buf {
	char *data; /* NULL while empty */
	size_t len, cap;
	size_t max;  /* hard limit on len, 0 = none; past it failed is set */
	bool failed; /* no memory, or over max: data is what fitted */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);  /* back to empty; b may be zeroed memory */
void buf_reset(struct buf *b); /* len 0, memory kept */
void buf_add(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_cstr(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* JSON string with quotes and escapes; bytes that are no UTF-8 become U+FFFD. */
void buf_json(struct buf *b, struct str s);
/* Text for logs: control characters and bytes over 0x7e as \xNN. */
void buf_escaped(struct buf *b, struct str s);
struct str buf_view(const struct buf *b); /* borrowed until the next change */
/* Hand the bytes over (the caller frees); b is empty afterwards. NULL when failed. */
char *buf_steal(struct buf *b);

#endif
