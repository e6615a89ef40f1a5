/* sign: HMACs of webhooks and document requests (OpenSSL). Pure. Thread: any. Source: swml.md §6. */
#ifndef SIGN_H
#define SIGN_H

#include "base/str.h"

/* Lower-case hex of HMAC-SHA1 / HMAC-SHA256(key, url without user:password@ and fragment, followed by body).
 * The empty text on no memory. */
void sign_sha1(char out[41], const char *key, const char *url, struct str body);
void sign_sha256(char out[65], const char *key, const char *url, struct str body);

#endif
