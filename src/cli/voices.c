#include "cli/voices.h"

#include <errno.h>
#include <string.h>

#include "op/recognize.h"
#include "op/speech.h"

int voices_open(struct speech **out, struct loop *l, struct pool *p, const struct config *c)
{
	struct speech_opts opts = {
		.loop = l,
		.pool = p,
		.engine = c->tts.engine,
		.voice = c->tts.voice,
		.language = c->tts.language,
		.command = c->tts.command,
		.url = c->tts.url,
	};
	struct buf folder;
	int err;

	buf_init(&folder, 0);
	buf_printf(&folder, "%s/cache/speech", c->data);
	opts.cache = folder.data;
	err = folder.failed ? ENOMEM : speech_new(out, &opts);
	if (err)
		log_printf(LOG_ERROR, NULL, "speech: %s: %s", folder.failed ? "" : folder.data, strerror(err));
	else if (speech_engine_name(*out))
		log_printf(LOG_INFO, NULL, "texts are spoken by %s", speech_engine_name(*out));
	else
		log_printf(LOG_WARN, NULL, "no text can be spoken: neither espeak-ng nor flite is installed");
	buf_free(&folder);
	return err;
}

/* Behind voices_open(), which made the folder that this one is in. */
int voices_listen(struct recognizer **out, struct loop *l, struct pool *p, const struct config *c)
{
	struct recognizer_opts opts = {
		.loop = l,
		.pool = p,
		.language = c->stt.language,
		.command = c->stt.command,
		.url = c->stt.url,
	};
	struct buf folder;
	int err;

	if (!opts.command && !opts.url)
		return 0;
	buf_init(&folder, 0);
	buf_printf(&folder, "%s/cache/recognized", c->data);
	opts.folder = folder.data;
	err = folder.failed ? ENOMEM : recognizer_new(out, &opts);
	if (err)
		log_printf(LOG_ERROR, NULL, "stt: %s: %s", folder.failed ? "" : folder.data, strerror(err));
	else
		log_printf(LOG_INFO, NULL, "speech is understood by %s", recognizer_name(*out));
	buf_free(&folder);
	return err;
}
