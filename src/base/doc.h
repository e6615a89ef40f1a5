/* doc: one tree for YAML and JSON documents, each node with its line and column.
 *
 * Filled from libyaml events (typed by the YAML 1.2 core schema: on, yes, no, 0123 are strings) or from
 * jansson (positions found by a second look at the text). Duplicate keys, more than one document, tags
 * other than the core ones, depth over the limit, and aliases that blow up are errors. Immutable after
 * parsing; lives in its arena. Pure. Thread: any. */
#ifndef DOC_H
#define DOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct arena;

enum doc_type { DOC_NULL, DOC_BOOL, DOC_INT, DOC_REAL, DOC_STR, DOC_LIST, DOC_MAP };

struct doc {
	enum doc_type type;
	uint32_t line, col;         /* of the value, 1-based                       */
	struct str key;             /* member of a map: its key, else absent       */
	uint32_t key_line, key_col; /* of the key                                  */
	struct str text;            /* scalars: as written (unquoted, unescaped), NUL-terminated */
	bool quoted;                /* DOC_STR written in quotes or as block       */
	union {
		bool boolean;
		int64_t integer;
		double real;
	};
	struct doc *child; /* first of a list or map, in order; an alias shares its anchor's */
	struct doc *last;  /* the last of them, for doc_append() */
	struct doc *next;  /* sibling                            */
	uint32_t count;    /* children                           */
};

enum doc_format { DOC_YAML, DOC_JSON, DOC_GUESS }; /* GUESS: JSON first when it begins with { or [, else YAML */

struct doc_limits {
	uint32_t depth; /* 0 = 64                                     */
	uint32_t nodes; /* after alias expansion, 0 = 100,000         */
	size_t bytes;   /* of text, 0 = 1 MiB                         */
};

struct doc_error {
	uint32_t line, col; /* 1-based; 0 = no place */
	char message[200];
};

/* Returns 0, EINVAL with *err filled, or ENOMEM. limits NULL = defaults. The text is copied. */
int doc_parse(struct arena *a, struct doc **out, struct str text, enum doc_format format,
	      const struct doc_limits *limits, struct doc_error *err);
/* Member of a map by name; NULL when absent or not a map. */
const struct doc *doc_get(const struct doc *map, const char *name);
/* Fresh nodes (for values made at run time). NULL on no memory. Text is copied. */
struct doc *doc_new(struct arena *a, enum doc_type type);
struct doc *doc_new_str(struct arena *a, struct str text);
void doc_append(struct doc *parent, struct doc *child); /* child.key set by the caller for maps */
/* Deep copy without positions lost. NULL on no memory. */
struct doc *doc_copy(struct arena *a, const struct doc *d);
/* Equal in type, value, order of lists; order of map members does not matter. */
bool doc_equal(const struct doc *a, const struct doc *b);
/* As compact JSON. */
void doc_print_json(struct buf *out, const struct doc *d);
/* As YAML in block style, with a line break at the end. doc_print.c */
void doc_print_yaml(struct buf *out, const struct doc *d);
const char *doc_type_name(enum doc_type type); /* "null", "boolean", "integer", "number", "string", "list", "object" */

#endif
