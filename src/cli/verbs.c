#include "cli/verbs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/doc.h"
#include "cli/cli.h"

static const struct doc_limits answer_limits = { .nodes = 20000000, .bytes = 64 << 20 };

/* --- what the verbs share --- */

struct option {
	const char *name;
	const char **value;
	unsigned verbs; /* 0 = all */
};

static int take_argument(struct verb_options *out, const char *verb, const char *text, unsigned takes)
{
	if (text[0] != '-' && (takes & VERB_ID) && !out->id) {
		out->id = text;
		return 0;
	}
	fprintf(stderr, "crosspoint %s: unexpected argument \"%s\"; see crosspoint %s --help\n", verb, text, verb);
	return CLI_USAGE;
}

int verb_options(struct verb_options *out, int argc, char **argv, unsigned takes)
{
	const struct option options[] = {
		{ "-c", &out->where.config, 0 },         { "--server", &out->where.server, 0 },
		{ "--project", &out->where.project, 0 }, { "--token", &out->where.token, 0 },
		{ "--call", &out->call, VERB_CALL },     { "--to", &out->to, VERB_DIAL },
		{ "--from", &out->from, VERB_DIAL },     { "--swml", &out->swml, VERB_DIAL },
		{ "--pcap", &out->pcap, VERB_TRACE },    { "--ca", &out->where.ca, 0 },
	};

	*out = (struct verb_options){ .json = false };
	for (int i = 1; i < argc; i++) {
		size_t k = 0;

		if (!strcmp(argv[i], "--json")) {
			out->json = true;
			continue;
		}
		if (!strcmp(argv[i], "--messages") && (takes & VERB_TRACE)) {
			out->messages = true;
			continue;
		}
		while (k < ARRAY_LEN(options) &&
		       (strcmp(argv[i], options[k].name) != 0 || (options[k].verbs && !(options[k].verbs & takes))))
			k++;
		if (k == ARRAY_LEN(options)) {
			if (take_argument(out, argv[0], argv[i], takes))
				return CLI_USAGE;
			continue;
		}
		if (i + 1 == argc) {
			fprintf(stderr, "crosspoint %s: %s needs a value\n", argv[0], argv[i]);
			return CLI_USAGE;
		}
		*options[k].value = argv[++i];
	}
	if (!(takes & VERB_ID) || out->id)
		return 0;
	fprintf(stderr, "crosspoint %s: the ID of a call is missing\n", argv[0]);
	return CLI_USAGE;
}

/* NULL: it is no JSON. */
static struct doc *parse(struct arena *a, struct str text)
{
	struct doc_error at;
	struct doc *root = NULL;

	return doc_parse(a, &root, text, DOC_JSON, &answer_limits, &at) ? NULL : root;
}

static struct str text_of(const struct doc *map, const char *name)
{
	const struct doc *d = map ? doc_get(map, name) : NULL;

	return d && d->text.p && d->type != DOC_NULL ? d->text : STR("");
}

/* What a server or a peer says may not drive the terminal. */
static void print_text(FILE *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		fputc(iscntrl((unsigned char)text.p[i]) ? '?' : text.p[i], out);
}

static void print_problems(const struct doc *root)
{
	const struct doc *list = doc_get(root, "problems");

	for (const struct doc *p = list && list->type == DOC_LIST ? list->child : NULL; p; p = p->next) {
		struct str file = text_of(p, "file"), line = text_of(p, "line"), column = text_of(p, "column");
		struct str severity = text_of(p, "severity");

		fprintf(stderr, "%.*s:%.*s:%.*s: %.*s: ", STR_ARG(file), STR_ARG(line), STR_ARG(column),
			STR_ARG(severity));
		print_text(stderr, text_of(p, "message"));
		fputc('\n', stderr);
	}
}

int verb_refused(const struct verb_options *o, const struct client_answer *a)
{
	struct str said = { 0 };
	struct arena *arena = NULL;
	struct doc *root = NULL;
	const struct doc *errors;

	if (o->json && a->body.len)
		fwrite(a->body.data, 1, a->body.len, stdout);
	if (!arena_new(&arena, 0, 0) && a->body.len)
		root = parse(arena, buf_view(&a->body));
	if (root) {
		print_problems(root);
		said = text_of(root, "error");
		errors = doc_get(root, "errors");
		if (!said.n && errors && errors->child)
			said = text_of(errors->child, "message");
	}
	if (a->status == 401)
		said = STR("the server does not accept this project and token");
	fprintf(stderr, "crosspoint: ");
	if (said.n)
		print_text(stderr, said);
	else
		fprintf(stderr, "the server answers with status %ld", a->status);
	fputc('\n', stderr);
	arena_free(&arena);
	return CLI_BAD;
}

void verb_print_event(const struct verb_options *o, struct str line)
{
	struct arena *a = NULL;
	const struct doc *root, *fields;

	if (o->json) {
		printf("%.*s\n", STR_ARG(line));
		fflush(stdout);
		return;
	}
	if (arena_new(&a, 0, 0))
		return;
	root = parse(a, line);
	if (root) {
		struct str time = text_of(root, "time"), type = text_of(root, "type"), id = text_of(root, "call_id");

		printf("%.*s %-12.*s %.*s", STR_ARG(time), STR_ARG(type), STR_ARG(id));
		fields = doc_get(root, "fields");
		for (const struct doc *f = fields ? fields->child : NULL; f; f = f->next) {
			printf(" %.*s=", STR_ARG(f->key));
			print_text(stdout, f->text);
		}
		putchar('\n');
		fflush(stdout);
	}
	arena_free(&a);
}

/* Open the client, ask once. 0 with an answer to be freed, or an exit code. */
static int ask(const struct verb_options *o, const char *method, const char *path, struct client_answer *out)
{
	struct client *c;
	int code = client_open(&c, &o->where);

	if (code)
		return code;
	code = client_ask(c, method, path, strcmp(method, "POST") ? (struct str){ NULL, 0 } : STR(""), out);
	if (code)
		buf_free(&out->body);
	client_close(&c);
	return code;
}

/* --- calls, registrations --- */

static void print_calls(const struct doc *list)
{
	printf("%-36s  %-8s  %-8s  %-24s  %s\n", "CALL", "STATE", "SIDE", "SINCE", "FROM > TO");
	for (const struct doc *c = list->child; c; c = c->next) {
		struct str id = text_of(c, "call_id"), state = text_of(c, "state"), side = text_of(c, "direction");
		struct str since = text_of(c, "since");

		printf("%-36.*s  %-8.*s  %-8.*s  %-24.*s  ", STR_ARG(id), STR_ARG(state), STR_ARG(side),
		       STR_ARG(since));
		print_text(stdout, text_of(c, "from"));
		printf(" > ");
		print_text(stdout, text_of(c, "to"));
		putchar('\n');
	}
}

static void print_registrations(const struct doc *rows)
{
	printf("%-9s  %-7s  %-21s  %s\n", "TRANSPORT", "EXPIRES", "SOURCE", "WHO > CONTACT");
	for (const struct doc *r = rows->child; r; r = r->next) {
		struct str kind = text_of(r, "transport"), expires = text_of(r, "expires"),
			   source = text_of(r, "source");

		printf("%-9.*s  %-7.*s  %-21.*s  ", STR_ARG(kind), STR_ARG(expires), STR_ARG(source));
		print_text(stdout, text_of(r, "aor"));
		printf(" > ");
		print_text(stdout, text_of(r, "contact"));
		putchar('\n');
	}
}

/* Ask one thing without arguments and print what it is. */
static int converse(int argc, char **argv, const char *method, const char *path, void (*print)(const struct doc *root))
{
	struct client_answer a = { 0 };
	struct arena *arena = NULL;
	struct verb_options o;
	struct doc *root;
	int code = verb_options(&o, argc, argv, 0);

	if (!code)
		code = ask(&o, method, path, &a);
	if (code)
		return code;
	if (a.status != 200) {
		code = verb_refused(&o, &a);
	} else if (o.json) {
		fwrite(a.body.data, 1, a.body.len, stdout);
	} else if (!arena_new(&arena, 0, 0)) {
		root = parse(arena, buf_view(&a.body));
		if (root)
			print(root);
		arena_free(&arena);
	}
	buf_free(&a.body);
	return code;
}

int calls_main(int argc, char **argv)
{
	return converse(argc, argv, "GET", "/api/crosspoint/calls", print_calls);
}

int registrations_main(int argc, char **argv)
{
	return converse(argc, argv, "GET", "/api/crosspoint/registrations", print_registrations);
}

/* --- trunks --- */

static void print_trunks(const struct doc *rows)
{
	printf("%-24s  %-8s  %-12s  %-24s  %s\n", "TRUNK", "STATE", "REGISTERED", "SINCE", "WHY");
	for (const struct doc *t = rows->child; t; t = t->next) {
		struct str name = text_of(t, "name"), state = text_of(t, "state"), since = text_of(t, "since");
		const struct doc *registers = doc_get(t, "registers"), *registered = doc_get(t, "registered");
		bool wants = registers && registers->boolean, is = registered && registered->boolean;

		printf("%-24.*s  %-8.*s  %-12s  %-24.*s  ", STR_ARG(name), STR_ARG(state),
		       !wants ? "-"
		       : is   ? "yes"
			      : "no",
		       STR_ARG(since));
		print_text(stdout, text_of(t, "why"));
		putchar('\n');
	}
}

int trunks_main(int argc, char **argv)
{
	return converse(argc, argv, "GET", "/api/crosspoint/trunks", print_trunks);
}

/* --- hangup --- */

bool verb_can_be_id(const char *text)
{
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-')
			return false;
	return *text && strlen(text) < 64;
}

int hangup_main(int argc, char **argv)
{
	struct client_answer a = { 0 };
	struct verb_options o;
	char path[128];
	int code = verb_options(&o, argc, argv, VERB_ID);

	if (code)
		return code;
	snprintf(path, sizeof(path), "/api/crosspoint/calls/%s", verb_can_be_id(o.id) ? o.id : "-");
	code = ask(&o, "DELETE", path, &a);
	if (code)
		return code;
	if (a.status != 200)
		code = verb_refused(&o, &a);
	else if (o.json)
		fwrite(a.body.data, 1, a.body.len, stdout);
	buf_free(&a.body);
	return code;
}

/* --- tail --- */

static bool tail_line(void *arg, struct str line)
{
	verb_print_event(arg, line);
	return true;
}

int tail_main(int argc, char **argv)
{
	struct verb_options o;
	struct client_follower f = { .line = tail_line, .arg = &o };
	struct client_answer a = { 0 };
	struct client *c;
	char path[128] = "/api/crosspoint/events";
	int code = verb_options(&o, argc, argv, VERB_CALL);

	if (code)
		return code;
	if (o.call)
		snprintf(path, sizeof(path), "/api/crosspoint/events?call=%s", verb_can_be_id(o.call) ? o.call : "-");
	code = client_open(&c, &o.where);
	if (code)
		return code;
	code = client_follow(c, path, &f, &a);
	if (!code && a.status != 200)
		code = verb_refused(&o, &a);
	buf_free(&a.body);
	client_close(&c);
	return code;
}

/* --- reload, drain --- */

static void print_reloaded(const struct doc *root)
{
	struct str number = text_of(root, "number");

	print_problems(root);
	printf("reloaded: configuration %.*s\n", STR_ARG(number));
}

static void print_draining(const struct doc *root)
{
	struct str calls = text_of(root, "calls");

	printf("draining: %.*s legs left\n", STR_ARG(calls));
}

int reload_main(int argc, char **argv)
{
	return converse(argc, argv, "POST", "/api/crosspoint/reload", print_reloaded);
}

int drain_main(int argc, char **argv)
{
	return converse(argc, argv, "POST", "/api/crosspoint/drain", print_draining);
}
