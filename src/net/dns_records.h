/* dns_records: what stands in the raw answer of a name server, with the lifetimes that the parse functions of c-ares
 * drop. Bytes from outside: whatever does not parse is left out. Pure. Thread: any. Source: RFC 1035, 2308, 2782, 3403. */
#ifndef DNS_RECORDS_H
#define DNS_RECORDS_H

#include "net/addr.h"

enum { DNS_HOST = 256 };

struct dns_srv {
	uint16_t priority, weight, port;
	char host[DNS_HOST]; /* "" = the root: no such service (RFC 2782) */
};

struct dns_naptr { /* without a regular expression: one that has it is no answer to ours (RFC 3263 §4.1) */
	uint16_t order, preference;
	char flag; /* lower case, 0 = none */
	char service[32];
	char host[DNS_HOST]; /* the replacement */
};

/* Each fills in up to max records in the order of the answer and returns their number; *life_s becomes the shortest
 * lifetime in the answer section, aliases included, and is untouched when there is none. */
size_t dns_records_srv(struct dns_srv *out, size_t max, struct str answer, uint32_t *life_s);
size_t dns_records_naptr(struct dns_naptr *out, size_t max, struct str answer, uint32_t *life_s);
/* A or AAAA (v6); ports are 0. */
size_t dns_records_addrs(struct addr *out, size_t max, bool v6, struct str answer, uint32_t *life_s);
/* How long it stays true that there is no such record, by the SOA of the zone. false = the answer does not say. */
bool dns_records_absent(struct str answer, uint32_t *life_s);

#endif
