/* Any bytes as Authorization lines of a REGISTER with Contacts and Paths from outside: nothing that was not made with
 * the password is good, and what a registrar answers has no line of its own making. */
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "sip/sip_auth_server.h"
#include "sip/sip_registrar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *password(void *arg, struct str user)
{
	return str_is(user, "alice") ? "a password that nobody guesses" : NULL;
}

/* Each line of ours begins with the name of one of our headers. */
static void check_lines(struct str lines)
{
	struct str line;

	while (lines.n && str_split(&lines, '\n', &line)) {
		if (!line.n && !lines.n)
			return;
		if (!line.n || line.p[line.n - 1] != '\r' || memchr(line.p, '\r', line.n - 1) ||
		    memchr(line.p, 0, line.n))
			abort();
		if (!str_starts(line, "Contact: <") && !str_starts(line, "Path: ") &&
		    !str_starts(line, "Min-Expires: "))
			abort();
	}
}

static void judge(struct loop *l, struct sip_auth_server *server, const struct sip_msg *m, const struct addr *source)
{
	const struct sip_auth_ask ask = {
		m, source, "example.test", 1u << SIP_DIGEST_MD5 | 1u << SIP_DIGEST_SHA256, password, NULL
	};
	struct str user;

	if (sip_auth_server_judge(server, &ask, &user) == SIP_PROOF_GOOD)
		abort();
	loop_run_until(l, loop_now_ms(l) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_msg m;
	struct sip_credentials c;
	struct sip_auth_server *server = NULL;
	struct sip_bindings *bindings = NULL;
	struct loop *l = NULL;
	struct sip_flow flow = { .kind = size % 2 ? WIRE_UDP : WIRE_TCP, .connection = size % 2 ? 0 : 7 };
	struct buf text = { 0 }, out = { 0 };
	const char *why;
	size_t used;

	if (loop_new(&l, true, 1) || addr_parse(&flow.remote, STR("10.0.0.3"), 5060))
		abort();
	if (sip_auth_server_new(&server, l) || sip_bindings_new(&bindings, l))
		abort();
	sip_credentials_parse(&c, (struct str){ (const char *)data, size });
	buf_printf(&text, "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.3;rport;branch=z9hG4bK1\r\n"
			  "Call-ID: c\r\nCSeq: 2 REGISTER\r\n");
	buf_add(&text, data, size);
	buf_cstr(&text, "\r\n\r\n");
	if (sip_msg_parse(&m, text.data, text.len, false, &used, &why) == SIP_PARSE_OK) {
		struct sip_register r = { &m, &flow, STR("alice"), loop_now_ms(l) };

		judge(l, server, &m, &flow.remote);
		for (int i = 0; i < 2; i++) {
			buf_reset(&out);
			sip_registrar_take(bindings, &r, &out);
			check_lines(buf_view(&out));
		}
		sip_bindings_lost(bindings, 7);
	}
	sip_bindings_free(&bindings);
	sip_auth_server_free(&server);
	loop_free(&l);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
