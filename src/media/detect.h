/* detect: who has answered: a person, a machine that plays a greeting, or nobody. The rules, without the audio.
 *
 * Fed with one voice_piece per 20 ms; time is counted in pieces, so a decision depends on nothing else. A person greets
 * briefly and then waits; a machine speaks on. A word is voice of at least 100 ms between gaps of at least 60 ms. Voice is
 * ongoing as long as no gap reaches 300 ms; gaps do not count. A beep is one frequency, 100 ms to 3 s long, told at
 * its end; it means a machine, but only behind a voice: a tone in front of any voice is one of the network's.
 * Pure. Thread: any, one at a time. Source: swml.md §8 detect_machine. */
#ifndef DETECT_H
#define DETECT_H

#include <stdbool.h>

#include "media/voice_detect.h"

struct detect_rules {
	uint32_t initial_ms; /* longest wait for a voice */
	uint32_t end_ms;     /* silence that ends an utterance */
	uint32_t voice_ms;   /* ongoing voice of a machine, 0 = this rule is off */
	unsigned words;      /* of a machine, in one utterance, 0 = this rule is off */
	/* Go on behind MACHINE to the end of its greeting: a beep, or silence for so long. */
	bool greeting_end;
	uint32_t ready_ms;
	bool interruptions; /* READY is not the end: the voice may come again. Only a beep ends it */
};

enum detect_news {
	DETECT_NOTHING,
	DETECT_NOBODY, /* no voice in initial_ms */
	DETECT_HUMAN,
	DETECT_MACHINE,
	DETECT_READY,     /* the machine has ceased to speak */
	DETECT_NOT_READY, /* it speaks again */
	DETECT_BEEP,      /* a machine, even when that was not told, and it records now */
	/* Not of these rules, but of those who listen for tones as well (detector.h). */
	DETECT_CED, /* a fax answers: 2100 Hz */
	DETECT_CNG, /* a fax calls: 1100 Hz */
};

/* Zeroed, then rules set. */
struct detect {
	struct detect_rules rules;
	bool over; /* nothing more will be told */
	bool begun, is_machine, is_ready;
	uint32_t at_ms;      /* what has been heard */
	uint32_t burst_ms;   /* voice since the last gap between words */
	uint32_t ongoing_ms; /* voice since the last longer gap */
	uint32_t gap_ms;     /* since the last voice */
	unsigned words;
	uint16_t tone_hz; /* of a tone that lasts, 0 = none */
	uint32_t tone_ms;
};

/* 20 ms more. */
enum detect_news detect_step(struct detect *d, const struct voice_piece *p);

#endif
