#include "sip/sip_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes that would end a header line, or be read differently by the next element. */
static bool clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n' || !s.p[i])
			return false;
	}
	return true;
}

static void add_clean(struct buf *b, struct str s)
{
	if (!clean(s))
		b->failed = true;
	else
		buf_str(b, s);
}

static void end_line(struct buf *b)
{
	buf_add(b, "\r\n", 2);
}

static void add_name(struct buf *b, const char *name)
{
	buf_cstr(b, name);
	buf_add(b, ": ", 2);
}

void sip_build_request(struct buf *b, struct str method, struct str ruri)
{
	if (!method.n || !ruri.n || str_chr(method, ' ') >= 0 || str_chr(ruri, ' ') >= 0)
		b->failed = true;
	add_clean(b, method);
	buf_char(b, ' ');
	add_clean(b, ruri);
	buf_cstr(b, " SIP/2.0\r\n");
}

void sip_build_status(struct buf *b, int status, struct str reason)
{
	char code[] = { (char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10),
			' ' };

	buf_add(b, "SIP/2.0 ", 8);
	buf_add(b, code, sizeof(code));
	add_clean(b, reason.n ? reason : str_of(sip_reason_phrase(status)));
	end_line(b);
}

void sip_build_header(struct buf *b, const char *name, struct str value)
{
	add_name(b, name);
	add_clean(b, value);
	end_line(b);
}

void sip_build_headerf(struct buf *b, const char *name, const char *fmt, ...)
{
	char text[SIP_MAX_HEADER];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text)) {
		b->failed = true;
		return;
	}
	sip_build_header(b, name, (struct str){ text, (size_t)n });
}

/* --- responses --- */

/* Bytes of a request on their way back. Folds become blanks, so that every header of ours is one line; the
 * rest is echoed to the letter, escaped NULs in quotes included (RFC 4475 §3.1.1.2). */
static void echo(struct buf *b, struct str s)
{
	const char *p = s.p, *end = s.n ? s.p + s.n : s.p;

	while (p < end) {
		const char *stop = p;

		while (stop < end && *stop != '\r' && *stop != '\n')
			stop++;
		buf_add(b, p, (size_t)(stop - p));
		if (stop < end)
			buf_char(b, ' ');
		for (p = stop; p < end && (*p == '\r' || *p == '\n');)
			p++;
	}
}

static void echo_header(struct buf *b, const char *name, struct str value)
{
	if (!value.p)
		return;
	add_name(b, name);
	echo(b, value);
	end_line(b);
}

/* One ";…" parameter at the start of params, up to the next one outside quotes. */
static struct str cut_param(struct str params)
{
	bool quoted = false;
	size_t i = 1;

	for (; i < params.n && (quoted || params.p[i] != ';'); i++) {
		if (params.p[i] == '"')
			quoted = !quoted;
		else if (quoted && params.p[i] == '\\')
			i++;
	}
	return str_head(params, i);
}

/* The top Via as the request had it, but with received and rport told by us: §18.2.1, RFC 3581 §4. Those two
 * are dropped from the original, where only a forger or a confused client would have put values. */
static void echo_top_via(struct buf *b, struct str value, const char *from_host, uint16_t from_port)
{
	struct sip_via via;
	struct str params;
	size_t fixed;

	if (!from_host || sip_via_parse(&via, value)) {
		echo(b, value);
		return;
	}
	fixed = (size_t)(via.params.p - value.p);
	if (via.params.n)
		fixed--; /* the ';' in front belongs to the parameters */
	echo(b, str_head(value, fixed));
	params = str_from(value, fixed);
	while (params.n) {
		struct str one = cut_param(params), body = str_trim(str_from(one, 1));
		long equals = str_chr(body, '=');
		struct str key = equals < 0 ? body : str_trim(str_head(body, (size_t)equals));

		if (!str_iis(key, "received") && !str_iis(key, "rport"))
			echo(b, one);
		params = str_from(params, one.n);
	}
	if (via.rport || !str_iis(via.host, from_host)) {
		buf_cstr(b, ";received=");
		buf_cstr(b, from_host);
	}
	if (via.rport) {
		buf_cstr(b, ";rport=");
		buf_u32(b, from_port);
	}
}

static void echo_vias(struct buf *b, const struct sip_msg *request, const char *from_host, uint16_t from_port)
{
	struct str top = { NULL, 0 };
	size_t pos = 0;

	if (!sip_msg_next_value(request, SIP_H_VIA, &pos, &top))
		return;
	for (size_t i = 0; i < request->header_count; i++) {
		struct str value = request->headers[i].value;

		if (request->headers[i].id != SIP_H_VIA || !value.n)
			continue;
		add_name(b, "Via");
		if (top.p >= value.p && top.p < value.p + value.n) {
			size_t before = (size_t)(top.p - value.p);

			echo(b, str_head(value, before));
			echo_top_via(b, top, from_host, from_port);
			echo(b, str_from(value, before + top.n));
		} else {
			echo(b, value);
		}
		end_line(b);
	}
}

static void echo_to(struct buf *b, struct str to, const char *to_tag)
{
	struct sip_name_addr addr;

	if (!to.p)
		return;
	add_name(b, "To");
	echo(b, to);
	if (to_tag && (sip_name_addr_parse(&addr, to) || !addr.tag.p)) {
		buf_cstr(b, ";tag=");
		add_clean(b, str_of(to_tag));
	}
	end_line(b);
}

static bool forms_dialog(enum sip_method m)
{
	return m == SIP_INVITE || m == SIP_SUBSCRIBE || m == SIP_REFER;
}

void sip_build_response(struct buf *b, const struct sip_msg *request, int status, struct str reason, const char *to_tag,
			const char *from_host, uint16_t from_port)
{
	struct str route;

	sip_build_status(b, status, reason);
	echo_vias(b, request, from_host, from_port);
	echo_header(b, "From", sip_msg_header(request, SIP_H_FROM, 0));
	echo_to(b, sip_msg_header(request, SIP_H_TO, 0), to_tag);
	echo_header(b, "Call-ID", sip_msg_header(request, SIP_H_CALL_ID, 0));
	echo_header(b, "CSeq", sip_msg_header(request, SIP_H_CSEQ, 0));
	if (status <= 100 || status > 299 || !forms_dialog(request->method))
		return;
	for (size_t i = 0; (route = sip_msg_header(request, SIP_H_RECORD_ROUTE, i)).p; i++)
		echo_header(b, "Record-Route", route);
}

/* --- bodies and addresses --- */

void sip_build_body(struct buf *b, const char *content_type, struct str body)
{
	if (body.n) {
		add_name(b, "Content-Type");
		add_clean(b, str_of(content_type));
		end_line(b);
	}
	buf_cstr(b, "Content-Length: ");
	buf_u32(b, (uint32_t)body.n);
	buf_add(b, "\r\n\r\n", 4);
	buf_str(b, body);
}

void sip_build_user(struct buf *b, struct str user)
{
	for (size_t i = 0; i < user.n; i++) {
		unsigned char c = (unsigned char)user.p[i];

		/* unreserved and user-unreserved of RFC 3261 §25.1; '%' stands for escapes made before */
		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		    (c && strchr("-_.!~*'()&=+$,;?/%", c)))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

void sip_build_name_addr(struct buf *b, struct str name, struct str uri)
{
	if (!clean(name) || !clean(uri) || str_chr(uri, '<') >= 0 || str_chr(uri, '>') >= 0) {
		b->failed = true;
		return;
	}
	if (name.n) {
		buf_char(b, '"');
		for (size_t i = 0; i < name.n; i++) {
			if (name.p[i] == '"' || name.p[i] == '\\')
				buf_char(b, '\\');
			buf_char(b, name.p[i]);
		}
		buf_add(b, "\" ", 2);
	}
	buf_char(b, '<');
	buf_str(b, uri);
	buf_char(b, '>');
}
