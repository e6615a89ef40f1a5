#include <stdio.h>
#include <string.h>

#include "api/trace_print.h"
#include "api/trace_step.h"
#include "base/secret.h"
#include "sip/sip_msg.h"
#include "sip/sip_transport.h"

enum { MAX_COLUMNS = 8, COLUMN = 34, MARGIN = 12, OURS = 1 };

struct ladder {
	struct buf *b, *scratch;
	const struct call_trace *t;
	struct addr ends[MAX_COLUMNS]; /* the one at OURS is us */
	size_t count;
	char line[MARGIN + MAX_COLUMNS * COLUMN];
	size_t length;
};

static unsigned long long since_ms(const struct call_trace *t, const struct sip_trace_item *i)
{
	return (i->at_us - t->items[0].item.at_us) / 1000;
}

/* The first far end stands left of us, the others right. What finds no column any more shares the last. */
static size_t column_of(struct ladder *l, const struct addr *remote)
{
	for (size_t i = 0; i < l->count; i++)
		if (i != OURS && addr_equal(&l->ends[i], remote))
			return i;
	if (l->count == MAX_COLUMNS)
		return MAX_COLUMNS - 1;
	if (l->count == OURS)
		l->count++;
	l->ends[l->count] = *remote;
	return l->count++;
}

static size_t place_of(size_t column)
{
	return MARGIN + column * COLUMN;
}

static void start_line(struct ladder *l, char rung)
{
	l->length = place_of(l->count - 1) + 1;
	memset(l->line, ' ', l->length);
	for (size_t i = 0; i < l->count; i++)
		l->line[place_of(i)] = rung;
}

static void write_at(struct ladder *l, size_t at, const char *text, size_t max)
{
	size_t n = strlen(text);

	if (n > max)
		n = max;
	if (at + n > sizeof(l->line))
		n = sizeof(l->line) - at;
	if (at + n > l->length) {
		memset(l->line + l->length, ' ', at + n - l->length);
		l->length = at + n;
	}
	for (size_t i = 0; i < n; i++)
		l->line[at + i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
}

static void end_line(struct ladder *l)
{
	buf_add(l->b, l->line, l->length);
	buf_char(l->b, '\n');
}

static const char *describe_body(const struct sip_msg *m)
{
	if (!m->body.n)
		return "";
	return str_istarts(sip_msg_header(m, SIP_H_CONTENT_TYPE, 0), "application/sdp") ? " +SDP" : " +body";
}

/* "INVITE +SDP sip:…", "200 OK (INVITE) +SDP". */
static void describe(char *out, size_t size, struct str text)
{
	struct sip_cseq cseq = { .number = 0 };
	struct sip_msg m;
	const char *why;
	size_t used;

	if (sip_msg_parse(&m, text.p, text.n, false, &used, &why) != SIP_PARSE_OK) {
		str_copy(out, size, STR("?"));
		return;
	}
	if (m.request) {
		snprintf(out, size, "%.*s%s %.*s", STR_ARG(m.method_text), describe_body(&m), STR_ARG(m.ruri));
	} else {
		sip_cseq_parse(&cseq, sip_msg_header(&m, SIP_H_CSEQ, 0));
		snprintf(out, size, "%u %.*s (%.*s)%s", m.status, STR_ARG(str_head(m.reason, 12)),
			 STR_ARG(cseq.method_text), describe_body(&m));
	}
}

static void draw_message(struct ladder *l, const struct call_trace_item *x)
{
	bool in = x->item.kind == SIP_TRACE_IN;
	size_t far = column_of(l, &x->item.remote);
	size_t left = place_of(far < OURS ? far : OURS), right = place_of(far < OURS ? OURS : far);
	char text[COLUMN - 5], number[24];
	bool to_right = in == (far < OURS);

	start_line(l, '|');
	snprintf(number, sizeof(number), "%8llu", since_ms(l->t, &x->item));
	write_at(l, 0, number, MARGIN - 1);
	memset(l->line + left + 1, '-', right - left - 1);
	l->line[to_right ? right - 1 : left + 1] = to_right ? '>' : '<';
	describe(text, sizeof(text), x->item.text);
	write_at(l, left + 3, text, COLUMN - 6);
	if (x->again) {
		snprintf(number, sizeof(number), "x%u", x->again + 1);
		write_at(l, l->length + 2, number, 8);
	}
	end_line(l);
}

/* A copy of the text in scratch, without what must not be seen. */
static struct str masked(struct buf *scratch, struct str text, void (*mask)(char *bytes, size_t n))
{
	buf_reset(scratch);
	buf_str(scratch, text);
	if (scratch->failed || !scratch->len)
		return STR("");
	mask(scratch->data, scratch->len);
	return buf_view(scratch);
}

static void draw_event(struct ladder *l, const struct call_trace_item *x)
{
	buf_printf(l->b, "%8llu  * leg %u: ", since_ms(l->t, &x->item), x->leg + 1);
	if (x->item.note == CALL_TRACE_STEP)
		trace_step_line(l->b, x->item.text);
	else
		buf_escaped(l->b, masked(l->scratch, x->item.text, secret_mask));
	buf_char(l->b, '\n');
}

static void draw_head(struct ladder *l)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < l->t->leg_count; i++) {
		buf_printf(l->b, "leg %zu  %.*s", i + 1, STR_ARG(l->t->legs[i]));
		if (i)
			buf_printf(l->b, "  dialled by leg %u", l->t->parents[i] + 1);
		buf_char(l->b, '\n');
	}
	start_line(l, ' ');
	write_at(l, 6, "ms", 2);
	for (size_t i = 0; i < l->count; i++) {
		const char *name = i == OURS ? "Crosspoint" : addr_text(&l->ends[i], text);
		size_t half = strlen(name) / 2, at = place_of(i);

		write_at(l, at > half + 9 ? at - half : 9, name, COLUMN - 1);
	}
	buf_char(l->b, '\n');
	end_line(l);
}

void trace_print_ladder(struct buf *b, const struct call_trace *t)
{
	struct buf scratch = { 0 };
	struct ladder l = { .b = b, .scratch = &scratch, .t = t, .count = OURS };

	/* The head names all columns, so they are found first. */
	l.count = 0;
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].item.kind != SIP_TRACE_NOTE)
			column_of(&l, &t->items[i].item.remote);
	if (l.count < OURS + 1)
		l.count = OURS + 1;
	draw_head(&l);
	for (size_t i = 0; i < t->count; i++) {
		if (t->items[i].item.kind == SIP_TRACE_NOTE)
			draw_event(&l, &t->items[i]);
		else
			draw_message(&l, &t->items[i]);
	}
	if (t->cut)
		buf_cstr(b, "there is more than is shown here\n");
	buf_free(&scratch);
}

/* --- whole messages --- */

/* What a peer has sent may not drive the terminal. */
static void print_text(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c != '\r')
			buf_char(b, (c >= ' ' || c == '\n' || c == '\t') && c != 0x7f ? (char)c : '?');
	}
	if (!text.n || text.p[text.n - 1] != '\n')
		buf_char(b, '\n');
}

void trace_print_messages(struct buf *b, const struct call_trace *t)
{
	struct buf scratch = { 0 };

	for (size_t i = 0; i < t->count; i++) {
		const struct sip_trace_item *item = &t->items[i].item;
		char local[ADDR_TEXT], remote[ADDR_TEXT];

		if (item->kind == SIP_TRACE_NOTE)
			continue;
		buf_printf(b, "--- %llu ms, leg %u, %s %s %s over %s", since_ms(t, item), t->items[i].leg + 1,
			   addr_text(&item->local, local), item->kind == SIP_TRACE_IN ? "<-" : "->",
			   addr_text(&item->remote, remote), sip_transport_via(item->wire));
		if (t->items[i].again)
			buf_printf(b, ", x%u", t->items[i].again + 1);
		buf_cstr(b, "\n");
		print_text(b, masked(&scratch, item->text, sip_trace_mask));
		buf_char(b, '\n');
	}
	buf_free(&scratch);
}

static void print_item(struct buf *b, const struct call_trace *t, const struct call_trace_item *x, struct buf *scratch)
{
	const struct sip_trace_item *i = &x->item;
	char local[ADDR_TEXT], remote[ADDR_TEXT];

	buf_printf(b, "{\"ms\":%llu,\"unix_ms\":%llu,\"leg\":%u,", since_ms(t, i),
		   (unsigned long long)sip_trace_wall_us(t->trace, i->at_us) / 1000, x->leg + 1);
	if (i->kind == SIP_TRACE_NOTE && i->note == CALL_TRACE_STEP) {
		trace_step_json(b, i->text);
	} else if (i->kind == SIP_TRACE_NOTE) {
		buf_cstr(b, "\"type\":\"event\",\"text\":");
		buf_json(b, masked(scratch, i->text, secret_mask));
	} else {
		buf_printf(b, "\"type\":\"message\",\"direction\":\"%s\",\"transport\":\"%s\",\"repeat\":%u,",
			   i->kind == SIP_TRACE_IN ? "in" : "out", sip_transport_param(i->wire), x->again);
		buf_printf(b, "\"local\":\"%s\",\"remote\":\"%s\",\"sip_call_id\":", addr_text(&i->local, local),
			   addr_text(&i->remote, remote));
		buf_json(b, i->key);
		buf_cstr(b, ",\"text\":");
		buf_json(b, masked(scratch, i->text, sip_trace_mask));
	}
	buf_char(b, '}');
}

void trace_print_json(struct buf *b, const struct call_trace *t)
{
	struct buf scratch = { 0 };

	buf_cstr(b, "{\"legs\":[");
	for (size_t i = 0; i < t->leg_count; i++) {
		buf_cstr(b, i ? "," : "");
		buf_cstr(b, "{\"call_id\":");
		buf_json(b, t->legs[i]);
		buf_cstr(b, ",\"parent_id\":");
		if (i)
			buf_json(b, t->legs[t->parents[i]]);
		else
			buf_cstr(b, "null");
		buf_char(b, '}');
	}
	buf_printf(b, "],\"cut\":%s,\"items\":[", t->cut ? "true" : "false");
	for (size_t i = 0; i < t->count; i++) {
		buf_cstr(b, i ? ",\n" : "\n");
		print_item(b, t, &t->items[i], &scratch);
	}
	buf_cstr(b, "]}\n");
	buf_free(&scratch);
}
