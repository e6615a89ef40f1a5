/* fake_phone: a SIP stack of ours with an owner that only writes down what happens, for flow tests.
 *
 * What a phone does by itself when something comes is set in its fields; all else the test does with the
 * session. Each call stays (for counting) until the phone is freed. Thread: the loop's. */
#ifndef FAKE_PHONE_H
#define FAKE_PHONE_H

#include "base/list.h"
#include "base/loop.h"
#include "sip/sip_session.h"

struct phone;

struct phone_call {
	struct list node;
	struct phone *phone;
	struct sip_session *s; /* NULL once closed() has come */
	bool inbound;
	int pracked;
	int progress, answered, confirmed, reoffer, reanswered, reinvited, closed;
	int last_progress, last_reinvited; /* statuses */
	char sdp[1024];                    /* the newest one received */
	enum sip_who who;
	bool was_answered;
	int status;
	char reason[64], why[160], reason_header[64];
	int info; /* with a body of application/dtmf-relay; others get 415 */
	int referred, refer_over, refer_status, refer_notified; /* of our REFER */
	char refer_why[120];
	int refer; /* the peer's */
	char refer_to[64], refer_replaces[128];
	struct sip_notifier *notifier; /* after auto_take_refer, until told the end */
	uint64_t hung_ms, closed_ms;   /* hung_ms: by phone_hangup() */
};

struct phone {
	struct loop *loop;
	struct sip_stack *stack;
	struct list calls;
	size_t call_count;
	struct addr addr;                /* of the first listener */
	bool tls;                        /* before phone_open(): listens on port 5061 too */
	bool web;                        /* likewise: WS on 8080, WSS on 8443             */
	const struct sip_fields *fields; /* extra header lines of the calls it places, NULL = none */
	bool unknown;                    /* refuse all sources */
	int refuse_inside;               /* inside invite(), without taking over */
	int auto_ring, auto_refuse;      /* status, 0 = no */
	bool auto_answer, auto_reanswer, auto_take_refer;
	const char *offer, *answer; /* SDP of the next calls and answers, NULL = "offer", "answer" */
	uint32_t session_timeout_s; /* before phone_open(): of the stack, 0 = no session timers */
	uint32_t dial_timeout_s;    /* of the next calls, 0 = the stack's */
	int refuse_pracks;          /* offers in them: errno, 0 = no */
	bool among_strangers;       /* trust no source */
	size_t max_transactions;    /* before phone_open() */
	void (*on_event)(struct phone_call *c, const char *event); /* behind the book-keeping; may be NULL */
	void *user;
};

struct phone_opts {
	struct loop *loop;
	struct net *net;
	struct dns *dns;
	const char *address; /* listens there on port 5060, UDP and TCP */
};

/* Aborts the test when it cannot be made. */
void phone_open(struct phone *p, const struct phone_opts *opts);
/* closed() for what is left, then everything is freed. */
void phone_close(struct phone *p);
/* Places a call with SDP "offer"; NULL when refused at once. kind: the transport. */
struct phone_call *phone_dial(struct phone *p, const char *uri, enum wire_kind kind);
struct phone_call *phone_call_with(struct phone *p, const struct sip_call_params *params);
/* Hang up, if the call is still there, and remember when. */
void phone_hangup(struct phone_call *c, struct str reason_header);
/* The n-th call of the phone, from 0; NULL = there is none. */
struct phone_call *phone_call_at(struct phone *p, size_t n);
/* Sessions + transactions (+ connections) alive. */
size_t phone_alive(const struct phone *p, bool connections);

#endif
