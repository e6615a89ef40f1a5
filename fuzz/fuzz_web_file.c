/* Any bytes as a Range header: what is granted lies inside the file, and 200 means all of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/web_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *header, uint64_t size)
{
	uint64_t at = 1, left = 1;

	switch (web_file_range(header, size, &at, &left)) {
	case 200:
		if (at || left != size)
			abort();
		break;
	case 206:
		if (!left || at >= size || left > size - at)
			abort();
		break;
	case 416:
		if (left)
			abort();
		break;
	default:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 0, 1, 1000, UINT64_MAX };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		check(text, sizes[i]);
	free(text);
	return 0;
}
