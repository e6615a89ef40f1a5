#include "sip/sip_refer.h"

#include <errno.h>
#include <string.h>

int sip_replaces_parse(struct sip_replaces *out, struct str value)
{
	struct str params = value, call_id;
	struct sip_replaces r;

	if (!str_split(&params, ';', &call_id) || !params.p)
		return EINVAL;
	r.call_id = str_trim(call_id);
	r.to_tag = sip_param(params, "to-tag");
	r.from_tag = sip_param(params, "from-tag");
	r.early_only = sip_param(params, "early-only").p;
	if (!r.call_id.n || !r.to_tag.n || !r.from_tag.n)
		return EINVAL;
	*out = r;
	return 0;
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 32 : 0)) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Escapes undone. Returns the absent slice when it does not fit, or holds what no header may. */
static struct str unescape(char *out, size_t size, struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < size; i++) {
		bool escape = s.p[i] == '%' && s.n - i > 2 && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0;

		out[n] = escape ? (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])) : s.p[i];
		if ((unsigned char)out[n] < ' ')
			return (struct str){ NULL, 0 };
		i += escape ? 2 : 0;
		n++;
	}
	return n < size ? (struct str){ out, n } : (struct str){ NULL, 0 };
}

/* The value of a header in "a=b&c=d" behind the ? of a URI. */
static struct str uri_header(struct str headers, const char *name)
{
	struct str part, key;

	while (str_split(&headers, '&', &part)) {
		str_split(&part, '=', &key);
		if (str_iis(key, name))
			return part;
	}
	return (struct str){ NULL, 0 };
}

/* The angle brackets that a question mark asks for are forgotten by some phones. */
static int parse_address(struct sip_name_addr *out, struct str value)
{
	if (str_chr(value, '<') >= 0 || str_chr(value, '?') < 0)
		return sip_name_addr_parse(out, value) || out->wildcard ? EINVAL : 0;
	return sip_uri_parse(&out->uri, str_trim(value));
}

int sip_refer_to_parse(struct sip_refer_to *out, struct str value)
{
	struct sip_name_addr to;
	struct str method;

	if (parse_address(&to, value))
		return EINVAL;
	method = sip_param(to.uri.params, "method");
	if (method.p && !str_is(method, "INVITE"))
		return EINVAL;
	out->uri = to.uri.all;
	if (to.uri.headers.p) /* the question mark goes too */
		out->uri = str_head(to.uri.all, (size_t)(to.uri.headers.p - to.uri.all.p) - 1);
	out->replaces = uri_header(to.uri.headers, "Replaces");
	if (out->replaces.p)
		out->replaces = unescape(out->text, sizeof(out->text), out->replaces);
	return 0;
}

int sip_frag_status(struct str body)
{
	struct str code = str_head(str_from(body, 8), 3);
	uint32_t status;

	if (!str_istarts(body, "SIP/2.0 ") || str_u32(code, &status) || status < 100 || status > 699)
		return 0;
	return (int)status;
}
