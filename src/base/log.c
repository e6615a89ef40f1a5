#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"

enum { RING_BYTES = 1 << 20, LINE_BYTES_MAX = 8192, MESSAGE_BYTES_MAX = 4096 };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* The one sink of the program. */
static struct {
	atomic_int level;  /* enum log_level  */
	atomic_int format; /* enum log_format */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open, closing; /* lock, as all below */
	char *ring;
	size_t head, used; /* the writer reads from head, used bytes */
	uint32_t lost;
	void (*capture)(void *arg, enum log_level level, const char *line);
	void *capture_arg;
	pthread_t writer;
} sink = {
	.level = LOG_INFO,
	.format = LOG_TEXT,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(STDERR_FILENO, p, n);

		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };

			poll(&ready, 1, -1);
		} else if (done == 0 || errno != EINTR) {
			return; /* nobody reads: there is no place left to complain to */
		}
	}
}

/* Under the lock. Lines go in whole or not at all. */
static bool push(struct str line)
{
	size_t at = (sink.head + sink.used) % RING_BYTES, to_end = RING_BYTES - at;

	if (line.n > RING_BYTES - sink.used)
		return false;
	memcpy(sink.ring + at, line.p, line.n < to_end ? line.n : to_end);
	if (line.n > to_end)
		memcpy(sink.ring, line.p + to_end, line.n - to_end);
	sink.used += line.n;
	return true;
}

/* --- lines --- */

static void add_time(struct buf *b)
{
	struct timespec now;
	struct tm t;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &t);
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
		   t.tm_min, t.tm_sec, now.tv_nsec / 1000000);
}

static bool is_bare(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (strchr(" \"=\\", value.p[i])) /* a NUL byte counts too, which is harmless */
			return false;
	return value.n > 0;
}

static void add_text_value(struct buf *b, struct str value)
{
	size_t plain = 0;

	if (is_bare(value)) {
		buf_escaped(b, value);
		return;
	}
	buf_char(b, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] != '"' && value.p[i] != '\\')
			continue;
		buf_escaped(b, (struct str){ value.p + plain, i - plain });
		buf_char(b, '\\');
		plain = i;
	}
	buf_escaped(b, str_from(value, plain));
	buf_char(b, '"');
}

static void add_text(struct buf *b, const char *call_id, struct str message, const struct log_field *fields,
		     size_t count)
{
	if (call_id) {
		buf_cstr(b, " [");
		buf_escaped(b, str_of(call_id));
		buf_char(b, ']');
	}
	buf_char(b, ' ');
	buf_escaped(b, message);
	for (size_t i = 0; i < count; i++) {
		buf_char(b, ' ');
		buf_cstr(b, fields[i].key);
		buf_char(b, '=');
		add_text_value(b, fields[i].value);
	}
}

static void add_member(struct buf *b, const char *key, struct str value)
{
	buf_char(b, ',');
	buf_json(b, str_of(key));
	buf_char(b, ':');
	buf_json(b, value);
}

static void add_json(struct buf *b, const char *call_id, struct str message, const struct log_field *fields,
		     size_t count)
{
	if (call_id)
		add_member(b, "call_id", str_of(call_id));
	add_member(b, "message", message);
	for (size_t i = 0; i < count; i++)
		add_member(b, fields[i].key, fields[i].value);
	buf_char(b, '}');
}

static void format_line(struct buf *b, enum log_level level, const char *call_id, struct str message,
			const struct log_field *fields, size_t count)
{
	if (atomic_load(&sink.format) == LOG_JSON) {
		buf_cstr(b, "{\"time\":\"");
		add_time(b);
		buf_printf(b, "\",\"level\":\"%s\"", level_names[level]);
		add_json(b, call_id, message, fields, count);
	} else {
		add_time(b);
		buf_printf(b, " %s", level_names[level]);
		add_text(b, call_id, message, fields, count);
	}
}

/* A line cut in the middle would be no JSON any more: say what was cut instead. */
static void make_line(struct buf *b, enum log_level level, const char *call_id, struct str message,
		      const struct log_field *fields, size_t count)
{
	buf_init(b, LINE_BYTES_MAX);
	format_line(b, level, call_id, message, fields, count);
	if (b->failed) {
		buf_reset(b);
		format_line(b, level, NULL, str_head(message, 512), NULL, 0);
	}
}

static void emit(enum log_level level, const char *call_id, struct str message, const struct log_field *fields,
		 size_t count)
{
	void (*capture)(void *arg, enum log_level level, const char *line);
	void *capture_arg;
	struct buf line;

	make_line(&line, level, call_id, message, fields, count);
	pthread_mutex_lock(&sink.lock);
	capture = sink.capture;
	capture_arg = sink.capture_arg;
	if (!capture) {
		line.max = 0;
		buf_char(&line, '\n');
		if (!sink.open)
			write_all(line.data, line.len);
		else if (push(buf_view(&line)))
			pthread_cond_signal(&sink.changed);
		else
			sink.lost++;
	}
	pthread_mutex_unlock(&sink.lock);
	if (capture)
		capture(capture_arg, level, buf_view(&line).p);
	buf_free(&line);
}

void log_printf(enum log_level level, const char *call_id, const char *fmt, ...)
{
	char message[MESSAGE_BYTES_MAX];
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	emit(level, call_id, str_of(message), NULL, 0);
}

void log_fields(enum log_level level, const char *call_id, const char *message, const struct log_field *fields,
		size_t count)
{
	if (log_wants(level))
		emit(level, call_id, str_of(message), fields, count);
}

/* --- the writer --- */

/* Under the lock: once there is room again, one line tells how many did not fit. */
static void report_lost(void)
{
	char count[16];
	struct log_field field = { .key = "count" };
	struct buf line;

	if (!sink.lost)
		return;
	snprintf(count, sizeof(count), "%u", sink.lost);
	field.value = str_of(count);
	make_line(&line, LOG_WARN, NULL, STR("log lines lost"), &field, 1);
	buf_char(&line, '\n');
	if (push(buf_view(&line)))
		sink.lost = 0;
	buf_free(&line);
}

static void *write_ring(void *arg)
{
	pthread_mutex_lock(&sink.lock);
	while (sink.used || !sink.closing) {
		size_t n = RING_BYTES - sink.head;

		if (!sink.used) {
			pthread_cond_wait(&sink.changed, &sink.lock);
			continue;
		}
		n = n < sink.used ? n : sink.used;
		/* Nobody else touches these bytes before used goes down. */
		pthread_mutex_unlock(&sink.lock);
		write_all(sink.ring + sink.head, n);
		pthread_mutex_lock(&sink.lock);
		sink.head = (sink.head + n) % RING_BYTES;
		sink.used -= n;
		report_lost();
	}
	pthread_mutex_unlock(&sink.lock);
	return NULL;
}

int log_open(enum log_level level, enum log_format format)
{
	char *ring = malloc(RING_BYTES);
	sigset_t all, old;
	int err;

	if (!ring)
		return ENOMEM;
	assert(!sink.open);
	atomic_store(&sink.level, level);
	atomic_store(&sink.format, format);
	sink.ring = ring;
	sink.head = sink.used = 0;
	sink.lost = 0;
	sink.closing = false;

	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&sink.writer, NULL, write_ring, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		free(ring);
		sink.ring = NULL;
		return err;
	}
	pthread_setname_np(sink.writer, "log");
	pthread_mutex_lock(&sink.lock);
	sink.open = true;
	pthread_mutex_unlock(&sink.lock);
	return 0;
}

void log_close(void)
{
	bool was_open;

	pthread_mutex_lock(&sink.lock);
	was_open = sink.open;
	sink.open = false;
	sink.closing = true;
	pthread_cond_signal(&sink.changed);
	pthread_mutex_unlock(&sink.lock);
	if (!was_open)
		return;
	pthread_join(sink.writer, NULL);
	free(sink.ring);
	sink.ring = NULL;
}

void log_set_level(enum log_level level)
{
	atomic_store(&sink.level, level);
}

void log_set_format(enum log_format format)
{
	atomic_store(&sink.format, format);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

void log_capture(void (*fn)(void *arg, enum log_level level, const char *line), void *arg)
{
	pthread_mutex_lock(&sink.lock);
	sink.capture = fn;
	sink.capture_arg = arg;
	pthread_mutex_unlock(&sink.lock);
}

void log_url(char *out, size_t size, const char *url)
{
	const char *slashes = strstr(url, "://"), *start = url, *end, *at = NULL;
	char *query;

	if (slashes)
		start = slashes + 3;
	else if (str_istarts(str_of(url), "sip:") || str_istarts(str_of(url), "sips:"))
		start = strchr(url, ':') + 1;
	end = start + strcspn(start, slashes ? "/?#" : ";?>");
	for (const char *p = start; p < end; p++)
		if (*p == '@')
			at = p;
	/* https://token@host is a secret too; the user of sip:user@host is one only with a password. */
	if (at && (slashes || memchr(start, ':', (size_t)(at - start))))
		snprintf(out, size, "%.*s***%s", (int)(start - url), url, at);
	else
		str_copy(out, size, str_of(url));
	query = strchr(out, '?');
	if (query)
		secret_mask(query, strlen(query));
}
