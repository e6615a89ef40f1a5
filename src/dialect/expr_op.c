/* Operators and members. Source: ECMA-262 §13.3, §13.5 to §13.12. */
#include <math.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_text.h"

static const char *type_name(const struct value *v)
{
	switch (v->type) {
	case VALUE_UNDEFINED:
		return "undefined";
	case VALUE_BOOL:
		return "boolean";
	case VALUE_NUMBER:
		return "number";
	case VALUE_STRING:
		return "string";
	case VALUE_NULL:
	case VALUE_LIST:
	case VALUE_MAP:
		break;
	}
	return "object";
}

static int32_t int32(struct work *w, const struct value *v)
{
	return (int32_t)value_to_uint32(w, v);
}

struct value expr_unary(struct machine *m, enum expr_op op, const struct value *v)
{
	if (op == OP_NOT)
		return value_bool(!value_true(v));
	if (op == OP_TYPEOF)
		return value_string(str_of(type_name(v)));
	if (op == OP_MINUS)
		return value_number(-value_to_number(&m->w, v));
	if (op == OP_PLUS)
		return value_number(value_to_number(&m->w, v));
	if (op == OP_BIT_NOT)
		return value_number(~int32(&m->w, v));
	return value_undefined(); /* void */
}

static struct value add(struct machine *m, const struct value *a, const struct value *b)
{
	struct value left = value_primitive(&m->w, a), right = value_primitive(&m->w, b);
	struct maker text = { .w = &m->w };
	struct str x, y;

	if (left.type != VALUE_STRING && right.type != VALUE_STRING)
		return value_number(value_to_number(&m->w, &left) + value_to_number(&m->w, &right));
	x = value_to_text(&m->w, &left);
	y = value_to_text(&m->w, &right);
	if (m->w.fault)
		return value_undefined();
	maker_room(&text, x.n + y.n + 1);
	maker_text(&text, x);
	maker_text(&text, y);
	return value_string(maker_view(&text));
}

/* C's pow() calls 1 what JavaScript calls NaN. */
double expr_power(double a, double b)
{
	if (isnan(b) || (isinf(b) && fabs(a) == 1))
		return NAN;
	return pow(a, b);
}

static struct value arithmetic(struct machine *m, enum expr_op op, const struct value *a, const struct value *b)
{
	double x = value_to_number(&m->w, a), y = value_to_number(&m->w, b);

	if (op == OP_SUB)
		return value_number(x - y);
	if (op == OP_MUL)
		return value_number(x * y);
	if (op == OP_DIV)
		return value_number(x / y);
	work_spend(&m->w, 4); /* fmod() and pow() take their time */
	return value_number(op == OP_MOD ? fmod(x, y) : expr_power(x, y));
}

static struct value bits(struct machine *m, enum expr_op op, const struct value *a, const struct value *b)
{
	uint32_t x = value_to_uint32(&m->w, a), y = value_to_uint32(&m->w, b);

	if (op == OP_RIGHT_ZERO)
		return value_number(x >> (y & 31));
	if (op == OP_RIGHT)
		return value_number((int32_t)x >> (y & 31)); /* of negative numbers: gcc and clang keep the sign */
	if (op == OP_LEFT)
		return value_number((int32_t)(x << (y & 31)));
	if (op == OP_BIT_AND)
		return value_number((int32_t)(x & y));
	return value_number((int32_t)(op == OP_BIT_OR ? x | y : x ^ y));
}

static struct value in(struct machine *m, const struct node *at, const struct value *a, const struct value *b)
{
	struct str key = value_to_text(&m->w, a);
	uint32_t index;

	if (!value_is_tree(b))
		return expr_fail(m, at->at, "\"in\" looks into lists and objects only");
	if (m->w.fault)
		return value_undefined();
	if (b->type == VALUE_MAP)
		return value_bool(value_member(&m->w, b->map, key) != NULL);
	return value_bool(str_is(key, "length") ||
			  (!str_u32(key, &index) && (key.n == 1 || key.p[0] != '0') && index < b->list->count));
}

static struct value compare(struct machine *m, enum expr_op op, const struct value *a, const struct value *b)
{
	int order = value_compare(&m->w, a, b);

	if (op == OP_LT)
		return value_bool(order == -1);
	if (op == OP_LE)
		return value_bool(order == -1 || order == 0);
	if (op == OP_GT)
		return value_bool(order == 1);
	return value_bool(order == 1 || order == 0);
}

struct value expr_binary(struct machine *m, const struct node *at, const struct value *a, const struct value *b)
{
	switch (at->op) {
	case OP_EQ:
		return value_bool(value_loose_equal(&m->w, a, b));
	case OP_NE:
		return value_bool(!value_loose_equal(&m->w, a, b));
	case OP_SAME:
		return value_bool(value_strict_equal(&m->w, a, b));
	case OP_DIFFERENT:
		return value_bool(!value_strict_equal(&m->w, a, b));
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return compare(m, at->op, a, b);
	case OP_IN:
		return in(m, at, a, b);
	case OP_ADD:
		return add(m, a, b);
	case OP_SUB:
	case OP_MUL:
	case OP_DIV:
	case OP_MOD:
	case OP_POW:
		return arithmetic(m, at->op, a, b);
	case OP_BIT_OR:
	case OP_BIT_XOR:
	case OP_BIT_AND:
	case OP_LEFT:
	case OP_RIGHT:
	case OP_RIGHT_ZERO:
		return bits(m, at->op, a, b);
	case OP_NULLISH:
	case OP_OR:
	case OP_AND:
	case OP_NOT:
	case OP_BIT_NOT:
	case OP_MINUS:
	case OP_PLUS:
	case OP_TYPEOF:
	case OP_VOID:
	case OP_NONE:
		break;
	}
	return value_undefined();
}

/* --- members --- */

/* A list's or text's element; index is a whole number or another name. */
static struct value element(struct machine *m, const struct value *v, double index)
{
	const struct value *items;
	size_t at = (size_t)index, units;

	if (v->type == VALUE_LIST) {
		items = value_items(&m->w, v->list);
		return items && at < v->list->count ? items[at] : value_undefined();
	}
	units = text_units(&m->w, v->text);
	return at < units ? value_string(text_slice(&m->w, v->text, at, at + 1)) : value_undefined();
}

static bool is_method(const struct value *v, struct str name)
{
	const struct method *found[METHOD_KINDS] = { 0 };

	if (!expr_find_methods(found, name))
		return false;
	return (v->type == VALUE_STRING && found[METHOD_STRING]) || (v->type == VALUE_LIST && found[METHOD_LIST]) ||
	       (v->type == VALUE_NUMBER && found[METHOD_NUMBER]) || (v->type == VALUE_BOOL && found[METHOD_BOOL]) ||
	       (v->type == VALUE_MAP && found[METHOD_MAP]);
}

static bool whole_index(struct str name, uint32_t *index)
{
	return name.n && name.n < 10 && (name.p[0] != '0' || name.n == 1) && !str_u32(name, index);
}

struct value expr_member(struct machine *m, const struct node *at, const struct value *v, struct str name)
{
	const struct value *found = v->type == VALUE_MAP ? value_member(&m->w, v->map, name) : NULL;
	uint32_t index;

	if (found)
		return *found;
	if (value_nothing(v) || m->w.fault)
		return value_undefined();
	if (str_is(name, "length") && v->type == VALUE_STRING)
		return value_number((double)text_units(&m->w, v->text));
	if (str_is(name, "length") && v->type == VALUE_LIST)
		return value_number(v->list->count);
	if ((v->type == VALUE_STRING || v->type == VALUE_LIST) && whole_index(name, &index))
		return element(m, v, index);
	work_spend(&m->w, 8); /* all names of methods are looked through */
	if (is_method(v, name) || str_is(name, "constructor") || str_is(name, "__proto__"))
		return expr_fail(m, at->at, "\"%.*s\" is a function, which is no value here", STR_ARG(name));
	return value_undefined();
}

struct value expr_index(struct machine *m, const struct node *at, const struct value *v, const struct value *index)
{
	double i = index->number;

	if ((v->type == VALUE_LIST || v->type == VALUE_STRING) && index->type == VALUE_NUMBER) {
		if (!(i >= 0 && i < 4294967295.0) || i != floor(i))
			return value_undefined();
		return element(m, v, i);
	}
	if (value_nothing(v))
		return value_undefined();
	struct str name = value_to_text(&m->w, index);

	return name.p ? expr_member(m, at, v, name) : value_undefined();
}
