/* expr_parse: what the files share that read expressions. Private to expr_lex.c, expr_parse.c, expr_operand.c and
 * expr_callback.c. */
#ifndef EXPR_PARSE_H
#define EXPR_PARSE_H

#include "dialect/expr_impl.h"

/* --- expr_lex.c: the text, character by character --- */

struct parser {
	struct machine *m;
	struct str text;
	size_t at;
	unsigned depth;
	struct str params[EXPR_MAX_SLOTS]; /* of the callbacks around */
	uint32_t param_count;
};

char lex_peek(const struct parser *p);
char lex_skip(struct parser *p); /* blanks; the character then */
bool lex_take(struct parser *p, char c);
bool lex_takes(struct parser *p, const char *text);
bool lex_sees(struct parser *p, const char *text);
struct str lex_name(struct parser *p);
bool lex_number(struct parser *p, double *out);
/* One in quotes. Absent after an error. */
struct str lex_string(struct parser *p);
/* Of a template up to its end or to ${, which is left. */
struct str lex_template_part(struct parser *p);

/* --- expr_parse.c, expr_operand.c, expr_callback.c --- */

/* All that give a node give NULL after an error. */
bool parse_faulty(const struct parser *p);
struct node *parse_fail(struct parser *p, size_t at, const char *text);
struct node *parse_node(struct parser *p, enum node_type type, size_t at);
struct node *parse_value(struct parser *p, size_t at, struct value v);
/* Hang child into the list of n; *last is its last one. */
void parse_hang(struct node *n, struct node **last, struct node *child);
/* One level deeper; false = too deep. Every true is followed by --depth. */
bool parse_deeper(struct parser *p);
struct node *parse_one(struct parser *p); /* no comma */
struct node *parse_all(struct parser *p);
struct node *parse_operand(struct parser *p);
struct node *parse_spread(struct parser *p);
/* Words that begin something JavaScript has and we do not. */
bool parse_reserved(struct str word);
/* Slot of the innermost parameter of that name, -1 = none. */
int parse_slot(const struct parser *p, struct str name);
/* (…) of a call; takes_callback tells whether an argument may be one. */
void parse_arguments(struct parser *p, struct node *call, bool (*takes_callback)(const struct node *, uint32_t));

#endif
