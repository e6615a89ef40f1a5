/* swml: SWML documents as data: sections, steps, arguments in all their shorthand forms, and what is wrong with them.
 *
 * The same functions serve `crosspoint check` (references are unknown, not wrong) and the running script (arguments
 * are expanded first). Nothing here runs a method. Pure. Thread: any. Source: swml.md §1, §4, §5. */
#ifndef SWML_H
#define SWML_H

#include "base/doc.h"
#include "dialect/swml_table.h"

struct arena;
struct plan;
struct vars;
struct vars_note;

/* The code of what a later version will do; every other code is one of the vendor's, without relay_script_. */
#define SWML_NOT_YET "not_in_this_version"

struct swml_issue {
	bool error; /* else a warning */
	const char *code;
	uint32_t line, col;
	const char *text; /* one clause, no full stop; borrowed */
};

struct swml_report {
	void (*note)(void *arg, const struct swml_issue *issue);
	void *arg;
	bool checking; /* before the run: a text with a reference may be anything */
};

/* Report at the value d, or at its key when d has one and at_key says so. */
void swml_error(struct swml_report *r, const char *code, const struct doc *d, const char *fmt, ...) PRINTF_LIKE(4, 5);
void swml_warning(struct swml_report *r, const char *code, const struct doc *d, const char *fmt, ...) PRINTF_LIKE(4, 5);
void swml_key_warning(struct swml_report *r, const char *code, const struct doc *d, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The sections of a document that may run: version, sections and main are as they should be. NULL after an error. */
const struct doc *swml_sections(const struct doc *root, struct swml_report *r);

/* It has steps. False after an error. */
bool swml_section_ok(const struct doc *section, struct swml_report *r);

struct swml_step {
	const struct swml_method *method;
	const struct doc *at;    /* for messages */
	const struct doc *value; /* NULL = bare word or null */
};

/* Read one step. 0; ENOENT (unknown method) or EINVAL (no step at all), both reported. */
int swml_step(struct swml_step *out, const struct doc *step, struct swml_report *r);
/* Its arguments as a map; shorthand is made in the arena. NULL after an error, or on no memory. */
const struct doc *swml_args(struct arena *a, const struct swml_step *s, struct swml_report *r);
/* The arguments with references replaced, but for the raw ones. NULL on no memory. */
const struct doc *swml_args_expand(struct vars *v, struct arena *a, const struct doc *args,
				   const struct swml_param *params, struct vars_note *note);
/* Would that change anything? */
bool swml_args_referenced(const struct doc *args, const struct swml_param *params);
/* Names, types, ranges. Returns 0, ENOENT (a required one is missing) or EINVAL (a value is wrong). */
int swml_args_check(const struct doc *args, const struct swml_param *params, struct swml_report *r);
/* A list or an object that the parameter may be: what is in it, at any depth. False after an error. swml_shape.c */
bool swml_inside_ok(const struct swml_param *p, const struct doc *d, struct swml_report *r);
/* Parameters that are alternatives to each other. False after an error. swml_shape.c */
bool swml_choice_ok(const struct doc *args, const struct swml_param *params, struct swml_report *r);
/* d is no list and no object. False after an error. */
bool swml_scalar_ok(const struct swml_param *p, const struct doc *d, struct swml_report *r);
/* A warning for every argument that a later version will honour. */
void swml_args_later(const struct doc *args, const struct swml_param *params, struct swml_report *r);

/* A raw argument where it stands in the document, so that it outlives what swml_args() made. NULL = absent. */
const struct doc *swml_raw_arg(const struct swml_step *s, const char *name);
/* A text that is a document itself. */
bool swml_is_inline(struct str dest);
/* dest names a section: no URL, no inline document, no relay:. */
bool swml_is_section_name(struct str dest);
/* A member that is there and not null. */
const struct doc *swml_arg(const struct doc *args, const char *name);
/* The value as what the table says it is; numbers and booleans may come as text (from a variable). */
bool swml_int(const struct doc *d, int64_t *out);
bool swml_number(const struct doc *d, double *out);
bool swml_bool(const struct doc *d, bool *out);
bool swml_is_scalar(const struct doc *d);
/* checking, and the value holds a reference: nothing can be said about it. */
bool swml_unknown(const struct doc *d, const struct swml_report *r);

/* First of the steps that d stands for: a list, or one step. *single: do not look at its next. */
const struct doc *swml_first_step(const struct doc *d, bool *single);

struct swml_check {
	const char *country; /* for numbers without + */
	/* A connect whose values hold no references, NULL = do not want. */
	void (*plan)(void *arg, const struct doc *connect, const struct plan *p);
	void *arg;
};

/* Everything that can be known before the run. */
void swml_check(const struct doc *root, struct swml_report *r, const struct swml_check *c);

#endif
