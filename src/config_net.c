/* The sections sip, media and http of the configuration. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_impl.h"
#include "op/sound_uri.h"
#include "sip/sip_timer.h"

enum { MAX_NO_MEDIA_S = 3600, MAX_THREADS = 64 };

/* In the order of enum wire_kind. */
static const char *const transports[] = { "udp", "tcp", "tls", "ws", "wss", NULL };
/* Nobody is called over WebSocket. */
static const char *const outgoing[] = { "udp", "tcp", "tls", NULL };

/* --- sip --- */

static void read_host(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	struct addr a;

	if (text && (config_only(text, "-.") || !addr_parse(&a, str_of(text), 0)))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be a host name or an address, without a port");
}

static void read_digest(struct conf *c, const struct doc *d, void *field)
{
	const struct doc *item = d->type == DOC_LIST ? d->child : d;
	unsigned offer = 0;

	for (; item; item = d->type == DOC_LIST ? item->next : NULL) {
		const char *text = conf_text(c, item);

		if (text && !strcasecmp(text, "MD5"))
			offer |= SIP_OFFER_MD5;
		else if (text && !strcasecmp(text, "SHA-256"))
			offer |= SIP_OFFER_SHA256;
		else if (text)
			conf_problem(c, CONF_ERROR, item, "must be SHA-256 or MD5");
	}
	if (offer)
		*(unsigned *)field = offer;
	else if (d->type == DOC_LIST && !d->count)
		conf_problem(c, CONF_ERROR, d, "subscribers need SHA-256 or MD5");
}

static void read_country(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && config_digits(text) && strlen(text) <= 4)
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be the digits of a country code, without +");
}

static void read_header_prefix(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && config_only(text, "-_") && strlen(text) <= 40)
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be the beginning of a header name");
}

/* "udp:127.0.0.1:5060". False after a problem. */
static bool read_listener(struct conf *c, const struct doc *d, struct sip_listen *out)
{
	static const uint16_t ports[] = { 5060, 5060, 5061, 80, 443 }; /* the last two: RFC 6455 §3 */
	const char *text = conf_text(c, d);
	struct str rest = str_of(text), kind;
	size_t i = 0;

	if (!text)
		return false;
	str_split(&rest, ':', &kind);
	while (transports[i] && !str_is(kind, transports[i]))
		i++;
	if (!transports[i] || !rest.p || addr_parse_port(&out->addr, rest, ports[i])) {
		conf_problem(c, CONF_ERROR, d, "must be like udp:127.0.0.1:5060 (udp, tcp, tls, ws, wss)");
		return false;
	}
	out->kind = (enum wire_kind)i;
	return true;
}

static bool listens_already(const struct config_sip *sip, const struct sip_listen *l)
{
	for (size_t i = 0; i < sip->listen_count; i++)
		if (sip->listen[i].kind == l->kind && addr_equal(&sip->listen[i].addr, &l->addr))
			return addr_port(&l->addr) != 0;
	return false;
}

static void read_sip_listen(struct conf *c, const struct doc *d, void *field)
{
	struct config_sip *sip = field;
	const struct doc *item = d->type == DOC_LIST ? d->child : d;
	struct sip_listen *list = conf_alloc(c, (d->count + 1) * sizeof(*list));

	if (!list)
		return;
	sip->listen = list;
	sip->listen_count = 0;
	for (; item; item = d->type == DOC_LIST ? item->next : NULL) {
		struct sip_listen l;

		if (!read_listener(c, item, &l))
			continue;
		if (listens_already(sip, &l))
			conf_problem(c, CONF_ERROR, item, "the same listener stands here twice");
		else
			list[sip->listen_count++] = l;
	}
	if (d->type == DOC_LIST && !d->count)
		conf_problem(c, CONF_ERROR, d, "must name at least one listener");
}

static void read_pem(struct conf *c, const struct doc *d, void *field)
{
	const char *path = conf_path(c, d);

	if (!path)
		return;
	*(const char **)field = path;
	if (access(path, R_OK))
		conf_problem(c, CONF_WARNING, d, "cannot read %s: %s", path, strerror(errno));
}

static const struct conf_setting named_table[] = {
	{ .name = "cert",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct sock_tls_cert, cert),
	  .read = read_pem,
	  .required = true },
	{ .name = "key",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct sock_tls_cert, key),
	  .read = read_pem,
	  .required = true },
	{ .name = NULL },
};

static void read_named(struct conf *c, const struct doc *d, void *field)
{
	const struct doc *item = d->type == DOC_LIST ? d->child : NULL;
	struct sock_tls_cert *list = conf_alloc(c, (d->count + 1) * sizeof(*list));
	struct sock_tls *tls = field;

	if (d->type != DOC_LIST && d->type != DOC_NULL)
		conf_problem(c, CONF_ERROR, d, "must be a list of cert and key");
	for (; list && item; item = item->next) {
		struct sock_tls_cert *one = &list[tls->named_count];

		*one = (struct sock_tls_cert){ NULL, NULL };
		conf_struct(c, item, named_table, one);
		tls->named_count += one->cert && one->key;
	}
	tls->named = list;
}

/* In the order of enum sock_tls_callers. */
static const char *const callers[] = { "none", "optional", "required", NULL };

static const struct conf_setting sip_tls_table[] = {
	{ .name = "certs", .type = CONF_CUSTOM, .read = read_named },
	{ .name = "client", .type = CONF_ENUM, .offset = offsetof(struct sock_tls, callers), .names = callers },
	{ .name = "cert", .type = CONF_CUSTOM, .offset = offsetof(struct sock_tls, cert), .read = read_pem },
	{ .name = "key", .type = CONF_CUSTOM, .offset = offsetof(struct sock_tls, key), .read = read_pem },
	{ .name = "ca", .type = CONF_CUSTOM, .offset = offsetof(struct sock_tls, ca), .read = read_pem },
	{ .name = "verify", .type = CONF_BOOL, .offset = offsetof(struct sock_tls, verify) },
	{ .name = NULL },
};

static void read_sip_tls(struct conf *c, const struct doc *d, void *field)
{
	const struct doc *verify = doc_get(d, "verify");
	struct sock_tls *tls = field;

	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, sip_tls_table, tls);
	if (!tls->cert != !tls->key)
		conf_problem(c, CONF_ERROR, d, "cert and key go together");
	if (tls->callers != SOCK_TLS_NOT_ASKED && !tls->ca)
		conf_problem(c, CONF_ERROR, doc_get(d, "client"), "needs ca: whose certificates callers must have");
	if (tls->named_count && !tls->cert)
		conf_problem(c, CONF_ERROR, doc_get(d, "certs"),
			     "needs cert and key too, for callers that name none of them");
	if (verify && !tls->verify)
		conf_problem(c, CONF_WARNING, verify,
			     "calls over TLS go to anybody who takes them: no certificate is checked");
}

/* A listener without a certificate could only refuse. */
static void check_tls_listeners(struct conf *c, const struct doc *d, const struct config_sip *sip)
{
	const struct doc *list = doc_get(d, "listen"), *at = list;
	enum wire_kind kind = WIRE_UDP;

	for (size_t i = sip->listen_count; i-- > 0;)
		if (sip->listen[i].kind == WIRE_TLS || sip->listen[i].kind == WIRE_WSS)
			kind = sip->listen[i].kind;
	if (kind == WIRE_UDP || sip->tls.cert)
		return;
	for (const struct doc *item = list->child; item; item = item->next)
		if (at == list && str_istarts(item->text, kind == WIRE_TLS ? "tls:" : "wss:"))
			at = item;
	conf_problem(c, CONF_ERROR, at, "a %s: listener needs sip.tls with cert and key", transports[kind]);
}

/* What RFC 4028 allows; 0 = do without. */
static void read_session_timeout(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	uint32_t s;

	if (!text)
		return;
	if (str_u32(str_of(text), &s) || (s && s < SIP_MIN_SE_S) || s > SIP_MAX_SE_S)
		conf_problem(c, CONF_ERROR, d,
			     "must be a whole number of seconds from %d to %d, or 0 for no session timers",
			     SIP_MIN_SE_S, SIP_MAX_SE_S);
	else
		*(uint32_t *)field = s;
}

static const struct conf_setting sip_table[] = {
	{ .name = "listen", .type = CONF_CUSTOM, .read = read_sip_listen },
	{ .name = "advertise",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_sip, advertise),
	  .read = read_host },
	{ .name = "domain", .type = CONF_CUSTOM, .offset = offsetof(struct config_sip, domain), .read = read_host },
	{ .name = "digest", .type = CONF_CUSTOM, .offset = offsetof(struct config_sip, digests), .read = read_digest },
	{ .name = "tls", .type = CONF_CUSTOM, .offset = offsetof(struct config_sip, tls), .read = read_sip_tls },
	{ .name = "default_transport",
	  .type = CONF_ENUM,
	  .offset = offsetof(struct config_sip, default_transport),
	  .names = outgoing },
	{ .name = "country",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_sip, country),
	  .read = read_country },
	{ .name = "session_timeout",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_sip, session_timeout_s),
	  .read = read_session_timeout },
	{ .name = "transfers", .type = CONF_BOOL, .offset = offsetof(struct config_sip, transfers) },
	{ .name = "header_prefix",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_sip, header_prefix),
	  .read = read_header_prefix },
	{ .name = NULL },
};

/* --- media --- */

static void read_address(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && addr_parse(field, str_of(text), 0))
		conf_problem(c, CONF_ERROR, d, "must be a numeric address, without a port");
}

/* "20000-29999": RTP takes the even port, RTCP the odd one above it. */
static void read_ports(struct conf *c, const struct doc *d, void *field)
{
	struct config_media *media = field;
	const char *text = conf_text(c, d);
	struct str rest = str_of(text), low = { 0 };
	uint32_t min, max;

	if (!text)
		return;
	str_split(&rest, '-', &low);
	if (str_u32(str_trim(low), &min) || !rest.p || str_u32(str_trim(rest), &max) || !min || max > UINT16_MAX ||
	    min > max) {
		conf_problem(c, CONF_ERROR, d, "must be a range of ports like 20000-29999");
		return;
	}
	min += min & 1;
	max -= !(max & 1);
	if (min > max) {
		conf_problem(c, CONF_ERROR, d, "holds no even port with the odd one above it");
		return;
	}
	media->port_min = (uint16_t)min;
	media->port_max = (uint16_t)max;
}

/* False after an error. */
static bool read_codec(struct conf *c, const struct doc *d, struct codec_list *out)
{
	const char *names[CODEC_COUNT], *near, *text = conf_text(c, d);
	const struct codec *codec;

	if (!text)
		return false;
	codec = codec_by_name(str_of(text));
	if (codec) {
		codec_list_add(out, codec->id);
		return true;
	}
	if (codec_is_foreign(str_of(text))) {
		conf_problem(c, CONF_WARNING, d, "this codec is not in this version: the server does without it");
		return true;
	}
	for (size_t i = 0; i < CODEC_COUNT; i++)
		names[i] = codec_get((enum codec_id)i)->name;
	near = str_nearest(str_of(text), names, CODEC_COUNT);
	if (near)
		conf_problem(c, CONF_ERROR, d, "unknown codec, did you mean %s?", near);
	else
		conf_problem(c, CONF_ERROR, d, "unknown codec; known are OPUS, G722, PCMU, PCMA, G729, VP8, H264");
	return false;
}

static void read_codecs(struct conf *c, const struct doc *d, void *field)
{
	const struct doc *item = d->type == DOC_LIST ? d->child : d;
	struct codec_list *codecs = field, audio, video;
	bool good = true;

	*codecs = (struct codec_list){ 0 };
	for (; item; item = d->type == DOC_LIST ? item->next : NULL)
		good &= read_codec(c, item, codecs);
	codec_list_split(codecs, &audio, &video);
	if (!audio.count && good)
		conf_problem(c, CONF_ERROR, d, "no codec of audio is left");
}

static void read_encryption(struct conf *c, const struct doc *d, void *field)
{
	static const char *const words[] = {
		[MEDIA_FORBIDDEN] = "forbidden",
		[MEDIA_OPTIONAL] = "optional",
		[MEDIA_MANDATORY] = "mandatory",
	};
	const char *text = conf_text(c, d);

	for (size_t i = 0; text && i < ARRAY_LEN(words); i++) {
		if (!strcmp(text, words[i])) {
			*(enum media_encryption *)field = (enum media_encryption)i;
			return;
		}
	}
	if (text)
		conf_problem(c, CONF_ERROR, d, "must be one of mandatory, optional, forbidden");
}

static void read_threads(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	uint32_t v = 0;

	if (!text)
		return;
	if (strcmp(text, "auto") && (str_u32(str_of(text), &v) || !v || v > MAX_THREADS))
		conf_problem(c, CONF_ERROR, d, "must be auto or a number from 1 to %d", MAX_THREADS);
	else
		*(unsigned *)field = v;
}

enum { MAX_HOLD_MUSIC = 64 };

/* A sound as documents name it, "default", or else a file. NULL after a problem. */
static const char *read_sound(struct conf *c, const struct doc *d)
{
	const char *text = conf_text(c, d), *path, *fault;
	struct sound_uri uri;
	struct buf b;

	if (!text)
		return NULL;
	if (!strcmp(text, "default"))
		return "music:hold";
	if (!*text || !strcmp(text, "silence")) {
		conf_problem(c, CONF_ERROR, d, "silence stands alone, without other sounds");
		return NULL;
	}
	if (text[strcspn(text, ":/")] == ':') {
		fault = sound_uri_parse(&uri, str_of(text));
		if (fault)
			conf_problem(c, CONF_ERROR, d, "%s, or the path of a file", fault);
		return fault ? NULL : text;
	}
	path = conf_path(c, d);
	buf_init(&b, 0);
	buf_printf(&b, "file:%s", path ? path : "");
	text = path ? conf_dup(c, buf_view(&b)) : NULL;
	buf_free(&b);
	return text;
}

static void read_hold_music(struct conf *c, const struct doc *d, void *field)
{
	const struct doc *item = d->type == DOC_LIST ? d->child : d;
	const char **out = conf_alloc(c, (d->count + 2) * sizeof(*out));
	size_t n = 0;

	if (!out)
		return;
	*(const char *const **)field = out;
	if (d->type != DOC_LIST && str_is(d->text, "silence"))
		return;
	if (d->type == DOC_LIST && (!d->count || d->count > MAX_HOLD_MUSIC))
		conf_problem(c, CONF_ERROR, d, "must be default, silence, or at most 64 sounds");
	for (; item; item = d->type == DOC_LIST ? item->next : NULL) {
		out[n] = read_sound(c, item);
		n += out[n] != NULL;
	}
}

static const struct conf_setting media_table[] = {
	{ .name = "address",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_media, address),
	  .read = read_address },
	{ .name = "advertise",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_media, advertise),
	  .read = read_address },
	{ .name = "ports", .type = CONF_CUSTOM, .read = read_ports },
	{ .name = "codecs", .type = CONF_CUSTOM, .offset = offsetof(struct config_media, codecs), .read = read_codecs },
	{ .name = "encryption",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_media, encryption),
	  .read = read_encryption },
	{ .name = "threads",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_media, threads),
	  .read = read_threads },
	{ .name = "no_media_s",
	  .type = CONF_U32,
	  .offset = offsetof(struct config_media, no_media_s),
	  .max = MAX_NO_MEDIA_S },
	{ .name = "hold_music",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_media, hold_music),
	  .read = read_hold_music },
	{ .name = NULL },
};

void config_read_media(struct conf *c, const struct doc *d, void *field)
{
	struct config_media *media = field;
	const struct doc *address = doc_get(d, "address");

	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, media_table, media);
	if (address && addr_is_any(&media->address) && !media->advertise.sa.sa_family)
		conf_problem(c, CONF_ERROR, address,
			     "peers cannot send audio to this address: name one of this machine, or set advertise");
}

/* --- trace --- */

enum { MAX_TRACE_MB = 1024, HEP_PORT = 9060 };

/* "udp:127.0.0.1:9060" */
static void read_hep(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	struct str rest = str_of(text), kind = { 0 };

	if (!text)
		return;
	str_split(&rest, ':', &kind);
	if (!str_is(kind, "udp") || !rest.p || addr_parse_port(field, rest, HEP_PORT))
		conf_problem(c, CONF_ERROR, d, "must be like udp:127.0.0.1:9060");
}

const struct conf_setting config_trace_table[] = {
	{ .name = "memory_mb",
	  .type = CONF_U32,
	  .offset = offsetof(struct config, trace.memory_mb),
	  .max = MAX_TRACE_MB },
	{ .name = "hep", .type = CONF_CUSTOM, .offset = offsetof(struct config, trace.hep), .read = read_hep },
	{ .name = "hep_id", .type = CONF_U32, .offset = offsetof(struct config, trace.hep_id), .max = UINT32_MAX },
	{ .name = NULL },
};

/* --- http --- */

static const struct conf_setting http_tls_table[] = {
	{ .name = "cert", .type = CONF_CUSTOM, .offset = offsetof(struct sock_tls, cert), .read = read_pem },
	{ .name = "key", .type = CONF_CUSTOM, .offset = offsetof(struct sock_tls, key), .read = read_pem },
	{ .name = "ca", .type = CONF_CUSTOM, .offset = offsetof(struct sock_tls, ca), .read = read_pem },
	{ .name = NULL },
};

static void read_http_tls(struct conf *c, const struct doc *d, void *field)
{
	struct sock_tls *tls = field;

	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, http_tls_table, tls);
	if (!tls->cert != !tls->key)
		conf_problem(c, CONF_ERROR, d, "cert and key go together");
}

/* "http:127.0.0.1:8080" gives the part behind the scheme, https stands before it; NULL after a problem. */
static const char *http_listener(struct conf *c, const struct doc *d)
{
	const char *text = conf_text(c, d);
	struct str rest = str_of(text), scheme;
	char place[ADDR_TEXT], listen[ADDR_TEXT + 8];
	struct addr a;
	bool secure;

	if (!text)
		return NULL;
	str_split(&rest, ':', &scheme);
	secure = str_is(scheme, "https");
	if ((!str_is(scheme, "http") && !secure) || !rest.p || addr_parse_port(&a, rest, secure ? 8443 : 8080)) {
		conf_problem(c, CONF_ERROR, d, "must be like http:127.0.0.1:8080 or https:127.0.0.1:8443");
		return NULL;
	}
	snprintf(listen, sizeof(listen), "%s%s", secure ? "https:" : "", addr_text(&a, place));
	return conf_dup(c, str_of(listen));
}

static void read_http_listen(struct conf *c, const struct doc *d, void *field)
{
	struct config_http *http = field;
	const struct doc *item = d->type == DOC_LIST ? d->child : d;
	const char **list = conf_alloc(c, (d->count + 1) * sizeof(*list));

	if (!list)
		return;
	http->listen = list;
	http->listen_count = 0;
	for (; item; item = d->type == DOC_LIST ? item->next : NULL) {
		const char *text = http_listener(c, item);

		if (text)
			list[http->listen_count++] = text;
	}
}

static void read_url(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	struct str url = str_of(text);

	if (text && (str_istarts(url, "http://") || str_istarts(url, "https://")))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be an http:// or https:// URL");
}

static const struct conf_setting http_table[] = {
	{ .name = "listen", .type = CONF_CUSTOM, .read = read_http_listen },
	{ .name = "tls", .type = CONF_CUSTOM, .offset = offsetof(struct config_http, tls), .read = read_http_tls },
	{ .name = "public_url",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_http, public_url),
	  .read = read_url },
	{ .name = NULL },
};

bool config_listens_on_https(const struct config_http *http)
{
	for (size_t i = 0; i < http->listen_count; i++)
		if (str_starts(str_of(http->listen[i]), "https:"))
			return true;
	return false;
}

void config_http_url(const char *listen, char *out, size_t size)
{
	if (str_starts(str_of(listen), "https:"))
		snprintf(out, size, "https://%s", listen + strlen("https:"));
	else
		snprintf(out, size, "http://%s", listen);
}

/* A listener without a certificate could only refuse. */
static void check_https_listeners(struct conf *c, const struct doc *d, const struct config_http *http)
{
	const struct doc *list = doc_get(d, "listen"), *at = list;

	if (!config_listens_on_https(http) || http->tls.cert)
		return;
	for (const struct doc *item = list->child; item; item = item->next)
		if (at == list && str_starts(item->text, "https:"))
			at = item;
	conf_problem(c, CONF_ERROR, at, "an https: listener needs http.tls with cert and key");
}

void config_read_sip(struct conf *c, const struct doc *d, void *field)
{
	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, sip_table, field);
	check_tls_listeners(c, d, field);
}

void config_read_http(struct conf *c, const struct doc *d, void *field)
{
	if (d->type == DOC_NULL)
		return;
	conf_struct(c, d, http_table, field);
	check_https_listeners(c, d, field);
}
