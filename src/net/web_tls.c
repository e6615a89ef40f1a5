/* Certificates of connections that libwebsockets makes: those of SIP over WebSocket and of the web server. */
#include <openssl/ssl.h>

#include "net/tls.h"
#include "net/web_impl.h"

/* The certificate of the moment, for one connection: a reload then needs no other virtual host. */
static int choose_certificate(SSL *ssl, void *arg)
{
	SSL_CTX *const *own = arg;
	STACK_OF(X509) *chain = NULL;

	if (!*own)
		return 0;
	SSL_certs_clear(ssl);
	SSL_CTX_get0_chain_certs(*own, &chain);
	return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(*own), SSL_CTX_get0_privatekey(*own), chain, 1);
}

void web_tls_follow(SSL_CTX *library, SSL_CTX **own)
{
	tls_tune(library);
	SSL_CTX_set_cert_cb(library, choose_certificate, own);
	/* Its own would look for a virtual host by the name; those of ours are told by address. */
	SSL_CTX_set_tlsext_servername_callback(library, NULL);
}

void web_tls_forget_sessions(SSL_CTX *library)
{
	SSL_CTX_set_options(library, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(library, 0);
}
