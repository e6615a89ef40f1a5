/* Any bytes as what a document may name to be played: parts lie inside the text, times in their range; what is printed has
 * no user or password in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "op/sound_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct sound_uri u = { .ms = 7 };
	char out[120];

	sound_uri_print(out, text);
	must(memchr(out, 0, sizeof(out)) != NULL);
	if (sound_uri_parse(&u, text))
		return 0;
	must(u.ms <= SOUND_MAX_S * 1000u + 999);
	if (u.kind != SOUND_SILENCE)
		must(u.text.n && u.text.p >= text.p && u.text.p + u.text.n <= text.p + size);
	if (u.kind == SOUND_HTTP && strchr(out, '@')) {
		char *path = strpbrk(out + 7, "/?");

		must(path && strchr(out, '@') > path);
	}
	return 0;
}
