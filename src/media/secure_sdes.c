#include <errno.h>
#include <string.h>

#include "media/secure.h"

static const struct {
	const char *name;
	uint8_t key_bytes; /* with salt */
} suites[SECURE_SUITES] = {
	[SECURE_AES_CM_128_80] = { "AES_CM_128_HMAC_SHA1_80", 16 + 14 },
	[SECURE_AES_CM_128_32] = { "AES_CM_128_HMAC_SHA1_32", 16 + 14 },
	[SECURE_AES_256_CM_80] = { "AES_256_CM_HMAC_SHA1_80", 32 + 14 },
	[SECURE_AES_256_CM_32] = { "AES_256_CM_HMAC_SHA1_32", 32 + 14 },
	[SECURE_AEAD_AES_128_GCM] = { "AEAD_AES_128_GCM", 16 + 12 },
	[SECURE_AEAD_AES_256_GCM] = { "AEAD_AES_256_GCM", 32 + 12 },
};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const char *secure_suite_name(enum secure_suite suite)
{
	return suites[suite].name;
}

size_t secure_key_bytes(enum secure_suite suite)
{
	return suites[suite].key_bytes;
}

void secure_forget(struct secure_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

/* --- base64 --- */

static int letter_value(char c)
{
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (int)(at - letters) : -1;
}

/* Exactly n bytes. Many leave the padding out; what else is too much or too little is no key. */
static bool decode(uint8_t *out, size_t n, struct str text)
{
	uint32_t bits = 0;
	size_t have = 0;
	int count = 0;

	while (text.n && text.p[text.n - 1] == '=')
		text.n--;
	if (text.n != (n * 8 + 5) / 6)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		int value = letter_value(text.p[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 8 && have < n) {
			count -= 8;
			out[have++] = (uint8_t)(bits >> count);
		}
	}
	return have == n;
}

static void encode(struct buf *b, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t bits = (uint32_t)bytes[i] << 16;

		bits |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
		bits |= i + 2 < n ? bytes[i + 2] : 0;
		buf_char(b, letters[bits >> 18]);
		buf_char(b, letters[bits >> 12 & 63]);
		buf_char(b, i + 1 < n ? letters[bits >> 6 & 63] : '=');
		buf_char(b, i + 2 < n ? letters[bits & 63] : '=');
	}
}

/* --- a=crypto --- */

static bool next_word(struct str *rest, struct str *word)
{
	do {
		if (!str_split(rest, ' ', word))
			return false;
	} while (!word->n);
	return true;
}

static int read_suite(struct str name, enum secure_suite *out)
{
	for (int i = 0; i < SECURE_SUITES; i++) {
		if (str_iis(name, suites[i].name)) {
			*out = (enum secure_suite)i;
			return 0;
		}
	}
	return ENOTSUP;
}

/* "2^20" or "1048576" */
static bool is_lifetime(struct str s)
{
	uint64_t v;

	if (str_starts(s, "2^"))
		return !str_u64(str_from(s, 2), &v) && v <= 48;
	return !str_u64(s, &v) && v;
}

/* "inline:KEY|2^20|1:4". One key only: several need an MKI, and that makes every packet another format. */
static int read_key(struct str text, struct secure_key *out)
{
	struct str key, part;

	if (str_chr(text, ';') >= 0)
		return ENOTSUP;
	if (!str_istarts(text, "inline:"))
		return EINVAL;
	text = str_from(text, sizeof("inline:") - 1);
	str_split(&text, '|', &key);
	while (str_split(&text, '|', &part)) {
		if (str_chr(part, ':') >= 0)
			return ENOTSUP;
		if (!is_lifetime(part))
			return EINVAL;
	}
	return decode(out->bytes, suites[out->suite].key_bytes, key) ? 0 : EINVAL;
}

/* RFC 4568 §6.3.7: what is unknown and not marked with '-' refuses the line. WSH is a hint for a replay window. */
static bool may_ignore(struct str parameter)
{
	return str_starts(parameter, "-") || str_istarts(parameter, "WSH=") || str_iis(parameter, "KDR=0");
}

int secure_parse(struct secure_key *out, unsigned *tag, struct str value)
{
	struct secure_key key = { .set = true };
	struct str word, name, keys;
	uint32_t number;
	int err;

	if (!next_word(&value, &word) || word.n > 9 || str_u32(word, &number))
		return EINVAL;
	if (!next_word(&value, &name) || !next_word(&value, &keys))
		return EINVAL;
	err = read_suite(name, &key.suite);
	if (!err)
		err = read_key(keys, &key);
	while (!err && next_word(&value, &word)) {
		if (!may_ignore(word))
			err = ENOTSUP;
	}
	if (!err) {
		*out = key;
		*tag = number;
	}
	secure_forget(&key);
	return err;
}

void secure_print(struct buf *b, unsigned tag, const struct secure_key *key)
{
	buf_u32(b, tag);
	buf_char(b, ' ');
	buf_cstr(b, suites[key->suite].name);
	buf_cstr(b, " inline:");
	encode(b, key->bytes, suites[key->suite].key_bytes);
}
