/* Bytes from the network as a SIP message, in both framings: parse, check, read everything with every decoder, and
 * answer. The answer to a request that passes the check must parse and pass the check itself. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_build.h"
#include "sip/sip_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool inside(const struct sip_msg *m, struct str s)
{
	return !s.n || (s.p >= m->raw.p && s.p + s.n <= m->raw.p + m->raw.n);
}

static void decode_uri(const struct sip_msg *m, const struct sip_uri *u)
{
	assert(inside(m, u->all) && inside(m, u->user) && inside(m, u->password) && inside(m, u->host));
	assert(inside(m, u->params) && inside(m, u->headers));
	assert(inside(m, sip_param(u->params, "transport")));
	assert(!u->host.p || u->host.n);
}

static void decode_value(const struct sip_msg *m, struct str value)
{
	struct sip_name_addr addr;
	struct sip_cseq cseq;
	struct sip_uri uri;
	struct sip_via via;

	assert(inside(m, value));
	if (!sip_uri_parse(&uri, value))
		decode_uri(m, &uri);
	if (!sip_name_addr_parse(&addr, value)) {
		decode_uri(m, &addr.uri);
		assert(inside(m, addr.name) && inside(m, addr.params) && inside(m, addr.tag));
		assert(!addr.tag.p || sip_param(addr.params, "tag").p);
	}
	if (!sip_via_parse(&via, value)) {
		assert(via.host.n && inside(m, via.host) && inside(m, via.branch) && inside(m, via.params));
		assert(!via.rport || sip_param(via.params, "rport").p);
	}
	if (!sip_cseq_parse(&cseq, value))
		assert(cseq.number <= INT32_MAX && inside(m, cseq.method_text));
	sip_param(value, "expires");
}

static void walk(const struct sip_msg *m)
{
	for (size_t i = 0; i < m->header_count; i++) {
		const struct sip_hdr *h = &m->headers[i];
		char name[32];

		assert(inside(m, h->name) && inside(m, h->value));
		str_copy(name, sizeof(name), h->name);
		sip_msg_header_named(m, name);
		decode_value(m, h->value);
	}
	for (int id = SIP_H_OTHER; id <= SIP_H_SERVER; id++) {
		struct str value;
		size_t pos = 0, count = 0;

		while (sip_msg_next_value(m, (enum sip_hdr_id)id, &pos, &value)) {
			assert(value.n && count++ < m->raw.n);
			decode_value(m, value);
		}
		sip_msg_has_token(m, (enum sip_hdr_id)id, "timer");
		while (sip_msg_header(m, (enum sip_hdr_id)id, count).p)
			count++;
	}
}

static void answer(const struct sip_msg *m, int status)
{
	static struct sip_msg back;
	struct buf b = { 0 };
	const char *why;
	size_t used;

	sip_build_response(&b, m, status ? status : 200, STR(""), "tag", "192.0.2.1", 5060);
	sip_build_body(&b, "application/sdp", STR("v=0\r\n"));
	assert(!b.failed);
	assert(!memmem(b.data, b.len - 5, "\n\n", 2));
	if (!status) {
		struct sip_name_addr to;

		assert(sip_msg_parse(&back, b.data, b.len, true, &used, &why) == SIP_PARSE_OK && used == b.len);
		assert(back.status == 200 && back.body.n == 5);
		/* Vias of elements below the top one come back with it, and the client would refuse those. */
		assert(!sip_msg_check(&back, &why) || !strcmp(why, "More Than One Via"));
		assert(!sip_name_addr_parse(&to, sip_msg_header(&back, SIP_H_TO, 0)) && to.tag.n);
	}
	buf_free(&b);
}

static void parse(const char *data, size_t n, bool stream)
{
	static struct sip_msg m;
	const char *why = NULL;
	size_t used = n + 1;
	int status;

	switch (sip_msg_parse(&m, data, n, stream, &used, &why)) {
	case SIP_PARSE_OK:
		break;
	case SIP_PARSE_MORE:
		assert(stream);
		return;
	case SIP_PARSE_EMPTY:
		assert(used <= n);
		return;
	case SIP_PARSE_BAD:
		assert(why && *why);
		return;
	}
	assert(used && used <= n && m.header_count <= SIP_MAX_HEADERS);
	status = sip_msg_check(&m, &why);
	walk(&m);
	if (m.request)
		answer(&m, status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy without slack and without a NUL behind it, so that reading beyond is seen. */
	char *copy = malloc(n ? n : 1);

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data, n);
	parse(copy, n, false);
	parse(copy, n, true);
	free(copy);
	return 0;
}
