#include "api/control.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/control_impl.h"
#include "api/metrics.h"

enum { RETRY_AFTER_S = 5, MAX_CREDENTIALS = 768 };

static const char json_type[] = "application/json";

/* --- answers --- */

static void reply(struct control *c, uint64_t id, const struct web_answer *a)
{
	if (c->open)
		c->door.reply(c->door.arg, id, a);
}

void control_text(struct control *c, uint64_t id, const char *content_type, struct buf *b)
{
	if (b->failed)
		control_answer(c, id, 500, STR("{\"error\":\"out of memory\"}\n"));
	else
		reply(c, id, &(struct web_answer){ .status = 200, .content_type = content_type, .body = buf_view(b) });
	buf_free(b);
}

void control_answer(struct control *c, uint64_t id, int status, struct str json)
{
	reply(c, id, &(struct web_answer){ .status = status, .content_type = json_type, .body = json });
}

void control_send(struct control *c, uint64_t id, int status, struct buf *b)
{
	if (b->failed)
		control_answer(c, id, 500, STR("{\"error\":\"out of memory\"}\n"));
	else
		control_answer(c, id, status, buf_view(b));
	buf_free(b);
}

static void error_with(struct control *c, uint64_t id, const struct web_answer *like, const char *text)
{
	struct web_answer a = *like;
	struct buf b = { 0 };

	buf_cstr(&b, "{\"error\":");
	buf_json(&b, str_of(text));
	buf_cstr(&b, "}\n");
	a.content_type = json_type;
	a.body = b.failed ? STR("{}") : buf_view(&b);
	reply(c, id, &a);
	buf_free(&b);
}

void control_error(struct control *c, uint64_t id, int status, const char *text)
{
	error_with(c, id, &(struct web_answer){ .status = status }, text);
}

void control_busy(struct control *c, uint64_t id, const char *text)
{
	char seconds[12];

	snprintf(seconds, sizeof(seconds), "%d", RETRY_AFTER_S);
	error_with(c, id, &(struct web_answer){ .status = 503, .header = "retry-after:", .value = seconds }, text);
}

void control_time(struct buf *b, uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "\"%s.%03uZ\"", text, (unsigned)(wall_ms % 1000));
}

/* --- who may --- */

/* RFC 7617. False: it is no basic auth, or too long. */
static bool decode(char out[MAX_CREDENTIALS + 4], struct str header)
{
	struct str text = str_trim(str_from(header, 6));
	int n;

	if (!str_istarts(header, "basic ") || !text.n || text.n % 4 || text.n / 4 * 3 > MAX_CREDENTIALS)
		return false;
	n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text.p, (int)text.n);
	if (n < 0)
		return false;
	for (size_t i = 1; i <= 2 && text.p[text.n - i] == '='; i++)
		n--;
	out[n] = '\0';
	return strlen(out) == (size_t)n;
}

bool control_may(const struct control *c, const struct web_request *r)
{
	char text[MAX_CREDENTIALS + 4];
	struct str rest, project = { 0 };
	const char *token = NULL;
	bool good = decode(text, str_of(r->authorization));

	if (good) {
		rest = str_of(text);
		str_split(&rest, ':', &project);
		token = rest.p ? c->opts.token(c->opts.arg, project) : NULL;
		good = token && strlen(token) == rest.n && !CRYPTO_memcmp(token, rest.p, rest.n);
	}
	OPENSSL_cleanse(text, sizeof(text));
	return good;
}

void control_refuse(struct control *c, uint64_t id)
{
	error_with(c, id,
		   &(struct web_answer){
			   .status = 401, .header = "www-authenticate:", .value = "Basic realm=\"crosspoint\"" },
		   "Unauthorized");
}

/* --- small addresses --- */

static void health(struct control *c, const struct web_request *r, struct str tail)
{
	control_answer(c, r->id, 200, STR("{\"status\":\"alive\"}\n"));
}

static void readiness(struct control *c, const struct web_request *r, struct str tail)
{
	struct buf down = { 0 };

	if (calls_draining(c->opts.calls))
		control_answer(c, r->id, 503, STR("{\"status\":\"draining\"}\n"));
	else if (control_trunks_down(c, &down))
		control_answer(c, r->id, 503, buf_view(&down));
	else
		control_answer(c, r->id, 200, STR("{\"status\":\"ready\"}\n"));
	buf_free(&down);
}

static void metrics(struct control *c, const struct web_request *r, struct str tail)
{
	struct buf b = { 0 };

	metrics_print(c->opts.metrics, &b);
	reply(c, r->id, &(struct web_answer){ 200, "text/plain; version=0.0.4", buf_view(&b), NULL, NULL });
	buf_free(&b);
}

static void reload(struct control *c, const struct web_request *r, struct str tail)
{
	c->opts.reload(c->opts.arg, r->id);
}

static void drain(struct control *c, const struct web_request *r, struct str tail)
{
	struct buf b = { 0 };

	c->opts.drain(c->opts.arg);
	buf_printf(&b, "{\"draining\":true,\"calls\":%zu}\n", calls_count(c->opts.calls));
	control_send(c, r->id, 200, &b);
}

/* --- which address --- */

struct address {
	const char *method, *path;
	bool tail; /* one segment more stands where the path has its *  */
	bool open; /* without credentials */
	void (*run)(struct control *c, const struct web_request *r, struct str tail);
};

static const struct address addresses[] = {
	{ "GET", "/healthz", false, true, health },
	{ "GET", "/readyz", false, true, readiness },
	{ "GET", "/metrics", false, true, metrics },
	{ "GET", "/api/crosspoint/calls", false, false, control_list_calls },
	{ "GET", "/api/crosspoint/calls/*", true, false, control_show_call },
	{ "GET", "/api/crosspoint/calls/*/trace", true, false, control_trace },
	{ "DELETE", "/api/crosspoint/calls/*", true, false, control_end_call },
	{ "GET", "/api/crosspoint/trunks", false, false, control_list_trunks },
	{ "GET", "/api/crosspoint/registrations", false, false, control_list_registrations },
	{ "GET", "/api/crosspoint/events", false, false, control_follow },
	{ "POST", "/api/crosspoint/reload", false, false, reload },
	{ "POST", "/api/crosspoint/drain", false, false, drain },
	{ "POST", "/api/calling/calls", false, false, control_calling },
	{ "GET", "/recordings/", true, true, control_recording }, /* asks for credentials itself */
};

static bool is_at(const struct address *a, struct str path, struct str *tail)
{
	struct str end = str_of(a->path), begin;

	if (!a->tail)
		return str_is(path, a->path);
	str_split(&end, '*', &begin);
	if (path.n < begin.n + end.n || !str_eq(str_head(path, begin.n), begin) ||
	    !str_eq(str_from(path, path.n - end.n), end))
		return false;
	*tail = str_from(str_head(path, path.n - end.n), begin.n);
	return tail->n && str_chr(*tail, '/') < 0;
}

static const struct address *find(const struct web_request *r, struct str *tail, const char **allow)
{
	const char *method = strcmp(r->method, "HEAD") ? r->method : "GET";

	*allow = NULL;
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		if (!is_at(&addresses[i], str_of(r->path), tail))
			continue;
		if (!strcmp(addresses[i].method, method))
			return &addresses[i];
		*allow = addresses[i].method;
	}
	return NULL;
}

void control_request(struct control *c, const struct web_request *r)
{
	const char *allow;
	struct str tail = { 0 };
	const struct address *a = find(r, &tail, &allow);

	/* Who may not ask is not told what there is. */
	if ((!a || !a->open) && str_starts(str_of(r->path), "/api/") && !control_may(c, r))
		control_refuse(c, r->id);
	else if (a)
		a->run(c, r, tail);
	else if (allow)
		error_with(c, r->id, &(struct web_answer){ .status = 405, .header = "allow:", .value = allow },
			   "Method Not Allowed");
	else
		control_error(c, r->id, 404, "Not Found");
}

/* --- life --- */

int control_new(struct control **out, const struct control_opts *opts)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return ENOMEM;
	c->opts = *opts;
	list_init(&c->streams);
	events_subscribe(opts->events, control_publish, c);
	*out = c;
	return 0;
}

void control_free(struct control **c)
{
	if (!*c)
		return;
	control_end_streams(*c);
	free(*c);
	*c = NULL;
}

void control_open(struct control *c, const struct control_door *door)
{
	c->open = door != NULL;
	if (door)
		c->door = *door;
}

static void web_door_reply(void *arg, uint64_t id, const struct web_answer *a)
{
	web_reply_with(arg, id, a);
}

static void web_door_start(void *arg, uint64_t id, const char *content_type)
{
	web_stream_start(arg, id, content_type);
}

static void web_door_send(void *arg, uint64_t id, struct str piece)
{
	web_stream_send(arg, id, piece);
}

static void web_door_end(void *arg, uint64_t id)
{
	web_stream_end(arg, id);
}

static void web_door_file(void *arg, uint64_t id, int fd, uint64_t size_bytes, const char *content_type)
{
	web_reply_file(arg, id, fd, size_bytes, content_type);
}

struct control_door control_web_door(struct web *w)
{
	return (struct control_door){ web_door_reply, web_door_start, web_door_send, web_door_end, web_door_file, w };
}
