/* sock: non-blocking UDP and TCP on the loop, behind wire.h; and bare UDP sockets for media.
 *
 * The only file of the signalling side that makes sockets. TLS joins it with the next release; until then
 * WIRE_TLS, WIRE_WS and WIRE_WSS give EPROTONOSUPPORT.
 * Thread: the loop's, but sock_udp() and sock_source_for() any. */
#ifndef SOCK_H
#define SOCK_H

#include "net/wire.h"

struct loop;

/* The door to real sockets. All wires must be closed before sock_net_free(). */
int sock_net_new(struct net **out, struct loop *l);
void sock_net_free(struct net **n);

/* A non-blocking UDP socket bound to local. 0 or errno. The caller closes *fd. */
int sock_udp(int *fd, const struct addr *local);
/* The local address (port 0) the kernel would send from to remote; nothing is sent. 0 or errno. */
int sock_source_for(struct addr *out, const struct addr *remote);

#endif
