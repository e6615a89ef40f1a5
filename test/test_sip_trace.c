/* The ring of SIP messages: what is found, what has gone, what is masked; and the copies for a capture server. */
#include <stdlib.h>

#include "base/loop.h"
#include "check.h"
#include "fake_net.h"
#include "sip/hep.h"
#include "sip/sip_trace.h"

struct seen {
	size_t count;
	char first[64], last[64];
};

static bool see(void *arg, const struct sip_trace_item *i)
{
	struct seen *s = arg;

	if (!s->count++)
		str_copy(s->first, sizeof(s->first), i->text);
	str_copy(s->last, sizeof(s->last), i->text);
	return true;
}

static struct seen look(const struct sip_trace *t, const char *key)
{
	struct seen s = { 0 };

	sip_trace_find(t, str_of(key), see, &s);
	return s;
}

static void write_message(struct sip_trace *t, const char *key, const char *text)
{
	struct sip_trace_item i = { .kind = SIP_TRACE_IN, .text = str_of(text) };

	addr_parse(&i.local, STR("10.0.0.1"), 5060);
	addr_parse(&i.remote, STR("10.0.0.2"), 5080);
	i.key = str_of(key);
	sip_trace_message(t, &i);
}

static void the_newest_are_found_by_their_key(void **state)
{
	struct sip_trace_opts opts = { .bytes = 64 << 10 };
	struct sip_trace *t = NULL;
	struct seen s;
	char text[64];

	CHECK_INT(0, loop_new(&opts.loop, true, 1));
	CHECK_INT(0, sip_trace_new(&t, &opts));
	s = look(t, "a");
	CHECK_INT(0, s.count);
	write_message(t, "a", "first");
	sip_trace_note(t, 3, STR("a"), STR("second"));
	write_message(t, "b", "other");
	s = look(t, "a");
	CHECK_INT(2, s.count);
	CHECK_STR("second", s.first);
	CHECK_STR("first", s.last);
	/* The Call-ID of what we send stands in it. */
	write_message(t, NULL, "BYE sip:x SIP/2.0\r\nCall-ID: c@d\r\nCSeq: 1 BYE\r\n\r\n");
	CHECK_INT(1, look(t, "c@d").count);
	/* Many more than there is room for: the newest are there, without a gap, and the old ones are not. */
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		write_message(t, i % 3 ? "x" : "y", text);
	}
	CHECK_INT(0, look(t, "a").count);
	s = look(t, "y");
	CHECK_STR("4998", s.first);
	CHECK_INT(4998 - 3 * ((int)s.count - 1), atoi(s.last));
	CHECK(s.count > 100 && s.count < 300);
	sip_trace_free(&t);
	loop_free(&opts.loop);
}

/* Records of random sizes wrap anywhere; whatever is found is whole. */
static bool whole(void *arg, const struct sip_trace_item *i)
{
	size_t *n = arg;

	for (size_t k = 1; k < i->text.n; k++)
		CHECK(i->text.p[k] == i->text.p[0]);
	CHECK(i->text.n == (unsigned char)i->text.p[0] * 13u + 1);
	++*n;
	return true;
}

static void what_is_found_is_whole(void **state)
{
	struct sip_trace_opts opts = { .bytes = 20000 };
	struct sip_trace *t = NULL;
	static const char large[30000];
	char text[4000];
	size_t found = 0;

	CHECK_INT(0, loop_new(&opts.loop, true, 7));
	CHECK_INT(0, sip_trace_new(&t, &opts));
	for (int i = 0; i < 3000; i++) {
		struct sip_trace_item item = { .kind = SIP_TRACE_OUT, .key = i % 2 ? STR("k") : STR("l") };
		uint32_t c = loop_random_below(opts.loop, 200);

		memset(text, (int)c, sizeof(text));
		item.text = (struct str){ text, c * 13 + 1 };
		sip_trace_message(t, &item);
		sip_trace_find(t, STR("k"), whole, &found);
		sip_trace_find(t, STR("l"), whole, &found);
	}
	CHECK(found > 3000 * 8);
	/* What is larger than everything is left out. */
	found = 0;
	sip_trace_note(t, 1, STR("k"), (struct str){ large, sizeof(large) });
	sip_trace_find(t, STR("k"), whole, &found);
	CHECK(found > 0);
	sip_trace_free(&t);
	loop_free(&opts.loop);
}

static void secrets_are_masked(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "Authorization: Digest username=\"u\", response=\"0123\", nonce=\"n\"\r\n\r\n",
		  "Authorization: Digest username=\"u\", response=\"xxxx\", nonce=\"n\"\r\n\r\n" },
		{ "proxy-authorization : Digest\r\n response =\r\n \"01\\\"23\",uri=\"response=1\"\r\nX: "
		  "response=\"1\"\r\n",
		  "proxy-authorization : Digest\r\n response =\r\n \"xxxxxx\",uri=\"response=x\"\r\nX: "
		  "response=\"1\"\r\n" },
		{ "Authorization: Basic dTpw\r\n", "Authorization: Basic xxxx\r\n" },
		{ "Authorization: Bearer\r\n", "Authorization: xxxxxx\r\n" },
		{ "Authentication-Info: rspauth=\"ab\"\r\n", "Authentication-Info: rspauth=\"xx\"\r\n" },
		{ "WWW-Authenticate: Digest nonce=\"response=1\"\r\n",
		  "WWW-Authenticate: Digest nonce=\"response=1\"\r\n" },
		{ "INVITE sip:u:pw@h;x=1 SIP/2.0\r\nTo: <sips:a:b:c@h>;tag=1\r\n",
		  "INVITE sip:u:xx@h;x=1 SIP/2.0\r\nTo: <sips:a:xxx@h>;tag=1\r\n" },
		{ "To: sip:h:5060\r\nFrom: <sip:a@h:5060>, <sip:b@h>\r\n",
		  "To: sip:h:5060\r\nFrom: <sip:a@h:5060>, <sip:b@h>\r\n" },
		{ "A: b\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:S3cret|2^20|1:4 FEC\r\nk=clear:abc\r\n",
		  "A: b\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxxxxxxxxxxxxxx "
		  "FEC\r\nk=xxxxxxxxx\r\n" },
		{ "A: b\r\n\r\nAuthorization: Digest response=\"1\"\r\n",
		  "A: b\r\n\r\nAuthorization: Digest response=\"1\"\r\n" },
		{ "Authorization: Digest response=\"unfinished", "Authorization: Digest response=\"xxxxxxxxxx" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text = strdup(rows[i].in);

		sip_trace_mask(text, strlen(text));
		CHECK_STR(rows[i].out, text);
		free(text);
	}
}

/* --- the capture server --- */

struct server {
	size_t count;
	char bytes[2048];
	size_t n;
};

static void take(void *arg, struct wire *w, const struct addr *from, const char *data, size_t n)
{
	struct server *s = arg;

	s->count++;
	s->n = n < sizeof(s->bytes) ? n : sizeof(s->bytes);
	memcpy(s->bytes, data, s->n);
}

static void a_capture_server_gets_each_message(void **state)
{
	static const struct wire_handlers handlers = { .bytes = take };
	static const char head[] =
		"HEP3\0\xa4\0\0\0\1\0\7\2\0\0\0\2\0\7\x11\0\0\0\3\0\x0a\x0a\0\0\2\0\0\0\4\0\x0a\x0a\0\0\1"
		"\0\0\0\7\0\x08\x13\xd8\0\0\0\x08\0\x08\x13\xc4";
	struct sip_trace_opts opts = { .bytes = 0 };
	struct server server = { 0 };
	struct sip_trace *t = NULL;
	struct fake_net *net;
	struct wire *w = NULL;
	struct addr at;

	CHECK_INT(0, loop_new(&opts.loop, true, 1));
	assert_int_equal(fake_net_new(&net, opts.loop), 0);
	addr_parse(&at, STR("10.0.0.7"), 9060);
	CHECK_INT(0, fake_net_host(net, "10.0.0.7")
			     ->ops->udp_open(fake_net_host(net, "10.0.0.7"), &w, &at, &handlers, &server));
	CHECK_INT(0, hep_new(&opts.hep, fake_net_host(net, "10.0.0.1"), &at, 0x01020304));
	CHECK_INT(0, sip_trace_new(&t, &opts));
	write_message(t, "id", "OPTIONS sip:u:secret@h SIP/2.0\r\nAuthorization: Digest response=\"1\"\r\n\r\n");
	CHECK_INT(0, look(t, "id").count); /* no ring */
	loop_run_until(opts.loop, loop_now_ms(opts.loop) + 1000);
	CHECK_INT(1, server.count);
	CHECK_INT(server.n, (unsigned char)server.bytes[4] << 8 | (unsigned char)server.bytes[5]);
	CHECK(!memcmp(server.bytes + 6, head + 6, sizeof(head) - 7));
	CHECK(memmem(server.bytes, server.n, "\0\0\0\x0c\0\x0a\1\2\3\4", 10));
	CHECK(memmem(server.bytes, server.n, "\0\0\0\x11\0\x08id", 8));
	CHECK(memmem(server.bytes, server.n, "sip:u:xxxxxx@h", 14));
	CHECK(!memmem(server.bytes, server.n, "secret", 6));
	CHECK_INT(1, hep_count(opts.hep).sent);
	sip_trace_free(&t);
	hep_free(&opts.hep);
	w->ops->close(w);
	fake_net_free(&net);
	loop_free(&opts.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_newest_are_found_by_their_key),
		TEST(what_is_found_is_whole),
		TEST(secrets_are_masked),
		TEST(a_capture_server_gets_each_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
