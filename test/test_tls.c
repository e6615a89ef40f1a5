/* Whom TLS trusts, and what goes over a connection that stands. */
#include "tls_world.h"

#include <errno.h>

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
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
