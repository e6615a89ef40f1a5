/* The listeners of the web server, and how a reload changes them while requests are open.
 *
 * The loop only tries addresses and says what it wants; vhosts belong to the web thread. One that is no longer wanted
 * stops listening; connections that stand are served on, and with the last of them it goes. */
#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/handle.h"
#include "base/log.h"
#include "net/tls.h"
#include "net/web_impl.h"

enum { LOOK_US = 10 * 1000 };

/* --- lists of addresses, each one block of memory --- */

struct web_wanted {
	SSL_CTX *tls; /* NULL = none */
	size_t count;
	char texts[][WEB_ADDRESS];
};

static struct web_wanted *wanted_new(const struct web_listen *listen)
{
	struct web_wanted *out = calloc(1, sizeof(*out) + listen->count * WEB_ADDRESS);

	if (!out)
		return NULL;
	out->tls = listen->tls ? tls_ctx_share(listen->tls) : NULL;
	out->count = listen->count;
	for (size_t i = 0; i < listen->count; i++)
		str_copy(out->texts[i], WEB_ADDRESS, str_of(listen->texts[i]));
	return out;
}

static void wanted_free(struct web_wanted *wanted)
{
	if (wanted)
		SSL_CTX_free(wanted->tls);
	free(wanted);
}

static bool wants(const struct web_wanted *wanted, const char *text)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (!strcmp(wanted->texts[i], text))
			return true;
	return false;
}

struct str web_listen_place(const char *text, bool *secure)
{
	struct str s = str_of(text);

	*secure = str_istarts(s, "https:");
	return *secure ? (struct str){ s.p + 6, s.n - 6 } : s;
}

/* --- the web thread --- */

static void log_change(const struct web_listener *l, const char *what)
{
	bool secure;
	struct str place = web_listen_place(l->text, &secure);

	log_printf(LOG_INFO, NULL, "http%s: %.*s %s", secure ? "s" : "", STR_ARG(place), what);
}

struct web_listener *web_listener_new(struct web *w, const char *text)
{
	struct web_listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	list_init(&l->node);
	l->web = w;
	str_copy(l->text, sizeof(l->text), str_of(text));
	return l;
}

void web_listener_opened(struct web_listener *l, struct lws_vhost *vhost)
{
	l->vhost = vhost;
	list_append(&l->web->listeners, &l->node);
	log_change(l, "takes requests");
}

void web_listener_ended(struct lws_vhost *vhost, void *arg)
{
	struct web_listener *l = arg;

	/* Not one that could not be opened: it is still looked at. */
	if (l->vhost == vhost) {
		list_remove(&l->node);
		free(l);
	}
}

static struct web_listener *listener_at(const struct web *w, const char *text)
{
	for (struct list *n = w->listeners.next; n != &w->listeners; n = n->next) {
		struct web_listener *l = LIST_ITEM(n, struct web_listener, node);

		if (!strcmp(l->text, text))
			return l;
	}
	return NULL;
}

int web_listen_filter(struct web *w, struct lws *wsi, struct slot *slot)
{
	const struct lws_vhost *vhost = lws_get_vhost(wsi);

	for (struct list *n = w->listeners.next; n != &w->listeners; n = n->next) {
		struct web_listener *l = LIST_ITEM(n, struct web_listener, node);

		if (l->vhost == vhost && l->retired)
			l->socket = wsi;
		if (l->vhost == vhost)
			return l->retired ? -1 : 0;
	}
	return -1;
}

/* libwebsockets leaves the socket of a vhost that is destroyed listening, and names it to nobody but the filter of
 * connections: so one of ours comes. */
static void knock(const struct web_listener *l)
{
	struct addr a;
	bool secure;
	int fd;

	if (addr_parse_port(&a, web_listen_place(l->text, &secure), 0))
		return;
	addr_set_port(&a, (uint16_t)lws_get_vhost_listen_port(l->vhost));
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	connect(fd, &a.sa, addr_len(&a)); /* to "any" is to ourselves */
	close(fd);
}

static void look(lws_sorted_usec_list_t *sul)
{
	struct web_listener *l = lws_container_of(sul, struct web_listener, look);

	if (!l->socket) { /* all places are taken; or the knock is on its way */
		knock(l);
		lws_sul_schedule(l->web->context, 0, &l->look, look, LOOK_US);
		return;
	}
	lws_set_timeout(l->socket, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
	log_change(l, "is closed");
	list_remove(&l->node);
	lws_vhost_destroy(l->vhost);
}

static void retire(struct web_listener *l)
{
	if (l->retired)
		return;
	l->retired = true;
	l->socket = NULL;
	knock(l);
	log_change(l, "takes no new requests");
	lws_sul_schedule(l->web->context, 0, &l->look, look, LOOK_US);
}

static void want(struct web *w, const char *text)
{
	struct web_listener *l = listener_at(w, text);
	uint16_t port;
	int err;

	if (l && l->retired) {
		lws_sul_cancel(&l->look);
		l->retired = false;
		log_change(l, "takes requests");
	}
	if (l)
		return;
	err = web_listen_at(w, text, &port);
	if (err) /* it could be opened a moment ago */
		log_printf(LOG_ERROR, NULL, "http: %s cannot be opened any more: %s", text, strerror(err));
}

void web_listen_mail(struct web *w)
{
	struct web_wanted *wanted;
	struct list *next;

	pthread_mutex_lock(&w->lock);
	wanted = w->switch_to;
	w->switch_to = NULL;
	pthread_mutex_unlock(&w->lock);
	if (!wanted)
		return;
	SSL_CTX_free(w->tls);
	w->tls = wanted->tls;
	wanted->tls = NULL;
	for (struct list *n = w->listeners.next; n != &w->listeners; n = next) {
		struct web_listener *l = LIST_ITEM(n, struct web_listener, node);

		next = n->next;
		if (!wants(wanted, l->text))
			retire(l);
	}
	for (size_t i = 0; i < wanted->count; i++)
		want(w, wanted->texts[i]);
	wanted_free(wanted);
}

void web_listen_done(struct web *w)
{
	SSL_CTX_free(w->tls);
	wanted_free(w->switch_to);
	wanted_free(w->now);
}

/* --- the loop --- */

int web_listen_init(struct web *w, const struct web_listen *listen)
{
	w->now = wanted_new(listen);
	return w->now ? 0 : ENOMEM;
}

int web_try(const struct web *w, const struct web_listen *listen, char why[160])
{
	for (size_t i = 0; i < listen->count; i++) {
		struct str place;
		struct addr a;
		bool secure;
		int err;

		if (wants(w->now, listen->texts[i]))
			continue;
		place = web_listen_place(listen->texts[i], &secure);
		err = addr_parse_port(&a, place, 0);
		if (!err)
			err = web_try_bind(&a);
		if (err) {
			snprintf(why, 160, "http%s:%.*s: %s", secure ? "s" : "", STR_ARG(place), strerror(err));
			return err;
		}
	}
	return 0;
}

void web_switch(struct web *w, const struct web_listen *listen)
{
	struct web_wanted *now = wanted_new(listen), *change = wanted_new(listen);

	if (!now || !change) {
		log_printf(LOG_ERROR, NULL, "http: out of memory: the listeners stay as they were");
		wanted_free(now);
		wanted_free(change);
		return;
	}
	wanted_free(w->now);
	w->now = now;
	pthread_mutex_lock(&w->lock);
	wanted_free(w->switch_to);
	w->switch_to = change;
	pthread_mutex_unlock(&w->lock);
	lws_cancel_service(w->context);
}
