/* addr: one IPv4 or IPv6 address with a port. Passive data, compared and printed here. Pure. Thread: any. */
#ifndef ADDR_H
#define ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	};
};

enum { ADDR_TEXT = 56 }; /* room for "[v6]:65535" */

/* "1.2.3.4", "::1" or "[::1]" (a numeric address, no look-up). 0 or EINVAL. */
int addr_parse(struct addr *out, struct str host, uint16_t port);
/* "1.2.3.4:5060" or "[::1]:5060"; without a port default_port. */
int addr_parse_port(struct addr *out, struct str text, uint16_t default_port);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
socklen_t addr_len(const struct addr *a);
bool addr_is_v6(const struct addr *a);
bool addr_is_any(const struct addr *a);
bool addr_same_host(const struct addr *a, const struct addr *b); /* v4-mapped v6 equals v4 */
bool addr_equal(const struct addr *a, const struct addr *b);     /* host and port */
/* The address alone ("1.2.3.4", "::1"); with port ("1.2.3.4:5", "[::1]:5"); as in a SIP URI ("[::1]"). out: ADDR_TEXT. */
const char *addr_host(const struct addr *a, char *out);
const char *addr_text(const struct addr *a, char *out);
const char *addr_uri_host(const struct addr *a, char *out);
uint64_t addr_hash(const struct addr *a, uint64_t seed);

/* A network "10.0.0.0/8", "::1/128", or a single address. */
struct addr_net {
	struct addr base;
	uint8_t bits;
};
int addr_net_parse(struct addr_net *out, struct str text);
bool addr_net_has(const struct addr_net *net, const struct addr *a);

#endif
