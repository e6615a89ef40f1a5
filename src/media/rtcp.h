/* rtcp: is this a compound packet that may be passed on, and does it stand on an RTP port.
 *
 * Pure; nothing is decoded: reports are relayed as they came. Thread: any. Source: RFC 3550 A.2, RFC 5761 §4. */
#ifndef RTCP_H
#define RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0, or EINVAL: a packet that is no version 2, does not begin with a sender's or receiver's report, or whose
 * parts do not add up to n. */
int rtcp_check(const uint8_t *packet, size_t n);
/* On a port that carries both: the second byte tells RTCP from RTP. */
bool rtcp_is_muxed(const uint8_t *packet, size_t n);

#endif
