/* Any bytes as what a speech recognizer has said. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "op/recognize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[RECOGNIZE_MAX_TEXT];
	double confidence = -2;
	const char *fault = recognize_read((struct str){ (const char *)data, size }, text, &confidence);

	if (fault)
		return 0;
	if (!(confidence >= -1 && confidence <= 1) || (confidence < 0 && confidence > -1))
		abort();
	if (!str_is_utf8(str_of(text)) || strpbrk(text, "\t\r\n") || strstr(text, "  "))
		abort();
	return 0;
}
