/* The sections trunks and routes of the configuration. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_impl.h"
#include "net/url.h"

enum { MAX_RATES_BYTES = 32 << 20, EXPIRES_S = 600 };

/* --- trunks --- */

static bool is_prefix(const char *text)
{
	return text[0] == '+' && config_digits(text + 1);
}

static bool star_at_end(const char *text)
{
	const char *star = strchr(text, '*');

	return *text && (!star || !star[1]);
}

static void read_prefixes(struct conf *c, const struct doc *d, void *field)
{
	*(const char *const **)field =
		config_texts(c, d, "must be the beginning of a number, + and digits, like \"+1\"", is_prefix);
}

static void read_caller_ids(struct conf *c, const struct doc *d, void *field)
{
	*(const char *const **)field =
		config_texts(c, d, "must be a number, a beginning of numbers with * behind it, or \"*\"", star_at_end);
}

static void read_accept_from(struct conf *c, const struct doc *d, void *field)
{
	struct trunk *t = field;
	const struct doc *item = d->type == DOC_LIST ? d->child : d->type == DOC_NULL ? NULL : d;
	struct addr_net *nets = conf_alloc(c, (d->count + 1) * sizeof(*nets));

	if (!nets)
		return;
	t->accept_from = nets;
	for (; item; item = d->type == DOC_LIST ? item->next : NULL) {
		const char *text = conf_text(c, item);

		if (text && !addr_net_parse(&nets[t->accept_count], str_of(text)))
			t->accept_count++;
		else if (text)
			conf_problem(c, CONF_ERROR, item, "must be an address or a network like 192.0.2.0/24");
	}
}

static void read_trunk_uri(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);
	struct str uri = str_of(text);

	if (!text)
		return;
	if ((!str_istarts(uri, "sip:") && !str_istarts(uri, "sips:")) || strpbrk(text, " \t\r\n<>\"")) {
		conf_problem(c, CONF_ERROR, d, "must be a SIP URI like sip:{number}@192.0.2.1;transport=udp");
		return;
	}
	*(const char **)field = text;
	if (!strstr(text, "{number}"))
		conf_problem(c, CONF_WARNING, d, "has no {number}: every call over this trunk goes to the same URI");
}

static void read_secret(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	for (const char *p = text; p && *p; p++) {
		if ((unsigned char)*p >= ' ' && *p != 0x7f)
			continue;
		conf_problem(c, CONF_ERROR, d, "has a control character in it");
		return;
	}
	*(const char **)field = text;
}

static int read_whole(struct buf *out, const char *path)
{
	char part[65536];
	FILE *f = fopen(path, "re");
	int err = 0;
	size_t n;

	if (!f)
		return errno;
	while (!err && (n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(out, part, n);
		err = out->failed ? EFBIG : 0;
	}
	if (!err && ferror(f))
		err = errno ? errno : EIO;
	fclose(f);
	return err;
}

static void read_table(struct conf *c, const struct doc *d, const char *path, struct rates *rates, struct str text)
{
	struct rate *rows = conf_alloc(c, rates_room(text) * sizeof(*rows));
	struct rates_fault fault;

	if (!rows)
		return;
	if (rates_read(rates, rows, text, &fault))
		conf_problem(c, CONF_ERROR, d, "%s:%u: %s", path, fault.line, fault.why);
	else if (!rates->count)
		conf_problem(c, CONF_WARNING, d, "%s has no prices: every number counts as over a price cap", path);
}

/* A table that cannot be read is an empty one: then a price cap keeps calls off the trunk. */
static void read_rates(struct conf *c, const struct doc *d, void *field)
{
	const char *path = conf_path(c, d);
	struct rates *rates = conf_alloc(c, sizeof(*rates));
	struct buf text;
	int err;

	if (!path || !rates)
		return;
	*(const struct rates **)field = rates;
	buf_init(&text, MAX_RATES_BYTES);
	err = read_whole(&text, path);
	if (err)
		conf_problem(c, CONF_WARNING, d, "cannot read %s: %s; every number counts as over a price cap", path,
			     strerror(err));
	else
		read_table(c, d, path, rates, buf_view(&text));
	buf_free(&text);
}

/* What a call of ours needs to say itself: a second one would break it, or say who calls past the other keys. */
static bool is_passable(const char *text)
{
	static const char *const ours[] = {
		"Via",
		"v",
		"From",
		"f",
		"To",
		"t",
		"Call-ID",
		"i",
		"CSeq",
		"Max-Forwards",
		"Contact",
		"m",
		"Route",
		"Record-Route",
		"Content-Type",
		"c",
		"Content-Length",
		"l",
		"Content-Encoding",
		"e",
		"Content-Disposition",
		"Authorization",
		"Proxy-Authorization",
		"Require",
		"Proxy-Require",
		"Supported",
		"k",
		"Allow",
		"Session-Expires",
		"x",
		"Min-SE",
		"RSeq",
		"RAck",
		"Replaces",
		"Expires",
		"Privacy",
		"P-Asserted-Identity",
		"P-Preferred-Identity",
		"Remote-Party-ID",
		"Reason",
		"User-Agent",
		"Date",
	};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_iis(str_of(text), ours[i]))
			return false;
	return config_only(text, "-_.");
}

static void read_pass_headers(struct conf *c, const struct doc *d, void *field)
{
	*(const char *const **)field =
		config_texts(c, d, "must be the name of a header that is not ours to set, like Diversion", is_passable);
}

static const char *const identities[] = { "none", "pai", "rpid", NULL };

static const struct conf_setting trunk_table[] = {
	{ .name = "name",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct trunk, name),
	  .read = config_read_name,
	  .required = true },
	{ .name = "uri", .type = CONF_CUSTOM, .offset = offsetof(struct trunk, uri), .read = read_trunk_uri },
	{ .name = "numbers", .type = CONF_CUSTOM, .offset = offsetof(struct trunk, prefixes), .read = read_prefixes },
	{ .name = "username", .type = CONF_CUSTOM, .offset = offsetof(struct trunk, username), .read = read_secret },
	{ .name = "password", .type = CONF_CUSTOM, .offset = offsetof(struct trunk, password), .read = read_secret },
	{ .name = "register", .type = CONF_BOOL, .offset = offsetof(struct trunk, registers) },
	{ .name = "expires", .type = CONF_U32, .offset = offsetof(struct trunk, expires_s), .min = 60, .max = 86400 },
	{ .name = "probe", .type = CONF_U32, .offset = offsetof(struct trunk, probe_s), .max = 3600 },
	{ .name = "identity", .type = CONF_ENUM, .offset = offsetof(struct trunk, identity), .names = identities },
	{ .name = "privacy", .type = CONF_BOOL, .offset = offsetof(struct trunk, privacy) },
	{ .name = "trust_identity", .type = CONF_BOOL, .offset = offsetof(struct trunk, trust_identity) },
	{ .name = "follow_redirects", .type = CONF_BOOL, .offset = offsetof(struct trunk, follow_redirects) },
	{ .name = "pass_headers",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct trunk, pass_headers),
	  .read = read_pass_headers },
	{ .name = "caller_ids",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct trunk, caller_ids),
	  .read = read_caller_ids },
	{ .name = "rates", .type = CONF_CUSTOM, .offset = offsetof(struct trunk, rates), .read = read_rates },
	{ .name = "accept_from", .type = CONF_CUSTOM, .read = read_accept_from },
	{ .name = NULL },
};

static bool has_place(const struct trunk *t)
{
	const char *at = t->uri ? strchr(t->uri, '@') : NULL;

	return t->uri && !strstr(at ? at : t->uri, "{number}");
}

/* What registering and probing go by. */
static void check_watched(struct conf *c, const struct doc *d, const struct trunk *t)
{
	const struct doc *probe = doc_get(d, "probe"), *trust = doc_get(d, "trust_identity");
	bool fixed = has_place(t), named = t->username && *t->username && t->password;

	if (t->registers && (!fixed || !named))
		conf_problem(c, CONF_ERROR, doc_get(d, "register"),
			     "needs a uri whose host does not depend on the number, a username and a password");
	if (t->probe_s && !fixed)
		conf_problem(c, CONF_ERROR, probe, "needs a uri whose host does not depend on the number");
	if (doc_get(d, "expires") && !t->registers)
		conf_problem(c, CONF_WARNING, doc_get(d, "expires"), "has no effect without register: true");
	if (t->trust_identity && !t->accept_count && !t->registers)
		conf_problem(c, CONF_WARNING, trust, "has no effect: no call comes in as this trunk's");
}

static void check_trunk(struct conf *c, const struct doc *d, const struct trunk *all, size_t n)
{
	const struct trunk *t = &all[n];
	const struct doc *name = doc_get(d, "name"), *numbers = doc_get(d, "numbers");
	const struct doc *user = doc_get(d, "username"), *password = doc_get(d, "password");

	for (size_t i = 0; t->name && name && i < n; i++)
		if (all[i].name && !strcmp(all[i].name, t->name))
			conf_problem(c, CONF_ERROR, name, "another trunk has this name");
	if (numbers && t->prefixes && t->prefixes[0] && !doc_get(d, "uri"))
		conf_problem(c, CONF_ERROR, numbers, "a trunk that takes numbers needs a uri");
	if (!user != !password)
		conf_problem(c, CONF_WARNING, user ? user : password, "has no effect without a %s",
			     user ? "password" : "username");
	check_watched(c, d, t);
}

void config_read_trunks(struct conf *c, const struct doc *d, void *field)
{
	struct route_table *table = field;
	struct trunk *trunks = conf_alloc(c, d->count * sizeof(*trunks));

	if (d->type == DOC_NULL || !trunks)
		return;
	if (d->type != DOC_LIST) {
		conf_problem(c, CONF_ERROR, d, "must be a list of trunks");
		return;
	}
	table->trunks = trunks;
	for (const struct doc *item = d->child; item; item = item->next) {
		trunks[table->trunk_count].expires_s = EXPIRES_S;
		conf_struct(c, item, trunk_table, &trunks[table->trunk_count]);
		check_trunk(c, item, trunks, table->trunk_count++);
	}
}

/* --- routes --- */

static void read_match(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && star_at_end(text))
		*(const char **)field = text;
	else if (text)
		conf_problem(c, CONF_ERROR, d, "must be a user or user@host, with * only at the end");
}

static bool is_url(struct conf *c, const struct doc *d, const char *text)
{
	struct url u;

	if (!url_is_http(str_of(text)))
		return false;
	if (url_parse(&u, str_of(text)))
		conf_problem(c, CONF_ERROR, d, "is no valid http or https URL");
	return true;
}

static const char *read_file_name(struct conf *c, const struct doc *d)
{
	const char *path = conf_path(c, d);

	if (path && access(path, R_OK))
		conf_problem(c, CONF_WARNING, d, "cannot read %s: %s", path, strerror(errno));
	return path;
}

void config_read_document(struct conf *c, const struct doc *d, const char **file, const char **url)
{
	const char *text = conf_text(c, d);

	if (text && is_url(c, d, text))
		*url = text;
	else if (text)
		*file = read_file_name(c, d);
}

static void read_swml(struct conf *c, const struct doc *d, void *field)
{
	struct route *r = field;

	config_read_document(c, d, &r->swml, &r->url);
}

static void read_address(struct conf *c, const struct doc *d, void *field)
{
	struct route *r = field;

	r->address = conf_text(c, d);
	r->address_line = d->line;
	r->address_col = d->col;
}

static void read_method(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text && !strcmp(text, "GET"))
		*(const char **)field = text;
	else if (text && strcmp(text, "POST"))
		conf_problem(c, CONF_ERROR, d, "must be POST or GET");
}

static void read_fallback(struct conf *c, const struct doc *d, void *field)
{
	const char *text = conf_text(c, d);

	if (text)
		*(const char **)field = is_url(c, d, text) ? text : read_file_name(c, d);
}

/* The key is judged in check_route(), where the kind of the route is known. */
static void read_nothing(struct conf *c, const struct doc *d, void *field)
{
	conf_text(c, d);
}

static const struct conf_setting route_table[] = {
	{ .name = "match",
	  .type = CONF_CUSTOM,
	  .offset = offsetof(struct route, match),
	  .read = read_match,
	  .required = true },
	{ .name = "swml", .type = CONF_CUSTOM, .read = read_swml },
	{ .name = "cxml", .type = CONF_CUSTOM, .read = read_nothing },
	{ .name = "topic", .type = CONF_CUSTOM, .read = read_nothing },
	{ .name = "address", .type = CONF_CUSTOM, .read = read_address },
	{ .name = "method", .type = CONF_CUSTOM, .offset = offsetof(struct route, method), .read = read_method },
	{ .name = "fallback", .type = CONF_CUSTOM, .offset = offsetof(struct route, fallback), .read = read_fallback },
	{ .name = NULL },
};

static void check_route_kind(struct conf *c, const struct doc *d, const struct route *r)
{
	static const char *const kinds[] = { "swml", "cxml", "topic", "address" };
	static const char *const extras[] = { "method", "fallback" };
	const struct doc *kind = NULL;
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct doc *m = doc_get(d, kinds[i]);

		count += m != NULL;
		kind = m ? m : kind;
	}
	if (count != 1)
		conf_problem(c, CONF_ERROR, d, "a route needs exactly one of swml, cxml, topic, address");
	else if (!str_is(kind->key, "swml") && !r->address)
		conf_problem(c, CONF_WARNING, kind,
			     "%.*s routes are not in this version: calls to this route are refused with 480",
			     STR_ARG(kind->key));
	/* On a route that comes later they are part of what was just said. */
	for (size_t i = 0; (r->swml || r->address) && i < ARRAY_LEN(extras); i++)
		if (doc_get(d, extras[i]))
			conf_problem(c, CONF_WARNING, doc_get(d, extras[i]), "%s has no meaning for %s", extras[i],
				     r->swml ? "a file" : "an address");
}

static void check_route(struct conf *c, const struct doc *d, const struct route *all, size_t n)
{
	const struct route *r = &all[n];

	if (d->type != DOC_MAP)
		return;
	check_route_kind(c, d, r);
	for (size_t i = 0; r->match && i < n; i++) {
		if (!all[i].match || (strcmp(all[i].match, "*") && strcmp(all[i].match, r->match)))
			continue;
		conf_problem(c, CONF_WARNING, doc_get(d, "match"), "never reached: line %u matches before it",
			     all[i].line);
		break;
	}
}

void config_read_routes(struct conf *c, const struct doc *d, void *field)
{
	struct route_table *table = field;
	struct route *routes = conf_alloc(c, d->count * sizeof(*routes));

	if (d->type == DOC_NULL || !routes)
		return;
	if (d->type != DOC_LIST) {
		conf_problem(c, CONF_ERROR, d, "must be a list of routes");
		return;
	}
	table->routes = routes;
	for (const struct doc *item = d->child; item; item = item->next) {
		routes[table->route_count].line = item->line;
		conf_struct(c, item, route_table, &routes[table->route_count]);
		check_route(c, item, routes, table->route_count++);
	}
}
