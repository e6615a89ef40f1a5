#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "net/web_impl.h"
#include "net/web_sip_impl.h"

enum {
	HANDSHAKE_S = 10,
	PING_AFTER_S = 60,
	GONE_AFTER_S = 80,
	LINGER_S = 2,
	READ_BYTES = 4096,
	MAX_QUEUE_BYTES = 256 * 1024,
	MAX_HEADERS = 16 * 1024, /* browsers send the cookies of the host */
	MAX_OFFER = 120,         /* of subprotocols: libwebsockets logs an error beyond */
};

#define SUBPROTOCOL "sip" /* RFC 7118 section 4 */

static struct web_sip_server *server_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

static struct str key_of(const uint64_t *id)
{
	return (struct str){ (const char *)id, sizeof(*id) };
}

/* --- the end of a connection --- */

static void drop_queue(struct link *k)
{
	struct order *next;

	for (struct order *o = k->out; o; o = next) {
		next = o->next;
		free(o);
	}
	k->out = NULL;
	k->last = &k->out;
}

void web_sip_link_free(struct link *k)
{
	if (!k)
		return;
	drop_queue(k);
	buf_free(&k->in);
	free(k->farewell);
	free(k);
}

/* The first reason counts. */
static void blame(struct link *k, int err, const char *why)
{
	if (k->farewell->why)
		return;
	k->farewell->err = err;
	k->farewell->why = why;
}

static void link_end(struct web_sip_server *s, struct link *k)
{
	struct report *last = k->farewell;

	blame(k, ECONNRESET, k->established ? "the WebSocket connection broke" : "no WebSocket handshake");
	k->farewell = NULL;
	map_take(s->links, key_of(&k->id));
	list_remove(&k->node);
	web_sip_link_free(k);
	web_sip_tell(s->queues, last);
}

/* libwebsockets sets the same timer at each step of the handshake, so until that is over `closing` is asked, too. */
static void kill_soon(struct link *k, int within_s)
{
	k->closing = true;
	lws_set_timeout(k->wsi, PENDING_TIMEOUT_USER_OK, within_s);
}

static int on_destroyed(struct lws *wsi, struct link *k, const void *in, size_t n)
{
	lws_set_opaque_user_data(wsi, NULL);
	link_end(server_of(wsi), k);
	return 0;
}

static int on_peer_close(struct lws *wsi, struct link *k, const void *in, size_t n)
{
	blame(k, 0, "the WebSocket was closed by the peer");
	return 0;
}

/* --- the handshake --- */

/* Not a WebSocket. What the callback returns: the connection is over. */
static int on_http(struct lws *wsi, struct link *k, const void *in, size_t n)
{
	lws_return_http_status(wsi, 426, NULL);
	return -1;
}

static bool offers(struct lws *wsi, enum lws_token_indexes header, const char *token)
{
	char text[MAX_OFFER];
	struct str rest, part;
	int n = lws_hdr_copy(wsi, text, sizeof(text), header);

	rest = n > 0 ? (struct str){ text, (size_t)n } : STR("");
	while (str_split(&rest, ',', &part))
		if (header == WSI_TOKEN_PROTOCOL ? str_is(str_trim(part), token) : str_iis(str_trim(part), token))
			return true;
	return false;
}

/* 0: libwebsockets may answer with 101. More than 0: answered. What it would complain about in our log is refused
 * here. */
static int on_upgrade(struct lws *wsi, struct link *k, const void *to, size_t n)
{
	bool good = to && !strcasecmp(to, "websocket") && offers(wsi, WSI_TOKEN_CONNECTION, "upgrade") &&
		    offers(wsi, WSI_TOKEN_PROTOCOL, SUBPROTOCOL);

	if (k->closing)
		return -1;
	if (good)
		return 0;
	lws_return_http_status(wsi, HTTP_STATUS_BAD_REQUEST, NULL);
	return -1;
}

static int on_established(struct lws *wsi, struct link *k, const void *in, size_t n)
{
	if (k->closing)
		return -1;
	k->established = true;
	if (k->out)
		lws_callback_on_writable(wsi);
	return 0;
}

/* --- messages in --- */

static int refuse(struct lws *wsi, struct link *k, enum lws_close_status code, const char *why)
{
	blame(k, EPROTO, why);
	lws_close_reason(wsi, code, NULL, 0);
	return -1;
}

static int on_whole(struct lws *wsi, struct link *k)
{
	struct report *r = malloc(sizeof(*r) + k->in.len);

	if (!r)
		return refuse(wsi, k, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "out of memory");
	*r = (struct report){ .id = k->id, .n = k->in.len };
	memcpy(r->data, k->in.data, r->n);
	buf_free(&k->in); /* idle connections keep no memory */
	if (web_sip_tell(k->of->queues, r) && !k->paused) {
		k->paused = true;
		lws_rx_flow_control(wsi, 0);
	}
	return 0;
}

static int on_receive(struct lws *wsi, struct link *k, const void *in, size_t n)
{
	if (k->closing)
		return 0;
	if (lws_is_first_fragment(wsi)) {
		buf_free(&k->in);
		buf_init(&k->in, WEB_SIP_MAX_MESSAGE);
	}
	if (k->in.len + n > WEB_SIP_MAX_MESSAGE)
		return refuse(wsi, k, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "a WebSocket message of more than 64 KiB");
	buf_add(&k->in, in, n);
	if (k->in.failed)
		return refuse(wsi, k, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "out of memory");
	return lws_is_final_fragment(wsi) && k->in.len ? on_whole(wsi, k) : 0;
}

/* --- messages out --- */

/* A text frame with anything else inside would end the connection (RFC 6455 section 8.1). */
static enum lws_write_protocol frame_for(const struct order *o)
{
	const struct str text = { (const char *)o->data + LWS_PRE, o->n };

	return str_is_utf8(text) ? LWS_WRITE_TEXT : LWS_WRITE_BINARY;
}

/* One write a callback. */
static int on_writable(struct lws *wsi, struct link *k, const void *in, size_t n)
{
	struct order *o = k->out;
	int err = 0;

	if (o) {
		k->out = o->next;
		k->last = k->out ? k->last : &k->out;
		k->queued_bytes -= o->n;
		err = lws_write(wsi, o->data + LWS_PRE, o->n, frame_for(o)) < 0;
		free(o);
	} else if (k->closing) {
		lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
		return -1;
	}
	if (k->out || k->closing)
		lws_callback_on_writable(wsi);
	return err ? -1 : 0;
}

/* --- orders --- */

static void adopt(struct web_sip_server *s, struct order *o)
{
	struct link *k = o->link;
	const lws_adopt_desc_t how = {
		.vh = o->secure ? s->secure : s->plain,
		.type = LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET | (o->secure ? LWS_ADOPT_ALLOW_SSL : 0),
		.fd = { .sockfd = o->fd },
		.opaque = k,
	};

	o->link = NULL;
	k->of = s;
	list_append(&s->all, &k->node);
	if (map_put(s->links, key_of(&o->id), k)) {
		close(o->fd);
		blame(k, ENOMEM, "out of memory");
		link_end(s, k);
		return;
	}
	k->wsi = lws_adopt_descriptor_vhost_via_info(&how);
	/* When that fails it has closed the socket, but it tells only of what it had made. */
	if (!k->wsi && map_get(s->links, key_of(&o->id)))
		link_end(s, k);
}

static void queue(struct link *k, struct order *o)
{
	o->next = NULL;
	*k->last = o;
	k->last = &o->next;
	k->queued_bytes += o->n;
	if (k->queued_bytes > MAX_QUEUE_BYTES) {
		blame(k, ENOBUFS, "the peer does not read");
		kill_soon(k, LWS_TO_KILL_ASYNC);
	} else if (k->established) {
		lws_callback_on_writable(k->wsi);
	}
}

static void unpause(struct link *k)
{
	if (k->paused)
		lws_rx_flow_control(k->wsi, 1);
	k->paused = false;
}

static void close_link(struct link *k)
{
	unpause(k);
	if (k->established)
		lws_callback_on_writable(k->wsi);
	kill_soon(k, k->established ? LINGER_S : LWS_TO_KILL_ASYNC);
}

static void obey(struct web_sip_server *s, struct order *o)
{
	struct link *k = o->id ? map_get(s->links, key_of(&o->id)) : NULL;

	switch (o->kind) {
	case ORDER_ADOPT:
		adopt(s, o);
		break;
	case ORDER_SEND:
		if (k && !k->closing) {
			queue(k, o);
			return;
		}
		break;
	case ORDER_CLOSE:
		if (k)
			close_link(k);
		break;
	case ORDER_TLS:
		SSL_CTX_free(s->tls);
		s->tls = o->tls;
		o->tls = NULL;
		break;
	}
	web_sip_order_free(o);
}

/* Comes once for each protocol of each virtual host; the first one finds them all. */
static int on_mail(struct web_sip_server *s)
{
	struct order *next, *o;
	bool resume;

	o = web_sip_take(s->queues, &resume);
	for (; o; o = next) {
		next = o->next;
		o->next = NULL;
		obey(s, o);
	}
	for (struct list *n = s->all.next; resume && n != &s->all; n = n->next)
		unpause(LIST_ITEM(n, struct link, node));
	return 0;
}

/* --- libwebsockets --- */

/* Of all other reasons nothing is wanted; their wsi may be a dummy without our data. */
static const struct {
	enum lws_callback_reasons reason;
	int (*fn)(struct lws *wsi, struct link *k, const void *in, size_t n);
} table[] = {
	{ LWS_CALLBACK_HTTP, on_http },
	{ LWS_CALLBACK_HTTP_CONFIRM_UPGRADE, on_upgrade },
	{ LWS_CALLBACK_ESTABLISHED, on_established },
	{ LWS_CALLBACK_RECEIVE, on_receive },
	{ LWS_CALLBACK_SERVER_WRITEABLE, on_writable },
	{ LWS_CALLBACK_WS_PEER_INITIATED_CLOSE, on_peer_close },
	{ LWS_CALLBACK_WSI_DESTROY, on_destroyed },
};

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
	if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED)
		return on_mail(server_of(wsi));
	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
		web_tls_follow(user, &server_of(wsi)->tls);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct link *k = table[i].reason == reason ? lws_get_opaque_user_data(wsi) : NULL;

		if (k)
			return table[i].fn(wsi, k, in, n);
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
	{ .name = "http", .callback = callback }, /* before the upgrade, and for who offers no subprotocol */
	{ .name = SUBPROTOCOL, .callback = callback, .rx_buffer_size = READ_BYTES },
	{ .name = NULL },
};

static const lws_retry_bo_t liveness = {
	.secs_since_valid_ping = PING_AFTER_S,
	.secs_since_valid_hangup = GONE_AFTER_S,
};

static struct lws_vhost *vhost_new(struct lws_context *context, const char *name, uint64_t options)
{
	const struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.vhost_name = name,
		.options = options,
		.alpn = "http/1.1", /* no browser opens a WebSocket inside HTTP/2 unasked */
		.retry_and_idle_policy = &liveness,
		.keepalive_timeout = HANDSHAKE_S,
		.timeout_secs = HANDSHAKE_S,
	};

	return lws_create_vhost(context, &info);
}

int web_sip_server_open(struct web_sip_server *s, unsigned max_descriptors, uint64_t seed)
{
	const struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.user = s,
		.server_string = "Crosspoint",
		.timeout_secs = HANDSHAKE_S,
		.max_http_header_data2 = MAX_HEADERS,
		.fd_limit_per_thread = max_descriptors,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
	};

	if (map_new(&s->links, seed))
		return ENOMEM;
	web_log_errors();
	s->context = lws_create_context(&info);
	if (!s->context)
		return ENOMEM;
	s->plain = vhost_new(s->context, "ws", 0);
	s->secure = vhost_new(s->context, "wss",
			      LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX);
	return s->plain && s->secure ? 0 : ENOMEM;
}

void web_sip_server_close(struct web_sip_server *s)
{
	if (s->context)
		lws_context_destroy(s->context);
	s->context = NULL;
	map_free(&s->links);
	SSL_CTX_free(s->tls);
	s->tls = NULL;
}

void *web_sip_server_run(void *server)
{
	struct web_sip_server *s = server;

	while (!atomic_load(&s->stop) && lws_service(s->context, 0) >= 0)
		;
	return NULL;
}
