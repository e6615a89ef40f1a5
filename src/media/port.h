/* port: a leg's audio or video end: the signal side's handle of sockets that a media worker reads.
 *
 * The signal side binds an even/odd pair from media.ports (so the SDP is known at once), hands the sockets to
 * a worker by message and names the port by id afterwards. Two joined ports share a worker and relay
 * packets on arrival: RTP with payload types mapped, RTCP as it came, read on the way. Where the codecs differ, or something is played
 * or listens, the worker decodes and codes 20 ms at a time; video is only relayed. A port sends to the SDP's address until
 * the real peer was heard; it latches once, in a short window, to the source of the first valid packets when
 * that shares the SDP's address or is the first heard; packets from anybody else are dropped and counted.
 * Thread: signal; the worker's half is private. Every open port ends in exactly one closed(). */
#ifndef PORT_H
#define PORT_H

#include "media/offer.h"

struct loop;
struct media; /* the workers and the port allocator */
struct port;

struct media_opts {
	struct loop *loop;     /* the signal loop */
	struct addr bind;      /* address, port ignored */
	struct addr advertise; /* for SDP; family 0 = bind */
	uint16_t port_min, port_max;
	unsigned threads;  /* 0 = the worker lives on the signal loop (tests) */
	uint32_t latch_ms; /* window after media starts in which the source may be learnt; 0 = 5000 */
};

struct port_stats {
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	uint64_t foreign; /* dropped: from another source than the peer's */
	uint64_t
		invalid; /* dropped: no RTP/RTCP, an unknown payload type, not the peer's codec, or before port_agree() */
	uint64_t unauthentic; /* dropped: SRTP whose tag is wrong, or that came before */
	uint64_t rtcp_in, rtcp_out;
	uint32_t lost; /* by sequence numbers of what came in */
	/* Of what came in: mean and highest estimate of RFC 3550, and the opinion score (quality.h). */
	uint32_t jitter_us, jitter_max_us;
	uint16_t score;
	/* By the party's reports: to it and back, 0 = not known; and how what went out arrived there. */
	uint32_t round_trip_us;
	bool far_reported; /* the next three are known */
	uint16_t far_score;
	uint32_t far_lost, far_jitter_us;
};

/* What comes in place of the party's packets. */
enum port_stray {
	PORT_STRAY_NONE,        /* nothing at all                               */
	PORT_STRAY_FOREIGN,     /* packets of another source than the peer's    */
	PORT_STRAY_TYPE,        /* a payload type that was not agreed on        */
	PORT_STRAY_BAD,         /* no RTP                                       */
	PORT_STRAY_UNAUTHENTIC, /* no SRTP of the agreed key                    */
};

struct port_silence {
	bool over;   /* something has come again; only ms counts */
	uint64_t ms; /* how long it has lasted */
	enum port_stray stray;
	uint8_t payload_type; /* TYPE */
	struct addr from;     /* unless NONE */
};

enum port_played {
	PORT_PLAYED,  /* to its end                              */
	PORT_STOPPED, /* by port_control()                       */
	PORT_GONE,    /* the port was closed meanwhile            */
};

enum port_control { PORT_STOP, PORT_PAUSE, PORT_RESUME, PORT_GAIN };

struct source;
struct sink;

struct port_handlers {
	/* The first valid packet of the peer came. Once. */
	void (*heard)(void *arg, const struct addr *from);
	/* Once for each port_play() and port_send_keys() that returned 0; the source is freed. May be NULL when nothing is
	 * played or sent. */
	void (*played)(void *arg, uint32_t id, enum port_played how);
	/* Once for each port_attach() that returned 0: the sink is the owner's again. */
	void (*detached)(void *arg, uint32_t id, struct sink *s);
	/* A sink that was attached has found something (sink.h). May be NULL when none does. */
	void (*news)(void *arg, uint32_t id, unsigned what);
	/* As port_expect() wants; may be NULL when that is never called. */
	void (*silence)(void *arg, const struct port_silence *s);
	/* The party pressed 0-9 * # A-D; told when the press begins, once. May be NULL. */
	void (*key)(void *arg, char key);
	/* Sockets are closed, the pair may be given to others. The port is dead after this; played() and detached() of what
	 * was still there came before it. */
	void (*closed)(void *arg, const struct port_stats *stats);
};

/* 0 or errno. */
int media_new(struct media **out, const struct media_opts *opts);
/* All ports must be closed. Joins the threads. */
void media_free(struct media **m);
/* Would media_move() do? 0; EINVAL = no pair in the range; or errno when no socket can be bound to the address. */
int media_try(const struct media_opts *to);
/* Ports opened from now on have these addresses and are of this range; what is open stays. The rest of to is ignored. */
void media_move(struct media *m, const struct media_opts *to);
/* Ports in use, pairs left. */
size_t media_ports_open(const struct media *m);
size_t media_ports_free(const struct media *m);

/* near: open on that port's worker; NULL = the least busy. Returns 0, ENOSPC (no pair left in media.ports that
 * can be bound), or errno. */
int port_open(struct port **out, struct media *m, const struct port *near, const struct port_handlers *h, void *arg);
/* Two ports on one worker, that of near, whose far ends are each other: what is said at one is heard at the other, 20 ms at a time
 * and without sockets; keys sent at one are pressed at the other. Both speak from the beginning, and are agreed on L16: port_agree() is
 * not for them. Each is closed by itself; the other one hears nothing from then on. 0, ENOSPC (too many of them), ENOMEM. */
int port_open_pair(struct port *out[2], struct media *m, const struct port *near, const struct port_handlers *h,
		   void *const args[2]);
/* Address for the SDP. */
void port_local(const struct port *p, struct addr *out);
/* Take what offer/answer agreed, again after each re-offer. A changed remote address opens a new latch window. With
 * keys the port speaks SRTP and nothing else; keys that stay keep their rollover counters. */
void port_agree(struct port *p, const struct media_agreed *agreed);
/* Each hears the other; a port has at most one peer (joining again replaces). Both must share a worker (open with
 * near, or port_move()). Different codecs are transcoded when both can be coded (coder_has()), else dropped and counted. */
void port_join(struct port *a, struct port *b);
/* Could ports with these codecs hear each other: the same, or both can be coded. */
bool port_can_join(enum codec_id a, enum codec_id b);
/* Do they share a worker, once the moves that were begun are over? */
bool port_is_near(const struct port *a, const struct port *b);
/* p goes to the worker of near, with all that it has, plays and listens; nobody hears it and it hears nobody from then on. It takes a
 * moment, of which nobody has to know: what is said to p meanwhile follows it. 0 (also when it is there), ENOTSUP, ENOMEM. */
int port_move(struct port *p, const struct port *near);
/* A port of port_open_pair() cannot: it stays with its far end. */
bool port_can_move(const struct port *p);
/* So many things play, are sent or listen there. */
size_t port_tasks(const struct port *p);
/* What comes in at from goes out at to, one way (early media). port_join() replaces it. */
void port_feed(struct port *from, struct port *to);
void port_part(struct port *p); /* nobody hears p and p hears nobody */
/* The party of p hears the source (given away, also on error) beside its peer, from the next 20 ms on. id: the caller's name for it,
 * not in use at this port. gain: 1 = as it is. 0 or ENOMEM. */
int port_play(struct port *p, uint32_t id, struct source *s, float gain);
/* The same, but it is heard only while nothing audible comes from the peer: who puts a call on hold may send music himself. */
int port_fill(struct port *p, uint32_t id, struct source *s, float gain);
/* Unknown ids (ended meanwhile) are fine. gain counts for PORT_GAIN only. */
void port_control(struct port *p, uint32_t id, enum port_control verb, float gain);
/* The sink listens at p until port_detach(), its own wish, or the end. 0, or ENOMEM and it stays the caller's. */
int port_attach(struct port *p, uint32_t id, struct sink *s);
void port_detach(struct port *p, uint32_t id);
/* The party is expected to be heard whenever the agreed direction lets it speak: tell when nothing comes for so long, and
 * when it comes again. 0 = no more. */
void port_expect(struct port *p, uint32_t silence_ms);
/* Send keys to the party, one after the other: 0-9 * # A-D, w = 0.5 s and W = 1 s of waiting (key_text_ok()). As events, or as
 * tones when the party knows none; no audio goes to it while a key sounds. Ends in played(id); port_control() can
 * stop it. 0 or ENOMEM. */
int port_send_keys(struct port *p, uint32_t id, const char *text);
/* The party pressed a key and said so by other means than RTP (SIP INFO): key() follows, and whoever hears the port gets
 * it. The first way in which its keys come is the one that counts. */
void port_press(struct port *p, char key);
/* From now on, tones in its audio are keys too, when the party has no telephone-event. That costs a decoder. */
void port_watch_keys(struct port *p, bool on);
/* Take the noise out of what the party says, for whoever hears it: its packets are coded anew then, never relayed. Without effect
 * while its codec cannot be decoded here. */
void port_denoise(struct port *p, bool on);
bool port_can_decode(enum codec_id codec);
/* May port_send_keys() have it: keys and pauses, not too many? */
bool port_keys_ok(const char *text);
/* closed() follows. */
void port_close(struct port *p);

#endif
