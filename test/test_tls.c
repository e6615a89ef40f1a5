#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "net/sock.h"

/* Real sockets on loopback; certificates of an authority that each run makes anew. */

enum { MAX_CONNS = 60 };

static char folder[] = "/tmp/crosspoint-tls-XXXXXX";
static EVP_PKEY *ca_key;
static X509 *ca_cert;
static long heap; /* bytes that OpenSSL holds */

static void *count_alloc(size_t n, const char *file, int line)
{
	void *p = malloc(n);

	heap += p ? (long)malloc_usable_size(p) : 0;
	return p;
}

static void *count_realloc(void *old, size_t n, const char *file, int line)
{
	long before = old ? (long)malloc_usable_size(old) : 0;
	void *p = realloc(old, n);

	heap += p ? (long)malloc_usable_size(p) - before : 0;
	return p;
}

static void count_free(void *p, const char *file, int line)
{
	heap -= p ? (long)malloc_usable_size(p) : 0;
	free(p);
}

static const char *path_of(char *out, const char *name)
{
	snprintf(out, 256, "%s/%s", folder, name);
	return out;
}

static EVP_PKEY *new_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert_non_null(key);
	return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
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

static X509 *new_cert(EVP_PKEY *key, const struct sort_of_cert *s)
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

static void write_pem(const char *name, X509 *cert, EVP_PKEY *key)
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
static void issue(const struct sort_of_cert *s)
{
	EVP_PKEY *key = new_key();
	X509 *cert = new_cert(key, s);

	write_pem("server.pem", cert, NULL);
	write_pem("server.key", NULL, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int make_folder(void **state)
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

static int drop_folder(void **state)
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

static void close_wire(struct wire **w)
{
	if (*w)
		(*w)->ops->close(*w);
	*w = NULL;
}

static void on_bytes(void *arg, struct wire *wire, const struct addr *from, const char *data, size_t n)
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

static void on_connected(void *arg, struct wire *wire)
{
	((struct end *)arg)->connected++;
}

static void on_closed(void *arg, struct wire *wire, int err, const char *why)
{
	struct end *e = arg;

	e->closed++;
	e->err = err;
	str_copy(e->why, sizeof(e->why), str_of(why));
	e->wire = NULL;
}

static void on_accepted(void *arg, struct wire *listener, struct wire *conn, const struct addr *from)
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

static void set_tls(struct world *w, const char *ca, bool verify)
{
	char cert[256], key[256], ca_path[256], why[160] = "";
	struct sock_tls opts = { .cert = path_of(cert, "server.pem"),
				 .key = path_of(key, "server.key"),
				 .verify = verify };

	if (ca)
		opts.ca = path_of(ca_path, ca);
	CHECK_INT(0, sock_net_set_tls(w->net, &opts, why));
}

static struct world *begin(const struct sort_of_cert *s, bool verify)
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

static void end(struct world *w)
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

static void connect_as(struct world *w, const char *name)
{
	CHECK_INT(0, w->net->ops->connect(w->net, &w->a.wire, WIRE_TLS, NULL, &w->at, &plain, &w->a));
	if (name)
		CHECK_INT(0, w->a.wire->ops->set_name(w->a.wire, name));
}

/* Turn until one of the counts is there. */
static void wait_either(struct world *w, const unsigned *one, const unsigned *other)
{
	loop_hold(w->loop);
	for (int i = 0; !*one && !*other && i < 2000; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK(*one || *other);
}

static void wait_bytes(struct world *w, const struct end *e, size_t n)
{
	loop_hold(w->loop);
	for (int i = 0; e->n < n && i < 20000; i++)
		loop_turn(w->loop);
	loop_release(w->loop);
	CHECK_INT(n, e->n);
}

static void turn(struct world *w, int times)
{
	loop_hold(w->loop);
	while (times--)
		loop_turn(w->loop);
	loop_release(w->loop);
}

static void shake_hands(struct world *w, const char *name)
{
	connect_as(w, name);
	wait_either(w, &w->a.connected, &w->a.closed);
	CHECK_INT(1, w->a.connected);
	CHECK_STR("", w->a.why);
}

/* A peer without our code. */
static int raw_connect(const struct addr *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(!connect(fd, &at->sa, addr_len(at)));
	return fd;
}

/* --- tests --- */

static void bytes_go_both_ways(void **state)
{
	struct world *w = begin(&good, true);

	connect_as(w, "sip.example.test");
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "early ", 6));
	CHECK_INT(0, w->a.connected);
	wait_either(w, &w->a.connected, &w->a.closed);
	CHECK_INT(WIRE_TLS, w->a.wire->kind);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "late", 4));
	wait_bytes(w, &w->conns[0], 10);
	CHECK_INT(WIRE_TLS, w->conns[0].wire->kind);
	CHECK_INT(0, w->conns[0].wire->ops->send(w->conns[0].wire, NULL, "back", 4));
	wait_bytes(w, &w->a, 4);
	CHECK_STR("back", w->a.last);
	close_wire(&w->a.wire);
	wait_either(w, &w->conns[0].closed, &w->conns[0].closed);
	CHECK_INT(0, w->conns[0].err);
	CHECK_STR("closed by the peer", w->conns[0].why);
	end(w);
}

static void the_name_decides(void **state)
{
#define NOT_FOR(NAME) "TLS: certificate of @ is not for " NAME
	static const struct {
		struct sort_of_cert cert;
		const char *name, *why; /* "" = trusted, @ = the peer's address */
	} rows[] = {
		{ { "x", "DNS:sip.example.test", 1000, false, false }, "sip.example.test", "" },
		{ { "x", "DNS:sip.example.test", 1000, false, false }, "SIP.Example.TEST.", "" },
		{ { "x", "DNS:other.test", 1000, false, false }, "sip.example.test", NOT_FOR("sip.example.test") },
		{ { "x", "DNS:*.example.test", 1000, false, false }, "sip.example.test", NOT_FOR("sip.example.test") },
		{ { "sip.example.test", NULL, 1000, false, false }, "sip.example.test", "" },
		{ { "sip.example.test", "DNS:other.test", 1000, false, false },
		  "sip.example.test",
		  NOT_FOR("sip.example.test") },
		{ { "sip.example.test", "URI:sip:other.test", 1000, false, false },
		  "sip.example.test",
		  NOT_FOR("sip.example.test") },
		{ { "x", "URI:sip:example.test", 1000, false, false }, "example.test", "" },
		{ { "x", "URI:sip:bob@example.test", 1000, false, false }, "example.test", NOT_FOR("example.test") },
		{ { "x", "URI:https:example.test", 1000, false, false }, "example.test", NOT_FOR("example.test") },
		{ { "x", "IP:127.0.0.1", 1000, false, false }, "127.0.0.1", "" },
		{ { "x", "IP:127.0.0.1", 1000, false, false }, NULL, "" }, /* the address itself */
		{ { "x", "DNS:127.0.0.1", 1000, false, false }, "127.0.0.1", NOT_FOR("127.0.0.1") },
		{ { "x", "IP:127.0.0.2", 1000, false, false }, NULL, NOT_FOR("127.0.0.1") },
		{ { "x", "IP:::1", 1000, false, false }, "[::1]", "" },
		{ { "x", "DNS:sip.example.test", -10, false, false },
		  "sip.example.test",
		  "TLS: certificate has expired" },
		{ { "sip.example.test", NULL, 1000, true, false }, "sip.example.test", "TLS: self-signed certificate" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = begin(&rows[i].cert, true);
		char at[ADDR_TEXT], want[200] = "";
		struct buf text = { 0 };

		for (const char *p = rows[i].why; *p; p++)
			buf_printf(&text, *p == '@' ? "%s" : "%.1s", *p == '@' ? addr_text(&w->at, at) : p);
		str_copy(want, sizeof(want), buf_view(&text));
		buf_free(&text);
		connect_as(w, rows[i].name);
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "secret", 6));
		wait_either(w, &w->a.connected, &w->a.closed);
		CHECK_STR(want, w->a.why);
		CHECK_INT(!*want, w->a.connected);
		CHECK_INT(!!*want, w->a.closed);
		turn(w, 5);
		CHECK_INT(*want ? 0 : 6, w->conns[0].n); /* a stranger hears nothing */
		end(w);
	}
}

static void an_unknown_authority_is_refused(void **state)
{
	struct world *w = begin(&good, true);
	char path[256];

	/* A fresh authority of the same look. */
	setenv("SSL_CERT_FILE", path_of(path, "other.pem"), 1);
	{
		static const struct sort_of_cert other = { "Other CA", NULL, 1000, .authority = true };
		EVP_PKEY *key = new_key();
		X509 *cert = new_cert(key, &other);

		write_pem("other.pem", cert, NULL);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	set_tls(w, NULL, true);
	connect_as(w, "sip.example.test");
	wait_either(w, &w->a.connected, &w->a.closed);
	CHECK_STR("TLS: unable to get local issuer certificate", w->a.why);
	/* sip.tls.ca adds to it. */
	set_tls(w, "ca.pem", true);
	memset(&w->a, 0, sizeof(w->a));
	shake_hands(w, "sip.example.test");
	setenv("SSL_CERT_FILE", path_of(path, "ca.pem"), 1);
	end(w);
}

static void without_verifying_anybody_will_do(void **state)
{
	static const struct sort_of_cert rows[] = {
		{ "other.test", NULL, 1000, .self_signed = true },
		{ "other.test", "DNS:other.test", -10, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = begin(&rows[i], false);

		shake_hands(w, "sip.example.test");
		end(w);
	}
}

static void bad_files_change_nothing(void **state)
{
	static const struct {
		const char *cert, *key, *ca, *why;
	} rows[] = {
		{ "absent.pem", "server.key", NULL, "absent.pem: No such file or directory" },
		{ "server.pem", "absent.key", NULL, "absent.key: No such file or directory" },
		{ "empty.pem", "server.key", NULL, "empty.pem: no start line" },
		{ "other.pem", "server.key", NULL, "server.key: key values mismatch" },
		{ "server.pem", "server.key", "absent.pem", "absent.pem: No such file or directory" },
	};
	struct world *w = begin(&good, true);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char cert[256], key[256], ca[256], why[160] = "";
		struct sock_tls opts = { .cert = path_of(cert, rows[i].cert),
					 .key = path_of(key, rows[i].key),
					 .verify = true };

		if (rows[i].ca)
			opts.ca = path_of(ca, rows[i].ca);
		CHECK_INT(EINVAL, sock_net_set_tls(w->net, &opts, why));
		CHECK(strstr(why, rows[i].why) != NULL);
		if (!strstr(why, rows[i].why))
			CHECK_STR(rows[i].why, why);
	}
	shake_hands(w, "sip.example.test");
	end(w);
}

static void a_reload_leaves_standing_connections_alone(void **state)
{
	static const struct sort_of_cert next = { "x", "DNS:next.test", 1000, false, false };
	struct world *w = begin(&good, true);
	struct end old;

	shake_hands(w, "sip.example.test");
	issue(&next);
	set_tls(w, NULL, true);
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "still here", 10));
	wait_bytes(w, &w->conns[0], 10);
	old = w->a;
	memset(&w->a, 0, sizeof(w->a));
	shake_hands(w, "next.test");
	close_wire(&old.wire);
	end(w);
}

static void without_a_certificate_there_are_only_calls_out(void **state)
{
	struct sock_tls opts = { .verify = false };
	struct wire *x = NULL;
	struct net *net = NULL;
	struct world *w = begin(&good, true);
	struct addr any = w->at;
	char why[160];

	addr_set_port(&any, 0);
	assert_int_equal(0, sock_net_new(&net, w->loop));
	CHECK_INT(EPROTONOSUPPORT, net->ops->connect(net, &x, WIRE_TLS, NULL, &w->at, &plain, &w->a));
	CHECK_INT(0, sock_net_set_tls(net, &opts, why));
	CHECK_INT(EPROTONOSUPPORT, net->ops->listen(net, &x, WIRE_TLS, &any, &listening, w));
	CHECK_INT(0, net->ops->connect(net, &w->a.wire, WIRE_TLS, NULL, &w->at, &plain, &w->a));
	wait_either(w, &w->a.connected, &w->a.closed);
	CHECK_INT(1, w->a.connected);
	close_wire(&w->a.wire);
	sock_net_free(&net);
	end(w);
}

static void big_messages_come_whole(void **state)
{
	static char block[60000];
	struct world *w = begin(&good, true);
	uint32_t sum = 0;
	size_t sent = 0;
	int err = 0;

	shake_hands(w, "sip.example.test");
	turn(w, 3);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7 + i / 251);
	/* More than the kernel takes at once: the rest waits in the queue, and a full queue says so. */
	for (int i = 0; i < 200 && !err; i++) {
		err = w->a.wire->ops->send(w->a.wire, NULL, block, sizeof(block));
		for (size_t j = 0; j < sizeof(block) && !err; j++)
			sum = sum * 31 + (unsigned char)block[j];
		sent += err ? 0 : sizeof(block);
	}
	CHECK_INT(ENOBUFS, err);
	wait_bytes(w, &w->conns[0], sent);
	CHECK_INT(sum, w->conns[0].sum);
	/* Both ways at once. */
	w->conns[0].echo = true;
	w->a.n = w->conns[0].n = 0;
	for (int i = 0; i < 4; i++)
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, block, sizeof(block)));
	wait_bytes(w, &w->a, 4 * sizeof(block));
	/* Closing still sends what waits. */
	w->conns[0].echo = false;
	w->conns[0].n = 0;
	for (int i = 0; i < 4; i++)
		CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, block, sizeof(block)));
	close_wire(&w->a.wire);
	wait_bytes(w, &w->conns[0], 4 * sizeof(block));
	wait_either(w, &w->conns[0].closed, &w->conns[0].closed);
	end(w);
}

static void a_handler_may_close_its_connection(void **state)
{
	struct world *w = begin(&good, true);

	shake_hands(w, "sip.example.test");
	turn(w, 3);
	w->conns[0].close_at_once = true;
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "one", 3));
	CHECK_INT(0, w->a.wire->ops->send(w->a.wire, NULL, "two", 3));
	wait_either(w, &w->a.closed, &w->a.closed);
	CHECK_INT(1, w->conns[0].calls);
	CHECK_INT(0, w->conns[0].closed);
	end(w);
}

/* Before the deadline nothing happens, at the deadline it is over. */
static void check_deadline(struct world *w, const struct end *e)
{
	turn(w, 5);
	loop_run_until(w->loop, 10900);
	CHECK_INT(0, e->closed);
	loop_run_until(w->loop, 11100);
	CHECK_INT(1, e->closed);
	CHECK_INT(ETIMEDOUT, e->err);
	CHECK_STR("TLS handshake not finished within 10 s", e->why);
}

static void silent_peers_have_10_s(void **state)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"; /* the begin of one */
	struct world *w = begin(&good, true);
	int silent = raw_connect(&w->at), half = raw_connect(&w->at);

	CHECK_INT(11, send(half, hello, 11, 0));
	check_deadline(w, &w->conns[0]);
	CHECK_INT(1, w->conns[1].closed);
	CHECK_STR(w->conns[0].why, w->conns[1].why);
	close(silent);
	close(half);
	end(w);
}

static void silent_servers_have_10_s(void **state)
{
	struct world *w = begin(&good, true);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct addr at = w->at;
	socklen_t len = sizeof(at);

	addr_set_port(&at, 0);
	CHECK(!bind(fd, &at.sa, addr_len(&at)) && !listen(fd, 1) && !getsockname(fd, &at.sa, &len));
	CHECK_INT(0, w->net->ops->connect(w->net, &w->a.wire, WIRE_TLS, NULL, &at, &plain, &w->a));
	check_deadline(w, &w->a);
	close(fd);
	end(w);
}

static void what_is_no_tls_is_told(void **state)
{
	static const char *const rubbish[] = { "OPTIONS sip:x SIP/2.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
					       "\x80\x2e\x01\x00\x02", "\x16\x03\x01\xff\xff\xff\xff\xff\xff" };
	struct world *w = begin(&good, true);

	for (size_t i = 0; i < ARRAY_LEN(rubbish); i++) {
		int fd = raw_connect(&w->at);
		struct end *e = &w->conns[i];

		CHECK(send(fd, rubbish[i], strlen(rubbish[i]), 0) > 0);
		shutdown(fd, SHUT_WR);
		wait_either(w, &e->closed, &e->closed);
		CHECK(!strncmp(e->why, "TLS: ", 5));
		CHECK_INT(0, e->calls);
		close(fd);
	}
	/* And a server that has another port in mind. */
	{
		int fd = socket(AF_INET, SOCK_STREAM, 0), conn;
		struct addr at = w->at;
		socklen_t len = sizeof(at);
		char text[ADDR_TEXT], want[100];

		addr_set_port(&at, 0);
		CHECK(!bind(fd, &at.sa, addr_len(&at)) && !listen(fd, 1) && !getsockname(fd, &at.sa, &len));
		CHECK_INT(0, w->net->ops->connect(w->net, &w->a.wire, WIRE_TLS, NULL, &at, &plain, &w->a));
		conn = accept(fd, NULL, NULL);
		CHECK_INT(21, send(conn, "SIP/2.0 400 What?\r\n\r\n", 21, 0));
		wait_either(w, &w->a.closed, &w->a.connected);
		snprintf(want, sizeof(want), "TLS: %s does not speak it", addr_text(&at, text));
		CHECK_STR(want, w->a.why);
		close(conn);
		close(fd);
	}
	end(w);
}

/* OpenSSL as a client of its own, one step and one turn at a time. */
static bool drive(struct world *w, SSL *ssl)
{
	int ret = -1;

	loop_hold(w->loop);
	for (int i = 0; ret != 1 && i < 200; i++) {
		ret = SSL_do_handshake(ssl);
		loop_turn(w->loop);
	}
	loop_release(w->loop);
	return ret == 1;
}

static SSL *raw_tls(struct world *w, int version, int *fd)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	SSL_CTX_set_min_proto_version(c, version);
	SSL_CTX_set_max_proto_version(c, version);
	SSL_CTX_set_security_level(c, 0);
	ssl = SSL_new(c);
	SSL_CTX_free(c);
	*fd = raw_connect(&w->at);
	fcntl(*fd, F_SETFL, O_NONBLOCK);
	SSL_set_fd(ssl, *fd);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void old_versions_are_refused(void **state)
{
	static const struct {
		int version;
		bool taken;
	} rows[] = {
		{ TLS1_VERSION, false }, { TLS1_1_VERSION, false }, { TLS1_2_VERSION, true }, { TLS1_3_VERSION, true }
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = begin(&good, true);
		int fd;
		SSL *ssl = raw_tls(w, rows[i].version, &fd);

		CHECK_INT(rows[i].taken, drive(w, ssl));
		SSL_free(ssl);
		close(fd);
		end(w);
	}
}

static void renegotiation_is_refused(void **state)
{
	struct world *w = begin(&good, true);
	int fd;
	SSL *ssl = raw_tls(w, TLS1_2_VERSION, &fd);

	CHECK(drive(w, ssl));
	CHECK_INT(1, SSL_renegotiate(ssl));
	CHECK(!drive(w, ssl));
	SSL_free(ssl);
	close(fd);
	end(w);
}

/* TLS 1.3: the peer wants new keys, and ours with them. */
static void key_updates_are_followed(void **state)
{
	struct world *w = begin(&good, true);
	char got[16];
	int fd;
	SSL *ssl = raw_tls(w, TLS1_3_VERSION, &fd);

	CHECK(drive(w, ssl));
	for (int i = 0; i < 3; i++) {
		w->conns[0].echo = true;
		w->conns[0].n = 0;
		CHECK_INT(1, SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED));
		CHECK_INT(4, SSL_write(ssl, "ping", 4));
		wait_bytes(w, &w->conns[0], 4);
		CHECK_INT(4, SSL_read(ssl, got, sizeof(got)));
	}
	SSL_free(ssl);
	close(fd);
	end(w);
}

static void handshakes_go_in_portions(void **state)
{
	enum { MANY = 16 };
	struct world *w = begin(&good, true);
	SSL *ssl[MANY];
	unsigned begun = 0;
	int fds[MANY];

	for (size_t i = 0; i < MANY; i++)
		ssl[i] = raw_tls(w, TLS1_3_VERSION, &fds[i]);
	for (size_t i = 0; i < MANY; i++)
		SSL_do_handshake(ssl[i]); /* ClientHello */
	loop_hold(w->loop);
	loop_turn(w->loop); /* accepts all of them */
	CHECK_INT(MANY, w->accepts);
	loop_turn(w->loop);
	loop_release(w->loop);
	for (size_t i = 0; i < MANY; i++) {
		char c;

		begun += recv(fds[i], &c, 1, MSG_PEEK) == 1;
	}
	CHECK_INT(8, begun);
	for (size_t i = 0; i < MANY; i++) {
		CHECK(drive(w, ssl[i]));
		SSL_free(ssl[i]);
		close(fds[i]);
	}
	end(w);
}

/* One of the ways to break a handshake: a hello that is cut, damaged, followed by rubbish, or absent. Returns the
 * connection, to be closed. */
static int break_one(struct world *w, unsigned kind)
{
	unsigned char hello[600];
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(c);
	int fd = raw_connect(&w->at), n;

	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	n = BIO_read(out, hello, sizeof(hello));
	CHECK(n > 100);
	switch (kind % 5) {
	case 0:
		n /= 2;
		break;
	case 1: /* a whole one, and then nothing */
		break;
	case 2:
		hello[60 + kind % 200] ^= 0x55;
		hello[5] = (unsigned char)kind;
		break;
	case 3:
		memset(hello + n, (int)kind, sizeof(hello) - (size_t)n);
		n = sizeof(hello);
		break;
	case 4:
		n = 0;
		break;
	}
	if (n)
		CHECK_INT(n, send(fd, hello, (size_t)n, MSG_NOSIGNAL));
	SSL_free(ssl);
	SSL_CTX_free(c);
	return fd;
}

static bool any_open(const struct world *w)
{
	for (size_t i = 0; i < MAX_CONNS; i++)
		if (w->conns[i].wire)
			return true;
	return false;
}

static void break_many(struct world *w, unsigned count)
{
	struct linger hard = { 1, 0 };
	int fds[MAX_CONNS];

	for (unsigned done = 0; done < count; done += MAX_CONNS) {
		for (unsigned i = 0; i < MAX_CONNS; i++)
			fds[i] = break_one(w, done / MAX_CONNS + i);
		turn(w, 9); /* 8 steps in each */
		for (unsigned i = 0; i < MAX_CONNS; i++) {
			if (i % 2)
				setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
			close(fds[i]);
		}
		for (unsigned i = 0; i < 50 && any_open(w); i++)
			turn(w, 1);
		for (unsigned i = 0; i < MAX_CONNS; i++)
			CHECK(!w->conns[i].wire && w->conns[i].closed == 1);
	}
}

static void broken_handshakes_leave_nothing(void **state)
{
	struct world *w = begin(&good, true);
	long before;

	break_many(w, MAX_CONNS); /* what OpenSSL loads once */
	before = heap;
	break_many(w, 3000);
	print_message("3000 broken handshakes: OpenSSL holds %ld bytes more than before\n", heap - before);
	CHECK(heap - before < 4096);
	CHECK_INT(3000 + MAX_CONNS, w->accepts);
	shake_hands(w, "sip.example.test");
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_go_both_ways),
		TEST(the_name_decides),
		TEST(an_unknown_authority_is_refused),
		TEST(without_verifying_anybody_will_do),
		TEST(bad_files_change_nothing),
		TEST(a_reload_leaves_standing_connections_alone),
		TEST(without_a_certificate_there_are_only_calls_out),
		TEST(big_messages_come_whole),
		TEST(a_handler_may_close_its_connection),
		TEST(silent_peers_have_10_s),
		TEST(silent_servers_have_10_s),
		TEST(what_is_no_tls_is_told),
		TEST(old_versions_are_refused),
		TEST(renegotiation_is_refused),
		TEST(key_updates_are_followed),
		TEST(handshakes_go_in_portions),
		TEST(broken_handshakes_leave_nothing),
	};

	/* Before OpenSSL has taken any memory. */
	CRYPTO_set_mem_functions(count_alloc, count_realloc, count_free);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
