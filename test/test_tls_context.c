/* What a TLS context does beyond one certificate: names, callers' certificates, resumption. Both ends on a socket pair. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

static char folder[] = "/tmp/crosspoint-tls-XXXXXX";

struct pair {
	struct tls *caller, *callee;
	enum tls_result caller_is, callee_is;
	int fds[2];
};

/* --- certificates --- */

static char paths[12][256];

static const char *path_of(size_t slot, const char *name, const char *kind)
{
	snprintf(paths[slot], sizeof(paths[slot]), "%s/%s.%s", folder, name, kind);
	return paths[slot];
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

/* A certificate and its key in files of that name; issuer NULL: an authority. */
static void issue(const char *name, const char *san, X509 **cert, EVP_PKEY **key, X509 *issuer, EVP_PKEY *issuer_key)
{
	FILE *f;

	*key = EVP_EC_gen("P-256");
	*cert = X509_new();
	X509_set_version(*cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(*cert), 7);
	X509_gmtime_adj(X509_getm_notBefore(*cert), -1000);
	X509_gmtime_adj(X509_getm_notAfter(*cert), 100000);
	X509_set_pubkey(*cert, *key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(*cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(*cert, X509_get_subject_name(issuer ? issuer : *cert));
	if (!issuer)
		add_extension(*cert, NID_basic_constraints, "critical,CA:TRUE");
	if (san)
		add_extension(*cert, NID_subject_alt_name, san);
	assert_int_not_equal(0, X509_sign(*cert, issuer ? issuer_key : *key, EVP_sha256()));
	f = fopen(path_of(0, name, "pem"), "w");
	assert_non_null(f);
	PEM_write_X509(f, *cert);
	fclose(f);
	f = fopen(path_of(0, name, "key"), "w");
	PEM_write_PrivateKey(f, *key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static int set_up(void **state)
{
	static const struct {
		const char *name, *san;
		bool foreign;
	} rows[] = { { "first", "DNS:first.test", false },
		     { "second", "DNS:second.test,DNS:*.second.test", false },
		     { "caller", "DNS:caller.test", false },
		     { "stranger", "DNS:caller.test", true } };
	X509 *ca, *other, *cert;
	EVP_PKEY *ca_key, *other_key, *key;

	assert_non_null(mkdtemp(folder));
	issue("ca", NULL, &ca, &ca_key, NULL, NULL);
	issue("other", NULL, &other, &other_key, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		issue(rows[i].name, rows[i].san, &cert, &key, rows[i].foreign ? other : ca,
		      rows[i].foreign ? other_key : ca_key);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	X509_free(ca);
	X509_free(other);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(other_key);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "ca", "other", "first", "second", "caller", "stranger" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		unlink(path_of(0, names[i], "pem"));
		unlink(path_of(0, names[i], "key"));
	}
	return rmdir(folder);
}

/* --- the two ends --- */

static struct tls_ctx *context(const char *cert, const struct sock_tls *like)
{
	struct sock_tls opts = *like;
	struct tls_ctx *c = NULL;
	char why[TLS_WHY] = "";

	if (cert) {
		opts.cert = path_of(1, cert, "pem");
		opts.key = path_of(2, cert, "key");
	}
	opts.ca = path_of(3, "ca", "pem");
	CHECK_INT(0, tls_ctx_new(&c, &opts, why));
	assert_non_null(c);
	return c;
}

static void open_pair(struct pair *p, struct tls_ctx *caller, struct tls_ctx *callee, const char *name)
{
	memset(p, 0, sizeof(*p));
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds));
	assert_int_equal(0, tls_connect(&p->caller, caller, p->fds[0], name));
	assert_int_equal(0, tls_accept(&p->callee, callee, p->fds[1]));
}

/* Both ends until both have settled; then bytes, with which the ticket comes. */
static void shake(struct pair *p)
{
	char text[TLS_MAX_RECORD];
	size_t n = 0;

	p->caller_is = p->callee_is = TLS_WANT_READ;
	for (int i = 0; i < 20; i++) {
		if (p->caller_is == TLS_WANT_READ)
			p->caller_is = tls_handshake(p->caller);
		if (p->callee_is == TLS_WANT_READ)
			p->callee_is = tls_handshake(p->callee);
	}
	if (p->caller_is != TLS_DONE || p->callee_is != TLS_DONE)
		return;
	CHECK_INT(TLS_DONE, tls_write(p->callee, "hello", 5, &n));
	CHECK_INT(TLS_DONE, tls_read(p->caller, text, sizeof(text), &n));
	CHECK_INT(5, n);
}

static void close_pair(struct pair *p)
{
	tls_free(&p->caller);
	tls_free(&p->callee);
	close(p->fds[0]);
	close(p->fds[1]);
}

/* A whole connection; true = it stood. */
static bool stands(struct tls_ctx *caller, struct tls_ctx *callee, const char *name, bool *resumed)
{
	struct pair p;
	bool good;

	open_pair(&p, caller, callee, name);
	shake(&p);
	good = p.caller_is == TLS_DONE && p.callee_is == TLS_DONE;
	*resumed = good && tls_is_resumed(p.caller);
	CHECK(!good || tls_is_resumed(p.callee) == *resumed);
	close_pair(&p);
	return good;
}

/* --- tests --- */

static void the_name_chooses_the_certificate(void **state)
{
	static const struct {
		const char *name;
		bool good; /* RFC 5922 §7.2: no wildcards, so the caller refuses what is chosen */
	} rows[] = {
		{ "first.test", true },     { "second.test", true }, { "SECOND.test", true },
		{ "a.second.test", false }, { "third.test", false }, { "a.b.second.test", false },
	};
	struct sock_tls_cert named = { path_of(4, "second", "pem"), path_of(5, "second", "key") };
	struct tls_ctx *callee = context("first", &(struct sock_tls){ .named = &named, .named_count = 1 });
	struct tls_ctx *caller = context(NULL, &(struct sock_tls){ .verify = true });

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool resumed;

		CHECK_INT(rows[i].good, stands(caller, callee, rows[i].name, &resumed));
		CHECK(!resumed);
	}
	tls_ctx_free(&caller);
	tls_ctx_free(&callee);
}

static void a_bad_named_certificate_is_told(void **state)
{
	struct sock_tls_cert named = { path_of(4, "second", "pem"), path_of(5, "first", "key") };
	struct sock_tls opts = {
		.cert = path_of(1, "first", "pem"), .key = path_of(2, "first", "key"), .named = &named, .named_count = 1
	};
	struct tls_ctx *c = NULL;
	char why[TLS_WHY] = "";

	CHECK_INT(EINVAL, tls_ctx_new(&c, &opts, why));
	CHECK(!c && strstr(why, "first.key: "));
}

static void callers_show_who_they_are(void **state)
{
	static const struct {
		enum sock_tls_callers callers;
		const char *cert;
		bool good;
	} rows[] = {
		{ SOCK_TLS_NOT_ASKED, NULL, true },       { SOCK_TLS_NOT_ASKED, "stranger", true },
		{ SOCK_TLS_OPTIONAL, NULL, true },        { SOCK_TLS_OPTIONAL, "caller", true },
		{ SOCK_TLS_OPTIONAL, "stranger", false }, { SOCK_TLS_REQUIRED, NULL, false },
		{ SOCK_TLS_REQUIRED, "caller", true },    { SOCK_TLS_REQUIRED, "stranger", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_ctx *callee = context("first", &(struct sock_tls){ .callers = rows[i].callers });
		struct tls_ctx *caller = context(rows[i].cert, &(struct sock_tls){ .verify = true });
		bool resumed;

		CHECK_INT(rows[i].good, stands(caller, callee, "first.test", &resumed));
		/* Once more: what was refused is not taken up again, what was good is. */
		CHECK_INT(rows[i].good, stands(caller, callee, "first.test", &resumed));
		CHECK_INT(rows[i].good, resumed);
		tls_ctx_free(&caller);
		tls_ctx_free(&callee);
	}
}

static void handshakes_are_taken_up_again(void **state)
{
	struct sock_tls_cert named = { path_of(4, "second", "pem"), path_of(5, "second", "key") };
	const struct sock_tls opts = { .named = &named, .named_count = 1 };
	struct tls_ctx *callee = context("first", &opts), *other = context("first", &opts);
	struct tls_ctx *caller = context(NULL, &(struct sock_tls){ .verify = true });
	struct tls_ctx *anybody = context(NULL, &(struct sock_tls){ .verify = false });
	bool resumed;

	CHECK(stands(caller, callee, "first.test", &resumed) && !resumed);
	for (int i = 0; i < 3; i++)
		CHECK(stands(caller, callee, "first.test", &resumed) && resumed);
	/* By name: another one never gets it. */
	CHECK(stands(caller, callee, "second.test", &resumed) && !resumed);
	CHECK(stands(caller, callee, "second.test", &resumed) && resumed);
	/* Another key, another server: a whole handshake, and then again. */
	tls_ctx_rotate(callee);
	CHECK(stands(caller, callee, "first.test", &resumed) && !resumed);
	CHECK(stands(caller, callee, "first.test", &resumed) && resumed);
	CHECK(stands(caller, other, "first.test", &resumed) && !resumed);
	/* The table of names is bounded. */
	for (int i = 0; i < 200; i++) {
		char name[40];

		snprintf(name, sizeof(name), "a%d.second.test", i);
		CHECK(stands(anybody, callee, name, &resumed) && !resumed);
	}
	CHECK(stands(anybody, callee, "a199.second.test", &resumed) && resumed);
	CHECK(stands(anybody, callee, "a0.second.test", &resumed) && !resumed);
	tls_ctx_free(&anybody);
	tls_ctx_free(&caller);
	tls_ctx_free(&callee);
	tls_ctx_free(&other);
}

/* A reload in the middle of a handshake, and before the ticket has come. */
static void contexts_go_under_their_connections(void **state)
{
	struct sock_tls_cert named = { path_of(4, "second", "pem"), path_of(5, "second", "key") };

	for (int half = 0; half < 2; half++) {
		struct tls_ctx *callee = context("first", &(struct sock_tls){ .named = &named, .named_count = 1 });
		struct tls_ctx *caller = context(NULL, &(struct sock_tls){ .verify = true });
		struct pair p;

		open_pair(&p, caller, callee, "first.test");
		if (half) {
			tls_handshake(p.caller);
			tls_handshake(p.callee);
		}
		tls_ctx_free(&caller);
		tls_ctx_free(&callee);
		shake(&p);
		CHECK_INT(TLS_DONE, p.caller_is);
		CHECK_INT(TLS_DONE, p.callee_is);
		close_pair(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_name_chooses_the_certificate),    TEST(a_bad_named_certificate_is_told),
		TEST(callers_show_who_they_are),           TEST(handshakes_are_taken_up_again),
		TEST(contexts_go_under_their_connections),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
