/* fake_talk: whole calls on virtual time between a server of ours and two phones that write down what they hear, 20 ms at a time.
 * SIP goes over a network in memory, RTP over real sockets, sounds by URL come from a fake web server.
 *
 * Phone a calls; b does what its fields say when it is called. Thread: the loop's. */
#ifndef FAKE_TALK_H
#define FAKE_TALK_H

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_http.h"
#include "fake_world.h"
#include "media/coder.h"
#include "net/http_client.h"
#include "op/op.h"
#include "op/recognize.h"
#include "op/sound.h"

enum { TALK_FRAME_MS = 20, TALK_FRAME = 160, TALK_MAX_FRAMES = 3000, TALK_MAX_LOG = 600, TALK_RTP_PORT = 26000 };

/* What a caller hears who is held: without a pause, so that it can be told from whoever speaks. */
#define TALK_MUSIC_HZ 425

/* In a connect: the other phone. */
#define TO_B "to: 'sip:b@10.0.0.3;transport=udp'"

struct talk;

/* A phone. */
struct talker {
	struct talk *world;
	struct sip_stack *stack;
	struct sip_session *session; /* NULL = over, or not yet */
	unsigned last;               /* of 10.0.0.x */
	char sdp[300];
	int fd;
	struct addr at, server; /* RTP; server: family 0 = nothing agreed */
	struct decoder *decoder;
	struct encoder *encoder;
	uint16_t seq;
	size_t said;
	double hz; /* what it says once it knows where to, 0 = nothing */
	unsigned rings, early, answers, closed;
	uint16_t status;
	/* When it is called. */
	uint32_t ring_ms, answer_ms; /* 0 = never */
	bool early_media, refuses;
	struct loop_timer act;
	int16_t heard[TALK_MAX_FRAMES][TALK_FRAME]; /* by the clock */
	bool any[TALK_MAX_FRAMES];
};

struct talk {
	struct fake_world base;
	struct fake_http *web;
	struct http_client *client;
	struct sounds *sounds;
	struct recognizer *recognizer; /* of the test's making, NULL = none */
	char folder[40];               /* of it, "" = none */
	struct talker a, b;
	struct call *call; /* the one that came in, NULL once it is over */
	bool by_hand;      /* no document: the test plays */
	struct op *op;
	struct op_result result;
	char result_why[320];
	unsigned ops_done;
	char log[TALK_MAX_LOG]; /* "play playing; warn …; play finished" */
	unsigned created, ended;
	uint64_t start_ms;
};

/* document: "@/" begins with the address of the web server; NULL = none, the test plays by hand. */
struct talk *talk_open(const char *document, const struct fake_page *pages);
/* a calls; what the phones hear is counted from here. */
void talk_dial(struct talk *w);
void talk_run(struct talk *w, uint32_t ms);
/* Both hang up, and the time it takes. */
void talk_end_calls(struct talk *w);
/* The phones, and what makes sounds: behind the calls, before the world. */
void talk_free_parts(struct talk *w);
void talk_free(struct talk *w);

/* Amplitude of a frequency in what was heard from ms to ms after dialling. */
double talker_level(const struct talker *p, double hz, size_t from_ms, size_t to_ms);
unsigned talker_packets(const struct talker *p, size_t from_ms, size_t to_ms);
/* 440 + 480 Hz */
bool talker_hears_ring(const struct talker *p, size_t from_ms, size_t to_ms);

/* Here, since a CHECK counts for the program that it stands in: nothing is left, and every leg ended exactly once. */
static inline void talk_close(struct talk *w)
{
	talk_end_calls(w);
	CHECK_INT(w->created, w->ended);
	fake_world_end_calls(&w->base);
	talk_free_parts(w);
	fake_world_close(&w->base);
	talk_free(w);
}

#endif
