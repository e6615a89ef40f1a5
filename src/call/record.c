#include "call/record.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/store.h"
#include "call/event.h"

enum { BACKLOG_MAX = 100000 };

struct record {
	struct record_opts opts;
};

const char *const record_schema[] = {
	"CREATE TABLE IF NOT EXISTS calls ("
	"call_id TEXT PRIMARY KEY NOT NULL, parent_id TEXT, direction TEXT NOT NULL, type TEXT NOT NULL, "
	"from_uri TEXT NOT NULL, to_uri TEXT NOT NULL, created_at INTEGER NOT NULL, ringing_at INTEGER, "
	"answered_at INTEGER, ended_at INTEGER NOT NULL, duration_ms INTEGER NOT NULL, cause TEXT NOT NULL, "
	"sip_code INTEGER, ended_by TEXT NOT NULL, why TEXT NOT NULL, packets_in INTEGER NOT NULL, "
	"packets_out INTEGER NOT NULL, packets_lost INTEGER NOT NULL, foreign_packets INTEGER NOT NULL, "
	"node TEXT NOT NULL)",
	"CREATE INDEX IF NOT EXISTS calls_created_at ON calls (created_at)",
	/* Databases of earlier versions get these behind their columns. */
	"ALTER TABLE calls ADD COLUMN mos REAL",
	"ALTER TABLE calls ADD COLUMN jitter_ms REAL",
	"ALTER TABLE calls ADD COLUMN jitter_max_ms REAL",
	"ALTER TABLE calls ADD COLUMN round_trip_ms REAL",
	"ALTER TABLE calls ADD COLUMN far_mos REAL",
	"ALTER TABLE calls ADD COLUMN far_lost INTEGER",
	"ALTER TABLE calls ADD COLUMN far_jitter_ms REAL",
	"ALTER TABLE calls ADD COLUMN transferred_by TEXT",
	NULL,
};

const char *const record_statements[] = {
	"INSERT OR IGNORE INTO calls (call_id, parent_id, direction, type, from_uri, to_uri, created_at, ringing_at, "
	"answered_at, ended_at, duration_ms, cause, sip_code, ended_by, why, packets_in, packets_out, packets_lost, "
	"foreign_packets, node, mos, jitter_ms, jitter_max_ms, round_trip_ms, far_mos, far_lost, far_jitter_ms, "
	"transferred_by) VALUES "
	"(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
	"?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)",
	NULL,
};

static struct store_value text(struct str s)
{
	return (struct store_value){ .type = STORE_TEXT, .text = s };
}

/* A column that may not be NULL. */
static struct store_value field(const struct event *ev, const char *key)
{
	struct str s = event_get(ev, key);

	return text(s.p ? s : STR(""));
}

static struct store_value number(uint64_t n)
{
	return (struct store_value){ .type = STORE_INTEGER, .integer = (int64_t)n };
}

/* What never was is NULL, not 0. */
static struct store_value number_or_null(uint64_t n)
{
	return n ? number(n) : (struct store_value){ .type = STORE_NULL };
}

static struct store_value fraction_or_null(bool known, uint64_t n, unsigned of)
{
	if (!known)
		return (struct store_value){ .type = STORE_NULL };
	return (struct store_value){ .type = STORE_REAL, .real = (double)n / of };
}

static void write_row(const struct record *r, const struct event *ev)
{
	const struct event_leg *leg = ev->leg;
	const struct store_value row[] = {
		text(str_of(ev->call_id)),
		text(str_of(ev->parent_id)),
		field(ev, "direction"),
		field(ev, "type"),
		field(ev, "from"),
		field(ev, "to"),
		number(leg->created_ms),
		number_or_null(leg->ringing_ms),
		number_or_null(leg->answered_ms),
		number(leg->ended_ms),
		number(leg->talk_ms),
		field(ev, "cause"),
		number_or_null(leg->sip_code),
		field(ev, "ended_by"),
		field(ev, "why"),
		number(leg->packets_in),
		number(leg->packets_out),
		number(leg->packets_lost),
		number(leg->packets_foreign),
		text(str_of(r->opts.node)),
		fraction_or_null(leg->score, leg->score, 100),
		fraction_or_null(leg->packets_in, leg->jitter_us, 1000),
		fraction_or_null(leg->packets_in, leg->jitter_max_us, 1000),
		fraction_or_null(leg->round_trip_us, leg->round_trip_us, 1000),
		fraction_or_null(leg->far_score, leg->far_score, 100),
		leg->far_reported ? number(leg->far_lost) : (struct store_value){ .type = STORE_NULL },
		fraction_or_null(leg->far_reported, leg->far_jitter_us, 1000),
		text(event_get(ev, "transferred_by")),
	};

	if (store_write(r->opts.store, 0, row, ARRAY_LEN(row)))
		log_printf(LOG_ERROR, ev->call_id, "the call's record is lost: out of memory");
}

static void on_event(void *arg, const struct event *ev)
{
	if (ev->type == EVENT_ENDED)
		write_row(arg, ev);
}

int record_new(struct record **out, const struct record_opts *opts)
{
	struct record *r = calloc(1, sizeof(*r));

	if (!r)
		return ENOMEM;
	r->opts = *opts;
	if (!r->opts.backlog_max)
		r->opts.backlog_max = BACKLOG_MAX;
	events_subscribe(opts->events, on_event, r);
	*out = r;
	return 0;
}

void record_free(struct record **r)
{
	free(*r);
	*r = NULL;
}

bool record_is_behind(const struct record *r)
{
	return store_backlog(r->opts.store) >= r->opts.backlog_max;
}
