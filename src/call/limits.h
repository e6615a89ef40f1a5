/* limits: how many calls the server takes at once and per second (PRODUCT §3 limits). Counts and a token bucket.
 *
 * Only calls that came in or were placed by the API count; legs of a connect do not. Pure; time is passed in.
 * Thread: any, one at a time. */
#ifndef LIMITS_H
#define LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct call_limits { /* 0 = no limit */
	uint32_t max_calls;
	uint32_t calls_per_second;    /* a second's worth may come at once */
	uint32_t call_seconds;        /* longest life of a call, from its first message */
	uint32_t messages_per_second; /* of a SIP source that is not known; sip_bucket.h keeps it */
};

struct limits_bucket {       /* zeroed = full */
	uint64_t filled_ms;  /* when it was last looked at */
	uint64_t used_milli; /* thousandths of a call that were taken and have not yet come back */
};

/* May one more call begin, with `live` counted calls there? NULL = yes, and it is taken from the bucket; else one
 * clause why not. */
const char *limits_refuse(const struct call_limits *l, struct limits_bucket *b, size_t live, uint64_t now_ms);

#endif
