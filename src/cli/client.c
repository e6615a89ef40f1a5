#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "cli/cli.h"
#include "config.h"

enum { CONNECT_LIMIT_MS = 3000, ANSWER_LIMIT_MS = 15000, MAX_ANSWER_BYTES = 64 << 20, MAX_LINE_BYTES = 1 << 20 };

struct client {
	char *server; /* without a slash at the end */
	char *project, *token;
	char *ca; /* NULL = the system's alone */
};

/* --- where the server is --- */

static int complain(int code, const char *text)
{
	fprintf(stderr, "crosspoint: %s\n", text);
	return code;
}

/* The first without TLS, which asks for no certificate; else the first. */
static const char *listener_of(const struct config_http *http)
{
	for (size_t i = 0; i < http->listen_count; i++)
		if (!str_starts(str_of(http->listen[i]), "https:"))
			return http->listen[i];
	return http->listen[0];
}

/* A server that listens on all addresses is asked on loopback. */
static char *url_of(const char *listen)
{
	const char *const scheme = str_starts(str_of(listen), "https:") ? "https:" : "";
	char here[ADDR_TEXT + 8], url[ADDR_TEXT + 16];
	struct addr a;

	if (!addr_parse_port(&a, str_of(listen + strlen(scheme)), 0) && addr_is_any(&a)) {
		snprintf(here, sizeof(here), "%s%s:%u", scheme, addr_is_v6(&a) ? "[::1]" : "127.0.0.1", addr_port(&a));
		listen = here;
	}
	config_http_url(listen, url, sizeof(url));
	return str_heap(str_of(url));
}

static int take_config(struct client *c, const struct config *config)
{
	const struct config_project *first = config->projects.items;

	if (!c->server && !config->http.listen_count)
		return complain(CLI_UNREACHABLE,
				"the configuration has no http listener: the server takes no commands");
	if (!c->server)
		c->server = url_of(listener_of(&config->http));
	if (!c->ca)
		c->ca = str_heap(str_of(config->http.tls.ca));
	if (!c->project && config->projects.count) {
		c->project = str_heap(str_of(first->id));
		if (!c->token)
			c->token = str_heap(str_of(first->token));
	}
	if (!c->project || !c->token)
		return complain(CLI_USAGE, "the configuration has no project; give --project ID --token TOKEN");
	return c->server ? 0 : complain(CLI_UNREACHABLE, "out of memory");
}

static int read_config(struct client *c, const char *option)
{
	const char *path = config_find(option);
	struct conf_problem *problems = NULL;
	struct config *config;
	struct arena *a = NULL;
	int code = CLI_USAGE, err;

	if (!path)
		return complain(CLI_USAGE,
				"no configuration: give -c FILE, or --server URL --project ID --token TOKEN");
	if (arena_new(&a, 0, 0))
		return complain(CLI_USAGE, "out of memory");
	err = config_load(&config, a, path, &problems);
	if (err)
		config_print_problems(stderr, path, problems);
	else
		code = take_config(c, config);
	arena_free(&a);
	return code;
}

int client_open(struct client **out, const struct client_where *w)
{
	struct client *c = calloc(1, sizeof(*c));
	int code = 0;

	if (!c)
		return complain(CLI_USAGE, "out of memory");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	c->server = str_heap(str_of(w->server));
	c->project = str_heap(str_of(w->project));
	c->token = str_heap(str_of(w->token));
	c->ca = str_heap(str_of(w->ca));
	if (c->server && !str_istarts(str_of(c->server), "http://") && !str_istarts(str_of(c->server), "https://"))
		code = complain(CLI_USAGE, "--server must be an http:// or https:// URL");
	else if (!c->server || !c->project || !c->token)
		code = read_config(c, w->config);
	if (code) {
		client_close(&c);
		return code;
	}
	for (size_t n = strlen(c->server); n && c->server[n - 1] == '/'; n--)
		c->server[n - 1] = '\0';
	*out = c;
	return 0;
}

void client_close(struct client **pc)
{
	struct client *c = *pc;

	if (!c)
		return;
	*pc = NULL;
	free(c->server);
	free(c->project);
	free(c->token);
	free(c->ca);
	free(c);
	curl_global_cleanup();
}

/* --- one request --- */

struct request {
	CURL *curl;
	struct curl_slist *headers;
	char *url;
	char error[CURL_ERROR_SIZE];
	struct buf *body;
	/* streams */
	const struct client_follower *follower;
	struct buf line;
	bool opened, enough;
};

static void close_request(struct request *r)
{
	curl_easy_cleanup(r->curl);
	curl_slist_free_all(r->headers);
	free(r->url);
	buf_free(&r->line);
}

/* libcurl reads $SSL_CERT_FILE in its own program only. */
static void set_trust(struct request *r, const struct client *c)
{
	const char *store = getenv("SSL_CERT_FILE");

	if (store && *store) {
		curl_easy_setopt(r->curl, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, store);
	}
	if (c->ca)
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, c->ca);
}

static bool open_request(struct request *r, const struct client *c, const char *method, const char *path)
{
	struct buf url = { 0 };

	buf_printf(&url, "%s%s", c->server, path);
	r->url = buf_steal(&url);
	r->curl = curl_easy_init();
	if (!r->curl || !r->url)
		return false;
	curl_easy_setopt(r->curl, CURLOPT_URL, r->url);
	curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(r->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(r->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(r->curl, CURLOPT_USERNAME, c->project);
	curl_easy_setopt(r->curl, CURLOPT_PASSWORD, c->token);
	curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
	curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
	set_trust(r, c);
	return true;
}

static int run(struct request *r, const struct client *c, long *status)
{
	CURLcode code = curl_easy_perform(r->curl);

	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, status);
	if (code == CURLE_OK || r->enough)
		return 0;
	fprintf(stderr, "crosspoint: no server at %s: %s%s\n", c->server,
		r->error[0] ? r->error : curl_easy_strerror(code),
		code == CURLE_PEER_FAILED_VERIFICATION && !c->ca ? "; give --ca FILE if it has an authority of its own"
								 : "");
	return CLI_UNREACHABLE;
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	buf_add(r->body, data, size * n);
	return r->body->failed ? 0 : size * n;
}

int client_ask(struct client *c, const char *method, const char *path, struct str body, struct client_answer *out)
{
	struct request r = { .body = &out->body };
	int code = CLI_UNREACHABLE;

	out->status = 0;
	buf_init(&out->body, MAX_ANSWER_BYTES);
	if (open_request(&r, c, method, path)) {
		curl_easy_setopt(r.curl, CURLOPT_WRITEFUNCTION, take_body);
		curl_easy_setopt(r.curl, CURLOPT_TIMEOUT_MS, (long)ANSWER_LIMIT_MS);
		if (body.p) {
			r.headers = curl_slist_append(NULL, "Content-Type: application/json");
			curl_easy_setopt(r.curl, CURLOPT_HTTPHEADER, r.headers);
			curl_easy_setopt(r.curl, CURLOPT_POSTFIELDSIZE, (long)body.n);
			curl_easy_setopt(r.curl, CURLOPT_POSTFIELDS, body.p);
		}
		code = run(&r, c, &out->status);
	}
	close_request(&r);
	return code;
}

/* --- streams --- */

static bool take_line(struct request *r, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != '\n') {
			buf_char(&r->line, data[i]);
			continue;
		}
		if (r->line.len && !r->follower->line(r->follower->arg, buf_view(&r->line)))
			return false;
		buf_reset(&r->line);
	}
	return !r->line.failed;
}

static long status_of(const struct request *r)
{
	long status = 0;

	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t take_piece(char *data, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	if (status_of(r) != 200)
		return take_body(data, size, n, arg);
	if (take_line(r, data, size * n))
		return size * n;
	r->enough = true;
	return 0;
}

/* The empty line behind the headers: the server has begun to listen for us. */
static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct request *r = arg;

	if (r->opened || size * n != 2 || status_of(r) != 200)
		return size * n;
	r->opened = true;
	if (!r->follower->opened || r->follower->opened(r->follower->arg))
		return size * n;
	r->enough = true;
	return 0;
}

static int take_tick(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
	struct request *r = arg;

	if (!r->opened || r->follower->tick(r->follower->arg))
		return 0;
	r->enough = true;
	return 1;
}

int client_follow(struct client *c, const char *path, const struct client_follower *f, struct client_answer *out)
{
	struct request r = { .body = &out->body, .follower = f };
	int code = CLI_UNREACHABLE;

	out->status = 0;
	buf_init(&out->body, MAX_ANSWER_BYTES);
	buf_init(&r.line, MAX_LINE_BYTES);
	if (open_request(&r, c, "GET", path)) {
		curl_easy_setopt(r.curl, CURLOPT_WRITEFUNCTION, take_piece);
		curl_easy_setopt(r.curl, CURLOPT_HEADERFUNCTION, take_header);
		curl_easy_setopt(r.curl, CURLOPT_HEADERDATA, &r);
		if (f->tick) {
			curl_easy_setopt(r.curl, CURLOPT_XFERINFOFUNCTION, take_tick);
			curl_easy_setopt(r.curl, CURLOPT_XFERINFODATA, &r);
			curl_easy_setopt(r.curl, CURLOPT_NOPROGRESS, 0L);
		}
		code = run(&r, c, &out->status);
	}
	close_request(&r);
	return code;
}
