/* worker_impl: the insides of a worker, shared by worker.c (life, commands), worker_rtp.c (packets), worker_audio.c
 * (what is decoded, mixed and made), worker_coders.c (by which coders), worker_local.c (ports without a wire), worker_keys.c (what is pressed), worker_report.c (what is known of streams), worker_video.c
 * (what video wants) and worker_move.c (from one worker to another); nobody else includes it. Thread: media. */
#ifndef WORKER_IMPL_H
#define WORKER_IMPL_H

#include <pthread.h>

#include "base/list.h"
#include "base/loop.h"
#include "media/keys.h"
#include "media/latch.h"
#include "media/quality.h"
#include "media/rtp.h"
#include "media/secure.h"
#include "media/worker.h"

struct audio;
struct keying;
struct local_end;

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

/* The first way in which a party's keys come is the one that counts: some send each key in two. */
enum key_way { KEY_WAY_NONE, KEY_WAY_RTP, KEY_WAY_SIGNALLED, KEY_WAY_TONES };

struct worker_keys {
	struct key_in in;
	enum key_way way;
	bool relayed;                  /* the newest press is passed on packet by packet */
	bool watched;                  /* tones are keys, where there are no events */
	uint16_t allowance;            /* presses that a party may make at once */
	uint64_t allowance_ms;         /* when that was counted */
	struct key_detector *detector; /* NULL = not listening */
	uint32_t detector_hz;
	struct keying *keying; /* what is sent; NULL = nothing */
};

/* The stream to a party, as far as it has come, whether its packets are made here or relayed: one source and one run of
 * numbers through all of that, for there are telephones that drop what comes from another source with smaller ones. */
struct rtp_out {
	uint32_t ssrc, timestamp;
	uint16_t seq;            /* of the next packet */
	uint32_t packets, bytes; /* sent so far from this source, and what they bore */
	bool started;
	bool paused; /* nothing went out lately: the next packet begins a talkspurt */
	bool made;   /* since the last one that was relayed, packets were made here */
	/* What is added to the numbers of the source that is relayed: it was relayed before something was made in between. */
	uint16_t seq_shift;
	uint32_t time_shift;
	uint64_t left_ms; /* when timestamp was right */
};

struct worker_port {
	struct worker *worker;
	struct worker_port *sink, *source; /* a->sink == b exactly when b->source == a */
	struct audio *audio;               /* NULL = its packets are only relayed */
	struct local_end *local;           /* its far end is another port of this worker; NULL = RTP */
	struct loop_io rtp_io, rtcp_io;
	struct latch rtp, rtcp;
	enum codec_id codec; /* CODEC_COUNT = nothing agreed yet */
	uint8_t send_pt, recv_pt, event_send_pt, event_recv_pt;
	uint8_t packet_ms;     /* of audio in a packet that is made */
	struct opus_wish opus; /* the party's */
	uint32_t event_clock_hz;
	struct worker_keys keys;
	struct rtp_out out;
	bool rtcp_mux, may_send, may_listen, heard;
	bool stamped;          /* the kernel notes when packets come */
	bool crowded;          /* so many come between two ticks that they are read at once */
	bool denoises;         /* what it says is not relayed */
	bool video;            /* its packets are only relayed */
	bool passes;           /* video: what comes is relayed now */
	bool picture_due;      /* video: a whole picture is to be asked for at its next packet */
	uint8_t feedback;      /* video: what the party may be asked for */
	uint8_t firs;          /* video: so often it was asked by FIR */
	bool secured;          /* SRTP was agreed: nothing passes in the clear */
	uint8_t refused;       /* packets in a row that could not be sealed: numbers used before */
	struct secure *secure; /* NULL although secured: nothing passes */
	uint32_t ssrc_mask;    /* on what goes out sealed */
	uint32_t number;
	struct rtp_seq seq;
	struct port_stats stats;
	struct worker_report report;
};

/* Packets made in a tick, which leave together: a system call after the other, with what it needs in the cache. */
enum { OUT_PACKETS = 32, OUT_BYTES = 16384 };

struct worker_out {
	bool gathers;
	unsigned count;
	size_t used; /* of bytes */
	struct {
		struct worker_port *port;
		size_t at, n;
		uint32_t borne;
	} packets[OUT_PACKETS];
	uint8_t bytes[OUT_BYTES];
};

enum { PHASES = 2 };        /* ports that make something are served in turns of 10 ms, each every 20 ms */
enum { REPORT_SLICES = 8 }; /* ports are looked at in so many turns a second */

struct worker {
	struct loop *loop;
	bool own_loop, running;
	pthread_t thread;
	struct mq *commands;
	struct loop *from; /* signal: of those who send commands, as waking */
	struct loop_timer waking;
	struct loop_timer telling; /* media: the signal side is woken at the end of the turn */
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
	uint64_t came_us; /* when what is in packet came */
	_Alignas(8) uint8_t packet[RTP_MAX_BYTES + SECURE_GROWTH];
	struct worker_out out;
};

/* --- worker_rtp.c --- */

void rtp_on_readable(void *arg, unsigned ready);  /* of the RTP socket; arg: the port */
void rtcp_on_readable(void *arg, unsigned ready); /* of the RTCP socket */
/* What came while nobody had agreed on anything is stale by now. */
void rtp_discard_old(struct worker_port *p);
/* What p's party says is decoded and nothing of it relayed: no packet of it wakes the worker, each tick reads what has come. */
void rtp_read_by_tick(struct worker_port *p, bool by_tick);
/* All that waits in the RTP socket. May end p's audio, or its neighbours'. */
void rtp_read_all(struct worker_port *p);
/* What is sent until rtp_send_gathered() goes out then. */
void rtp_gather(struct worker *w);
void rtp_send_gathered(struct worker *w);
/* Packets of the stream to p are made from now on: it goes on where it was left. */
void rtp_take_up(struct worker_port *p);
/* Send w->packet. False: it has not gone. */
bool rtp_transmit(struct worker_port *p, size_t n);
bool rtcp_transmit(struct worker_port *p, size_t n);
/* What the party knows as the source of our stream. */
uint32_t rtp_sent_ssrc(const struct worker_port *p);
/* Send w->packet as it came, but for its payload type; its header is h. */
void rtp_relay(struct worker_port *p, const struct rtp_header *h, uint8_t payload_type, size_t n);

/* --- worker_audio.c --- */

/* What p or a neighbour of it needs may have changed: make, change or drop what decodes and encodes. */
void audio_refresh(struct worker_port *p);
/* A packet of p's codec, or of comfort noise; its header is h. */
void audio_take(struct worker_port *p, const struct rtp_header *h);
void audio_take_noise(struct worker_port *p, const struct rtp_header *h);
/* p's packets are made here, not relayed. */
bool audio_makes(const struct worker_port *p);
/* Something new was agreed on about what is made for p. */
void audio_agree(struct worker_port *p);
/* So much of what is made for p does not arrive. */
void audio_expect_loss(struct worker_port *p, unsigned percent);
/* The sinks at p hear of a key. */
void audio_tell_key(struct worker_port *p, char key);
void audio_play(struct worker_port *p, const struct worker_play *play);
void audio_control(struct worker_port *p, const struct worker_control *control);
void audio_denoise(struct worker_port *p, bool on);
void audio_attach(struct worker_port *p, uint32_t id, struct sink *s);
void audio_detach(struct worker_port *p, uint32_t id);
/* Out of this worker, with all that is played or listens; into p->worker. */
void audio_leave(struct worker_port *p);
void audio_arrive(struct worker_port *p);
/* Sources are freed, sinks go back. */
void audio_close(struct worker_port *p);
void audio_stop(struct worker *w);

/* --- worker_local.c --- */

/* What the far end said 20 ms ago. False: nothing. */
bool local_hear(struct worker_port *p, int16_t *said, size_t count);
/* What was said before somebody began to listen is of no interest. */
void local_forget(struct worker_port *p);
/* 20 ms; NULL = nothing. */
void local_say(struct worker_port *p, const int16_t *heard, size_t count);
/* Of what is sent to the party: it presses the key. */
void local_press(struct worker_port *p, char key);
void local_close(struct worker_port *p);

/* --- worker_keys.c --- */

/* A packet of events in w->packet. */
void keys_take(struct worker_port *p, const struct rtp_header *h, size_t n);
/* The party pressed it, as was told by other means. */
void keys_press(struct worker_port *p, char key);
/* 20 ms of what the party says. */
void keys_listen(struct worker_port *p, const int16_t *said, size_t count, uint32_t rate_hz);
bool keys_need_audio(const struct worker_port *p); /* keys_listen() is wanted */
void keys_watch(struct worker_port *p, bool on);
/* Text: given away. */
void keys_send(struct worker_port *p, uint32_t id, char *text);
void keys_stop(struct worker_port *p, uint32_t id);
/* Keys are being sent to the party: its packets are made here. */
bool keys_are_sent(const struct worker_port *p);
/* Nothing else may be sent in between. */
bool keys_sound(const struct worker_port *p);
enum keys_said { KEYS_NONE, KEYS_TONE, KEYS_EVENT };
/* 20 ms of them: TONE: they are in heard; EVENT: a packet has gone out in place of audio. */
enum keys_said keys_speak(struct worker_port *p, int16_t *heard, size_t count, uint32_t rate_hz);
/* Something new was agreed on. */
void keys_agree(struct worker_port *p);
void keys_close(struct worker_port *p);

/* --- worker_video.c --- */

/* Who sees p, or whom p sees, may have changed. */
void video_refresh(struct worker_port *p);
/* A packet of video has come, and was passed on. */
void video_heard(struct worker_port *p);

/* --- worker_report.c --- */

void report_open(struct worker_port *p);
/* p->worker looks after it; no more. */
void report_arrive(struct worker_port *p);
void report_close(struct worker_port *p);
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

/* --- worker_move.c --- */

/* From now on p->worker reads what comes. */
void worker_watch_sockets(struct worker_port *p);
/* Between two ticks: the port, parted from its neighbours, belongs to no thread while WORKER_MOVED takes it away. */
void worker_take_out(struct worker_port *p);
void worker_take_in(struct worker *w, uint32_t number, struct worker_port *p);

#endif
