/* doc_impl: what the two parsers behind doc.h share. Private to doc.c, doc_yaml.c, doc_json.c. */
#ifndef DOC_IMPL_H
#define DOC_IMPL_H

#include "base/doc.h"

struct doc_maker {
	struct arena *arena;
	struct doc_limits limits; /* no field is 0 */
	uint32_t nodes;
	struct doc_error *err;
};

/* Fill *m->err. Always EINVAL. */
int doc_fail(struct doc_maker *m, uint32_t line, uint32_t col, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Line and column of the byte at offset; columns count characters. */
void doc_place(struct str text, size_t offset, uint32_t *line, uint32_t *col);
/* One value more. 0, or EINVAL past the limit. */
int doc_count(struct doc_maker *m, uint32_t line, uint32_t col);
int doc_check_depth(struct doc_maker *m, uint32_t depth, uint32_t line, uint32_t col);
/* A counted node. 0, EINVAL or ENOMEM. */
int doc_make(struct doc_maker *m, struct doc **out, enum doc_type type, uint32_t line, uint32_t col);
/* 0, EINVAL at the first key that was there before, or ENOMEM. */
int doc_refuse_duplicates(struct doc_maker *m, const struct doc *map);
/* Give d the type and value that its text has by the YAML 1.2 core schema. */
void doc_type_plain(struct doc *d);

/* text has no byte order mark and is not NULL. */
int doc_parse_yaml(struct doc_maker *m, struct doc **out, struct str text);
int doc_parse_json(struct doc_maker *m, struct doc **out, struct str text);

#endif
