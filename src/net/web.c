#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/handle.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mq.h"
#include "net/addr.h"
#include "net/tls.h"
#include "net/web_impl.h"

enum {
	MAX_WAITING = 256, /* requests on their way to the loop */
	MAX_CONNECTIONS = 512,
	MAX_BODY_BYTES = 1 << 20,
	MAX_QUEUED_BYTES = 1 << 20, /* of a stream whose client does not read */
	STREAM_LOOK_S = 2,          /* between looks at whether the client of a stream is still there */
	ANSWER_LIMIT_S = 5,
	CLIENT_LIMIT_S = 5, /* for a client to send its request, to read the answer, or to stay idle */
};

/* --- to the loop --- */

void web_news_free(struct news *n)
{
	if (n)
		buf_free(&n->body);
	free(n);
}

static void free_news(struct news *n)
{
	struct news *next;

	for (; n; n = next) {
		next = n->next;
		web_news_free(n);
	}
}

/* 0, or EAGAIN when too many requests wait. Takes n over on success. */
static int tell_loop(struct web *w, struct news *n)
{
	const char bell = 0;
	int err = 0;

	pthread_mutex_lock(&w->lock);
	if (!n->gone && w->requests_waiting >= MAX_WAITING)
		err = EAGAIN;
	if (!err) {
		w->requests_waiting += !n->gone;
		n->next = NULL;
		*w->last_news = n;
		w->last_news = &n->next;
	}
	pthread_mutex_unlock(&w->lock);
	if (!err)
		mq_send(w->bell, &bell); /* when it is full it has been rung and not yet heard */
	return err;
}

static struct news *take_news(struct web *w)
{
	struct news *list;

	pthread_mutex_lock(&w->lock);
	list = w->news;
	w->news = NULL;
	w->last_news = &w->news;
	w->requests_waiting = 0;
	pthread_mutex_unlock(&w->lock);
	return list;
}

static void deliver(void *arg, void *msg)
{
	struct web *w = arg;
	struct news *n, *next;

	for (n = take_news(w); n; n = next) {
		next = n->next;
		if (n->gone && w->gone)
			w->gone(w->arg, n->request.id);
		else if (!n->gone)
			w->on_request(w->arg, &n->request);
		web_news_free(n);
	}
}

/* --- answers --- */

static struct reply *reply_new(uint64_t id, enum reply_kind kind, const struct web_answer *a)
{
	struct reply *r = calloc(1, sizeof(*r) + LWS_PRE + CHUNK_ROOM + a->body.n + 2);

	if (!r)
		return NULL;
	r->id = id;
	r->kind = kind;
	r->fd = -1;
	r->status = a->status;
	str_copy(r->type, sizeof(r->type), str_of(a->content_type));
	str_copy(r->header, sizeof(r->header), str_of(a->header));
	str_copy(r->value, sizeof(r->value), str_of(a->value));
	r->n = a->body.n;
	if (r->n)
		memcpy(web_reply_bytes(r), a->body.p, r->n);
	return r;
}

void web_reply_free(struct reply *r)
{
	if (r && r->fd >= 0)
		close(r->fd);
	free(r);
}

static void want_to_write(struct lws *wsi)
{
	lws_rx_flow_control(wsi, 1); /* else it would not write either */
	lws_callback_on_writable(wsi);
}

static void give_reply(struct lws *wsi, struct exchange *x, struct reply *r)
{
	if (x->reply) {
		web_reply_free(r); /* the loop answered after the time was up */
		return;
	}
	x->reply = r;
	if (r->kind == REPLY_STREAM) {
		x->close = true;
		lws_set_timer_usecs(wsi, STREAM_LOOK_S * LWS_USEC_PER_SEC);
	} else {
		lws_set_timer_usecs(wsi, LWS_SET_TIMER_USEC_CANCEL);
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, CLIENT_LIMIT_S);
	}
	want_to_write(wsi);
}

static void give_piece(struct lws *wsi, struct exchange *x, struct reply *r)
{
	if (!x->reply || x->reply->kind != REPLY_STREAM || x->head_only) {
		web_reply_free(r);
		return;
	}
	x->queued_bytes += r->n;
	*x->last = r;
	x->last = &r->next;
	if (x->queued_bytes > MAX_QUEUED_BYTES)
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	else
		want_to_write(wsi);
}

/* An answer of our own. Returns what the callback returns. */
static int answer(struct lws *wsi, struct exchange *x, int status, const char *error)
{
	char body[80];
	int n = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", error);
	const struct web_answer a = { status, "application/json", { body, (size_t)n }, NULL, NULL };
	struct reply *r = reply_new(0, REPLY_WHOLE, &a);

	if (!r)
		return -1;
	give_reply(wsi, x, r);
	return 0;
}

static void drop_pieces(struct exchange *x)
{
	struct reply *next;

	for (struct reply *r = x->pieces; r; r = next) {
		next = r->next;
		web_reply_free(r);
	}
	x->pieces = NULL;
	x->last = &x->pieces;
}

void web_drop(struct slot *slot)
{
	struct exchange *x = slot ? slot->exchange : NULL;

	if (!x)
		return;
	slot->exchange = NULL;
	/* A stream that was not ended: its news were kept to say so, which needs no memory now. */
	if (x->id && x->news && x->reply && x->reply->kind == REPLY_STREAM) {
		x->news->gone = true;
		if (!tell_loop(x->web, x->news))
			x->news = NULL;
	}
	if (x->id)
		handle_remove(x->web->exchanges, x->id);
	web_news_free(x->news);
	drop_pieces(x);
	web_reply_free(x->reply);
	free(x);
}

/* --- requests --- */

/* Hand the request over. A small piece of news stays for the day the client of a stream leaves. */
static int hand_over(struct web *w, struct exchange *x)
{
	struct news *n = x->news, *left = calloc(1, sizeof(*left));
	int err = left ? 0 : ENOMEM;

	if (err)
		return err;
	n->request.id = left->request.id = x->id;
	n->request.authorization = n->authorization;
	n->request.body = n->body.len ? buf_view(&n->body) : STR("");
	err = tell_loop(w, n);
	if (err) {
		free(left);
		return err;
	}
	x->news = left;
	return 0;
}

static int ask_loop(struct web *w, struct lws *wsi, struct slot *slot)
{
	struct exchange *x = slot->exchange;

	if (!x || x->reply || x->id)
		return 0;
	/* libwebsockets neither reads while an answer is due nor notices that the client has left, but wakes for
	 * both, again and again. With reading off it sleeps, and still notices a connection that was reset. */
	lws_rx_flow_control(wsi, 0);
	/* From here on only our own limit counts. */
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	lws_set_timer_usecs(wsi, ANSWER_LIMIT_S * LWS_USEC_PER_SEC);
	if (handle_add(w->exchanges, wsi, &x->id))
		return -1;
	if (hand_over(w, x))
		return answer(wsi, x, 503, "too many requests wait");
	return 0;
}

/* 0, or the status to refuse the request with. */
static int read_request(struct lws *wsi, struct exchange *x)
{
	struct web_request *r = &x->news->request;
	static const char *const methods[] = {
		[LWSHUMETH_GET] = "GET",         [LWSHUMETH_POST] = "POST",   [LWSHUMETH_OPTIONS] = "OPTIONS",
		[LWSHUMETH_PUT] = "PUT",         [LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
		[LWSHUMETH_CONNECT] = "CONNECT", [LWSHUMETH_HEAD] = "HEAD",
	};
	char *uri = NULL;
	int n = 0, method = lws_http_get_uri_and_method(wsi, &uri, &n);

	x->head_only = method == LWSHUMETH_HEAD;
	if (method < 0 || method >= (int)ARRAY_LEN(methods) || !uri || n < 1)
		return 400;
	if ((size_t)n >= sizeof(r->path) || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) >= (int)sizeof(r->query))
		return 414;
	if (memchr(uri, 0, (size_t)n))
		return 400;
	str_copy(r->method, sizeof(r->method), str_of(methods[method]));
	str_copy(r->path, sizeof(r->path), (struct str){ uri, (size_t)n });
	return 0;
}

/* What else the loop wants to know; 0, or the status to refuse the request with. */
static int read_headers(struct lws *wsi, struct exchange *x)
{
	struct news *n = x->news;
	char version[16] = "";

	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) >= MAX_AUTHORIZATION)
		return 400;
	lws_hdr_copy(wsi, n->authorization, sizeof(n->authorization), WSI_TOKEN_HTTP_AUTHORIZATION);
	if (lws_hdr_copy(wsi, n->request.query, sizeof(n->request.query), WSI_TOKEN_HTTP_URI_ARGS) < 0)
		n->request.query[0] = '\0';
	/* What does not fit is not copied at all, and then nothing special is wanted. */
	lws_hdr_copy(wsi, n->request.accept, sizeof(n->request.accept), WSI_TOKEN_HTTP_ACCEPT);
	if (lws_hdr_copy(wsi, x->range, sizeof(x->range), WSI_TOKEN_HTTP_RANGE) < 0)
		x->range[0] = '\0'; /* longer than any that is granted */
	lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_HTTP);
	x->chunked = str_is(str_of(version), "HTTP/1.1");
	buf_init(&n->body, MAX_BODY_BYTES);
	return 0;
}

/* The length of the body that is still to come, or -1: no length that we would wait for. */
static long body_length(struct lws *wsi)
{
	char text[24];
	uint32_t n;

	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
		return -1;
	if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
		return 0;
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) < 0 || str_u32(str_of(text), &n) ||
	    n > MAX_BODY_BYTES)
		return -1;
	return (long)n;
}

static int on_http(struct web *w, struct lws *wsi, struct slot *slot)
{
	long body = body_length(wsi);
	struct exchange *x;
	int status;

	web_drop(slot);
	x = calloc(1, sizeof(*x));
	if (!x)
		return -1;
	x->web = w;
	x->last = &x->pieces;
	slot->exchange = x;
	x->news = calloc(1, sizeof(*x->news));
	if (!x->news)
		return -1;
	status = read_request(wsi, x);
	if (!status)
		status = read_headers(wsi, x);
	/* What follows cannot be told from a next request when its length is unknown. */
	x->close = status || body < 0;
	if (status)
		return answer(wsi, x, status, status == 414 ? "path too long" : "bad request");
	if (body < 0)
		return answer(wsi, x, 413, "body too large or of unknown length");
	return body ? 0 : ask_loop(w, wsi, slot); /* else when the body has come */
}

/* Whatever lies unread before the end, the close of TLS or more of a client who should be listening. */
static bool has_left(struct lws *wsi)
{
	struct tcp_info info = { .tcpi_state = TCP_ESTABLISHED };
	socklen_t n = sizeof(info);

	return !getsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_INFO, &info, &n) &&
	       info.tcpi_state != TCP_ESTABLISHED;
}

static int on_time_up(struct web *w, struct lws *wsi, struct slot *slot)
{
	struct exchange *x = slot->exchange;

	if (!x || (x->reply && x->reply->kind != REPLY_STREAM))
		return 0;
	if (!x->reply)
		return answer(wsi, x, 504, "no answer in time");
	/* Nobody reads from the client of a stream, so that he has left must be looked for. */
	if (has_left(wsi))
		return -1;
	lws_set_timer_usecs(wsi, STREAM_LOOK_S * LWS_USEC_PER_SEC);
	return 0;
}

static int on_body(struct slot *slot, const void *in, size_t n)
{
	struct exchange *x = slot->exchange;

	if (!x || x->id || x->reply || !x->news)
		return 0;
	buf_add(&x->news->body, in, n);
	return x->news->body.failed ? -1 : 0;
}

static int on_end(struct web *w, struct lws *wsi, struct slot *slot)
{
	web_drop(slot);
	return 0;
}

static int on_ssl_ctx(struct web *w, SSL_CTX *c)
{
	web_tls_follow(c, &w->tls);
	web_tls_forget_sessions(c);
	return 0;
}

/* WebSocket and HTTP/2 without TLS. More than 0: answered, and the connection goes on as before. */
static int on_upgrade(struct web *w, struct lws *wsi, struct slot *slot)
{
	return lws_return_http_status(wsi, HTTP_STATUS_NOT_IMPLEMENTED, NULL) ? -1 : 1;
}

static struct reply *take_replies(struct web *w)
{
	struct reply *list;

	pthread_mutex_lock(&w->lock);
	list = w->replies;
	w->replies = NULL;
	w->last = &w->replies;
	pthread_mutex_unlock(&w->lock);
	return list;
}

/* The client left before his answer came. Who began a stream for him wants to know. */
static void nobody_there(struct web *w, struct reply *r)
{
	struct news *n = r->kind == REPLY_STREAM ? calloc(1, sizeof(*n)) : NULL;

	if (n) {
		n->gone = true;
		n->request.id = r->id;
		tell_loop(w, n);
	}
	web_reply_free(r);
}

/* Comes once for each listener; the first one finds them all. */
static int on_mail(struct web *w, struct lws *wsi, struct slot *slot)
{
	struct reply *r, *next;

	web_listen_mail(w);
	for (r = take_replies(w); r; r = next) {
		struct lws *to = handle_get(w->exchanges, r->id);
		struct slot *his = to ? lws_wsi_user(to) : NULL;

		next = r->next;
		r->next = NULL;
		if (!his || !his->exchange)
			nobody_there(w, r);
		else if (r->kind == REPLY_PIECE || r->kind == REPLY_END)
			give_piece(to, his->exchange, r);
		else
			give_reply(to, his->exchange, r);
	}
	return 0;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	static const struct {
		enum lws_callback_reasons reason;
		int (*fn)(struct web *w, struct lws *wsi, struct slot *slot);
	} table[] = {
		{ LWS_CALLBACK_FILTER_NETWORK_CONNECTION, web_listen_filter },
		{ LWS_CALLBACK_HTTP, on_http },
		{ LWS_CALLBACK_HTTP_BODY_COMPLETION, ask_loop },
		{ LWS_CALLBACK_HTTP_WRITEABLE, web_on_writable },
		{ LWS_CALLBACK_TIMER, on_time_up },
		{ LWS_CALLBACK_CLOSED_HTTP, on_end },
		{ LWS_CALLBACK_HTTP_DROP_PROTOCOL, on_end },
		{ LWS_CALLBACK_HTTP_CONFIRM_UPGRADE, on_upgrade },
		{ LWS_CALLBACK_EVENT_WAIT_CANCELLED, on_mail },
	};

	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
		return on_ssl_ctx(lws_context_user(lws_get_context(wsi)), user);
	if (reason == LWS_CALLBACK_HTTP_BODY)
		return on_body(user, in, len);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].reason == reason)
			return table[i].fn(lws_context_user(lws_get_context(wsi)), wsi, user);
	return 0;
}

static const struct lws_protocols protocols[] = {
	{ .name = "http", .callback = callback, .per_session_data_size = sizeof(struct slot) },
	{ .name = NULL },
};

/* --- life --- */

/* Only what is wrong with ourselves; broken clients are no news. */
static void lws_line(int level, const char *line)
{
	struct str s = str_trim(str_of(line));

	/* It counts too many headers among its own errors. */
	if (str_starts(s, "Ran out of header data space"))
		return;
	log_printf(LOG_WARN, NULL, "libwebsockets: %.*s", STR_ARG(s));
}

void web_log_errors(void)
{
	lws_set_log_level(LLL_ERR, lws_line);
}

static void *run(void *arg)
{
	struct web *w = arg;

	while (!atomic_load(&w->stop) && lws_service(w->context, 0) >= 0)
		;
	return NULL;
}

/* libwebsockets tells failures to listen by log lines only. */
int web_try_bind(const struct addr *a)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, err = 0;

	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) || bind(fd, &a->sa, addr_len(a)) || listen(fd, 1))
		err = errno;
	close(fd);
	return err;
}

int web_listen_at(struct web *w, const char *text, uint16_t *port)
{
	struct web_listener *l;
	struct lws_context_creation_info info = {
		.protocols = protocols,
		.finalize = web_listener_ended,
		.options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
		.alpn = "http/1.1",
		.keepalive_timeout = CLIENT_LIMIT_S,
		.timeout_secs = CLIENT_LIMIT_S,
		.timeout_secs_ah_idle =
			CLIENT_LIMIT_S, /* else 10 s until the head has come, a handshake of TLS included */
	};
	struct lws_vhost *vhost;
	struct addr a;
	bool secure;
	int err = addr_parse_port(&a, web_listen_place(text, &secure), 0);

	if (!err)
		err = web_try_bind(&a);
	if (err)
		return err;
	l = web_listener_new(w, text);
	if (!l)
		return ENOMEM;
	info.vhost_name = l->text;
	info.finalize_arg = l;
	if (!addr_is_v6(&a))
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	if (secure)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	info.iface = addr_is_any(&a) ? NULL : addr_host(&a, l->host);
	info.port = addr_port(&a);
	vhost = lws_create_vhost(w->context, &info);
	if (!vhost) {
		free(l);
		return EADDRINUSE; /* taken since we tried */
	}
	*port = (uint16_t)lws_get_vhost_listen_port(vhost);
	web_listener_opened(l, vhost);
	return 0;
}

/* Below the soft limit libwebsockets keeps a table that takes descriptors of any number. One as large as the
 * limit would be indexed by descriptor, and the limit is raised later. */
unsigned web_descriptor_limit(unsigned most)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur <= most)
		return (unsigned)limit.rlim_cur - 1;
	return most;
}

static int open_context(struct web *w)
{
	const struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		/* Without _DO_SSL_GLOBAL_INIT: OpenSSL is ready by itself, vhosts with TLS say so themselves, and of two
		 * contexts that have it the second is not freed whole when the first has gone. */
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.timeout_secs = CLIENT_LIMIT_S, /* for a handshake of TLS */
		.user = w,
		.server_string = "Crosspoint",
		.fd_limit_per_thread = web_descriptor_limit(MAX_CONNECTIONS),
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
	};

	/* Mail comes to vhosts, so one must be there when no listener is. */
	const struct lws_context_creation_info mailbox = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.vhost_name = "mail",
	};

	web_log_errors();
	w->context = lws_create_context(&info);
	return w->context && lws_create_vhost(w->context, &mailbox) ? 0 : ENOMEM;
}

/* Signals are the main thread's. */
int web_start_thread(pthread_t *out, void *(*fn)(void *arg), void *arg, const char *name)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(out, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(*out, name);
	return err;
}

int web_new(struct web **out, struct loop *l, const struct web_listen *listen,
	    void (*on_request)(void *arg, const struct web_request *r), void *arg, char why[128])
{
	struct web *w = calloc(1, sizeof(*w));
	const char *what = "web server";
	int err = ENOMEM;

	if (!w)
		goto out;
	pthread_mutex_init(&w->lock, NULL);
	atomic_init(&w->stop, false);
	w->last = &w->replies;
	w->last_news = &w->news;
	w->on_request = on_request;
	w->arg = arg;
	list_init(&w->listeners);
	w->tls = listen->tls ? tls_ctx_share(listen->tls) : NULL;
	w->ports = calloc(listen->count + 1, sizeof(*w->ports));
	if (!w->ports || handle_table_new(&w->exchanges, 0) || web_listen_init(w, listen))
		goto out;
	err = mq_new(&w->bell, l, 1, 1, deliver, w);
	if (!err)
		err = open_context(w);
	for (size_t i = 0; i < listen->count && !err; i++) {
		what = listen->texts[i];
		err = web_listen_at(w, what, &w->ports[w->port_count++]);
	}
	if (!err)
		err = web_start_thread(&w->thread, run, w, "web");
	if (err)
		goto out;
	w->running = true;
	*out = w;
	w = NULL;
out:
	if (err)
		snprintf(why, 128, "%s: %s", what, strerror(err));
	web_free(&w);
	return err;
}

/* r NULL: no memory, and the client gets its 504. */
static void post_reply(struct web *w, struct reply *r)
{
	bool first;

	if (!r)
		return;
	pthread_mutex_lock(&w->lock);
	first = !w->replies;
	*w->last = r;
	w->last = &r->next;
	pthread_mutex_unlock(&w->lock);
	if (first)
		lws_cancel_service(w->context);
}

static void post(struct web *w, uint64_t id, enum reply_kind kind, const struct web_answer *a)
{
	post_reply(w, reply_new(id, kind, a));
}

void web_reply_file(struct web *w, uint64_t id, int fd, uint64_t size_bytes, const char *content_type)
{
	struct reply *r = reply_new(id, REPLY_FILE, &(struct web_answer){ 200, content_type, STR(""), NULL, NULL });

	if (!r) {
		close(fd);
		return;
	}
	r->fd = fd;
	r->size_bytes = size_bytes;
	post_reply(w, r);
}

void web_reply_with(struct web *w, uint64_t id, const struct web_answer *a)
{
	post(w, id, REPLY_WHOLE, a);
}

void web_reply(struct web *w, uint64_t id, int status, const char *content_type, struct str body)
{
	post(w, id, REPLY_WHOLE, &(struct web_answer){ status, content_type, body, NULL, NULL });
}

void web_on_gone(struct web *w, void (*gone)(void *arg, uint64_t id))
{
	w->gone = gone;
}

void web_stream_start(struct web *w, uint64_t id, const char *content_type)
{
	post(w, id, REPLY_STREAM, &(struct web_answer){ 200, content_type, STR(""), NULL, NULL });
}

void web_stream_send(struct web *w, uint64_t id, struct str piece)
{
	/* An empty chunk would end the stream. */
	if (piece.n)
		post(w, id, REPLY_PIECE, &(struct web_answer){ .content_type = "", .body = piece });
}

void web_stream_end(struct web *w, uint64_t id)
{
	post(w, id, REPLY_END, &(struct web_answer){ .content_type = "", .body = STR("") });
}

uint16_t web_port(const struct web *w, size_t n)
{
	assert(n < w->port_count);
	return w->ports[n];
}

void web_free(struct web **pw)
{
	struct web *w = *pw;
	struct reply *r, *next;

	if (!w)
		return;
	*pw = NULL;
	atomic_store(&w->stop, true);
	if (w->running) {
		lws_cancel_service(w->context);
		pthread_join(w->thread, NULL);
	}
	if (w->context)
		lws_context_destroy(w->context);
	for (r = take_replies(w); r; r = next) {
		next = r->next;
		web_reply_free(r);
	}
	web_listen_done(w);
	free_news(take_news(w));
	mq_free(&w->bell);
	handle_table_free(&w->exchanges);
	pthread_mutex_destroy(&w->lock);
	free(w->ports);
	free(w);
}
