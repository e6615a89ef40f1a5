/* conf: reads one YAML file into a struct by a typed table of settings.
 *
 * Knows no setting by name: the tables are the caller's. ${env:NAME} and ${file:PATH} are expanded in
 * any string. An unknown key is an error with the nearest known name. Problems are collected, not
 * only the first one. Pure but for reading ${file:…}. Thread: any (start and reload: pool or main). */
#ifndef CONF_H
#define CONF_H

#include <stddef.h>

#include "base/doc.h"

enum conf_type {
	CONF_STRING,  /* const char *                       */
	CONF_PATH,    /* const char *, made absolute against the file's folder */
	CONF_BOOL,    /* bool                               */
	CONF_U32,     /* uint32_t, min..max                 */
	CONF_ENUM,    /* int: index into names              */
	CONF_STRINGS, /* struct conf_strings; one scalar is a list of one */
	CONF_MAP,     /* nested struct: sub (same base, own offsets)  */
	CONF_LIST,    /* struct conf_list of structs of sub_bytes, each read by sub */
	CONF_CUSTOM,  /* read() does it                     */
	CONF_LATER,   /* known, but not in this version: later() says warning or error */
};

struct conf_strings {
	const char **items;
	const struct doc **nodes; /* where each stands, for later errors */
	size_t count;
};

struct conf_list {
	void *items;
	size_t count;
};

enum conf_severity { CONF_OK, CONF_WARNING, CONF_ERROR };

struct conf;

struct conf_setting {
	const char *name;
	enum conf_type type;
	size_t offset;
	uint32_t min, max;              /* CONF_U32; max 0 = no upper limit */
	const char *const *names;       /* CONF_ENUM, NULL-terminated       */
	const struct conf_setting *sub; /* ends with a NULL name            */
	size_t sub_bytes;               /* CONF_LIST                        */
	bool required;
	/* CONF_CUSTOM: field points into the struct at offset; report problems with conf_problem(). */
	void (*read)(struct conf *c, const struct doc *value, void *field);
	/* CONF_LATER: what to do with this value (NULL = always a warning). */
	enum conf_severity (*later)(const struct doc *value);
};

struct conf_problem {
	enum conf_severity severity;
	uint32_t line, col;
	const char *message; /* in the arena */
	struct conf_problem *next;
};

/* Read text (of the file called path) into *target by the table. target holds the defaults already.
 * All memory comes from the arena. Returns 0 when there is no error (there may be warnings), EINVAL
 * when there is at least one, ENOMEM. *problems lists both, in order of the file. */
int conf_read(struct arena *a, const char *path, struct str text, const struct conf_setting *table, void *target,
	      struct conf_problem **problems);
/* For read(): note a problem at d. */
void conf_problem(struct conf *c, enum conf_severity severity, const struct doc *d, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* For read(): zeroed memory (n may be 0), a copy of s. NULL on no memory: conf_read() will say so. */
void *conf_alloc(struct conf *c, size_t n);
const char *conf_dup(struct conf *c, struct str s);
/* For read(): the expanded text of a scalar (NULL after a problem), a path made absolute,
 * a nested struct. */
const char *conf_text(struct conf *c, const struct doc *d);
const char *conf_path(struct conf *c, const struct doc *d);
void conf_struct(struct conf *c, const struct doc *d, const struct conf_setting *table, void *target);

#endif
