/* worker_impl: the insides of a worker, shared by worker.c (life, commands), worker_rtp.c (packets), worker_audio.c
 * (what is decoded, mixed and made) and worker_report.c (what is known of streams); nobody else includes it. Thread: media. */
#ifndef WORKER_IMPL_H
#define WORKER_IMPL_H

#include <pthread.h>

#include "base/list.h"
#include "base/loop.h"
#include "media/latch.h"
#include "media/quality.h"
#include "media/rtp.h"
#include "media/worker.h"

struct audio;
struct rtcp_report;

/* Sender's reports that went out: two parties often report at the same moment, and then name the one before. */
enum { SENT_KEPT = 2 };

struct worker_report {
	struct list node; /* in worker.reported */
	struct quality_arrival arrival;
	uint64_t name;   /* the canonical one */
	uint32_t ssrc;   /* of reports about others, while nothing is made */
	uint64_t due_ms; /* our next report */
	/* Our last one: packets of counted_ssrc. */
	uint32_t counted_ssrc, expected_before, received_before;
	/* Sender's reports, by the middle of their time stamps: the newest two that went to the party, be they another's,
	 * and the newest that came. 0 = none. */
	uint32_t sr_sent[SENT_KEPT], sr_heard;
	uint64_t sr_sent_us[SENT_KEPT], sr_heard_us;
	/* What the party says of what it hears. */
	uint32_t round_trip_us; /* 0 = not known */
	uint32_t far_ssrc, far_lost, far_lost_before, far_jitter_us;
	bool far_reported;
	/* Silence. */
	bool silent;         /* and that was told */
	uint32_t silence_ms; /* 0 = nobody wants to know */
	uint64_t heard_ms, silent_from_ms;
	/* The newest packet that was not taken. */
	enum port_stray stray;
	uint8_t stray_type;
	struct addr stray_from;
	uint64_t stray_ms;
};

struct worker_port {
	struct worker *worker;
	struct worker_port *sink, *source; /* a->sink == b exactly when b->source == a */
	struct audio *audio;               /* NULL = its packets are only relayed */
	struct loop_io rtp_io, rtcp_io;
	struct latch rtp, rtcp;
	enum codec_id codec; /* CODEC_COUNT = nothing agreed yet */
	uint8_t send_pt, recv_pt, event_send_pt, event_recv_pt;
	uint8_t packet_ms; /* of audio in a packet that is made */
	bool rtcp_mux, may_send, may_listen, heard;
	uint32_t number;
	struct rtp_seq seq;
	struct port_stats stats;
	struct worker_report report;
};

enum { PHASES = 2 };        /* ports that make something are served in turns of 10 ms, each every 20 ms */
enum { REPORT_SLICES = 8 }; /* ports are looked at in so many turns a second */

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
	struct list reported[REPORT_SLICES]; /* of struct worker_port */
	unsigned slice;
	struct loop_timer round;
	uint8_t packet[RTP_MAX_BYTES];
};

/* --- worker_rtp.c --- */

void rtp_on_readable(void *arg, unsigned ready);  /* of the RTP socket; arg: the port */
void rtcp_on_readable(void *arg, unsigned ready); /* of the RTCP socket */
/* What came while nobody had agreed on anything is stale by now. */
void rtp_discard_old(struct worker_port *p);
/* Send w->packet. */
bool rtp_transmit(struct worker_port *p, size_t n);
bool rtcp_transmit(struct worker_port *p, size_t n);

/* --- worker_audio.c --- */

/* What p or a neighbour of it needs may have changed: make, change or drop what decodes and encodes. */
void audio_refresh(struct worker_port *p);
/* A packet of p's codec, or of comfort noise; its header is h. */
void audio_take(struct worker_port *p, const struct rtp_header *h);
void audio_take_noise(struct worker_port *p, const struct rtp_header *h);
/* p's packets are made here, not relayed. */
bool audio_makes(const struct worker_port *p);
/* The stream that is made for p, if one ever was. */
bool audio_ssrc(const struct worker_port *p, uint32_t *ssrc);
/* The sender's part of a report on it, but for the time. */
void audio_describe(const struct worker_port *p, struct rtcp_report *out);
/* So much of it does not arrive. */
void audio_expect_loss(struct worker_port *p, unsigned percent);
/* The number and place in time of a packet that is passed between made ones. */
void audio_number(struct worker_port *p, bool first);
void audio_play(struct worker_port *p, const struct worker_play *play);
void audio_control(struct worker_port *p, const struct worker_control *control);
void audio_attach(struct worker_port *p, uint32_t id, struct sink *s);
void audio_detach(struct worker_port *p, uint32_t id);
/* Sources are freed, sinks go back. */
void audio_close(struct worker_port *p);
void audio_stop(struct worker *w);

/* --- worker_report.c --- */

void report_open(struct worker_port *p);
void report_agree(struct worker_port *p);
/* A packet of the party was taken. timed: its time stamp tells when it was sent. */
void report_heard(struct worker_port *p, const struct rtp_header *h, bool timed);
/* A packet was not taken. */
void report_stray(struct worker_port *p, enum port_stray kind, const struct addr *from, uint8_t payload_type);
/* RTCP in w->packet came from the party; is about to go to the party. */
void report_take(struct worker_port *p, size_t n);
void report_passed(struct worker_port *to, size_t n);
/* Tell when nothing comes for so long; 0 = no more. */
void report_expect(struct worker_port *p, uint32_t silence_ms);
void report_sum_up(const struct worker_port *p, struct port_stats *out);
void report_close(struct worker_port *p);

#endif
