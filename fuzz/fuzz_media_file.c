/* Any bytes as an audio file, by content and, when the last byte says so, as a raw format: what comes out is a clip within
 * the caps, or a reason. the parsers of the libraries are in it. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "media/media_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "", "audio/basic", "audio/gsm", "audio/pcma" };
	const char *type = types[size ? data[size - 1] % 4 : 0];
	char why[MEDIA_FILE_WHY] = "";
	struct clip *c = NULL;
	int err = media_file_decode(&c, (struct str){ (const char *)data, size }, str_of(type), STR("/x"), why);

	must(!err == !!c && !err == !why[0]);
	must(!err || err == EINVAL || err == EFBIG || err == ENOMEM);
	if (!c)
		return 0;
	must(clip_count(c) && clip_rate_hz(c) >= 1000 && clip_rate_hz(c) <= MEDIA_FILE_MAX_HZ);
	must(clip_ms(c) <= MEDIA_FILE_MAX_S * 1000u && clip_count(c) <= 32u << 20);
	clip_unref(&c);
	return 0;
}
