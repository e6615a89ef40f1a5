#include "sip/sip_msg.h"

#include <errno.h>
#include <string.h>

#include "sip/sip_lex.h"

/* --- parameters --- */

struct param {
	struct str name, value; /* value without quotes; absent = none */
};

/* The value behind the '=' at p, without its quotes. Behind it, or NULL when quotes never close. */
static const char *param_value(const char *p, const char *end, struct str *value)
{
	const char *stop;

	p = lex_span(p + 1, end, LEX_BLANK);
	if (p < end && *p == '"') {
		stop = lex_quote_end(p, end);
		if (!stop)
			return NULL;
		*value = lex_slice(p + 1, stop);
		return stop + 1;
	}
	stop = lex_span(p, end, LEX_VALUE);
	*value = lex_slice(p, stop);
	return stop;
}

/* Read ";name[=value]" at *p into *out. 1 = found, 0 = nothing left, -1 = malformed. */
static int next_param(const char **p, const char *end, struct param *out)
{
	const char *at = lex_span(*p, end, LEX_BLANK), *stop;

	if (at == end)
		return 0;
	if (*at != ';')
		return -1;
	at = lex_span(at + 1, end, LEX_BLANK);
	stop = lex_span(at, end, LEX_TOKEN);
	if (stop == at)
		return -1;
	out->name = lex_slice(at, stop);
	out->value = (struct str){ NULL, 0 };
	at = lex_span(stop, end, LEX_BLANK);
	if (at < end && *at == '=')
		at = param_value(at, end, &out->value);
	if (!at)
		return -1;
	*p = at;
	return 1;
}

/* Parameters of a URI may hold names and escapes that next_param() refuses, so this walk is lenient. */
struct str sip_param(struct str params, const char *name)
{
	const char *p = params.p, *end = params.n ? params.p + params.n : params.p;

	while (p < end) {
		struct str key, value;
		const char *stop;

		for (p = lex_span(p, end, LEX_BLANK); p < end && *p == ';';)
			p = lex_span(p + 1, end, LEX_BLANK);
		for (stop = p; stop < end && *stop != ';' && *stop != '=' && !lex_is(*stop, LEX_BLANK);)
			stop++;
		key = lex_slice(p, stop);
		p = lex_span(stop, end, LEX_BLANK);
		value = lex_slice(p, p);
		if (p < end && *p == '=')
			p = param_value(p, end, &value);
		if (p && str_iis(key, name))
			return value;
		p = p ? memchr(p, ';', (size_t)(end - p)) : NULL;
		if (!p)
			break;
	}
	return (struct str){ NULL, 0 };
}

/* --- URIs --- */

/* "name", "1.2.3.4" or "[v6]". Where it ends, or NULL. */
static const char *host_only(const char *p, const char *end, struct str *host)
{
	const char *stop;

	if (p == end || *p != '[') {
		stop = lex_span(p, end, LEX_HOST);
		*host = lex_slice(p, stop);
		return stop > p ? stop : NULL;
	}
	for (stop = ++p; stop < end && (lex_is(*stop, LEX_HEX) || *stop == ':' || *stop == '.');)
		stop++;
	*host = lex_slice(p, stop);
	return stop > p && stop < end && *stop == ']' ? stop + 1 : NULL;
}

/* A host, and ":port" when there is one. Blanks may stand around the colon in a Via (blanks = LEX_BLANK),
 * never in a URI (0). Where it ends, or NULL. */
static const char *host_port(const char *p, const char *end, unsigned blanks, struct str *host, uint16_t *port)
{
	const char *stop = host_only(p, end, host), *colon;
	uint32_t number;

	*port = 0;
	if (!stop)
		return NULL;
	colon = lex_span(stop, end, blanks);
	if (colon == end || *colon != ':')
		return stop;
	p = lex_span(colon + 1, end, blanks);
	stop = lex_span(p, end, LEX_DIGIT);
	if (str_u32(lex_slice(p, stop), &number) || !number || number > UINT16_MAX)
		return NULL;
	*port = (uint16_t)number;
	return stop;
}

/* "user[:password]@" in front of at. False when there are bytes that do not belong there. */
static bool user_info(struct sip_uri *u, const char *p, const char *at)
{
	const char *stop = lex_span_escaped(p, at, LEX_USER);

	if (stop == p)
		return false;
	u->user = lex_slice(p, stop);
	if (stop < at && *stop == ':') {
		p = stop + 1;
		stop = lex_span_escaped(p, at, LEX_PASSWORD);
		u->password = lex_slice(p, stop);
	}
	return stop == at;
}

static int parse_sip_uri(struct sip_uri *u, const char *p, const char *end)
{
	const char *at = memchr(p, '@', (size_t)(end - p)), *params;

	if (at) {
		if (!user_info(u, p, at))
			return EINVAL;
		p = at + 1;
	}
	p = host_port(p, end, 0, &u->host, &u->port);
	if (!p)
		return EINVAL;

	params = p < end && *p == ';' ? p + 1 : p;
	while (p < end && *p == ';') {
		const char *stop = lex_span_escaped(p + 1, end, LEX_URI_PARAM);

		if (stop == p + 1)
			return EINVAL;
		p = stop;
	}
	u->params = lex_slice(params, p);
	if (p < end && *p == '?') {
		const char *stop = lex_span_escaped(p + 1, end, LEX_URI_HEAD);

		u->headers = lex_slice(p + 1, stop);
		p = stop;
	}
	return p == end ? 0 : EINVAL;
}

int sip_uri_parse(struct sip_uri *out, struct str text)
{
	const char *p = text.p, *end, *colon;
	struct sip_uri u = { .all = text };

	if (!text.n)
		return EINVAL;
	end = p + text.n;
	colon = lex_span(p, end, LEX_SCHEME);
	if (colon == p || colon == end || *colon != ':' || colon + 1 == end || lex_is(*p, LEX_DIGIT))
		return EINVAL;
	u.scheme = lex_slice(p, colon);
	u.params = lex_slice(end, end);
	if (str_iis(u.scheme, "sip") || str_iis(u.scheme, "sips")) {
		if (parse_sip_uri(&u, colon + 1, end))
			return EINVAL;
	} else if (lex_span(colon, end, LEX_VISIBLE) != end) {
		return EINVAL;
	}
	*out = u;
	return 0;
}

/* --- name-addr --- */

/* The display name in front of '<'. Where '<' is, or NULL when the value is a bare addr-spec or malformed
 * (*bare tells which). */
static const char *display_name(const char *p, const char *end, struct str *name, bool *bare)
{
	const char *stop;

	*bare = false;
	if (*p == '"') {
		stop = lex_quote_end(p, end);
		if (!stop)
			return NULL;
		*name = lex_slice(p + 1, stop);
		p = lex_span(stop + 1, end, LEX_BLANK);
		return p < end && *p == '<' ? p : NULL;
	}
	stop = lex_span(p, end, LEX_NAME);
	if (stop == end || *stop != '<') {
		*bare = true;
		return NULL;
	}
	if (stop > p)
		*name = str_trim(lex_slice(p, stop));
	return stop;
}

/* The header parameters in [p, end); the tag is picked up on the way. */
static int header_params(struct sip_name_addr *out, const char *p, const char *end)
{
	struct param param;
	int found;

	p = lex_span(p, end, LEX_BLANK);
	out->params = lex_slice(p < end && *p == ';' ? p + 1 : p, end);
	while ((found = next_param(&p, end, &param)) > 0) {
		if (str_iis(param.name, "tag")) {
			if (!param.value.n)
				return EINVAL;
			out->tag = param.value;
		}
	}
	return found ? EINVAL : 0;
}

int sip_name_addr_parse(struct sip_name_addr *out, struct str value)
{
	struct sip_name_addr a = { .name = { NULL, 0 } };
	const char *p, *end, *stop;
	bool bare;

	value = str_trim(value);
	if (!value.n)
		return EINVAL;
	p = value.p;
	end = p + value.n;
	if (str_is(value, "*")) {
		a.wildcard = true;
		a.uri.all = value;
		a.params = lex_slice(end, end);
		*out = a;
		return 0;
	}

	stop = display_name(p, end, &a.name, &bare);
	if (!stop && !bare)
		return EINVAL;
	if (bare) {
		/* §20.10: with ',', ';' or '?' inside, the URI has to be in brackets; so ';' ends it here. */
		for (stop = p; stop < end && *stop != ';' && *stop != '?' && *stop != ',' && !lex_is(*stop, LEX_BLANK);)
			stop++;
	} else {
		p = stop + 1;
		stop = memchr(p, '>', (size_t)(end - p));
		if (!stop)
			return EINVAL;
	}
	if (sip_uri_parse(&a.uri, lex_slice(p, stop)) || header_params(&a, bare ? stop : stop + 1, end))
		return EINVAL;
	*out = a;
	return 0;
}

/* --- Via and CSeq --- */

/* A token with an optional "/" behind it, blanks around allowed. Behind it, or NULL. */
static const char *via_token(const char *p, const char *end, bool slash, struct str *token)
{
	const char *stop;

	p = lex_span(p, end, LEX_BLANK);
	stop = lex_span(p, end, LEX_TOKEN);
	if (stop == p)
		return NULL;
	*token = lex_slice(p, stop);
	p = lex_span(stop, end, LEX_BLANK);
	if (!slash)
		return p > stop ? p : NULL;
	return p < end && *p == '/' ? p + 1 : NULL;
}

static int via_params(struct sip_via *v, const char *p, const char *end)
{
	struct param param;
	int found;

	p = lex_span(p, end, LEX_BLANK);
	v->params = lex_slice(p < end && *p == ';' ? p + 1 : p, end);
	while ((found = next_param(&p, end, &param)) > 0) {
		uint32_t number = 0;

		if (str_iis(param.name, "branch")) {
			v->branch = param.value;
		} else if (str_iis(param.name, "received")) {
			v->received = param.value;
		} else if (str_iis(param.name, "rport")) {
			if (param.value.n && (str_u32(param.value, &number) || number > UINT16_MAX))
				return EINVAL;
			v->rport = true;
			v->rport_value = (uint16_t)number;
		}
	}
	return found ? EINVAL : 0;
}

int sip_via_parse(struct sip_via *out, struct str value)
{
	const char *p, *end;
	struct sip_via v;
	struct str token;

	memset(&v, 0, sizeof(v));
	v.all = value = str_trim(value);
	if (!value.n)
		return EINVAL;
	p = value.p;
	end = p + value.n;
	p = via_token(p, end, true, &token);
	if (!p || !str_iis(token, "SIP"))
		return EINVAL;
	p = via_token(p, end, true, &token);
	if (!p || !str_is(token, "2.0"))
		return EINVAL;
	p = via_token(p, end, false, &v.transport);
	if (!p)
		return EINVAL;
	p = host_port(p, end, LEX_BLANK, &v.host, &v.port);
	if (!p || via_params(&v, p, end))
		return EINVAL;
	*out = v;
	return 0;
}

int sip_cseq_parse(struct sip_cseq *out, struct str value)
{
	const char *p, *end, *stop;
	struct sip_cseq c;

	value = str_trim(value);
	if (!value.n)
		return EINVAL;
	p = value.p;
	end = p + value.n;
	stop = lex_span(p, end, LEX_DIGIT);
	if (str_u32(lex_slice(p, stop), &c.number) || c.number > INT32_MAX)
		return EINVAL; /* §8.1.1.5: below 2**31 */
	p = lex_span(stop, end, LEX_BLANK);
	if (p == stop || p == end || lex_span(p, end, LEX_TOKEN) != end)
		return EINVAL;
	c.method_text = lex_slice(p, end);
	c.method = sip_method_of(c.method_text);
	*out = c;
	return 0;
}
