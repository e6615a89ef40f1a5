/* swml_detect: the arguments of detect_machine, looked at before and while a document runs. Pure. Thread: any.
 * Source: swml.md §8. */
#ifndef SWML_DETECT_H
#define SWML_DETECT_H

#include "dialect/swml.h"

struct detection_ask;

/* What they ask for; texts are borrowed. args must have passed swml_args_check(). 0, or EINVAL, reported. */
int swml_detect_ask(struct detection_ask *out, const struct doc *args, struct swml_report *r);

#endif
