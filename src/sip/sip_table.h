/* sip_table: hash table of nodes that live inside their objects; nothing is allocated per entry.
 *
 * A key is 128 bits of seeded hash over the parts that identify a transaction or dialog (RFC 3261 §17.1.3,
 * §17.2.3, §12), so neither the texts nor the messages are kept. Two different texts meet in one key once
 * in 2^64 tries of somebody who does not know the seed. Several nodes may share a key.
 * Thread: that of the owner. */
#ifndef SIP_TABLE_H
#define SIP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct sip_key {
	uint64_t a, b;
};

struct sip_node {
	struct sip_node *next; /* in its slot */
	struct sip_key key;
	bool in;
};

struct sip_table {
	struct sip_node **slots;
	size_t size, count; /* size: a power of two */
	struct sip_key seed;
};

/* 0 or ENOMEM. */
int sip_table_init(struct sip_table *t, struct sip_key seed);
/* The nodes are not touched. t may be zeroed memory. */
void sip_table_done(struct sip_table *t);
/* Start a key with the table's seed and add the parts in order. */
void sip_key_add(struct sip_key *k, struct str part);
void sip_table_add(struct sip_table *t, struct sip_node *n, struct sip_key key);
/* The first node with the key, and the next one with the same; NULL = no more. */
struct sip_node *sip_table_find(const struct sip_table *t, struct sip_key key);
struct sip_node *sip_table_next(const struct sip_node *n);
void sip_table_remove(struct sip_table *t, struct sip_node *n); /* harmless when it is not in */
/* Any node, NULL = empty. Looks from *slot on (start at 0), so that emptying a table is linear. */
struct sip_node *sip_table_any(const struct sip_table *t, size_t *slot);

#endif
