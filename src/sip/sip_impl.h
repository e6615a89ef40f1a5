/* sip_impl: the insides of a stack and its sessions, shared by sip_stack.c, sip_session.c, sip_uac.c, sip_uas.c
 * and sip_reinvite.c; nobody else includes it. Thread: signal. */
#ifndef SIP_IMPL_H
#define SIP_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "sip/sip_auth.h"
#include "sip/sip_build.h"
#include "sip/sip_dialog.h"
#include "sip/sip_session.h"
#include "sip/sip_table.h"
#include "sip/sip_trans.h"

struct sip_stack {
	struct loop *loop;
	struct dns *dns;
	struct sip_transport *transport;
	struct sip_trans *trans;
	const struct sip_stack_handlers *handlers;
	void *arg;
	char *user_agent;         /* NULL = none */
	struct sip_table dialogs; /* sessions by Call-ID and local tag */
	struct list sessions;
	size_t session_count;
	uint64_t seed;  /* of tags and branches that are made without keeping state */
	struct buf out; /* the message being printed */
	bool closing;
	uint64_t shed, shed_told; /* new INVITEs refused because datagrams pile up; of them those in the log */
	struct loop_timer shed_timer;
};

/*   out: STARTING ─> CALLING ─> PROCEEDING ──2xx──> CONFIRMED ─> BYE ─> ENDED
 *              hang-up: `──> CANCELLING <─'  `──2xx crosses──────^
 *   in:  INCOMING ──2xx──> ACCEPTED ──ACK──> CONFIRMED
 *                 hang-up: `─> LEAVING ──ACK──> BYE
 *   Each state may go to ENDED; there closed() is due in the same turn, and nothing else happens any more. */
enum session_state {
	SESSION_STARTING,   /* out: no INVITE sent yet, its way is looked up        */
	SESSION_CALLING,    /* out: nothing heard                                   */
	SESSION_PROCEEDING, /* out: a 1xx has come                                  */
	SESSION_CANCELLING, /* out: hung up; CANCEL sent or waiting for a first 1xx */
	SESSION_INCOMING,   /* in: no final response                                */
	SESSION_ACCEPTED,   /* in: 2xx sent, no ACK                                 */
	SESSION_LEAVING,    /* in: hung up before the ACK; BYE must wait for it     */
	SESSION_CONFIRMED,
	SESSION_BYE, /* BYE sent, or waiting for a look-up                   */
	SESSION_ENDED,
};

enum reinvite_state {
	REINVITE_IDLE,
	REINVITE_QUEUED, /* its way is looked up                   */
	REINVITE_SENT,
	REINVITE_WAIT,   /* 491 came: again when the timer fires   */
	REINVITE_FAILED, /* could not be sent: told by the timer   */
};

enum reoffer_state { /* the peer's re-INVITE; its transaction is session->server */
		     REOFFER_NONE,
		     REOFFER_ASKED,    /* the owner has not answered */
		     REOFFER_ANSWERED, /* 2xx sent, no ACK           */
};

struct session_reinvite { /* ours */
	enum reinvite_state state;
	unsigned tries;
	struct sip_client *client; /* in SENT */
	struct str sdp;            /* heap */
	struct loop_timer timer;
};

struct session_start { /* what the first INVITE needs until it is sent; with credentials, until its final response */
	enum wire_kind kind;
	struct str sdp;
	struct buf fields; /* extra header lines, printed */
};

struct sip_session {
	struct list node;
	struct sip_node by_dialog;
	struct sip_stack *k;
	enum session_state state;
	bool outbound;
	bool offerless; /* in: the INVITE being answered had no offer, the ACK brings an answer */
	bool blamed;    /* end.who and why are settled: the first cause counts */
	bool looking;   /* lookup is open */
	bool have_flow;
	uint16_t contact;        /* with the first flow: the listener that our Contact named */
	bool want_ack, want_bye; /* to be sent as soon as the way is known */
	bool bye_again;          /* the BYE has been sent anew after its connection broke */
	bool cancel_sent;
	bool heard;                           /* out: a response has come */
	const struct sip_session_handlers *h; /* NULL = not taken over by an owner */
	void *arg;
	struct sip_dialog d;
	struct sip_flow flow; /* where requests go, once have_flow */
	struct str tls_name;  /* whom the peer there was verified as; heap, absent = not by us */
	uint64_t hop_hash;    /* of the host, port and transport that led, or will lead, to flow */
	struct dns *asked;    /* for lookup */
	uint64_t lookup;
	uint32_t ack_cseq;
	uint32_t invite_cseq;      /* CSeq of the INVITE that server is about */
	struct sip_client *invite; /* the first INVITE, until its final response */
	struct sip_client *bye;
	struct sip_server *server; /* the INVITE or re-INVITE being answered, until its ACK */
	enum reoffer_state reoffer;
	struct session_reinvite re;
	struct session_start *start;
	struct sip_auth *auth;   /* out: NULL = no credentials */
	struct loop_timer limit; /* the end of patience after a hang-up */
	struct loop_timer end_timer;
	struct sip_end end;            /* its texts: */
	char *end_reason, *end_header; /* heap, may be NULL */
	struct str hangup_header;      /* Reason of our CANCEL, BYE or response; heap */
	char why[160];
};

/* --- sip_stack.c --- */

/* Answer a request on sight, without state (§8.2.7): the same To tag each time it comes. */
void stack_reply(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, int status,
		 const struct sip_fields *fields);
/* 415, 420 and the like for an INVITE: true = refused. */
bool stack_refuses_invite(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);
/* 405 or 501 for what is no business of a session. OPTIONS is answered. */
void stack_reply_method(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);
/* Start of a response in k->out: up to Record-Route, and Server. */
void stack_print_response(struct sip_stack *k, const struct sip_msg *request, int status, struct str reason,
			  const char *to_tag, const struct sip_flow *flow);
/* Contact, and Allow and Supported for what opens or changes a session. */
void stack_print_contact(struct sip_stack *k, const struct sip_flow *flow);
void stack_print_allow(struct sip_stack *k);
void stack_print_agent(struct sip_stack *k, bool request);
/* Start of a request of the dialog in k->out: up to User-Agent. */
void stack_print_request(struct sip_stack *k, const struct sip_dialog *d, const struct sip_flow *flow,
			 struct sip_dialog_request *r);
/* The body of m when it is SDP, else empty. */
struct str stack_sdp(const struct sip_msg *m);
/* "z9hG4bK" and 16 hex digits; out holds 24. The same for the same value. */
void stack_branch(char out[24], uint64_t value);
void stack_hex(char out[17], uint64_t value);

/* --- sip_session.c --- */

/* In the stack's list, in no dialog yet. NULL = no memory. */
struct sip_session *session_new(struct sip_stack *k, enum session_state state);
/* Find it by Call-ID and local tag from here on. */
void session_index(struct sip_session *s);
/* The session of a request (ours is the To tag) or of a response (ours is the From tag); NULL = none. */
struct sip_session *session_find(struct sip_stack *k, const struct sip_msg *m, struct str local_tag,
				 struct str remote_tag);
void session_move(struct sip_session *s, enum session_state to);
/* Who ended it, unless that is settled already. */
void session_blame(struct sip_session *s, enum sip_who who, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Phrase of the final response or request that ended it, and its Reason header; both may be absent. */
void session_end_texts(struct sip_session *s, struct str reason, struct str reason_header);
/* To ENDED; lets go of all transactions. Blame first. closed() follows from the loop. */
void session_end(struct sip_session *s);
/* closed() at once, then gone. */
void session_close(struct sip_session *s);
/* 0 = s->flow leads to the next hop; EINPROGRESS = session_pump() follows; else errno, and there is no flow. */
int session_way(struct sip_session *s);
/* What to add when a call got nowhere: TLS is the default, and there is no other way without being asked for it. */
const char *session_way_hint(enum wire_kind kind);
/* The transport a URI asks for, else `otherwise`. */
enum wire_kind session_uri_kind(const struct sip_uri *uri, enum wire_kind otherwise);
/* Send what waits for its way. */
void session_pump(struct sip_session *s);
/* Start a request on the session's way: random branch and next CSeq, k->out filled up to User-Agent and the answer
 * to the newest challenge. */
struct session_request {
	enum sip_method method;
	char branch[24];
	const struct sip_client_handlers *handlers;
};
void session_begin_request(struct sip_session *s, struct session_request *r);
/* Print the body and hand it to a client transaction. 0, ENOMEM, EMSGSIZE. */
int session_finish_request(struct sip_session *s, struct sip_client **out, const struct session_request *r,
			   struct str sdp);
/* BYE to a peer that is not expected to answer, and the end. */
void session_abandon(struct sip_session *s);
void session_send_ack(struct sip_session *s, uint32_t cseq);
void session_send_bye(struct sip_session *s);
void session_leave(struct sip_session *s);       /* BYE as soon as there is a way */
void session_start_limit(struct sip_session *s); /* 64*T1 from now the session ends in any case */
void session_take_request(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
/* m refuses a request of the session. NULL: it is a challenge, send the request again; else what is wrong with that,
 * a clause to go behind the status, "" when it is none. */
const char *session_challenged(struct sip_session *s, const struct sip_msg *m);
void session_free_start(struct sip_session *s);
/* Texts on the heap: copy (0 or ENOMEM; what was there is freed); free and make absent. */
int session_keep(struct str *out, struct str s);
void session_forget(struct str *s);

/* --- sip_uac.c --- */

void uac_send_invite(struct sip_session *s);
void uac_hangup(struct sip_session *s);
/* ACK and BYE for a dialog of a fork that nobody wants. */
void uac_drop_fork(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);

/* --- sip_uas.c --- */

/* An INVITE that opens a dialog and has passed all checks. */
void uas_take_invite(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);
void uas_take_ack(struct sip_session *s, const struct sip_msg *m);
void uas_hangup(struct sip_session *s);
/* Final refusal of the open INVITE or re-INVITE. */
void uas_respond_final(struct sip_session *s, int status, struct str reason, const struct sip_fields *fields);
/* 200 with SDP to it. 0, ENOMEM or EMSGSIZE. */
int uas_respond_ok(struct sip_session *s, struct str sdp);
/* The transaction of an INVITE or re-INVITE; 100 is sent. */
int uas_open(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);

/* --- sip_reinvite.c --- */

void reinvite_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
void reinvite_acked(struct sip_session *s, struct str sdp);
void reinvite_cancelled(struct sip_session *s);
void reinvite_send(struct sip_session *s);
/* The session ends: both directions. */
void reinvite_stop(struct sip_session *s);

/* --- sip_info.c --- */

void info_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);

#endif
