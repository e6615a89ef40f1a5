/* Math, Number, parseInt and the rest of the numbers. Source: ECMA-262 §19.2, §21.1, §21.3. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "dialect/expr_impl.h"
#include "dialect/expr_number.h"
#include "dialect/expr_text.h"

static double sign(double n)
{
	return isnan(n) || n == 0 ? n : n > 0 ? 1 : -1;
}

/* Halves go up, -0.5 to -0. */
static double round_up(double n)
{
	double whole = floor(n);

	return isfinite(n) && n - whole >= 0.5 ? copysign(whole + 1, n) : whole;
}

static double to_float(double n)
{
	return (double)(float)n;
}

static double number(struct machine *m, const struct args *args, size_t i)
{
	return value_to_number(&m->w, expr_arg(args, i));
}

static struct value power(struct machine *m, const struct args *args)
{
	work_spend(&m->w, 4);
	return value_number(expr_power(number(m, args, 0), number(m, args, 1)));
}

static struct value arc(struct machine *m, const struct args *args)
{
	work_spend(&m->w, 4);
	return value_number(atan2(number(m, args, 0), number(m, args, 1)));
}

static struct value multiply(struct machine *m, const struct args *args)
{
	return value_number(
		(int32_t)(value_to_uint32(&m->w, expr_arg(args, 0)) * value_to_uint32(&m->w, expr_arg(args, 1))));
}

static struct value leading_zeros(struct machine *m, const struct args *args)
{
	uint32_t n = value_to_uint32(&m->w, expr_arg(args, 0));

	return value_number(n ? __builtin_clz(n) : 32);
}

/* The largest with sign 1, the smallest with -1. */
static struct value extreme(struct machine *m, const struct args *args, double sign)
{
	double best = -INFINITY;

	for (size_t i = 0; i < args->n && work_spend(&m->w, 1); i++) {
		double n = sign * number(m, args, i);

		if (isnan(n) || isnan(best))
			best = NAN;
		else if (n > best || (n == 0 && best == 0 && !signbit(n)))
			best = n;
	}
	return value_number(sign * best);
}

static struct value max(struct machine *m, const struct args *args)
{
	return extreme(m, args, 1);
}

static struct value min(struct machine *m, const struct args *args)
{
	return extreme(m, args, -1);
}

static struct value length(struct machine *m, const struct args *args)
{
	double sum = 0;

	for (size_t i = 0; i < args->n && work_spend(&m->w, 2); i++)
		sum = hypot(sum, number(m, args, i));
	return value_number(sum);
}

static struct value random_number(struct machine *m, const struct args *args)
{
	if (!m->scope || !m->scope->random)
		return expr_fail(m, args->at, "there are no random numbers here");
	return value_number((double)(m->scope->random(m->scope->arg) >> 11) / 9007199254740992.0);
}

static struct value now(struct machine *m, const struct args *args)
{
	if (!m->scope || !m->scope->wall_ms)
		return expr_fail(m, args->at, "there is no clock here");
	return value_number((double)m->scope->wall_ms(m->scope->arg));
}

/* --- texts into numbers --- */

/* The number that s begins with; radix 0 = 10, or 16 behind 0x. */
static double digits_number(struct machine *m, struct str s, uint32_t radix)
{
	bool hex = s.n > 1 && s.p[0] == '0' && (s.p[1] == 'x' || s.p[1] == 'X') && (!radix || radix == 16);
	double value = NAN;
	size_t n = 0;

	s = str_from(s, hex ? 2 : 0);
	radix = hex ? 16 : radix ? radix : 10;
	if (radix < 2 || radix > 36)
		return NAN;
	while (n < s.n && number_digit(s.p[n]) >= 0 && (uint32_t)number_digit(s.p[n]) < radix)
		n++;
	if (radix != 10)
		return number_of_digits(str_head(s, n), radix);
	number_decimal(&m->w, str_head(s, n), &value);
	return value;
}

static struct value parse_int(struct machine *m, const struct args *args)
{
	struct str s = value_to_text(&m->w, expr_arg(args, 0));
	uint32_t radix = value_to_uint32(&m->w, expr_arg(args, 1));
	bool negative;

	if (m->w.fault || !work_spend(&m->w, s.n / 8))
		return value_undefined();
	s = text_trim(s, true, false);
	negative = s.n && s.p[0] == '-';
	s = str_from(s, s.n && (s.p[0] == '-' || s.p[0] == '+'));
	return value_number(negative ? -digits_number(m, s, radix) : digits_number(m, s, radix));
}

static struct value parse_float(struct machine *m, const struct args *args)
{
	struct str s = value_to_text(&m->w, expr_arg(args, 0));
	double value = NAN;

	if (m->w.fault || !work_scan(&m->w, s.n))
		return value_undefined();
	s = text_trim(s, true, false);
	if (str_starts(s, "Infinity") || str_starts(s, "+Infinity"))
		return value_number(INFINITY);
	if (str_starts(s, "-Infinity"))
		return value_number(-INFINITY);
	number_decimal(&m->w, s, &value);
	return value_number(value);
}

static struct value to_number(struct machine *m, const struct args *args)
{
	return value_number(args->n ? number(m, args, 0) : 0);
}

static struct value is_nan(struct machine *m, const struct args *args)
{
	return value_bool(isnan(number(m, args, 0)));
}

static struct value is_finite(struct machine *m, const struct args *args)
{
	return value_bool(isfinite(number(m, args, 0)));
}

/* The same of numbers only. */
static bool finite_number(const struct value *v)
{
	return v->type == VALUE_NUMBER && isfinite(v->number);
}

static struct value number_is_nan(struct machine *m, const struct args *args)
{
	const struct value *v = expr_arg(args, 0);

	return value_bool(v->type == VALUE_NUMBER && isnan(v->number));
}

static struct value number_is_finite(struct machine *m, const struct args *args)
{
	return value_bool(finite_number(expr_arg(args, 0)));
}

static struct value is_integer(struct machine *m, const struct args *args)
{
	const struct value *v = expr_arg(args, 0);

	return value_bool(finite_number(v) && v->number == floor(v->number));
}

static struct value is_safe(struct machine *m, const struct args *args)
{
	const struct value *v = expr_arg(args, 0);

	return value_bool(finite_number(v) && v->number == floor(v->number) && fabs(v->number) <= 9007199254740991.0);
}

/* --- numbers into texts --- */

static struct value text(struct str s)
{
	return s.p ? value_string(s) : value_undefined();
}

static struct value plain(struct machine *m, const struct value *self)
{
	struct value v = value_number(self->number); /* not as the document has it written */

	return text(value_to_text(&m->w, &v));
}

/* False: the error is said. */
static bool digits(struct machine *m, const struct args *args, double least, double most, double *out)
{
	*out = value_to_integer(&m->w, expr_arg(args, 0));
	if (*out < least || *out > most)
		expr_fail(m, args->at, "a number between %g and %g is expected here", least, most);
	return !m->w.fault;
}

static struct value to_fixed(struct machine *m, const struct value *self, const struct args *args)
{
	double n;

	if (!digits(m, args, 0, 100, &n))
		return value_undefined();
	if (!(fabs(self->number) < 1e21))
		return plain(m, self);
	return text(number_fixed(&m->w, self->number, (unsigned)n));
}

static struct value to_precision(struct machine *m, const struct value *self, const struct args *args)
{
	double n;

	if (expr_arg(args, 0)->type == VALUE_UNDEFINED || !isfinite(self->number))
		return plain(m, self);
	if (!digits(m, args, 1, 100, &n))
		return value_undefined();
	return text(number_precision(&m->w, self->number, (unsigned)n));
}

static struct value to_exponential(struct machine *m, const struct value *self, const struct args *args)
{
	bool all = expr_arg(args, 0)->type == VALUE_UNDEFINED;
	double n;

	if (!isfinite(self->number))
		return plain(m, self);
	if (!digits(m, args, 0, 100, &n))
		return value_undefined();
	return text(number_exponential(&m->w, self->number, all ? -1 : (int)n));
}

static struct value number_to_string(struct machine *m, const struct value *self, const struct args *args)
{
	double radix = 10;

	if (expr_arg(args, 0)->type != VALUE_UNDEFINED && !digits(m, args, 2, 36, &radix))
		return value_undefined();
	if (!args->n)
		return text(value_to_text(&m->w, self));
	if (radix == 10 || !isfinite(self->number))
		return plain(m, self);
	return text(number_radix_text(&m->w, self->number, (unsigned)radix));
}

static struct value to_text(struct machine *m, const struct value *self, const struct args *args)
{
	return text(value_to_text(&m->w, self));
}

static struct value itself(struct machine *m, const struct value *self, const struct args *args)
{
	return *self;
}

const struct method expr_number_methods[] = {
	{ STR("toExponential"), to_exponential, false },
	{ STR("toFixed"), to_fixed, false },
	{ STR("toPrecision"), to_precision, false },
	{ STR("toString"), number_to_string, false },
	{ STR("valueOf"), itself, false },
	{ { 0 }, NULL, false },
};

const struct method expr_bool_methods[] = {
	{ STR("toString"), to_text, false },
	{ STR("valueOf"), itself, false },
	{ { 0 }, NULL, false },
};

#define PLAIN(name, fn)                                                                                                \
	{                                                                                                              \
		{ 0 }, STR(name), fn, NULL, false, 0, false                                                            \
	}
#define MATH(name, fn)                                                                                                 \
	{                                                                                                              \
		STR("Math"), STR(name), NULL, fn, false, 0, false                                                      \
	}
#define MATH_MANY(name, fn)                                                                                            \
	{                                                                                                              \
		STR("Math"), STR(name), fn, NULL, false, 0, false                                                      \
	}
#define NUMBER(name, fn)                                                                                               \
	{                                                                                                              \
		STR("Number"), STR(name), fn, NULL, false, 0, false                                                    \
	}
#define CONSTANT(space, name, n)                                                                                       \
	{                                                                                                              \
		STR(space), STR(name), NULL, NULL, true, n, false                                                      \
	}

const struct global expr_math_globals[] = {
	PLAIN("parseInt", parse_int),
	PLAIN("parseFloat", parse_float),
	PLAIN("isNaN", is_nan),
	PLAIN("isFinite", is_finite),
	PLAIN("Number", to_number),
	MATH("abs", fabs),
	MATH("acos", acos),
	MATH("acosh", acosh),
	MATH("asin", asin),
	MATH("asinh", asinh),
	MATH("atan", atan),
	MATH("atanh", atanh),
	MATH("cbrt", cbrt),
	MATH("ceil", ceil),
	MATH("cos", cos),
	MATH("cosh", cosh),
	MATH("exp", exp),
	MATH("expm1", expm1),
	MATH("floor", floor),
	MATH("fround", to_float),
	MATH("log", log),
	MATH("log10", log10),
	MATH("log1p", log1p),
	MATH("log2", log2),
	MATH("round", round_up),
	MATH("sign", sign),
	MATH("sin", sin),
	MATH("sinh", sinh),
	MATH("sqrt", sqrt),
	MATH("tan", tan),
	MATH("tanh", tanh),
	MATH("trunc", trunc),
	MATH_MANY("atan2", arc),
	MATH_MANY("clz32", leading_zeros),
	MATH_MANY("hypot", length),
	MATH_MANY("imul", multiply),
	MATH_MANY("max", max),
	MATH_MANY("min", min),
	MATH_MANY("pow", power),
	MATH_MANY("random", random_number),
	CONSTANT("Math", "E", M_E),
	CONSTANT("Math", "LN10", M_LN10),
	CONSTANT("Math", "LN2", M_LN2),
	CONSTANT("Math", "LOG10E", M_LOG10E),
	CONSTANT("Math", "LOG2E", M_LOG2E),
	CONSTANT("Math", "PI", M_PI),
	CONSTANT("Math", "SQRT1_2", M_SQRT1_2),
	CONSTANT("Math", "SQRT2", M_SQRT2),
	NUMBER("isFinite", number_is_finite),
	NUMBER("isInteger", is_integer),
	NUMBER("isNaN", number_is_nan),
	NUMBER("isSafeInteger", is_safe),
	NUMBER("parseFloat", parse_float),
	NUMBER("parseInt", parse_int),
	CONSTANT("Number", "EPSILON", DBL_EPSILON),
	CONSTANT("Number", "MAX_SAFE_INTEGER", 9007199254740991.0),
	CONSTANT("Number", "MAX_VALUE", DBL_MAX),
	CONSTANT("Number", "MIN_SAFE_INTEGER", -9007199254740991.0),
	CONSTANT("Number", "MIN_VALUE", 5e-324),
	CONSTANT("Number", "NEGATIVE_INFINITY", -INFINITY),
	CONSTANT("Number", "NaN", NAN),
	CONSTANT("Number", "POSITIVE_INFINITY", INFINITY),
	{ STR("Date"), STR("now"), now, NULL, false, 0, false },
	{ { 0 }, { 0 }, NULL, NULL, false, 0, false },
};
