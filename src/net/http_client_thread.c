/* The side of http_client that libcurl runs on. */
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mq.h"
#include "net/http_client_impl.h"

enum {
	MAX_REDIRECTS = 3,
	MAX_CONNECTIONS = 256,
	KEPT_CONNECTIONS = 64,
	TICK_MS = 100, /* how exact the limit on a read is */
	/* So long nobody need hear of a patient answer. A machine that sleeps is dear to wake, so it is read when the thread
	 * wakes for something else, and told when the loop turns for something else. */
	PATIENCE_MS = 12,
	IDLE_MS = 60000,
};

struct http_thread {
	struct mq *answers;
	CURLM *multi;
	CURLM *nobody; /* has no transfers: who sleeps by it hears of none */
	pthread_t id;
	bool running;
	int wake; /* eventfd */
	pthread_mutex_t lock;
	struct list commands; /* lock: transfers that are new or to be stopped */
	bool woken;           /* lock: the eventfd was written and the commands not taken yet */
	bool stopping;        /* lock */
	bool deaf;            /* lock: sleeps, and hears of nothing but wake */
	struct list working;  /* thread, as all below: transfers that libcurl has */
	uint32_t per_host;
	uint64_t
		left_us; /* since when the oldest answer that may still wait for a turn could have been told, 0 = none */
	struct http_easies easies;
};

/* --- one hop --- */

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
	CURL *curl;

	list_append(&t->working, &x->working);
	if (x->bad_url) {
		http_transfer_fail(x, HTTP_BAD_URL, "this is no http or https URL");
		return;
	}
	if (!read_user(x)) {
		http_transfer_fail(x, HTTP_FULL, "out of memory");
		return;
	}
	curl = http_easy_begin(&t->easies, x);
	if (!curl)
		return;
	if (x->per_host != t->per_host)
		curl_multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)x->per_host);
	t->per_host = x->per_host;
	if (curl_multi_add_handle(t->multi, curl))
		http_transfer_fail(x, HTTP_FULL, "out of memory");
}

/* The hop is over: give libcurl its things back. */
static void leave(struct http_thread *t, struct http_transfer *x)
{
	list_remove(&x->working);
	if (x->easy)
		curl_multi_remove_handle(t->multi, http_easy_curl(x));
	http_easy_end(&t->easies, x, !x->error);
}

static void finish(struct http_thread *t, struct http_transfer *x)
{
	uint64_t now_us = loop_real_us(), since_us = x->unheard_us ? x->unheard_us : now_us;

	leave(t, x);
	x->took_us = now_us - x->began_us;
	pthread_mutex_lock(&t->lock);
	x->finished = true;
	list_remove(&x->command);
	/* Within the lock: whom http_thread_hurry() did not reach has left it. */
	if (!x->patient)
		mq_send_reserved(t->answers, &x);
	else if (mq_leave_reserved(t->answers, &x) || since_us < t->left_us)
		t->left_us = since_us;
	pthread_mutex_unlock(&t->lock);
}

/* --- how a hop ended --- */

static void timed_out(struct http_transfer *x)
{
	curl_off_t found_us = 0, connected_us = 0, elapsed_us = 0;

	curl_easy_getinfo(http_easy_curl(x), CURLINFO_NAMELOOKUP_TIME_T, &found_us);
	curl_easy_getinfo(http_easy_curl(x), CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(http_easy_curl(x), CURLINFO_TOTAL_TIME_T, &elapsed_us);
	if (x->begun || (uint64_t)elapsed_us + 1000 < x->limits.connect_ms * UINT64_C(1000))
		http_transfer_fail(x, HTTP_TIMEOUT, "total time-out: no whole answer within %u ms", x->limits.total_ms);
	else if (!found_us)
		http_transfer_fail(x, HTTP_NAME, "connect time-out: the name was not resolved within %u ms",
				   x->limits.connect_ms);
	else if (connected_us)
		http_transfer_fail(x, HTTP_CONNECT, "connect time-out: the TLS handshake took more than %u ms",
				   x->limits.connect_ms);
	else
		http_transfer_fail(x, HTTP_CONNECT, "connect time-out: no connection within %u ms",
				   x->limits.connect_ms);
}

static void not_connected(struct http_transfer *x)
{
	long err = 0;

	curl_easy_getinfo(http_easy_curl(x), CURLINFO_OS_ERRNO, &err);
	http_transfer_fail(x, HTTP_CONNECT, "cannot connect: %s", err ? strerror((int)err) : "no address answers");
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
	const char *words = http_easy_detail(x);

	if (!*words)
		words = curl_easy_strerror(code);
	if (code == CURLE_OPERATION_TIMEDOUT)
		timed_out(x);
	if (code == CURLE_COULDNT_CONNECT)
		not_connected(x);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			http_transfer_fail(x, rows[i].error, "%.180s", rows[i].why ? rows[i].why : words);
	http_transfer_fail(x, HTTP_BROKEN, "%.180s", words);
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

	curl_easy_getinfo(http_easy_curl(x), CURLINFO_RESPONSE_CODE, &x->status);
	curl_easy_getinfo(http_easy_curl(x), CURLINFO_REDIRECT_URL, &location);
	if (!location || x->status < 300 || x->status > 399)
		return NULL;
	if (x->redirects == MAX_REDIRECTS)
		http_transfer_fail(x, HTTP_REDIRECTS, "more than %d redirects", MAX_REDIRECTS);
	else if (url_parse(&to, str_of(location)))
		http_transfer_fail(x, HTTP_REDIRECTS, "the redirect leads to no http or https URL");
	else if (x->at.https && !to.https)
		http_transfer_fail(x, HTTP_REDIRECTS, "the redirect leads from https to http");
	else
		return location;
	return NULL;
}

static void redirect(struct http_thread *t, struct http_transfer *x, const char *to)
{
	struct url before = x->at;
	curl_off_t elapsed_us = 0;

	curl_easy_getinfo(http_easy_curl(x), CURLINFO_TOTAL_TIME_T, &elapsed_us);
	x->spent_us += (uint64_t)elapsed_us;
	x->url = str_dup(x->arena, str_of(to)); /* the old one stays in the arena, for before */
	leave(t, x);
	if (!x->url || url_parse(&x->at, str_of(x->url))) {
		http_transfer_fail(x, HTTP_FULL, "out of memory");
		return;
	}
	if (!url_same_origin(&before, &x->at)) {
		x->user = x->password = NULL;
		drop_headers(x, is_private_header);
	}
	turn_into_get(x);
	x->redirects++;
	x->begun = x->sent = false;
	x->heard_us = x->moved = 0;
	x->head_bytes = 0;
	buf_reset(&x->answer);
	start(t, x);
}

/* NULL = the answer has no such header. */
static char *header_of(struct http_transfer *x, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(http_easy_curl(x), name, 0, CURLH_HEADER, -1, &h) ? NULL
										  : str_dup(x->arena, str_of(h->value));
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
	while (x->told && (h = curl_easy_nextheader(http_easy_curl(x), CURLH_HEADER, -1, h)))
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
		http_transfer_fail(x, error, "total time-out: no whole answer within %u ms", x->limits.total_ms);
	else
		http_transfer_fail(x, error, "cancelled");
	finish(t, x);
}

static struct http_transfer *next_command(struct http_thread *t, enum http_error *error, bool *stopping)
{
	struct http_transfer *x = NULL;
	struct list *first;

	pthread_mutex_lock(&t->lock);
	t->woken = false;
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
		char *easy = NULL;

		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &easy);
		hop_ended(t, http_easy_transfer((struct http_easy *)(void *)easy), code);
	}
}

/* libcurl's own limit on a slow peer knows whole seconds only. */
static void look_at(struct http_thread *t, struct http_transfer *x)
{
	curl_off_t down = 0, up = 0, elapsed_us = 0;
	uint64_t moved;

	curl_easy_getinfo(http_easy_curl(x), CURLINFO_SIZE_DOWNLOAD_T, &down);
	curl_easy_getinfo(http_easy_curl(x), CURLINFO_SIZE_UPLOAD_T, &up);
	curl_easy_getinfo(http_easy_curl(x), CURLINFO_TOTAL_TIME_T, &elapsed_us);
	x->sent = x->begun && (uint64_t)up >= x->body.n;
	moved = x->head_bytes + (uint64_t)down + (uint64_t)up + x->begun;
	if (moved != x->moved || !x->begun) {
		x->moved = moved;
		x->heard_us = (uint64_t)elapsed_us;
	} else if ((uint64_t)elapsed_us > x->heard_us + x->limits.read_ms * UINT64_C(1000)) {
		http_transfer_fail(x, HTTP_TIMEOUT, "read time-out: nothing came for %u ms", x->limits.read_ms);
		finish(t, x);
	}
}

static void look_at_all(struct http_thread *t)
{
	struct list *next;

	for (struct list *n = t->working.next; n != &t->working; n = next) {
		next = n->next;
		look_at(t, LIST_ITEM(n, struct http_transfer, working));
	}
}

/* Sees to answers that were left. Returns for how long they can wait. */
static int patience_ms(struct http_thread *t)
{
	uint64_t now_us = t->left_us ? loop_real_us() : 0;
	int left_ms = IDLE_MS;

	if (t->left_us && now_us - t->left_us < PATIENCE_MS * 1000) {
		left_ms = (int)(PATIENCE_MS - (now_us - t->left_us) / 1000);
	} else if (t->left_us) {
		t->left_us = 0;
		mq_wake_waiting(t->answers);
	}
	return left_ms;
}

/* For how long nobody need listen for any answer; 0: somebody must. With the lock. */
static int deaf_ms(struct http_thread *t)
{
	uint64_t now_us = loop_real_us();
	int least_ms = list_empty(&t->working) ? 0 : PATIENCE_MS;

	for (struct list *n = t->working.next; n != &t->working && least_ms; n = n->next) {
		struct http_transfer *x = LIST_ITEM(n, struct http_transfer, working);
		uint64_t waited_ms;

		if (!x->patient || !x->sent)
			return 0;
		if (!x->unheard_us)
			x->unheard_us = now_us;
		waited_ms = (now_us - x->unheard_us) / 1000;
		if (waited_ms >= PATIENCE_MS)
			return 0;
		if (PATIENCE_MS - (int)waited_ms < least_ms)
			least_ms = PATIENCE_MS - (int)waited_ms;
	}
	return least_ms;
}

/* Returns whether it slept. */
static bool sleep_deaf(struct http_thread *t, struct curl_waitfd *wake, int most_ms)
{
	long timer_ms = -1;
	int ms;

	pthread_mutex_lock(&t->lock);
	ms = deaf_ms(t);
	t->deaf = ms > 0;
	pthread_mutex_unlock(&t->lock);
	if (!ms)
		return false;
	curl_multi_timeout(t->multi, &timer_ms);
	if (timer_ms >= 0 && timer_ms < ms)
		ms = (int)timer_ms;
	curl_multi_wait(t->nobody, wake, 1, ms < most_ms ? ms : most_ms, NULL);
	pthread_mutex_lock(&t->lock);
	t->deaf = false;
	pthread_mutex_unlock(&t->lock);
	return true;
}

static void sleep_until_needed(struct http_thread *t)
{
	struct curl_waitfd wake = { .fd = t->wake, .events = CURL_WAIT_POLLIN };
	int most_ms = list_empty(&t->working) ? IDLE_MS : TICK_MS, patient_ms = patience_ms(t);
	uint64_t count;

	if (patient_ms < most_ms)
		most_ms = patient_ms;
	if (!sleep_deaf(t, &wake, most_ms))
		curl_multi_wait(t->multi, &wake, 1, most_ms, NULL);
	if (wake.revents && read(t->wake, &count, sizeof(count)) < 0)
		assert(errno == EAGAIN);
}

static void *run(void *arg)
{
	struct http_thread *t = arg;
	int running = 0;

	while (take_commands(t)) {
		curl_multi_perform(t->multi, &running);
		collect(t);
		look_at_all(t);
		sleep_until_needed(t);
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
	http_easies_init(&t->easies, ca_file && *ca_file ? ca_file : "/etc/ssl/certs/ca-certificates.crt");
	pthread_mutex_init(&t->lock, NULL);
	list_init(&t->commands);
	list_init(&t->working);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = t->wake < 0 ? errno : 0;
	t->multi = curl_multi_init();
	t->nobody = curl_multi_init();
	err = t->multi && t->nobody ? err : ENOMEM;
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

/* With the lock. Returns whether the thread has to be woken. */
static bool command(struct http_thread *t, struct http_transfer *x)
{
	bool first = !t->woken;

	list_append(&t->commands, &x->command);
	t->woken = true;
	return first;
}

void http_thread_wake(struct http_thread *t)
{
	uint64_t one = 1;

	if (write(t->wake, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

bool http_thread_add(struct http_thread *t, struct http_transfer *x)
{
	bool sleeps;

	pthread_mutex_lock(&t->lock);
	sleeps = command(t, x);
	pthread_mutex_unlock(&t->lock);
	return sleeps;
}

bool http_thread_hurry(struct http_thread *t, struct http_transfer *x)
{
	bool deaf;

	pthread_mutex_lock(&t->lock);
	x->patient = false;
	deaf = t->deaf;
	t->deaf = false;
	pthread_mutex_unlock(&t->lock);
	return deaf;
}

void http_thread_stop(struct http_thread *t, struct http_transfer *x, enum http_error error)
{
	bool sleeps = false;

	pthread_mutex_lock(&t->lock);
	if (!x->stop)
		x->stop = error;
	if (!x->finished && list_empty(&x->command))
		sleeps = command(t, x);
	pthread_mutex_unlock(&t->lock);
	if (sleeps)
		http_thread_wake(t);
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
		http_thread_wake(t);
		pthread_join(t->id, NULL);
	}
	while (!list_empty(&t->working))
		leave(t, LIST_ITEM(list_first(&t->working), struct http_transfer, working));
	http_easies_free(&t->easies);
	curl_multi_cleanup(t->multi);
	curl_multi_cleanup(t->nobody);
	pthread_mutex_destroy(&t->lock);
	if (t->wake >= 0)
		close(t->wake);
	curl_global_cleanup();
	free(t);
}
