/* fake_hand: two phones of ours and a peer by hand, which can do what ours never would, for what changes a session that
 * stands. Thread: the loop's. */
#ifndef FAKE_HAND_H
#define FAKE_HAND_H

#include "check.h"
#include "fake_dns.h"
#include "fake_net.h"
#include "fake_phone.h"

enum { MAX_GOT = 256, LOOSE_MS = LOOP_LOOSE_MS };

#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\n"

struct hand_world {
	struct loop *loop;
	struct fake_net *net;
	struct fake_dns *dns;
	struct phone a, b; /* 10.0.0.1 and 10.0.0.2, ours */
	struct wire *wire; /* 10.0.0.3, by hand */
	struct addr hand, to_a;
	char *got[MAX_GOT]; /* by hand */
	size_t count;
	char sent[4096]; /* newest message of a */
	bool cut;        /* nothing arrives */
	int updates_a, updates_b, invites_a, invites_b, byes_a, byes_b, pending;
	uint64_t invite_a_ms, invite_b_ms; /* the newest of each */
	char bye[4096];
	char text[8192];
	char our_tag[40]; /* of a, in the dialog that the hand opened, or of the call to it */
};

struct hand_options {
	uint64_t seed;
	uint32_t timeout_a_s, timeout_b_s, dial_s;
	uint32_t delay_ms;
};

struct hand_ask {
	const char *method, *extra, *body;
	unsigned cseq;
	const char *branch; /* NULL = by the CSeq */
	const char *user;   /* of the Contact, NULL = "h" */
};

bool hand_begins(const char *text, const char *start);
void hand_open(struct hand_world *w, const struct hand_options *o);
void hand_run(struct hand_world *w, uint64_t ms);
/* What has come to the hand. */
void hand_forget(struct hand_world *w);
/* Line ends become CRLF. */
void hand_say(struct hand_world *w, const char *text);
/* The newest message that begins so, or "". */
const char *hand_newest(const struct hand_world *w, const char *start);
int hand_got(const struct hand_world *w, const char *start);
/* A header line of a message, with its name and without its end. */
const char *hand_line(const char *message, const char *name, char out[512]);
/* Answer a request of a's. */
void hand_reply(struct hand_world *w, const char *request, const char *status, const char *headers, const char *body);
/* Keep the tag of a that a message has in this header. */
void hand_take_tag(struct hand_world *w, const char *message, const char *header);
/* A request by hand, in the dialog that the hand has opened (or opens). */
void hand_ask(struct hand_world *w, const struct hand_ask *r);
void hand_ack(struct hand_world *w, unsigned cseq, const char *body);
/* Status of the newest response, 0 = none. */
int hand_status(const struct hand_world *w);
/* Hang up whatever is left, and the time it takes. */
void hand_end_all(struct hand_world *w);
void hand_free(struct hand_world *w);

/* Here, since a CHECK counts for the program that it stands in. */

/* Whatever a test leaves open is hung up; then everything has to end by itself. */
static inline void hand_close(struct hand_world *w)
{
	hand_end_all(w);
	CHECK_INT(0, phone_alive(&w->a, true));
	CHECK_INT(0, phone_alive(&w->b, true));
	CHECK_INT(0, loop_timer_count(w->loop));
	for (size_t i = 0; i < w->a.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->a, i)->closed);
	for (size_t i = 0; i < w->b.call_count; i++)
		CHECK_INT(1, phone_call_at(&w->b, i)->closed);
	hand_free(w);
}

/* a calls b, and they talk. */
static inline struct phone_call *hand_talk(struct hand_world *w, struct phone_call **far)
{
	struct phone_call *c;

	w->b.auto_answer = true;
	c = phone_dial(&w->a, "sip:b@10.0.0.2", WIRE_UDP);
	hand_run(w, 200);
	*far = phone_call_at(&w->b, w->b.call_count - 1);
	CHECK_INT(1, c->answered);
	CHECK_INT(1, (*far)->confirmed);
	return c;
}

/* a calls the hand, which answers so. */
static inline struct phone_call *hand_called(struct hand_world *w, const char *headers)
{
	struct phone_call *c = phone_dial(&w->a, "sip:h@10.0.0.3", WIRE_UDP);

	hand_run(w, 10);
	hand_reply(w, hand_newest(w, "INVITE "), "200 OK", headers, "answer");
	CHECK_INT(1, c->answered);
	CHECK_INT(1, hand_got(w, "ACK "));
	return c;
}

/* The hand has called a, and a has answered; no ACK. */
static inline struct phone_call *hand_calls(struct hand_world *w, const char *headers, const char *body)
{
	w->our_tag[0] = '\0';
	w->a.auto_answer = true;
	hand_ask(w, &(struct hand_ask){ .method = "INVITE", .cseq = 1, .extra = headers, .body = body });
	hand_take_tag(w, hand_newest(w, "SIP/2.0 200"), "To");
	CHECK(w->our_tag[0]);
	return phone_call_at(&w->a, w->a.call_count - 1);
}

#endif
