#include "net/stun.h"

#include <errno.h>
#include <string.h>

enum {
	HEADER = 20,
	COOKIE = 0x2112a442,
	FINGERPRINT_BYTES = 8,
	OPTIONAL_FROM = 0x8000, /* attributes from here on need not be understood */
	MAX_UNKNOWN = 8
};

static const uint32_t fingerprint_xor = 0x5354554e; /* "STUN" */

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static void put32(unsigned char *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

/* CRC-32 of ITU V.42, without a table: messages are short. */
static uint32_t crc32(const unsigned char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

bool stun_next(const struct stun_msg *m, size_t *pos, uint16_t *type, struct str *value)
{
	const unsigned char *p = (const unsigned char *)m->attrs.p + *pos;
	size_t left = m->attrs.n - *pos;

	if (left < 4 || padded(get16(p + 2)) > left - 4)
		return false;
	*type = get16(p);
	*value = (struct str){ (const char *)p + 4, get16(p + 2) };
	*pos += 4 + padded(value->n);
	return true;
}

/* FINGERPRINT covers all before it, and nothing may follow (§15.5). */
static bool fingerprint_is_right(const struct stun_msg *m, struct str data, size_t end, struct str value)
{
	const unsigned char *p = (const unsigned char *)data.p;

	if (end != m->attrs.n || value.n != 4)
		return false;
	return get32(p + data.n - 4) == (crc32(p, data.n - FINGERPRINT_BYTES) ^ fingerprint_xor);
}

int stun_parse(struct stun_msg *m, struct str data)
{
	const unsigned char *p = (const unsigned char *)data.p;
	struct stun_msg got = { .type = 0 };
	struct str value;
	size_t pos = 0;
	uint16_t type;

	if (data.n < HEADER || p[0] & 0xc0 || get16(p + 2) != data.n - HEADER || data.n % 4 || get32(p + 4) != COOKIE)
		return EINVAL;
	got.type = get16(p);
	memcpy(got.id, p + 8, STUN_ID);
	got.attrs = str_from(data, HEADER);
	while (stun_next(&got, &pos, &type, &value)) {
		if (type != STUN_A_FINGERPRINT)
			continue;
		if (!fingerprint_is_right(&got, data, pos, value))
			return EINVAL;
		got.fingerprint = true;
	}
	if (pos != got.attrs.n)
		return EINVAL;
	*m = got;
	return 0;
}

/* Cookie and transaction id, which the address is mixed with. */
static void get_mask(const struct stun_msg *m, unsigned char out[16])
{
	put32(out, COOKIE);
	memcpy(out + 4, m->id, STUN_ID);
}

int stun_mapped(const struct stun_msg *m, struct addr *out)
{
	unsigned char mask[16], bytes[16];
	const unsigned char *p;
	struct str value;
	size_t pos = 0, n;
	uint16_t type;

	while (stun_next(m, &pos, &type, &value)) {
		p = (const unsigned char *)value.p;
		if (type != STUN_A_XOR_MAPPED_ADDRESS)
			continue;
		n = value.n == 8 && p[1] == 1 ? 4 : value.n == 20 && p[1] == 2 ? 16 : 0;
		if (!n)
			return EINVAL;
		get_mask(m, mask);
		for (size_t i = 0; i < n; i++)
			bytes[i] = p[4 + i] ^ mask[i];
		memset(out, 0, sizeof(*out));
		out->sa.sa_family = n == 4 ? AF_INET : AF_INET6;
		memcpy(n == 4 ? (void *)&out->in4.sin_addr : (void *)&out->in6.sin6_addr, bytes, n);
		addr_set_port(out, get16(p + 2) ^ (uint16_t)((uint32_t)COOKIE >> 16));
		return 0;
	}
	return EINVAL;
}

static size_t put_mapped(unsigned char *p, const struct stun_msg *m, const struct addr *from)
{
	bool v6 = addr_is_v6(from);
	const unsigned char *bytes =
		v6 ? (const unsigned char *)&from->in6.sin6_addr : (const unsigned char *)&from->in4.sin_addr;
	size_t n = v6 ? 16 : 4;
	unsigned char mask[16];

	get_mask(m, mask);
	put16(p, STUN_A_XOR_MAPPED_ADDRESS);
	put16(p + 2, (uint16_t)(4 + n));
	put16(p + 4, v6 ? 2 : 1);
	put16(p + 6, addr_port(from) ^ (uint16_t)((uint32_t)COOKIE >> 16));
	for (size_t i = 0; i < n; i++)
		p[8 + i] = bytes[i] ^ mask[i];
	return 8 + n;
}

static bool is_understood(uint16_t type)
{
	static const uint16_t known[] = { STUN_A_USERNAME,           STUN_A_MESSAGE_INTEGRITY,
					  STUN_A_ERROR_CODE,         STUN_A_REALM,
					  STUN_A_UNKNOWN_ATTRIBUTES, STUN_A_NONCE,
					  STUN_A_XOR_MAPPED_ADDRESS };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] == type)
			return true;
	return type >= OPTIONAL_FROM;
}

static size_t put_refusal(unsigned char *p, const uint16_t *unknown, size_t count)
{
	static const char phrase[] = "Unknown Attribute";
	size_t n = 8;

	put16(p, STUN_A_ERROR_CODE);
	put16(p + 2, (uint16_t)(4 + sizeof(phrase) - 1));
	put32(p + 4, 4 << 8 | 20); /* class and number of 420 */
	memcpy(p + n, phrase, sizeof(phrase) - 1);
	n = padded(n + sizeof(phrase) - 1);
	put16(p + n, STUN_A_UNKNOWN_ATTRIBUTES);
	put16(p + n + 2, (uint16_t)(2 * count));
	for (size_t i = 0; i < count; i++)
		put16(p + n + 4 + 2 * i, unknown[i]);
	return padded(n + 4 + 2 * count);
}

size_t stun_answer(unsigned char out[STUN_MAX_ANSWER], const struct stun_msg *m, const struct addr *from)
{
	uint16_t unknown[MAX_UNKNOWN], type;
	size_t count = 0, pos = 0, n = HEADER;
	struct str value;

	if (m->type != STUN_BINDING_REQUEST)
		return 0;
	while (stun_next(m, &pos, &type, &value))
		if (!is_understood(type) && count < MAX_UNKNOWN)
			unknown[count++] = type;
	memset(out, 0, STUN_MAX_ANSWER);
	put16(out, count ? STUN_BINDING_ERROR : STUN_BINDING_SUCCESS);
	put32(out + 4, COOKIE);
	memcpy(out + 8, m->id, STUN_ID);
	n += count ? put_refusal(out + n, unknown, count) : put_mapped(out + n, m, from);
	put16(out + 2, (uint16_t)(n - HEADER + (m->fingerprint ? FINGERPRINT_BYTES : 0)));
	if (m->fingerprint) {
		put16(out + n, STUN_A_FINGERPRINT);
		put16(out + n + 2, 4);
		put32(out + n + 4, crc32(out, n) ^ fingerprint_xor);
		n += FINGERPRINT_BYTES;
	}
	return n;
}
