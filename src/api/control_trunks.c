/* The trunks: which of them work, for operators, for /readyz and for Prometheus. */
#include "api/control_impl.h"
#include "api/metrics.h"
#include "call/trunk_state.h"

static void list_one(void *arg, const struct trunk_report *t)
{
	struct buf *b = arg;

	buf_cstr(b, b->len > 1 ? ",\n" : "");
	buf_cstr(b, "{\"name\":");
	buf_json(b, str_of(t->name));
	buf_printf(b, ",\"state\":\"%s\",\"why\":", trunk_health_name(t->health));
	buf_json(b, str_of(t->why));
	buf_printf(b, ",\"registers\":%s,\"registered\":%s,\"probed\":%s,\"since\":", t->registers ? "true" : "false",
		   t->registered ? "true" : "false", t->probed ? "true" : "false");
	if (t->since_ms)
		control_time(b, t->since_ms);
	else
		buf_cstr(b, "null");
	buf_char(b, '}');
}

void control_list_trunks(struct control *c, const struct web_request *r, struct str tail)
{
	struct buf b = { 0 };

	buf_char(&b, '[');
	trunks_each(calls_trunks(c->opts.calls), list_one, &b);
	buf_cstr(&b, "]\n");
	control_send(c, r->id, 200, &b);
}

static void add_name(void *arg, const struct trunk_report *t)
{
	struct buf *b = arg;

	if (t->health == TRUNK_UP)
		return;
	buf_cstr(b, b->len ? "," : "");
	buf_json(b, str_of(t->name));
}

bool control_trunks_down(const struct control *c, struct buf *out)
{
	struct buf names = { 0 };
	bool down;

	trunks_each(calls_trunks(c->opts.calls), add_name, &names);
	down = names.len;
	if (down)
		buf_printf(out, "{\"status\":\"trunks down\",\"trunks\":[%s]}\n", names.data);
	buf_free(&names);
	return down;
}

/* --- metrics --- */

struct series {
	struct buf *out;
	const char *name, *labels; /* behind the name of the trunk */
	uint64_t (*read)(const struct trunk_report *t);
	bool registering; /* only those that register */
};

static uint64_t is_up(const struct trunk_report *t)
{
	return t->health == TRUNK_UP;
}

static uint64_t is_registered(const struct trunk_report *t)
{
	return t->registered;
}

static uint64_t good(const struct trunk_report *t)
{
	return t->registered_total;
}

static uint64_t bad(const struct trunk_report *t)
{
	return t->refused_total;
}

static void print_one(void *arg, const struct trunk_report *t)
{
	const struct series *s = arg;

	if (!s->registering || t->registers)
		buf_printf(s->out, "%s{trunk=\"%s\"%s} %llu\n", s->name, t->name, s->labels,
			   (unsigned long long)s->read(t));
}

static void print(void *arg, struct buf *out)
{
	static const struct {
		const char *name, *type, *help, *labels;
		uint64_t (*read)(const struct trunk_report *t);
		bool registering;
	} rows[] = {
		{ "crosspoint_trunk_up", "gauge", "1 when calls are sent over the trunk.", "", is_up, false },
		{ "crosspoint_trunk_registered", "gauge", "1 when we are registered at the trunk.", "", is_registered,
		  true },
		{ "crosspoint_trunk_registrations_total", "counter", "REGISTER requests by what became of them.",
		  ",outcome=\"accepted\"", good, true },
		{ "crosspoint_trunk_registrations_total", NULL, NULL, ",outcome=\"failed\"", bad, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct series s = { out, rows[i].name, rows[i].labels, rows[i].read, rows[i].registering };

		if (rows[i].type)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", s.name, rows[i].help, s.name, rows[i].type);
		trunks_each(calls_trunks(arg), print_one, &s);
	}
}

void metrics_add_trunks(struct metrics *m, struct calls *cs)
{
	metrics_add_printer(m, print, cs);
}
