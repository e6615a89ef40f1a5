/* sip_session: the SIP stack as call/ sees it: one door for INVITE sessions, SDP as opaque bytes.
 *
 * A session is one INVITE dialog usage of ours, from the INVITE to its end; it ends in exactly one closed()
 * and the pointer is dead after that. Handlers are delivered from the loop, never from inside a call made
 * by the handler's owner. Functions act by state: hang-up is CANCEL, BYE or a final response as needed, in
 * every race (CANCEL crossing 200, BYE crossing 200, glare).
 * Thread: signal. Source: RFC 3261, 3264, 3311, 4028, 6026, 6141, 6337. */
#ifndef SIP_SESSION_H
#define SIP_SESSION_H

#include "net/dns.h"
#include "net/wire.h"
#include "sip/sip_msg.h"

struct loop;
struct sip_stack;
struct sip_trace;
struct sip_session;
struct sip_notifier;

struct sip_field { /* an extra header line */
	const char *name;
	struct str value;
};

struct sip_fields {
	const struct sip_field *items;
	size_t count;
};

struct sip_referred { /* how a transfer goes that we have asked for */
	bool over;
	bool good;       /* over, and done as far as the peer says  */
	bool gone;       /* over, because the session is: closed() is next */
	int status;      /* of the REFER; 0: it got no answer               */
	int notified;    /* the newest that a NOTIFY has told, 0 = none yet */
	const char *why; /* one clause when it is over; borrowed            */
};

struct sip_refer_in {           /* a transfer that the peer asks for; texts borrowed */
	struct str to;          /* URI without headers                                  */
	struct str replaces;    /* value of the Replaces header for it, absent = none   */
	struct str referred_by; /* absent = not said                                    */
	bool silent;            /* the peer does not want to hear about it (RFC 4488)   */
};

enum sip_who { SIP_BY_US, SIP_BY_PEER, SIP_BY_TIMEOUT, SIP_BY_TRANSPORT };

struct sip_end {
	enum sip_who who;
	bool answered;      /* was a 2xx sent or accepted before                                        */
	uint16_t status;    /* outbound: final status of the INVITE, 0 = none came; inbound: what we sent */
	const char *reason; /* phrase of the peer, or of ours; borrowed, never NULL                     */
	const char *why;    /* one clause in English: "486 Busy Here", "no answer to the INVITE within 32 s", … */
	struct str reason_header; /* Reason header of the BYE/CANCEL/response, absent = none; borrowed */
	struct str contacts;      /* outbound, 3xx: its Contacts, one a line; absent = none; borrowed */
};

struct sip_session_handlers {
	/* Outbound: a 101..199 of one of its dialogs. sdp.n == 0: none that is new; else this dialog is heard now. */
	void (*progress)(void *arg, const struct sip_msg *m, int status, struct str sdp);
	/* Outbound: the 2xx; ACK is on its way. sdp is its answer, or the one that its dialog brought in a 1xx; empty only
	 * with a bad peer. */
	void (*answered)(void *arg, const struct sip_msg *m, struct str sdp);
	/* Inbound: our 2xx was acknowledged; sdp is the ACK's body (the answer when the INVITE had no offer). */
	void (*confirmed)(void *arg, struct str sdp);
	/* Inbound: a PRACK. answer NULL: sdp is the answer to the offer in our 183, empty when the peer has none. Else sdp is
	 * an offer, and its answer is to be printed into answer: 0, or an errno to refuse it with 488. */
	int (*pracked)(void *arg, struct str sdp, struct buf *answer);
	/* Peer's re-INVITE or UPDATE. sdp empty = offerless: answer with an offer of ours.
	 * Call sip_session_reanswer() or sip_session_rerefuse(), at once or later; an UPDATE that is not answered inside
	 * gets 504 (RFC 3311 §5.2). */
	void (*reoffer)(void *arg, struct str sdp);
	/* Answer in the ACK to an offerless re-INVITE; or to what we have said already and said again to refresh the
	 * session. */
	void (*reanswered)(void *arg, struct str sdp);
	/* Our re-INVITE or UPDATE: final status; 2xx carries the answer. 408 = no answer, 481 and 408 end the session as well. */
	void (*reinvited)(void *arg, int status, struct str sdp);
	/* Our REFER: something new; over exactly once, before closed() at the latest. May be NULL. */
	void (*referred)(void *arg, const struct sip_referred *r);
	/* The peer's REFER: call sip_session_take_refer() inside, else it is refused with 603. May be NULL. */
	void (*refer)(void *arg, const struct sip_refer_in *in);
	/* The peer's INFO with a body. Returns the status to answer with: 200, 400, 415. May be NULL: 415. */
	int (*info)(void *arg, struct str content_type, struct str body);
	/* The end. The session is freed after this returns. */
	void (*closed)(void *arg, const struct sip_end *end);
};

struct sip_invite { /* an INVITE from outside, valid during the handler */
	const struct sip_msg *msg;
	struct addr source;
	enum wire_kind kind;
	struct sip_name_addr from, to;
	struct sip_uri ruri;
	struct str sdp; /* empty = offerless */
	struct str call_id;
	struct str subscriber; /* who has shown a password; absent = nobody was asked to */
};

struct sip_stack_handlers {
	/* A new INVITE that passed all formal checks; 100 is on its way. The handler must give the session
	 * handlers (sip_session_accept) or refuse it (sip_session_refuse), inside. */
	void (*invite)(void *arg, struct sip_session *s, const struct sip_invite *in);
	/* May this source make calls? Asked before anything else of a request without a To tag is judged on its
	 * merits; false = 403 (INVITE and other methods; malformed ones keep their 400). NULL = everybody. */
	bool (*known)(void *arg, const struct addr *source, const struct sip_msg *m);
	/* With subscribers only (sip_stack_serve()). The password of one, borrowed; NULL = nobody has that name. */
	const char *(*password)(void *arg, struct str user);
	/* Must the sender of this INVITE be one of them, and show it? */
	bool (*challenged)(void *arg, const struct addr *source, const struct sip_msg *m);
	/* Is it one whose messages are never limited (sip_stack_limit())? Asked of those who send much. NULL = all are. */
	bool (*trusted)(void *arg, const struct addr *source);
};

struct sip_listen {
	enum wire_kind kind;
	struct addr addr;
};

struct sip_stack_opts {
	struct loop *loop;
	struct net *net;
	struct dns *dns;
	const struct sip_listen *listen;
	size_t listen_count;
	const char *advertise; /* host for Contact and Via, NULL = the listener's own address */
	const char *user_agent;
	uint32_t t1_ms;             /* 0 = 500 */
	size_t max_transactions;    /* new INVITEs get 503 from here on; 0 = 1,000,000 */
	uint32_t session_timeout_s; /* Session-Expires of ours; 0 = we ask for no session timers */
	struct sip_trace *trace;    /* where all messages are kept, NULL = nowhere; borrowed */
	const struct sip_stack_handlers *handlers;
	void *arg;
};

/* Opens the listeners. 0 or errno with the reason in why ("udp:127.0.0.1:5060: Address already in use"). */
int sip_stack_new(struct sip_stack **out, const struct sip_stack_opts *opts, char why[160]);
/* Ends everything at once without a word to the peers; closed() is delivered for sessions still alive. */
void sip_stack_free(struct sip_stack **s);
/* Sessions, transactions and connections now alive; tests assert zeros. */
struct sip_stack_counts {
	size_t sessions, client_transactions, server_transactions, connections;
	size_t registered, bindings;       /* users, and their contacts */
	uint64_t wrong_passwords, blocked; /* requests with them; requests refused for too many of them */
	uint64_t retransmissions_sent, retransmissions_received;
	uint64_t shed;    /* new INVITEs refused with 503 because datagrams piled up, or transactions */
	uint64_t limited; /* messages not read: their source sends too much */
};
void sip_stack_count(const struct sip_stack *s, struct sip_stack_counts *out);
/* A reload, in two steps. Open what is not open yet: 0; or errno with why, and nothing has changed. Then only these take
 * new requests; others get 503 until no call knows the listener any more, then it is closed. Switching back to the old
 * ones instead undoes the first step. All copied. */
int sip_stack_open(struct sip_stack *s, const struct sip_listen *listen, size_t count, char why[160]);
void sip_stack_switch(struct sip_stack *s, const struct sip_listen *listen, size_t count, const char *advertise);
/* Session-Expires of the sessions that begin from now on. */
void sip_stack_time(struct sip_stack *s, uint32_t session_timeout_s);
/* Messages a second that a source may send of which nothing is known (sip_bucket.h); 0, as at the start: any number. */
void sip_stack_limit(struct sip_stack *s, uint32_t messages_per_second);
/* Whom look-ups are asked from now on. The one before must live until its look-ups are over. */
void sip_stack_use_dns(struct sip_stack *s, struct dns *dns);
/* Where the n-th listener really is (tests bind port 0). */
void sip_stack_local(const struct sip_stack *s, size_t n, struct addr *out);

/* --- subscribers --- */

enum { SIP_OFFER_MD5 = 1, SIP_OFFER_SHA256 = 2 }; /* in challenges */

/* Be the registrar of the domain (copied) from now on, and ask INVITEs for passwords, with digests of these kinds (bits);
 * NULL = none. Bindings of users that have no password any more are dropped. 0 or ENOMEM. */
int sip_stack_serve(struct sip_stack *s, const char *domain, unsigned digests);

struct sip_registration { /* borrowed during the visit */
	uint64_t id;
	struct str user, contact;
	struct addr source;
	enum wire_kind kind;
	uint32_t expires_s; /* left */
	uint16_t q;         /* thousandths */
	bool path;          /* through proxies */
};

/* Visit the contacts of a user (absent = of all), the most wanted first, until fn returns false. */
void sip_stack_registrations(const struct sip_stack *s, struct str user,
			     bool (*fn)(void *arg, const struct sip_registration *r), void *arg);

/* Is there this registration still? Registered again, it keeps its id. */
bool sip_stack_is_registered(const struct sip_stack *s, uint64_t id);

struct sip_call_params {     /* all copied */
	struct str ruri;     /* also decides the next hop (host, port, maddr ignored)     */
	enum wire_kind kind; /* transport: the caller of this function has applied ;transport= and defaults */
	struct str from_uri, from_name, to_uri;
	struct str call_id;         /* empty = made by us */
	struct sip_fields fields;   /* extra headers */
	struct str sdp;             /* the offer */
	uint32_t session_timeout_s; /* 0 = the stack's */
	/* Digest: a challenge to this session is answered with them, once a nonce (sip_auth.h). Empty username = none. */
	struct str username, password;
	/* Of a registration: the call goes to its contact by its way, and ruri is only what To says. 0 = none. */
	uint64_t binding;
};

/* Place a call. Errors found at once (bad URI) return EINVAL with *why; everything else ends in closed().
 * On success *out is set; no handler runs inside. */
int sip_session_call(struct sip_session **out, struct sip_stack *s, const struct sip_call_params *p,
		     const struct sip_session_handlers *h, void *arg, const char **why);
/* Outbound: has anything come back, be it only a 100? */
bool sip_session_heard(const struct sip_session *s);
/* Outbound, and nothing has come back: give it up and hear no more of it, closed() either. What still comes is
 * cancelled or hung up. *s becomes NULL. */
void sip_session_release(struct sip_session **s);
/* Inbound: take the session over. */
void sip_session_accept(struct sip_session *s, const struct sip_session_handlers *h, void *arg);
/* Inbound, before the 2xx: final response 300..699. closed() follows (not when refused inside invite()
 * without sip_session_accept()). reason empty = standard phrase. */
void sip_session_refuse(struct sip_session *s, int status, struct str reason, const struct sip_fields *fields);
enum sip_reliable { /* what a caller says of RFC 3262 */
		    SIP_RELIABLE_NONE,
		    SIP_RELIABLE_SDP, /* Supported: our 1xx with an SDP are acknowledged */
		    SIP_RELIABLE_ALL, /* Required: all are */
};
enum sip_reliable sip_session_reliable(const struct sip_session *s);
/* Inbound: 180 (sdp empty) or 183/180 with sdp. Repeats are sent too. sdp is the answer; or an offer when the INVITE had
 * none, only to callers with reliable responses. */
void sip_session_ring(struct sip_session *s, int status, struct str sdp);
/* Inbound: 200 with the answer (or the offer, when the INVITE had none), unless a reliable 1xx had it. It goes out when
 * that is acknowledged. 0, or EINVAL in a wrong state. */
int sip_session_answer(struct sip_session *s, struct str sdp);
/* Any state: end it. reason_header: value of a Reason header for CANCEL/BYE/response, empty = none. Inbound and
 * unanswered: final status 480 (use refuse for another). closed() follows when the peer has answered or the
 * transaction has timed out; at most 64*T1. */
void sip_session_hangup(struct sip_session *s, struct str reason_header);
/* Confirmed sessions: re-INVITE with a new offer. EBUSY while another one, or one of the peer's, is open. 491 is
 * retried inside; until then this function replaces the SDP. */
int sip_session_reinvite(struct sip_session *s, struct str sdp);
/* The same by UPDATE (RFC 3311): nothing but an answer at once is accepted. EINVAL when sdp is empty. */
int sip_session_update(struct sip_session *s, struct str sdp);
void sip_session_reanswer(struct sip_session *s, struct str sdp);
void sip_session_rerefuse(struct sip_session *s, int status);
struct sip_refer_params {              /* all copied */
	struct str to;                 /* URI */
	struct str username, password; /* of a challenge to it; empty username = those of the session */
};
/* From now on a challenge to what is sent in this session is answered with these, instead of what it had. 0; EINVAL:
 * control characters; ENOMEM. */
int sip_session_credentials(struct sip_session *s, struct str username, struct str password);
/* Answered sessions: ask the peer to call somebody else. referred() follows. One at a time: EBUSY; EINVAL in a wrong
 * state or with an unclean URI; ENOMEM. */
int sip_session_refer(struct sip_session *s, const struct sip_refer_params *p);
/* Inside refer(): 202, and the peer hears "100 Trying" at once. *out is where the rest is told; it outlives the session
 * (RFC 5057), and belongs to the caller until its end was told. 0 or ENOMEM. */
int sip_session_take_refer(struct sip_session *s, struct sip_notifier **out);
/* Inside refer(): refuse it with this status instead of 603. */
void sip_session_refuse_refer(struct sip_session *s, int status);
/* The call that was asked for has come so far; a status from 200 ends the notifier and sets *n to NULL. A peer that does
 * not want to hear, or answers with an error, hears no more. */
void sip_notifier_tell(struct sip_notifier **n, int status);
/* arg of the answered session whose dialog this value of a Replaces header names, if its handlers are these; else NULL. */
void *sip_session_named(struct sip_stack *s, struct str replaces, const struct sip_session_handlers *h);
/* Call-ID of the dialog. Borrowed, lives as long as the session. */
struct str sip_session_call_id(const struct sip_session *s);

#endif
