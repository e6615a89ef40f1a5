/* clip_ask: who waits for a clip: exactly one answer from the loop, unless he cancels.
 *
 * For sound.c and speech.c, whose objects embed a struct clip_ask as their first member; all of a store are its
 * struct clip_asks. Thread: the loop. */
#ifndef CLIP_ASK_H
#define CLIP_ASK_H

#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"

struct clip;
struct handle_table;

/* clip is borrowed; NULL: why says so, one clause, otherwise it is empty. */
typedef void clip_done_fn(void *arg, struct clip *clip, const char *why);

struct clip_asks {
	struct loop *loop;
	struct handle_table *ids;
	struct list all;
};

struct clip_ask {
	struct clip_asks *of;
	struct list all;
	struct list node; /* the owner's: in whatever it waits for, or alone */
	uint64_t id;
	clip_done_fn *done;
	void *arg;
	struct loop_timer later;
	struct clip *clip;
	const char *why; /* literal */
};

int clip_asks_init(struct clip_asks *of, struct loop *l); /* 0 or ENOMEM */
void clip_asks_done(struct clip_asks *of);                /* none may be left; harmless on zeroed memory */

/* a is from calloc() or malloc() and given away: it is freed with its answer or its end. 0, or ENOMEM and freed. */
int clip_ask_begin(struct clip_asks *of, struct clip_ask *a, clip_done_fn *done, void *arg);
struct clip_ask *clip_ask_of(struct clip_asks *of, uint64_t id); /* NULL = answered, or never there */
struct clip_ask *clip_ask_any(struct clip_asks *of);             /* NULL = none */
/* No answer. */
void clip_ask_end(struct clip_ask *a);
/* The last deed for a: what done() does may change everything. */
void clip_ask_answer(struct clip_ask *a, struct clip *clip, const char *why);
/* The same from the loop. why is a literal. */
void clip_ask_answer_later(struct clip_ask *a, struct clip *clip, const char *why);

#endif
