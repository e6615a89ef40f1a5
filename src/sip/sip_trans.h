/* sip_trans: client and server transactions over sip_transport, RFC 3261 §17 with RFC 6026.
 *
 * A transaction keeps a 128-bit key and the bytes of its last message, never a parsed message; it lingers
 * (timers D, I, J, K, L, M) without its owner, who has let go of it with the final response. CANCEL and the
 * ACK to a refused INVITE are made here, the ACK to a 2xx by the session. The 2xx to an INVITE is repeated
 * here until sip_server_acked(), on all transports (§13.3.1.4).
 * No handler runs inside a call of the owner. Thread: signal. */
#ifndef SIP_TRANS_H
#define SIP_TRANS_H

#include "sip/sip_transport.h"

struct sip_trans; /* all transactions of one stack */
struct sip_client;
struct sip_server;

enum { SIP_T1_MS = 500, SIP_T2_MS = 4000, SIP_T4_MS = 5000, SIP_TIMEOUT_T1 = 64 };

enum sip_failure { SIP_FAILED_TIMEOUT, SIP_FAILED_TRANSPORT };

struct sip_client_handlers {
	/* A response. After a final one the transaction is no longer the owner's. */
	void (*response)(void *arg, const struct sip_msg *m);
	/* There will be no final response; the transaction is no longer the owner's. why is borrowed. */
	void (*failed)(void *arg, enum sip_failure kind, const char *why);
};

struct sip_server_handlers { /* of INVITEs only */
	/* A CANCEL came before the final response and has been answered; m is the CANCEL. */
	void (*cancelled)(void *arg, const struct sip_msg *m);
	/* No ACK for the 2xx within 64*T1; the transaction is no longer the owner's. */
	void (*unacked)(void *arg);
};

struct sip_trans_opts {
	struct loop *loop;
	struct sip_transport *transport;
	uint32_t t1_ms; /* 0 = 500 */
	/* A 2xx to an INVITE whose owner has had one already, or has gone: its ACK got lost, or another branch of
	 * a fork has answered as well. */
	void (*again)(void *arg, const struct sip_msg *m, const struct sip_flow *flow);
	void *arg;
};

/* 0 or ENOMEM. */
int sip_trans_new(struct sip_trans **out, const struct sip_trans_opts *opts);
/* All transactions end without a word, also to their owners. */
void sip_trans_free(struct sip_trans **t);
uint32_t sip_trans_timeout_ms(const struct sip_trans *t); /* 64*T1 */
/* client_transactions, server_transactions and retransmissions are filled in. */
size_t sip_trans_alive(const struct sip_trans *t); /* both sides */
void sip_trans_count(const struct sip_trans *t, struct sip_stack_counts *out);

/* From the transport. Messages have passed sip_msg_check(). */
void sip_trans_lost(struct sip_trans *t, uint64_t connection, const char *why);
/* true = it belonged to a transaction. */
bool sip_trans_response(struct sip_trans *t, const struct sip_msg *m, const struct sip_flow *flow);
/* true = it belonged to a transaction (a retransmission, the ACK to a refused INVITE) and is done with. */
bool sip_trans_request(struct sip_trans *t, const struct sip_msg *m);
/* Is this the same request that came another way already (§8.2.2.2)? Only asked of INVITEs without a To tag. */
bool sip_trans_is_merged(struct sip_trans *t, const struct sip_msg *m);

/* Bytes to a flow; a stream that has gone meanwhile is opened anew. 0 or errno. */
int sip_trans_send(struct sip_trans *t, struct sip_flow *flow, struct str bytes);
uint16_t sip_trans_default_port(enum wire_kind kind);
/* Where the response to m goes when m came on *from: §18.2.2, RFC 3581 §4. */
void sip_trans_reply_flow(const struct sip_msg *m, const struct sip_flow *from, struct sip_flow *out);

struct sip_client_params {
	struct sip_flow flow;
	enum sip_method method;
	struct str branch;
	struct str bytes;                           /* the request; copied */
	const struct sip_client_handlers *handlers; /* NULL = nobody cares */
	void *arg;
};

/* Send a request. 0, ENOMEM, or EEXIST (branch and method are in use). Transport errors come by failed(). */
int sip_client_start(struct sip_client **out, struct sip_trans *t, const struct sip_client_params *p);
/* Send CANCEL for an INVITE that has had a provisional response (asserted). reason: value of a Reason header. */
void sip_client_cancel(struct sip_client *c, struct str reason);
/* The owner goes; an INVITE still open is given 64*T1 to end, and cancelled when it rings only now. */
void sip_client_detach(struct sip_client **c);

struct sip_server_params {
	struct sip_flow flow; /* the flow the request came on */
	const char *to_tag;   /* ours; copied. "" = the request has it */
	const struct sip_server_handlers *handlers;
	void *arg;
};

/* 0 or ENOMEM. INVITEs keep their bytes until the final response. */
int sip_server_start(struct sip_server **out, struct sip_trans *t, const struct sip_msg *m,
		     const struct sip_server_params *p);
/* The INVITE again, for building a response; m points into the transaction until the final response. */
void sip_server_request(const struct sip_server *s, struct sip_msg *m);
/* Send a response (copied). A final one ends the owner's hold on *s, which becomes NULL; but the 2xx to an INVITE
 * only by sip_server_acked() or unacked(). ENOMEM: not sent. */
int sip_server_respond(struct sip_server **s, int status, struct str bytes);
/* Send the newest provisional response (not 100 alone) once more. */
void sip_server_repeat(struct sip_server *s);
void sip_server_acked(struct sip_server **s);
/* The owner goes: a 2xx without ACK is repeated no more. */
void sip_server_detach(struct sip_server **s);

/* The INVITE that the CANCEL m means, NULL = none. */
struct sip_server *sip_server_find_invite(struct sip_trans *t, const struct sip_msg *m);
const char *sip_server_tag(const struct sip_server *s);
/* Where its responses go. */
const struct sip_flow *sip_server_flow(const struct sip_server *s);
void sip_server_cancel(struct sip_server *s, const struct sip_msg *m);

#endif
