/* swml_request: what the table of parameters cannot say about the method request. Pure. Thread: any.
 * Source: swml.md §8. */
#ifndef SWML_REQUEST_H
#define SWML_REQUEST_H

#include "dialect/swml.h"

/* A URL that can be asked, headers that can be sent; one that may not be sent is left out, after a warning. False: there
 * is nothing to ask, which was reported. */
bool swml_request_ok(const struct doc *args, struct swml_report *r);
/* Accept, Authorization, Content-Type, Range, X-…. */
bool swml_request_header(struct str name);

#endif
