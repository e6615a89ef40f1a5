/* handle: slot table. An id is a 32-bit index and a 32-bit generation; a stale id finds nothing.
 *
 * For what outlives a function call: jobs, ports and legs seen from another thread.
 * Ids are never 0. Thread: that of the owner. */
#ifndef HANDLE_H
#define HANDLE_H

#include <stddef.h>
#include <stdint.h>

struct handle_table;

/* max: most live slots, 0 = no limit but memory. */
int handle_table_new(struct handle_table **out, uint32_t max);
void handle_table_free(struct handle_table **t);
/* Returns 0, ENOMEM, or ENOSPC when max is reached. object is borrowed and not NULL. */
int handle_add(struct handle_table *t, void *object, uint64_t *id);
void *handle_get(const struct handle_table *t, uint64_t id); /* NULL = stale or never */
void *handle_remove(struct handle_table *t, uint64_t id);    /* NULL = stale or never */
size_t handle_count(const struct handle_table *t);

#endif
