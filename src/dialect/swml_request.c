#include "dialect/swml_request.h"

#include "net/url.h"

static const char BAD_VALUE[] = "method_parameter_invalid_value";

bool swml_request_header(struct str name)
{
	return str_iis(name, "Accept") || str_iis(name, "Authorization") || str_iis(name, "Content-Type") ||
	       str_iis(name, "Range") || (str_istarts(name, "X-") && name.n > 2);
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* A name is a token (RFC 9110 §5.6.2). */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
		    str_chr(STR("\"(),/:;<=>?@[\\]{}"), s.p[i]) >= 0)
			return false;
	return s.n > 0;
}

static bool header_ok(const struct doc *d, struct swml_report *r)
{
	if (!is_token(d->key)) {
		swml_error(r, BAD_VALUE, d, "this is no name of a header");
	} else if (d->type != DOC_NULL && !swml_is_scalar(d)) {
		swml_error(r, BAD_VALUE, d, "the value of a header is a text, not a %s", doc_type_name(d->type));
	} else if (!is_printable(d->text)) {
		swml_error(r, BAD_VALUE, d, "there are control characters in the header \"%.*s\"", STR_ARG(d->key));
	} else {
		if (!swml_request_header(d->key))
			swml_key_warning(r, BAD_VALUE, d,
					 "the header \"%.*s\" is not sent: only Accept, Authorization, Content-Type, "
					 "Range and X-… are",
					 STR_ARG(d->key));
		return true;
	}
	return false;
}

bool swml_request_ok(const struct doc *args, struct swml_report *r)
{
	const struct doc *url = swml_arg(args, "url"), *headers = swml_arg(args, "headers");
	struct url u;
	bool ok = true;

	if (url && !swml_unknown(url, r) && (!is_printable(url->text) || url_parse(&u, url->text))) {
		swml_warning(r, BAD_VALUE, url, "url is no http or https URL");
		ok = false;
	}
	for (const struct doc *d = headers ? headers->child : NULL; d; d = d->next)
		ok = header_ok(d, r) && ok;
	return ok;
}
