#include "api/spool.h"

#include <errno.h>

#include "api/journal.h"
#include "base/store.h"
#include "base/util.h"

enum { MAX_BACKLOG = 50000 };

enum { INSERT, DELETE };

const char *const spool_schema[] = {
	"CREATE TABLE IF NOT EXISTS hooks (number INTEGER PRIMARY KEY, id TEXT NOT NULL, call_id TEXT NOT NULL, "
	"sequence INTEGER NOT NULL, final INTEGER NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL, "
	"created_at INTEGER NOT NULL)",
	NULL,
};

const char *const spool_statements[] = {
	[INSERT] = "INSERT INTO hooks (number, id, call_id, sequence, final, url, body, created_at) "
		   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[DELETE] = "DELETE FROM hooks WHERE number = ?1",
	NULL,
};

static const char select_all[] =
	"SELECT number, id, call_id, sequence, final, url, body, created_at FROM hooks ORDER BY number";

struct reading { /* the table and the journal side by side; both rise by number */
	struct spool *spool;
	bool (*fn)(void *arg, const struct spool_row *r);
	void *arg;
	bool any, done; /* what the journal has next */
	struct spool_row row;
	uint64_t cursor;
};

static void count_up(struct spool *s, int64_t number)
{
	if (number >= s->next)
		s->next = number + 1;
}

static void read_journal(struct reading *g)
{
	g->any = g->spool->journal && journal_next(g->spool->journal, &g->cursor, &g->row, &g->done);
	if (g->any)
		count_up(g->spool, g->row.number);
}

/* What the table does not have. */
static bool give_missing(struct reading *g)
{
	bool more = g->done || g->fn(g->arg, &g->row);

	read_journal(g);
	return more;
}

static bool take_row(void *arg, const struct store_value *v, size_t n)
{
	struct reading *g = arg;
	struct spool_row r = {
		.number = v[0].integer,
		.id = v[1].text,
		.call_id = v[2].text,
		.sequence = (uint32_t)v[3].integer,
		.final = v[4].integer != 0,
		.url = v[5].text,
		.body = v[6].text,
		.created_ms = (uint64_t)v[7].integer,
		.written = true,
	};
	bool done = false;

	while (g->any && (g->row.number < r.number || (g->row.number == r.number && !str_eq(g->row.id, r.id))))
		if (!give_missing(g))
			return false;
	count_up(g->spool, r.number);
	if (g->any && g->row.number == r.number) {
		r.mark = g->row.mark;
		done = g->done;
		journal_ticket(g->spool->journal, r.mark, 0);
		read_journal(g);
	}
	if (!done)
		return g->fn(g->arg, &r);
	/* Its removal did not reach the disk. */
	spool_remove(g->spool, &r);
	return true;
}

int spool_read(struct spool *s, bool (*fn)(void *arg, const struct spool_row *r), void *arg)
{
	struct reading g = { .spool = s, .fn = fn, .arg = arg };
	int err;

	s->next = 1;
	if (!s->store)
		return 0;
	read_journal(&g);
	err = store_read(s->store, select_all, take_row, &g);
	while (!err && g.any && give_missing(&g))
		;
	return err;
}

static struct store_value integer(int64_t n)
{
	return (struct store_value){ .type = STORE_INTEGER, .integer = n };
}

static struct store_value text(struct str s)
{
	return (struct store_value){ .type = STORE_TEXT, .text = s };
}

int spool_accept(struct spool *s, struct spool_row *r)
{
	r->number = s->next++;
	return s->journal ? journal_put(s->journal, r, store_committed(s->store)) : 0;
}

int spool_write(struct spool *s, struct spool_row *r)
{
	const struct store_value values[] = {
		integer(r->number), text(r->id),  text(r->call_id), integer(r->sequence),
		integer(r->final),  text(r->url), text(r->body),    integer((int64_t)r->created_ms),
	};
	int err;

	if (!s->store || store_backlog(s->store) > MAX_BACKLOG)
		return EAGAIN;
	err = store_write(s->store, s->first + INSERT, values, ARRAY_LEN(values));
	if (err)
		return err;
	r->written = true;
	if (s->journal)
		journal_ticket(s->journal, r->mark, store_taken(s->store));
	return 0;
}

void spool_remove(struct spool *s, const struct spool_row *r)
{
	const struct store_value value = integer(r->number);

	if (s->journal)
		journal_done(s->journal, r->mark);
	/* Without memory the row stays, and the event is sent once more after the next start. */
	if (r->written)
		store_write(s->store, s->first + DELETE, &value, 1);
}

void spool_flush(struct spool *s)
{
	store_flush(s->store);
}
