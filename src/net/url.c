#include "net/url.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

bool url_is_http(struct str text)
{
	return str_istarts(text, "http://") || str_istarts(text, "https://");
}

/* Blanks and control characters have no place in a URL; browsers read '\' as '/', others do not. */
static bool has_bad_bytes(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '\\')
			return true;
	return false;
}

/* Letters, digits, "-._" and bytes of other scripts. Escapes are refused: what they hide would be read by others. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!isalnum(c) && c < 0x80 && !strchr("-._", c))
			return false;
	}
	return s.n && s.n <= 255;
}

static bool is_v6(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isxdigit((unsigned char)s.p[i]) && s.p[i] != ':' && s.p[i] != '.')
			return false;
	return s.n && str_chr(s, ':') >= 0;
}

static int read_port(uint16_t *out, struct str text)
{
	uint32_t port;

	if (!text.n)
		return 0; /* "host:" is allowed */
	if (str_u32(text, &port) || !port || port > UINT16_MAX)
		return EINVAL;
	*out = (uint16_t)port;
	return 0;
}

static int read_authority(struct url *u, struct str text)
{
	struct str host, port = text;
	bool bracket = str_starts(text, "[");

	u->authority = text;
	if (bracket) {
		port = str_from(text, 1);
		if (str_chr(port, ']') < 0)
			return EINVAL;
		str_split(&port, ']', &host);
		if (!is_v6(host) || (port.n && port.p[0] != ':'))
			return EINVAL;
		u->host = host;
		return read_port(&u->port, port.n ? str_from(port, 1) : STR(""));
	}
	str_split(&port, ':', &host);
	if (!is_name(host))
		return EINVAL;
	u->host = host;
	return port.p ? read_port(&u->port, port) : 0;
}

static size_t find_first(struct str s, const char *set)
{
	size_t n = 0;

	while (n < s.n && !strchr(set, s.p[n]))
		n++;
	return n;
}

/* rest: behind the scheme; *out knows its port. */
static int read_rest(struct url *out, struct url u, struct str rest)
{
	struct str authority;
	size_t at;
	long hash;

	if (has_bad_bytes(rest))
		return EINVAL;
	hash = str_chr(rest, '#');
	if (hash >= 0) {
		u.fragment = str_from(rest, (size_t)hash + 1);
		rest = str_head(rest, (size_t)hash);
	}
	at = find_first(rest, "/?");
	authority = str_head(rest, at);
	u.tail = str_from(rest, at);
	for (size_t i = authority.n; i > 0; i--) {
		if (authority.p[i - 1] != '@')
			continue;
		u.userinfo = str_head(authority, i - 1);
		authority = str_from(authority, i);
		break;
	}
	if (read_authority(&u, authority))
		return EINVAL;
	*out = u;
	return 0;
}

int url_parse(struct url *out, struct str text)
{
	if (str_istarts(text, "https://"))
		return read_rest(out, (struct url){ .https = true, .port = 443 }, str_from(text, 8));
	if (str_istarts(text, "http://"))
		return read_rest(out, (struct url){ .port = 80 }, str_from(text, 7));
	return EPROTONOSUPPORT;
}

int url_parse_ws(struct url *out, struct str text)
{
	if (str_istarts(text, "wss://"))
		return read_rest(out, (struct url){ .https = true, .port = 443 }, str_from(text, 6));
	if (str_istarts(text, "ws://"))
		return read_rest(out, (struct url){ .port = 80 }, str_from(text, 5));
	return EPROTONOSUPPORT;
}

int url_parse_rtp(struct url *out, struct str text)
{
	struct url u;
	int err;

	if (!str_istarts(text, "rtp://"))
		return EPROTONOSUPPORT;
	err = read_rest(&u, (struct url){ 0 }, str_from(text, 6));
	if (err || !u.port || u.userinfo.p || u.tail.n || u.fragment.p)
		return EINVAL;
	*out = u;
	return 0;
}

void url_bare(struct buf *out, const struct url *u)
{
	buf_cstr(out, u->https ? "https://" : "http://");
	buf_str(out, u->authority);
	buf_str(out, u->tail);
}

void url_bare_ws(struct buf *out, const struct url *u)
{
	buf_cstr(out, u->https ? "wss://" : "ws://");
	buf_str(out, u->authority);
	buf_str(out, u->tail);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->https == b->https && a->port == b->port && str_ieq(a->host, b->host);
}

static void limit(uint32_t *field, struct str value, uint32_t max)
{
	uint64_t ms;

	if (str_u64(value, &ms))
		return;
	*field = ms < 100 ? 100 : ms > max ? max : (uint32_t)ms;
}

void url_limits(struct url_limits *out, struct str fragment)
{
	struct str part, name;

	while (str_split(&fragment, '&', &part)) {
		if (!str_split(&part, '=', &name) || !part.p)
			continue;
		if (str_is(name, "ot"))
			limit(&out->connect_ms, part, 10000);
		else if (str_is(name, "rt"))
			limit(&out->read_ms, part, 15000);
		else if (str_is(name, "tt"))
			limit(&out->total_ms, part, 15000);
	}
}
