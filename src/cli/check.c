#include "cli/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "config.h"
#include "dialect/swml.h"
#include "op/plan.h"

static const char DEFAULT_COUNTRY[] = "1"; /* that of the configuration (PRODUCT §3) */
enum { MAX_FILE_BYTES = 1 << 20 };

struct check {
	const struct check_options *o;
	const char *file;
	bool document;       /* a configuration is none of what is looked for */
	struct arena *arena; /* of this file */
	unsigned errors;
	unsigned printed; /* JSON: members of the list so far */
	struct buf plans; /* JSON: kept until the problems are out */
	unsigned plan_count;
};

struct problem {
	bool error;
	uint32_t line, col;        /* 0 = the whole file */
	const char *prefix, *code; /* code "" = none */
	const char *text;
};

/* --- printing --- */

static void place_json(struct buf *b, const char *file, uint32_t line, uint32_t col)
{
	buf_cstr(b, "{\"file\":");
	buf_json(b, str_of(file));
	buf_printf(b, ",\"line\":%u,\"column\":%u", line, col);
}

static void print_json(struct check *c, const struct problem *p)
{
	struct buf b;

	buf_init(&b, 0);
	buf_cstr(&b, c->printed++ ? ",\n " : "\n ");
	place_json(&b, c->file, p->line, p->col);
	buf_printf(&b, ",\"severity\":\"%s\",\"code\":\"%s%s\",\"message\":", p->error ? "error" : "warning", p->prefix,
		   p->code);
	buf_json(&b, str_of(p->text));
	buf_char(&b, '}');
	fputs(b.data ? b.data : "", c->o->out);
	buf_free(&b);
}

static void print(struct check *c, const struct problem *p)
{
	struct buf text;

	c->errors += p->error;
	if (c->o->json) {
		print_json(c, p);
		return;
	}
	buf_init(&text, 0);
	buf_cstr(&text, c->file);
	if (p->line)
		buf_printf(&text, ":%u:%u", p->line, p->col);
	buf_printf(&text, ": %s: ", p->error ? "error" : "warning");
	if (*p->code)
		buf_printf(&text, "%s%s: ", p->prefix, p->code);
	buf_cstr(&text, p->text);
	buf_char(&text, '\n');
	fputs(text.data ? text.data : "", c->o->print ? stderr : c->o->out);
	buf_free(&text);
}

static void note(void *arg, const struct swml_issue *i)
{
	struct problem p = { .error = i->error,
			     .line = i->line,
			     .col = i->col,
			     .prefix = str_is(str_of(i->code), SWML_NOT_YET) ? "" : "relay_script_",
			     .code = i->code,
			     .text = i->text };

	print(arg, &p);
}

static void whole_file(struct check *c, const char *code, const char *text)
{
	struct problem p = { .error = true, .prefix = "", .code = code, .text = text };

	print(c, &p);
}

static void show_plan(void *arg, const struct doc *connect, const struct plan *plan)
{
	struct check *c = arg;
	struct buf text;

	buf_init(&text, 0);
	plan_print(&text, plan);
	if (c->o->json) {
		buf_cstr(&c->plans, c->plan_count++ ? ",\n " : "\n ");
		place_json(&c->plans, c->file, connect->line, connect->col);
		buf_cstr(&c->plans, ",\"plan\":");
		buf_json(&c->plans, buf_view(&text));
		buf_char(&c->plans, '}');
	} else {
		fprintf(c->o->out, "%s:%u:%u: plan:\n%s%s", c->file, connect->line, connect->col,
			text.data ? text.data : "", text.len && text.data[text.len - 1] == '\n' ? "" : "\n");
	}
	buf_free(&text);
}

/* --- kinds --- */

static bool is_configuration(const struct doc *root)
{
	static const char *const keys[] = { "space",  "space_id", "node",     "data",   "log",          "sip",
					    "media",  "http",     "projects", "trunks", "routes",       "resources",
					    "queues", "envs",     "tts",      "stt",    "webhooks",     "limits",
					    "store",  "cluster",  "dns",      "trace",  "drain_timeout" };

	if (doc_get(root, "sections"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (doc_get(root, keys[i]))
			return true;
	return false;
}

static void check_configuration(struct check *c, struct str text)
{
	struct conf_problem *problems = NULL;
	struct config *config = NULL;
	int err = config_read(&config, c->arena, c->file, text, &problems);

	for (const struct conf_problem *q = problems; q; q = q->next) {
		struct problem p = { .error = q->severity == CONF_ERROR,
				     .line = q->line,
				     .col = q->col,
				     .prefix = "",
				     .code = "",
				     .text = q->message };

		print(c, &p);
	}
	if (err && !c->errors)
		whole_file(c, "", strerror(err));
}

static void check_swml(struct check *c, const struct doc *root)
{
	struct swml_report r = { .note = note, .arg = c, .checking = true };
	struct swml_check what = { .country = DEFAULT_COUNTRY, .plan = c->o->plan ? show_plan : NULL, .arg = c };

	swml_check(root, &r, &what);
}

/* The document as it was understood. */
static void print_document(struct check *c, const struct doc *root)
{
	struct buf text;

	if (!c->o->print)
		return;
	buf_init(&text, 0);
	if (c->o->print == CHECK_PRINT_YAML) {
		buf_printf(&text, "# %s\n", c->file);
		doc_print_yaml(&text, root);
	}
	if (c->o->print == CHECK_PRINT_JSON) {
		doc_print_json(&text, root);
		buf_char(&text, '\n');
	}
	fputs(text.data && !text.failed ? text.data : "", c->o->out);
	buf_free(&text);
}

static bool is_xml(struct str text)
{
	if (str_starts(text, "\xef\xbb\xbf"))
		text = str_from(text, 3);
	return str_starts(str_trim(text), "<");
}

static void check_text(struct check *c, struct str text)
{
	struct doc *root = NULL;
	struct doc_error at = { 0 };
	int err;

	if (is_xml(text)) {
		whole_file(c, SWML_NOT_YET, "cXML documents are not in this version");
		return;
	}
	err = doc_parse(c->arena, &root, text, DOC_GUESS, NULL, &at);
	if (err == EINVAL) {
		struct problem p = {
			.error = true, .line = at.line, .col = at.col, .prefix = "relay_script_", .text = at.message
		};

		p.code = str_starts(str_of(at.message), "duplicate key") ? "element_duplicated" : "parse_error";
		print(c, &p);
	} else if (err) {
		whole_file(c, "", strerror(err));
	} else if (!c->document && is_configuration(root)) {
		check_configuration(c, text);
	} else {
		check_swml(c, root);
		print_document(c, root);
	}
}

/* --- files --- */

/* The text of a file in *out. 0 or errno; EFBIG over the limit. */
static int read_file(struct buf *out, const char *path)
{
	FILE *f = fopen(path, "re");
	char chunk[16384];
	size_t n;
	int err = 0;

	if (!f)
		return errno;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	if (ferror(f))
		err = errno ? errno : EIO;
	else if (out->failed)
		err = EFBIG;
	fclose(f);
	return err;
}

static void check_file(struct check *c, const char *file)
{
	struct buf text;
	int err;

	c->file = file;
	buf_init(&text, MAX_FILE_BYTES);
	err = read_file(&text, file);
	if (!err)
		err = arena_new(&c->arena, 0, 0);
	if (err) {
		whole_file(c, "", err == EFBIG ? "the file is larger than 1 MiB" : strerror(err));
	} else {
		check_text(c, text.data ? buf_view(&text) : STR(""));
		arena_free(&c->arena);
	}
	buf_free(&text);
}

int check_files(const struct check_options *o, char *const *files, size_t count)
{
	struct check c = { .o = o };

	buf_init(&c.plans, 0);
	if (o->json)
		fputs("{\"problems\":[", o->out);
	for (size_t i = 0; i < count; i++)
		check_file(&c, files[i]);
	if (o->json)
		fprintf(o->out, "],\n\"plans\":[%s]}\n", c.plans.data ? c.plans.data : "");
	buf_free(&c.plans);
	return c.errors ? 1 : 0;
}

int check_document(FILE *out, const char *file, struct str text)
{
	const struct check_options o = { .out = out };
	struct check c = { .o = &o, .file = file, .document = true };

	if (arena_new(&c.arena, 0, 0)) {
		whole_file(&c, "", strerror(ENOMEM));
	} else {
		check_text(&c, text);
		arena_free(&c.arena);
	}
	return c.errors ? 1 : 0;
}

static void usage(FILE *out)
{
	fputs("usage: crosspoint check [--plan] [--print=FORMAT] [--json] FILE...\n"
	      "\n"
	      "Validate configurations and SWML documents; the kind is seen from the content.\n"
	      "Problems are printed as file:line:column: error: CODE: sentence.\n"
	      "\n"
	      "  --plan        print what each connect without variables would dial\n"
	      "  --print=yaml  print each document as it was understood, its problems to stderr; or --print=json\n"
	      "  --json        print one object with the lists \"problems\" and \"plans\"\n"
	      "\n"
	      "Exit code: 0 good (warnings allowed), 1 errors, 2 wrong usage.\n",
	      out);
}

static bool read_option(struct check_options *o, const char *text)
{
	if (!strcmp(text, "--plan"))
		o->plan = true;
	else if (!strcmp(text, "--json"))
		o->json = true;
	else if (!strcmp(text, "--print=yaml"))
		o->print = CHECK_PRINT_YAML;
	else if (!strcmp(text, "--print=json"))
		o->print = CHECK_PRINT_JSON;
	else
		return false;
	return true;
}

int check_main(int argc, char **argv)
{
	struct check_options o = { .out = stdout };
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage(stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!read_option(&o, argv[i])) {
			fprintf(stderr, "crosspoint check: unknown option %s\n", argv[i]);
			usage(stderr);
			return 2;
		}
	}
	if (o.json && o.print) {
		fputs("crosspoint check: --json and --print do not go together\n", stderr);
		return 2;
	}
	if (i == argc) {
		fputs("crosspoint check: no file given\n", stderr);
		usage(stderr);
		return 2;
	}
	return check_files(&o, argv + i, (size_t)(argc - i));
}
