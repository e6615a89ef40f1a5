/* Any bytes as challenges, a line each, to one session: what we answer is one clean header line and never shows
 * the password. */
#include <stdlib.h>
#include <string.h>

#include "sip/sip_auth.h"

#define PASSWORD "hunter2hunter2"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* echoed: the challenge itself holds the password. */
static void check_line(const struct buf *b, size_t from, bool echoed)
{
	const char *line = b->data + from;
	size_t n = b->len - from;

	if (b->failed || !n)
		return;
	if (n < 2 || memcmp(line + n - 2, "\r\n", 2))
		abort();
	if (!echoed && memmem(line, n, PASSWORD, strlen(PASSWORD)))
		abort();
	for (size_t i = 0; i < n - 2; i++)
		if (line[i] == '\r' || line[i] == '\n' || !line[i])
			abort();
}

static void request(struct sip_auth *a, enum sip_method method, bool echoed)
{
	struct buf b;
	size_t at;

	buf_init(&b, SIP_MAX_MESSAGE);
	buf_printf(&b, "%s sip:\"x\\@y SIP/2.0\r\n", sip_method_name(method));
	at = b.len;
	sip_auth_print(a, &b, method);
	check_line(&b, at, echoed);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, line;
	bool echoed = memmem(data, size, PASSWORD, strlen(PASSWORD)) != NULL;
	struct sip_challenge c;
	struct sip_auth *a;
	uint64_t n = 0;

	if (!size || sip_auth_new(&a, STR("u\"ser"), STR(PASSWORD)))
		return 0;
	while (str_split(&rest, '\n', &line) && n < 20) {
		struct sip_msg m = { .status = n % 2 ? 407 : 401, .header_count = 1 };

		m.headers[0].id = n % 2 ? SIP_H_PROXY_AUTHENTICATE : SIP_H_WWW_AUTHENTICATE;
		m.headers[0].value = str_trim(line);
		if (!sip_challenge_parse(&c, line) && (!c.realm.p || !c.nonce.n))
			abort();
		if (sip_auth_challenged(a, &m, ++n) == SIP_AUTH_REFUSED)
			sip_auth_settled(a);
		request(a, SIP_INVITE, echoed);
		request(a, SIP_ACK, echoed);
		request(a, SIP_BYE, echoed);
	}
	sip_auth_free(&a);
	return 0;
}
