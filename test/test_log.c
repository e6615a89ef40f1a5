#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"

struct seen {
	int lines;
	enum log_level level;
	char line[16384];
};

static void see(void *arg, enum log_level level, const char *line)
{
	struct seen *s = arg;

	s->lines++;
	s->level = level;
	str_copy(s->line, sizeof(s->line), str_of(line));
}

/* The line without its time, whose form is checked. */
static const char *rest(const struct seen *s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	size_t i;

	for (i = 0; form[i]; i++)
		if (form[i] == 'd' ? s->line[i] < '0' || s->line[i] > '9' : s->line[i] != form[i])
			return "(bad time)";
	return s->line + i;
}

static void text_lines_escape_what_peers_say(void **state)
{
	static const struct {
		const char *call_id, *message;
		struct log_field fields[2];
		size_t count;
		const char *want;
	} rows[] = {
		{ NULL, "started", { { 0 } }, 0, "info started" },
		{ "c-1", "ringing", { { 0 } }, 0, "info [c-1] ringing" },
		{ "c]\n1", "x", { { 0 } }, 0, "info [c]\\x0a1] x" },
		{ NULL, "a\r\n2026 error forged", { { 0 } }, 0, "info a\\x0d\\x0a2026 error forged" },
		{ NULL, "m", { { "k", { "v", 1 } }, { "n", { "12", 2 } } }, 2, "info m k=v n=12" },
		{ NULL, "m", { { "k", { "", 0 } }, { "n", { NULL, 0 } } }, 2, "info m k=\"\" n=\"\"" },
		{ NULL, "m", { { "k", { "two words", 9 } } }, 1, "info m k=\"two words\"" },
		{ NULL, "m", { { "k", { "a\"b\\c", 5 } } }, 1, "info m k=\"a\\\"b\\\\c\"" },
		{ NULL, "m", { { "k", { "a=b", 3 } } }, 1, "info m k=\"a=b\"" },
		{ NULL, "m", { { "k", { "\x1b[31m\xff", 6 } } }, 1, "info m k=\\x1b[31m\\xff" },
		{ NULL, "m", { { "k", { "a\0b", 3 } } }, 1, "info m k=\"a\\x00b\"" },
	};
	struct seen s = { 0 };

	log_capture(see, &s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		log_fields(LOG_INFO, rows[i].call_id, rows[i].message, rows[i].fields, rows[i].count);
		CHECK_STR(rows[i].want, rest(&s));
	}
	log_printf(LOG_ERROR, "c-2", "%s %d", "busy", 486);
	CHECK_STR("error [c-2] busy 486", rest(&s));
	CHECK_INT(LOG_ERROR, s.level);
	CHECK_INT(ARRAY_LEN(rows) + 1, s.lines);
	log_capture(NULL, NULL);
}

static void lines_above_the_level_are_dropped(void **state)
{
	struct seen s = { 0 };

	log_capture(see, &s);
	CHECK(log_wants(LOG_INFO));
	CHECK(!log_wants(LOG_DEBUG));
	log_printf(LOG_DEBUG, NULL, "no");
	log_set_level(LOG_ERROR);
	log_printf(LOG_WARN, NULL, "no");
	log_fields(LOG_INFO, NULL, "no", NULL, 0);
	CHECK_INT(0, s.lines);
	log_set_level(LOG_DEBUG);
	log_printf(LOG_DEBUG, NULL, "yes");
	CHECK_INT(1, s.lines);
	CHECK_STR("debug yes", rest(&s));
	log_set_level(LOG_INFO);
	log_capture(NULL, NULL);
}

static void json_lines_are_json(void **state)
{
	static const struct log_field fields[] = { { "reason", { "say \"\x01\xc3\x28\" now", 13 } },
						   { "code", { "486", 3 } } };
	struct seen s = { 0 };
	json_t *line;

	CHECK_INT(0, log_open(LOG_INFO, LOG_JSON));
	log_capture(see, &s);
	log_fields(LOG_WARN, "c\"1", "line\nbreak", fields, ARRAY_LEN(fields));
	line = json_loads(s.line, 0, NULL);
	CHECK(line != NULL);
	CHECK_STR("warn", json_string_value(json_object_get(line, "level")));
	CHECK_STR("c\"1", json_string_value(json_object_get(line, "call_id")));
	CHECK_STR("line\nbreak", json_string_value(json_object_get(line, "message")));
	CHECK_STR("486", json_string_value(json_object_get(line, "code")));
	CHECK_STR("say \"\x01\xef\xbf\xbd(\" now", json_string_value(json_object_get(line, "reason")));
	CHECK_INT(24, strlen(json_string_value(json_object_get(line, "time"))));
	json_decref(line);
	log_printf(LOG_INFO, NULL, "plain");
	CHECK(!strstr(s.line, "call_id"));
	log_set_format(LOG_TEXT);
	log_printf(LOG_INFO, NULL, "plain");
	CHECK_STR("info plain", rest(&s));
	log_capture(NULL, NULL);
	log_close();
}

static void a_line_too_long_stays_a_whole_line(void **state)
{
	static char big[20000];
	struct log_field field = { "value", { big, sizeof(big) - 1 } };
	struct seen s = { 0 };
	json_t *line;

	memset(big, '\x01', sizeof(big) - 1);
	CHECK_INT(0, log_open(LOG_INFO, LOG_JSON));
	log_capture(see, &s);
	log_fields(LOG_INFO, "c", "short", &field, 1);
	line = json_loads(s.line, 0, NULL);
	CHECK_STR("short", json_string_value(json_object_get(line, "message")));
	json_decref(line);
	log_fields(LOG_INFO, big, big, &field, 1);
	line = json_loads(s.line, 0, NULL);
	CHECK(line != NULL);
	json_decref(line);
	log_capture(NULL, NULL);
	log_close();
}

static void urls_lose_their_passwords(void **state)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{ "https://example.com/a?b=c", "https://example.com/a?b=c" },
		{ "https://user:secret@example.com/a", "https://***@example.com/a" },
		{ "https://token@example.com", "https://***@example.com" },
		{ "https://u:p@ss@example.com:8080/x@y", "https://***@example.com:8080/x@y" },
		{ "http://example.com/user:secret@x", "http://example.com/user:secret@x" },
		{ "https://u:p@example.com/x?a=1&token=abc&b", "https://***@example.com/x?a=1&token=xxx&b" },
		{ "sip:alice@example.com", "sip:alice@example.com" },
		{ "sip:alice:secret@example.com;user=phone", "sip:***@example.com;user=phone" },
		{ "user:secret@example.com", "***@example.com" },
		{ "", "" },
		{ "no url", "no url" },
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		log_url(out, sizeof(out), rows[i].url);
		CHECK_STR(rows[i].want, out);
	}
	log_url(out, 12, "https://user:secret@example.com/a");
	CHECK_STR("https://***", out);
}

/* --- through the writer, into a pipe in the place of stderr --- */

struct pipe_end {
	int fds[2], saved;
	size_t bytes, lines, lost;
	uint32_t bad, next[4];
	char line[512];
	size_t len;
};

static void replace_stderr(struct pipe_end *e)
{
	memset(e, 0, sizeof(*e));
	fflush(stderr);
	CHECK_INT(0, pipe(e->fds));
	e->saved = dup(STDERR_FILENO);
	dup2(e->fds[1], STDERR_FILENO);
	close(e->fds[1]);
}

static void restore_stderr(struct pipe_end *e)
{
	dup2(e->saved, STDERR_FILENO);
	close(e->saved);
}

/* "… info t0 n=17" or "… warn log lines lost count=3" */
static void read_line(struct pipe_end *e)
{
	const char *n = strstr(e->line, " n="), *count = strstr(e->line, "lost count="), *t = strstr(e->line, " t");
	uint32_t number = 0;

	e->lines++;
	if (count && !str_u32(str_of(count + 11), &number)) {
		e->lost += number;
		e->lines--;
	} else if (!n || !t || str_u32(str_of(n + 3), &number)) {
		e->bad++;
	} else {
		uint32_t *next = &e->next[(t[2] - '0') & 3];

		e->bad += number < *next;
		*next = number + 1;
	}
}

static void *read_all(void *arg)
{
	struct pipe_end *e = arg;
	char bytes[4096];
	ssize_t n;

	while ((n = read(e->fds[0], bytes, sizeof(bytes))) > 0) {
		e->bytes += (size_t)n;
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] != '\n' && e->len < sizeof(e->line) - 1) {
				e->line[e->len++] = bytes[i];
				continue;
			}
			e->line[e->len] = '\0';
			read_line(e);
			e->len = 0;
		}
	}
	close(e->fds[0]);
	return NULL;
}

enum { WRITERS = 4, LINES = 20000 };

static void *write_lines(void *arg)
{
	int *index = arg;
	char name[8], number[16];
	struct log_field field = { .key = "n" };

	snprintf(name, sizeof(name), "t%d", *index);
	for (int i = 0; i < LINES; i++) {
		snprintf(number, sizeof(number), "%d", i);
		field.value = str_of(number);
		log_fields(LOG_INFO, "00000000-0000-4000-8000-000000000000", name, &field, 1);
	}
	return NULL;
}

/* The reader begins only after all is written: the ring overflows for certain. */
static void lost_lines_are_counted_and_none_is_torn(void **state)
{
	struct pipe_end e;
	pthread_t reader, writers[WRITERS];
	int index[WRITERS];

	replace_stderr(&e);
	CHECK_INT(0, log_open(LOG_INFO, LOG_TEXT));
	for (int i = 0; i < WRITERS; i++) {
		index[i] = i;
		CHECK_INT(0, pthread_create(&writers[i], NULL, write_lines, &index[i]));
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	CHECK_INT(0, pthread_create(&reader, NULL, read_all, &e));
	log_close();
	restore_stderr(&e);
	pthread_join(reader, NULL);

	CHECK_INT(0, e.bad);
	CHECK(e.lost > 0);
	CHECK_INT(WRITERS * LINES, e.lines + e.lost);
	CHECK(e.bytes > 1000000 && e.bytes < 1300000);
}

static void with_a_reader_all_lines_arrive(void **state)
{
	struct pipe_end e;
	pthread_t reader;
	int index = 2;

	replace_stderr(&e);
	CHECK_INT(0, pthread_create(&reader, NULL, read_all, &e));
	CHECK_INT(0, log_open(LOG_INFO, LOG_TEXT));
	for (int i = 0; i < 2; i++)
		write_lines(&index);
	log_close();
	log_printf(LOG_INFO, NULL, "t1 n=0"); /* closed: straight to stderr */
	restore_stderr(&e);
	pthread_join(reader, NULL);
	CHECK_INT(1, e.next[1]);
	CHECK_INT(LINES * 2 + 1, e.lines + e.lost);
	CHECK(e.lines > LINES / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(text_lines_escape_what_peers_say),
		TEST(lines_above_the_level_are_dropped),
		TEST(json_lines_are_json),
		TEST(a_line_too_long_stays_a_whole_line),
		TEST(urls_lose_their_passwords),
		TEST(lost_lines_are_counted_and_none_is_torn),
		TEST(with_a_reader_all_lines_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
