/* sip_impl: the insides of a stack and its sessions, shared by sip_stack.c, sip_session.c, sip_way.c, sip_uac.c,
 * sip_uas.c, sip_prack.c, sip_early.c, sip_reinvite.c, sip_update.c, sip_refresh.c, sip_replace.c and sip_transfer.c;
 * nobody else includes it. Thread: signal. */
#ifndef SIP_IMPL_H
#define SIP_IMPL_H

#include "base/list.h"
#include "base/loop.h"
#include "sip/sip_auth.h"
#include "sip/sip_bindings.h"
#include "sip/sip_build.h"
#include "sip/sip_dialog.h"
#include "sip/sip_health.h"
#include "sip/sip_session.h"
#include "sip/sip_table.h"
#include "sip/sip_trans.h"

struct sip_gate;
struct sip_buckets;

struct overload { /* sip_overload.c */
	struct sip_buckets *buckets;
	size_t max_transactions;
	uint64_t shed, shed_told;       /* new INVITEs refused; of them those in the log */
	uint64_t limited, limited_told; /* messages not read; of them those in the log   */
	struct addr limited_last;
	uint64_t window_ms; /* when the two below were halved */
	uint32_t seen, not_read;
	struct loop_timer shed_timer, limited_timer;
};

struct sip_stack {
	struct loop *loop;
	struct dns *dns;
	struct sip_transport *transport;
	struct sip_trans *trans;
	struct sip_health *health;
	struct sip_trace *trace; /* NULL = none */
	const struct sip_stack_handlers *handlers;
	void *arg;
	char *user_agent; /* NULL = none */
	uint32_t session_timeout_s;
	struct sip_table dialogs; /* sessions by Call-ID and local tag */
	struct sip_table flows;   /* sessions over WebSocket, by connection */
	struct list sessions;
	struct list requests;  /* of struct sip_request */
	struct list notifiers; /* of sip_transfer.c */
	size_t session_count;
	uint64_t seed;  /* of tags and branches that are made without keeping state */
	struct buf out; /* the message being printed */
	bool closing;
	struct overload overload;
	struct sip_gate *gate; /* NULL = no subscribers */
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

struct session_reinvite { /* ours: a re-INVITE, or an UPDATE with an offer */
	enum reinvite_state state;
	enum sip_method method;
	bool refresh; /* of the timer's, with the SDP of that */
	bool next;    /* the owner's has to wait until the refresh is over; by next_method */
	enum sip_method next_method;
	uint8_t tries;
	struct sip_client *client; /* in SENT */
	struct str sdp;            /* the owner's; heap */
	struct loop_timer timer;
};

struct session_ways { /* the addresses of the first INVITE, when there are several */
	struct dns_result found;
	size_t at;
	struct loop_timer patience; /* with this one */
};

struct session_timer {             /* RFC 4028 */
	struct loop_timer timer;   /* the next refresh, or the deadline */
	uint64_t deadline_ms;      /* hung up then */
	uint32_t expires_s;        /* 0 = no timer runs */
	uint32_t wish_s;           /* what we ask for, 0 = nothing */
	uint32_t min_s;            /* what has to be asked for at least */
	bool ours;                 /* we refresh */
	bool mutual;               /* the peer knows session timers */
	bool updates;              /* the peer takes UPDATE */
	bool queued;               /* an UPDATE waits for its way */
	uint8_t raises;            /* 422s in a row */
	struct sip_client *client; /* the UPDATE that refreshes */
	struct str sdp;            /* our newest, for who does not take UPDATE; heap */
};

struct session_update { /* the peer's, with an offer, while its owner is asked */
	const struct sip_msg *m;
	const struct sip_flow *flow;
	struct sip_server *server; /* NULL = answered */
};

struct asked_refer { /* a REFER that waits for sip_session_take_refer() */
	const struct sip_msg *msg;
	const struct sip_flow *flow;
	bool taken;
	int refusal; /* status */
};

struct session_start { /* what the first INVITE needs until its final response: it may have to be sent again */
	enum wire_kind kind;
	bool settled;              /* kind is what the domain has chosen */
	struct session_ways *ways; /* NULL = there is no other address   */
	struct str sdp;
	struct buf fields; /* extra header lines, printed */
};

struct sip_session {
	struct list node;
	struct sip_node by_dialog, by_flow;
	struct sip_stack *k;
	enum session_state state;
	bool outbound;
	bool offerless; /* in: the INVITE being answered had no offer, the ACK brings an answer */
	bool blamed;    /* end.who and why are settled: the first cause counts */
	bool looking;   /* lookup is open */
	bool have_flow;
	bool pinned;             /* without a route set, the way is flow as long as that stands */
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
	struct session_update *update; /* NULL but inside reoffer() */
	struct session_timer timer;
	struct session_refer *refer;             /* our REFER, until its outcome was told; NULL = none */
	struct asked_refer *to_take;             /* the peer's, during its handler */
	struct session_replacement *replacement; /* an INVITE that wants our place, until it is answered */
	struct session_start *start;
	enum sip_reliable reliable;  /* in: which of our 1xx are to be reliable      */
	struct session_prack *prack; /* in: made with the first reliable 1xx         */
	struct session_early *early; /* out: made when a 1xx says more than "ringing" */
	struct sip_auth *auth;       /* out: NULL = no credentials */
	struct loop_timer limit;     /* the end of patience after a hang-up */
	struct loop_timer end_timer;
	struct sip_end end;                           /* its texts: */
	char *end_reason, *end_header, *end_contacts; /* heap, may be NULL */
	struct str hangup_header;                     /* Reason of our CANCEL, BYE or response; heap */
	char why[160];
};

/* --- sip_stack.c --- */

/* Answer a request on sight, without state (§8.2.7): the same To tag each time it comes. */
void stack_reply(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, int status,
		 const struct sip_fields *fields);
/* 415, 420, 422 and the like for an INVITE or UPDATE: true = refused. */
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

/* --- sip_overload.c --- */

/* 0 or ENOMEM. */
int overload_init(struct overload *o, struct sip_stack *k, const struct sip_stack_opts *opts);
void overload_done(struct overload *o, struct loop *l);
/* May a message from there be read at all? For the transport. */
bool overload_admits(void *arg, const struct sip_flow *flow);
/* Who sent this is a party of ours. */
void overload_prove(struct sip_stack *k, const struct sip_flow *flow);
/* Refuse a new INVITE or REGISTER while there is too much to do; true = refused. */
bool overload_sheds(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);

/* --- sip_session.c, sip_way.c --- */

/* In the stack's list, in no dialog yet. NULL = no memory. */
struct sip_session *session_new(struct sip_stack *k, enum session_state state);
/* Find it by Call-ID and local tag from here on. */
void session_index(struct sip_session *s);
/* The flow of its requests from here on. */
void session_use_flow(struct sip_session *s, const struct sip_flow *flow);
/* Sessions whose only way was this WebSocket connection end. */
void session_lost(struct sip_stack *k, uint64_t connection, const char *why);
/* The session of a request (ours is the To tag) or of a response (ours is the From tag); NULL = none. */
struct sip_session *session_find(struct sip_stack *k, const struct sip_msg *m, struct str local_tag,
				 struct str remote_tag);
struct sip_session *session_find_dialog(struct sip_stack *k, struct str call_id, struct str local_tag,
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
/* Blame that on err: there is no way. */
void session_blame_way(struct sip_session *s, int err);
/* The first INVITE has been sent: its address is given some time when there is another one, else what it was made of
 * goes. */
void session_watch_way(struct sip_session *s);
/* A response to it has come. */
void session_way_heard(struct sip_session *s, const struct sip_msg *m);
/* Its address is of no use, whose transaction is over or let go of. true = it went out to the next one, or the session
 * has ended over that. */
bool session_next_way(struct sip_session *s, const char *why);
void session_forget_ways(struct sip_session *s);
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

/* Where requests of the dialog go, when that can be said without a look-up; else *flow stays. */
void uac_fork_way(struct sip_stack *k, const struct sip_dialog *d, struct sip_flow *flow);

/* --- sip_early.c --- */

enum { EARLY_CSEQ_GAP = 1024 }; /* between an INVITE and the BYE to a dialog of it that nobody has kept */

/* A 101..199 to the INVITE. False: it has come before, or out of turn, and goes no further. *sdp: what is new of its SDP,
 * empty = nothing. PRACK is on its way when it wants one. */
bool early_take(struct sip_session *s, const struct sip_msg *m, struct str *sdp);
/* The dialog of a 2xx becomes the session's: what the 2xx leaves out is as its 1xx said. */
void early_won(struct sip_session *s, const struct sip_msg *m);
/* What the dialog of a 2xx has brought before; absent = nothing. The caller frees it with session_forget(). */
struct str early_steal_sdp(struct sip_session *s, const struct sip_msg *m);
/* The dialog that is heard has answered our offer for good. */
bool early_agreed(const struct sip_session *s);
/* It has said something newer in an UPDATE, which counts more than what a 2xx repeats. */
void early_keep_sdp(struct sip_session *s, struct str sdp);
bool early_updated(const struct sip_session *s, const struct sip_msg *m);
/* True: the request is of a dialog that is not heard, and has been answered. */
bool early_refuses(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
/* Is there a dialog with this tag, be it not the one that is heard? */
bool early_knows(const struct sip_session *s, struct str remote_tag);
void early_free(struct sip_session *s);

/* --- sip_prack.c --- */

/* What the INVITE says of reliable responses. */
void prack_judge(struct sip_session *s, const struct sip_msg *invite);
/* 1xx to the INVITE, reliable when it is to be; later when another one is not acknowledged yet. */
void prack_ring(struct sip_session *s, int status, struct str sdp);
/* True: the 2xx must wait, and goes out with the PRACK. */
bool prack_holds_answer(struct sip_session *s);
/* The 2xx waits. */
bool prack_answered(const struct sip_session *s);
/* An SDP has gone out reliably, so that the 2xx has none. */
bool prack_carried(const struct sip_session *s);
/* … and what it answers, or is answered by, is settled. */
bool prack_agreed(const struct sip_session *s);
/* A PRACK from the caller. */
void prack_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
/* The INVITE has its final response: nothing is repeated any more. */
void prack_settled(struct sip_session *s);
void prack_free(struct sip_session *s);

/* --- sip_uas.c --- */

/* An INVITE that opens a dialog and has passed all checks. subscriber: who proved to be its sender; absent = nobody. */
void uas_take_invite(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, struct str subscriber);
void uas_take_ack(struct sip_session *s, const struct sip_msg *m);
void uas_hangup(struct sip_session *s);
/* Start of a response to the open INVITE in k->out. */
void uas_print(struct sip_session *s, int status, struct str reason);
/* The 2xx to the first INVITE. 0, ENOMEM or EMSGSIZE. */
int uas_accept(struct sip_session *s, struct str sdp);
/* Final refusal of the open INVITE or re-INVITE. */
void uas_respond_final(struct sip_session *s, int status, struct str reason, const struct sip_fields *fields);
/* 200 with SDP to it. 0, ENOMEM or EMSGSIZE. */
int uas_respond_ok(struct sip_session *s, struct str sdp);
/* The transaction of an INVITE or re-INVITE; 100 is sent. */
int uas_open(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);

/* --- sip_request.c --- */

/* Tell those whose newest answer came on it. */
void request_connection_lost(struct sip_stack *k, uint64_t connection, const char *why);
/* A registration of ours came by this connection. */
bool request_holds(const struct sip_stack *k, uint64_t connection);
/* --- sip_gate.c: subscribers; all of it without a gate means nobody --- */

void gate_free(struct sip_stack *k);
void gate_take_register(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);
/* Has the sender of a new INVITE shown who it is, where it must? *subscriber: who, absent = it need not. False: it was
 * answered. */
bool gate_admits(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow, struct str *subscriber);
void gate_lost(struct sip_stack *k, uint64_t connection);
bool gate_needs(const struct sip_stack *k, uint64_t connection);
const struct sip_binding *gate_binding(const struct sip_stack *k, uint64_t id); /* NULL = gone */
void gate_count(const struct sip_stack *k, struct sip_stack_counts *out);

/* --- sip_reinvite.c --- */

void reinvite_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
void reinvite_acked(struct sip_session *s, struct str sdp);
void reinvite_cancelled(struct sip_session *s);
void reinvite_send(struct sip_session *s);
/* A re-INVITE that says what we said last; nothing, when another one is open. */
void reinvite_refresh(struct sip_session *s);
/* Begin with s->re.method. 0, EBUSY or ENOMEM. */
int reinvite_begin(struct sip_session *s, enum sip_method method, struct str sdp);
/* 500 with Retry-After (§14.2). */
void reinvite_refuse_late(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
/* The session ends: both directions. */
void reinvite_stop(struct sip_session *s);

/* --- sip_update.c --- */

void update_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
/* Answer s->update; ENOMEM or EMSGSIZE: nothing was sent. */
int update_respond(struct sip_session *s, int status, struct str sdp);

/* --- sip_refresh.c: session timers --- */

void refresh_start(struct sip_session *s, uint32_t wish_s);
/* Header lines of an INVITE or UPDATE of ours. */
void refresh_print(struct sip_session *s);
/* Those of our 2xx, which begins the interval. */
void refresh_answer(struct sip_session *s, const struct sip_msg *request);
/* A 2xx to an INVITE or UPDATE of ours begins it. */
void refresh_agree(struct sip_session *s, const struct sip_msg *response);
/* A 422, and the request can go out again with what it wants. */
bool refresh_raise(struct sip_session *s, const struct sip_msg *m);
/* What the peer allows. */
void refresh_note(struct sip_session *s, const struct sip_msg *m);
/* Our newest SDP, behind refresh_answer() or refresh_agree(). */
void refresh_keep(struct sip_session *s, struct str sdp);
/* The UPDATE, its way is known. */
void refresh_send(struct sip_session *s);
/* How a refresh by re-INVITE ended that got no 2xx. */
void refresh_refused(struct sip_session *s, int status);
void refresh_failed(struct sip_session *s, enum sip_failure kind, const char *why);
void refresh_stop(struct sip_session *s);
/* --- sip_replace.c --- */

/* An INVITE that opens a dialog and has passed all checks; false = it wants nobody's place. */
bool replace_take(struct sip_stack *k, const struct sip_msg *m, const struct sip_flow *flow);
/* Our tag in the responses to the INVITE that is open. */
const char *session_open_tag(const struct sip_session *s);
/* It has been refused, or has gone; it has been answered. */
void replace_forget(struct sip_session *s);
void replace_now(struct sip_session *s);

/* --- sip_transfer.c --- */

void refer_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
void refer_take_notify(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);
void refer_pump(struct sip_session *s);
/* The session ends; it is about to be closed; and it has been, its dialog is free for what outlives it. */
void refer_stop(struct sip_session *s);
void refer_close(struct sip_session *s);
void refer_inherit(struct sip_session *s);
/* What the peer of the dialog is told goes on there. */
void refer_move(struct sip_session *s, struct sip_session *to);
void refer_free_notifiers(struct sip_stack *k);
/* --- sip_info.c --- */

void info_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow);

#endif
