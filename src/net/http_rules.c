#include "net/http_rules.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct http_rules {
	unsigned references;
	bool deny_private;
	char **hosts;
	size_t host_count;
	struct addr_net *nets;
	size_t net_count;
};

static void rules_free(struct http_rules *r)
{
	for (size_t i = 0; i < r->host_count; i++)
		free(r->hosts[i]);
	free(r->hosts);
	free(r->nets);
	free(r);
}

int http_rules_new(struct http_rules **out, const char *const *allow, bool deny_private)
{
	struct http_rules *r = calloc(1, sizeof(*r));
	size_t n = 0;
	int err = ENOMEM;

	while (allow && allow[n])
		n++;
	if (!r)
		return ENOMEM;
	r->references = 1;
	r->deny_private = deny_private;
	r->hosts = calloc(n + 1, sizeof(*r->hosts));
	r->nets = calloc(n + 1, sizeof(*r->nets));
	if (!r->hosts || !r->nets)
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (!addr_net_parse(&r->nets[r->net_count], str_of(allow[i]))) {
			r->net_count++;
			continue;
		}
		r->hosts[r->host_count] = str_heap(str_of(allow[i]));
		if (!r->hosts[r->host_count])
			goto out;
		r->host_count++;
	}
	*out = r;
	err = 0;
out:
	if (err)
		rules_free(r);
	return err;
}

struct http_rules *http_rules_use(struct http_rules *r)
{
	r->references++;
	return r;
}

void http_rules_drop(struct http_rules *r)
{
	if (!r)
		return;
	assert(r->references);
	if (!--r->references)
		rules_free(r);
}

static bool v4_is_private(uint32_t ip)
{
	static const struct {
		uint32_t base;
		uint8_t bits;
	} nets[] = {
		{ 0x00000000, 8 },  /* 0.0.0.0/8: this network   */
		{ 0x0a000000, 8 },  /* 10.0.0.0/8                */
		{ 0x64400000, 10 }, /* 100.64.0.0/10: shared     */
		{ 0x7f000000, 8 },  /* 127.0.0.0/8               */
		{ 0xa9fe0000, 16 }, /* 169.254.0.0/16            */
		{ 0xac100000, 12 }, /* 172.16.0.0/12             */
		{ 0xc0000000, 24 }, /* 192.0.0.0/24: protocols   */
		{ 0xc0a80000, 16 }, /* 192.168.0.0/16            */
		{ 0xc6120000, 15 }, /* 198.18.0.0/15: benchmarks */
		{ 0xe0000000, 3 },  /* multicast and reserved    */
	};

	for (size_t i = 0; i < ARRAY_LEN(nets); i++)
		if (!((ip ^ nets[i].base) >> (32 - nets[i].bits)))
			return true;
	return false;
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Addresses that carry an IPv4 address lead where that one leads. */
static bool v6_is_private(const uint8_t b[16])
{
	static const uint8_t zero[12] = { 0 }, mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

	if (!memcmp(b, zero, 12) || !memcmp(b, mapped, 12) || !memcmp(b, nat64, 12))
		return v4_is_private(word(b + 12)); /* :: and ::1 are in 0.0.0.0/8 */
	if (b[0] == 0x20 && b[1] == 0x02)           /* 6to4 */
		return v4_is_private(word(b + 2));
	if (!memcmp(b, "\x20\x01\0\0", 4)) /* Teredo: anybody's tunnel */
		return true;
	/* fc00::/7, fe80::/10, fec0::/10, ff00::/8, 64:ff9b:1::/48, 100::/64 */
	return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && b[1] >= 0x80) || b[0] == 0xff ||
	       !memcmp(b, "\x00\x64\xff\x9b\x00\x01", 6) || !memcmp(b, "\x01\0\0\0\0\0\0\0", 8);
}

bool http_rules_is_private(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return v4_is_private(ntohl(a->in4.sin_addr.s_addr));
	return a->sa.sa_family != AF_INET6 || v6_is_private(a->in6.sin6_addr.s6_addr);
}

static bool names(const struct http_rules *r, struct str host)
{
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	for (size_t i = 0; i < r->host_count; i++)
		if (str_iis(host, r->hosts[i]))
			return true;
	return false;
}

bool http_rules_allow(const struct http_rules *r, struct str host, const struct addr *a)
{
	if (!r->deny_private || !http_rules_is_private(a) || names(r, host))
		return true;
	for (size_t i = 0; i < r->net_count; i++)
		if (addr_net_has(&r->nets[i], a))
			return true;
	return false;
}
