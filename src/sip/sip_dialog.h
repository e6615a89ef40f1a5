/* sip_dialog: what identifies a dialog and where its requests go: tags, CSeq, remote target, route set.
 *
 * Knows no states, timers or transactions; fills itself from messages and prints the start of requests.
 * All texts are on the heap, unfolded. Thread: any, one at a time. Source: RFC 3261 §12. */
#ifndef SIP_DIALOG_H
#define SIP_DIALOG_H

#include "sip/sip_msg.h"

enum { SIP_TAG_TEXT = 20 }; /* room for a tag of ours */

struct sip_dialog {
	struct str call_id;
	char local_tag[SIP_TAG_TEXT];
	struct str remote_tag; /* absent = not known yet; empty = the peer has none */
	struct str local;      /* value of our From, with the tag */
	struct str remote;     /* value of our To, with the tag when known */
	struct str target;     /* remote target: Request-URI */
	struct str routes;     /* route set, one value a line; absent = none */
	uint32_t local_cseq;   /* of the newest request of ours */
	uint32_t remote_cseq;  /* of the newest request of the peer */
};

void sip_dialog_done(struct sip_dialog *d); /* d may be zeroed memory */

struct sip_dialog_params {
	struct str call_id, from_uri, from_name, to_uri, ruri;
	const char *local_tag;
	struct str routes; /* of the first request, one value a line; empty = none */
};

/* Before a first INVITE of ours. d is zeroed memory; 0 or ENOMEM, then d is to be freed all the same. */
int sip_dialog_init_out(struct sip_dialog *d, const struct sip_dialog_params *p);
/* From a request that opens a dialog with us. 0, ENOMEM, EINVAL. */
int sip_dialog_init_in(struct sip_dialog *d, const struct sip_msg *request, const char *local_tag);
/* From any response to a request of ours: for a dialog that nobody keeps. */
int sip_dialog_init_response(struct sip_dialog *d, const struct sip_msg *response);
/* A 1xx or 2xx to our first INVITE: remote tag, target and route set as it says (§12.1.2, §13.2.2.4). */
int sip_dialog_update(struct sip_dialog *d, const struct sip_msg *response);
/* Target refresh by a later INVITE or its 2xx. 0 or ENOMEM (nothing changed). */
int sip_dialog_refresh(struct sip_dialog *d, const struct sip_msg *m);

/* The URI that decides where the next request goes: the first route, else the target. 0 or EINVAL. */
int sip_dialog_hop(const struct sip_dialog *d, struct sip_uri *out);

struct sip_dialog_request {
	enum sip_method method;
	uint32_t cseq;
	const char *via_transport; /* "UDP"     */
	const char *via_host;      /* host:port */
	const char *branch;
};

/* Request line, Via, Max-Forwards, Route, From, To, Call-ID, CSeq. */
void sip_dialog_print(const struct sip_dialog *d, struct buf *b, const struct sip_dialog_request *r);
/* A header line whose value comes from a message: folds become blanks. */
void sip_dialog_add_line(struct buf *b, const char *name, struct str value);

#endif
