/* Expressions into trees: precedence climbing over the text. Source: ECMA-262 §13. */
#include <string.h>

#include "dialect/expr_parse.h"

enum { NULLISH_STRENGTH = 1 };

/* Longer spellings stand before their beginnings. */
static const struct spelling {
	struct str text;
	enum expr_op op;
	unsigned strength;
} spellings[] = {
	{ STR(">>>="), OP_NONE, 0 },      { STR("||="), OP_NONE, 0 }, { STR("&&="), OP_NONE, 0 },
	{ STR("?\?="), OP_NONE, 0 },      { STR("**="), OP_NONE, 0 }, { STR("<<="), OP_NONE, 0 },
	{ STR(">>="), OP_NONE, 0 },       { STR("==="), OP_SAME, 7 }, { STR("!=="), OP_DIFFERENT, 7 },
	{ STR(">>>"), OP_RIGHT_ZERO, 9 }, { STR("<<"), OP_LEFT, 9 },  { STR(">>"), OP_RIGHT, 9 },
	{ STR("**"), OP_POW, 12 },        { STR("=>"), OP_NONE, 0 },  { STR("??"), OP_NULLISH, 1 },
	{ STR("+="), OP_NONE, 0 },        { STR("-="), OP_NONE, 0 },  { STR("*="), OP_NONE, 0 },
	{ STR("/="), OP_NONE, 0 },        { STR("%="), OP_NONE, 0 },  { STR("|="), OP_NONE, 0 },
	{ STR("&="), OP_NONE, 0 },        { STR("^="), OP_NONE, 0 },  { STR("++"), OP_NONE, 0 },
	{ STR("--"), OP_NONE, 0 },        { STR("/*"), OP_NONE, 0 },  { STR("//"), OP_NONE, 0 },
	{ STR("||"), OP_OR, 2 },          { STR("&&"), OP_AND, 3 },   { STR("=="), OP_EQ, 7 },
	{ STR("!="), OP_NE, 7 },          { STR("<="), OP_LE, 8 },    { STR(">="), OP_GE, 8 },
	{ STR("<"), OP_LT, 8 },           { STR(">"), OP_GT, 8 },     { STR("+"), OP_ADD, 10 },
	{ STR("-"), OP_SUB, 10 },         { STR("*"), OP_MUL, 11 },   { STR("/"), OP_DIV, 11 },
	{ STR("%"), OP_MOD, 11 },         { STR("|"), OP_BIT_OR, 4 }, { STR("^"), OP_BIT_XOR, 5 },
	{ STR("&"), OP_BIT_AND, 6 },      { STR("="), OP_NONE, 0 },   { STR("instanceof"), OP_NONE, 0 },
	{ STR("in"), OP_IN, 8 },
};

bool parse_faulty(const struct parser *p)
{
	return p->m->w.fault != WORK_FINE;
}

struct node *parse_fail(struct parser *p, size_t at, const char *text)
{
	expr_fail(p->m, (uint32_t)at, "%s", text);
	return NULL;
}

struct node *parse_node(struct parser *p, enum node_type type, size_t at)
{
	struct node *n = work_spend(&p->m->w, 1) ? work_alloc(&p->m->w, sizeof(*n)) : NULL;

	if (!n)
		return NULL;
	n->type = type;
	n->at = (uint32_t)at;
	return n;
}

struct node *parse_value(struct parser *p, size_t at, struct value v)
{
	struct node *n = parse_node(p, NODE_VALUE, at);

	if (n)
		n->value = v;
	return n;
}

/* Hang child into the list of n; *last is its last one. */
void parse_hang(struct node *n, struct node **last, struct node *child)
{
	if (!child)
		return;
	if (*last)
		(*last)->next = child;
	else
		n->list = child;
	*last = child;
	n->count++;
	n->spreads |= child->type == NODE_SPREAD;
}

bool parse_deeper(struct parser *p)
{
	if (++p->depth <= EXPR_MAX_NESTED && !parse_faulty(p))
		return true;
	p->depth--;
	parse_fail(p, p->at, "the expression is nested too deep");
	return false;
}

static struct node *unary(struct parser *p);

/* --- what stands behind an operand --- */

/* Methods of lists take one as their first argument. */
static bool method_callback(const struct node *call, uint32_t i)
{
	for (size_t k = 0; k < METHOD_KINDS; k++)
		if (call->methods[k] && call->methods[k]->callback && i == 0)
			return true;
	return false;
}

static struct node *method(struct parser *p, struct node *self, size_t at, struct str name, bool optional)
{
	struct node *n = parse_node(p, NODE_METHOD, at);
	const char *nearest;

	if (!n)
		return NULL;
	n->a = self;
	n->name = name;
	n->optional = optional;
	if (!expr_find_methods(n->methods, name)) {
		nearest = expr_nearest_method(name);
		expr_fail(p->m, (uint32_t)at, "the method \"%.*s\" is not in this version%s%s%s",
			  (int)(name.n < 40 ? name.n : 40), name.p, nearest ? "; did you mean \"" : "",
			  nearest ? nearest : "", nearest ? "\"?" : "");
		return NULL;
	}
	parse_arguments(p, n, method_callback);
	return n;
}

/* .name, ['name'] */
static struct node *member(struct parser *p, struct node *self, size_t at, struct str name, bool optional)
{
	struct node *n;

	if (lex_skip(p) == '(')
		return method(p, self, at, name, optional);
	/* A scope and the name behind it are one look-up, so that no scope has to be made into a tree for it. */
	if (self->type == NODE_LOOKUP && self->scope.p && !self->name.p && !self->in_parentheses) {
		self->name = name;
		return self;
	}
	n = parse_node(p, NODE_MEMBER, at);
	if (!n)
		return NULL;
	n->a = self;
	n->name = name;
	n->optional = optional;
	return n;
}

static struct node *index_of(struct parser *p, struct node *self, bool optional)
{
	size_t from = p->at++;
	struct node *by = parse_all(p), *n;

	if (!parse_faulty(p) && !lex_take(p, ']'))
		parse_fail(p, p->at, "\"]\" is missing");
	if (parse_faulty(p) || !by)
		return NULL;
	if (by->type == NODE_VALUE && by->value.type == VALUE_STRING)
		return member(p, self, by->at, by->value.text, optional);
	if (lex_skip(p) == '(')
		return parse_fail(p, p->at, "a method is called by its name");
	n = parse_node(p, NODE_INDEX, from);
	if (!n)
		return NULL;
	n->a = self;
	n->b = by;
	n->optional = optional;
	return n;
}

static struct node *dotted(struct parser *p, struct node *self, bool optional)
{
	size_t from;

	if (!expr_name_start(lex_skip(p)))
		return parse_fail(p, p->at,
				  optional ? "a name or \"[\" is expected behind \"?.\""
					   : "a name is expected behind \".\"");
	from = p->at;
	return member(p, self, from, lex_name(p), optional);
}

static bool chain_ahead(struct parser *p)
{
	char digit = p->at + 2 < p->text.n ? p->text.p[p->at + 2] : '\0';

	return lex_sees(p, "?.") && (digit < '0' || digit > '9');
}

static struct node *postfix(struct parser *p)
{
	struct node *n = parse_operand(p), *chain;
	bool optional = false;

	while (n && !parse_faulty(p)) {
		char c = lex_skip(p);

		if (c == '(')
			return parse_fail(p, p->at, "only methods and known functions can be called");
		if (c == '`')
			return parse_fail(p, p->at, "functions of templates are not in this version");
		if (c == '[') {
			n = index_of(p, n, false);
		} else if (c == '.') {
			p->at++;
			n = dotted(p, n, false);
		} else if (chain_ahead(p)) {
			p->at += 2;
			optional = true;
			n = lex_skip(p) == '[' ? index_of(p, n, true) : dotted(p, n, true);
		} else {
			break;
		}
	}
	if (!optional || !n)
		return n;
	chain = parse_node(p, NODE_CHAIN, n->at);
	if (chain)
		chain->a = n;
	return chain;
}

/* --- operators --- */

static bool is_word(struct str text)
{
	return expr_name_start(text.p[0]);
}

static bool spelled(struct parser *p, struct str text)
{
	struct str rest = str_from(p->text, p->at);

	return rest.n >= text.n && !memcmp(rest.p, text.p, text.n) &&
	       (!is_word(text) || rest.n == text.n || !expr_name_char(rest.p[text.n]));
}

static enum expr_op prefix(struct parser *p, size_t *length)
{
	static const struct spelling prefixes[] = {
		{ STR("!"), OP_NOT, 0 },  { STR("~"), OP_BIT_NOT, 0 },     { STR("-"), OP_MINUS, 0 },
		{ STR("+"), OP_PLUS, 0 }, { STR("typeof"), OP_TYPEOF, 0 }, { STR("void"), OP_VOID, 0 },
	};

	lex_skip(p);
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (!spelled(p, prefixes[i].text))
			continue;
		*length = prefixes[i].text.n;
		return prefixes[i].op;
	}
	return OP_NONE;
}

static struct node *unary(struct parser *p)
{
	size_t length = 0;
	enum expr_op op = prefix(p, &length);
	struct node *n;

	if (lex_sees(p, "++") || lex_sees(p, "--")) {
		expr_fail(p->m, (uint32_t)p->at, "\"%.2s\" is not in this version", p->text.p + p->at);
		return NULL;
	}
	if (op == OP_NONE)
		return postfix(p);
	if (!parse_deeper(p))
		return NULL;
	n = parse_node(p, NODE_UNARY, p->at);
	p->at += length;
	if (n) {
		n->op = op;
		n->a = unary(p);
	}
	p->depth--;
	return n;
}

static const struct spelling *operator_here(struct parser *p)
{
	char c = lex_skip(p);

	if (p->at >= p->text.n || !strchr("><|&?*=!+-/%^i", c))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		if (spellings[i].text.p[0] == c && spelled(p, spellings[i].text))
			return &spellings[i];
	return NULL;
}

static void not_ours(struct parser *p, const struct spelling *s)
{
	if (str_is(s->text, "=>"))
		parse_fail(p, p->at, "a callback (=>) stands only as an argument of a method of lists");
	else if (s->text.p[0] == '/' && s->text.n == 2 && s->text.p[1] != '=')
		parse_fail(p, p->at, "comments are not in this version");
	else
		expr_fail(p->m, (uint32_t)p->at, "\"%s\" is not in this version", s->text.p);
}

static bool mixes(const struct node *n, enum expr_op op)
{
	return n && n->type == NODE_SHORT && !n->in_parentheses && (n->op == OP_NULLISH) != (op == OP_NULLISH);
}

/* The operator here, when it binds more than what stands around it; NULL = none, or an error. */
static const struct spelling *operator_for(struct parser *p, const struct node *left, unsigned weakest)
{
	const struct spelling *s = operator_here(p);

	if (!s || (s->op != OP_NONE && s->strength < weakest))
		return NULL;
	if (s->op == OP_NONE)
		not_ours(p, s);
	else if (s->op == OP_POW && left->type == NODE_UNARY && !left->in_parentheses)
		parse_fail(p, p->at, "what stands before \"**\" needs parentheses");
	return parse_faulty(p) ? NULL : s;
}

static struct node *binary(struct parser *p, unsigned weakest)
{
	struct node *left = unary(p), *n;
	const struct spelling *s;

	while (left && (s = operator_for(p, left, weakest))) {
		bool may_skip = s->op == OP_NULLISH || s->op == OP_OR || s->op == OP_AND;

		n = parse_node(p, may_skip ? NODE_SHORT : NODE_BINARY, p->at);
		if (!n || !parse_deeper(p))
			return NULL;
		p->at += s->text.n;
		n->op = s->op;
		n->a = left;
		n->b = binary(p, s->op == OP_POW ? s->strength : s->strength + 1);
		p->depth--;
		if (may_skip && (mixes(n->a, n->op) || mixes(n->b, n->op)))
			parse_fail(p, n->at, "\"??\" beside \"||\" or \"&&\" needs parentheses");
		left = n;
	}
	return parse_faulty(p) ? NULL : left;
}

struct node *parse_one(struct parser *p)
{
	struct node *n, *test;

	if (!parse_deeper(p))
		return NULL;
	test = binary(p, NULLISH_STRENGTH);
	if (test && lex_take(p, '?')) {
		n = parse_node(p, NODE_TERNARY, test->at);
		if (n) {
			n->a = test;
			n->b = parse_one(p);
			if (!parse_faulty(p) && !lex_take(p, ':'))
				parse_fail(p, p->at, "\":\" is missing");
			n->c = parse_faulty(p) ? NULL : parse_one(p);
		}
		test = n;
	}
	p->depth--;
	return parse_faulty(p) ? NULL : test;
}

struct node *parse_all(struct parser *p)
{
	struct node *left = parse_one(p), *n;

	while (left && lex_take(p, ',')) {
		n = parse_node(p, NODE_COMMA, p->at - 1);
		if (!n)
			return NULL;
		n->a = left;
		n->b = parse_one(p);
		left = n->b ? n : NULL;
	}
	return left;
}

struct node *expr_parse(struct machine *m, struct str text)
{
	struct parser p = { .m = m, .text = text };
	struct node *n;
	char c;

	if (text.n > EXPR_MAX_CHARS) {
		expr_fail(m, EXPR_MAX_CHARS, "the expression is longer than %d characters", EXPR_MAX_CHARS);
		return NULL;
	}
	n = parse_all(&p);
	c = lex_skip(&p);
	if (!n || m->w.fault || p.at >= text.n)
		return m->w.fault ? NULL : n;
	if (c >= ' ' && c <= '~')
		expr_fail(m, (uint32_t)p.at, "\"%c\" is not expected here", c);
	else
		expr_fail(m, (uint32_t)p.at, "this character is not expected here");
	return NULL;
}
