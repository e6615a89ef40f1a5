/* Certificates beyond the one: by the name that the caller asks for, and those of the callers themselves. */
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "net/tls_impl.h"

static bool is_for(SSL_CTX *c, const char *name)
{
	return X509_check_host(SSL_CTX_get0_certificate(c), name, 0, 0, NULL) == 1;
}

/* RFC 6066 §3. Whoever names nobody we know gets the first certificate, and judges it. */
static int choose(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_ctx *c = arg;

	for (size_t i = 0; name && i < c->named_count; i++) {
		if (!is_for(c->named[i], name))
			continue;
		SSL_set_SSL_CTX(ssl, c->named[i]);
		break;
	}
	return SSL_TLSEXT_ERR_OK;
}

int tls_load_named(struct tls_ctx *c, const struct sock_tls *opts, char why[TLS_WHY])
{
	if (!opts->named_count)
		return 0;
	c->named = calloc(opts->named_count, sizeof(*c->named));
	if (!c->named)
		return ENOMEM;
	for (size_t i = 0; i < opts->named_count; i++) {
		int err;

		c->named[i] = tls_ssl_ctx(TLS_server_method());
		if (!c->named[i])
			return ENOMEM;
		c->named_count++;
		err = tls_load_own(c->named[i], opts->named[i].cert, opts->named[i].key, why);
		if (err)
			return err;
	}
	SSL_CTX_set_tlsext_servername_callback(c->server, choose);
	SSL_CTX_set_tlsext_servername_arg(c->server, c);
	return 0;
}

/* The public authorities know everybody, so they say nothing about who may call: only sip.tls.ca is asked. */
int tls_ask_callers(SSL_CTX *server, const struct sock_tls *opts, char why[TLS_WHY])
{
	int mode = SSL_VERIFY_PEER;

	if (opts->callers == SOCK_TLS_NOT_ASKED)
		return 0;
	if (opts->callers == SOCK_TLS_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(server, mode, NULL);
	if (SSL_CTX_load_verify_file(server, opts->ca) != 1)
		return tls_blame(why, "ca", opts->ca);
	SSL_CTX_set_client_CA_list(server, SSL_load_client_CA_file(opts->ca));
	return 0;
}
