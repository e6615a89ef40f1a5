/* libcurl's handles of http_client: one is set up once and serves one hop after another, since making one ready costs
 * as much as a third of a request. What differs between hops is set anew for each; a handle that has known a password, or whose
 * hop did not go as it should, is not used again. */
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "net/http_client_impl.h"

enum {
	MAX_HEAD_BYTES = 64 * 1024,
	LARGE_BYTES = 64 * 1024, /* of a body: libcurl may want to ask before it sends so much */
};

struct http_easy {
	struct list spare; /* of the thread's, while nobody has it */
	CURL *curl;
	CURLU *parsed;
	char *url;               /* what parsed was made of */
	struct http_transfer *x; /* who has it */
	bool again;              /* libcurl tried the hop on a second connection; it counts such tries in the handle */
	char detail[CURL_ERROR_SIZE];
};

/* The first reason stays the reason. */
void http_transfer_fail(struct http_transfer *x, enum http_error error, const char *fmt, ...)
{
	va_list ap;

	if (x->error)
		return;
	x->error = error;
	va_start(ap, fmt);
	vsnprintf(x->why, sizeof(x->why), fmt, ap);
	va_end(ap);
}

/* --- what libcurl calls --- */

static bool may_go_to(struct http_transfer *x, const struct addr *a)
{
	char host[ADDR_TEXT];

	if (http_rules_allow(x->rules, x->at.host, a))
		return true;
	http_transfer_fail(x, HTTP_REFUSED_TARGET, "%s is a private address and %.*s is not in webhooks.allow_hosts",
			   addr_host(a, host), (int)(x->at.host.n < 80 ? x->at.host.n : 80), x->at.host.p);
	return false;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http_transfer *x = ((struct http_easy *)arg)->x;
	struct addr a = { 0 };
	int fd;

	if ((to->family != AF_INET && to->family != AF_INET6) || to->addrlen > sizeof(a))
		return CURL_SOCKET_BAD;
	memcpy(&a, &to->addr, to->addrlen);
	if (!may_go_to(x, &a))
		return CURL_SOCKET_BAD;
	/* Of several addresses one may be allowed; what was said of another one no longer counts. */
	x->error = HTTP_OK;
	fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* The connection stands and the request would go out. A kept connection has not met open_socket() for this transfer,
 * and the rules may have changed since it did. */
static int before_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	struct http_easy *e = arg;
	struct http_transfer *x = e->x;
	struct addr a;

	if (addr_parse(&a, str_of(remote), 0)) {
		http_transfer_fail(x, HTTP_REFUSED_TARGET, "the address of the server is not known");
		return CURL_PREREQFUNC_ABORT;
	}
	if (!may_go_to(x, &a))
		return CURL_PREREQFUNC_ABORT;
	x->error = HTTP_OK; /* as above, when the refused one came last */
	e->again = x->begun;
	x->begun = true;
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_transfer *x = ((struct http_easy *)arg)->x;

	buf_add(&x->answer, data, size * n);
	if (!x->answer.failed)
		return size * n;
	http_transfer_fail(x, HTTP_TOO_BIG, "the answer is larger than %zu bytes", x->max_bytes);
	return 0;
}

static size_t on_head(char *data, size_t size, size_t n, void *arg)
{
	struct http_transfer *x = ((struct http_easy *)arg)->x;

	x->head_bytes += size * n;
	if (x->head_bytes <= MAX_HEAD_BYTES)
		return size * n;
	http_transfer_fail(x, HTTP_TOO_BIG, "the headers of the answer are larger than %d bytes", MAX_HEAD_BYTES);
	return 0;
}

/* --- handles --- */

static void easy_free(struct http_easy *e)
{
	list_remove(&e->spare);
	curl_easy_cleanup(e->curl);
	curl_url_cleanup(e->parsed);
	free(e->url);
	free(e);
}

/* What holds for all hops. */
static void set_how(struct http_easy *e, const char *ca_file)
{
	CURL *c = e->curl;

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	/* Else leaving a transfer waits for its look-up, and all others wait with it. */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, ""); /* the rules judge the server, not a proxy of the environment */
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_CAINFO, ca_file);
	curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, -1L);
	curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, e);
	curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, before_request);
	curl_easy_setopt(c, CURLOPT_PREREQDATA, e);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, e);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, e);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, e->detail);
	curl_easy_setopt(c, CURLOPT_PRIVATE, e);
}

static struct http_easy *easy_new(const char *ca_file)
{
	struct http_easy *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	list_init(&e->spare);
	e->curl = curl_easy_init();
	if (!e->curl) {
		easy_free(e);
		return NULL;
	}
	set_how(e, ca_file);
	return e;
}

/* Events of many calls go to few URLs: one that has been there is spared the parsing. */
static struct http_easy *easy_take(struct http_easies *s, const char *url)
{
	struct http_easy *e = NULL;

	for (struct list *n = s->spares.prev; n != &s->spares && !e; n = n->prev) /* the latest first */
		if (!strcmp(LIST_ITEM(n, struct http_easy, spare)->url, url))
			e = LIST_ITEM(n, struct http_easy, spare);
	if (!e && !list_empty(&s->spares))
		e = LIST_ITEM(s->spares.prev, struct http_easy, spare);
	if (!e)
		return easy_new(s->ca_file);
	list_remove(&e->spare);
	s->count--;
	return e;
}

/* --- what differs between hops --- */

/* libcurl is given the parts beside the text: else it parses the text and prints it again for each hop. */
static CURLUcode set_url(struct http_easy *e, const struct http_transfer *x)
{
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	struct buf bare;

	if (e->url && !strcmp(e->url, x->url))
		return CURLUE_OK;
	free(e->url);
	e->url = str_heap(str_of(x->url));
	curl_url_cleanup(e->parsed);
	e->parsed = curl_url();
	buf_init(&bare, 0);
	url_bare(&bare, &x->at);
	if (e->url && e->parsed && !bare.failed)
		code = curl_url_set(e->parsed, CURLUPART_URL, bare.data, CURLU_PATH_AS_IS);
	if (!code && curl_easy_setopt(e->curl, CURLOPT_URL, bare.data))
		code = CURLUE_OUT_OF_MEMORY;
	curl_easy_setopt(e->curl, CURLOPT_CURLU, e->parsed);
	buf_free(&bare);
	return code;
}

static void set_limits(const struct http_easy *e, const struct http_transfer *x)
{
	uint64_t spent_ms = x->spent_us / 1000, left = x->limits.total_ms;

	left = left > spent_ms ? left - spent_ms : 1;
	curl_easy_setopt(e->curl, CURLOPT_TIMEOUT_MS, (long)left);
	curl_easy_setopt(e->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)x->limits.connect_ms);
	curl_easy_setopt(e->curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->max_bytes);
}

static void set_method(const struct http_easy *e, const struct http_transfer *x)
{
	bool post = !strcmp(x->method, "POST");

	if (!strcmp(x->method, "HEAD")) {
		curl_easy_setopt(e->curl, CURLOPT_NOBODY, 1L);
	} else if (strcmp(x->method, "GET") || x->body.n) {
		curl_easy_setopt(e->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(e->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n);
		curl_easy_setopt(e->curl, CURLOPT_POSTFIELDS, x->body.p);
		if (!post)
			curl_easy_setopt(e->curl, CURLOPT_CUSTOMREQUEST, x->method);
	}
	if (x->user) {
		curl_easy_setopt(e->curl, CURLOPT_USERNAME, x->user);
		curl_easy_setopt(e->curl, CURLOPT_PASSWORD, x->password ? x->password : "");
	}
}

static char *header_line(struct arena *a, const struct http_header *h)
{
	const char *between = h->value.n ? ": " : ";"; /* libcurl's word for an empty value */
	size_t name = strlen(h->name), n = name + strlen(between);
	char *line = arena_alloc(a, n + h->value.n + 1);

	if (!line)
		return NULL;
	memcpy(line, h->name, name);
	memcpy(line + name, between, n - name);
	if (h->value.n)
		memcpy(line + n, h->value.p, h->value.n);
	return line;
}

/* libcurl reads the list where it is, so it may live in the arena. */
static bool set_headers(const struct http_easy *e, struct http_transfer *x)
{
	static char agent[] = "User-Agent: Crosspoint/" CROSSPOINT_VERSION;
	static char no_question[] = "Expect:";   /* many servers never answer it */
	static char no_type[] = "Content-Type:"; /* libcurl would call anything a form */
	struct curl_slist *lines = arena_alloc(x->arena, (x->header_count + 3) * sizeof(*lines));
	bool has_agent = false, typed = false;
	size_t n = 0;

	if (!lines)
		return false;
	for (; n < x->header_count; n++) {
		lines[n].data = header_line(x->arena, &x->headers[n]);
		if (!lines[n].data)
			return false;
		has_agent = has_agent || str_iis(str_of(x->headers[n].name), "User-Agent");
		typed = typed || str_iis(str_of(x->headers[n].name), "Content-Type");
	}
	if (!has_agent)
		lines[n++].data = agent;
	if (!typed)
		lines[n++].data = no_type;
	if (x->body.n > LARGE_BYTES)
		lines[n++].data = no_question;
	for (size_t i = 0; i + 1 < n; i++)
		lines[i].next = &lines[i + 1];
	return curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, lines) == CURLE_OK;
}

void *http_easy_begin(struct http_easies *s, struct http_transfer *x)
{
	struct http_easy *e = easy_take(s, x->url);
	CURLUcode code;

	if (!e) {
		http_transfer_fail(x, HTTP_FULL, "out of memory");
		return NULL;
	}
	x->easy = e;
	e->x = x;
	e->again = false;
	e->detail[0] = '\0';
	code = set_url(e, x);
	set_limits(e, x);
	set_method(e, x);
	if (code == CURLUE_OUT_OF_MEMORY || !set_headers(e, x))
		http_transfer_fail(x, HTTP_FULL, "out of memory");
	else if (code)
		http_transfer_fail(x, HTTP_BAD_URL, "this is no http or https URL");
	return x->error ? NULL : e->curl;
}

void *http_easy_curl(const struct http_transfer *x)
{
	return x->easy->curl;
}

struct http_transfer *http_easy_transfer(const struct http_easy *e)
{
	return e->x;
}

const char *http_easy_detail(const struct http_transfer *x)
{
	return x->easy->detail;
}

void http_easy_end(struct http_easies *s, struct http_transfer *x, bool went_well)
{
	struct http_easy *e = x->easy;

	x->easy = NULL;
	if (!e)
		return;
	if (!went_well || e->again || x->user || s->count >= HTTP_SPARES) {
		easy_free(e);
		return;
	}
	/* Nothing of this hop may be in the next one. */
	e->x = NULL;
	curl_easy_setopt(e->curl, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(e->curl, CURLOPT_CUSTOMREQUEST, NULL);
	curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(e->curl, CURLOPT_HTTPGET, 1L);
	list_append(&s->spares, &e->spare);
	s->count++;
}

void http_easies_init(struct http_easies *s, const char *ca_file)
{
	list_init(&s->spares);
	s->count = 0;
	s->ca_file = ca_file;
}

void http_easies_free(struct http_easies *s)
{
	while (!list_empty(&s->spares))
		easy_free(LIST_ITEM(list_first(&s->spares), struct http_easy, spare));
}
