#include <string.h>

#include "base/arena.h"
#include "base/child.h"
#include "op/speech_impl.h"

enum { MAX_ARGUMENTS = 32 };

static bool has_command(const struct speech_opts *opts)
{
	return opts->command && opts->command[0];
}

enum speech_engine speech_engine_choose(const struct speech_opts *opts)
{
	char path[CHILD_PATH];

	if (opts->engine != SPEECH_AUTO)
		return opts->engine;
	if (has_command(opts))
		return SPEECH_COMMAND;
	if (opts->url)
		return SPEECH_HTTP;
	if (!child_find(path, "espeak-ng"))
		return SPEECH_ESPEAK;
	return child_find(path, "flite") ? SPEECH_AUTO : SPEECH_FLITE;
}

bool speech_engine_reads_ssml(enum speech_engine e)
{
	return e != SPEECH_FLITE;
}

static const char *gender_of(const struct speech_voice *v)
{
	return v->male ? "male" : "female";
}

void speech_engine_describe(struct buf *out, enum speech_engine e, const struct speech_opts *opts,
			    const struct speech_voice *v)
{
	char name[SPEECH_NAME];

	buf_printf(out, "%d\n", (int)e);
	switch (e) {
	case SPEECH_ESPEAK:
		speech_voice_espeak(name, v);
		buf_cstr(out, name);
		return;
	case SPEECH_FLITE:
		speech_voice_flite(name, v);
		buf_cstr(out, name);
		return;
	case SPEECH_COMMAND:
		for (size_t i = 0; opts->command[i]; i++)
			buf_printf(out, "%s\n", opts->command[i]);
		break;
	case SPEECH_HTTP:
		buf_printf(out, "%s\n", opts->url);
		break;
	case SPEECH_AUTO:
		break;
	}
	buf_printf(out, "%s\n%s\n%s", v->name, v->language, gender_of(v));
}

const char *speech_engine_lacks(enum speech_engine e, const struct speech_voice *v)
{
	char name[SPEECH_NAME];

	switch (e) {
	case SPEECH_ESPEAK:
		if (!speech_voice_espeak(name, v))
			return "espeak-ng lacks this language, so English speaks";
		break;
	case SPEECH_FLITE:
		if (!speech_voice_flite(name, v))
			return "flite speaks English only";
		break;
	case SPEECH_COMMAND:
	case SPEECH_HTTP:
		return NULL; /* it knows its voices itself */
	case SPEECH_AUTO:
		break;
	}
	return v->known ? NULL : "no such voice is known, so that of the language speaks";
}

/* --- command lines --- */

bool speech_engine_uses_stdout(enum speech_engine e, const struct speech_opts *opts)
{
	if (e != SPEECH_COMMAND)
		return false;
	for (size_t i = 0; opts->command[i]; i++)
		if (strstr(opts->command[i], "{output}"))
			return false;
	return true;
}

/* One argument with what its {names} stand for. */
static const char *fill_in(struct arena *a, const char *argument, const struct speech_voice *v, const char *output)
{
	const struct {
		const char *name, *value;
	} names[] = {
		{ "{voice}", v->name[0] ? v->name : "default" },
		{ "{language}", v->language },
		{ "{gender}", gender_of(v) },
		{ "{output}", output },
	};
	const char *out;
	struct buf b;

	buf_init(&b, 0);
	while (*argument) {
		size_t i = 0;

		while (i < ARRAY_LEN(names) && strncmp(argument, names[i].name, strlen(names[i].name)) != 0)
			i++;
		if (i == ARRAY_LEN(names)) {
			buf_char(&b, *argument++);
			continue;
		}
		buf_cstr(&b, names[i].value);
		argument += strlen(names[i].name);
	}
	out = b.failed ? NULL : str_dup(a, b.data ? buf_view(&b) : STR(""));
	buf_free(&b);
	return out;
}

static const char *const *command_argv(struct arena *a, const char **argv, const char *const *command,
				       const struct speech_voice *v, const char *output)
{
	for (size_t i = 0; command[i] && i + 1 < MAX_ARGUMENTS; i++) {
		argv[i] = fill_in(a, command[i], v, output);
		if (!argv[i])
			return NULL;
	}
	return argv;
}

static const char *const *espeak_argv(struct arena *a, const char **argv, const struct speech_text *t,
				      const char *output)
{
	char name[SPEECH_NAME];
	size_t n = 0;

	speech_voice_espeak(name, &t->voice);
	argv[n++] = "espeak-ng";
	argv[n++] = "--stdin";
	argv[n++] = "-b1"; /* UTF-8 */
	if (t->ssml)
		argv[n++] = "-m";
	argv[n++] = "-v";
	argv[n++] = str_dup(a, str_of(name));
	argv[n++] = "-w";
	argv[n++] = str_dup(a, str_of(output));
	return argv[n - 1] && argv[n - 3] ? argv : NULL;
}

static const char *const *flite_argv(struct arena *a, const char **argv, const struct speech_text *t,
				     const char *output)
{
	char name[SPEECH_NAME];
	size_t n = 0;

	speech_voice_flite(name, &t->voice);
	argv[n++] = "flite";
	argv[n++] = "-voice";
	argv[n++] = str_dup(a, str_of(name));
	argv[n++] = "-f";
	argv[n++] = "/dev/stdin";
	argv[n++] = "-o";
	argv[n++] = str_dup(a, str_of(output));
	return argv[n - 1] && argv[2] ? argv : NULL;
}

const char *const *speech_engine_argv(struct arena *a, enum speech_engine e, const struct speech_opts *opts,
				      const struct speech_text *t, const char *output)
{
	const char **argv = arena_alloc(a, MAX_ARGUMENTS * sizeof(*argv));

	if (!argv)
		return NULL;
	memset(argv, 0, MAX_ARGUMENTS * sizeof(*argv));
	switch (e) {
	case SPEECH_ESPEAK:
		return espeak_argv(a, argv, t, output);
	case SPEECH_FLITE:
		return flite_argv(a, argv, t, output);
	case SPEECH_COMMAND:
		return command_argv(a, argv, opts->command, &t->voice, output);
	case SPEECH_HTTP:
	case SPEECH_AUTO:
		break;
	}
	return NULL;
}

/* --- HTTP --- */

static void put_field(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json(out, str_of(value));
}

void speech_engine_body(struct buf *out, const struct speech_text *t)
{
	buf_cstr(out, "{\"text\":");
	buf_json(out, buf_view(&t->text));
	buf_printf(out, ",\"ssml\":%s", t->ssml ? "true" : "false");
	put_field(out, "voice", t->voice.name[0] ? t->voice.name : "default");
	put_field(out, "language", t->voice.language);
	put_field(out, "gender", gender_of(&t->voice));
	buf_char(out, '}');
}
