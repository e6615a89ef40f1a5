/* fake_net: a network in memory, for stacks that talk to each other on one virtual loop.
 *
 * Hosts have one address each and are struct nets (net/wire.h); what one sends arrives at the others after a
 * delay. Datagrams get lost, doubled and overtaken as the rules say; streams keep their order and fail only
 * when told to. Random choices come from the loop, so a seed repeats a run. UDP, TCP, TLS that is TCP with the name
 * to verify, WebSocket that is TCP with each send in one piece. Thread: the loop's. */
#ifndef FAKE_NET_H
#define FAKE_NET_H

#include "net/wire.h"

struct loop;
struct fake_net;

struct fake_net_rules { /* all zero = a perfect network: delivery in the same millisecond, from the loop */
	uint32_t delay_min_ms, delay_max_ms; /* drawn for each datagram (they overtake), each piece of a stream */
	uint32_t loss_per_mille;             /* datagrams only */
	uint32_t duplicate_per_mille;        /* datagrams only */
	bool split;                          /* streams arrive in pieces of 1..64 bytes */
	/* true = this datagram is lost; data NULL: this TCP connect is never answered. */
	bool (*drop)(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n);
	/* Sees each datagram and each stream write when it is sent, lost ones too, before drop is asked. */
	void (*seen)(void *arg, const struct addr *from, const struct addr *to, const char *data, size_t n);
	void *arg; /* of both */
};

struct fake_net_counts {
	size_t udp, listeners, connections; /* wires open now; a connection counts once at each end */
	size_t in_flight;                   /* datagrams, stream pieces and news on their way           */
	uint64_t datagrams_sent, datagrams_lost, datagrams_doubled, datagrams_delivered;
	uint64_t datagrams_nobody; /* arrived where nothing listens */
	uint64_t stream_bytes_sent, stream_bytes_delivered, connects;
};

/* 0 or ENOMEM. */
int fake_net_new(struct fake_net **out, struct loop *l);
/* All wires must be closed (asserted); what is in flight is dropped. */
void fake_net_free(struct fake_net **f);
/* The host with this address, made when it is new: "10.0.0.1", "fd00::1". Lives as long as f. Wires bound to
 * 0.0.0.0 or :: get what is sent to that address; other addresses may be bound too (a second interface). */
struct net *fake_net_host(struct fake_net *f, const char *address);
/* From now on; what is in flight keeps its time. */
void fake_net_set_rules(struct fake_net *f, const struct fake_net_rules *rules);
/* Reset all connections: both ends get closed(ECONNRESET). Returns how many ends. */
size_t fake_net_kill_connections(struct fake_net *f);
/* A datagram out of nowhere, with any source address; rules apply. */
void fake_net_inject(struct fake_net *f, const struct addr *from, const struct addr *to, const void *data, size_t n);
/* Whom the newest TLS connection would verify. */
const char *fake_net_name(const struct fake_net *f);
/* What the UDP wires say of their queues from now on (wire.h, crowding). */
void fake_net_crowd(struct fake_net *f, unsigned per_mille);
void fake_net_count(const struct fake_net *f, struct fake_net_counts *out);

#endif
