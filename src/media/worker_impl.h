/* worker_impl: the insides of a worker, shared by worker.c (life, commands), worker_rtp.c (packets) and worker_audio.c
 * (what is decoded, mixed and made); nobody else includes it. Thread: media. */
#ifndef WORKER_IMPL_H
#define WORKER_IMPL_H

#include <pthread.h>

#include "base/list.h"
#include "base/loop.h"
#include "media/latch.h"
#include "media/rtp.h"
#include "media/secure.h"
#include "media/worker.h"

struct audio;

struct worker_port {
	struct worker *worker;
	struct worker_port *sink, *source; /* a->sink == b exactly when b->source == a */
	struct audio *audio;               /* NULL = its packets are only relayed */
	struct loop_io rtp_io, rtcp_io;
	struct latch rtp, rtcp;
	enum codec_id codec; /* CODEC_COUNT = nothing agreed yet */
	uint8_t send_pt, recv_pt, event_send_pt, event_recv_pt;
	bool rtcp_mux, may_send, may_listen, heard;
	bool secured;          /* SRTP was agreed: nothing passes in the clear */
	uint8_t refused;       /* packets in a row that could not be sealed: numbers used before */
	struct secure *secure; /* NULL although secured: nothing passes */
	uint32_t ssrc_mask;    /* on what goes out sealed */
	struct {               /* packets made here bear one SSRC as long as the port lives: SRTP counts by it */
		uint32_t ssrc, base;
		uint16_t seq;
		bool begun;
	} made;
	uint32_t number;
	struct rtp_seq seq;
	struct port_stats stats;
};

enum { PHASES = 2 }; /* ports that make something are served in turns of 10 ms, each every 20 ms */

struct worker {
	struct loop *loop;
	bool own_loop, running;
	pthread_t thread;
	struct mq *commands;
	struct mq *events;
	uint32_t latch_ms, max_ports;
	struct worker_port **ports;  /* by number */
	struct list ticking[PHASES]; /* of struct audio */
	unsigned phase;
	uint64_t tick_due_ms;
	struct loop_timer tick;
	_Alignas(8) uint8_t packet[RTP_MAX_BYTES + SECURE_GROWTH];
};

/* --- worker_rtp.c --- */

void rtp_on_readable(void *arg, unsigned ready);  /* of the RTP socket; arg: the port */
void rtcp_on_readable(void *arg, unsigned ready); /* of the RTCP socket */
/* What came while nobody had agreed on anything is stale by now. */
void rtp_discard_old(struct worker_port *p);
/* Send w->packet. */
bool rtp_transmit(struct worker_port *p, size_t n);

/* --- worker_audio.c --- */

/* What p or a neighbour of it needs may have changed: make, change or drop what decodes and encodes. */
void audio_refresh(struct worker_port *p);
/* A packet of p's codec; its header is h. */
void audio_take(struct worker_port *p, const struct rtp_header *h);
/* p's packets are made here, not relayed. */
bool audio_makes(const struct worker_port *p);
/* The number and place in time of a packet that is passed between made ones. */
void audio_number(struct worker_port *p, bool first);
void audio_play(struct worker_port *p, const struct worker_play *play);
void audio_control(struct worker_port *p, const struct worker_control *control);
void audio_attach(struct worker_port *p, uint32_t id, struct sink *s);
void audio_detach(struct worker_port *p, uint32_t id);
/* Sources are freed, sinks go back. */
void audio_close(struct worker_port *p);
void audio_stop(struct worker *w);

#endif
