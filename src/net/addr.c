#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"

static bool set_v4(struct addr *out, const char *text, uint16_t port)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	memset(out, 0, sizeof(*out));
	out->in4.sin_family = AF_INET;
	out->in4.sin_addr = in;
	out->in4.sin_port = htons(port);
	return true;
}

static bool set_v6(struct addr *out, const char *text, uint16_t port)
{
	struct in6_addr in;

	if (inet_pton(AF_INET6, text, &in) != 1)
		return false;
	memset(out, 0, sizeof(*out));
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_addr = in;
	out->in6.sin6_port = htons(port);
	return true;
}

int addr_parse(struct addr *out, struct str host, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	bool brackets = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

	if (brackets)
		host = (struct str){ host.p + 1, host.n - 2 };
	/* inet_pton() would stop at an embedded NUL and take the part before it for the whole. */
	if (!host.n || host.n >= sizeof(text) || memchr(host.p, 0, host.n))
		return EINVAL;
	memcpy(text, host.p, host.n);
	text[host.n] = 0;
	if (!brackets && set_v4(out, text, port))
		return 0;
	return set_v6(out, text, port) ? 0 : EINVAL;
}

/* Where the port's colon is, or -1: behind the bracket, or the only colon there is ("::1" has no port). */
static long port_colon(struct str text)
{
	long at;

	if (text.n && text.p[0] == '[') {
		at = str_chr(text, ']');
		return at >= 0 && (size_t)at + 1 < text.n ? at + 1 : -1;
	}
	at = str_chr(text, ':');
	return at >= 0 && str_chr(str_from(text, (size_t)at + 1), ':') >= 0 ? -1 : at;
}

int addr_parse_port(struct addr *out, struct str text, uint16_t default_port)
{
	long colon = port_colon(text);
	uint32_t port = default_port;

	if (colon >= 0) {
		if (text.p[colon] != ':' || str_u32(str_from(text, (size_t)colon + 1), &port) || port > UINT16_MAX)
			return EINVAL;
		text = str_head(text, (size_t)colon);
	}
	return addr_parse(out, text, (uint16_t)port);
}

uint16_t addr_port(const struct addr *a)
{
	return ntohs(addr_is_v6(a) ? a->in6.sin6_port : a->in4.sin_port);
}

void addr_set_port(struct addr *a, uint16_t port)
{
	if (addr_is_v6(a))
		a->in6.sin6_port = htons(port);
	else
		a->in4.sin_port = htons(port);
}

socklen_t addr_len(const struct addr *a)
{
	return addr_is_v6(a) ? sizeof(a->in6) : sizeof(a->in4);
}

bool addr_is_v6(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6;
}

/* Both families in one form, IPv4 as ::ffff:a.b.c.d; what compares and hashes equal has equal bytes here. */
static void host_bytes(const struct addr *a, uint8_t out[16])
{
	if (addr_is_v6(a)) {
		memcpy(out, &a->in6.sin6_addr, 16);
		return;
	}
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, &a->in4.sin_addr, 4);
}

bool addr_is_any(const struct addr *a)
{
	if (!addr_is_v6(a))
		return a->in4.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
	uint8_t left[16], right[16];

	host_bytes(a, left);
	host_bytes(b, right);
	if (memcmp(left, right, sizeof(left)))
		return false;
	/* fe80::1 of one link is not fe80::1 of another one. */
	return !addr_is_v6(a) || !addr_is_v6(b) || a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_port(a) == addr_port(b) && addr_same_host(a, b);
}

/* inet_ntop() makes it with sprintf(), and a SIP call needs seven. */
static void print_v4(const struct in_addr *in, char *out)
{
	const uint8_t *bytes = (const uint8_t *)&in->s_addr;

	for (unsigned i = 0; i < 4; i++) {
		uint8_t v = bytes[i];

		if (i)
			*out++ = '.';
		if (v >= 100)
			*out++ = (char)('0' + v / 100);
		if (v >= 10)
			*out++ = (char)('0' + v / 10 % 10);
		*out++ = (char)('0' + v % 10);
	}
	*out = 0;
}

const char *addr_host(const struct addr *a, char *out)
{
	if (!addr_is_v6(a))
		print_v4(&a->in4.sin_addr, out);
	else if (!inet_ntop(AF_INET6, &a->in6.sin6_addr, out, ADDR_TEXT))
		out[0] = 0;
	return out;
}

const char *addr_uri_host(const struct addr *a, char *out)
{
	char host[ADDR_TEXT];

	if (!addr_is_v6(a))
		return addr_host(a, out);
	snprintf(out, ADDR_TEXT, "[%.*s]", INET6_ADDRSTRLEN, addr_host(a, host));
	return out;
}

const char *addr_text(const struct addr *a, char *out)
{
	char host[ADDR_TEXT];

	snprintf(out, ADDR_TEXT, "%.*s:%u", INET6_ADDRSTRLEN + 2, addr_uri_host(a, host), addr_port(a));
	return out;
}

uint64_t addr_hash(const struct addr *a, uint64_t seed)
{
	uint16_t port = addr_port(a);
	uint8_t bytes[18];

	host_bytes(a, bytes);
	memcpy(bytes + 16, &port, sizeof(port));
	return map_hash((struct str){ (const char *)bytes, sizeof(bytes) }, seed);
}

int addr_net_parse(struct addr_net *out, struct str text)
{
	long slash = str_chr(text, '/');
	struct addr_net net;
	uint32_t bits, most;
	int err;

	err = addr_parse(&net.base, slash < 0 ? text : str_head(text, (size_t)slash), 0);
	if (err)
		return err;
	most = addr_is_v6(&net.base) ? 128 : 32;
	bits = most;
	if (slash >= 0 && (str_u32(str_from(text, (size_t)slash + 1), &bits) || bits > most))
		return EINVAL;
	net.bits = (uint8_t)bits;
	*out = net;
	return 0;
}

static bool is_v4(const uint8_t bytes[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return !memcmp(bytes, mapped, sizeof(mapped));
}

bool addr_net_has(const struct addr_net *net, const struct addr *a)
{
	size_t bits = addr_is_v6(&net->base) ? net->bits : net->bits + 96u;
	uint8_t base[16], host[16];
	unsigned rest = bits % 8;

	host_bytes(&net->base, base);
	host_bytes(a, host);
	/* "::/0" means all of IPv6, not the IPv4 hosts that only share its form. */
	if (is_v4(host) && bits < 96)
		return false;
	if (memcmp(base, host, bits / 8))
		return false;
	return !rest || !((base[bits / 8] ^ host[bits / 8]) >> (8 - rest));
}
