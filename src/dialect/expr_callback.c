/* Arguments of calls, and the callbacks among them. Source: ECMA-262 §13.3.8, §15.3. */
#include <string.h>

#include "dialect/expr_parse.h"

/* Is the next thing "name =>" or "(…) =>"? */
static bool arrow_ahead(struct parser *p)
{
	size_t mark = p->at;
	unsigned depth = 0;
	bool is;

	if (expr_name_start(lex_skip(p))) {
		lex_name(p);
	} else if (lex_peek(p) == '(') {
		do {
			char c = lex_peek(p);

			depth += c == '(' || c == '[' || c == '{';
			depth -= c == ')' || c == ']' || c == '}';
			p->at++;
		} while (depth && p->at < p->text.n && !strchr("\"'`", lex_peek(p)));
	} else {
		p->at = mark;
		return false;
	}
	is = !depth && lex_sees(p, "=>");
	p->at = mark;
	return is;
}

static uint32_t new_slot(struct parser *p, struct str name)
{
	if (p->param_count == EXPR_MAX_SLOTS) {
		parse_fail(p, p->at, "too many parameters of callbacks");
		return 0;
	}
	p->params[p->param_count] = name;
	return p->param_count++;
}

static struct node *param(struct parser *p);

/* [a, b] or {a, b}: what is taken out of a parameter. */
static void pattern(struct parser *p, struct node *n, char close)
{
	struct node *last = NULL;

	p->at++;
	n->optional = close == '}';
	while (!parse_faulty(p) && lex_skip(p) != close) {
		parse_hang(n, &last, param(p));
		if (!parse_faulty(p) && !lex_take(p, ',') && lex_peek(p) != close)
			parse_fail(p, p->at, "names and commas are expected here");
	}
	p->at++;
}

static struct node *param(struct parser *p)
{
	char c = lex_skip(p);
	struct node *n = parse_node(p, NODE_PARAM, p->at);

	if (!n)
		return NULL;
	if (expr_name_start(c)) {
		size_t from = p->at;

		n->name = lex_name(p);
		if (parse_reserved(n->name)) {
			expr_fail(p->m, (uint32_t)from, "\"%.*s\" is not in this version", STR_ARG(n->name));
			return NULL;
		}
	} else if (c != '[' && c != '{') {
		return parse_fail(p, p->at, "the name of a parameter is expected here");
	}
	n->slot = new_slot(p, n->name.p ? n->name : STR(""));
	if (c == '[' || c == '{') {
		if (!parse_deeper(p))
			return NULL;
		pattern(p, n, c == '[' ? ']' : '}');
		p->depth--;
	}
	if (!parse_faulty(p) && lex_skip(p) == '=' && !lex_sees(p, "=>"))
		return parse_fail(p, p->at, "values that parameters have otherwise are not in this version");
	return n;
}

static void params(struct parser *p, struct node *n)
{
	struct node *last = NULL;

	if (lex_skip(p) != '(') {
		parse_hang(n, &last, param(p));
		return;
	}
	p->at++;
	while (!parse_faulty(p) && lex_skip(p) != ')') {
		parse_hang(n, &last, param(p));
		if (!parse_faulty(p) && !lex_take(p, ',') && lex_peek(p) != ')')
			parse_fail(p, p->at, "\")\" is missing");
	}
	p->at++;
}

static struct node *arrow(struct parser *p)
{
	struct node *n = parse_node(p, NODE_ARROW, p->at);
	uint32_t outer = p->param_count;

	if (!n)
		return NULL;
	params(p, n);
	if (!parse_faulty(p) && !lex_takes(p, "=>"))
		parse_fail(p, p->at, "\"=>\" is missing");
	if (!parse_faulty(p) && lex_skip(p) == '{')
		parse_fail(p, p->at, "a callback is one expression; bodies in { } are not in this version");
	n->a = parse_faulty(p) ? NULL : parse_one(p);
	p->param_count = outer;
	return n;
}

/* The name of a function as a callback: filter(Boolean), map(Math.round). NULL and nothing taken: something else. */
static struct node *function_name(struct parser *p)
{
	size_t mark = p->at, from;
	struct str space = { 0 }, name;
	const struct global *g;
	struct node *n;

	lex_skip(p);
	from = p->at;
	name = lex_name(p);
	if (name.n && lex_take(p, '.')) {
		space = name;
		lex_skip(p);
		name = lex_name(p);
	}
	g = name.n && parse_slot(p, space.p ? space : name) < 0 ? expr_find_global(space, name) : NULL;
	if (!g || g->is_constant || (lex_skip(p) != ')' && lex_peek(p) != ',')) {
		p->at = mark;
		return NULL;
	}
	n = parse_node(p, NODE_FUNCTION, from);
	if (n)
		n->global = g;
	return n;
}

static struct node *argument(struct parser *p, bool callback)
{
	struct node *n = NULL;

	if (lex_sees(p, "..."))
		return parse_spread(p);
	if (callback && arrow_ahead(p))
		return arrow(p);
	if (callback)
		n = function_name(p);
	return n || parse_faulty(p) ? n : parse_one(p);
}

void parse_arguments(struct parser *p, struct node *call, bool (*takes_callback)(const struct node *, uint32_t))
{
	struct node *last = NULL;

	p->at++;
	if (!parse_deeper(p))
		return;
	while (!parse_faulty(p) && lex_skip(p) != ')') {
		parse_hang(call, &last, argument(p, takes_callback(call, call->count)));
		if (!parse_faulty(p) && !lex_take(p, ',') && lex_peek(p) != ')')
			parse_fail(p, p->at, "\")\" is missing");
	}
	p->at++;
	p->depth--;
}
