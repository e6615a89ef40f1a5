#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "config_impl.h"

enum { MAX_FILE_BYTES = 1 << 20 };

#define SYSTEM_FILE "/etc/crosspoint/crosspoint.yaml"

/* --- what the readers share --- */

bool config_only(const char *text, const char *more)
{
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(more, *p))
			return false;
	return *text != '\0';
}

bool config_digits(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

const char *const *config_texts(struct conf *c, const struct doc *d, const char *problem,
				bool (*check)(const char *text))
{
	const struct doc *item = d->type == DOC_LIST ? d->child : d->type == DOC_NULL ? NULL : d;
	const char **out = conf_alloc(c, (d->count + 2) * sizeof(*out));
	size_t n = 0;

	for (; item && out; item = d->type == DOC_LIST ? item->next : NULL) {
		const char *text = conf_text(c, item);

		if (text && check(text))
			out[n++] = text;
		else if (text)
			conf_problem(c, CONF_ERROR, item, "%s", problem);
	}
	return out;
}

/* --- space, node --- */

void config_read_name(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && config_only(text, "-_."))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be letters, digits, dots, dashes");
}

static void read_uuid(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	bool ok = text && strlen(text) == 36;

	for (size_t i = 0; ok && i < 36; i++)
		ok = i == 8 || i == 13 || i == 18 || i == 23 ? text[i] == '-' : isxdigit((unsigned char)text[i]);
	if (ok)
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be a UUID like 6c0e6b6e-0b0a-4a3c-9e0a-0c5b6f2d7a11");
}

/* RFC 4122 §4.3: the same name gives the same id on every node and after every start. */
static void name_uuid(char out[37], const char *kind, const char *name)
{
	/* The name space "URL" of RFC 4122 appendix C. */
	static const uint8_t url_space[16] = { 0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1,
					       0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };
	unsigned char h[EVP_MAX_MD_SIZE] = { 0 };
	struct buf b;

	buf_init(&b, 0);
	buf_add(&b, url_space, sizeof(url_space));
	buf_printf(&b, "crosspoint:%s:%s", kind, name);
	EVP_Digest(b.data, b.len, h, NULL, EVP_sha1(), NULL);
	buf_free(&b);
	h[6] = (h[6] & 0x0f) | 0x50;
	h[8] = (h[8] & 0x3f) | 0x80;
	for (size_t i = 0, n = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		n += (size_t)snprintf(out + n, 37 - n, "%02x", h[i]);
	}
}

/* --- the rest --- */

static void read_envs(struct conf *c, const struct doc *d, void *field)
{
	const char **envs = conf_alloc(c, (2 * (size_t)d->count + 1) * sizeof(*envs));
	size_t n = 0;

	if (d->type == DOC_NULL || !envs)
		return;
	if (d->type != DOC_MAP) {
		conf_problem(c, CONF_ERROR, d, "must be names with values");
		return;
	}
	for (const struct doc *m = d->child; m; m = m->next) {
		const char *value = conf_text(c, m);

		if (!value)
			continue;
		envs[n++] = m->key.p;
		envs[n++] = value;
	}
	*(const char *const **)field = envs;
}

static bool is_server(const char *text)
{
	struct addr a;

	return !addr_parse_port(&a, str_of(text), 53);
}

static void read_servers(struct conf *c, const struct doc *d, void *field)
{
	const char *const *texts = config_texts(c, d, "must be a numeric ADDRESS or ADDRESS:PORT", is_server);
	struct buf b;

	if (!texts || !texts[0])
		return;
	buf_init(&b, 0);
	for (; *texts; texts++) {
		if (b.len)
			buf_char(&b, ',');
		buf_cstr(&b, *texts);
	}
	*(const char **)field = conf_dup(c, buf_view(&b));
	buf_free(&b);
}

static const struct conf_setting dns_table[] = {
	{ .name = "servers",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config, dns_servers),
	  .read = read_servers },
	{ .name = NULL },
};

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

static const struct conf_setting log_table[] = {
	{ .name = "level", .type = CONF_ENUM, .offset = offsetof(struct config, log.level), .names = log_levels },
	{ .name = "format", .type = CONF_ENUM, .offset = offsetof(struct config, log.format), .names = log_formats },
	{ .name = NULL },
};

static enum conf_severity later_store(const struct doc *value)
{
	return str_is(value->text, "sqlite") ? CONF_OK : CONF_ERROR;
}

static enum conf_severity later_cluster(const struct doc *value)
{
	return CONF_ERROR;
}

/* An empty token would let everybody in. */
static void read_filled(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && *text)
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must not be empty");
}

static void read_project_id(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	/* It is a user name of basic auth and a part of paths. */
	if (text && config_only(text, "-_."))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be letters, digits, dots, dashes");
}

static const struct conf_setting project_table[] = {
	{ .name = "id",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_project, id),
	  .read = read_project_id,
	  .required = true },
	{ .name = "token",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_project, token),
	  .read = read_filled,
	  .required = true },
	{ .name = "signing_key",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config_project, signing_key),
	  .read = read_filled },
	{ .name = NULL },
};

/* An address, a network, or a host name; no port and no URL. */
static bool is_host_or_network(const char *text)
{
	struct addr_net net;

	return !addr_net_parse(&net, str_of(text)) || config_only(text, "-_.");
}

static void read_allow_hosts(struct conf *c, const struct doc *d, void *field)
{
	*(const char *const **)field =
		config_texts(c, d, "must be a host name, an address or a network like 10.0.0.0/8, without a port",
			     is_host_or_network);
}

static const struct conf_setting webhooks_table[] = {
	{ .name = "allow_hosts",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config, webhooks.allow_hosts),
	  .read = read_allow_hosts },
	{ .name = "deny_private", .type = CONF_BOOL, .offset = offsetof(struct config, webhooks.deny_private) },
	{ .name = NULL },
};

enum { MAX_CALLS = 1000000, MAX_CALL_SECONDS = 30 * 86400 };

static const struct conf_setting limits_table[] = {
	{ .name = "max_calls",
	  .type = CONF_U32,
	  .offset = offsetof(struct config, limits.max_calls),
	  .max = MAX_CALLS },
	{ .name = "calls_per_second",
	  .type = CONF_U32,
	  .offset = offsetof(struct config, limits.calls_per_second),
	  .max = MAX_CALLS },
	{ .name = "call_seconds",
	  .type = CONF_U32,
	  .offset = offsetof(struct config, limits.call_seconds),
	  .max = MAX_CALL_SECONDS },
	{ .name = "messages_per_second",
	  .type = CONF_U32,
	  .offset = offsetof(struct config, limits.messages_per_second),
	  .max = MAX_CALLS },
	{ .name = NULL },
};

static const struct conf_setting root_table[] = {
	{ .name = "space", .type = CONF_CUSTOM, .offset = offsetof(struct config, space), .read = config_read_name },
	{ .name = "space_id", .type = CONF_CUSTOM, .offset = offsetof(struct config, space_id), .read = read_uuid },
	{ .name = "node", .type = CONF_CUSTOM, .offset = offsetof(struct config, node), .read = config_read_name },
	{ .name = "data", .type = CONF_PATH, .offset = offsetof(struct config, data) },
	{ .name = "log", .type = CONF_MAP, .sub = log_table },
	{ .name = "sip", .type = CONF_CUSTOM, .offset = offsetof(struct config, sip), .read = config_read_sip },
	{ .name = "media", .type = CONF_CUSTOM, .offset = offsetof(struct config, media), .read = config_read_media },
	{ .name = "http", .type = CONF_CUSTOM, .offset = offsetof(struct config, http), .read = config_read_http },
	{ .name = "projects",
	  .type = CONF_LIST,
	  .offset = offsetof(struct config, projects),
	  .sub = project_table,
	  .sub_bytes = sizeof(struct config_project) },
	{ .name = "trunks",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config, routes),
	  .read = config_read_trunks },
	{ .name = "routes",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config, routes),
	  .read = config_read_routes },
	{ .name = "resources",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct config, routes),
	  .read = config_read_resources },
	{ .name = "queues", .type = CONF_LATER },
	{ .name = "envs", .type = CONF_CUSTOM, .offset = offsetof(struct config, envs), .read = read_envs },
	{ .name = "tts", .type = CONF_CUSTOM, .offset = offsetof(struct config, tts), .read = config_read_tts },
	{ .name = "stt", .type = CONF_CUSTOM, .offset = offsetof(struct config, stt), .read = config_read_stt },
	{ .name = "webhooks", .type = CONF_MAP, .sub = webhooks_table },
	{ .name = "limits", .type = CONF_MAP, .sub = limits_table },
	{ .name = "store", .type = CONF_LATER, .later = later_store },
	{ .name = "cluster", .type = CONF_LATER, .later = later_cluster },
	{ .name = "dns", .type = CONF_MAP, .sub = dns_table },
	{ .name = "trace", .type = CONF_MAP, .sub = config_trace_table },
	{ .name = "drain_timeout", .type = CONF_U32, .offset = offsetof(struct config, drain_timeout_s), .max = 86400 },
	{ .name = NULL },
};

/* --- loading --- */

static const char *const default_http[] = { "127.0.0.1:8080" };
static const char *const default_hold_music[] = { "music:hold", NULL };

/* What PRODUCT says for everything that is left out. */
static int set_defaults(struct config *c, struct arena *a)
{
	static const enum wire_kind kinds[] = { WIRE_UDP, WIRE_TCP };
	struct sip_listen *listen = arena_alloc(a, ARRAY_LEN(kinds) * sizeof(*listen));

	if (!listen)
		return ENOMEM;
	*c = (struct config){ .space = "crosspoint", .node = "node-1", .drain_timeout_s = 300 };
	c->log.level = LOG_INFO;
	c->limits.messages_per_second = 100;
	c->webhooks.deny_private = true;
	c->trace = (struct config_trace){ .memory_mb = 16, .hep_id = 2001 };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		listen[i].kind = kinds[i];
		addr_parse(&listen[i].addr, STR("127.0.0.1"), 5060);
	}
	c->sip = (struct config_sip){
		.listen = listen,
		.listen_count = ARRAY_LEN(kinds),
		.default_transport = WIRE_TLS,
		.digests = SIP_OFFER_SHA256 | SIP_OFFER_MD5,
		.country = "",
		.header_prefix = "X-Crosspoint",
		.session_timeout_s = 600,
		.transfers = true,
		.tls = { .verify = true },
	};
	addr_parse(&c->media.address, STR("127.0.0.1"), 0);
	c->media.port_min = 20000;
	c->media.port_max = 29999;
	c->media.no_media_s = 10;
	c->media.hold_music = default_hold_music;
	c->media.encryption = MEDIA_OPTIONAL;
	codec_list_parse(&c->media.codecs, STR("OPUS,G722,PCMU,PCMA,G729"), NULL, NULL);
	c->http = (struct config_http){ .listen = default_http, .listen_count = ARRAY_LEN(default_http) };
	return 0;
}

/* "data" beside the file, absolute like every other path. NULL on no memory or no working folder. */
static const char *default_data(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/'), *out = NULL;
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	struct buf b;

	buf_init(&b, 0);
	if (cwd)
		buf_printf(&b, "%s/", cwd);
	if (slash)
		buf_str(&b, (struct str){ path, (size_t)(slash - path) + 1 });
	buf_cstr(&b, "data");
	if (cwd || path[0] == '/')
		out = b.failed ? NULL : str_dup(a, buf_view(&b));
	buf_free(&b);
	free(cwd);
	return out;
}

/* Ids that were not given, and the pieces of one section that stand in another. */
static int fill_in(struct config *c, struct arena *a)
{
	char uuid[37];
	struct buf b;

	if (!c->space_id) {
		name_uuid(uuid, "space", c->space);
		c->space_id = str_dup(a, str_of(uuid));
	}
	name_uuid(uuid, "node", c->node);
	buf_init(&b, 0);
	buf_printf(&b, "%s@%s", uuid, c->space);
	c->node_id = str_dup(a, buf_view(&b));
	buf_free(&b);
	c->routes.country = c->sip.country;
	if (!c->data)
		c->data = default_data(a, c->path);
	return c->space_id && c->node_id && c->data ? 0 : ENOMEM;
}

/* A warning about the whole file goes before the others. */
static int warn_first(struct conf_problem **problems, struct arena *a, const char *message)
{
	struct conf_problem *p = arena_alloc(a, sizeof(*p));

	if (!p)
		return ENOMEM;
	*p = (struct conf_problem){ CONF_WARNING, 1, 1, message, *problems };
	*problems = p;
	return 0;
}

static int check_whole(const struct config *c, struct arena *a, struct conf_problem **problems)
{
	size_t sources = 0;
	int err = 0;

	for (size_t i = 0; i < c->routes.trunk_count; i++)
		sources += c->routes.trunks[i].accept_count + c->routes.trunks[i].registers;
	if (!c->routes.route_count)
		err = warn_first(problems, a, "no call is answered: there are no routes");
	if (!err && !sources && !(c->routes.resources && c->routes.resources->subscriber_count))
		err = warn_first(problems, a, "no call can come in: no trunk has accept_from");
	return err;
}

int config_read(struct config **out, struct arena *a, const char *path, struct str text, struct conf_problem **problems)
{
	struct config *c = arena_alloc(a, sizeof(*c));
	int err = c ? set_defaults(c, a) : ENOMEM;

	if (err)
		return err;
	c->path = str_dup(a, str_of(path));
	err = conf_read(a, path, text, root_table, c, problems);
	if (err)
		return err;
	err = c->path ? fill_in(c, a) : ENOMEM;
	if (!err)
		err = config_resolve(c, a, problems);
	if (!err)
		err = check_whole(c, a, problems);
	if (!err)
		*out = c;
	return err;
}

static int read_file(struct buf *out, const char *path)
{
	char part[4096];
	FILE *f = fopen(path, "re");
	int err = 0;
	size_t n;

	if (!f)
		return errno;
	while (!err && (n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(out, part, n);
		err = out->failed ? EFBIG : 0;
	}
	if (ferror(f))
		err = errno ? errno : EIO;
	fclose(f);
	return err;
}

int config_load(struct config **out, struct arena *a, const char *path, struct conf_problem **problems)
{
	struct conf_problem *p;
	char message[200];
	struct buf text;
	int err;

	buf_init(&text, MAX_FILE_BYTES);
	err = read_file(&text, path);
	if (!err) {
		err = config_read(out, a, path, text.data ? buf_view(&text) : STR(""), problems);
		buf_free(&text);
		return err;
	}
	buf_free(&text);
	snprintf(message, sizeof(message), "cannot read the file: %s", strerror(err));
	p = arena_alloc(a, sizeof(*p));
	if (!p)
		return ENOMEM;
	*p = (struct conf_problem){ .severity = CONF_ERROR, .message = str_dup(a, str_of(message)) };
	*problems = p;
	return p->message ? err : ENOMEM;
}

const char *config_find(const char *option_path)
{
	const char *env = getenv("CROSSPOINT_CONFIG");

	if (option_path)
		return option_path;
	if (env && *env)
		return env;
	if (!access("crosspoint.yaml", F_OK))
		return "crosspoint.yaml";
	return access(SYSTEM_FILE, F_OK) ? NULL : SYSTEM_FILE;
}

void config_print_problems(FILE *out, const char *path, const struct conf_problem *problems)
{
	for (const struct conf_problem *p = problems; p; p = p->next) {
		fprintf(out, "%s:", path);
		if (p->line)
			fprintf(out, "%u:%u:", p->line, p->col);
		fprintf(out, " %s: %s\n", p->severity == CONF_ERROR ? "error" : "warning", p->message);
	}
}
