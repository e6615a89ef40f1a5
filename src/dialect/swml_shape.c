/* What is inside a parameter: the items of a list, the members of an object, and alternatives. */
#include <errno.h>
#include <stdio.h>

#include "dialect/swml.h"

static bool item_ok(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	struct swml_param item = *p;
	char name[48];

	snprintf(name, sizeof(name), "what is in %s", p->name);
	item.name = name;
	item.types = p->each;
	if (d->type == DOC_NULL || !p->each)
		return true;
	if (swml_is_scalar(d))
		return swml_scalar_ok(&item, d, r);
	if (d->type == DOC_LIST ? p->each & SWML_LIST : p->each & SWML_MAP)
		return d->type == DOC_LIST || !p->inside || !swml_args_check(d, p->inside, r);
	swml_error(r, "method_parameter_invalid_value", d, "%s does not hold a %s", p->name, doc_type_name(d->type));
	return false;
}

bool swml_inside_ok(const struct swml_param *p, const struct doc *d, struct swml_report *r)
{
	bool ok = true;

	if (d->type == DOC_MAP)
		return !p->inside || !swml_args_check(d, p->inside, r);
	if (p->filled && !d->count) {
		swml_error(r, "method_parameter_invalid_value", d, "%s is a list that is not empty", p->name);
		return false;
	}
	for (const struct doc *c = d->child; c; c = c->next)
		ok = item_ok(p, c, r) && ok;
	return ok;
}

/* The names of the alternatives, with commas. */
static void name_choice(char *out, size_t size, const struct swml_param *params)
{
	size_t len = 0;

	for (const struct swml_param *p = params; p->name && len < size; p++)
		if (p->choice != SWML_FREE)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", p->name);
}

bool swml_choice_ok(const struct doc *args, const struct swml_param *params, struct swml_report *r)
{
	enum swml_choice choice = SWML_FREE;
	const struct doc *second = NULL;
	unsigned given = 0;
	char names[160] = "";

	for (const struct swml_param *p = params; p->name; p++) {
		const struct doc *d = p->choice != SWML_FREE ? swml_arg(args, p->name) : NULL;

		if (p->choice != SWML_FREE)
			choice = p->choice;
		if (d && given++ && !second)
			second = d;
	}
	name_choice(names, sizeof(names), params);
	if (!given && (choice == SWML_EXACTLY_ONE || choice == SWML_ONE_AT_LEAST)) {
		swml_error(r, "method_parameter_missing", args, "one of these is missing: %s", names);
		return false;
	}
	if (second && choice != SWML_ONE_AT_LEAST) {
		swml_error(r, "method_parameter_conflict", second, "only one of these can be: %s", names);
		return false;
	}
	return true;
}
