/* Any bytes as the body of a SIP INFO; the first line is its content type. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "call/info_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size }, type;
	char key = '\0';
	int status;

	if (!str_split(&body, '\n', &type))
		return 0;
	if (!body.p)
		body = STR("");
	status = info_key(type, body, &key);
	if (status != 0 && status != 400 && status != 415)
		abort();
	if (status ? key : key && !strchr("0123456789*#ABCD", key))
		abort();
	return 0;
}
