/* tls_world: real sockets on loopback; certificates of an authority that each run makes anew. A program includes it once. */
#ifndef TLS_WORLD_H
#define TLS_WORLD_H

#include "check.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/sock.h"

enum { MAX_CONNS = 60 };

static char folder[] = "/tmp/crosspoint-tls-XXXXXX";
static EVP_PKEY *ca_key;
static X509 *ca_cert;

static inline const char *path_of(char *out, const char *name)
{
	snprintf(out, 256, "%s/%s", folder, name);
	return out;
}

static inline EVP_PKEY *new_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert_non_null(key);
	return key;
}

static inline void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

struct sort_of_cert {
	const char *cn, *san; /* san NULL = none */
	long ends_in_s;
	bool self_signed, authority;
};

static inline X509 *new_cert(EVP_PKEY *key, const struct sort_of_cert *s)
{
	X509 *cert = X509_new();
	bool self = s->self_signed || s->authority;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
	X509_gmtime_adj(X509_getm_notBefore(cert), -1000000);
	X509_gmtime_adj(X509_getm_notAfter(cert), s->ends_in_s);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)s->cn, -1,
				   -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(self ? cert : ca_cert));
	if (s->authority)
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (s->san)
		add_extension(cert, NID_subject_alt_name, s->san);
	assert_int_not_equal(0, X509_sign(cert, self ? key : ca_key, EVP_sha256()));
	return cert;
}

static inline void write_pem(const char *name, X509 *cert, EVP_PKEY *key)
{
	char path[256];
	FILE *f = fopen(path_of(path, name), "w");

	assert_non_null(f);
	if (cert)
		PEM_write_X509(f, cert);
	if (key)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

/* Writes server.pem and server.key. */
static inline void issue(const struct sort_of_cert *s)
{
	EVP_PKEY *key = new_key();
	X509 *cert = new_cert(key, s);

	write_pem("server.pem", cert, NULL);
	write_pem("server.key", NULL, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static inline int make_folder(void **state)
{
	static const struct sort_of_cert ca = { "Test CA", NULL, 1000000, .authority = true };
	char path[256];

	assert_non_null(mkdtemp(folder));
	ca_key = new_key();
	ca_cert = new_cert(ca_key, &ca);
	write_pem("ca.pem", ca_cert, NULL);
	write_pem("empty.pem", NULL, NULL);
	/* The machine's own trust is no matter of this test, and takes long to load. */
	setenv("SSL_CERT_FILE", path_of(path, "ca.pem"), 1);
	return 0;
}

static inline int drop_folder(void **state)
{
	static const char *const files[] = { "ca.pem", "server.pem", "server.key", "empty.pem", "other.pem" };
	char path[256];

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(path_of(path, files[i]));
	rmdir(folder);
	X509_free(ca_cert);
	EVP_PKEY_free(ca_key);
	return 0;
}

/* --- the world --- */

struct end {
	struct wire *wire;
	size_t n;
	unsigned calls, connected, closed;
	int err;
	uint32_t sum; /* of the bytes */
	char last[64], why[160];
	bool close_at_once, echo;
};

struct world {
	struct loop *loop;
	struct net *net;
	struct wire *listener;
	struct addr at;
	struct end a, conns[MAX_CONNS];
	unsigned accepts;
};

static const struct sort_of_cert good = { "x", "DNS:sip.example.test,IP:127.0.0.1", 100000, false, false };

static inline void close_wire(struct wire **w)
{
	if (*w)
		(*w)->ops->close(*w);
	*w = NULL;
}

static inline void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
{
	struct end *e = arg;

	e->calls++;
	e->n += n;
	for (size_t i = 0; i < n; i++)
		e->sum = e->sum * 31 + (unsigned char)data[i];
	str_copy(e->last, sizeof(e->last), (struct str){ data, n });
	if (e->close_at_once)
		close_wire(&e->wire);
	else if (e->echo)
		CHECK_INT(0, wire->ops->send(wire, NULL, data, n));
}

static inline void on_connected(void *arg, struct wire *wire)
{
	((struct end *)arg)->connected++;
}

static inline void on_closed(void *arg, struct wire *wire, int err, const char *why)
{
	struct end *e = arg;

	e->closed++;
	e->err = err;
	str_copy(e->why, sizeof(e->why), str_of(why));
	e->wire = NULL;
}

static inline void on_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
{
	struct world *w = arg;
	struct end *e = &w->conns[w->accepts++ % MAX_CONNS];

	close_wire(&e->wire);
	memset(e, 0, sizeof(*e));
	e->wire = conn;
	conn->ops->set_arg(conn, e);
}

static const struct wire_handlers plain = { .bytes = on_bytes, .connected = on_connected, .closed = on_closed };
static const struct wire_handlers listening = { on_bytes, on_accepted, on_connected, on_closed };

static inline void set_tls(struct world *w, const char *ca, bool verify)
{
	char cert[256], key[256], ca_path[256], why[160] = "";
	struct sock_tls opts = { .cert = path_of(cert, "server.pem"),
				 .key = path_of(key, "server.key"),
				 .verify = verify };

	if (ca)
		opts.ca = path_of(ca_path, ca);
	CHECK_INT(0, sock_net_set_tls(w->net, &opts, why));
}

static inline struct world *begin(const struct sort_of_cert *s, bool verify)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(0, loop_new(&w->loop, true, 1));
	assert_int_equal(0, sock_net_new(&w->net, w->loop));
	issue(s);
	set_tls(w, NULL, verify);
	CHECK_INT(0, addr_parse(&w->at, STR("127.0.0.1"), 0));
	assert_int_equal(0, w->net->ops->listen(w->net, &w->listener, WIRE_TLS, &w->at, &listening, w));
	w->listener->ops->local(w->listener, &w->at);
	return w;
}

static inline void end(struct world *w)
{
	close_wire(&w->a.wire);
	close_wire(&w->listener);
	for (size_t i = 0; i < MAX_CONNS; i++)
		close_wire(&w->conns[i].wire);
	sock_net_free(&w->net);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	free(w);
}

static inline void connect_as(struct world *w, const char *name)
{
	CHECK_INT(0, w->net->ops->connect(w->net, &w->a.wire, WIRE_TLS, NULL, &w->at, &plain, &w->a));
	if (name)
		CHECK_INT(0, w->a.wire->ops->set_name(w->a.wire, name));
}

/* Turn until one of the counts is there. */
static inline void wait_either(struct world *w, const unsigned *one, const unsigned *other)
{
	loop_hold(w->loop);
	for (int i = 0; !*one && !*other && i < 2000; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK(*one || *other);
}

static inline void wait_bytes(struct world *w, const struct end *e, size_t n)
{
	loop_hold(w->loop);
	for (int i = 0; e->n < n && i < 20000; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK_INT(n, e->n);
}

static inline void turn(struct world *w, int times)
{
	loop_hold(w->loop);
	while (times--)
		loop_turn(w->loop);
	loop_release(w->loop);
}

static inline void shake_hands(struct world *w, const char *name)
{
	connect_as(w, name);
	wait_either(w, &w->a.connected, &w->a.closed);
	CHECK_INT(1, w->a.connected);
	CHECK_STR("", w->a.why);
}

/* A peer without our code. */
static inline int raw_connect(const struct addr *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(!connect(fd, &at->sa, addr_len(at)));
	return fd;
}

#endif
