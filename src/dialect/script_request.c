/* The method request of running scripts: one HTTP request, and what its answer leaves in the variables. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "dialect/script_impl.h"
#include "dialect/swml_request.h"
#include "net/http_client.h"
#include "net/url.h"

enum { MAX_HEADERS = 64, MAX_BODY_BYTES = 64 * 1024, MAX_ANSWER_BYTES = 1 << 20 };
enum { NO_LIMIT_MS = 24 * 3600 * 1000 }; /* as long as a call may last */

/* --- what is asked --- */

static uint32_t limit_ms(const struct doc *args, const char *name)
{
	const struct doc *d = swml_arg(args, name);
	double seconds = 0;

	if (d)
		swml_number(d, &seconds);
	if (seconds <= 0 || seconds * 1000 >= NO_LIMIT_MS)
		return NO_LIMIT_MS;
	return seconds * 1000 < 1 ? 1 : (uint32_t)(seconds * 1000);
}

/* By the first character, when the document does not say. */
static const char *guess_type(struct str body)
{
	struct str text = str_trim(body);

	if (str_starts(text, "{") || str_starts(text, "["))
		return "application/json";
	return str_starts(text, "<") ? "application/xml" : "application/x-www-form-urlencoded";
}

/* Those that may be sent, and a content type. NULL on no memory. */
static struct http_header *headers_of(struct arena *a, const struct doc *args, struct str body, size_t *count)
{
	const struct doc *headers = swml_arg(args, "headers");
	struct http_header *out = arena_alloc(a, ((headers ? headers->count : 0) + 1) * sizeof(*out));
	bool typed = !body.n;

	*count = 0;
	for (const struct doc *d = headers ? headers->child : NULL; out && d; d = d->next) {
		if (d->type == DOC_NULL || !swml_request_header(d->key))
			continue;
		out[*count] = (struct http_header){ str_dup(a, d->key), d->text };
		if (!out[(*count)++].name)
			return NULL;
		typed = typed || str_iis(d->key, "Content-Type");
	}
	if (out && !typed)
		out[(*count)++] = (struct http_header){ "Content-Type", str_of(guess_type(body)) };
	return out;
}

/* --- what comes back --- */

/* Once they are too large nothing more is said. */
static void save(struct script *s, const char *name, const struct doc *value)
{
	if (s->state != SCRIPT_ENDING && value && vars_set(s->vars, str_of(name), value) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

static void save_text(struct script *s, const char *name, struct str text)
{
	if (s->state != SCRIPT_ENDING && vars_set_text(s->vars, name, text) == EFBIG)
		script_fail(s, "the variables of the document became larger than 1 MiB");
}

static void save_headers(struct script *s, const struct http_answer *a)
{
	struct arena *arena = script_scratch(s);
	struct doc *map = arena ? doc_new(arena, DOC_MAP) : NULL;

	for (size_t i = 0; map && i < a->header_count && i < MAX_HEADERS; i++) {
		struct doc *d = doc_new_str(arena, a->headers[i].value);

		if (!d)
			return;
		d->key = str_of(a->headers[i].name);
		doc_append(map, d);
	}
	save(s, "request_response_headers", map);
}

/* What fits, up to the end of a character; a text ends at a NUL. */
static struct str body_text(struct str body)
{
	const char *nul = body.n ? memchr(body.p, '\0', body.n) : NULL;

	if (nul)
		body.n = (size_t)(nul - body.p);
	if (body.n <= MAX_BODY_BYTES)
		return body;
	body.n = MAX_BODY_BYTES;
	while (body.n && ((unsigned char)body.p[body.n] & 0xc0) == 0x80)
		body.n--;
	return body;
}

/* request_response.<field>. A body that is too large is no JSON any more. */
static void save_fields(struct script *s, struct str body)
{
	const struct doc_limits limits = { .bytes = MAX_BODY_BYTES };
	struct arena *arena = script_scratch(s);
	struct doc *root = NULL;
	struct doc_error at = { 0 };

	if (!arena)
		return;
	if (doc_parse(arena, &root, body, DOC_JSON, &limits, &at)) {
		script_warn(s, "method_execute_failed", s->op_at, "the answer is no JSON, nothing is saved of it: %s",
			    at.message);
		return;
	}
	save(s, "request_response", root);
}

static void save_answer(struct script *s, const struct http_answer *a)
{
	char code[12];

	snprintf(code, sizeof(code), "%d", a->status);
	save_text(s, "request_response_code", str_of(code));
	save_headers(s, a);
	save_text(s, "request_response_body", body_text(a->body));
	if (s->request_saves)
		save_fields(s, a->body);
}

static void tell_result(struct script *s, const char *result)
{
	save_text(s, "request_result", str_of(result));
	save_text(s, "return_value", str_of(result));
}

static void answered(void *arg, const struct http_answer *a)
{
	struct script *s = arg;

	s->request_id = 0;
	if (a->error)
		script_warn(s, "method_execute_failed", s->op_at, "request: %s", a->why);
	else
		save_answer(s, a);
	tell_result(s, !a->error && a->status >= 200 && a->status <= 299 ? "success" : "failed");
	script_op_go_on(s);
}

void script_request_cancel(struct script *s)
{
	if (s->request_id)
		http_client_cancel(fetch_http(s->fetch), s->request_id);
	s->request_id = 0;
}

/* --- the step --- */

/* What the last one left must not be taken for the answer of this one. */
static void forget_last(struct script *s)
{
	static const char *const names[] = { "request_url",           "request_result",
					     "request_response_code", "request_response_headers",
					     "request_response_body", "request_response" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		vars_unset(s->vars, str_of(names[i]));
}

/* In *url as it is shown: without password. 0, ENOMEM, EAGAIN, EPROTONOSUPPORT. */
static int send_request(struct script *s, const struct doc *args, struct buf *url)
{
	struct http_client *h = fetch_http(s->fetch);
	const struct doc *body = swml_arg(args, "body");
	struct arena *a = script_scratch(s);
	struct http_request r = {
		.method = script_arg_text(args, "method", ""),
		.url = script_arg_text(args, "url", ""),
		.connect_ms = limit_ms(args, "connect_timeout"),
		.total_ms = limit_ms(args, "timeout"),
		.max_bytes = MAX_ANSWER_BYTES,
		.want_headers = MAX_HEADERS,
	};
	struct url parts;

	if (!h || !a)
		return h ? ENOMEM : EPROTONOSUPPORT;
	r.read_ms = r.total_ms;
	r.body = body ? vars_text(a, body) : STR("");
	r.headers = r.body.p ? headers_of(a, args, r.body, &r.header_count) : NULL;
	if (!r.headers)
		return ENOMEM;
	if (!url_parse(&parts, str_of(r.url)))
		url_bare(url, &parts);
	return url->failed ? ENOMEM : http_client_send(h, &r, answered, s, &s->request_id);
}

void script_request(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *saves = swml_arg(args, "save_variables");
	struct buf url;
	int err = EINVAL;

	buf_init(&url, 0);
	s->request_saves = false;
	if (saves)
		swml_bool(saves, &s->request_saves);
	if (swml_request_ok(args, &s->report))
		err = send_request(s, args, &url);
	/* Only now: the arguments may be borrowed from these. */
	forget_last(s);
	if (url.len)
		save_text(s, "request_url", buf_view(&url));
	buf_free(&url);
	if (!err) {
		s->op_at = st->at;
		script_sleep(s, UINT64_MAX);
		return;
	}
	if (err != EINVAL)
		script_warn(s, "method_execute_failed", st->at, "request: %s",
			    err == EAGAIN            ? "too many requests are waiting"
			    : err == EPROTONOSUPPORT ? "requests are switched off"
						     : strerror(err));
	tell_result(s, "failed");
}
