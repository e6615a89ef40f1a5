#include "media/sdp.h"

#include <errno.h>
#include <string.h>

static const char *const direction_names[] = {
	[SDP_SENDRECV] = "sendrecv",
	[SDP_SENDONLY] = "sendonly",
	[SDP_RECVONLY] = "recvonly",
	[SDP_INACTIVE] = "inactive",
};

struct parser {
	struct sdp *sdp;
	struct sdp_media *media; /* section at work, NULL = session */
	struct str host;         /* the session's */
	enum sdp_direction direction;
	const char *why;
};

/* token of RFC 8866 §9, and '/' where the caller says so. Everything that we echo passes here. */
static bool is_token(struct str s, bool slash)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= 0x20 || c >= 0x7f || (strchr("\"(),/:;<=>?@[\\]", c) && !(slash && c == '/')))
			return false;
	}
	return s.n > 0;
}

/* Cut the next word off *rest. Blanks in front are skipped; every call either shortens *rest or ends in false. */
static bool next_word(struct str *rest, struct str *word)
{
	size_t start = 0, end;

	while (start < rest->n && rest->p[start] == ' ')
		start++;
	end = start;
	while (end < rest->n && rest->p[end] != ' ')
		end++;
	*word = (struct str){ rest->p + start, end - start };
	*rest = str_from(*rest, end);
	return word->n > 0;
}

static bool next_line(struct str *rest, struct str *line)
{
	if (!str_split(rest, '\n', line))
		return false;
	while (line->n && (line->p[line->n - 1] == '\r' || line->p[line->n - 1] == ' '))
		line->n--;
	return true;
}

static bool to_port(struct str text, uint16_t *out)
{
	uint32_t v;

	if (str_u32(text, &v) || v > UINT16_MAX)
		return false;
	*out = (uint16_t)v;
	return true;
}

/* The host of "IN IP4 192.0.2.1/127": a TTL or a count of addresses is for multicast, which we do not do. Absent for
 * other networks: no error of the whole, the stream that uses them just has no address for us. */
static struct str read_host(struct str value)
{
	struct str net, family, host;

	if (!next_word(&value, &net) || !next_word(&value, &family) || !next_word(&value, &host))
		return (struct str){ NULL, 0 };
	if (!str_iis(net, "IN") || (!str_iis(family, "IP4") && !str_iis(family, "IP6")))
		return (struct str){ NULL, 0 };
	str_split(&host, '/', &net);
	return net;
}

/* "audio 49170/2 RTP/AVP 0 8" */
static const char *read_media(struct parser *p, struct str value)
{
	struct sdp_media *m = &p->sdp->media[p->sdp->media_count];
	struct str port, formats, word;
	long slash;

	if (p->sdp->media_count == SDP_MAX_MEDIA)
		return "too many m= lines";
	*m = (struct sdp_media){ .host = p->host, .direction = p->direction };
	if (!next_word(&value, &m->media) || !is_token(m->media, false))
		return "m= line without a media type";
	if (!next_word(&value, &port))
		return "m= line without a port";
	slash = str_chr(port, '/');
	if (!to_port(slash < 0 ? port : str_head(port, (size_t)slash), &m->port))
		return "bad port in an m= line";
	if (!next_word(&value, &m->proto) || !is_token(m->proto, true))
		return "bad protocol in an m= line";
	m->formats = str_trim(value);
	formats = m->formats;
	while (next_word(&formats, &word)) {
		if (!is_token(word, false))
			return "bad format in an m= line";
	}
	if (!m->formats.n)
		return "m= line without a format";
	p->media = m;
	p->sdp->media_count++;
	return NULL;
}

/* "53020" or "53020 IN IP4 192.0.2.1"; what cannot be read is as if not said (RFC 3605: port + 1). */
static void read_rtcp(struct sdp_media *m, struct str value)
{
	struct str port;

	if (next_word(&value, &port) && to_port(port, &m->rtcp_port))
		m->rtcp_host = read_host(value);
}

/* "30"; what is no number is as if not said. */
static void read_ms(struct str value, uint32_t *out)
{
	uint32_t ms;

	if (!str_u32(str_trim(value), &ms))
		*out = ms;
}

static void read_attribute(struct parser *p, struct str value)
{
	enum sdp_direction *direction = p->media ? &p->media->direction : &p->direction;
	struct str rest = value, name;

	str_split(&rest, ':', &name);
	for (size_t i = 0; i < ARRAY_LEN(direction_names); i++) {
		if (str_iis(value, direction_names[i]))
			*direction = (enum sdp_direction)i;
	}
	if (!p->media)
		return;
	if (str_iis(name, "rtcp-mux"))
		p->media->rtcp_mux = true;
	else if (str_iis(name, "crypto"))
		p->media->crypto = true;
	else if (str_iis(name, "rtcp") && rest.p)
		read_rtcp(p->media, rest);
	else if (str_iis(name, "ptime"))
		read_ms(rest, &p->media->ptime_ms);
	else if (str_iis(name, "maxptime"))
		read_ms(rest, &p->media->maxptime_ms);
}

static bool is_timing(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ' ' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	}
	return s.n > 0;
}

static const char *read_line(struct parser *p, char type, struct str value)
{
	switch (type) {
	case 'm':
		return read_media(p, value);
	case 'c':
		*(p->media ? &p->media->host : &p->host) = read_host(value);
		break;
	case 'a':
		read_attribute(p, value);
		break;
	case 'o':
		p->sdp->origin = value;
		break;
	case 't':
		if (!p->sdp->timing.p && is_timing(value))
			p->sdp->timing = value;
		break;
	}
	return NULL;
}

static const char *read_all(struct parser *p, struct str text)
{
	struct str line;

	if (memchr(text.p, '\0', text.n))
		return "NUL byte";
	if (!next_line(&text, &line) || !str_is(line, "v=0"))
		return "no v=0 line";
	while (next_line(&text, &line)) {
		const char *why;

		if (!line.n)
			continue; /* a blank line at the end, or of a careless phone */
		if (line.n < 2 || line.p[1] != '=')
			return "a line without =";
		why = read_line(p, line.p[0], str_from(line, 2));
		if (why)
			return why;
		if (line.p[0] == 'm')
			p->media->lines = (struct str){ text.p ? text.p : line.p + line.n, 0 };
		else if (p->media)
			p->media->lines.n = (size_t)(line.p + line.n - p->media->lines.p);
	}
	return NULL;
}

int sdp_parse(struct sdp *out, struct str text, const char **why)
{
	struct parser p = { .sdp = out };

	out->origin = out->timing = (struct str){ NULL, 0 };
	out->media_count = 0;
	*why = text.n ? read_all(&p, text) : "empty";
	return *why ? EINVAL : 0;
}

bool sdp_next_value(struct str *lines, const char *name, struct str *value)
{
	while (next_line(lines, value)) {
		if (str_istarts(*value, name)) {
			*value = str_from(*value, strlen(name));
			return true;
		}
	}
	return false;
}

bool sdp_next_crypto(struct str *lines, struct str *value)
{
	return sdp_next_value(lines, "a=crypto:", value);
}

struct str sdp_first_format(const struct sdp_media *m)
{
	struct str rest = m->formats, word;

	next_word(&rest, &word);
	return word;
}

/* "111 opus/48000/2" behind a=rtpmap: */
static void read_rtpmap(struct sdp_format *f, struct str value)
{
	struct str name, clock, channels = { NULL, 0 };
	uint32_t hz, n = 1;

	value = str_trim(value);
	if (!str_split(&value, '/', &name) || !str_split(&value, '/', &clock) || str_u32(str_trim(clock), &hz))
		return;
	if (str_split(&value, '/', &channels) && (str_u32(str_trim(channels), &n) || !n || n > UINT8_MAX))
		return;
	if (!is_token(name, false))
		return;
	f->name = name;
	f->clock_hz = hz;
	f->channels = (uint8_t)n;
}

/* The payload type in front of an attribute's value, which is cut down to the rest; -1 = none. */
static int cut_payload_type(struct str *value)
{
	struct str word;
	uint32_t pt;

	if (!next_word(value, &word) || str_u32(word, &pt) || pt > 127)
		return -1;
	*value = str_trim(*value);
	return (int)pt;
}

/* One pass over the section, whatever its length: a table tells where each payload type stands. */
static void read_format_lines(const struct sdp_media *m, struct sdp_format *formats, const uint8_t slots[128])
{
	struct str rest = m->lines, line;

	while (next_line(&rest, &line)) {
		bool rtpmap = str_istarts(line, "a=rtpmap:"), fmtp = str_istarts(line, "a=fmtp:");
		struct sdp_format *f;
		int pt;

		if (!rtpmap && !fmtp)
			continue;
		line = str_from(line, (size_t)str_chr(line, ':') + 1);
		pt = cut_payload_type(&line);
		if (pt < 0 || !slots[pt])
			continue;
		f = &formats[slots[pt] - 1];
		if (rtpmap && !f->name.p)
			read_rtpmap(f, line);
		else if (fmtp && !f->fmtp.p)
			f->fmtp = line;
	}
}

size_t sdp_formats(const struct sdp_media *m, struct sdp_format out[SDP_MAX_FORMATS])
{
	uint8_t slots[128] = { 0 }; /* payload type to index + 1 */
	struct str rest = m->formats, word;
	size_t n = 0;

	while (n < SDP_MAX_FORMATS && next_word(&rest, &word)) {
		uint32_t pt;

		if (str_u32(word, &pt) || pt > 127 || slots[pt])
			continue;
		out[n] = (struct sdp_format){ .payload_type = (uint8_t)pt, .channels = 1 };
		slots[pt] = (uint8_t)++n;
	}
	read_format_lines(m, out, slots);
	return n;
}

static void print_address(struct buf *out, const char *before, const struct sdp_origin *o)
{
	buf_cstr(out, before);
	buf_cstr(out, o->v6 ? "IP6 " : "IP4 ");
	buf_cstr(out, o->host);
}

void sdp_print_session(struct buf *out, const struct sdp_origin *o)
{
	buf_cstr(out, "v=0\r\no=- ");
	buf_u64(out, o->session_id);
	buf_char(out, ' ');
	buf_u64(out, o->version);
	print_address(out, " IN ", o);
	print_address(out, "\r\ns=-\r\nc=IN ", o);
	buf_cstr(out, "\r\nt=");
	buf_str(out, o->timing.p ? o->timing : STR("0 0"));
	buf_cstr(out, "\r\n");
}

void sdp_print_format(struct buf *out, const struct sdp_format *f)
{
	buf_cstr(out, "a=rtpmap:");
	buf_u32(out, f->payload_type);
	buf_char(out, ' ');
	buf_str(out, f->name);
	buf_char(out, '/');
	buf_u32(out, f->clock_hz);
	if (f->channels > 1) {
		buf_char(out, '/');
		buf_u32(out, f->channels);
	}
	buf_cstr(out, "\r\n");
	if (!f->fmtp.p)
		return;
	buf_cstr(out, "a=fmtp:");
	buf_u32(out, f->payload_type);
	buf_char(out, ' ');
	buf_str(out, f->fmtp);
	buf_cstr(out, "\r\n");
}

struct str sdp_parameter(struct str fmtp, const char *name)
{
	struct str item, key;

	while (str_split(&fmtp, ';', &item)) {
		item = str_trim(item);
		if (str_split(&item, '=', &key) && str_iis(str_trim(key), name) && item.p)
			return str_trim(item);
	}
	return (struct str){ NULL, 0 };
}

void sdp_print_direction(struct buf *out, enum sdp_direction d)
{
	buf_cstr(out, "a=");
	buf_cstr(out, direction_names[d]);
	buf_cstr(out, "\r\n");
}
