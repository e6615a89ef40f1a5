/* sip_trans_impl: what the client and the server half of sip_trans share. Not for others. Thread: signal. */
#ifndef SIP_TRANS_IMPL_H
#define SIP_TRANS_IMPL_H

#include "base/loop.h"
#include "sip/sip_health.h"
#include "sip/sip_table.h"
#include "sip/sip_trans.h"

struct sip_trans {
	struct loop *loop;
	struct sip_transport *transport;
	uint32_t t1_ms, t2_ms;
	void (*again)(void *arg, const struct sip_msg *m, const struct sip_flow *flow);
	void *arg;
	struct sip_table clients;     /* by branch and method                    */
	struct sip_table on_streams;  /* the clients again, by connection        */
	struct sip_table servers;     /* by branch, sent-by and method           */
	struct sip_table merges;      /* servers again, by From tag and Call-ID  */
	struct sip_health *no_stream; /* addresses that took no TCP when a request was too large for UDP */
	uint64_t resent, received_again;
};

/* --- sip_large.c --- */

struct sip_large { /* a request on its way over TCP, as it was for UDP */
	struct sip_flow udp;
	struct str bytes;
};

/* Takes *bytes (on the heap) and changes both when the request is too large for UDP and TCP can be tried; NULL = it goes
 * as it is. */
struct sip_large *sip_large_new(struct sip_trans *t, struct sip_flow *flow, struct str *bytes);
void sip_large_free(struct sip_large **l);
/* No TCP there: flow and bytes are as they were, *l is freed. */
void sip_large_undo(struct sip_large **l, struct sip_trans *t, struct sip_flow *flow, struct str *bytes);

/* --- the halves --- */

/* Stop the timers and free the memory of a transaction; its owner is not told. */
void sip_client_drop(struct sip_client *c);
void sip_server_drop(struct sip_server *s);
/* The transaction that embeds the node of t->clients, t->servers. */
struct sip_client *sip_client_of(struct sip_node *n);
struct sip_server *sip_server_of(struct sip_node *n);

/* A copy on the heap; n == 0 and p == NULL on no memory. */
struct str sip_trans_keep(struct str bytes);
void sip_trans_forget(struct str *kept);
/* Start the timer for a deadline: to the millisecond when it is near; the end of a linger or of all patience comes in
 * one go with others (loop_timer_start_loose). */
void sip_trans_wait(struct sip_trans *t, struct loop_timer *timer, uint64_t wait_ms, void (*fn)(void *arg), void *arg);
bool sip_trans_reliable(const struct sip_flow *flow);

#endif
