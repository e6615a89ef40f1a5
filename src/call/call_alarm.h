/* call_alarm: an answered call whose party is not heard: told once, with the likely cause, and again when it is over.
 *
 * Thread: signal. */
#ifndef CALL_ALARM_H
#define CALL_ALARM_H

#include "media/port.h"

struct call;

/* The call was answered: its party is expected to be heard from now on. */
void call_alarm_start(struct call *c);
/* Its port tells. */
void call_alarm_silence(struct call *c, const struct port_silence *s);
/* What a silence is called in events ("nothing", "foreign_source", …), and one sentence on it. */
const char *call_alarm_cause(enum port_stray stray);
const char *call_alarm_why(const struct port_silence *s, char out[160]);

#endif
