/* metrics: numbers for Prometheus. Each part of the server registers a table of what it can tell; reading happens
 * when somebody asks.
 *
 * Thread: signal. */
#ifndef METRICS_H
#define METRICS_H

#include "base/histogram.h"
#include "base/str.h"

struct metrics;

struct metric {
	const char *name; /* rows of one name stand together */
	const char *type; /* "counter" | "gauge" */
	const char *help;
	const char *labels; /* `direction="inbound"`, NULL = none */
	uint64_t (*read)(void *arg, unsigned index);
	unsigned index; /* for read() */
};

int metrics_new(struct metrics **out);
void metrics_free(struct metrics **m);
/* rows and arg are borrowed. At most 16 tables. */
void metrics_add(struct metrics *m, const struct metric *rows, size_t count, void *arg);
/* For what has a row a name that only the configuration knows: print() writes whole lines, HELP and TYPE too. Counts as
 * a table. */
void metrics_add_printer(struct metrics *m, void (*print)(void *arg, struct buf *out), void *arg);
/* The lines of a histogram, for a printer. name is in seconds, as Prometheus wants it. */
void metrics_print_histogram(struct buf *out, const char *name, const char *help, const struct histogram *h);
/* The text format, version 0.0.4. */
void metrics_print(const struct metrics *m, struct buf *out);

/* What calls, SIP and RTP tell; arg is the struct calls. */
struct calls;
struct hooks;
struct media;
void metrics_add_calls(struct metrics *m, struct calls *cs);
void metrics_add_trunks(struct metrics *m, struct calls *cs);
void metrics_add_media(struct metrics *m, struct media *media);
void metrics_add_hooks(struct metrics *m, struct hooks *h);

#endif
