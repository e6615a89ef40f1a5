/* rtcp: is this a compound packet that may be passed on, what do its reports say, and how is one written.
 *
 * Pure. Of a compound packet the first report and its blocks count; what stands behind (SDES, BYE, feedback) must only be
 * whole. Thread: any. Source: RFC 3550 §6.4, §6.5, A.2, RFC 4585 §6, RFC 5104 §4.3, RFC 5506, RFC 5761 §4. */
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

/* Feedback that comes alone (RFC 5506) gets an empty receiver's report before it, since the other end may not know the short
 * form. The buffer has 8 bytes more than n. Returns the bytes. */
size_t rtcp_complete(uint8_t *packet, size_t n);
/* packet has passed rtcp_check(): whatever it tells of the source old, as that or of that, it tells of new. */
void rtcp_rename(uint8_t *packet, size_t n, uint32_t old, uint32_t new);
/* The same for the numbers of a stream that goes out with others than it came with: what its sender reports gets time
 * added to its time stamp, what a receiver reports of it loses seq from its highest number. */
void rtcp_renumber(uint8_t *packet, size_t n, uint32_t ssrc, uint32_t time, uint16_t seq);

/* A picture that needs none before it is wanted: a picture loss indication (RFC 4585 §6.3.1), or a full intra request (RFC
 * 5104 §4.3.1), behind an empty receiver's report. */
struct rtcp_wish {
	uint32_t from, of; /* who wants it of whose stream */
	bool full;         /* the second form; a number of its own for each new wish */
	uint8_t number;
};
enum { RTCP_WISH_BYTES = 28 };
size_t rtcp_write_wish(uint8_t out[RTCP_WISH_BYTES], const struct rtcp_wish *wish);

/* A sender's or receiver's report. */
enum { RTCP_MAX_BLOCKS = 4, RTCP_NAME_BYTES = 16, RTCP_MAX_BYTES = 80 };

struct rtcp_block { /* how one stream is received */
	uint32_t ssrc;
	uint32_t highest; /* sequence number, with the wraps above its 16 bits */
	uint32_t jitter;  /* in ticks of the stream's clock */
	uint32_t sr;      /* middle of the time stamp of the last sender's report, 0 = none came */
	uint32_t sr_age;  /* since then, in 1/65536 s */
	int32_t lost;     /* in all, 24 bits; doubles make it negative */
	uint8_t fraction; /* lost since the report before, in 1/256 */
};

struct rtcp_report {
	uint32_t ssrc; /* of its sender */
	bool sends;    /* a sender's report: the next four count */
	uint64_t ntp;  /* seconds since 1900, 32 bits of fraction below them */
	uint32_t timestamp, packets, bytes;
	size_t count; /* blocks; those beyond RTCP_MAX_BLOCKS are left out */
	struct rtcp_block blocks[RTCP_MAX_BLOCKS];
};

/* packet has passed rtcp_check(). 0, or EINVAL when the report is shorter than its blocks. */
int rtcp_read(struct rtcp_report *out, const uint8_t *packet, size_t n);
/* The report, with at most one block, and the sender's canonical name. Returns the bytes. */
size_t rtcp_write(uint8_t out[RTCP_MAX_BYTES], const struct rtcp_report *r, const char name[RTCP_NAME_BYTES]);
/* The part of a time stamp that comes back in a block's sr. */
uint32_t rtcp_middle(uint64_t ntp);
/* Unix time [ms] as a time stamp. */
uint64_t rtcp_ntp(uint64_t wall_ms);

#endif
