/* Handshakes that are taken up again: the keys of the tickets that we give, and the tickets that others gave us. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/tls_impl.h"

enum { TICKET_KEYS = 80, KEPT = 64 };

/* --- tickets of ours --- */

void tls_tickets_open(SSL_CTX *server)
{
	static const unsigned char us[] = "crosspoint";

	/* Without it OpenSSL refuses to resume where callers are asked for certificates. */
	SSL_CTX_set_session_id_context(server, us, sizeof(us) - 1);
}

/* A new context has new random keys; who holds an old ticket makes one whole handshake. */
void tls_ctx_rotate(struct tls_ctx *c)
{
	SSL_CTX *other = c->server ? SSL_CTX_new(TLS_server_method()) : NULL;
	unsigned char keys[TICKET_KEYS];

	if (other && SSL_CTX_get_tlsext_ticket_keys(other, keys, sizeof(keys)) == 1)
		SSL_CTX_set_tlsext_ticket_keys(c->server, keys, sizeof(keys));
	OPENSSL_cleanse(keys, sizeof(keys));
	SSL_CTX_free(other);
}

/* --- tickets of others --- */

struct tls_sessions {
	size_t next; /* to be forgotten for a new one */
	struct {
		char *peer;
		SSL_SESSION *session;
	} kept[KEPT];
};

static void forget(struct tls_sessions *s, size_t i)
{
	SSL_SESSION_free(s->kept[i].session);
	free(s->kept[i].peer);
	s->kept[i].session = NULL;
	s->kept[i].peer = NULL;
}

static size_t place_of(const struct tls_sessions *s, const char *peer)
{
	size_t i = 0;

	while (i < KEPT && (!s->kept[i].peer || strcmp(s->kept[i].peer, peer) != 0))
		i++;
	return i;
}

/* 1 = kept. Comes behind the handshake, with TLS 1.3 when the first bytes are read. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_sessions *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls *t = SSL_get_app_data(ssl);
	char *peer = s && t && t->peer && !t->err ? str_heap(str_of(t->peer)) : NULL;
	size_t i;

	if (!peer)
		return 0;
	i = place_of(s, peer);
	if (i == KEPT) {
		i = s->next;
		s->next = (s->next + 1) % KEPT;
	}
	forget(s, i);
	s->kept[i].peer = peer;
	s->kept[i].session = session;
	return 1;
}

int tls_sessions_new(struct tls_sessions **out, SSL_CTX *client)
{
	struct tls_sessions *s = calloc(1, sizeof(*s));

	if (!s)
		return ENOMEM;
	SSL_CTX_set_app_data(client, s);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client, on_session);
	*out = s;
	return 0;
}

void tls_sessions_free(struct tls_sessions **s, SSL_CTX *client)
{
	if (!*s)
		return;
	SSL_CTX_set_app_data(client, NULL);
	for (size_t i = 0; i < KEPT; i++)
		forget(*s, i);
	free(*s);
	*s = NULL;
}

/* Once: RFC 8446 §C.4, and a ticket that fails is not tried again. */
void tls_sessions_offer(struct tls_sessions *s, const struct tls *t)
{
	size_t i = place_of(s, t->peer);

	if (i == KEPT)
		return;
	SSL_set_session(t->ssl, s->kept[i].session); /* on failure the handshake is a whole one */
	forget(s, i);
}
