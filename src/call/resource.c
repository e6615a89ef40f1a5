#include "call/resource.h"

#include <string.h>

int resource_compare(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

static const struct resource *find(const struct resource_table *t, struct str address)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = resource_compare(address, str_of(t->items[middle].address));

		if (!order)
			return &t->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct resource *resource_find(const struct resource_table *t, struct str address)
{
	static const char public[] = "/public";
	char whole[256];
	struct str path = { NULL, 0 };

	str_split(&address, '?', &path);
	if (!path.n || str_chr(str_from(path, 1), '/') >= 0)
		return find(t, path);
	if (path.n + sizeof(public) > sizeof(whole))
		return NULL;
	memcpy(whole, public, sizeof(public) - 1);
	memcpy(whole + sizeof(public) - 1, path.p, path.n);
	return find(t, (struct str){ whole, sizeof(public) - 1 + path.n });
}

const struct resource *resource_subscriber(const struct resource_table *t, struct str name)
{
	size_t low = 0, high = t->subscriber_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = resource_compare(name, str_of(t->subscribers[middle]->name));

		if (!order)
			return t->subscribers[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
