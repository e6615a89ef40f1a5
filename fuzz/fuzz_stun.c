/* Any bytes as STUN: an answer is one that we understand, and says where the request came from. */
#include <stdint.h>
#include <stdlib.h>

#include "net/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stun_msg m, answer;
	unsigned char out[STUN_MAX_ANSWER];
	struct addr from, mapped;
	size_t n;

	if (stun_parse(&m, (struct str){ (const char *)data, size }))
		return 0;
	stun_mapped(&m, &mapped);
	if (addr_parse(&from, STR("fd00::1"), 5060))
		abort();
	n = stun_answer(out, &m, &from);
	if (!n)
		return 0;
	if (n > sizeof(out) || stun_parse(&answer, (struct str){ (const char *)out, n }))
		abort();
	if (answer.type == STUN_BINDING_SUCCESS && (stun_mapped(&answer, &mapped) || !addr_equal(&mapped, &from)))
		abort();
	return 0;
}
