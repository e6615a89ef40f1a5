#include "op/plan.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/arena.h"

int plan_new(struct plan **out)
{
	struct arena *a = NULL;
	struct plan *p;
	int err = arena_new(&a, 0, 0);

	if (err)
		return err;
	p = arena_alloc(a, sizeof(*p));
	if (!p) {
		arena_free(&a);
		return ENOMEM;
	}
	p->arena = a;
	*out = p;
	return 0;
}

void plan_free(struct plan **p)
{
	struct arena *a = *p ? (*p)->arena : NULL; /* the plan itself lies in it */

	*p = NULL;
	if (a)
		arena_free(&a);
}

size_t plan_target_count(const struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->group_count; i++)
		n += p->groups[i].count;
	return n;
}

const struct plan_target *plan_target(const struct plan *p, size_t slot)
{
	for (size_t i = 0; i < p->group_count; i++) {
		if (slot < p->groups[i].count)
			return &p->groups[i].targets[slot];
		slot -= p->groups[i].count;
	}
	return NULL;
}

static const char *confirm_fault(const struct plan_script *s)
{
	if (!s->url && !s->methods)
		return "A confirm has neither a URL nor methods.";
	if (s->url && s->methods)
		return "A confirm has both a URL and methods.";
	return NULL;
}

static const char *target_fault(const struct plan_target *t)
{
	if (!t->address || !*t->address)
		return "A destination has no address.";
	if (!t->ring_ms)
		return "A destination has no time to ring.";
	for (size_t i = 0; i < t->header_count; i++) {
		if (!t->headers[i].name || !t->headers[i].value)
			return "A header has no name or no value.";
	}
	if (t->hook && !t->hook->url)
		return "A destination has events without a URL to send them to.";
	return t->confirm ? confirm_fault(t->confirm) : NULL;
}

const char *plan_fault(const struct plan *p)
{
	size_t slots = 0;

	if (!p->group_count)
		return "There is no destination.";
	for (size_t i = 0; i < p->group_count; i++) {
		const struct plan_group *g = &p->groups[i];

		if (!g->count)
			return "A group has no destination.";
		slots += g->count;
		if (slots > PLAN_MAX_TARGETS)
			return "There are more than 64 destinations.";
		for (size_t k = 0; k < g->count; k++) {
			const char *fault = target_fault(&g->targets[k]);

			if (fault)
				return fault;
		}
	}
	/* strchr() finds the closing NUL too, and 0 means that there is no key. */
	if (p->drop_key && !strchr("0123456789ABCD*#", p->drop_key))
		return "The key that drops the peer is no key of a phone.";
	return NULL;
}

static const char *kind_name(enum target_kind kind)
{
	switch (kind) {
	case TARGET_NUMBER:
		return "number";
	case TARGET_SIP:
		return "sip";
	case TARGET_USER:
		return "user";
	case TARGET_STREAM:
		return "stream";
	case TARGET_QUEUE:
		return "queue";
	case TARGET_ROOM:
		return "room";
	case TARGET_SCRIPT:
		return "script";
	case TARGET_ADDRESS:
		return "address";
	}
	return "";
}

static const char *encryption_name(enum plan_encryption e)
{
	switch (e) {
	case PLAN_ENCRYPTION_DEFAULT:
		return NULL;
	case PLAN_ENCRYPTION_FORBIDDEN:
		return "forbidden";
	case PLAN_ENCRYPTION_OPTIONAL:
		return "optional";
	case PLAN_ENCRYPTION_MANDATORY:
		return "mandatory";
	}
	return NULL;
}

/* Where a user part may begin: behind "https://", or behind "sip:". */
static size_t authority_at(const char *text)
{
	const char *slashes = strstr(text, "://");

	if (slashes)
		return (size_t)(slashes - text) + 3;
	if (str_istarts(str_of(text), "sip:"))
		return 4;
	return str_istarts(str_of(text), "sips:") ? 5 : 0;
}

/* Text from a document, perhaps a URI: a password in its user part is not for logs, and neither are
 * control characters. An '@' behind the first '/' or '?' belongs to the path. */
static void print_uri(struct buf *out, const char *text)
{
	struct str s = str_of(text);
	size_t start = authority_at(text), end = start, colon = 0, at = 0;

	for (; end < s.n && s.p[end] != '/' && s.p[end] != '?'; end++) {
		if (s.p[end] == ':' && !colon && !at)
			colon = end;
		if (s.p[end] == '@')
			at = end;
	}
	if (!colon || !at) {
		buf_escaped(out, s);
		return;
	}
	buf_escaped(out, str_head(s, colon + 1));
	buf_cstr(out, "***");
	buf_escaped(out, str_from(s, at));
}

static void print_text(struct buf *out, const char *label, const char *text)
{
	if (!text)
		return;
	buf_printf(out, "%s ", label);
	print_uri(out, text);
}

static void print_number(struct buf *out, const char *label, uint32_t value, const char *unit)
{
	if (value)
		buf_printf(out, "%s %u%s", label, (unsigned)value, unit);
}

static void print_quoted(struct buf *out, const char *label, const char *text)
{
	if (!text)
		return;
	buf_printf(out, "%s \"", label);
	buf_escaped(out, str_of(text));
	buf_char(out, '"');
}

/* Names only: the value of a header may be somebody's token. */
static void print_headers(struct buf *out, const struct plan_target *t)
{
	for (size_t i = 0; i < t->header_count; i++) {
		buf_cstr(out, i ? "," : " headers ");
		buf_escaped(out, str_of(t->headers[i].name));
	}
}

static void print_confirm(struct buf *out, const struct plan_target *t)
{
	if (!t->confirm)
		return;
	print_text(out, " confirm", t->confirm->url ? t->confirm->url : "inline");
	print_number(out, " within", t->confirm_ms, " ms");
}

static void print_target(struct buf *out, const struct plan_target *t)
{
	buf_cstr(out, kind_name(t->kind));
	buf_char(out, ' ');
	print_uri(out, t->address);
	print_text(out, " from", t->from);
	print_quoted(out, " name", t->from_name);
	print_headers(out, t);
	print_text(out, " codecs", t->codecs);
	print_text(out, " user", t->username);
	print_text(out, " encryption", encryption_name(t->encryption));
	if (t->webrtc_media)
		buf_cstr(out, " webrtc");
	print_number(out, " session", t->session_timeout_s, " s");
	print_number(out, " ring", t->ring_ms, " ms");
	print_confirm(out, t);
	if (t->price_cap)
		buf_printf(out, " price %u.%04u", (unsigned)(t->price_cap / 10000), (unsigned)(t->price_cap % 10000));
	if (t->hook) {
		print_text(out, " events", t->hook->url);
		buf_printf(out, " mask 0x%x", t->hook->events);
	}
	buf_char(out, '\n');
}

static void print_whole(struct buf *out, const struct plan *p)
{
	size_t n = plan_target_count(p);

	buf_printf(out, "connect: %zu destination%s in %zu group%s", n, n == 1 ? "" : "s", p->group_count,
		   p->group_count == 1 ? "" : "s");
	buf_cstr(out, p->race == PLAN_RACE_ANSWER ? ", first answer wins" : ", first confirmed wins");
	buf_cstr(out, p->answer_on_join ? ", answer on join" : ", answer first");
	if (p->drop_key)
		buf_printf(out, ", drop key %c", p->drop_key);
	for (size_t i = 0; i < p->ringback_count; i++)
		print_text(out, i ? " +" : ", ringback", p->ringback[i]);
	print_number(out, ", total", p->total_ms, " ms");
	print_number(out, ", talk", p->max_talk_ms, " ms");
	print_text(out, ", status", p->status_url);
	buf_char(out, '\n');
}

void plan_print(struct buf *out, const struct plan *p)
{
	print_whole(out, p);
	for (size_t i = 0; i < p->group_count; i++) {
		for (size_t k = 0; k < p->groups[i].count; k++) {
			buf_printf(out, "  %zu.%zu ", i + 1, k + 1);
			print_target(out, &p->groups[i].targets[k]);
		}
	}
}
