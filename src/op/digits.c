#include "op/digits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct digits {
	enum digits_state state;
	size_t max;
	uint32_t first_ms, next_ms;
	uint64_t deadline; /* [ms], 0 = none */
	char terminator;
	size_t len;
	char text[DIGITS_MAX + 1];
	char terminators[DIGITS_MAX_TERMINATORS + 1];
};

int digits_new(struct digits **out, const struct digits_rules *rules)
{
	size_t n = strlen(rules->terminators);
	struct digits *d;

	if (!rules->max || rules->max > DIGITS_MAX || n > DIGITS_MAX_TERMINATORS)
		return EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return ENOMEM;
	d->max = rules->max;
	d->first_ms = rules->first_ms;
	d->next_ms = rules->next_ms;
	memcpy(d->terminators, rules->terminators, n);
	*out = d;
	return 0;
}

void digits_free(struct digits **d)
{
	free(*d);
	*d = NULL;
}

static enum digits_state finish(struct digits *d, enum digits_state state)
{
	d->state = state;
	d->deadline = 0;
	return state;
}

void digits_listen(struct digits *d, uint64_t now_ms)
{
	if (d->state == DIGITS_OPEN && !d->len && d->first_ms)
		d->deadline = now_ms + d->first_ms;
}

enum digits_state digits_key(struct digits *d, char key, uint64_t now_ms)
{
	/* strchr() finds the closing NUL too, so a NUL key is refused first. */
	if (d->state != DIGITS_OPEN || !key || !strchr("0123456789ABCD*#", key))
		return d->state;
	if (strchr(d->terminators, key)) {
		d->terminator = key;
		return finish(d, DIGITS_TERMINATED);
	}
	d->text[d->len++] = key;
	if (d->len == d->max)
		return finish(d, DIGITS_FULL);
	d->deadline = d->next_ms ? now_ms + d->next_ms : 0;
	return d->state;
}

enum digits_state digits_tick(struct digits *d, uint64_t now_ms)
{
	if (d->deadline && now_ms >= d->deadline)
		return finish(d, DIGITS_TIMEOUT);
	return d->state;
}

uint64_t digits_deadline(const struct digits *d)
{
	return d->deadline;
}

const char *digits_text(const struct digits *d)
{
	return d->text;
}

char digits_terminator(const struct digits *d)
{
	return d->terminator;
}
