/* worker: one media thread; owns the sockets of its ports, relays packets on arrival, and codes what must be made.
 *
 * For port.c only. Commands come in a queue and name ports by number (one number, one open port); what happens goes
 * out in a queue of the signal side. A relayed packet is received into the worker's one buffer, checked, its
 * payload type rewritten, and sent on: nothing is allocated, logged or kept. No batching of these: one socket a stream
 * never finds a second packet. What is only decoded is read by ticks, and what a tick makes is sent together. A port decodes only while somebody needs it: its peer speaks another codec,
 * something is played there, a sink listens.
 * Thread: worker_send() that of the signal side; the ports themselves belong to the worker's loop. */
#ifndef WORKER_H
#define WORKER_H

#include "media/port.h"

struct loop;
struct mq;
struct secure_pair;
struct worker;
struct worker_port; /* a port's half in the worker */

enum worker_verb {
	WORKER_OPEN,
	WORKER_AGREE,
	WORKER_JOIN,
	WORKER_FEED, /* from port to other */
	WORKER_PART,
	WORKER_PLAY,
	WORKER_CONTROL,
	WORKER_ATTACH,
	WORKER_DETACH,
	WORKER_EXPECT, /* that something comes */
	WORKER_KEYS,   /* send them */
	WORKER_PRESS,  /* the party did, by other means than RTP */
	WORKER_WATCH,  /* keys that are tones in the audio */
	WORKER_DENOISE,
	WORKER_CLOSE,
	WORKER_MOVE,   /* part it and give it away by WORKER_MOVED; on the place of its WORKER_CLOSE here */
	WORKER_ARRIVE, /* it comes from another worker; on the place of its WORKER_OPEN here */
	WORKER_STOP,
};

struct worker_play {
	uint32_t id;
	float gain;
	bool fills;            /* the silence of the peer only */
	struct source *source; /* given away */
};

struct worker_control {
	uint32_t id;
	enum port_control verb;
	float gain; /* PORT_GAIN */
};

struct worker_command {
	enum worker_verb verb;
	uint32_t port, other; /* DETACH: other is the id */
	union {
		struct worker_port *opened; /* OPEN, ARRIVE: given away */
		struct {                    /* AGREE */
			struct media_agreed media;
			struct secure_pair *keys; /* given away; NULL although secured: nothing may pass */
			bool secured;
		} agree;
		struct worker_play play;
		struct worker_control control;
		struct { /* ATTACH: given away until DETACHED */
			uint32_t id;
			struct sink *sink;
		} attach;
		struct { /* KEYS: ends in PLAYED; text on the heap, given away */
			uint32_t id;
			char *text;
		} keys;
		char key;            /* PRESS */
		bool on;             /* WATCH, DENOISE */
		uint32_t silence_ms; /* EXPECT */
	};
};

enum worker_news {
	WORKER_HEARD,
	WORKER_PLAYED,
	WORKER_DETACHED,
	WORKER_SINK_NEWS,
	WORKER_SILENCE,
	WORKER_KEY,
	WORKER_MOVED,
	WORKER_CLOSED
};

struct worker_event {
	enum worker_news news;
	uint32_t port;
	bool heard; /* CLOSED: HEARD went before */
	int fds[2]; /* CLOSED: RTP, RTCP: given back, unless it had none */
	union {
		struct addr from;            /* HEARD */
		char key;                    /* KEY: sent without a place, lost when the queue is full */
		struct port_silence silence; /* SILENCE: sent without a place, again when the queue was full */
		struct port_stats stats;     /* CLOSED */
		struct worker_port *moved;   /* MOVED: for WORKER_ARRIVE */
		struct {                     /* PLAYED */
			uint32_t id;
			enum port_played how;
		} played;
		struct { /* DETACHED */
			uint32_t id;
			struct sink *sink;
		} detached;
		struct { /* SINK_NEWS: sent without a place, again when the queue was full */
			uint32_t id;
			unsigned what;
		} sink_news;
	};
};

/* Places in events that an open port uses, WORKER_CLOSED always. Each PLAY, ATTACH and MOVE has one of its own. */
enum { WORKER_EVENTS = 2 };

struct worker_opts {
	struct loop *loop;  /* live on this loop; NULL = on a thread of its own */
	struct loop *from;  /* of those who call worker_send() */
	struct mq *events;  /* of struct worker_event; WORKER_EVENTS places reserved per port */
	uint32_t max_ports; /* port numbers are smaller */
	uint32_t latch_ms;
};

/* 0 or errno. */
int worker_new(struct worker **out, const struct worker_opts *opts);
/* All ports must be closed. Ends the thread. *w may be NULL. */
void worker_free(struct worker **w);

/* The half to give away with WORKER_OPEN; it owns the sockets from then on. NULL = no memory. */
struct worker_port *worker_port_new(int rtp_fd, int rtcp_fd);
void worker_port_free(struct worker_port **p); /* when it was not given away; sockets stay */
/* Two halves that are each other's far end, and have no sockets; to be given away one behind the other. 0 or ENOMEM. */
int worker_port_new_pair(struct worker_port *out[2]);

/* Wipes them. *k may be NULL. */
void worker_keys_free(struct secure_pair **k);

/* Keep the places of a port's WORKER_OPEN (or ARRIVE) and WORKER_CLOSE (or MOVE), which then cannot fail. 0 or ENOMEM. */
int worker_reserve(struct worker *w);
void worker_unreserve(struct worker *w); /* neither was sent */
/* 0, or ENOMEM for the verbs without a place. */
int worker_send(struct worker *w, const struct worker_command *command);
/* Keep the place of one command more, and send on it what has no place by itself. 0 or ENOMEM; then it cannot fail. */
int worker_reserve_one(struct worker *w);
void worker_send_reserved(struct worker *w, const struct worker_command *command);

#endif
