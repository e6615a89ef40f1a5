#include "base/conf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"

enum {
	MAX_FILE_BYTES = 65536,      /* of ${file:…}        */
	MAX_TEXT_BYTES = 256 * 1024, /* one string expanded */
	MAX_NAMES = 64,              /* settings of one map */
	SHOWN = 64,                  /* bytes of a key or value in a message */
};

struct conf {
	struct arena *arena;
	const char *dir; /* folder of the file, absolute, with the slash */
	struct conf_problem *problems;
	bool failed; /* there is an error among the problems */
	bool nomem;
};

void *conf_alloc(struct conf *c, size_t n)
{
	void *out = arena_alloc(c->arena, n ? n : 1);

	c->nomem |= !out;
	return out;
}

const char *conf_dup(struct conf *c, struct str s)
{
	const char *out = str_dup(c->arena, s);

	c->nomem |= !out;
	return out;
}

/* --- problems --- */

static bool is_after(const struct conf_problem *p, uint32_t line, uint32_t col)
{
	return p->line != line ? p->line > line : p->col > col;
}

static void add_problem(struct conf *c, enum conf_severity severity, uint32_t line, uint32_t col, const char *message)
{
	struct conf_problem *p = arena_alloc(c->arena, sizeof(*p)), **at = &c->problems;
	char *copy = str_dup(c->arena, str_of(message));

	assert(severity != CONF_OK);
	c->failed |= severity == CONF_ERROR;
	if (!p || !copy) {
		c->nomem = true;
		return;
	}
	for (char *s = copy; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
	while (*at && !is_after(*at, line, col))
		at = &(*at)->next;
	*p = (struct conf_problem){ .severity = severity, .line = line, .col = col, .message = copy, .next = *at };
	*at = p;
}

void conf_problem(struct conf *c, enum conf_severity severity, const struct doc *d, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	add_problem(c, severity, d->line, d->col, text);
}

/* At the key of d instead of its value. */
static void key_problem(struct conf *c, enum conf_severity severity, const struct doc *d, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

static void key_problem(struct conf *c, enum conf_severity severity, const struct doc *d, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	add_problem(c, severity, d->key_line, d->key_col, text);
}

/* --- ${env:NAME}, ${file:PATH} --- */

static bool is_scalar(const struct doc *d)
{
	return d->type != DOC_NULL && d->type != DOC_LIST && d->type != DOC_MAP;
}

static const char *in_dir(struct conf *c, struct str path)
{
	const char *out;
	struct buf b;

	buf_init(&b, 0);
	if (!str_starts(path, "/"))
		buf_cstr(&b, c->dir);
	buf_str(&b, path);
	out = conf_dup(c, b.failed ? (struct str){ 0 } : buf_view(&b));
	buf_free(&b);
	return out;
}

static int add_env(struct conf *c, const struct doc *d, struct buf *out, struct str name)
{
	const char *key = conf_dup(c, name), *value = key ? getenv(key) : NULL;

	if (!key)
		return ENOMEM;
	if (!value) {
		conf_problem(c, CONF_ERROR, d, "environment variable %.*s is not set", STR_ARG(str_head(name, SHOWN)));
		return EINVAL;
	}
	buf_cstr(out, value);
	return 0;
}

static int add_file(struct conf *c, const struct doc *d, struct buf *out, struct str name)
{
	const char *path = in_dir(c, name);
	char *bytes = malloc(MAX_FILE_BYTES + 1);
	FILE *f = NULL;
	struct str s = { bytes, 0 };
	int err = ENOMEM;

	if (!path || !bytes)
		goto out;
	err = EINVAL;
	f = fopen(path, "re");
	if (f)
		s.n = fread(bytes, 1, MAX_FILE_BYTES + 1, f);
	if (!f || ferror(f)) {
		conf_problem(c, CONF_ERROR, d, "cannot read %s: %s", path, strerror(errno));
	} else if (s.n > MAX_FILE_BYTES) {
		conf_problem(c, CONF_ERROR, d, "%s is larger than 64 KiB", path);
	} else if (memchr(bytes, 0, s.n)) {
		conf_problem(c, CONF_ERROR, d, "%s holds a NUL byte and is no text", path);
	} else {
		if (s.n && bytes[s.n - 1] == '\n')
			s.n -= s.n > 1 && bytes[s.n - 2] == '\r' ? 2 : 1;
		buf_str(out, s);
		err = 0;
	}
out:
	if (f)
		fclose(f);
	free(bytes);
	return err;
}

static int add_reference(struct conf *c, const struct doc *d, struct buf *out, struct str inner)
{
	if (str_starts(inner, "env:") && inner.n > 4)
		return add_env(c, d, out, str_from(inner, 4));
	if (str_starts(inner, "file:") && inner.n > 5)
		return add_file(c, d, out, str_from(inner, 5));
	conf_problem(c, CONF_ERROR, d, "${%.*s} is neither ${env:NAME} nor ${file:PATH}",
		     STR_ARG(str_head(inner, SHOWN)));
	return EINVAL;
}

static int expand(struct conf *c, const struct doc *d, struct buf *out)
{
	struct str rest = d->text;

	while (rest.n) {
		const char *at = memmem(rest.p, rest.n, "${", 2);
		size_t before = at ? (size_t)(at - rest.p) : rest.n;
		long end;
		int err;

		buf_str(out, str_head(rest, before));
		rest = str_from(rest, before);
		if (!rest.n)
			break;
		end = str_chr(rest, '}');
		if (end < 0) {
			conf_problem(c, CONF_ERROR, d, "${ without a closing brace");
			return EINVAL;
		}
		err = add_reference(c, d, out, str_head(str_from(rest, 2), (size_t)end - 2));
		if (err)
			return err;
		rest = str_from(rest, (size_t)end + 1);
	}
	return 0;
}

const char *conf_text(struct conf *c, const struct doc *d)
{
	const char *out = NULL;
	struct buf b;
	int err;

	if (!is_scalar(d)) {
		conf_problem(c, CONF_ERROR, d, "must be text, not %s",
			     d->type == DOC_NULL ? "empty" : doc_type_name(d->type));
		return NULL;
	}
	if (!memmem(d->text.p, d->text.n, "${", 2))
		return d->text.p; /* in the arena and NUL-terminated already */
	buf_init(&b, MAX_TEXT_BYTES);
	err = expand(c, d, &b);
	if (!err && b.failed) {
		conf_problem(c, CONF_ERROR, d, "longer than 256 KiB");
		err = EINVAL;
	}
	if (!err)
		out = conf_dup(c, b.data ? buf_view(&b) : STR(""));
	c->nomem |= err == ENOMEM;
	buf_free(&b);
	return out;
}

const char *conf_path(struct conf *c, const struct doc *d)
{
	const char *text = conf_text(c, d);

	if (text && !*text) {
		conf_problem(c, CONF_ERROR, d, "must name a file or folder");
		return NULL;
	}
	return text ? in_dir(c, str_of(text)) : NULL;
}

/* --- values by type --- */

static void read_bool(struct conf *c, const struct doc *d, bool *field)
{
	const char *text = conf_text(c, d);

	if (!text)
		return;
	if (!strcmp(text, "true") || !strcmp(text, "false"))
		*field = text[0] == 't';
	else if (d->type == DOC_BOOL)
		*field = d->boolean; /* True, FALSE, … */
	else
		conf_problem(c, CONF_ERROR, d, "must be true or false");
}

static void read_u32(struct conf *c, const struct conf_setting *s, const struct doc *d, uint32_t *field)
{
	const char *text = conf_text(c, d);
	uint32_t v;

	if (!text)
		return;
	if (!str_u32(str_of(text), &v) && v >= s->min && (!s->max || v <= s->max))
		*field = v;
	else if (s->max)
		conf_problem(c, CONF_ERROR, d, "must be a whole number from %u to %u", s->min, s->max);
	else
		conf_problem(c, CONF_ERROR, d, "must be a whole number, at least %u", s->min);
}

static void read_enum(struct conf *c, const struct conf_setting *s, const struct doc *d, int *field)
{
	const char *text = conf_text(c, d);
	char all[200] = "";
	size_t n = 0;

	if (!text)
		return;
	for (int i = 0; s->names[i]; i++) {
		if (!strcmp(s->names[i], text)) {
			*field = i;
			return;
		}
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? ", " : "", s->names[i]);
	}
	conf_problem(c, CONF_ERROR, d, "must be one of %s", all);
}

static void read_strings(struct conf *c, const struct doc *d, struct conf_strings *field)
{
	const struct doc *item = d->type == DOC_LIST ? d->child : d;
	size_t count = d->type == DOC_LIST ? d->count : 1;
	const char **items = conf_alloc(c, (count + 1) * sizeof(*items));
	const struct doc **nodes = conf_alloc(c, (count + 1) * sizeof(*nodes));

	if (!items || !nodes)
		return;
	*field = (struct conf_strings){ .items = items, .nodes = nodes };
	for (size_t i = 0; i < count; i++, item = item->next) {
		const char *text = conf_text(c, item);

		if (!text)
			continue;
		items[field->count] = text;
		nodes[field->count++] = item;
	}
}

static void read_list(struct conf *c, const struct conf_setting *s, const struct doc *d, struct conf_list *field)
{
	char *items;

	if (d->type != DOC_LIST) {
		conf_problem(c, CONF_ERROR, d, "must be a list, not %s", doc_type_name(d->type));
		return;
	}
	*field = (struct conf_list){ 0 };
	if (!d->count)
		return;
	items = conf_alloc(c, d->count * s->sub_bytes);
	if (!items)
		return;
	field->items = items;
	for (const struct doc *item = d->child; item; item = item->next)
		conf_struct(c, item, s->sub, items + field->count++ * s->sub_bytes);
}

/* What asks for nothing needs no feature. */
static bool asks_for_something(const struct doc *d)
{
	return d->type != DOC_NULL && ((d->type != DOC_LIST && d->type != DOC_MAP) || d->count);
}

static void read_later(struct conf *c, const struct conf_setting *s, const struct doc *d)
{
	enum conf_severity severity = CONF_WARNING;

	if (!asks_for_something(d))
		return;
	if (s->later)
		severity = s->later(d);
	if (severity == CONF_WARNING)
		key_problem(c, severity, d, "\"%s\" is not in this version: the server does without it", s->name);
	else if (severity == CONF_ERROR)
		key_problem(c, severity, d,
			    "\"%s\" is not in this version, and the server would not be what was asked for", s->name);
}

static void read_setting(struct conf *c, const struct conf_setting *s, const struct doc *d, void *base)
{
	void *field = (char *)base + s->offset;
	const char *text;

	/* "routes:" with every entry commented out is no mistake. */
	if (d->type == DOC_NULL && (s->type == CONF_MAP || s->type == CONF_LIST || s->type == CONF_STRINGS))
		return;
	switch (s->type) {
	case CONF_STRING:
	case CONF_PATH:
		text = s->type == CONF_PATH ? conf_path(c, d) : conf_text(c, d);
		if (text)
			*(const char **)field = text;
		break;
	case CONF_BOOL:
		read_bool(c, d, field);
		break;
	case CONF_U32:
		read_u32(c, s, d, field);
		break;
	case CONF_ENUM:
		read_enum(c, s, d, field);
		break;
	case CONF_STRINGS:
		read_strings(c, d, field);
		break;
	case CONF_MAP:
		conf_struct(c, d, s->sub, base);
		break;
	case CONF_LIST:
		read_list(c, s, d, field);
		break;
	case CONF_CUSTOM:
		s->read(c, d, field);
		break;
	case CONF_LATER:
		read_later(c, s, d);
		break;
	}
}

/* --- maps --- */

static void unknown_key(struct conf *c, const struct doc *d, const struct conf_setting *table)
{
	const char *names[MAX_NAMES], *near;
	size_t n = 0;

	for (; table[n].name; n++) {
		assert(n < MAX_NAMES);
		names[n] = table[n].name;
	}
	near = str_nearest(d->key, names, n);
	if (near)
		key_problem(c, CONF_ERROR, d, "unknown key \"%.*s\", did you mean \"%s\"?",
			    STR_ARG(str_head(d->key, SHOWN)), near);
	else
		key_problem(c, CONF_ERROR, d, "unknown key \"%.*s\"", STR_ARG(str_head(d->key, SHOWN)));
}

void conf_struct(struct conf *c, const struct doc *d, const struct conf_setting *table, void *target)
{
	if (d->type != DOC_MAP) {
		conf_problem(c, CONF_ERROR, d, "must be settings (key: value), not %s",
			     d->type == DOC_NULL ? "empty" : doc_type_name(d->type));
		return;
	}
	for (const struct doc *m = d->child; m; m = m->next) {
		const struct conf_setting *s = table;

		while (s->name && !str_is(m->key, s->name))
			s++;
		if (s->name)
			read_setting(c, s, m, target);
		else
			unknown_key(c, m, table);
	}
	for (const struct conf_setting *s = table; s->name; s++)
		if (s->required && !doc_get(d, s->name))
			conf_problem(c, CONF_ERROR, d, "\"%s\" is missing", s->name);
}

static int find_dir(struct conf *c, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *cwd = NULL;
	struct buf b;
	int err = 0;

	buf_init(&b, 0);
	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			err = errno;
		buf_cstr(&b, cwd ? cwd : "");
		buf_char(&b, '/');
		if (str_starts(str_of(path), "./"))
			path += 2;
	}
	if (slash && slash >= path)
		buf_str(&b, (struct str){ path, (size_t)(slash - path) + 1 });
	if (!err) {
		c->dir = b.failed ? NULL : str_dup(c->arena, buf_view(&b));
		err = c->dir ? 0 : ENOMEM;
	}
	buf_free(&b);
	free(cwd);
	return err;
}

int conf_read(struct arena *a, const char *path, struct str text, const struct conf_setting *table, void *target,
	      struct conf_problem **problems)
{
	struct conf c = { .arena = a };
	struct doc_error at;
	struct doc *root;
	int err;

	err = find_dir(&c, path);
	if (!err)
		err = doc_parse(a, &root, text, DOC_YAML, NULL, &at);
	if (err == EINVAL)
		add_problem(&c, CONF_ERROR, at.line, at.col, at.message);
	else if (!err && root->type != DOC_NULL)
		conf_struct(&c, root, table, target);
	if (c.nomem || (err && err != EINVAL))
		return c.nomem ? ENOMEM : err;
	*problems = c.problems;
	return c.failed ? EINVAL : 0;
}
