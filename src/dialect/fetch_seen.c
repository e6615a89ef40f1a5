#include "dialect/fetch_seen.h"

#include <stdlib.h>
#include <string.h>

#include "dialect/fetch.h"

static void clear(struct seen_entry *e)
{
	document_drop(e->document);
	free(e->location);
	free(e->text);
	*e = (struct seen_entry){ .document = NULL };
}

static struct seen_entry *find(struct fetch_seen *s, const char *location)
{
	for (size_t i = 0; i < SEEN_ENTRIES; i++)
		if (s->entries[i].document && !strcmp(s->entries[i].location, location))
			return &s->entries[i];
	return NULL;
}

struct document *fetch_seen_get(struct fetch_seen *s, const char *location, struct str text)
{
	struct seen_entry *e = find(s, location);

	if (!e || e->n != text.n || memcmp(e->text, text.p, text.n) != 0)
		return NULL;
	e->used = ++s->uses;
	return document_use(e->document);
}

void fetch_seen_put(struct fetch_seen *s, const char *location, struct str text, struct document *d)
{
	struct seen_entry *e = find(s, location);

	if (text.n > SEEN_BYTES)
		return;
	for (size_t i = 0; !e && i < SEEN_ENTRIES; i++)
		if (!s->entries[i].document)
			e = &s->entries[i];
	if (!e) {
		e = &s->entries[0];
		for (size_t i = 1; i < SEEN_ENTRIES; i++)
			if (s->entries[i].used < e->used)
				e = &s->entries[i];
	}
	clear(e);
	e->location = str_heap(str_of(location));
	e->text = str_heap(text);
	e->n = text.n;
	if (e->location && e->text) {
		e->document = document_use(d);
		e->used = ++s->uses;
	} else {
		clear(e);
	}
}

void fetch_seen_clear(struct fetch_seen *s)
{
	for (size_t i = 0; i < SEEN_ENTRIES; i++)
		clear(&s->entries[i]);
}
