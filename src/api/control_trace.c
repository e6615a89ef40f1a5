/* The SIP messages and events of one call, also for a while after its end. */
#include <errno.h>
#include <string.h>

#include "api/control_impl.h"
#include "api/trace_print.h"

static const struct {
	const char *name, *type;
	void (*print)(struct buf *b, const struct call_trace *t);
} formats[] = {
	{ "text", "text/plain; charset=utf-8", trace_print_ladder },
	{ "messages", "text/plain; charset=utf-8", trace_print_messages },
	{ "json", "application/json", trace_print_json },
	{ "pcap", "application/vnd.tcpdump.pcap", trace_print_pcap },
};

/* Index into formats; their count when there is no such one. The query goes before the header. */
static size_t format_of(const struct web_request *r)
{
	struct str name = control_query(r->query, "format");
	size_t i = 0;

	if (!name.p) {
		for (i = ARRAY_LEN(formats); i-- > 1;)
			if (strstr(r->accept, formats[i].type))
				return i;
		return 0;
	}
	while (i < ARRAY_LEN(formats) && !str_is(name, formats[i].name))
		i++;
	return i;
}

void control_trace(struct control *c, const struct web_request *r, struct str tail)
{
	size_t format = format_of(r);
	struct call_trace *t = NULL;
	struct buf b = { 0 };
	int err;

	if (format == ARRAY_LEN(formats)) {
		control_error(c, r->id, 400, "format is one of text, messages, json, pcap");
		return;
	}
	if (!c->opts.trace) {
		control_error(c, r->id, 404, "no trace is kept: trace.memory_mb is 0");
		return;
	}
	err = call_trace_collect(&t, c->opts.trace, tail);
	if (err == ENOENT) {
		control_error(c, r->id, 404, "no such call, or its trace has been overwritten by later ones");
		return;
	}
	b.failed = err != 0;
	if (!err)
		formats[format].print(&b, t);
	call_trace_free(&t);
	control_text(c, r->id, formats[format].type, &b);
}
