/* The side of http_client that libcurl runs on. */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mq.h"
#include "net/http_client_impl.h"

enum {
	MAX_REDIRECTS = 3,
	MAX_CONNECTIONS = 256,
	KEPT_CONNECTIONS = 64,
	MAX_HEAD_BYTES = 64 * 1024,
	SPARES = 32,
	TICK_MS = 100, /* how exact the limit on a read is */
	IDLE_MS = 60000,
};

struct http_thread {
	struct mq *answers;
	CURLM *multi;
	const char *ca_file;
	pthread_t id;
	bool running;
	pthread_mutex_t lock;
	struct list commands; /* lock: transfers that are new or to be stopped */
	bool stopping;        /* lock */
	struct list working;  /* thread, as all below: transfers that libcurl has */
	uint32_t per_host;
	CURL *spare[SPARES];
	size_t spares;
};

static void fail(struct http_transfer *x, enum http_error error, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The first reason stays the reason. */
static void fail(struct http_transfer *x, enum http_error error, const char *fmt, ...)
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
	fail(x, HTTP_REFUSED_TARGET, "%s is a private address and %.*s is not in webhooks.allow_hosts",
	     addr_host(a, host), (int)(x->at.host.n < 80 ? x->at.host.n : 80), x->at.host.p);
	return false;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http_transfer *x = arg;
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
	struct http_transfer *x = arg;
	struct addr a;

	if (addr_parse(&a, str_of(remote), 0)) {
		fail(x, HTTP_REFUSED_TARGET, "the address of the server is not known");
		return CURL_PREREQFUNC_ABORT;
	}
	if (!may_go_to(x, &a))
		return CURL_PREREQFUNC_ABORT;
	x->error = HTTP_OK; /* as above, when the refused one came last */
	x->begun = true;
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_transfer *x = arg;

	buf_add(&x->answer, data, size * n);
	if (!x->answer.failed)
		return size * n;
	fail(x, HTTP_TOO_BIG, "the answer is larger than %zu bytes", x->max_bytes);
	return 0;
}

static size_t on_head(char *data, size_t size, size_t n, void *arg)
{
	struct http_transfer *x = arg;

	x->head_bytes += size * n;
	if (x->head_bytes <= MAX_HEAD_BYTES)
		return size * n;
	fail(x, HTTP_TOO_BIG, "the headers of the answer are larger than %d bytes", MAX_HEAD_BYTES);
	return 0;
}

/* Comes with every turn of the thread: libcurl's own limit on a slow peer knows whole seconds only. */
static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t uploaded)
{
	struct http_transfer *x = arg;
	uint64_t moved = x->head_bytes + (uint64_t)now + (uint64_t)uploaded + x->begun;
	curl_off_t elapsed_us = 0;

	curl_easy_getinfo(x->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
	if (moved != x->moved || !x->begun) {
		x->moved = moved;
		x->heard_us = (uint64_t)elapsed_us;
	} else if ((uint64_t)elapsed_us > x->heard_us + x->limits.read_ms * UINT64_C(1000)) {
		fail(x, HTTP_TIMEOUT, "read time-out: nothing came for %u ms", x->limits.read_ms);
		return 1;
	}
	return 0;
}

/* --- one hop --- */

static CURL *take_easy(struct http_thread *t)
{
	return t->spares ? t->spare[--t->spares] : curl_easy_init();
}

static void set_how(struct http_thread *t, struct http_transfer *x)
{
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* Else leaving a transfer waits for its look-up, and all others wait with it. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* the rules judge the server, not a proxy of the environment */
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "Crosspoint/" CROSSPOINT_VERSION);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_CAINFO, t->ca_file);
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, -1L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, x);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->detail);
	curl_easy_setopt(e, CURLOPT_PRIVATE, x);
}

static void set_limits(struct http_transfer *x)
{
	uint64_t spent_ms = x->spent_us / 1000, left = x->limits.total_ms;

	left = left > spent_ms ? left - spent_ms : 1;
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)left);
	curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)x->limits.connect_ms);
	curl_easy_setopt(x->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->max_bytes);
}

static void set_method(struct http_transfer *x)
{
	CURL *e = x->easy;

	if (!strcmp(x->method, "HEAD")) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (strcmp(x->method, "GET") || x->body.n) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, x->body.p);
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, x->method);
	}
	if (x->user) {
		curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(e, CURLOPT_USERNAME, x->user);
		curl_easy_setopt(e, CURLOPT_PASSWORD, x->password ? x->password : "");
	}
}

static bool add_line(struct http_transfer *x, const char *line)
{
	struct curl_slist *more = curl_slist_append(x->lines, line);

	x->lines = more ? more : x->lines;
	return more != NULL;
}

static bool set_headers(struct http_transfer *x)
{
	bool ok = add_line(x, "Expect:"); /* no question before a large body: many servers never answer it */
	bool typed = false;

	for (size_t i = 0; i < x->header_count && ok; i++) {
		const struct http_header *h = &x->headers[i];
		struct buf line;

		buf_init(&line, 0);
		buf_cstr(&line, h->name);
		buf_cstr(&line, h->value.n ? ": " : ";"); /* libcurl's word for an empty value */
		buf_str(&line, h->value);
		ok = !line.failed && add_line(x, line.data);
		buf_free(&line);
		typed = typed || str_iis(str_of(h->name), "Content-Type");
	}
	if (ok && !typed)
		ok = add_line(x, "Content-Type:"); /* libcurl would call anything a form */
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->lines);
	return ok;
}

/* Name and password of the URL, when it has them. */
static bool read_user(struct http_transfer *x)
{
	struct str rest = x->at.userinfo, user;

	if (!rest.p)
		return true;
	str_split(&rest, ':', &user);
	x->user = str_dup(x->arena, str_percent_decode(x->arena, user));
	x->password = str_dup(x->arena, str_percent_decode(x->arena, rest.p ? rest : STR("")));
	return x->user && x->password;
}

static void start(struct http_thread *t, struct http_transfer *x)
{
	struct buf bare;

	list_append(&t->working, &x->working);
	if (url_parse(&x->at, str_of(x->url))) {
		fail(x, HTTP_BAD_URL, "this is no http or https URL");
		return;
	}
	x->easy = take_easy(t);
	buf_init(&bare, 0);
	url_bare(&bare, &x->at);
	if (!x->easy || bare.failed || !read_user(x)) {
		fail(x, HTTP_FULL, "out of memory");
	} else {
		set_how(t, x);
		set_limits(x);
		set_method(x);
		curl_easy_setopt(x->easy, CURLOPT_URL, bare.data);
		if (x->per_host != t->per_host)
			curl_multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)x->per_host);
		t->per_host = x->per_host;
		if (!set_headers(x) || curl_multi_add_handle(t->multi, x->easy))
			fail(x, HTTP_FULL, "out of memory");
	}
	buf_free(&bare);
}

/* The hop is over: give libcurl its things back. */
static void leave(struct http_thread *t, struct http_transfer *x)
{
	list_remove(&x->working);
	if (x->easy) {
		curl_multi_remove_handle(t->multi, x->easy);
		curl_easy_reset(x->easy);
		if (t->spares < SPARES)
			t->spare[t->spares++] = x->easy;
		else
			curl_easy_cleanup(x->easy);
	}
	curl_slist_free_all(x->lines);
	x->easy = NULL;
	x->lines = NULL;
}

static void finish(struct http_thread *t, struct http_transfer *x)
{
	leave(t, x);
	pthread_mutex_lock(&t->lock);
	x->finished = true;
	list_remove(&x->command);
	pthread_mutex_unlock(&t->lock);
	mq_send_reserved(t->answers, &x);
}

/* --- how a hop ended --- */

static void timed_out(struct http_transfer *x)
{
	curl_off_t found_us = 0, connected_us = 0, elapsed_us = 0;

	curl_easy_getinfo(x->easy, CURLINFO_NAMELOOKUP_TIME_T, &found_us);
	curl_easy_getinfo(x->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(x->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
	if (x->begun || (uint64_t)elapsed_us + 1000 < x->limits.connect_ms * UINT64_C(1000))
		fail(x, HTTP_TIMEOUT, "total time-out: no whole answer within %u ms", x->limits.total_ms);
	else if (!found_us)
		fail(x, HTTP_NAME, "connect time-out: the name was not resolved within %u ms", x->limits.connect_ms);
	else if (connected_us)
		fail(x, HTTP_CONNECT, "connect time-out: the TLS handshake took more than %u ms", x->limits.connect_ms);
	else
		fail(x, HTTP_CONNECT, "connect time-out: no connection within %u ms", x->limits.connect_ms);
}

static void not_connected(struct http_transfer *x)
{
	long err = 0;

	curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &err);
	fail(x, HTTP_CONNECT, "cannot connect: %s", err ? strerror((int)err) : "no address answers");
}

static void failed(struct http_transfer *x, CURLcode code)
{
	static const struct {
		CURLcode code;
		enum http_error error;
		const char *why; /* NULL = libcurl's own words */
	} rows[] = {
		{ CURLE_COULDNT_RESOLVE_HOST, HTTP_NAME, "the name of the host is not found" },
		{ CURLE_URL_MALFORMAT, HTTP_BAD_URL, "this is no http or https URL" },
		{ CURLE_SSL_CONNECT_ERROR, HTTP_TLS, NULL },
		{ CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS, NULL },
		{ CURLE_SSL_CACERT_BADFILE, HTTP_TLS, NULL },
		{ CURLE_SSL_CIPHER, HTTP_TLS, NULL },
		{ CURLE_SSL_CERTPROBLEM, HTTP_TLS, NULL },
		{ CURLE_SSL_ENGINE_INITFAILED, HTTP_TLS, NULL },
		{ CURLE_FILESIZE_EXCEEDED, HTTP_TOO_BIG, "the answer is larger than allowed" },
		{ CURLE_GOT_NOTHING, HTTP_BROKEN, "the server closed the connection without an answer" },
		{ CURLE_PARTIAL_FILE, HTTP_BROKEN, "the answer was cut" },
		{ CURLE_RECV_ERROR, HTTP_BROKEN, "the connection was lost" },
		{ CURLE_SEND_ERROR, HTTP_BROKEN, "the connection was lost" },
		{ CURLE_UNSUPPORTED_PROTOCOL, HTTP_BROKEN, "the answer is no HTTP" },
		{ CURLE_WEIRD_SERVER_REPLY, HTTP_BROKEN, "the answer is no HTTP" },
		/* What libcurl says of a line past its own limit; real want of memory is not seen here. */
		{ CURLE_OUT_OF_MEMORY, HTTP_TOO_BIG, "a line in the head of the answer is too long" },
	};
	const char *words = x->detail[0] ? x->detail : curl_easy_strerror(code);

	if (code == CURLE_OPERATION_TIMEDOUT)
		timed_out(x);
	if (code == CURLE_COULDNT_CONNECT)
		not_connected(x);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			fail(x, rows[i].error, "%.180s", rows[i].why ? rows[i].why : words);
	fail(x, HTTP_BROKEN, "%.180s", words);
}

/* What may only be told to whom it was meant for. */
static bool is_private_header(const char *name)
{
	return str_iis(str_of(name), "Authorization") || str_iis(str_of(name), "Cookie");
}

static void drop_headers(struct http_transfer *x, bool (*which)(const char *name))
{
	size_t kept = 0;

	for (size_t i = 0; i < x->header_count; i++)
		if (!which(x->headers[i].name))
			x->headers[kept++] = x->headers[i];
	x->header_count = kept;
}

static bool is_body_header(const char *name)
{
	return str_istarts(str_of(name), "Content-");
}

/* RFC 9110 §15.4: 303 asks for a GET, and for POST 301 and 302 do what everybody takes them to mean. */
static void turn_into_get(struct http_transfer *x)
{
	bool post = !strcmp(x->method, "POST");

	if (!(x->status == 303 && strcmp(x->method, "HEAD")) && !(post && (x->status == 301 || x->status == 302)))
		return;
	x->method = "GET";
	x->body = STR("");
	drop_headers(x, is_body_header);
}

/* Where the answer sends us, NULL = nowhere, or nowhere that we go. */
static const char *next_url(struct http_transfer *x)
{
	char *location = NULL;
	struct url to;

	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
	curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &location);
	if (!location || x->status < 300 || x->status > 399)
		return NULL;
	if (x->redirects == MAX_REDIRECTS)
		fail(x, HTTP_REDIRECTS, "more than %d redirects", MAX_REDIRECTS);
	else if (url_parse(&to, str_of(location)))
		fail(x, HTTP_REDIRECTS, "the redirect leads to no http or https URL");
	else if (x->at.https && !to.https)
		fail(x, HTTP_REDIRECTS, "the redirect leads from https to http");
	else
		return location;
	return NULL;
}

static void redirect(struct http_thread *t, struct http_transfer *x, const char *to)
{
	struct url before = x->at;
	curl_off_t elapsed_us = 0;

	curl_easy_getinfo(x->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
	x->spent_us += (uint64_t)elapsed_us;
	x->url = str_dup(x->arena, str_of(to)); /* the old one stays in the arena, for before */
	leave(t, x);
	if (!x->url || url_parse(&x->at, str_of(x->url))) {
		fail(x, HTTP_FULL, "out of memory");
		return;
	}
	if (!url_same_origin(&before, &x->at)) {
		x->user = x->password = NULL;
		drop_headers(x, is_private_header);
	}
	turn_into_get(x);
	x->redirects++;
	x->begun = false;
	x->heard_us = x->moved = 0;
	x->head_bytes = 0;
	x->detail[0] = '\0';
	buf_reset(&x->answer);
	start(t, x);
}

/* NULL = the answer has no such header. */
static char *header_of(struct http_transfer *x, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(x->easy, name, 0, CURLH_HEADER, -1, &h) ? NULL : str_dup(x->arena, str_of(h->value));
}

static char *small_letters(struct http_transfer *x, const char *name)
{
	char *out = str_dup(x->arena, str_of(name));

	for (char *c = out; c && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	return out;
}

/* One more header of the answer; one of that name is there already: behind its value. */
static void tell_header(struct http_transfer *x, const struct curl_header *h)
{
	struct http_header *at = NULL;
	struct buf both;

	for (size_t i = 0; i < x->told_count && !at; i++)
		if (str_iis(str_of(x->told[i].name), h->name))
			at = &x->told[i];
	if (!at && x->told_count == x->want_headers)
		return;
	buf_init(&both, 0);
	if (at)
		buf_printf(&both, "%s, ", at->value.p);
	buf_cstr(&both, h->value);
	if (!at) {
		at = &x->told[x->told_count];
		at->name = small_letters(x, h->name);
		x->told_count += at->name != NULL;
	}
	at->value = str_of(both.failed ? "" : str_dup(x->arena, buf_view(&both)));
	buf_free(&both);
}

static void tell_headers(struct http_transfer *x)
{
	struct curl_header *h = NULL;

	x->told = arena_alloc(x->arena, x->want_headers * sizeof(*x->told));
	while (x->told && (h = curl_easy_nextheader(x->easy, CURLH_HEADER, -1, h)))
		tell_header(x, h);
}

static void keep_headers(struct http_transfer *x)
{
	if (x->want_headers)
		tell_headers(x);
	x->content_type = header_of(x, "Content-Type");
	x->etag = header_of(x, "ETag");
	x->last_modified = header_of(x, "Last-Modified");
	x->cache_control = header_of(x, "Cache-Control");
}

static void hop_ended(struct http_thread *t, struct http_transfer *x, CURLcode code)
{
	const char *to = NULL;

	if (code)
		failed(x, code);
	else if (!(to = next_url(x)))
		keep_headers(x);
	if (to)
		redirect(t, x, to);
	if (!to || x->error)
		finish(t, x);
}

/* --- the thread --- */

static void stop(struct http_thread *t, struct http_transfer *x, enum http_error error)
{
	if (error == HTTP_TIMEOUT)
		fail(x, error, "total time-out: no whole answer within %u ms", x->limits.total_ms);
	else
		fail(x, error, "cancelled");
	finish(t, x);
}

static struct http_transfer *next_command(struct http_thread *t, enum http_error *error, bool *stopping)
{
	struct http_transfer *x = NULL;
	struct list *first;

	pthread_mutex_lock(&t->lock);
	first = list_first(&t->commands);
	*stopping = t->stopping;
	if (first) {
		x = LIST_ITEM(first, struct http_transfer, command);
		*error = x->stop;
		list_remove(first);
	}
	pthread_mutex_unlock(&t->lock);
	return x;
}

static bool take_commands(struct http_thread *t)
{
	struct http_transfer *x;
	enum http_error error;
	bool stopping;

	while ((x = next_command(t, &error, &stopping)) && !stopping) {
		if (error) {
			stop(t, x, error);
			continue;
		}
		start(t, x);
		if (x->error)
			finish(t, x);
	}
	return !stopping;
}

static void collect(struct http_thread *t)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left))) {
		CURLcode code = m->data.result; /* m dies with the handle */
		char *x = NULL;

		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		hop_ended(t, (struct http_transfer *)(void *)x, code);
	}
}

static void *run(void *arg)
{
	struct http_thread *t = arg;
	int running = 0;

	while (take_commands(t)) {
		curl_multi_perform(t->multi, &running);
		collect(t);
		curl_multi_poll(t->multi, NULL, 0, running ? TICK_MS : IDLE_MS, NULL);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct http_thread *t)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->running = !err;
	if (!err)
		pthread_setname_np(t->id, "fetch");
	return err;
}

int http_thread_new(struct http_thread **out, struct mq *answers)
{
	const char *ca_file = getenv("SSL_CERT_FILE");
	struct http_thread *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return ENOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(t);
		return ENOMEM;
	}
	t->answers = answers;
	t->ca_file = ca_file && *ca_file ? ca_file : "/etc/ssl/certs/ca-certificates.crt";
	pthread_mutex_init(&t->lock, NULL);
	list_init(&t->commands);
	list_init(&t->working);
	t->multi = curl_multi_init();
	err = t->multi ? 0 : ENOMEM;
	if (!err) {
		curl_multi_setopt(t->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)MAX_CONNECTIONS);
		curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
		err = start_thread(t);
	}
	if (err)
		http_thread_free(&t);
	else
		*out = t;
	return err;
}

void http_thread_add(struct http_thread *t, struct http_transfer *x)
{
	pthread_mutex_lock(&t->lock);
	list_append(&t->commands, &x->command);
	pthread_mutex_unlock(&t->lock);
	curl_multi_wakeup(t->multi);
}

void http_thread_stop(struct http_thread *t, struct http_transfer *x, enum http_error error)
{
	pthread_mutex_lock(&t->lock);
	if (!x->stop)
		x->stop = error;
	if (!x->finished && list_empty(&x->command))
		list_append(&t->commands, &x->command);
	pthread_mutex_unlock(&t->lock);
	curl_multi_wakeup(t->multi);
}

void http_thread_free(struct http_thread **thread)
{
	struct http_thread *t = *thread;

	if (!t)
		return;
	*thread = NULL;
	if (t->running) {
		pthread_mutex_lock(&t->lock);
		t->stopping = true;
		pthread_mutex_unlock(&t->lock);
		curl_multi_wakeup(t->multi);
		pthread_join(t->id, NULL);
	}
	while (!list_empty(&t->working))
		leave(t, LIST_ITEM(list_first(&t->working), struct http_transfer, working));
	for (size_t i = 0; i < t->spares; i++)
		curl_easy_cleanup(t->spare[i]);
	curl_multi_cleanup(t->multi);
	pthread_mutex_destroy(&t->lock);
	curl_global_cleanup();
	free(t);
}
