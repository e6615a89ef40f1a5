#include "net/sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "net/url.h"

/* The URL and the body in one piece: the one-shot HMAC needs no context that could fail half way. */
static void sign(char *out, const EVP_MD *hash, const char *key, const char *url, struct str body)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	struct url u;
	struct buf b;

	out[0] = '\0';
	buf_init(&b, 0);
	if (url_parse(&u, str_of(url)))
		buf_cstr(&b, url);
	else
		url_bare(&b, &u);
	buf_str(&b, body.p ? body : STR(""));
	if (!b.failed && HMAC(hash, key, (int)strlen(key), (unsigned char *)b.data, b.len, mac, &n))
		for (unsigned i = 0; i < n; i++)
			snprintf(out + 2 * (size_t)i, 3, "%02x", mac[i]);
	buf_free(&b);
}

void sign_sha1(char out[41], const char *key, const char *url, struct str body)
{
	sign(out, EVP_sha1(), key, url, body);
}

void sign_sha256(char out[65], const char *key, const char *url, struct str body)
{
	sign(out, EVP_sha256(), key, url, body);
}
