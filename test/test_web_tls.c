#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "net/sock.h"
#include "net/tls.h"
#include "net/web.h"

enum { LARGE = 3000000 };

static char folder[] = "/tmp/crosspoint-web-tls-XXXXXX";

struct fixture {
	struct loop *loop;
	struct web *web;
	char place[40]; /* where it listens, with the port once that is known */
	uint16_t port;
	size_t followed, gone;
	atomic_bool done;
	SSL_CTX *client;
	void (*run)(struct fixture *f);
};

/* --- certificates --- */

static const char *path_of(char out[100], long serial, const char *end)
{
	snprintf(out, 100, "%s/%ld.%s", folder, serial, end);
	return out;
}

static void issue(long serial)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	char path[100];
	FILE *f;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -1000);
	X509_gmtime_adj(X509_getm_notAfter(cert), 100000);
	X509_set_pubkey(cert, key);
	assert_int_not_equal(0, X509_sign(cert, key, EVP_sha256()));
	f = fopen(path_of(path, serial, "pem"), "w");
	assert_true(f && PEM_write_X509(f, cert) && !fclose(f));
	f = fopen(path_of(path, serial, "key"), "w");
	assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && !fclose(f));
	X509_free(cert);
	EVP_PKEY_free(key);
}

static struct tls_ctx *certificate(long serial)
{
	char cert[100], key[100], why[TLS_WHY];
	const struct sock_tls opts = { .cert = path_of(cert, serial, "pem"), .key = path_of(key, serial, "key") };
	struct tls_ctx *c = NULL;

	CHECK_INT(0, tls_ctx_new(&c, &opts, why));
	return c;
}

/* --- the server's side --- */

static void show(struct fixture *f, long serial)
{
	const char *texts[] = { f->place };
	struct web_listen listen = { texts, 1, certificate(serial) };
	char why[160];

	CHECK_INT(0, web_try(f->web, &listen, why));
	web_switch(f->web, &listen);
	tls_ctx_free((struct tls_ctx **)(void *)&listen.tls);
}

static void on_request(void *arg, const struct web_request *r)
{
	struct fixture *f = arg;

	if (!strcmp(r->path, "/follow")) {
		web_stream_start(f->web, r->id, "text/plain");
		web_stream_send(f->web, r->id, STR("one\n"));
		f->followed++;
		return;
	}
	if (!strcmp(r->path, "/large")) {
		char *large = calloc(1, LARGE);

		memset(large, 'x', LARGE);
		web_reply(f->web, r->id, 200, "text/plain", (struct str){ large, LARGE });
		free(large);
		return;
	}
	if (!strcmp(r->path, "/renew"))
		show(f, 2);
	web_reply(f->web, r->id, 200, "text/plain", r->body.n ? r->body : STR("none"));
}

static void on_gone(void *arg, uint64_t id)
{
	((struct fixture *)arg)->gone++;
}

static void nothing(void *arg)
{
}

static void *run(void *arg)
{
	struct fixture *f = arg;

	f->run(f);
	atomic_store(&f->done, true);
	return NULL;
}

static void with_server(void (*client)(struct fixture *f))
{
	struct fixture f = { .place = "https:127.0.0.1:0", .run = client, .client = SSL_CTX_new(TLS_client_method()) };
	const char *texts[] = { f.place };
	struct web_listen listen = { texts, 1, certificate(1) };
	char why[128] = "";
	pthread_t thread;

	CHECK_INT(0, loop_new(&f.loop, false, 0));
	CHECK_INT(0, web_new(&f.web, f.loop, &listen, on_request, &f, why));
	tls_ctx_free((struct tls_ctx **)(void *)&listen.tls);
	f.port = web_port(f.web, 0);
	web_on_gone(f.web, on_gone);
	assert_int_equal(0, pthread_create(&thread, NULL, run, &f));
	while (!atomic_load(&f.done) || f.gone < f.followed) {
		struct loop_timer wake = { 0 };

		loop_timer_start(f.loop, &wake, 10, nothing, NULL);
		loop_turn(f.loop);
		loop_timer_stop(f.loop, &wake);
	}
	pthread_join(thread, NULL);
	web_free(&f.web);
	loop_free(&f.loop);
	SSL_CTX_free(f.client);
}

/* --- the client's side, on its own thread with a blocking socket --- */

static SSL *dial(const struct fixture *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(f->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(f->client);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)));
	SSL_set_fd(ssl, fd);
	CHECK_INT(1, SSL_connect(ssl));
	return ssl;
}

static void hang_up(SSL *ssl)
{
	SSL_shutdown(ssl);
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
}

static void say(SSL *ssl, const char *head, const char *body, size_t n)
{
	CHECK_INT((int)strlen(head), SSL_write(ssl, head, (int)strlen(head)));
	if (n)
		CHECK_INT((int)n, SSL_write(ssl, body, (int)n));
}

/* Until that much body has come behind the head. */
static void hear(SSL *ssl, size_t body, struct buf *out)
{
	const char *end = NULL;
	char part[16384];
	int n;

	while (!(end && out->len >= (size_t)(end - out->data) + 4 + body) &&
	       (n = SSL_read(ssl, part, sizeof(part))) > 0) {
		buf_add(out, part, (size_t)n);
		end = memmem(out->data, out->len, "\r\n\r\n", 4);
	}
	CHECK(end && !strncmp(out->data, "HTTP/1.1 200 ", 13));
	CHECK(end && out->len == (size_t)(end - out->data) + 4 + body);
}

static long serial_of(SSL *ssl)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	long serial = cert ? ASN1_INTEGER_get(X509_get0_serialNumber(cert)) : 0;

	X509_free(cert);
	return serial;
}

static void sizes(struct fixture *f)
{
	static char megabyte[1 << 20];
	struct buf got = { 0 };
	SSL *ssl = dial(f);

	memset(megabyte, 'y', sizeof(megabyte));
	say(ssl, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 0);
	hear(ssl, LARGE, &got);
	CHECK(got.len > LARGE && !memchr(got.data + got.len - LARGE, 'y', LARGE));
	buf_reset(&got);
	say(ssl, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n", megabyte, sizeof(megabyte));
	hear(ssl, sizeof(megabyte), &got);
	CHECK(got.len > sizeof(megabyte) && !memcmp(got.data + got.len - sizeof(megabyte), megabyte, sizeof(megabyte)));
	buf_free(&got);
	hang_up(ssl);
}

static void whole_texts_come_and_go(void **state)
{
	with_server(sizes);
}

static void leaver(struct fixture *f)
{
	SSL *ssl = dial(f);
	struct buf got = { 0 };

	say(ssl, "GET /follow HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 0);
	hear(ssl, strlen("4\r\none\n\r\n"), &got);
	buf_free(&got);
	hang_up(ssl);
}

/* His farewell lies unread before the end of the connection. */
static void who_leaves_a_stream_is_noticed(void **state)
{
	with_server(leaver);
}

static void renewer(struct fixture *f)
{
	SSL *old = dial(f), *fresh = NULL;
	struct buf got = { 0 };
	long serial = 0;

	CHECK_INT(1, serial_of(old));
	say(old, "GET /renew HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 0);
	hear(old, strlen("none"), &got);
	/* The order is on its way to the thread that shakes hands. */
	for (int i = 0; i < 1000 && serial != 2; i++) {
		fresh = dial(f);
		serial = serial_of(fresh);
		hang_up(fresh);
	}
	CHECK_INT(2, serial);
	buf_reset(&got);
	say(old, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 0);
	hear(old, strlen("none"), &got);
	buf_free(&got);
	hang_up(old);
}

static void a_reload_changes_the_certificate(void **state)
{
	with_server(renewer);
}

static void old_and_resuming(struct fixture *f)
{
	SSL_SESSION *session;
	SSL *ssl;

	/* What a client got in a handshake it could resume by. */
	SSL_CTX_set_session_cache_mode(f->client, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_set_max_proto_version(f->client, TLS1_2_VERSION);
	ssl = dial(f);
	CHECK_STR("TLSv1.2", SSL_get_version(ssl));
	session = SSL_get1_session(ssl);
	CHECK(!SSL_SESSION_has_ticket(session));
	hang_up(ssl);
	SSL_SESSION_free(session);
}

static void nobody_resumes(void **state)
{
	with_server(old_and_resuming);
}

/* --- */

static int make_folder(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(folder));
	issue(1);
	issue(2);
	return 0;
}

static int drop_folder(void **state)
{
	char path[100];

	for (long serial = 1; serial <= 2; serial++) {
		unlink(path_of(path, serial, "pem"));
		unlink(path_of(path, serial, "key"));
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_texts_come_and_go),
		TEST(who_leaves_a_stream_is_noticed),
		TEST(a_reload_changes_the_certificate),
		TEST(nobody_resumes),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
