/* hep: sends SIP messages to a capture server (Homer and its kin) as HEP version 3, one datagram a message.
 *
 * Secrets are masked. What cannot be sent at once is dropped and counted: a capture server holds up no call.
 * Thread: signal. Source: the HEP3 specification of sipcapture.org, revision 36. */
#ifndef HEP_H
#define HEP_H

#include "sip/sip_trace.h"

struct hep;

struct hep_counts {
	uint64_t sent, dropped;
};

/* id: the capture id that the server knows us by. 0 or errno. */
int hep_new(struct hep **out, struct net *net, const struct addr *to, uint32_t id);
void hep_free(struct hep **h);
void hep_send(struct hep *h, const struct sip_trace_item *i, uint64_t wall_us);
struct hep_counts hep_count(const struct hep *h);

#endif
