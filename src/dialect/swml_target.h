/* swml_target: what a destination's text means (number, SIP URI, address, queue, stream) and the headers it brings.
 *
 * Private to swml_connect.c and its test. Pure. Thread: any. Source: connect.md §1, §3.1, §3.2. */
#ifndef SWML_TARGET_H
#define SWML_TARGET_H

#include "op/plan.h"

struct arena;

enum { SWML_MAX_HEADERS = 64 };

struct swml_headers {
	struct plan_header items[SWML_MAX_HEADERS];
	size_t count;
};

/* Kind and address of text (blanks trimmed); the headers of a URI go to *headers. NULL, or one clause saying what is
 * wrong with it; "" on no memory. */
const char *swml_target_read(struct plan_target *t, struct swml_headers *headers, struct arena *a, struct str text,
			     const char *country);
/* A caller id: number, SIP URI or name, blanks trimmed. As above. */
const char *swml_caller_read(const char **out, struct arena *a, struct str text, const char *country);
/* Name gets X- unless it may go without. As above. */
const char *swml_header_add(struct swml_headers *h, struct arena *a, struct str name, struct str value);
/* Control characters, which nothing that goes into a SIP message may have. */
bool swml_has_control(struct str s);

#endif
