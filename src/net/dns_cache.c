#include "net/dns_cache.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/map.h"

enum { MAX_KEPT = 1024, MAX_KEY = 280 };

struct kept {
	struct list node; /* oldest first */
	uint64_t until_ms;
	struct dns_answer answer;
	size_t key_len;
	char key[];
};

struct dns_cache {
	struct loop *loop;
	struct list kept;
	struct map *map;
};

int dns_cache_new(struct dns_cache **out, struct loop *l)
{
	struct dns_cache *c = calloc(1, sizeof(*c));
	int err = c ? map_new(&c->map, loop_random(l)) : ENOMEM;

	if (err) {
		free(c);
		return err;
	}
	c->loop = l;
	list_init(&c->kept);
	*out = c;
	return 0;
}

static void forget(struct dns_cache *c, struct kept *e)
{
	map_take(c->map, (struct str){ e->key, e->key_len });
	list_remove(&e->node);
	free(e);
}

void dns_cache_free(struct dns_cache **cp)
{
	struct dns_cache *c = *cp;
	struct list *n;

	if (!c)
		return;
	while ((n = list_first(&c->kept)))
		forget(c, LIST_ITEM(n, struct kept, node));
	map_free(&c->map);
	free(c);
	*cp = NULL;
}

/* All that an answer depends on. */
static struct str key_of(const struct dns_query *q, char out[MAX_KEY])
{
	int n = snprintf(out, MAX_KEY, "%d:%u:%u:%.*s", (int)q->kind, q->kinds, q->port, STR_ARG(q->host));

	for (int i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return (struct str){ out, (size_t)n };
}

bool dns_cache_get(struct dns_cache *c, const struct dns_query *q, struct dns_answer *out)
{
	char text[MAX_KEY];
	struct kept *e = map_get(c->map, key_of(q, text));

	if (!e)
		return false;
	if (e->until_ms <= loop_now_ms(c->loop)) {
		forget(c, e);
		return false;
	}
	*out = e->answer;
	return true;
}

void dns_cache_put(struct dns_cache *c, const struct dns_query *q, const struct dns_answer *a, uint32_t life_s)
{
	char text[MAX_KEY];
	struct str key = key_of(q, text);
	struct kept *e = map_get(c->map, key);

	if (e)
		forget(c, e); /* another look-up was first */
	if (map_count(c->map) >= MAX_KEPT)
		forget(c, LIST_ITEM(list_first(&c->kept), struct kept, node));
	e = calloc(1, sizeof(*e) + key.n);
	if (!e)
		return;
	memcpy(e->key, key.p, key.n);
	e->key_len = key.n;
	e->answer = *a;
	e->until_ms = loop_now_ms(c->loop) + 1000 * (uint64_t)life_s;
	if (map_put(c->map, key, e))
		free(e);
	else
		list_append(&c->kept, &e->node);
}
