/* keys: the keys of a telephone as RFC 4733 events and as tones: what a stream of packets says, and what to send.
 *
 * Pure: packets and frames of 20 ms in, presses out, and the other way round; no sockets, no clock, no memory.
 * Thread: any, one at a time. Source: RFC 4733 §2.3, §2.5; ITU-T Q.23. */
#ifndef KEYS_H
#define KEYS_H

#include "media/rtp.h"

enum {
	KEYS_MAX_TEXT = 256, /* of what is sent in one go */
	KEY_PACKET_BYTES = 4,
	KEY_FRAME_MS = 20,
};

/* "0123456789*#ABCD" by number; 0 = no key of a telephone (a flash, a fax tone …). */
char key_of_event(uint8_t event);
bool key_is(char c);
/* Keys, and the pauses w and W. */
bool key_text_ok(const char *text);
void key_tones(char key, uint16_t *low_hz, uint16_t *high_hz);

/* --- in --- */

struct key_in { /* one stream; zeroed = nothing yet */
	uint32_t ssrc, timestamp;
	uint16_t seq, duration; /* the newest of the press */
	uint16_t told, ended;   /* bits: events seen at this timestamp, and those with an end */
	bool started;
};

enum { KEY_DOWN = 1, KEY_UP = 2 }; /* bits: a packet may be both, when it is the only one of a press that came */

/* Take a packet of events. Each press is DOWN once, whatever is lost, late or doubled. *key: whose event it is, 0 = of
 * none. */
unsigned key_in_take(struct key_in *k, const struct rtp_header *h, const uint8_t *payload, char *key);

/* --- out --- */

struct key_out { /* zeroed = idle */
	char key;
	bool held;          /* until key_out_release() */
	uint16_t on, off;   /* frames that are left of the key, of what follows it */
	uint16_t frames;    /* of the segment, sent already */
	uint32_t timestamp; /* of the segment */
	bool begun;
};

enum key_frame {
	KEY_FRAME_IDLE,  /* nothing is being sent             */
	KEY_FRAME_ON,    /* the key sounds                    */
	KEY_FRAME_END,   /* it has just ended, and that is told again */
	KEY_FRAME_PAUSE, /* nothing, on purpose               */
};

struct key_sign { /* what a frame puts into its packet; for ON and END */
	uint32_t timestamp;
	bool first;
	uint8_t payload[KEY_PACKET_BYTES];
};

/* The next thing to send, when idle. A held key sounds until it is released, a pressed one for 100 ms. */
void key_out_press(struct key_out *o, char key, bool held);
void key_out_release(struct key_out *o);
void key_out_pause(struct key_out *o, char pause); /* w or W */
/* One more frame. now: the stream's timestamp; clock_hz: of the events. */
enum key_frame key_out_frame(struct key_out *o, uint32_t now, uint32_t clock_hz, struct key_sign *out);

#endif
