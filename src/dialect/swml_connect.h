/* swml_connect: the arguments of a SWML connect -> a plan. Pure. Thread: any. Source: connect.md §1-5, §12. */
#ifndef SWML_CONNECT_H
#define SWML_CONNECT_H

#include "dialect/swml.h"
#include "op/plan.h"

/* args: the map of swml_args(), expanded when it runs. country: for numbers without +. Returns 0 (the caller owns the
 * plan), EINVAL (reported: nothing may be dialled) or ENOMEM. */
int swml_connect_plan(struct plan **out, const struct doc *args, const char *country, struct swml_report *r);

#endif
