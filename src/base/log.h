/* log: one line per fact, as text or JSON, with the call id where there is one.
 *
 * Lines go into a bounded ring that a writer thread empties into stderr (which may block); lost lines
 * are counted and reported. Before log_open() and after log_close() lines go to stderr directly.
 * Everything a peer controls is escaped here. Never pass secrets; log_url() masks those in URLs.
 * The sink is the one global of the program. Thread: any. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
	const char *key;
	struct str value;
};

/* Start the writer thread. Returns 0 or errno. */
int log_open(enum log_level level, enum log_format format);
/* Write what waits, end the thread. */
void log_close(void);
/* Lines above the level are dropped; holds without log_open() too. */
void log_set_level(enum log_level level);
/* From the next line on. */
void log_set_format(enum log_format format);
/* Tests: hand finished lines to fn instead of stderr, on the caller's thread; NULL = stderr again. */
void log_capture(void (*fn)(void *arg, enum log_level level, const char *line), void *arg);
bool log_wants(enum log_level level);

/* call_id may be NULL. */
void log_printf(enum log_level level, const char *call_id, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* message plus fields: text "message key=value …", JSON {"message":…,"key":…}. */
void log_fields(enum log_level level, const char *call_id, const char *message, const struct log_field *fields,
		size_t count);
/* url with user:password@ replaced by ***@ and secret values of its query crossed out, into out. */
void log_url(char *out, size_t size, const char *url);

#endif
