/* The sections tts and stt of the configuration. */
#include <string.h>

#include "config_impl.h"

static const char *const engines[] = { "auto", "espeak", "flite", "command", "http", NULL };

/* What an operator may write for a voice or a language: it goes onto command lines. */
static void read_name(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && config_only(text, "._+:-") && text[0] != '-' && strlen(text) < 64)
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be a name like Polly.Salli or en-US");
}

static bool is_filled(const char *text)
{
	return *text != '\0';
}

enum { MAX_ARGUMENTS = 31 };

static void read_command(struct conf *c, const struct doc *d, void *field)
{
	const char *const *texts = config_texts(c, d, "must not be empty", is_filled);
	size_t n = 0;

	while (texts && texts[n])
		n++;
	if (n > MAX_ARGUMENTS)
		conf_problem(c, CONF_ERROR, d, "must have at most 31 parts");
	else if (n)
		*(const char *const **)field = texts;
}

static void read_url(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && (str_istarts(str_of(text), "http://") || str_istarts(str_of(text), "https://")))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be an http:// or https:// URL");
}

static const struct conf_setting tts_table[] = {
	{ .name = "engine", .type = CONF_ENUM, .offset = offsetof(struct config_tts, engine), .names = engines },
	{ .name = "voice", .type = CONF_CUSTOM, .offset = offsetof(struct config_tts, voice), .read = read_name },
	{ .name = "language", .type = CONF_CUSTOM, .offset = offsetof(struct config_tts, language), .read = read_name },
	{ .name = "command",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_tts, command),
	  .read = read_command },
	{ .name = "http", .type = CONF_CUSTOM, .offset = offsetof(struct config_tts, url), .read = read_url },
	{ .name = NULL },
};

void config_read_tts(struct conf *c, const struct doc *d, void *field)
{
	struct config_tts *tts = field;

	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, tts_table, tts);
	if (tts->engine == SPEECH_COMMAND && !tts->command)
		conf_problem(c, CONF_ERROR, d, "the engine command needs a command");
	if (tts->engine == SPEECH_HTTP && !tts->url)
		conf_problem(c, CONF_ERROR, d, "the engine http needs http: a URL");
}

/* --- stt --- */

static const struct conf_setting stt_table[] = {
	{ .name = "language", .type = CONF_CUSTOM, .offset = offsetof(struct config_stt, language), .read = read_name },
	{ .name = "command",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_stt, command),
	  .read = read_command },
	{ .name = "http", .type = CONF_CUSTOM, .offset = offsetof(struct config_stt, url), .read = read_url },
	{ .name = NULL },
};

void config_read_stt(struct conf *c, const struct doc *d, void *field)
{
	struct config_stt *stt = field;

	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, stt_table, stt);
	if (stt->command && stt->url)
		conf_problem(c, CONF_ERROR, d, "must have a command or http, not both");
}
