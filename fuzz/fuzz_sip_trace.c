/* Any bytes as a message that is masked for showing: the length stays, nothing but x is written, a second time changes
 * nothing, and no line begins or ends anywhere else. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char *again = malloc(size + 1);

	if (!text || !again)
		abort();
	memcpy(text, data, size);
	sip_trace_mask(text, size);
	for (size_t i = 0; i < size; i++)
		if (text[i] != (char)data[i] && text[i] != 'x')
			abort();
	memcpy(again, text, size);
	sip_trace_mask(again, size);
	if (memcmp(again, text, size) != 0)
		abort();
	free(text);
	free(again);
	return 0;
}
