/* Finds methods and functions by their names. */
#include "dialect/expr_impl.h"

enum { MAX_NAMES = 128 };

/* Of which type the methods of each table are. */
static const struct {
	const struct method *methods;
	enum method_kind kind;
} method_tables[] = {
	{ expr_string_methods, METHOD_STRING }, { expr_search_methods, METHOD_STRING },
	{ expr_list_methods, METHOD_LIST },     { expr_each_methods, METHOD_LIST },
	{ expr_number_methods, METHOD_NUMBER }, { expr_bool_methods, METHOD_BOOL },
	{ expr_map_methods, METHOD_MAP },
};

static const struct global *const global_tables[] = { expr_math_globals, expr_json_globals, expr_uri_globals,
						      expr_object_globals };

bool expr_find_methods(const struct method *found[METHOD_KINDS], struct str name)
{
	bool any = false;

	for (size_t t = 0; t < ARRAY_LEN(method_tables); t++)
		for (const struct method *m = method_tables[t].methods; m->name.p; m++)
			if (str_eq(m->name, name)) {
				found[method_tables[t].kind] = m;
				any = true;
			}
	return any;
}

const struct global *expr_find_global(struct str space, struct str name)
{
	for (size_t t = 0; t < ARRAY_LEN(global_tables); t++)
		for (const struct global *g = global_tables[t]; g->name.p; g++)
			if (str_eq(g->name, name) && str_eq(g->space, space))
				return g;
	return NULL;
}

bool expr_is_space(struct str name)
{
	static const struct str spaces[] = { STR("Math"),  STR("JSON"),   STR("Number"), STR("Object"),
					     STR("Array"), STR("String"), STR("Date") };

	for (size_t i = 0; i < ARRAY_LEN(spaces); i++)
		if (str_eq(name, spaces[i]))
			return true;
	return false;
}

const char *expr_nearest_method(struct str name)
{
	const char *names[MAX_NAMES];
	size_t n = 0;

	for (size_t t = 0; t < ARRAY_LEN(method_tables); t++)
		for (const struct method *m = method_tables[t].methods; m->name.p && n < MAX_NAMES; m++)
			names[n++] = m->name.p;
	return str_nearest(name, names, n);
}

const char *expr_nearest_global(struct str space, struct str name)
{
	const char *names[MAX_NAMES];
	size_t n = 0;

	for (size_t t = 0; t < ARRAY_LEN(global_tables); t++)
		for (const struct global *g = global_tables[t]; g->name.p && n < MAX_NAMES; g++)
			if (str_eq(g->space, space))
				names[n++] = g->name.p;
	return str_nearest(name, names, n);
}
