/* A port whose far end is another port of this worker: no sockets, no codec, 20 ms of linear audio at a time. It always meets the
 * decoding path. What one says waits in the other's inbox until that is served; who does not listen lets it spill. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker_impl.h"

/* Two ticks of one worker: one frame waits, and a second one while the two change their turns. */
enum { INBOX = 2, RATE_HZ = 16000, FRAME = RATE_HZ / 50 };

struct local_end {
	struct worker_port *far; /* NULL = closed */
	unsigned first, count;
	int16_t inbox[INBOX][FRAME];
};

static struct worker_port *half(void)
{
	struct worker_port *p = worker_port_new(-1, -1);

	if (!p)
		return NULL;
	p->local = calloc(1, sizeof(*p->local));
	if (!p->local)
		worker_port_free(&p);
	return p;
}

int worker_port_new_pair(struct worker_port *out[2])
{
	struct worker_port *a = half(), *b = a ? half() : NULL;

	if (!b) {
		if (a)
			free(a->local);
		free(a);
		return ENOMEM;
	}
	for (int i = 0; i < 2; i++) {
		struct worker_port *p = i ? b : a;

		p->local->far = i ? a : b;
		p->codec = CODEC_L16;
		p->event_clock_hz = RATE_HZ;
		p->may_send = p->may_listen = true;
		out[i] = p;
	}
	return 0;
}

bool local_hear(struct worker_port *p, int16_t *said, size_t count)
{
	struct local_end *l = p->local;

	if (!l->count) {
		memset(said, 0, count * sizeof(*said));
		return false;
	}
	memcpy(said, l->inbox[l->first], count * sizeof(*said));
	l->first = (l->first + 1) % INBOX;
	l->count--;
	return true;
}

void local_forget(struct worker_port *p)
{
	p->local->count = 0;
}

/* A full inbox loses its oldest frame. */
void local_say(struct worker_port *p, const int16_t *heard, size_t count)
{
	struct local_end *l = p->local->far ? p->local->far->local : NULL;

	p->out.timestamp += (uint32_t)count; /* keys go by it */
	if (!l || !heard)
		return;
	if (l->count == INBOX)
		l->first = (l->first + 1) % INBOX;
	else
		l->count++;
	memcpy(l->inbox[(l->first + l->count - 1) % INBOX], heard, count * sizeof(*heard));
}

void local_press(struct worker_port *p, char key)
{
	struct worker_port *far = p->local->far;

	if (!far)
		return;
	far->keys.way = KEY_WAY_SIGNALLED; /* whatever was taken for a tone before */
	keys_press(far, key);
}

void local_close(struct worker_port *p)
{
	if (p->local->far)
		p->local->far->local->far = NULL;
	free(p->local);
	p->local = NULL;
}
