/* The side of ws_client that libwebsockets runs on. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "base/map.h"
#include "net/tls.h"
#include "net/web_impl.h"
#include "net/ws_client_impl.h"
#include "net/ws_feed.h"

enum {
	HANDSHAKE_S = 30, /* the owner's deadline comes first */
	LINGER_S = 2,
	SEND_BYTES = 16 * 1024, /* what the kernel holds back is old audio for a server that is slow */
	MAX_HEADERS = 16 * 1024,
	SPARE = 16, /* descriptors of connections that are on their way out */
};

#define PROTOCOL "audio" /* the name of ours, never sent */

static struct ws_serve *serve_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

static struct str key_of(const uint64_t *id)
{
	return (struct str){ (const char *)id, sizeof(*id) };
}

/* --- the end of a connection --- */

void ws_link_free(struct ws_link *k)
{
	struct ws_order *next;

	if (!k)
		return;
	if (k->feed)
		ws_feed_shut(k->feed);
	ws_feed_drop(&k->feed);
	free(k->frame);
	for (struct ws_order *o = k->out; o; o = next) {
		next = o->next;
		free(o);
	}
	buf_free(&k->in);
	free(k->farewell);
	free(k);
}

static void blame(struct ws_link *k, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The first reason counts. */
static void blame(struct ws_link *k, const char *fmt, ...)
{
	va_list ap;

	if (k->farewell->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(k->farewell->why, sizeof(k->farewell->why), fmt, ap);
	va_end(ap);
}

static void link_end(struct ws_serve *s, struct ws_link *k)
{
	struct ws_report *last = k->farewell;

	blame(k, "%s", k->established ? "the WebSocket connection broke" : "no WebSocket handshake");
	k->farewell = NULL;
	map_take(s->links, key_of(&k->id));
	list_remove(&k->node);
	ws_link_free(k);
	ws_tell(s, last);
}

/* libwebsockets sets the same timer at each step of the handshake, so until that is over `closing` is asked, too. */
static void kill_soon(struct ws_link *k, int within_s)
{
	k->closing = true;
	lws_set_timeout(k->wsi, PENDING_TIMEOUT_USER_OK, within_s);
}

/* Not from inside of libwebsockets' closing: the mail does it. */
static bool takes_next_address(struct ws_link *k)
{
	if (k->asked || k->closing || k->addr_at + 1 >= k->addr_count)
		return false;
	k->farewell->why[0] = '\0';
	k->addr_at++;
	k->next_address = true;
	ws_wake(k->of);
	return true;
}

static int on_destroyed(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	lws_set_opaque_user_data(wsi, NULL);
	k->wsi = NULL;
	if (!takes_next_address(k))
		link_end(serve_of(wsi), k);
	return 0;
}

static int on_peer_close(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	const unsigned char *p = in;

	if (n >= 2 && !k->farewell->code)
		k->farewell->code = (uint16_t)(p[0] << 8 | p[1]);
	blame(k, "the server closed the WebSocket");
	return 0;
}

/* --- the handshake --- */

static int on_failed(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	unsigned status = lws_http_client_http_response(wsi);

	if (k->asked && status && status != 101)
		blame(k, "the server answered %u to the WebSocket handshake", status);
	else
		blame(k, "%s: %.*s", k->asked ? "no WebSocket handshake" : "cannot connect", in ? (int)n : 7,
		      in ? (const char *)in : "unknown");
	return 0;
}

/* The address was judged; where the server would send us was not. */
static int on_redirect(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	blame(k, "the server answered %u to the WebSocket handshake", lws_http_client_http_response(wsi));
	return 1;
}

static int on_headers(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	unsigned char **p = (unsigned char **)(uintptr_t)in;

	k->asked = true;
	if (!k->authorization[0])
		return 0;
	return lws_add_http_header_by_name(wsi, (const unsigned char *)"Authorization:",
					   (const unsigned char *)k->authorization, (int)strlen(k->authorization), p,
					   *p + n);
}

static void report(struct ws_link *k, struct ws_report *r, enum ws_news news)
{
	r->conn = k->conn;
	r->news = news;
	ws_tell(k->of, r);
}

static int on_established(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	struct ws_report *r = calloc(1, sizeof(*r));
	int bytes = SEND_BYTES;

	if (!r || k->closing) {
		free(r);
		return -1;
	}
	k->established = true;
	setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	report(k, r, WS_NEWS_OPENED);
	lws_callback_on_writable(wsi);
	return 0;
}

/* What the certificate lacks, for the sentence; it stays refused. */
static int on_certificate(struct lws *wsi, const X509_STORE_CTX *x, bool ok)
{
	struct ws_link *k = lws_get_opaque_user_data(wsi);

	if (!ok && k)
		blame(k, "the certificate of the server: %s",
		      X509_verify_cert_error_string(X509_STORE_CTX_get_error(x)));
	return 0;
}

/* --- messages in --- */

static int refuse(struct lws *wsi, struct ws_link *k, enum lws_close_status code, const char *why)
{
	blame(k, "%s", why);
	lws_close_reason(wsi, code, NULL, 0);
	return -1;
}

static int on_whole(struct lws *wsi, struct ws_link *k, enum ws_kind kind)
{
	struct ws_report *r = calloc(1, sizeof(*r) + k->in.len);

	if (!r)
		return refuse(wsi, k, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "out of memory");
	r->kind = kind;
	r->n = k->in.len;
	if (r->n)
		memcpy(r->data, k->in.data, r->n);
	buf_free(&k->in);
	report(k, r, WS_NEWS_MESSAGE);
	if (--k->credits <= 0 && !k->paused) {
		k->paused = true;
		lws_rx_flow_control(wsi, 0);
	}
	return 0;
}

static int on_receive(struct lws *wsi, struct ws_link *k, const void *in, size_t n)
{
	if (k->closing)
		return 0;
	if (!k->wants_messages) {
		if (k->feed && lws_is_first_fragment(wsi))
			ws_feed_unwanted(k->feed);
		return 0;
	}
	if (lws_is_first_fragment(wsi)) {
		buf_free(&k->in);
		buf_init(&k->in, WS_MAX_MESSAGE);
	}
	if (k->in.len + n > WS_MAX_MESSAGE)
		return refuse(wsi, k, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "a WebSocket message of more than 64 KiB");
	buf_add(&k->in, in, n);
	if (k->in.failed)
		return refuse(wsi, k, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "out of memory");
	if (!lws_is_final_fragment(wsi))
		return 0;
	return on_whole(wsi, k, lws_frame_is_binary(wsi) ? WS_BINARY : WS_TEXT);
}

/* --- messages out --- */

static int write_order(struct lws *wsi, struct ws_link *k)
{
	struct ws_order *o = k->out;
	int sent;

	k->out = o->next;
	k->last = k->out ? k->last : &k->out;
	k->queued_bytes -= o->n;
	sent = lws_write(wsi, o->data + LWS_PRE, o->n, o->kind == WS_TEXT ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
	free(o);
	return sent < 0 ? -1 : 0;
}

static int write_frame(struct lws *wsi, struct ws_link *k, size_t n)
{
	return lws_write(wsi, k->frame + LWS_PRE, n, ws_feed_is_text(k->feed) ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
}

/* One write a callback: messages, then frames, then the end. */
static int on_writable(struct lws *wsi, struct ws_link *k, const void *in, size_t room)
{
	size_t n = 0;

	if (k->out) {
		if (write_order(wsi, k))
			return -1;
	} else if (k->feed && (n = ws_feed_take(k->feed, k->frame + LWS_PRE))) {
		if (write_frame(wsi, k, n) < 0)
			return -1;
	} else if (k->closing) {
		lws_close_reason(wsi, (enum lws_close_status)k->code, NULL, 0);
		return -1;
	}
	if (k->out || k->closing || (k->feed && ws_feed_waiting(k->feed)))
		lws_callback_on_writable(wsi);
	return 0;
}

/* --- orders --- */

static struct lws_vhost *vhost_for(struct ws_serve *s, const struct ws_link *k);

/* Tries the addresses that fail at once, too. */
static void connect_link(struct ws_serve *s, struct ws_link *k)
{
	const uint64_t id = k->id;

	do {
		char host[ADDR_TEXT];
		const struct lws_client_connect_info info = {
			.context = s->context,
			.vhost = vhost_for(s, k),
			.address = addr_host(&k->addrs[k->addr_at], host),
			.port = addr_port(&k->addrs[k->addr_at]),
			.path = k->path,
			.host = k->host,
			.local_protocol_name = PROTOCOL,
			.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (k->secure ? LCCSCF_USE_SSL : 0),
			.alpn = "http/1.1",
			.retry_and_idle_policy = &s->liveness,
			.opaque_user_data = k,
		};

		k->next_address = false;
		if (info.vhost && lws_client_connect_via_info(&info))
			return;
		/* It tells of what it had made only. */
		k = map_get(s->links, key_of(&id));
		if (!k)
			return;
		if (!k->next_address && !takes_next_address(k)) {
			blame(k, "cannot connect");
			link_end(s, k);
			return;
		}
	} while (k->next_address);
}

static void open_link(struct ws_serve *s, struct ws_order *o)
{
	struct ws_link *k = o->link;

	o->link = NULL;
	list_append(&s->all, &k->node);
	if (!s->context || map_put(s->links, key_of(&k->id), k)) {
		blame(k, "out of memory");
		link_end(s, k);
		return;
	}
	connect_link(s, k);
}

static void queue(struct ws_link *k, struct ws_order *o)
{
	o->next = NULL;
	*k->last = o;
	k->last = &o->next;
	k->queued_bytes += o->n;
	if (k->queued_bytes > WS_MAX_WAITING) {
		blame(k, "the server does not read");
		if (k->wsi)
			kill_soon(k, LWS_TO_KILL_ASYNC);
		k->closing = true;
	} else if (k->established) {
		lws_callback_on_writable(k->wsi);
	}
}

static void credit(struct ws_link *k, size_t n)
{
	k->credits += (int)n;
	if (k->paused && k->wsi)
		lws_rx_flow_control(k->wsi, 1);
	k->paused = false;
}

static void close_link(struct ws_serve *s, struct ws_link *k, uint16_t code)
{
	k->code = code;
	if (k->feed)
		ws_feed_shut(k->feed); /* what is in it still goes out */
	if (!k->wsi) {
		link_end(s, k);
		return;
	}
	credit(k, 0);
	if (k->established)
		lws_callback_on_writable(k->wsi);
	kill_soon(k, k->established ? LINGER_S : LWS_TO_KILL_ASYNC);
}

static void obey(struct ws_serve *s, struct ws_order *o)
{
	struct ws_link *k = map_get(s->links, key_of(&o->id));

	switch (o->verb) {
	case WS_ORDER_OPEN:
		open_link(s, o);
		break;
	case WS_ORDER_SEND:
		if (k && !k->closing) {
			queue(k, o);
			return;
		}
		break;
	case WS_ORDER_CREDIT:
		if (k)
			credit(k, o->n);
		break;
	case WS_ORDER_CLOSE:
		if (k)
			close_link(s, k, o->code);
		break;
	}
	ws_order_free(o);
}

static void look_at_links(struct ws_serve *s)
{
	struct list *next;

	for (struct list *n = s->all.next; n != &s->all; n = next) {
		struct ws_link *k = LIST_ITEM(n, struct ws_link, node);

		next = n->next;
		if (k->next_address)
			connect_link(s, k);
		else if (k->established && k->feed && ws_feed_waiting(k->feed))
			lws_callback_on_writable(k->wsi);
	}
}

/* Comes once for each protocol of each virtual host; the first one finds it all. */
static int on_mail(struct ws_serve *s)
{
	struct ws_order *next;

	if (!atomic_exchange(&s->rung, false))
		return 0;
	for (struct ws_order *o = ws_take_orders(s); o; o = next) {
		next = o->next;
		o->next = NULL;
		obey(s, o);
	}
	look_at_links(s);
	return 0;
}

/* --- libwebsockets --- */

/* Of all other reasons nothing is wanted; their wsi may be a dummy without our data. */
static const struct {
	enum lws_callback_reasons reason;
	int (*fn)(struct lws *wsi, struct ws_link *k, const void *in, size_t n);
} table[] = {
	{ LWS_CALLBACK_CLIENT_CONNECTION_ERROR, on_failed },
	{ LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER, on_headers },
	{ LWS_CALLBACK_CLIENT_HTTP_REDIRECT, on_redirect },
	{ LWS_CALLBACK_CLIENT_ESTABLISHED, on_established },
	{ LWS_CALLBACK_CLIENT_RECEIVE, on_receive },
	{ LWS_CALLBACK_CLIENT_WRITEABLE, on_writable },
	{ LWS_CALLBACK_WS_PEER_INITIATED_CLOSE, on_peer_close },
	{ LWS_CALLBACK_WSI_DESTROY, on_destroyed },
};

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
	if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED)
		return on_mail(serve_of(wsi));
	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS) {
		tls_tune(user);
		return 0;
	}
	if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION)
		return on_certificate(wsi, user, n);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct ws_link *k = table[i].reason == reason ? lws_get_opaque_user_data(wsi) : NULL;

		if (!k)
			continue;
		k->wsi = wsi;
		return table[i].fn(wsi, k, in, n);
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
	{ .name = PROTOCOL, .callback = callback },
	{ .name = NULL },
};

static struct lws_vhost *vhost_new(struct ws_serve *s, const char *name, uint64_t options)
{
	const struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.vhost_name = name,
		.options = options,
		.alpn = "http/1.1",
		.timeout_secs = HANDSHAKE_S,
		.connect_timeout_secs = HANDSHAKE_S,
		.http_proxy_address =
			":0", /* none, whatever the environment says: the server was judged, not a proxy */
	};

	return lws_create_vhost(s->context, &info);
}

/* Reading the authorities takes its time: by who needs them. NULL = no memory. */
static struct lws_vhost *vhost_for(struct ws_serve *s, const struct ws_link *k)
{
	if (k->secure && !s->secure)
		s->secure = vhost_new(s, "wss", LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT);
	return k->secure ? s->secure : s->plain;
}

static void open_context(struct ws_serve *s)
{
	const struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS, /* TLS: as in web.c */
		.user = s,
		.timeout_secs = HANDSHAKE_S,
		.max_http_header_data2 = MAX_HEADERS,
		.pt_serv_buf_size = MAX_HEADERS,
		.fd_limit_per_thread = web_descriptor_limit(WS_MAX_CONNECTIONS + SPARE),
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
	};

	web_log_errors();
	s->liveness.secs_since_valid_ping = s->ping_after_s;
	s->liveness.secs_since_valid_hangup = s->gone_after_s;
	s->context = lws_create_context(&info);
	if (!s->context)
		return;
	s->plain = vhost_new(s, "ws", 0);
	if (!s->plain) {
		lws_context_destroy(s->context);
		s->context = NULL;
	}
}

void ws_serve_close(struct ws_serve *s)
{
	/* Nobody rings any more when this is done. */
	for (struct list *n = s->all.next; n != &s->all; n = n->next) {
		struct ws_link *k = LIST_ITEM(n, struct ws_link, node);

		k->closing = true; /* and takes no other address */
		if (k->feed)
			ws_feed_shut(k->feed);
	}
	atomic_store(&s->bell, NULL);
	if (s->context)
		lws_context_destroy(s->context);
	s->context = NULL;
	while (!list_empty(&s->all))
		link_end(s, LIST_ITEM(s->all.next, struct ws_link, node));
}

void *ws_serve_run(void *serve)
{
	struct ws_serve *s = serve;

	open_context(s);
	atomic_store(&s->bell, s->context);
	/* What came before there was a bell. */
	atomic_store(&s->rung, true);
	on_mail(s);
	while (s->context && !atomic_load(&s->stop) && lws_service(s->context, 0) >= 0)
		;
	return NULL;
}
