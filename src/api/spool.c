#include "api/spool.h"

#include <errno.h>

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

struct reading {
	struct spool *spool;
	bool (*fn)(void *arg, const struct spool_row *r);
	void *arg;
};

static bool take_row(void *arg, const struct store_value *v, size_t n)
{
	struct reading *reading = arg;
	const struct spool_row r = {
		.number = v[0].integer,
		.id = v[1].text,
		.call_id = v[2].text,
		.sequence = (uint32_t)v[3].integer,
		.final = v[4].integer != 0,
		.url = v[5].text,
		.body = v[6].text,
		.created_ms = (uint64_t)v[7].integer,
	};

	reading->spool->next = r.number + 1;
	return reading->fn(reading->arg, &r);
}

int spool_read(struct spool *s, bool (*fn)(void *arg, const struct spool_row *r), void *arg)
{
	struct reading reading = { s, fn, arg };

	s->next = 1;
	return s->store ? store_read(s->store, select_all, take_row, &reading) : 0;
}

static struct store_value integer(int64_t n)
{
	return (struct store_value){ .type = STORE_INTEGER, .integer = n };
}

static struct store_value text(struct str s)
{
	return (struct store_value){ .type = STORE_TEXT, .text = s };
}

int spool_write(struct spool *s, const struct spool_row *r)
{
	const struct store_value values[] = {
		integer(r->number), text(r->id),  text(r->call_id), integer(r->sequence),
		integer(r->final),  text(r->url), text(r->body),    integer((int64_t)r->created_ms),
	};

	if (!s->store || store_backlog(s->store) > MAX_BACKLOG)
		return EAGAIN;
	return store_write(s->store, s->first + INSERT, values, ARRAY_LEN(values));
}

void spool_remove(struct spool *s, int64_t number)
{
	const struct store_value value = integer(number);

	/* Without memory the row stays, and the event is sent once more after the next start. */
	store_write(s->store, s->first + DELETE, &value, 1);
}

void spool_flush(struct spool *s)
{
	store_flush(s->store);
}
