/* crosspoint call: places a call through a running server and follows it to its end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/doc.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/verbs.h"

enum { MAX_DOCUMENT_BYTES = 700 << 10 }; /* as a JSON string it may still grow, and 1 MiB is what the server takes */

struct placing {
	struct verb_options o;
	struct client *client;
	struct buf request;
	char id[64];
	int code; /* exit code so far */
	bool answered, ended, good;
	int signals; /* of the terminal: signalfd(2) */
	unsigned interrupts;
};

static bool is_url(const char *text)
{
	return str_istarts(str_of(text), "http://") || str_istarts(str_of(text), "https://");
}

static int read_document(struct buf *out, const char *path)
{
	FILE *f = fopen(path, "re");
	char part[4096];
	int err = f ? 0 : errno;
	size_t n;

	while (f && (n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(out, part, n);
	if (f && ferror(f))
		err = EIO;
	if (f)
		fclose(f);
	if (!err && out->failed)
		err = EFBIG;
	if (err)
		fprintf(stderr, "crosspoint call: cannot read %s: %s\n", path, strerror(err));
	return err ? CLI_BAD : 0;
}

/* Nothing is dialled for a document that cannot run. */
static int add_document(struct placing *p)
{
	struct buf text;
	struct str whole;
	int code;

	buf_init(&text, MAX_DOCUMENT_BYTES);
	code = read_document(&text, p->o.swml);
	whole = text.data ? buf_view(&text) : STR("");
	if (!code)
		code = check_document(stderr, p->o.swml, whole) ? CLI_BAD : 0;
	buf_json(&p->request, whole);
	buf_free(&text);
	return code;
}

static int build_request(struct placing *p)
{
	int code = 0;

	buf_cstr(&p->request, "{\"command\":\"dial\",\"params\":{\"to\":");
	buf_json(&p->request, str_of(p->o.to));
	buf_cstr(&p->request, ",\"from\":");
	buf_json(&p->request, str_of(p->o.from ? p->o.from : "anonymous"));
	buf_cstr(&p->request, is_url(p->o.swml) ? ",\"url\":" : ",\"swml\":");
	if (is_url(p->o.swml))
		buf_json(&p->request, str_of(p->o.swml));
	else
		code = add_document(p);
	buf_cstr(&p->request, "}}");
	return code;
}

static struct str member(const struct doc *root, const char *name)
{
	const struct doc *d = root ? doc_get(root, name) : NULL;

	return d && d->text.p && d->type != DOC_NULL ? d->text : STR("");
}

/* --- Ctrl-C --- */

static int catch_signals(struct placing *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	p->signals = sigprocmask(SIG_BLOCK, &set, NULL) ? -1 : signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (p->signals >= 0)
		return 0;
	fprintf(stderr, "crosspoint call: %s\n", strerror(errno));
	return CLI_BAD;
}

/* The first one hangs up, and the call is followed to its end; with the second one the user has enough. */
static bool tick(void *arg)
{
	struct placing *p = arg;
	struct signalfd_siginfo got;
	struct client_answer a = { 0 };
	char path[128];

	if (read(p->signals, &got, sizeof(got)) != sizeof(got))
		return true;
	if (++p->interrupts > 1) {
		fprintf(stderr, "crosspoint call: the call %s is left alone\n", p->id);
		p->code = CLI_BAD;
		return false;
	}
	fprintf(stderr, "crosspoint call: hanging up\n");
	snprintf(path, sizeof(path), "/api/crosspoint/calls/%s", p->id);
	p->code = client_ask(p->client, "DELETE", path, (struct str){ NULL, 0 }, &a);
	buf_free(&a.body);
	return !p->code; /* it may have ended just now: then that is in the stream */
}

/* --- the call --- */

/* The events are being listened to, so nothing of the call is missed. */
static bool opened(void *arg)
{
	struct placing *p = arg;
	struct client_answer a = { 0 };
	struct arena *arena = NULL;
	struct doc *root = NULL;
	struct doc_error at;

	p->code = client_ask(p->client, "POST", "/api/calling/calls", buf_view(&p->request), &a);
	if (!p->code && a.status != 200)
		p->code = verb_refused(&p->o, &a);
	if (!p->code && !arena_new(&arena, 0, 0) &&
	    !doc_parse(arena, &root, a.body.data ? buf_view(&a.body) : STR(""), DOC_JSON, NULL, &at))
		str_copy(p->id, sizeof(p->id), member(root, "id"));
	if (!p->code && !p->id[0])
		p->code = CLI_BAD;
	arena_free(&arena);
	buf_free(&a.body);
	return !p->code;
}

static bool line(void *arg, struct str text)
{
	struct placing *p = arg;
	struct arena *arena = NULL;
	struct doc *root = NULL;
	struct doc_error at;
	bool ours;

	if (arena_new(&arena, 0, 0))
		return false;
	if (doc_parse(arena, &root, text, DOC_JSON, NULL, &at))
		root = NULL;
	ours = str_is(member(root, "call_id"), p->id);
	if (ours || str_is(member(root, "parent_id"), p->id))
		verb_print_event(&p->o, text);
	if (ours && str_is(member(root, "type"), "answered"))
		p->answered = true;
	if (ours && str_is(member(root, "type"), "ended")) {
		p->ended = true;
		p->good = p->answered && str_is(member(doc_get(root, "fields"), "cause"), "hangup");
	}
	arena_free(&arena);
	return !p->ended;
}

static int follow(struct placing *p)
{
	const struct client_follower f = { .opened = opened, .line = line, .tick = tick, .arg = p };
	struct client_answer a = { 0 };
	int code = client_follow(p->client, "/api/crosspoint/events", &f, &a);

	if (p->code) {
		code = p->code;
	} else if (!code && a.status != 200) {
		code = verb_refused(&p->o, &a);
	} else if (!code && !p->ended) {
		fprintf(stderr, "crosspoint call: the server went away before the call had ended\n");
		code = CLI_UNREACHABLE;
	} else if (!code) {
		code = p->good ? CLI_DONE : CLI_BAD;
	}
	buf_free(&a.body);
	return code;
}

int call_main(int argc, char **argv)
{
	struct placing p = { .signals = -1 };
	int code = verb_options(&p.o, argc, argv, VERB_DIAL);

	if (code)
		return code;
	if (!p.o.to || !p.o.swml) {
		fprintf(stderr, "crosspoint call: --to ADDR and --swml FILE|URL are needed\n");
		return CLI_USAGE;
	}
	code = build_request(&p);
	if (!code)
		code = client_open(&p.client, &p.o.where);
	if (!code)
		code = catch_signals(&p);
	if (!code)
		code = follow(&p);
	if (p.signals >= 0)
		close(p.signals);
	client_close(&p.client);
	buf_free(&p.request);
	return code;
}
