/* What an engine is told, what it says, and the file that a command says it in. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/doc.h"
#include "base/pool.h"
#include "op/recognize_impl.h"

enum { MAX_ARGUMENTS = 32, MAX_SAID = 65536, MAX_HINT = 100 };

/* --- what it is told --- */

static bool is_plain(unsigned char c)
{
	return c >= 0x80 || isalnum(c) || (c && strchr("'.-", c));
}

static void put_clean(struct buf *out, struct str text)
{
	size_t begin = out->len;

	text = str_head(str_trim(text), MAX_HINT);
	while (text.n && text.p[0] == '-')
		text = str_from(text, 1);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_plain(c))
			buf_char(out, (char)c);
		else if (out->len > begin && out->data[out->len - 1] != ' ')
			buf_char(out, ' ');
	}
}

static void put_hints(struct buf *out, const struct recognize_request *q)
{
	for (size_t i = 0; i < q->hint_count && i < RECOGNIZE_MAX_HINTS; i++) {
		size_t before = out->len;

		if (before)
			buf_char(out, ',');
		put_clean(out, str_of(q->hints[i]));
		if (out->len == before + 1 && before)
			out->len = before; /* nothing was left of it */
	}
}

static void put_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			buf_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* pattern with what its {names} stand for. */
static void fill_in(struct buf *out, const char *pattern, const struct recognize_request *q,
		    void (*put)(struct buf *out, struct str text))
{
	while (*pattern) {
		bool language = !strncmp(pattern, "{language}", 10), hints = !strncmp(pattern, "{hints}", 7);
		struct buf value;

		if (!language && !hints) {
			buf_char(out, *pattern++);
			continue;
		}
		buf_init(&value, 0);
		if (language)
			put_clean(&value, str_of(q->language));
		else
			put_hints(&value, q);
		put(out, buf_view(&value));
		buf_free(&value);
		pattern += language ? 10 : 7;
	}
}

const char *const *recognize_argv(struct arena *a, const char *const *command, const struct recognize_request *q)
{
	const char **argv = arena_alloc(a, MAX_ARGUMENTS * sizeof(*argv));

	for (size_t i = 0; argv && command[i] && i + 1 < MAX_ARGUMENTS; i++) {
		struct buf b;

		buf_init(&b, 0);
		fill_in(&b, command[i], q, buf_str);
		argv[i] = b.failed ? NULL : str_dup(a, b.data ? buf_view(&b) : STR(""));
		buf_free(&b);
		if (!argv[i])
			return NULL;
	}
	return argv;
}

void recognize_url(struct buf *out, const char *url, const struct recognize_request *q)
{
	fill_in(out, url, q, put_escaped);
}

/* --- what it says --- */

/* Blanks and line ends in a row are one blank. */
static const char *take_text(char *text, struct str said)
{
	size_t n = 0;

	said = str_trim(said);
	if (!str_is_utf8(said))
		return "is no UTF-8";
	for (size_t i = 0; i < said.n; i++) {
		unsigned char c = (unsigned char)said.p[i];
		bool blank = c <= ' ' || c == 0x7f;

		if (blank && n && text[n - 1] == ' ')
			continue;
		if (n + 1 == RECOGNIZE_MAX_TEXT)
			return "is longer than 4096 bytes";
		text[n++] = blank ? ' ' : (char)c;
	}
	text[n] = '\0';
	return NULL;
}

static const char *read_json(struct arena *a, struct str said, char *text, double *confidence)
{
	const struct doc *words, *sure;
	struct doc_error where;
	struct doc *d;

	if (doc_parse(a, &d, said, DOC_JSON, NULL, &where))
		return "is no valid JSON";
	words = doc_get(d, "text");
	sure = doc_get(d, "confidence");
	if (!words || words->type != DOC_STR)
		return "has no \"text\"";
	if (sure && sure->type != DOC_NULL) {
		double x = sure->type == DOC_INT ? (double)sure->integer : sure->type == DOC_REAL ? sure->real : -1;

		if (!(x >= 0 && x <= 1))
			return "has a \"confidence\" that is not between 0 and 1";
		*confidence = x;
	}
	return take_text(text, words->text);
}

const char *recognize_read(struct str said, char text[RECOGNIZE_MAX_TEXT], double *confidence)
{
	struct arena *a = NULL;
	const char *fault;

	*confidence = -1;
	said = str_trim(said);
	if (!said.n || said.p[0] != '{')
		return take_text(text, said.n ? said : STR(""));
	if (arena_new(&a, 0, 0))
		return "cannot be read: out of memory";
	fault = read_json(a, said, text, confidence);
	arena_free(&a);
	return fault;
}

/* --- files --- */

int recognize_folder(const char *path)
{
	struct dirent *e;
	DIR *d;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -1;
	d = opendir(path);
	if (!d)
		return -1;
	while ((e = readdir(d))) {
		if (strstr(e->d_name, ".txt"))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return 0;
}

struct recognize_file *recognize_file_new(const char *path, void (*done)(struct recognize_file *f), void *arg)
{
	struct recognize_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct recognize_file){ .path = str_heap(str_of(path)), .done = done, .arg = arg };
	buf_init(&f->said, MAX_SAID);
	if (f->path)
		return f;
	free(f);
	return NULL;
}

void recognize_file_free(struct recognize_file *f)
{
	buf_free(&f->said);
	free(f->path);
	free(f);
}

static void work(void *job)
{
	struct recognize_file *f = job;
	char part[4096];
	FILE *file = fopen(f->path, "re");
	size_t n;

	if (!file) {
		f->err = errno;
		return;
	}
	while (!f->said.failed && (n = fread(part, 1, sizeof(part), file)) > 0)
		buf_add(&f->said, part, n);
	f->err = ferror(file) ? EIO : f->said.failed ? EFBIG : 0;
	fclose(file);
	unlink(f->path);
}

static void worked(void *job)
{
	struct recognize_file *f = job;

	f->done(f);
}

static void dropped(void *job)
{
	recognize_file_free(job);
}

int recognize_file_run(struct pool *p, struct recognize_file *f)
{
	return pool_run(p, work, worked, dropped, f);
}
