/* swml_stream: the arguments of stream, looked at before and while a document runs. Pure. Thread: any.
 * Source: swml.md §8, connect.md §3.6. */
#ifndef SWML_STREAM_H
#define SWML_STREAM_H

#include "dialect/swml.h"

struct stream_ask;

/* What they ask for, but status_url and account_id; texts are borrowed, the list of parameters is in the arena. args must have
 * passed swml_args_check(). 0; EINVAL, reported; ENOMEM. */
int swml_stream_ask(struct stream_ask *out, struct arena *a, const struct doc *args, struct swml_report *r);

#endif
