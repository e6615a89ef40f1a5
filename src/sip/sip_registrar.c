#include "sip/sip_registrar.h"

#include <errno.h>
#include <string.h>

#include "sip/sip_build.h"
#include "sip/sip_trans.h"

bool sip_contact_by_flow(const struct sip_msg *m, const struct sip_uri *contact, const struct sip_flow *flow)
{
	struct str value = { NULL, 0 };
	struct sip_via via;
	struct addr named;
	size_t pos = 0;

	if (flow->kind != WIRE_UDP)
		return true;
	if (addr_parse(&named, contact->host, contact->port ? contact->port : sip_trans_default_port(WIRE_UDP)))
		return false;
	if (!addr_same_host(&named, &flow->remote))
		return true;
	return addr_port(&named) != addr_port(&flow->remote) && sip_msg_next_value(m, SIP_H_VIA, &pos, &value) &&
	       !sip_via_parse(&via, value) && via.rport;
}

/* --- reading --- */

/* "1", "0.7", "0.123": thousandths. Anything else is no preference. */
static uint16_t read_q(struct str params)
{
	struct str text = sip_param(params, "q");
	uint32_t value, scale = 100, digits = 0;

	if (!text.n || text.n > 5 || (text.p[0] != '0' && text.p[0] != '1') || (text.n > 1 && text.p[1] != '.'))
		return 1000;
	for (size_t i = 2; i < text.n; i++, scale /= 10) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 1000;
		digits += (uint32_t)(text.p[i] - '0') * scale;
	}
	value = (uint32_t)(text.p[0] - '0') * 1000 + digits;
	return (uint16_t)(value > 1000 ? 1000 : value);
}

/* A value that cannot be read counts as an hour (§20.19 of RFC 3261, RFC 2543's habit). */
static uint32_t read_expires(const struct sip_msg *m, struct str params)
{
	struct str text = sip_param(params, "expires");
	uint32_t seconds;

	if (!text.p)
		text = sip_msg_header(m, SIP_H_EXPIRES, 0);
	if (!text.n || str_u32(str_trim(text), &seconds) || seconds > SIP_EXPIRES_MAX_S)
		return SIP_EXPIRES_MAX_S;
	return seconds;
}

static int read_contact(struct sip_contact *out, const struct sip_register *r, const struct sip_name_addr *na)
{
	struct str reg_id = sip_param(na->params, "reg-id");

	if (!str_iis(na->uri.scheme, "sip") && !str_iis(na->uri.scheme, "sips"))
		return EINVAL;
	for (size_t i = 0; i < na->uri.all.n; i++)
		if (na->uri.all.p[i] <= ' ' || strchr("<>\"", na->uri.all.p[i]))
			return EINVAL;
	*out = (struct sip_contact){
		.uri = na->uri.all,
		.instance = sip_param(na->params, "+sip.instance"),
		.expires_s = read_expires(r->m, na->params),
		.q = read_q(na->params),
		.by_flow = sip_contact_by_flow(r->m, &na->uri, r->flow),
	};
	/* A Request-URI has no headers part. */
	if (na->uri.headers.p)
		out->uri.n = (size_t)(na->uri.headers.p - 1 - na->uri.all.p);
	if (!out->instance.p || str_chr(out->instance, '\r') >= 0 || str_chr(out->instance, '\n') >= 0)
		out->instance = STR("");
	if (reg_id.n && str_u32(reg_id, &out->reg_id))
		return EINVAL;
	return 0;
}

/* §10.3 step 6: "*" stands alone and only with Expires: 0. */
static int read_wildcard(const struct sip_register *r, struct sip_bindings_change *c, size_t values)
{
	struct str expires = sip_msg_header(r->m, SIP_H_EXPIRES, 0);

	c->remove_all = true;
	return values == 1 && str_is(str_trim(expires), "0") ? 0 : 400;
}

/* 0, or the status. */
static int read_contacts(const struct sip_register *r, struct sip_bindings_change *c, struct sip_contact *contacts)
{
	struct sip_name_addr na;
	struct str value;
	size_t pos = 0, values = 0;
	bool wildcard = false;

	while (sip_msg_next_value(r->m, SIP_H_CONTACT, &pos, &value)) {
		if (values++ == SIP_MAX_CONTACTS)
			return 403;
		if (sip_name_addr_parse(&na, value))
			return 400;
		wildcard |= na.wildcard;
		if (na.wildcard)
			continue;
		if (read_contact(&contacts[c->count], r, &na))
			return 400;
		if (contacts[c->count].expires_s && contacts[c->count].expires_s < SIP_EXPIRES_MIN_S)
			return 423;
		c->count++;
	}
	return wildcard ? read_wildcard(r, c, values) : 0;
}

static bool is_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ')
			return false;
	return true;
}

/* Up to the next comma that is neither in quotes nor in <>. */
static bool next_value(struct str *rest, struct str *value)
{
	bool quoted = false, bracketed = false;
	size_t i = 0;

	if (!rest->p)
		return false;
	for (; i < rest->n && (quoted || bracketed || rest->p[i] != ','); i++) {
		if (rest->p[i] == '"' && !bracketed)
			quoted = !quoted;
		else if (!quoted && (rest->p[i] == '<' || rest->p[i] == '>'))
			bracketed = rest->p[i] == '<';
	}
	*value = str_trim(str_head(*rest, i));
	*rest = i < rest->n ? str_from(*rest, i + 1) : (struct str){ NULL, 0 };
	return true;
}

/* The Path of a request, one value a line. 0, or the status. */
static int read_path(const struct sip_msg *m, struct buf *out)
{
	for (size_t i = 0; i < m->header_count; i++) {
		struct str rest = m->headers[i].value;
		struct sip_name_addr na;

		if (!str_iis(m->headers[i].name, "Path"))
			continue;
		for (struct str value; next_value(&rest, &value);) {
			if (!is_line(value) || sip_name_addr_parse(&na, value) || na.wildcard || !na.uri.host.n)
				return 400;
			if (out->len)
				buf_char(out, '\n');
			buf_str(out, value);
		}
	}
	return out->failed ? 403 : 0;
}

/* --- answering --- */

struct listing {
	struct buf *out;
	uint64_t now_ms;
};

static bool print_contact(void *arg, const struct sip_binding *b)
{
	const struct listing *l = arg;
	uint64_t left_ms = b->expires_ms > l->now_ms ? b->expires_ms - l->now_ms : 0;
	struct buf *out = l->out;

	buf_cstr(out, "Contact: <");
	buf_str(out, b->contact);
	buf_printf(out, ">;expires=%u", (unsigned)((left_ms + 999) / 1000));
	if (b->q < 1000)
		buf_printf(out, ";q=0.%03u", b->q);
	if (b->instance.n)
		buf_printf(out, ";+sip.instance=\"%.*s\"", STR_ARG(b->instance));
	if (b->reg_id)
		buf_printf(out, ";reg-id=%u", (unsigned)b->reg_id);
	buf_cstr(out, "\r\n");
	return !out->failed;
}

/* RFC 3327 §5.3: who understands Path is told what was kept. */
static void print_path(const struct sip_msg *m, struct str path, struct buf *out)
{
	struct str value;

	if (!path.n || !sip_msg_has_token(m, SIP_H_SUPPORTED, "path"))
		return;
	while (str_split(&path, '\n', &value))
		sip_build_header(out, "Path", value);
}

static int change(struct sip_bindings *b, const struct sip_register *r, struct sip_bindings_change *c, struct buf *out)
{
	struct sip_contact contacts[SIP_MAX_CONTACTS];
	int status = read_contacts(r, c, contacts);

	if (status == 423)
		sip_build_headerf(out, "Min-Expires", "%d", SIP_EXPIRES_MIN_S);
	if (status)
		return status;
	c->contacts = contacts;
	switch (sip_bindings_apply(b, c)) {
	case 0:
		return 200;
	case EAGAIN:
		return 500; /* overtaken; as within a dialog, §12.2.2 */
	case E2BIG:
		return 403;
	}
	return 503;
}

int sip_registrar_take(struct sip_bindings *b, const struct sip_register *r, struct buf *out)
{
	struct listing listing = { out, r->now_ms };
	struct sip_cseq cseq = { .number = 0 };
	struct sip_bindings_change c = { .user = r->user, .flow = *r->flow };
	struct buf path;
	int status;

	buf_init(&path, SIP_MAX_PATH);
	status = read_path(r->m, &path);
	sip_cseq_parse(&cseq, sip_msg_header(r->m, SIP_H_CSEQ, 0));
	c.call_id = sip_msg_header(r->m, SIP_H_CALL_ID, 0);
	c.cseq = cseq.number;
	c.path = buf_view(&path);
	if (!status)
		status = change(b, r, &c, out);
	if (status == 200) {
		sip_bindings_each(b, r->user, print_contact, &listing);
		print_path(r->m, c.path, out);
	}
	buf_free(&path);
	return status;
}
