#include "sip/sip_identity.h"

static bool is_withheld(const struct sip_msg *m)
{
	struct str rest = sip_msg_header_named(m, "Privacy"), token;

	while (str_split(&rest, ';', &token)) {
		token = str_trim(token);
		if (str_iis(token, "id") || str_iis(token, "user"))
			return true;
	}
	return false;
}

/* "tel:+1-555-123.4567;phone-context=…": digits and a leading +. */
static bool take_number(struct sip_identity *out, struct str uri)
{
	struct str digits = str_from(uri, 4), end;
	size_t n = 0;

	str_split(&digits, ';', &end);
	for (size_t i = 0; i < end.n && n < sizeof(out->number) - 1; i++) {
		char c = end.p[i];

		if ((c >= '0' && c <= '9') || (c == '+' && !n))
			out->number[n++] = c;
		else if (c != '-' && c != '.' && c != '(' && c != ')')
			return false;
	}
	out->number[n] = '\0';
	out->user = (struct str){ out->number, n };
	return n > 0;
}

static bool take(struct sip_identity *out, const struct sip_name_addr *na)
{
	out->name = na->name.p ? na->name : STR("");
	out->uri = na->uri.all;
	if (str_iis(na->uri.scheme, "tel"))
		return take_number(out, na->uri.all);
	out->user = na->uri.user;
	return na->uri.user.n && (str_iis(na->uri.scheme, "sip") || str_iis(na->uri.scheme, "sips"));
}

static bool from_asserted(struct sip_identity *out, const struct sip_msg *m)
{
	struct str rest = sip_msg_header_named(m, "P-Asserted-Identity"), value;
	struct sip_name_addr na;

	while (sip_value_next(&rest, &value))
		if (!sip_name_addr_parse(&na, value) && take(out, &na))
			return true;
	return false;
}

static bool from_remote_party(struct sip_identity *out, const struct sip_msg *m)
{
	struct str rest = sip_msg_header_named(m, "Remote-Party-ID"), value, party, privacy;
	struct sip_name_addr na;

	while (sip_value_next(&rest, &value)) {
		if (sip_name_addr_parse(&na, value))
			continue;
		party = sip_param(na.params, "party");
		privacy = sip_param(na.params, "privacy");
		if (party.p && !str_iis(party, "calling"))
			continue;
		return (!privacy.p || str_iis(privacy, "off")) && take(out, &na);
	}
	return false;
}

bool sip_identity_read(struct sip_identity *out, const struct sip_msg *m)
{
	return !is_withheld(m) && (from_asserted(out, m) || from_remote_party(out, m));
}
