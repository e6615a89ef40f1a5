#include "cli/serve_records.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "api/spool.h"
#include "base/pool.h"
#include "base/store.h"
#include "call/record.h"
#include "config.h"
#include "op/recordings.h"

enum { DISK_THREADS = 2, MAX_ADDRESS = 512 };

/* Behind what is in out; returns where that is. */
static unsigned append(const char **out, size_t max, const char *const *list)
{
	unsigned n = 0, first;

	while (out[n])
		n++;
	first = n;
	while (*list && n + 1 < max)
		out[n++] = *list++;
	assert(!*list);
	return first;
}

static int open_store(struct serve_records *r, const struct serve_records_opts *o, char why[160])
{
	struct store_opts opts = { .schema = r->schema, .statements = r->statements };
	struct buf path;
	int err;

	buf_init(&path, 0);
	buf_printf(&path, "%s/crosspoint.db", o->config->data);
	opts.path = path.data;
	err = path.failed ? ENOMEM : store_open(&r->store, o->loop, &opts, why);
	buf_free(&path);
	return err;
}

/* What the addresses of recordings begin with. */
static void public_address(const struct config *c, char out[MAX_ADDRESS])
{
	struct str url = str_of(c->http.public_url);

	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	if (url.n)
		str_copy(out, MAX_ADDRESS, url);
	else if (c->http.listen_count)
		config_http_url(c->http.listen[0], out, MAX_ADDRESS);
	else
		out[0] = '\0';
}

static int open_recordings(struct serve_records *r, const struct serve_records_opts *o, unsigned statement,
			   char why[160])
{
	char address[MAX_ADDRESS];
	struct recordings_opts opts = {
		.loop = o->loop,
		.store = r->store,
		.statement = statement,
		.address = address,
	};
	int err = pool_new(&r->disk, o->loop, DISK_THREADS);
	struct buf folder;

	if (err)
		return err;
	buf_init(&folder, 0);
	buf_printf(&folder, "%s/recordings", o->config->data);
	public_address(o->config, address);
	opts.pool = r->disk;
	opts.folder = folder.data;
	err = folder.failed ? ENOMEM : recordings_new(&r->recordings, &opts, why);
	buf_free(&folder);
	return err;
}

int serve_records_open(struct serve_records *r, const struct serve_records_opts *o, char why[200])
{
	struct record_opts record = { .events = o->events, .node = o->config->node };
	unsigned recordings;
	int err;

	append(r->schema, ARRAY_LEN(r->schema), record_schema);
	append(r->schema, ARRAY_LEN(r->schema), spool_schema);
	append(r->schema, ARRAY_LEN(r->schema), recordings_schema);
	append(r->statements, ARRAY_LEN(r->statements), record_statements);
	r->spool_first = append(r->statements, ARRAY_LEN(r->statements), spool_statements);
	recordings = append(r->statements, ARRAY_LEN(r->statements), recordings_statements);
	err = open_store(r, o, why);
	record.store = r->store;
	if (!err)
		err = record_new(&r->record, &record);
	return err ? err : open_recordings(r, o, recordings, why);
}

void serve_records_close(struct serve_records *r)
{
	pool_free(&r->disk);
	recordings_free(&r->recordings);
	record_free(&r->record);
	store_close(&r->store);
}

int serve_records_move(struct serve_records *r, const struct config *c)
{
	char address[MAX_ADDRESS];

	public_address(c, address);
	return recordings_move(r->recordings, address);
}
