/* random_document: SWML documents from a grammar, by choices that come from a seed or from given bytes. Most are sound,
 * some steps are faulty on purpose. */
#ifndef RANDOM_DOCUMENT_H
#define RANDOM_DOCUMENT_H

#include "base/str.h"

struct choices {
	uint64_t state;      /* of the generator, when there are no bytes */
	const uint8_t *data; /* NULL = by the generator */
	size_t size;
	unsigned steps; /* written so far: documents stay small */
};

enum { RANDOM_DEPTH = 5, RANDOM_STEPS = 120 };

/* From 0 to n - 1. At the end of the bytes it is always 0. */
static inline unsigned pick(struct choices *c, unsigned n)
{
	if (c->data) {
		if (!c->size)
			return 0;
		c->size--;
		return *c->data++ % n;
	}
	c->state = c->state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(c->state >> 33) % n;
}

#define PICK(c, list) list[pick(c, ARRAY_LEN(list))]

static inline void write_steps(struct buf *out, struct choices *c, unsigned depth);

/* JSON of a value; texts hold references now and then. */
static inline void write_value(struct buf *out, struct choices *c, unsigned depth)
{
	static const char *const scalars[] = {
		"1",
		"-1",
		"0",
		"2.5",
		"true",
		"false",
		"null",
		"\"a\"",
		"\"\"",
		"\"${a}\"",
		"\"%{b}${c}\"",
		"\"${a + 1}\"",
		"\"x${vars.l[1].k}y\"",
		"\"${params.p}\"",
		"\"${call.from}\"",
		"\"${(}\"",
		"\"${a ? b : c}\"",
		"\"${return_value}\"",
		"\"${script_error}\"",
		"\"${'a' + b * 3 == c || !d}\"",
		"\"${unclosed\"",
		"1e300",
		"\"\\u00e4\\n\"",
		"99999999999",
	};
	unsigned kind = depth < RANDOM_DEPTH ? pick(c, 8) : 7;
	unsigned n = kind < 2 ? pick(c, 4) : 0;

	if (kind > 1) {
		buf_cstr(out, PICK(c, scalars));
		return;
	}
	buf_char(out, kind ? '{' : '[');
	for (unsigned i = 0; i < n; i++) {
		buf_cstr(out, i ? "," : "");
		if (kind)
			buf_printf(out, "\"k%u\":", i);
		write_value(out, c, depth + 1);
	}
	buf_char(out, kind ? '}' : ']');
}

static inline const char *condition(struct choices *c)
{
	static const char *const all[] = { "true", "false",    "a == 1", "${a} == 1", "a < 3 && !b",
					   "",     "nothing.", "1 / 0",  "'x' > y",   "prompt_value == '42'" };

	return PICK(c, all);
}

static inline const char *section_name(struct choices *c)
{
	static const char *const all[] = { "main", "b", "c", "nowhere", "${a}", "relay:x", "http://h/", "b" };

	return PICK(c, all);
}

/* dest of execute and transfer: a section, or a whole document as a text. */
static inline void write_destination(struct buf *out, struct choices *c, unsigned depth)
{
	struct buf inner;

	if (pick(c, 4) || depth >= RANDOM_DEPTH) {
		buf_printf(out, "\"%s\"", section_name(c));
		return;
	}
	buf_init(&inner, 0);
	buf_cstr(&inner, "{\"sections\":{\"main\":");
	write_steps(&inner, c, depth + 2);
	buf_cstr(&inner, pick(c, 8) ? "}}" : "}");
	buf_json(out, buf_view(&inner));
	buf_free(&inner);
}

static inline void write_call(struct buf *out, struct choices *c, unsigned depth)
{
	bool executes = pick(c, 2);

	buf_printf(out, "{\"%s\":{\"dest\":", executes ? "execute" : "transfer");
	write_destination(out, c, depth);
	if (pick(c, 2)) {
		buf_cstr(out, ",\"params\":{\"p\":");
		write_value(out, c, depth + 1);
		buf_char(out, '}');
	}
	if (executes && !pick(c, 3)) {
		buf_cstr(out, ",\"on_return\":");
		write_steps(out, c, depth + 1);
	}
	if (executes && !pick(c, 3)) {
		buf_cstr(out, ",\"result\":{\"case\":{\"1\":");
		write_steps(out, c, depth + 1);
		buf_cstr(out, "}}");
	}
	buf_cstr(out, "}}");
}

static inline void write_choice(struct buf *out, struct choices *c, unsigned depth)
{
	static const char *const variables[] = { "a", "${b}", "call.type", "prompt_result", "nothing", "params.p" };
	unsigned n = 1 + pick(c, 2);

	if (pick(c, 2)) {
		buf_printf(out, "{\"switch\":{\"variable\":\"%s\",\"case\":{\"1\":", PICK(c, variables));
		write_steps(out, c, depth + 1);
		buf_cstr(out, "},\"default\":");
		write_steps(out, c, depth + 1);
		buf_cstr(out, "}}");
		return;
	}
	buf_cstr(out, "{\"cond\":[");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(out, "%s{\"when\":\"%s\",\"then\":", i ? "," : "", condition(c));
		write_steps(out, c, depth + 1);
		buf_char(out, '}');
	}
	if (pick(c, 2)) {
		buf_cstr(out, ",{\"else\":");
		write_steps(out, c, depth + 1);
		buf_char(out, '}');
	}
	buf_cstr(out, "]}");
}

/* Steps without steps in them; some are faulty. */
static inline void write_plain(struct buf *out, struct choices *c)
{
	static const char *const all[] = {
		"\"answer\"",
		"{\"answer\":{\"max_duration\":5}}",
		"{\"answer\":{\"codecs\":\"PCMA,${a}\"}}",
		"\"hangup\"",
		"{\"hangup\":\"${a}\"}",
		"{\"play\":\"say:hi\"}",
		"{\"play\":{\"urls\":[\"ring:us\",\"say:${a}\"],\"volume\":\"${b}\"}}",
		"{\"play\":\"say:nothing\"}",
		"{\"play\":\"say:gone\"}",
		"{\"play\":\"say:late\"}",
		"{\"prompt\":{\"play\":\"say:key\",\"max_digits\":2,\"terminators\":\"#\"}}",
		"{\"prompt\":{\"play\":\"say:key\",\"terminators\":\"D\"}}",
		"{\"sleep\":1}",
		"{\"sleep\":\"${a}\"}",
		"{\"sleep\":86400000}",
		"{\"sleep\":-1}",
		"{\"label\":\"l\"}",
		"{\"label\":\"m\"}",
		"{\"goto\":\"l\"}",
		"{\"goto\":{\"label\":\"m\",\"max\":3}}",
		"{\"goto\":{\"label\":\"${a}\",\"when\":\"a != 1\"}}",
		"\"return\"",
		"{\"unset\":[\"a\",\"b\",\"vars.c\"]}",
		"{\"unset\":\"${a}\"}",
		"{\"connect\":\"+1555\"}",
		"{\"connect\":{\"serial\":[{\"to\":\"sip:${a}@h\"},{\"to\":\"+1555\",\"timeout\":5}],\"result\":[{"
		"\"else\":"
		"[{\"set\":{\"a\":1}}]}]}}",
		"{\"connect\":{}}",
		"{\"record\":{\"beep\":true,\"initial_timeout\":\"${a}\"}}",
		"{\"send_digits\":\"12w\"}",
		"{\"send_digits\":\"${a}\"}",
		"{\"send_digits\":\"1C\"}",
		"\"denoise\"",
		"{\"detect_machine\":{\"timeout\":3}}",
		"{\"detect_machine\":{\"wait\":false,\"status_url\":\"http://h/\"}}",
		"{\"sip_refer\":\"sip:a@h\"}",
		"{\"stop_tap\":\"x\"}",
		"\"stop_record_call\"",
		"{\"request\":{\"url\":\"http://h/${a}\",\"method\":\"POST\",\"body\":{\"a\":\"${b}\"}}}",
		"{\"request\":{\"url\":\"x\"}}",
		"{\"user_event\":{\"event\":{\"a\":\"${a}\",\"l\":\"${vars}\"}}}",
		"{\"join_conference\":{\"name\":\"${a}\",\"result\":{\"case\":{\"failed\":[{\"set\":{\"f\":1}}]}}}}",
		"{\"ai\":{\"prompt\":{\"text\":\"${a}\"},\"SWAIG\":{\"functions\":[{\"function\":\"f\"}]}}}",
		"{\"pay\":\"https://h/\"}",
		"{\"send_sms\":{\"to_number\":\"1\",\"from_number\":\"2\",\"media\":[\"${a}\"]}}",
		"{\"live_transcribe\":{\"action\":{\"start\":{\"lang\":\"en\",\"direction\":[\"${a}\"]}}}}",
	};
	static const char *const faulty[] = {
		"\"fly\"",
		"5",
		"null",
		"[]",
		"{}",
		"{\"answer\":{},\"hangup\":{}}",
		"{\"set\":5}",
		"{\"cond\":{}}",
		"{\"switch\":{\"variable\":[],\"case\":5}}",
		"{\"goto\":{}}",
		"{\"play\":{\"url\":[],\"urls\":{}}}",
		"{\"execute\":{\"dest\":{}}}",
		"{\"transfer\":[{\"dest\":\"b\"},5]}",
		"{\"transfer\":[{\"dest\":\"b\"},{\"params\":[{\"p\":1}]}]}",
	};

	buf_cstr(out, pick(c, 16) ? PICK(c, all) : PICK(c, faulty));
}

static inline void write_step(struct buf *out, struct choices *c, unsigned depth)
{
	unsigned kind = depth < RANDOM_DEPTH ? pick(c, 8) : 4 + pick(c, 4);

	c->steps++;
	if (kind == 0) {
		write_call(out, c, depth);
	} else if (kind == 1) {
		write_choice(out, c, depth);
	} else if (kind < 4) {
		buf_printf(out, "{\"set\":{\"%c\":", "abcl"[pick(c, 4)]);
		write_value(out, c, depth + 1);
		buf_cstr(out, ",\"d\":");
		write_value(out, c, depth + 1);
		buf_cstr(out, "}}");
	} else if (kind == 4) {
		buf_cstr(out, "{\"return\":");
		write_value(out, c, depth + 1);
		buf_char(out, '}');
	} else {
		write_plain(out, c);
	}
}

static inline void write_steps(struct buf *out, struct choices *c, unsigned depth)
{
	unsigned n = c->steps < RANDOM_STEPS ? pick(c, depth ? 4 : 8) : 0;

	if (n == 1 && pick(c, 2)) { /* one step without a list */
		write_step(out, c, depth);
		return;
	}
	buf_char(out, '[');
	for (unsigned i = 0; i < n; i++) {
		buf_cstr(out, i ? "," : "");
		write_step(out, c, depth);
	}
	buf_char(out, ']');
}

/* A whole one, in JSON. */
static inline void random_document(struct buf *out, struct choices *c)
{
	static const char *const names[] = { "main", "b", "c" };

	buf_cstr(out, "{\"version\":\"1.0.0\",\"sections\":{");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_printf(out, "%s\"%s\":", i ? "," : "", names[i]);
		write_steps(out, c, 0);
	}
	buf_cstr(out, "}}");
}

#endif
