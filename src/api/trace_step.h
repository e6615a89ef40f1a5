/* trace_step: the steps of a document in a trace, beside the SIP messages. Private to trace_*.c. Pure. */
#ifndef TRACE_STEP_H
#define TRACE_STEP_H

#include "base/str.h"

/* One line without its end. */
void trace_step_line(struct buf *b, struct str note);
/* Members of a JSON object, without braces. */
void trace_step_json(struct buf *b, struct str note);

#endif
