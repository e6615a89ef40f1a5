/* cause: why a leg or a connect ended, and its words. Pure. Thread: any. Source: connect.md §11. */
#ifndef CAUSE_H
#define CAUSE_H

#include <stdint.h>

enum cause {
	CAUSE_NONE,
	CAUSE_HANGUP, /* normal end of an answered leg, max_duration, drop key */
	CAUSE_BUSY,
	CAUSE_DECLINED,
	CAUSE_NO_ANSWER,
	CAUSE_CANCEL,    /* lost race, API, caller gone                           */
	CAUSE_NOT_FOUND, /* "error" in documents, "not_found" for RELAY           */
	CAUSE_ERROR,
};

/* As SWML and webhooks spell it: "hangup", "busy", "no_answer", … NOT_FOUND and ERROR are "error"; NONE is "". */
const char *cause_name(enum cause c);
/* Final status of an INVITE that was refused -> cause (connect.md §11). */
enum cause cause_of_status(uint16_t status);
/* A cause of the telephone network (Q.850); NONE: it says nothing that has a word here. */
enum cause cause_of_q850(uint32_t value);
/* The final answer to a caller that was never answered, after a failed connect or by hang-up (PRODUCT §6). */
uint16_t cause_to_status(enum cause c);

#endif
