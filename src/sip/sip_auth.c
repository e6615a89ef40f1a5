#include "sip/sip_auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "sip/sip_lex.h"

enum {
	MAX_TEXT = 1024, /* realm, nonce and opaque; carriers' nonces go to some 300 bytes */
	MAX_ANSWERS = 3, /* to one request: the first, and to what is called stale         */
	CNONCE_TEXT = 17,
};

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
	bool session;
	int strength;
} kinds[] = {
	[SIP_DIGEST_MD5] = { "MD5", EVP_md5, false, 0 },
	[SIP_DIGEST_MD5_SESS] = { "MD5-sess", EVP_md5, true, 0 },
	[SIP_DIGEST_SHA256] = { "SHA-256", EVP_sha256, false, 1 },
	[SIP_DIGEST_SHA256_SESS] = { "SHA-256-sess", EVP_sha256, true, 1 },
	[SIP_DIGEST_SHA512_256] = { "SHA-512-256", EVP_sha512_256, false, 1 },
	[SIP_DIGEST_SHA512_256_SESS] = { "SHA-512-256-sess", EVP_sha512_256, true, 1 },
};

/* --- the challenge --- */

struct scan {
	const char *p, *end;
};

/* The next name=value or name="value". False: no more, or something else begins. */
static bool next_param(struct scan *s, struct str *name, struct str *value)
{
	const char *start, *close;

	while (s->p < s->end && (lex_is(*s->p, LEX_BLANK) || *s->p == ','))
		s->p++;
	start = s->p;
	s->p = lex_span(s->p, s->end, LEX_TOKEN);
	*name = lex_slice(start, s->p);
	s->p = lex_span(s->p, s->end, LEX_BLANK);
	if (!name->n || s->p == s->end || *s->p != '=')
		return false;
	s->p = lex_span(s->p + 1, s->end, LEX_BLANK);
	start = s->p;
	if (s->p < s->end && *s->p == '"') {
		close = lex_quote_end(s->p, s->end);
		if (!close)
			return false;
		s->p = close + 1;
		*value = lex_slice(start + 1, close);
		return true;
	}
	while (s->p < s->end && *s->p != ',' && !lex_is(*s->p, LEX_BLANK))
		s->p++;
	*value = lex_slice(start, s->p);
	return true;
}

bool sip_auth_param(struct str *rest, struct str *name, struct str *value)
{
	struct scan s = { rest->p, rest->p + rest->n };
	bool found = next_param(&s, name, value);

	*rest = lex_slice(s.p, s.end);
	return found;
}

static bool offers_auth(struct str list)
{
	struct str item;

	while (str_split(&list, ',', &item))
		if (str_iis(str_trim(item), "auth"))
			return true;
	return false;
}

int sip_digest_kind_of(enum sip_digest_kind *out, struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_iis(name, kinds[i].name))
			continue;
		*out = (enum sip_digest_kind)i;
		return 0;
	}
	return ENOTSUP;
}

static int take_kind(struct sip_challenge *c, struct str name)
{
	c->named = true;
	return sip_digest_kind_of(&c->kind, name);
}

static int take_param(struct sip_challenge *c, struct str name, struct str value)
{
	if (str_iis(name, "realm") && !c->realm.p)
		c->realm = value;
	else if (str_iis(name, "nonce") && !c->nonce.p)
		c->nonce = value;
	else if (str_iis(name, "opaque") && !c->opaque.p)
		c->opaque = value;
	else if (str_iis(name, "stale"))
		c->stale = str_iis(value, "true");
	else if (str_iis(name, "algorithm"))
		return take_kind(c, value);
	else if (str_iis(name, "qop")) {
		c->qop = offers_auth(value);
		/* An empty list is how some servers of old say "none". */
		return c->qop || !str_trim(value).n ? 0 : ENOTSUP;
	}
	return 0;
}

/* Texts that go back as they came: not folded, and not without measure. */
static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n <= MAX_TEXT;
}

int sip_challenge_parse(struct sip_challenge *out, struct str value)
{
	struct scan s = { value.p, value.p + value.n };
	struct sip_challenge c = { .kind = SIP_DIGEST_MD5 };
	struct str name, v;
	const char *start;
	int err;

	s.p = start = lex_span(s.p, s.end, LEX_BLANK);
	s.p = lex_span(s.p, s.end, LEX_TOKEN);
	if (s.p == start)
		return EINVAL;
	if (!str_iis(lex_slice(start, s.p), "Digest"))
		return ENOTSUP;
	while (next_param(&s, &name, &v)) {
		err = take_param(&c, name, v);
		if (err)
			return err;
	}
	if (!c.realm.p || !c.nonce.n || !is_clean(c.realm) || !is_clean(c.nonce) || !is_clean(c.opaque))
		return EINVAL;
	/* The session kinds hash a cnonce, which nothing tells the server without qop. */
	if (kinds[c.kind].session && !c.qop)
		return ENOTSUP;
	*out = c;
	return 0;
}

int sip_challenge_choose(struct sip_challenge *out, const struct sip_msg *m)
{
	enum sip_hdr_id id = m->status == 407 ? SIP_H_PROXY_AUTHENTICATE : SIP_H_WWW_AUTHENTICATE;
	struct sip_challenge c;
	int result = EINVAL, err;
	struct str value;

	for (size_t n = 0; (value = sip_msg_header(m, id, n)).p; n++) {
		err = sip_challenge_parse(&c, value);
		if (!err && (result || kinds[c.kind].strength > kinds[out->kind].strength))
			*out = c;
		if (!err || result == EINVAL)
			result = err;
	}
	return result;
}

/* --- the response --- */

/* Lower-case hex of the hash over the parts with colons between them. */
static int hash(char out[SIP_DIGEST_TEXT], const EVP_MD *md, const struct str *parts, size_t count)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned n = 0;
	int ok;

	if (!ctx)
		return ENOMEM;
	ok = EVP_DigestInit_ex(ctx, md, NULL);
	for (size_t i = 0; ok && i < count; i++) {
		ok = !i || EVP_DigestUpdate(ctx, ":", 1);
		ok = ok && (!parts[i].n || EVP_DigestUpdate(ctx, parts[i].p, parts[i].n));
	}
	ok = ok && EVP_DigestFinal_ex(ctx, sum, &n);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return ENOTSUP; /* MD5 where policy forbids it */
	for (size_t i = 0; i < n && i < (SIP_DIGEST_TEXT - 1) / 2; i++) {
		out[2 * i] = "0123456789abcdef"[sum[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
		out[2 * i + 2] = '\0';
	}
	return 0;
}

/* What was quoted: servers hash the realm they mean, not the one they escaped. */
static struct str unescape(char out[MAX_TEXT], struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < MAX_TEXT; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		out[n++] = s.p[i];
	}
	return (struct str){ out, n };
}

int sip_digest_response(char out[SIP_DIGEST_TEXT], const struct sip_challenge *c, const struct sip_digest *d)
{
	const EVP_MD *md = kinds[c->kind].md();
	char realm[MAX_TEXT], a1[SIP_DIGEST_TEXT], a2[SIP_DIGEST_TEXT], nc[9];
	const struct str secret[] = { d->username, unescape(realm, c->realm), d->password };
	const struct str action[] = { d->method, d->uri };
	int err = hash(a1, md, secret, ARRAY_LEN(secret));

	if (!err && kinds[c->kind].session) {
		const struct str session[] = { str_of(a1), c->nonce, d->cnonce };

		err = hash(a1, md, session, ARRAY_LEN(session));
	}
	if (!err)
		err = hash(a2, md, action, ARRAY_LEN(action));
	if (err)
		return err;
	snprintf(nc, sizeof(nc), "%08x", d->nc);
	if (c->qop) {
		const struct str all[] = { str_of(a1), c->nonce, str_of(nc), d->cnonce, STR("auth"), str_of(a2) };

		return hash(out, md, all, ARRAY_LEN(all));
	}
	return hash(out, md, (const struct str[]){ str_of(a1), c->nonce, str_of(a2) }, 3);
}

/* --- of one session --- */

struct sip_auth {
	char *username, *password;
	struct sip_challenge c; /* texts in `texts` */
	char *texts;            /* NULL = not challenged yet */
	bool proxy;             /* 407, not 401 */
	char cnonce[CNONCE_TEXT];
	uint32_t nc;
	unsigned answers; /* given to the request that is open */
	struct buf line;  /* of the newest INVITE, for its ACK */
};

int sip_auth_new(struct sip_auth **out, struct str username, struct str password)
{
	struct sip_auth *a;

	if (!is_clean(username) || !is_clean(password))
		return EINVAL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return ENOMEM;
	a->username = str_heap(username.p ? username : STR(""));
	a->password = str_heap(password.p ? password : STR(""));
	buf_init(&a->line, SIP_MAX_HEADER);
	if (!a->username || !a->password) {
		sip_auth_free(&a);
		return ENOMEM;
	}
	*out = a;
	return 0;
}

void sip_auth_free(struct sip_auth **ap)
{
	struct sip_auth *a = *ap;

	*ap = NULL;
	if (!a)
		return;
	if (a->password)
		OPENSSL_cleanse(a->password, strlen(a->password));
	free(a->username);
	free(a->password);
	free(a->texts);
	buf_free(&a->line);
	free(a);
}

static struct str put(char **at, struct str s)
{
	struct str copy = { *at, s.n };

	if (!s.p)
		return s;
	memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static bool adopt(struct sip_auth *a, const struct sip_challenge *c)
{
	char *texts = malloc(c->realm.n + c->nonce.n + c->opaque.n + 1), *at = texts;

	if (!texts)
		return false;
	a->c = *c;
	a->c.realm = put(&at, c->realm);
	a->c.nonce = put(&at, c->nonce);
	a->c.opaque = put(&at, c->opaque);
	free(a->texts);
	a->texts = texts;
	return true;
}

const char *sip_auth_clause(enum sip_auth_verdict v)
{
	switch (v) {
	case SIP_AUTH_AGAIN:
		return NULL;
	case SIP_AUTH_REFUSED:
		return ": the credentials were refused";
	case SIP_AUTH_UNSUPPORTED:
		return ": no digest is offered that we know";
	case SIP_AUTH_FOREIGN:
		return ": another realm asks for the credentials";
	}
	return "";
}

enum sip_auth_verdict sip_auth_challenged(struct sip_auth *a, const struct sip_msg *m, uint64_t random)
{
	struct sip_challenge c;

	if (sip_challenge_choose(&c, m))
		return SIP_AUTH_UNSUPPORTED;
	if (a->texts && !str_eq(a->c.realm, c.realm))
		return SIP_AUTH_FOREIGN;
	if (a->texts && str_eq(a->c.nonce, c.nonce))
		return SIP_AUTH_REFUSED;
	if (a->answers && (!c.stale || a->answers >= MAX_ANSWERS))
		return SIP_AUTH_REFUSED;
	if (!adopt(a, &c))
		return SIP_AUTH_UNSUPPORTED;
	a->answers++;
	a->proxy = m->status == 407;
	a->nc = 0;
	snprintf(a->cnonce, sizeof(a->cnonce), "%016llx", (unsigned long long)random);
	return SIP_AUTH_AGAIN;
}

void sip_auth_settled(struct sip_auth *a)
{
	a->answers = 0;
}

static void print_quoted(struct buf *b, const char *name, struct str value)
{
	buf_cstr(b, name);
	buf_cstr(b, "=\"");
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_char(b, '\\');
		buf_char(b, value.p[i]);
	}
	buf_char(b, '"');
}

/* What came in quotes goes back as it stood there. */
static void print_echo(struct buf *b, const char *name, struct str value)
{
	buf_cstr(b, name);
	buf_cstr(b, "=\"");
	buf_str(b, value);
	buf_char(b, '"');
}

static void print_line(struct sip_auth *a, struct buf *b, const struct sip_digest *d)
{
	char response[SIP_DIGEST_TEXT];

	if (sip_digest_response(response, &a->c, d)) {
		b->failed = true;
		return;
	}
	buf_cstr(b, a->proxy ? "Proxy-Authorization: Digest " : "Authorization: Digest ");
	print_quoted(b, "username", d->username);
	print_echo(b, ", realm", a->c.realm);
	print_echo(b, ", nonce", a->c.nonce);
	print_quoted(b, ", uri", d->uri);
	print_echo(b, ", response", str_of(response));
	if (a->c.named)
		buf_printf(b, ", algorithm=%s", kinds[a->c.kind].name);
	if (a->c.opaque.p)
		print_echo(b, ", opaque", a->c.opaque);
	if (a->c.qop)
		buf_printf(b, ", qop=auth, cnonce=\"%s\", nc=%08x", a->cnonce, d->nc);
	buf_cstr(b, "\r\n");
}

/* Not always the remote target: a strict router stands in its place. */
static struct str request_uri(const struct buf *b)
{
	struct str rest = buf_view(b), part = { NULL, 0 };

	str_split(&rest, ' ', &part);
	str_split(&rest, ' ', &part);
	return part;
}

void sip_auth_print(struct sip_auth *a, struct buf *b, enum sip_method method)
{
	struct sip_digest d = { .username = str_of(a->username),
				.password = str_of(a->password),
				.method = str_of(sip_method_name(method)),
				.uri = request_uri(b),
				.cnonce = str_of(a->cnonce) };
	struct buf line;

	if (!a->texts)
		return;
	if (method == SIP_ACK) {
		buf_str(b, buf_view(&a->line));
		return;
	}
	d.nc = ++a->nc;
	buf_init(&line, SIP_MAX_HEADER);
	print_line(a, &line, &d);
	buf_str(b, buf_view(&line));
	b->failed = b->failed || line.failed;
	if (method == SIP_INVITE) {
		buf_free(&a->line);
		a->line = line;
	} else {
		buf_free(&line);
	}
}
