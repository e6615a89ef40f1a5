/* Any bytes as a text that is shown: only x are put into it, nothing behind its end is read, and what is masked stays as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *again = malloc(size + 1);
	char *exact;

	if (!text || !again)
		abort();
	memcpy(text, data, size);
	exact = realloc(text, size ? size : 1);
	secret_mask(exact, size);
	for (size_t i = 0; i < size; i++)
		if (exact[i] != (char)data[i] && exact[i] != 'x')
			abort();
	memcpy(again, exact, size);
	secret_mask(again, size);
	if (memcmp(again, exact, size) != 0)
		abort();
	secret_mask_value(again, size, (struct str){ (const char *)data, size / 3 }, size & 1);
	secret_name((struct str){ (const char *)data, size });
	free(again);
	free(exact);
	return 0;
}
