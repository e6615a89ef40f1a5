#include "sip/sip_dialog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_build.h"

static void forget(struct str *s)
{
	free((char *)s->p);
	*s = (struct str){ NULL, 0 };
}

static void unfold(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t run = i;

		while (run < s.n && s.p[run] != '\r' && s.p[run] != '\n')
			run++;
		buf_add(b, s.p + i, run - i);
		if (run < s.n)
			buf_char(b, ' ');
		for (i = run; i < s.n && (s.p[i] == '\r' || s.p[i] == '\n');)
			i++;
	}
}

/* The bytes of b become *out, what was there is freed. */
static int take(struct str *out, struct buf *b)
{
	size_t n = b->len;
	char *data;

	if (b->failed) {
		buf_free(b);
		return ENOMEM;
	}
	data = realloc(b->data, n + 1); /* buffers grow by doubling; these texts stay for the whole call */
	if (!data) {
		buf_free(b);
		return ENOMEM;
	}
	buf_init(b, 0);
	data[n] = '\0';
	forget(out);
	*out = (struct str){ data, n };
	return 0;
}

static int keep(struct str *out, struct str s)
{
	char *data = malloc(s.n + 1);
	size_t n = 0;

	if (!data)
		return ENOMEM;
	for (size_t i = 0; i < s.n; i++) {
		bool eol = s.p[i] == '\r' || s.p[i] == '\n';

		if (!eol || !i || (s.p[i - 1] != '\r' && s.p[i - 1] != '\n'))
			data[n++] = eol ? ' ' : s.p[i];
	}
	data[n] = '\0';
	forget(out);
	*out = (struct str){ data, n };
	return 0;
}

static int keep_lines(struct str *out, struct str lines)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, lines);
	return take(out, &b);
}

void sip_dialog_done(struct sip_dialog *d)
{
	forget(&d->call_id);
	forget(&d->remote_tag);
	forget(&d->local);
	forget(&d->remote);
	forget(&d->target);
	forget(&d->routes);
}

int sip_dialog_init_out(struct sip_dialog *d, const struct sip_dialog_params *p)
{
	struct buf local, remote;
	int err;

	str_copy(d->local_tag, sizeof(d->local_tag), str_of(p->local_tag));
	buf_init(&local, SIP_MAX_HEADER);
	sip_build_name_addr(&local, p->from_name, p->from_uri);
	buf_cstr(&local, ";tag=");
	buf_cstr(&local, d->local_tag);
	buf_init(&remote, SIP_MAX_HEADER);
	sip_build_name_addr(&remote, (struct str){ NULL, 0 }, p->to_uri);
	err = take(&d->local, &local);
	err = take(&d->remote, &remote) ? ENOMEM : err;
	err = err ? err : keep(&d->call_id, p->call_id);
	if (!err && p->routes.n)
		err = keep_lines(&d->routes, p->routes);
	return err ? err : keep(&d->target, p->ruri);
}

/* The URI of the first Contact; without one the target stays. */
static int take_target(struct sip_dialog *d, const struct sip_msg *m)
{
	struct str value = { NULL, 0 };
	struct sip_name_addr na;
	size_t pos = 0;

	if (!sip_msg_next_value(m, SIP_H_CONTACT, &pos, &value) || sip_name_addr_parse(&na, value) || na.wildcard)
		return 0;
	/* A Request-URI has no headers part. */
	if (na.uri.headers.p)
		na.uri.all.n = (size_t)(na.uri.headers.p - 1 - na.uri.all.p);
	return keep(&d->target, na.uri.all);
}

/* Who calls without a Contact, as RFC 2543 allowed, is reached at the URI of his From. */
static int take_caller(struct sip_dialog *d, const struct sip_msg *request)
{
	struct sip_name_addr from;

	if (sip_name_addr_parse(&from, sip_msg_header(request, SIP_H_FROM, 0)))
		return EINVAL;
	return keep(&d->target, from.uri.all);
}

/* Record-Route in order (we were called) or backwards (we called). */
static int take_routes(struct sip_dialog *d, const struct sip_msg *m, bool backwards)
{
	struct str values[SIP_MAX_HEADERS], value;
	size_t count = 0, pos = 0;
	struct buf b;

	while (count < SIP_MAX_HEADERS && sip_msg_next_value(m, SIP_H_RECORD_ROUTE, &pos, &value))
		values[count++] = value;
	if (!count) {
		forget(&d->routes);
		return 0;
	}
	buf_init(&b, 0);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(&b, '\n');
		unfold(&b, values[backwards ? count - 1 - i : i]);
	}
	return take(&d->routes, &b);
}

static int take_remote(struct sip_dialog *d, struct str value)
{
	struct sip_name_addr na;
	int err;

	if (sip_name_addr_parse(&na, value))
		return EINVAL;
	err = keep(&d->remote, value);
	return err ? err : keep(&d->remote_tag, na.tag.p ? na.tag : STR(""));
}

int sip_dialog_init_in(struct sip_dialog *d, const struct sip_msg *request, const char *local_tag)
{
	struct sip_cseq cseq = { .number = 0 };
	struct buf local;
	int err;

	str_copy(d->local_tag, sizeof(d->local_tag), str_of(local_tag));
	sip_cseq_parse(&cseq, sip_msg_header(request, SIP_H_CSEQ, 0));
	d->remote_cseq = cseq.number;
	buf_init(&local, 0);
	unfold(&local, sip_msg_header(request, SIP_H_TO, 0));
	buf_cstr(&local, ";tag=");
	buf_cstr(&local, d->local_tag);
	err = take(&d->local, &local);
	err = err ? err : take_remote(d, sip_msg_header(request, SIP_H_FROM, 0));
	err = err ? err : keep(&d->call_id, sip_msg_header(request, SIP_H_CALL_ID, 0));
	err = err ? err : take_caller(d, request);
	err = err ? err : take_target(d, request);
	return err ? err : take_routes(d, request, false);
}

int sip_dialog_init_response(struct sip_dialog *d, const struct sip_msg *response)
{
	struct sip_cseq cseq = { .number = 0 };
	int err = keep(&d->call_id, sip_msg_header(response, SIP_H_CALL_ID, 0));

	sip_cseq_parse(&cseq, sip_msg_header(response, SIP_H_CSEQ, 0));
	d->local_cseq = cseq.number;
	err = err ? err : keep(&d->local, sip_msg_header(response, SIP_H_FROM, 0));
	return err ? err : sip_dialog_update(d, response);
}

int sip_dialog_update(struct sip_dialog *d, const struct sip_msg *response)
{
	int err = take_remote(d, sip_msg_header(response, SIP_H_TO, 0));

	err = err ? err : take_target(d, response);
	return err ? err : take_routes(d, response, true);
}

int sip_dialog_refresh(struct sip_dialog *d, const struct sip_msg *m)
{
	return take_target(d, m);
}

static bool first_route(const struct sip_dialog *d, struct sip_name_addr *out)
{
	struct str rest = d->routes, value = { NULL, 0 };

	return str_split(&rest, '\n', &value) && !sip_name_addr_parse(out, value);
}

int sip_dialog_hop(const struct sip_dialog *d, struct sip_uri *out)
{
	struct sip_name_addr na;
	struct sip_uri uri;

	if (first_route(d, &na))
		uri = na.uri;
	else if (!d->target.p || sip_uri_parse(&uri, d->target))
		return EINVAL;
	if (!uri.host.n)
		return EINVAL;
	*out = uri;
	return 0;
}

void sip_dialog_add_line(struct buf *b, const char *name, struct str value)
{
	buf_cstr(b, name);
	buf_add(b, ": ", 2);
	unfold(b, value);
	buf_add(b, "\r\n", 2);
}

static void print_routes(const struct sip_dialog *d, struct buf *b, bool strict)
{
	struct str rest = d->routes, value;

	if (strict)
		str_split(&rest, '\n', &value); /* it became the Request-URI */
	while (str_split(&rest, '\n', &value))
		sip_dialog_add_line(b, "Route", value);
	if (strict) {
		buf_cstr(b, "Route: <");
		buf_str(b, d->target);
		buf_cstr(b, ">\r\n");
	}
}

void sip_dialog_print(const struct sip_dialog *d, struct buf *b, const struct sip_dialog_request *r)
{
	struct str method = str_of(sip_method_name(r->method));
	struct sip_name_addr na;
	/* A strict router takes the Request-URI for its own (§12.2.1.1). */
	bool strict = first_route(d, &na) && !sip_param(na.uri.params, "lr").p;

	sip_build_request(b, method, strict ? na.uri.all : d->target);
	buf_cstr(b, "Via: SIP/2.0/");
	buf_cstr(b, r->via_transport);
	buf_char(b, ' ');
	buf_cstr(b, r->via_host);
	buf_cstr(b, ";branch=");
	buf_cstr(b, r->branch);
	buf_cstr(b, ";rport\r\nMax-Forwards: 70\r\n");
	print_routes(d, b, strict);
	sip_dialog_add_line(b, "From", d->local);
	sip_dialog_add_line(b, "To", d->remote);
	sip_dialog_add_line(b, "Call-ID", d->call_id);
	buf_cstr(b, "CSeq: ");
	buf_u32(b, r->cseq);
	buf_char(b, ' ');
	buf_str(b, method);
	buf_add(b, "\r\n", 2);
}
