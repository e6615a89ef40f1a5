/* gen: what the parts of the load generator share: one struct with all state, its clock, timers and sockets.
 *
 * Only what a figure needs: fixed messages, UDP, no parser worth the name. The number of a call is the user part of the
 * caller's From ("c123"), which the server must keep in its own INVITE: so both halves of a call share one struct. */
#ifndef GEN_H
#define GEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	BATCH = 64,
	MESSAGE_BYTES = 1400,
	SLOTS = 16384, /* calls alive at once */
	WHEEL_MS = 65536,
	T1_MS = 500,
	T2_MS = 4000,
	LIMIT_MS = 10000, /* an INVITE or BYE without its end */
	HIST_US = 1000000,
};

struct gen;

struct timer {
	struct timer *next, **link; /* link NULL = not running */
	struct call *call;
	bool callee;
};

enum caller_phase { CALLER_IDLE, CALLER_INVITED, CALLER_UP, CALLER_ENDING, CALLER_OVER };
enum callee_phase { CALLEE_IDLE, CALLEE_RINGING, CALLEE_ANSWERED, CALLEE_UP, CALLEE_OVER };

/* What is sent and expected back; by its payload type, for Opus its usual one. */
enum payload { PAYLOAD_PCMU = 0, PAYLOAD_PCMA = 8, PAYLOAD_G722 = 9, PAYLOAD_OPUS = 111 };

struct call {
	uint32_t number;
	bool used, heard, failed, counted;
	enum caller_phase caller;
	enum callee_phase callee;
	uint32_t caller_wait_ms, callee_wait_ms, since_ms;
	uint64_t sent_ns;
	struct timer caller_timer, callee_timer;
	uint16_t caller_rtp, callee_rtp;   /* the server's ports towards each */
	bool caller_narrow, callee_narrow; /* the server's SDP asks each for Opus of 8 kHz at most */
	uint64_t described_ns;             /* the server's SDP came to the caller */
	uint64_t burst_ns[2];              /* when the newest burst was sent: from the caller, from the callee */
	struct srtp_ctx_t_ *ours, *theirs; /* SRTP of the caller */
	char to_tag[64];
	char contact[128];
	struct sockaddr_in answer_to;
	size_t answer_len;
	char answer[MESSAGE_BYTES]; /* the callee's 200, for when no ACK comes */
};

struct arrival {
	char *bytes; /* ends in a NUL that is not counted */
	size_t n;
	struct sockaddr_in from;
	uint64_t at_ns; /* wall time, by the kernel */
};

struct hist {
	uint64_t count;
	uint32_t max_us;
	uint32_t *bins; /* one a microsecond, the last for all above */
};

/* Real sound in one codec, round and round. */
struct speech {
	uint32_t frames;
	struct speech_frame {
		uint16_t n;
		uint8_t bytes[238];
	} * frame;
};

struct side {
	int fd;
	struct sockaddr_in addr;
	void (*take)(struct gen *g, const struct arrival *a);
	unsigned queued;
	struct mmsghdr out[BATCH];
	struct iovec out_iov[BATCH];
	struct sockaddr_in out_to[BATCH];
	char out_bytes[BATCH][MESSAGE_BYTES];
	struct mmsghdr in[BATCH];
	struct iovec in_iov[BATCH];
	struct sockaddr_in in_from[BATCH];
	char in_control[BATCH][64];
	char in_bytes[BATCH][MESSAGE_BYTES + 1] __attribute__((aligned(8)));
	enum payload payload;
	struct speech speech; /* frames 0 = packets bear marks */
	struct speech narrow; /* of Opus: the same for who can play 8 kHz only */
	char sdp[512];
	int sdp_bytes;
};

struct counts {
	uint32_t begun, up, ok, failed, shed /* of them, by 503 */, timeouts, by_us, by_server, unexpected;
	uint64_t sent, received, strays; /* RTP */
};

struct options {
	double rate, seconds, calls, hold_ms, callee_port, group;
	double caller_payload, callee_payload; /* PAYLOAD_… */
	double opus_type;                      /* the number that Opus has on the wire */
	double bursts;                         /* 1 = what is sent is silence with bursts, by which delay is known */
	double srtp;        /* SRTP of the caller: 1 = AES_CM_128_HMAC_SHA1_80, 2 = AEAD_AES_128_GCM */
	double ring_ms;     /* the callee rings for so long */
	double alone;       /* 1 = there is no callee */
	const char *speech; /* files of raw sound, without "-RATE.raw" */
};

enum mode { MODE_RATE, MODE_MEDIA, MODE_UP };

struct gen {
	enum mode mode;
	struct options opts;
	struct sockaddr_in target;
	struct side caller, callee;     /* SIP */
	struct side caller_m, callee_m; /* RTP */
	bool direct;                    /* RTP goes from socket to socket */
	bool counting;                  /* it is warm */
	struct call *calls;
	struct timer *wheel[WHEEL_MS];
	uint32_t wheel_ms; /* all slots up to here are done */
	uint64_t zero_ns;  /* monotonic time of ms 0 */
	uint32_t run;      /* told from former runs by it: a server remembers calls for half a minute */
	uint32_t alive;
	uint32_t late_us;    /* a call begun after its time */
	uint64_t stalled_ns; /* the generator did not get to send */
	struct counts n;
	char first_failure[96];
	struct hist invite, delay, seen;    /* seen: until the generator itself had the packet */
	struct hist audio;                  /* from the server's SDP to its first packet */
	struct call *owner[UINT16_MAX + 1]; /* by the server's port */
	uint64_t first_ns[UINT16_MAX + 1];  /* the first packet from there */
};

/* --- gen_net.c --- */

/* Print why and exit(2): nothing was measured. */
void die(const char *what) __attribute__((noreturn));
/* Packets bear the kernel's time of arrival, which is wall time; so is all that is compared with it. */
uint64_t wall_ns(void);
uint64_t now_ns(const struct gen *g);
uint32_t now_ms(const struct gen *g);

void hist_new(struct hist *h);
void hist_clear(struct hist *h);
void hist_add(struct hist *h, uint64_t from_ns, uint64_t to_ns);
/* The value that `part` (0.99) of all stay under or at [ms]. */
double hist_ms(const struct hist *h, double part);

void timer_stop(struct timer *t);
void timer_start(struct gen *g, struct timer *t, uint32_t wait_ms);
void timers_run(struct gen *g, void (*fire)(struct gen *g, struct timer *t));

/* port 0 = any. */
void side_open(struct side *s, uint16_t port);
uint16_t side_port(const struct side *s);
/* One message into the queue of s; its text, which stays until the next flush, and its length when len is given. */
const char *side_send(struct side *s, const struct sockaddr_in *to, size_t *len, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void side_flush(struct side *s);
/* Give all that waits to s->take. False = nothing was there. */
bool side_receive(struct gen *g, struct side *s);

/* --- gen_sip.c --- */

/* Make the SDP of s, whose audio goes over the other. */
void sip_describe(struct gen *g, struct side *s, const struct side *audio);
/* Start the next call. */
void call_begin(struct gen *g);
/* Hang up as the caller. */
void call_end(struct gen *g, struct call *c);
void call_timer(struct gen *g, struct timer *t);
void caller_take(struct gen *g, const struct arrival *a);
void callee_take(struct gen *g, const struct arrival *a);

/* --- gen_speech.c --- */

/* Code what is to be sent from side s. */
void speech_open(struct gen *g, struct side *s);
/* The first sample of a burst in a packet of G.711, -1 = none. */
int speech_burst(enum payload payload, const uint8_t *bytes, size_t n);
bool speech_is_burst(const struct gen *g, uint32_t frame);

/* --- gen_secure.c --- */

/* The a=crypto line of the caller's offer, "" without SRTP. */
const char *secure_line(const struct gen *g);
/* Take the key of the server's answer. False: there is none. */
bool secure_agree(struct gen *g, struct call *c, const char *msg);
void secure_close(struct call *c);
/* In place; *n changes. False: not authentic. */
void secure_seal(struct call *c, void *packet, size_t *n);
bool secure_unseal(struct call *c, void *packet, size_t *n);

/* --- gen_media.c --- */

void media_take(struct gen *g, const struct arrival *a);
/* Packets in both directions of all calls; direct: from socket to socket, without the server. */
void media_run(struct gen *g, bool direct, double seconds);

/* --- gen.c --- */

/* Timers, and what has come in. False = there was nothing to do. */
bool gen_round(struct gen *g);
/* Sleep until something comes in, a timer may be due, or the time has come. */
void gen_wait(struct gen *g, uint64_t until_ns);

#endif
