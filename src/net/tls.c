#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "net/tls_impl.h"

enum { NAME_SHOWN = 50 };

/* Where Debian keeps the certificates it trusts. OpenSSL's own default is a folder it would read while calls wait. */
#define SYSTEM_STORE "/etc/ssl/certs/ca-certificates.crt"

/* --- contexts --- */

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	return -1; /* OpenSSL would ask on the terminal */
}

int tls_blame(char why[TLS_WHY], const char *what, const char *path)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	snprintf(why, TLS_WHY, "%s %s: %s", what, path, reason ? reason : "not usable");
	ERR_clear_error();
	return EINVAL;
}

void tls_tune(SSL_CTX *c)
{
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	/* Peers that just close are common, and SIP messages say their own length. */
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				    SSL_MODE_RELEASE_BUFFERS);
	/* Sessions are resumed by tickets, which the peer keeps: no cache that strangers can fill. */
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(c, 1);
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
}

SSL_CTX *tls_ssl_ctx(const SSL_METHOD *method)
{
	SSL_CTX *c = SSL_CTX_new(method);

	if (c)
		tls_tune(c);
	return c;
}

int tls_load_own(SSL_CTX *c, const char *cert, const char *key, char why[TLS_WHY])
{
	if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
		return tls_blame(why, "certificate", cert);
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return tls_blame(why, "key", key);
	return 0;
}

static int load_trust(SSL_CTX *c, const struct sock_tls *opts, char why[TLS_WHY])
{
	const char *file = getenv("SSL_CERT_FILE");

	if (!opts->verify) {
		SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	if ((!file || !*file) && !access(SYSTEM_STORE, R_OK))
		file = SYSTEM_STORE;
	if (file && *file && SSL_CTX_load_verify_file(c, file) != 1)
		return tls_blame(why, "trusted certificates", file);
	if ((!file || !*file) && SSL_CTX_set_default_verify_paths(c) != 1)
		return tls_blame(why, "trusted certificates", "of the system");
	if (opts->ca && SSL_CTX_load_verify_file(c, opts->ca) != 1)
		return tls_blame(why, "ca", opts->ca);
	return 0;
}

static int load_server(struct tls_ctx *c, const struct sock_tls *opts, char why[TLS_WHY])
{
	int err = tls_load_own(c->server, opts->cert, opts->key, why);

	if (!err) /* peers may ask who calls them */
		err = tls_load_own(c->client, opts->cert, opts->key, why);
	if (!err)
		err = tls_load_named(c, opts, why);
	if (!err)
		err = tls_ask_callers(c->server, opts, why);
	tls_tickets_open(c->server);
	return err;
}

int tls_ctx_new(struct tls_ctx **out, const struct sock_tls *opts, char why[TLS_WHY])
{
	struct tls_ctx *c = calloc(1, sizeof(*c));
	int err = ENOMEM;

	snprintf(why, TLS_WHY, "%s", strerror(ENOMEM));
	if (!c)
		goto out;
	ERR_clear_error();
	c->verify = opts->verify;
	c->client = tls_ssl_ctx(TLS_client_method());
	c->server = opts->cert ? tls_ssl_ctx(TLS_server_method()) : NULL;
	if (!c->client || (opts->cert && !c->server))
		goto out;
	err = load_trust(c->client, opts, why);
	if (!err)
		err = tls_sessions_new(&c->sessions, c->client);
	if (!err && opts->cert)
		err = load_server(c, opts, why);
	if (err)
		goto out;
	*out = c;
	c = NULL;
out:
	tls_ctx_free(&c);
	return err;
}

void tls_ctx_free(struct tls_ctx **cp)
{
	struct tls_ctx *c = *cp;

	if (!c)
		return;
	tls_sessions_free(&c->sessions, c->client);
	/* Connections in the middle of their handshake keep it. */
	if (c->server)
		SSL_CTX_set_tlsext_servername_callback(c->server, NULL);
	SSL_CTX_free(c->server);
	SSL_CTX_free(c->client);
	for (size_t i = 0; i < c->named_count; i++)
		SSL_CTX_free(c->named[i]);
	free(c->named);
	free(c);
	*cp = NULL;
}

bool tls_ctx_can_accept(const struct tls_ctx *c)
{
	return c->server != NULL;
}

SSL_CTX *tls_ctx_share(const struct tls_ctx *c)
{
	if (c->server)
		SSL_CTX_up_ref(c->server);
	return c->server;
}

/* --- connections --- */

static int end_new(struct tls **out, SSL_CTX *c, int fd)
{
	struct tls *t = calloc(1, sizeof(*t));

	ERR_clear_error();
	if (t)
		t->ssl = SSL_new(c);
	if (!t || !t->ssl || SSL_set_fd(t->ssl, fd) != 1) {
		tls_free(&t);
		return ENOMEM;
	}
	*out = t;
	return 0;
}

int tls_accept(struct tls **out, struct tls_ctx *c, int fd)
{
	struct tls *t = NULL;
	int err = end_new(&t, c->server, fd);

	if (err)
		return err;
	SSL_set_accept_state(t->ssl);
	*out = t;
	return 0;
}

int tls_connect(struct tls **out, struct tls_ctx *c, int fd, const char *name)
{
	struct tls *t = NULL;
	struct addr literal;
	int err = end_new(&t, c->client, fd);

	if (err)
		return err;
	SSL_set_connect_state(t->ssl);
	SSL_set_app_data(t->ssl, t);
	t->peer = str_heap(str_of(name));
	t->name = c->verify ? t->peer : NULL;
	err = t->peer ? 0 : ENOMEM;
	/* RFC 6066 §3: no addresses in SNI. */
	if (!err && addr_parse(&literal, str_of(name), 0) && SSL_set_tlsext_host_name(t->ssl, name) != 1)
		err = ENOMEM;
	if (err) {
		tls_free(&t);
		return err;
	}
	tls_sessions_offer(c->sessions, t);
	*out = t;
	return 0;
}

bool tls_is_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl);
}

void tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (!t)
		return;
	if (t->ssl && !t->err && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	ERR_clear_error();
	free(t->peer);
	free(t);
	*tp = NULL;
}

bool tls_is_server(const struct tls *t)
{
	return SSL_is_server(t->ssl);
}

/* What SSL_get_error() says about ret. */
static enum tls_result judge(struct tls *t, int ret, int system_error)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		t->err = system_error ? system_error : EPIPE;
		return TLS_FAILED;
	default: /* an int of OpenSSL, no enum */
		t->err = EPROTO;
		return TLS_FAILED;
	}
}

/* RFC 5922 §7.1: a sip: URI without user part names a domain. */
static bool has_uri(const GENERAL_NAMES *names, struct str domain)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		struct str uri;

		if (g->type != GEN_URI)
			continue;
		uri = (struct str){ (const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier),
				    (size_t)ASN1_STRING_length(g->d.uniformResourceIdentifier) };
		if (str_istarts(uri, "sip:") && str_ieq((struct str){ uri.p + 4, uri.n - 4 }, domain))
			return true;
	}
	return false;
}

/* §7.2 allows no wildcards, and the subject counts only where there is nothing better. */
static bool is_for(X509 *cert, const char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	unsigned flags = X509_CHECK_FLAG_NO_WILDCARDS | (names ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0);
	struct str text = str_of(name);
	struct addr a;
	bool found;

	if (text.n > 1 && name[text.n - 1] == '.') /* the root of DNS */
		text.n--;
	if (addr_parse(&a, text, 0))
		found = has_uri(names, text) || X509_check_host(cert, text.p, text.n, flags, NULL) == 1;
	else if (addr_is_v6(&a))
		found = X509_check_ip(cert, (const unsigned char *)&a.in6.sin6_addr, 16, 0) == 1;
	else
		found = X509_check_ip(cert, (const unsigned char *)&a.in4.sin_addr, 4, 0) == 1;
	GENERAL_NAMES_free(names);
	return found;
}

static bool peer_is(const SSL *ssl, const char *name)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	bool is = cert && is_for(cert, name);

	X509_free(cert);
	return is;
}

enum tls_result tls_handshake(struct tls *t)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_do_handshake(t->ssl);
	if (ret != 1)
		return judge(t, ret, errno);
	if (t->name && !peer_is(t->ssl, t->name)) {
		t->wrong_name = true;
		t->err = EPROTO;
		return TLS_FAILED;
	}
	return TLS_DONE;
}

enum tls_result tls_read(struct tls *t, char *out, size_t size, size_t *n)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_read_ex(t->ssl, out, size, n);
	return ret == 1 ? TLS_DONE : judge(t, ret, errno);
}

enum tls_result tls_write(struct tls *t, const char *data, size_t size, size_t *n)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_write_ex(t->ssl, data, size, n);
	return ret == 1 ? TLS_DONE : judge(t, ret, errno);
}

int tls_why(const struct tls *t, const struct addr *remote, char why[TLS_WHY])
{
	long verdict = SSL_get_verify_result(t->ssl);
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);
	char at[ADDR_TEXT];

	if (t->wrong_name)
		snprintf(why, TLS_WHY, "TLS: certificate of %s is not for %.*s", addr_text(remote, at), NAME_SHOWN,
			 t->name);
	else if (t->name && verdict != X509_V_OK)
		snprintf(why, TLS_WHY, "TLS: %s", X509_verify_cert_error_string(verdict));
	else if (t->err != EPROTO)
		snprintf(why, TLS_WHY, "TLS: %s", strerror(t->err));
	else if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
		snprintf(why, TLS_WHY, "TLS: %s does not speak it", addr_text(remote, at));
	else
		snprintf(why, TLS_WHY, "TLS: %s", reason ? reason : "the connection broke");
	return t->err;
}
