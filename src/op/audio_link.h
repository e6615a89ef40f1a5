/* audio_link: what tap and stream have in common: the audio of a call on its way to an address of somebody else.
 *
 * Looks the host up, judges it, opens a WebSocket where there is to be one, listens to the party, and ends exactly once:
 * stopped, with the call, or with the WebSocket. Embedded first in its op, which says what goes over it and tells of it.
 * Thread: signal. */
#ifndef AUDIO_LINK_H
#define AUDIO_LINK_H

#include "base/loop.h"
#include "call/call_media.h"
#include "net/reach.h"
#include "net/url.h"
#include "net/ws_client.h"
#include "op/op_background.h"
#include "op/op_impl.h"

struct arena;
struct audio_link;
struct tap_env;

struct audio_link_ops {
	const char *kind; /* "tap" */
	/* Its first address is known: make what the audio goes through, by WebSocket k->feed too. 0 or an errno. */
	int (*make)(struct audio_link *k, const struct addr *to);
	/* The WebSocket is open: say what comes before the audio. 0 or an errno. */
	int (*greet)(struct audio_link *k);
	struct sink *(*lend)(struct audio_link *k);
	void (*stands)(struct audio_link *k);
	/* No more audio; the WebSocket, if there is one, still takes the last messages. Also when nothing was made. */
	void (*close)(struct audio_link *k);
	void (*tell_end)(struct audio_link *k); /* its terminal event */
	void (*free)(struct audio_link *k);
};

enum audio_link_state { LINK_NEW, LINK_REACHES, LINK_CONNECTS, LINK_RUNS, LINK_STOPS };

struct audio_link {
	struct op op;
	const struct audio_link_ops *ops;
	/* The owner's, before the start; what they point to lives in the arena. */
	struct arena *arena;
	const struct tap_env *env;
	struct url url;
	bool by_ws;
	const char *bearer;               /* NULL = none */
	const char *bare;                 /* the URL without user and password */
	const char *call_id, *control_id; /* audio_link_name() */
	struct ws_feed *feed;             /* make() */
	/* Its own. */
	enum audio_link_state state;
	struct call *call;
	struct background background;
	struct call_watch watch;
	struct call_listening listening;
	struct loop_timer later;
	uint64_t due_ms; /* loop time: until when it has to stand */
	struct reach reach;
	uint64_t ws; /* 0 = none */
	char made_id[37];
};

/* Fills in call_id and control_id: copies, or a new one for NULL. 0 or ENOMEM. */
int audio_link_name(struct audio_link *k, const struct call *c, const char *control_id);
/* Nothing is told inside of it. */
void audio_link_start(struct audio_link *k, struct call *c);

#endif
