/* swml_confirm: which methods a confirm may have. Pure. Thread: any. Source: connect.md §9. */
#ifndef SWML_CONFIRM_H
#define SWML_CONFIRM_H

#include <stdbool.h>

#include "dialect/swml_table.h"

/* is_inline: it stands in the connect itself; else in a document by URL, which may do more. */
bool swml_confirm_allows(const struct swml_method *m, bool is_inline);

#endif
