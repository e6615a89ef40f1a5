/* Operands of expressions: words, literals, what stands in parentheses. Source: ECMA-262 §13.2. */
#include <math.h>

#include "dialect/expr_parse.h"

/* --- words --- */

/* Words that begin something JavaScript has and we do not. */
bool parse_reserved(struct str word)
{
	static const struct str words[] = {
		STR("function"), STR("new"),    STR("delete"), STR("async"),  STR("await"),  STR("yield"),
		STR("for"),      STR("while"),  STR("do"),     STR("if"),     STR("else"),   STR("switch"),
		STR("case"),     STR("return"), STR("throw"),  STR("try"),    STR("let"),    STR("const"),
		STR("var"),      STR("class"),  STR("this"),   STR("super"),  STR("import"), STR("export"),
		STR("in"),       STR("with"),   STR("break"),  STR("typeof"), STR("void"),   STR("instanceof"),
		STR("debugger"),
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(word, words[i]))
			return true;
	return false;
}

static bool word_literal(struct str word, struct value *out)
{
	if (str_is(word, "true") || str_is(word, "false"))
		*out = value_bool(str_is(word, "true"));
	else if (str_is(word, "null"))
		*out = value_null();
	else if (str_is(word, "undefined"))
		*out = value_undefined();
	else if (str_is(word, "NaN"))
		*out = value_number(NAN);
	else if (str_is(word, "Infinity"))
		*out = value_number(INFINITY);
	else
		return false;
	return true;
}

/* Slot of the innermost parameter of that name, -1 = none. */
int parse_slot(const struct parser *p, struct str name)
{
	for (uint32_t i = p->param_count; i > 0; i--)
		if (str_eq(p->params[i - 1], name))
			return (int)i - 1;
	return -1;
}

static struct node *lookup(struct parser *p, size_t at, struct str scope, struct str name)
{
	struct node *n = parse_node(p, NODE_LOOKUP, at);

	if (!n)
		return NULL;
	n->scope = scope;
	n->name = name;
	return n;
}

static struct node *unknown_global(struct parser *p, size_t at, struct str space, struct str name)
{
	const char *nearest = expr_nearest_global(space, name);

	if (name.n > 40)
		name.n = 40;
	if (nearest)
		expr_fail(p->m, (uint32_t)at, "\"%.*s%s%.*s\" is not in this version; did you mean \"%.*s%s%s\"?",
			  STR_ARG(space), space.p ? "." : "", STR_ARG(name), STR_ARG(space), space.p ? "." : "",
			  nearest);
	else
		expr_fail(p->m, (uint32_t)at, "\"%.*s%s%.*s\" is not in this version", STR_ARG(space),
			  space.p ? "." : "", STR_ARG(name));
	return NULL;
}

/* Array.from is the only one. */
static bool global_callback(const struct node *call, uint32_t i)
{
	return call->global->callback && i == 1;
}

/* parseInt(…), Math.max(…), Math.PI; p->at stands behind the first name. */
static struct node *global(struct parser *p, size_t from, struct str first)
{
	struct str space = { 0 }, name = first;
	const struct global *g;
	struct node *n;

	if (lex_skip(p) == '.') {
		p->at++;
		lex_skip(p);
		space = first;
		name = lex_name(p);
	}
	g = expr_find_global(space, name);
	if (!g)
		return unknown_global(p, from, space, name);
	if (g->is_constant)
		return parse_value(p, from, value_number(g->constant));
	if (lex_skip(p) != '(') {
		expr_fail(p->m, (uint32_t)from, "\"%.*s\" is a function, which is no value here", STR_ARG(name));
		return NULL;
	}
	n = parse_node(p, NODE_CALL, from);
	if (!n)
		return NULL;
	n->global = g;
	n->name = name;
	parse_arguments(p, n, global_callback);
	return n;
}

static struct node *word(struct parser *p)
{
	size_t from = p->at;
	struct str name = lex_name(p);
	int slot = parse_slot(p, name);
	struct value v;
	struct node *n;

	if (slot >= 0) {
		n = parse_node(p, NODE_SLOT, from);
		if (n)
			n->slot = (uint32_t)slot;
		return n;
	}
	if (parse_reserved(name)) {
		expr_fail(p->m, (uint32_t)from, "\"%.*s\" is not in this version", STR_ARG(name));
		return NULL;
	}
	if (word_literal(name, &v))
		return parse_value(p, from, v);
	if (expr_is_scope(name))
		return lookup(p, from, name, (struct str){ 0 });
	if (lex_skip(p) == '(' || expr_find_global((struct str){ 0 }, name) ||
	    (expr_is_space(name) && lex_peek(p) == '.'))
		return global(p, from, name);
	return lookup(p, from, (struct str){ 0 }, name);
}

/* --- literals --- */

struct node *parse_spread(struct parser *p)
{
	struct node *n = parse_node(p, NODE_SPREAD, p->at);

	p->at += 3;
	if (n)
		n->a = parse_one(p);
	return n;
}

static struct node *list_literal(struct parser *p)
{
	struct node *n = parse_node(p, NODE_LIST, p->at++), *last = NULL;

	while (n && !parse_faulty(p) && lex_skip(p) != ']') {
		parse_hang(n, &last, lex_sees(p, "...") ? parse_spread(p) : parse_one(p));
		if (!parse_faulty(p) && !lex_take(p, ',') && lex_peek(p) != ']')
			return parse_fail(p, p->at, "\"]\" is missing");
	}
	p->at++;
	return n;
}

/* The key of a member: a name, a text, a number, [expression]. */
static struct node *key(struct parser *p)
{
	char c = lex_skip(p);
	size_t from = p->at;
	struct node *n;
	double number;
	char text[40];

	if (expr_name_start(c))
		return parse_value(p, from, value_string(lex_name(p)));
	if (c == '"' || c == '\'')
		return parse_value(p, from, value_string(lex_string(p)));
	if ((c >= '0' && c <= '9') || c == '.') {
		struct maker m = { .w = &p->m->w };

		if (!lex_number(p, &number))
			return NULL;
		value_number_text(text, number);
		maker_text(&m, str_of(text));
		return parse_value(p, from, value_string(maker_view(&m)));
	}
	if (c != '[')
		return parse_fail(p, p->at, "the name of a member is expected here");
	p->at++;
	n = parse_one(p);
	if (!parse_faulty(p) && !lex_take(p, ']'))
		return parse_fail(p, p->at, "\"]\" is missing");
	return n;
}

static struct node *member_literal(struct parser *p)
{
	struct node *n = parse_node(p, NODE_PAIR, p->at);
	bool plain = expr_name_start(lex_skip(p));
	size_t from = p->at, end;

	if (!n)
		return NULL;
	n->a = key(p);
	if (!n->a)
		return NULL;
	if (n->a->type == NODE_VALUE && str_is(n->a->value.text, "__proto__"))
		return parse_fail(p, from, "\"__proto__\" is not in this version");
	if (lex_take(p, ':')) {
		n->b = parse_one(p);
		return n;
	}
	if (!plain || (lex_peek(p) != ',' && lex_peek(p) != '}'))
		return parse_fail(p, p->at, "\":\" is missing behind the name of a member");
	end = p->at;
	p->at = from; /* {a} is {a: a} */
	n->b = word(p);
	p->at = end;
	return n;
}

static struct node *map_literal(struct parser *p)
{
	struct node *n = parse_node(p, NODE_MAP, p->at++), *last = NULL;

	while (n && !parse_faulty(p) && lex_skip(p) != '}') {
		parse_hang(n, &last, lex_sees(p, "...") ? parse_spread(p) : member_literal(p));
		if (!parse_faulty(p) && !lex_take(p, ',') && lex_peek(p) != '}')
			return parse_fail(p, p->at, "\"}\" is missing");
	}
	p->at++;
	return n;
}

static struct node *template_literal(struct parser *p)
{
	size_t from = p->at++;
	struct node *n = parse_node(p, NODE_TEMPLATE, from), *last = NULL;

	while (n && !parse_faulty(p)) {
		parse_hang(n, &last, parse_value(p, p->at, value_string(lex_template_part(p))));
		if (p->at >= p->text.n)
			return parse_fail(p, from, "template without its closing `");
		if (lex_take(p, '`'))
			break;
		p->at += 2;
		parse_hang(n, &last, parse_all(p));
		if (!parse_faulty(p) && lex_skip(p) != '}')
			return parse_fail(p, p->at, "\"}\" is missing");
		p->at++;
	}
	return n;
}

static struct node *in_parentheses(struct parser *p)
{
	struct node *n;

	p->at++;
	n = parse_all(p);
	if (!parse_faulty(p) && !lex_take(p, ')'))
		return parse_fail(p, p->at, "\")\" is missing");
	if (n)
		n->in_parentheses = true;
	return n;
}

struct node *parse_operand(struct parser *p)
{
	char c = lex_skip(p);
	size_t from = p->at;
	double number;

	if (expr_name_start(c))
		return word(p);
	if ((c >= '0' && c <= '9') || (c == '.' && !lex_sees(p, "...")))
		return lex_number(p, &number) ? parse_value(p, from, value_number(number)) : NULL;
	if (c == '"' || c == '\'')
		return parse_value(p, from, value_string(lex_string(p)));
	if (c == '(')
		return in_parentheses(p);
	if (c == '[')
		return list_literal(p);
	if (c == '{')
		return map_literal(p);
	if (c == '`')
		return template_literal(p);
	if (c == '/')
		return parse_fail(p, p->at, "regular expressions and comments are not in this version");
	if (p->at >= p->text.n)
		return parse_fail(p, p->at, "the expression ends too early");
	return parse_fail(p, p->at, "a value is expected here");
}
