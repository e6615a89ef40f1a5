/* own_net: addresses on loopback that no other test has, so that two programs do not take each other's ports. */
#ifndef OWN_NET_H
#define OWN_NET_H

#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "net/addr.h"

/* last tells who is meant: 1 is the server. */
static inline const char *own_host(unsigned last, char out[16])
{
	unsigned pid = (unsigned)getpid();

	snprintf(out, 16, "127.%u.%u.%u", 1 + pid / 256 % 254, pid % 256, last);
	return out;
}

static inline void own_addr(unsigned last, uint16_t port, struct addr *out)
{
	char host[16];

	assert_int_equal(addr_parse(out, str_of(own_host(last, host)), port), 0);
}

#endif
