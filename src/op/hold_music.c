#include "op/hold_music.h"

#include <stdlib.h>

#include "base/util.h"
#include "call/calls.h"
#include "op/ringback.h"

struct side {
	struct hold_music *owner;
	struct call *call; /* NULL = gone */
	struct call_watch watch;
	struct ringback *music; /* what it hears of ours, NULL = nothing */
};

struct hold_music {
	struct side sides[2];
	struct sounds *sounds;
};

static bool needs_music(const struct side *s, const struct side *peer)
{
	return s->call && peer->call && call_holds(peer->call) && !call_holds(s->call);
}

static void begin(struct side *s)
{
	const char *const *uris = calls_hold_music(call_owner(s->call));
	size_t count = 0;

	while (uris && uris[count])
		count++;
	if (count && !s->music)
		ringback_hold(&s->music, s->call, s->owner->sounds, uris, count);
}

static void look(struct hold_music *h)
{
	for (size_t i = 0; i < ARRAY_LEN(h->sides); i++) {
		if (needs_music(&h->sides[i], &h->sides[!i]))
			begin(&h->sides[i]);
		else
			ringback_stop(&h->sides[i].music);
	}
}

static void held(void *arg, struct call *c, bool on)
{
	look(((struct side *)arg)->owner);
}

static void closed(void *arg, struct call *c)
{
	struct side *s = arg;

	call_unwatch(&s->watch);
	s->call = NULL;
	look(s->owner);
}

static void reoffered(void *arg, struct call *c, int status)
{
}

static const struct call_watcher watcher = { .closed = closed, .reoffered = reoffered, .held = held };

void hold_music_start(struct hold_music **out, struct call *a, struct call *b, struct sounds *s)
{
	struct hold_music *h = calloc(1, sizeof(*h));

	if (!h)
		return;
	h->sounds = s;
	h->sides[0].call = a;
	h->sides[1].call = b;
	for (size_t i = 0; i < ARRAY_LEN(h->sides); i++) {
		h->sides[i].owner = h;
		call_watch(h->sides[i].call, &h->sides[i].watch, &watcher, &h->sides[i]);
	}
	look(h);
	*out = h;
}

void hold_music_stop(struct hold_music **music)
{
	struct hold_music *h = *music;

	if (!h)
		return;
	*music = NULL;
	for (size_t i = 0; i < ARRAY_LEN(h->sides); i++) {
		call_unwatch(&h->sides[i].watch);
		ringback_stop(&h->sides[i].music);
	}
	free(h);
}
