/* Any bytes as what is to be said: what an engine gets has no element that is not ours, each closed, no control
 * character, no phoneme brackets; cleaning what is clean changes nothing; plain words of plain words end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "op/speech_ssml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_controls(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f || s.p[i] == '[' || s.p[i] == ']')
			abort();
}

/* Every < begins one of our elements; as many are closed as are opened. */
static void ours_only(struct str s)
{
	static const char *const names[] = { "speak", "p", "s", "prosody", "emphasis", "say-as" };
	int open = 0;

	for (size_t at = 0; at < s.n; at++) {
		struct str rest = str_from(s, at + 1);
		bool closing = rest.n && rest.p[0] == '/', known = false;

		if (s.p[at] != '<')
			continue;
		if (str_starts(rest, "break"))
			continue;
		rest = str_from(rest, closing);
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			size_t n = strlen(names[i]);

			known |= str_starts(rest, names[i]) && n < rest.n && strchr(" >", rest.p[n]);
		}
		open += closing ? -1 : 1;
		if (!known || open < 0)
			abort();
	}
	if (open)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct buf clean, again, plain, words;

	buf_init(&clean, 0);
	buf_init(&again, 0);
	buf_init(&plain, 0);
	buf_init(&words, 0);
	speech_ssml_clean(&clean, text);
	no_controls(buf_view(&clean));
	ours_only(buf_view(&clean));
	if (!speech_is_ssml(buf_view(&clean)) || clean.len > 40 * size + 64)
		abort();
	speech_ssml_clean(&again, buf_view(&clean));
	if (!str_eq(buf_view(&clean), buf_view(&again)))
		abort();
	speech_ssml_plain(&plain, text);
	speech_text_clean(&words, text);
	if (plain.data)
		no_controls(buf_view(&plain));
	if (words.data)
		no_controls(buf_view(&words));
	if (speech_length(text) > size)
		abort();
	buf_free(&clean);
	buf_free(&again);
	buf_free(&plain);
	buf_free(&words);
	return 0;
}
