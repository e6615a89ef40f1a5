/* voice_edge: when does somebody begin to speak, and when has he ended? By energy, above the noise of his line.
 *
 * Speech begins with 100 ms that are 12 dB above the noise and louder than -45 dBFS, with 60 ms of pause in between at most; it has ended when
 * none was heard for end_ms. The noise is what was quietest of late: it is learnt at once downwards and within seconds
 * upwards, also while somebody speaks, so that a noise that begins is not speech for ever.
 * Pure, 20 ms at a time. Thread: the owner's. */
#ifndef VOICE_EDGE_H
#define VOICE_EDGE_H

#include <stddef.h>
#include <stdint.h>

enum voice_state {
	VOICE_AWAITED, /* nobody has spoken yet */
	VOICE_SPEAKS,  /* and pauses of less than end_ms */
	VOICE_ENDED,   /* stays */
};

struct voice_edge { /* zeroed, then end_ms set */
	uint32_t end_ms;
	enum voice_state state;
	double noise;      /* mean square; 0 = nothing heard yet */
	uint32_t voice_ms; /* AWAITED: of what may be a beginning */
	uint32_t quiet_ms; /* since speech was heard */
};

/* The next 20 ms. */
enum voice_state voice_edge_run(struct voice_edge *v, const int16_t *in, size_t count);

#endif
