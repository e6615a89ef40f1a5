#include "call/limits.h"

const char *limits_refuse(const struct call_limits *l, struct limits_bucket *b, size_t live, uint64_t now_ms)
{
	uint64_t back = (now_ms - b->filled_ms) * l->calls_per_second;

	if (l->max_calls && live >= l->max_calls)
		return "limits.max_calls is reached";
	if (!l->calls_per_second)
		return NULL;
	b->used_milli = b->used_milli > back ? b->used_milli - back : 0;
	b->filled_ms = now_ms;
	/* A reload may have made the bucket smaller than what is in use. */
	if (b->used_milli + 1000 > (uint64_t)l->calls_per_second * 1000)
		return "limits.calls_per_second is reached";
	b->used_milli += 1000;
	return NULL;
}
