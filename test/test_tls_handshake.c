/* TLS handshakes of peers without our code: silent, old, broken, many at once. */
#include "tls_world.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

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
		TEST(silent_peers_have_10_s),    TEST(silent_servers_have_10_s),        TEST(what_is_no_tls_is_told),
		TEST(old_versions_are_refused),  TEST(renegotiation_is_refused),        TEST(key_updates_are_followed),
		TEST(handshakes_go_in_portions), TEST(broken_handshakes_leave_nothing),
	};

	/* Before OpenSSL has taken any memory. */
	CRYPTO_set_mem_functions(count_alloc, count_realloc, count_free);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
