#include "sip/sip_msg.h"

#include <string.h>

#include "sip/sip_lex.h"

/* Headers that stand in a message once: §7.3.1, §20. */
enum { SINGLE_FROM, SINGLE_TO, SINGLE_CALL_ID, SINGLE_CSEQ, SINGLE_MAX_FORWARDS, SINGLE_LENGTH, SINGLE_TYPE, SINGLES };

static const struct {
	const char *missing; /* NULL = may be missing */
	const char *twice;
} singles[SINGLES] = {
	[SINGLE_FROM] = { "Missing From", "More Than One From" },
	[SINGLE_TO] = { "Missing To", "More Than One To" },
	[SINGLE_CALL_ID] = { "Missing Call-ID", "More Than One Call-ID" },
	[SINGLE_CSEQ] = { "Missing CSeq", "More Than One CSeq" },
	[SINGLE_MAX_FORWARDS] = { NULL, "More Than One Max-Forwards" },
	[SINGLE_LENGTH] = { NULL, "More Than One Content-Length" },
	[SINGLE_TYPE] = { NULL, "More Than One Content-Type" },
};

static int refuse(const char **why, int status, const char *phrase)
{
	*why = phrase;
	return status;
}

/* The control characters of a header block are HT, the CR LF of line ends and folds, and those escaped in
 * quotes (RFC 4475 §3.1.1.2 has NUL and BEL there). Eight bytes at a time, since nearly all are clean. */
static bool has_controls(const char *p, const char *end)
{
	const uint64_t ones = UINT64_MAX / 255;
	const char *start = p;

	while (p < end) {
		uint64_t word;

		if (end - p >= (ptrdiff_t)sizeof(word)) {
			memcpy(&word, p, sizeof(word));
			if (!((word - ones * 0x20) & ~word & ones * 0x80)) {
				p += sizeof(word);
				continue;
			}
		}
		for (const char *stop = end - p < 8 ? end : p + 8; p < stop; p++) {
			unsigned char c = (unsigned char)*p;

			if (c >= 0x20 || c == '\t' || c == '\n')
				continue;
			if (c == '\r' && p + 1 < end && p[1] == '\n')
				continue;
			if (p == start || p[-1] != '\\')
				return true;
		}
	}
	return false;
}

static int single_of(enum sip_hdr_id id)
{
	static const uint8_t index[] = {
		[SIP_H_FROM] = SINGLE_FROM + 1,
		[SIP_H_TO] = SINGLE_TO + 1,
		[SIP_H_CALL_ID] = SINGLE_CALL_ID + 1,
		[SIP_H_CSEQ] = SINGLE_CSEQ + 1,
		[SIP_H_MAX_FORWARDS] = SINGLE_MAX_FORWARDS + 1,
		[SIP_H_CONTENT_LENGTH] = SINGLE_LENGTH + 1,
		[SIP_H_CONTENT_TYPE] = SINGLE_TYPE + 1,
	};

	return (size_t)id < ARRAY_LEN(index) ? index[id] - 1 : -1;
}

/* Collect the single headers. Returns the phrase of the first fault, or NULL. */
static const char *survey(const struct sip_msg *m, struct str single[SINGLES])
{
	memset(single, 0, SINGLES * sizeof(single[0]));
	for (size_t i = 0; i < m->header_count; i++) {
		const struct sip_hdr *h = &m->headers[i];
		int at = single_of(h->id);

		if (!h->name.n)
			return "Bad Header Line";
		if (at < 0)
			continue;
		if (single[at].p)
			return singles[at].twice;
		single[at] = h->value;
	}
	for (size_t i = 0; i < SINGLES; i++) {
		if (singles[i].missing && !single[i].p)
			return singles[i].missing;
	}
	return NULL;
}

/* The top Via has to be readable; those below it are the business of others (RFC 4475 §3.1.1.10). In a
 * response there is none below: it would be meant for another element (§8.1.3.3). */
static const char *bad_via(const struct sip_msg *m)
{
	struct sip_via via;
	struct str value;
	size_t pos = 0;

	if (!sip_msg_next_value(m, SIP_H_VIA, &pos, &value))
		return "Missing Via";
	if (sip_via_parse(&via, value))
		return "Bad Via";
	return !m->request && sip_msg_next_value(m, SIP_H_VIA, &pos, &value) ? "More Than One Via" : NULL;
}

static const char *bad_cseq(const struct sip_msg *m, struct str value)
{
	struct sip_cseq cseq;

	if (sip_cseq_parse(&cseq, value))
		return "Bad CSeq";
	return m->request && !str_eq(cseq.method_text, m->method_text) ? "CSeq Names Another Method" : NULL;
}

/* What requests and responses have in common. */
static const char *bad_core(const struct sip_msg *m, const struct str single[SINGLES])
{
	struct sip_name_addr addr;
	struct str call_id = single[SINGLE_CALL_ID], length = single[SINGLE_LENGTH];
	const char *phrase = bad_via(m);
	uint32_t number;

	if (phrase)
		return phrase;
	if (sip_name_addr_parse(&addr, single[SINGLE_FROM]) || addr.wildcard)
		return "Bad From";
	if (sip_name_addr_parse(&addr, single[SINGLE_TO]) || addr.wildcard)
		return "Bad To";
	if (!call_id.n || lex_span(call_id.p, call_id.p + call_id.n, LEX_VISIBLE) != call_id.p + call_id.n)
		return "Bad Call-ID";
	phrase = bad_cseq(m, single[SINGLE_CSEQ]);
	if (phrase)
		return phrase;
	if (length.p && str_u32(length, &number))
		return "Bad Content-Length";
	if (m->unframed)
		return "Missing Content-Length";
	return m->short_body ? "Message Cut Short" : NULL;
}

static bool bad_addresses(const struct sip_msg *m, enum sip_hdr_id id)
{
	struct sip_name_addr addr;
	struct str value;
	size_t pos = 0;

	while (sip_msg_next_value(m, id, &pos, &value)) {
		if (sip_name_addr_parse(&addr, value) || (addr.wildcard && id != SIP_H_CONTACT))
			return true;
	}
	return false;
}

static int check_request_uri(const struct sip_msg *m, const char **why)
{
	struct sip_uri uri;

	if (sip_uri_parse(&uri, m->ruri))
		return refuse(why, 400, "Bad Request-URI");
	if (!uri.host.n)
		return refuse(why, 416, sip_reason_phrase(416));
	/* §19.1.1: headers have no place here, and obeying them would let the sender write our messages. */
	return uri.headers.p ? refuse(why, 400, "Headers in Request-URI") : 0;
}

static int check_request(const struct sip_msg *m, struct str max_forwards, const char **why)
{
	uint32_t hops;

	if (max_forwards.p && (str_u32(max_forwards, &hops) || hops > 255))
		return refuse(why, 400, "Bad Max-Forwards");
	if (bad_addresses(m, SIP_H_CONTACT))
		return refuse(why, 400, "Bad Contact");
	if (bad_addresses(m, SIP_H_ROUTE))
		return refuse(why, 400, "Bad Route");
	if (bad_addresses(m, SIP_H_RECORD_ROUTE))
		return refuse(why, 400, "Bad Record-Route");
	return check_request_uri(m, why);
}

/* "SIP/" digits "." digits: another version of ours, not garbage behind the Request-URI. */
static bool other_version(struct str version)
{
	const char *end = version.p + version.n, *dot = lex_span(version.p + 4, end, LEX_DIGIT), *stop;

	if (dot == version.p + 4 || dot == end || *dot != '.')
		return false;
	stop = lex_span(dot + 1, end, LEX_DIGIT);
	return stop > dot + 1 && stop == end;
}

int sip_msg_check(const struct sip_msg *m, const char **why)
{
	struct str single[SINGLES];
	const char *phrase;

	if (!str_iis(m->version, "SIP/2.0")) {
		if (other_version(m->version))
			return refuse(why, 505, sip_reason_phrase(505));
		return refuse(why, 400, "Bad Start Line");
	}
	if (!m->request && !m->status)
		return refuse(why, 400, "Bad Status");
	if (has_controls(m->raw.p, m->body.p))
		return refuse(why, 400, "Control Character in Header");
	phrase = survey(m, single);
	if (!phrase)
		phrase = bad_core(m, single);
	if (phrase)
		return refuse(why, 400, phrase);
	return m->request ? check_request(m, single[SINGLE_MAX_FORWARDS], why) : 0;
}
