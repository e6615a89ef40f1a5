#include "sip/sip_auth_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/loop.h"
#include "base/map.h"
#include "sip/sip_lex.h"

enum { MAX_NAME = 128, MAX_URI = 1024, MAX_CNONCE = 256 };
enum { KEY_BYTES = 32, STAMP_TEXT = 20, MAC_BYTES = 16, NONCE_TEXT = STAMP_TEXT + 2 * MAC_BYTES };
enum { WAYS = 4, NONCE_SETS = 2048, GUESS_SETS = 1024, WINDOW = 32 };

struct used { /* of a nonce */
	uint64_t id, issued_ms;
	uint32_t newest; /* nc */
	uint32_t seen;   /* bit i: newest - i was used */
};

struct used_set {
	struct used ways[WAYS];
	uint64_t floor_ms; /* nonces of this set as old as that may have been forgotten: they are stale */
};

struct guesses {
	uint64_t id;
	uint64_t forgiven_ms; /* when all wrong answers so far are forgiven */
	uint64_t good_ms;     /* of a user at a source: when he last was right, 0 = never */
	bool puzzled;         /* of a From at a source: a challenge with more than MD5 is not answered yet */
};

struct sip_auth_server {
	struct loop *loop;
	uint64_t seed;
	unsigned char key[KEY_BYTES];
	struct used_set nonces[NONCE_SETS];
	struct guesses guesses[GUESS_SETS][WAYS];
};

/* --- what the header says --- */

static int take_nc(struct sip_credentials *c, struct str value)
{
	if (value.n != 8)
		return EINVAL;
	c->nc = 0;
	for (size_t i = 0; i < value.n; i++) {
		char digit = value.p[i];

		if (!lex_is(digit, LEX_HEX))
			return EINVAL;
		c->nc = c->nc << 4 | (uint32_t)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
	}
	return 0;
}

static int take_param(struct sip_credentials *c, struct str name, struct str value)
{
	const struct {
		const char *name;
		struct str *field;
	} texts[] = {
		{ "username", &c->username }, { "realm", &c->realm },       { "nonce", &c->nonce },
		{ "uri", &c->uri },           { "response", &c->response }, { "cnonce", &c->cnonce },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!str_iis(name, texts[i].name))
			continue;
		if (texts[i].field->p) /* which one was hashed? */
			return EINVAL;
		*texts[i].field = value;
		return 0;
	}
	if (str_iis(name, "nc"))
		return take_nc(c, value);
	if (str_iis(name, "algorithm"))
		return sip_digest_kind_of(&c->kind, value);
	if (str_iis(name, "qop")) {
		c->qop = str_iis(value, "auth");
		return c->qop ? 0 : ENOTSUP;
	}
	return 0;
}

static bool is_whole(const struct sip_credentials *c)
{
	if (!c->username.n || !c->realm.p || !c->nonce.n || !c->uri.n || !c->response.n || (c->qop && !c->cnonce.n))
		return false;
	return c->username.n <= MAX_NAME && c->uri.n <= MAX_URI && c->cnonce.n <= MAX_CNONCE;
}

int sip_credentials_parse(struct sip_credentials *out, struct str value)
{
	struct sip_credentials c = { .kind = SIP_DIGEST_MD5 };
	struct str rest = str_trim(value), name, text;
	const char *end = rest.p ? rest.p + rest.n : NULL, *scheme = lex_span(rest.p, end, LEX_TOKEN);
	int err;

	if (scheme == rest.p)
		return EINVAL;
	if (!str_iis(lex_slice(rest.p, scheme), "Digest"))
		return ENOTSUP;
	rest = lex_slice(scheme, end);
	while (sip_auth_param(&rest, &name, &text)) {
		err = take_param(&c, name, text);
		if (err)
			return err;
	}
	if (!is_whole(&c))
		return EINVAL;
	*out = c;
	return 0;
}

/* --- nonces --- */

static void put_hex(char *out, uint64_t value, size_t digits)
{
	for (size_t i = digits; i--; value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
}

/* False: no memory. out is zeros then, which is no sum of anything. */
static bool stamp_mac(const struct sip_auth_server *s, const char *stamp, const char *realm, char out[2 * MAC_BYTES])
{
	unsigned char sum[EVP_MAX_MD_SIZE] = { 0 };
	char text[STAMP_TEXT + 256];
	size_t n = strlen(realm);
	bool ok;

	if (n > sizeof(text) - STAMP_TEXT)
		n = sizeof(text) - STAMP_TEXT;
	memcpy(text, stamp, STAMP_TEXT);
	memcpy(text + STAMP_TEXT, realm, n);
	ok = HMAC(EVP_sha256(), s->key, KEY_BYTES, (const unsigned char *)text, STAMP_TEXT + n, sum, NULL);
	for (size_t i = 0; i < MAC_BYTES; i++)
		put_hex(out + 2 * i, ok ? sum[i] : 0, 2);
	return ok;
}

static void make_nonce(struct sip_auth_server *s, const char *realm, char out[NONCE_TEXT + 1])
{
	put_hex(out, loop_now_ms(s->loop), 12);
	put_hex(out + 12, loop_random(s->loop), STAMP_TEXT - 12);
	stamp_mac(s, out, realm, out + STAMP_TEXT);
	out[NONCE_TEXT] = '\0';
}

/* Is the nonce one of ours, for this realm, and young enough? */
static bool read_nonce(const struct sip_auth_server *s, struct str nonce, const char *realm, uint64_t *issued_ms)
{
	uint64_t now_ms = loop_now_ms(s->loop), ms = 0;
	char mac[2 * MAC_BYTES];

	if (nonce.n != NONCE_TEXT)
		return false;
	if (!stamp_mac(s, nonce.p, realm, mac) || CRYPTO_memcmp(mac, nonce.p + STAMP_TEXT, sizeof(mac)))
		return false;
	for (size_t i = 0; i < 12; i++)
		ms = ms << 4 | (uint64_t)(nonce.p[i] <= '9' ? nonce.p[i] - '0' : nonce.p[i] - 'a' + 10);
	*issued_ms = ms;
	return ms <= now_ms && now_ms - ms < SIP_NONCE_LIFE_MS;
}

/* A count that has not been seen; over UDP they may overtake one another. */
static bool take_count(struct used *u, uint32_t nc)
{
	uint32_t back = u->newest - nc, ahead = nc - u->newest;

	if (nc > u->newest) {
		u->seen = ahead < WINDOW ? u->seen << ahead | 1 : 1;
		u->newest = nc;
		return true;
	}
	if (back >= WINDOW || u->seen & 1u << back)
		return false;
	u->seen |= 1u << back;
	return true;
}

/* Remember that this count of the nonce was used. False: it was before, or that cannot be said any more. */
static bool use_nonce(struct sip_auth_server *s, struct str nonce, uint64_t issued_ms, uint32_t nc)
{
	uint64_t id = map_hash(nonce, s->seed);
	struct used_set *set = &s->nonces[id % NONCE_SETS];
	struct used *oldest = &set->ways[0];

	if (!nc)
		return false;
	for (size_t i = 0; i < WAYS; i++) {
		if (set->ways[i].issued_ms && set->ways[i].id == id)
			return take_count(&set->ways[i], nc);
		if (set->ways[i].issued_ms < oldest->issued_ms)
			oldest = &set->ways[i];
	}
	if (issued_ms <= set->floor_ms)
		return false;
	if (oldest->issued_ms > set->floor_ms)
		set->floor_ms = oldest->issued_ms;
	*oldest = (struct used){ id, issued_ms, nc, 1 };
	return true;
}

/* --- who guesses --- */

static struct guesses *guesses_of(struct sip_auth_server *s, uint64_t id)
{
	struct guesses *set = s->guesses[id % GUESS_SETS], *oldest = set;
	uint64_t age, oldest_age = UINT64_MAX;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].id == id)
			return &set[i];
		age = set[i].forgiven_ms > set[i].good_ms ? set[i].forgiven_ms : set[i].good_ms;
		if (age < oldest_age) {
			oldest_age = age;
			oldest = &set[i];
		}
	}
	*oldest = (struct guesses){ .id = id };
	return oldest;
}

static bool is_over(const struct guesses *g, uint64_t now_ms, unsigned most)
{
	return g->forgiven_ms > now_ms + (uint64_t)(most - 1) * SIP_GUESS_MS;
}

static void count_guess(struct guesses *g, uint64_t now_ms)
{
	g->forgiven_ms = (g->forgiven_ms > now_ms ? g->forgiven_ms : now_ms) + SIP_GUESS_MS;
}

/* IPv6 hosts have a whole /64 to themselves. */
static struct str source_key(const struct addr *a)
{
	if (!addr_is_v6(a))
		return (struct str){ (const char *)&a->in4.sin_addr, 4 };
	if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return (struct str){ (const char *)&a->in6.sin6_addr + 12, 4 };
	return (struct str){ (const char *)&a->in6.sin6_addr, 8 };
}

/* Three counts: of a source, of a name, and of a name at a source. Who was right there before is known: nobody else can
 * have him locked out, and he answers for himself alone. */
struct guesser {
	uint64_t source, name, both;
	uint64_t now_ms;
};

static bool is_known(struct sip_auth_server *s, const struct guesser *g)
{
	return guesses_of(s, g->both)->good_ms;
}

static bool is_blocked(struct sip_auth_server *s, const struct guesser *g)
{
	if (is_known(s, g))
		return is_over(guesses_of(s, g->both), g->now_ms, SIP_GUESSES);
	return is_over(guesses_of(s, g->source), g->now_ms, SIP_GUESSES) ||
	       is_over(guesses_of(s, g->name), g->now_ms, SIP_GUESSES_NAME);
}

static void count_wrong(struct sip_auth_server *s, const struct guesser *g)
{
	if (is_known(s, g)) {
		count_guess(guesses_of(s, g->both), g->now_ms);
		return;
	}
	count_guess(guesses_of(s, g->source), g->now_ms);
	count_guess(guesses_of(s, g->name), g->now_ms);
}

static struct guesser guesser_of(const struct sip_auth_server *s, const struct addr *source, struct str user)
{
	struct str from = source_key(source);

	return (struct guesser){
		.source = map_hash(from, s->seed ^ 1) | 1,
		.name = map_hash(user, s->seed ^ 2) | 1,
		.both = map_hash(user, map_hash(from, s->seed ^ 3)) | 1,
		.now_ms = loop_now_ms(s->loop),
	};
}

/* --- judging --- */

static bool find_credentials(struct sip_credentials *out, const struct sip_auth_ask *ask)
{
	struct str value;

	for (size_t n = 0; (value = sip_msg_header(ask->m, SIP_H_AUTHORIZATION, n)).p; n++) {
		if (sip_credentials_parse(out, value) || !str_is(out->realm, ask->realm) || !out->qop)
			continue;
		if (ask->offer & 1u << out->kind)
			return true;
	}
	return false;
}

/* RFC 7616 §3.4.6 has us compare the URIs. Proxies rewrite hosts and parameters, so the user must do. */
static bool is_same_target(struct str uri, struct str ruri)
{
	struct sip_uri a, b;

	return !sip_uri_parse(&a, uri) && !sip_uri_parse(&b, ruri) && str_eq(a.user, b.user);
}

static bool is_right(const struct sip_auth_ask *ask, const struct sip_credentials *c)
{
	const char *password = ask->password(ask->arg, c->username);
	struct sip_challenge challenge = {
		.kind = c->kind, .realm = str_of(ask->realm), .nonce = c->nonce, .qop = c->qop
	};
	struct sip_digest d = {
		.username = c->username,
		.password = str_of(password ? password : "nobody has this name"),
		.method = ask->m->method_text,
		.uri = c->uri,
		.cnonce = c->cnonce,
		.nc = c->nc,
	};
	char want[SIP_DIGEST_TEXT] = "", got[SIP_DIGEST_TEXT] = "";
	bool equal;

	if (sip_digest_response(want, &challenge, &d))
		return false;
	str_copy(got, sizeof(got), c->response);
	equal = !CRYPTO_memcmp(want, got, sizeof(want)) && c->response.n == strlen(want);
	return equal && password && is_same_target(c->uri, ask->m->ruri);
}

/* Who has no credentials yet says who he is in From. */
static uint64_t asker_of(const struct sip_auth_server *s, const struct sip_auth_ask *ask)
{
	struct sip_name_addr from = { .tag = { NULL, 0 } };

	sip_name_addr_parse(&from, sip_msg_header(ask->m, SIP_H_FROM, 0));
	return map_hash(from.uri.user.p ? from.uri.user : STR(""), map_hash(source_key(ask->source), s->seed ^ 4)) | 1;
}

enum sip_proof sip_auth_server_judge(struct sip_auth_server *s, const struct sip_auth_ask *ask, struct str *user)
{
	struct sip_credentials c;
	struct guesser g;
	uint64_t issued_ms;

	*user = (struct str){ NULL, 0 };
	if (!find_credentials(&c, ask))
		return SIP_PROOF_MISSING;
	*user = c.username;
	if (c.kind != SIP_DIGEST_MD5)
		guesses_of(s, asker_of(s, ask))->puzzled = false;
	g = guesser_of(s, ask->source, c.username);
	if (is_blocked(s, &g))
		return SIP_PROOF_BLOCKED;
	if (!is_right(ask, &c)) {
		count_wrong(s, &g);
		return SIP_PROOF_WRONG;
	}
	if (!read_nonce(s, c.nonce, ask->realm, &issued_ms) || !use_nonce(s, c.nonce, issued_ms, c.nc))
		return SIP_PROOF_STALE;
	*guesses_of(s, g.both) = (struct guesses){ .id = g.both, .good_ms = g.now_ms };
	return SIP_PROOF_GOOD;
}

/* What to offer to this one now. */
static unsigned offer_to(struct sip_auth_server *s, const struct sip_auth_ask *ask)
{
	static const unsigned both = 1u << SIP_DIGEST_SHA256 | 1u << SIP_DIGEST_MD5;
	struct guesses *g;

	if ((ask->offer & both) != both)
		return ask->offer;
	g = guesses_of(s, asker_of(s, ask));
	g->puzzled = !g->puzzled;
	return g->puzzled ? both : 1u << SIP_DIGEST_MD5;
}

size_t sip_auth_server_challenge(struct sip_auth_server *s, const struct sip_auth_ask *ask, bool stale,
				 char out[SIP_CHALLENGES][SIP_CHALLENGE_TEXT])
{
	static const struct {
		enum sip_digest_kind kind;
		const char *name;
	} rows[SIP_CHALLENGES] = { { SIP_DIGEST_SHA256, "SHA-256" }, { SIP_DIGEST_MD5, "MD5" } };
	unsigned offer = offer_to(s, ask);
	char nonce[NONCE_TEXT + 1];
	size_t n = 0;

	make_nonce(s, ask->realm, nonce);
	for (size_t i = 0; i < SIP_CHALLENGES; i++)
		if (offer & 1u << rows[i].kind)
			snprintf(out[n++], SIP_CHALLENGE_TEXT,
				 "Digest realm=\"%.255s\", nonce=\"%s\", algorithm=%s, qop=\"auth\"%s", ask->realm,
				 nonce, rows[i].name, stale ? ", stale=true" : "");
	return n;
}

/* --- life --- */

int sip_auth_server_new(struct sip_auth_server **out, struct loop *l)
{
	struct sip_auth_server *s = calloc(1, sizeof(*s));

	if (!s)
		return ENOMEM;
	s->loop = l;
	s->seed = loop_random(l);
	for (size_t i = 0; i < KEY_BYTES; i += sizeof(uint64_t)) {
		uint64_t random = loop_random(l);

		memcpy(s->key + i, &random, sizeof(random));
	}
	*out = s;
	return 0;
}

void sip_auth_server_free(struct sip_auth_server **sp)
{
	struct sip_auth_server *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	OPENSSL_cleanse(s->key, KEY_BYTES);
	free(s);
}
