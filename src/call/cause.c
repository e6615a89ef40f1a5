#include "call/cause.h"

const char *cause_name(enum cause c)
{
	switch (c) {
	case CAUSE_NONE:
		return "";
	case CAUSE_HANGUP:
		return "hangup";
	case CAUSE_BUSY:
		return "busy";
	case CAUSE_DECLINED:
		return "declined";
	case CAUSE_NO_ANSWER:
		return "no_answer";
	case CAUSE_CANCEL:
		return "cancel";
	case CAUSE_NOT_FOUND:
	case CAUSE_ERROR:
		return "error";
	}
	return "";
}

enum cause cause_of_status(uint16_t status)
{
	if (status >= 100 && status < 300)
		return CAUSE_NONE; /* not refused */

	switch (status) {
	case 486:
	case 600:
		return CAUSE_BUSY;
	case 408:
	case 480:
		return CAUSE_NO_ANSWER;
	case 403:
	case 603:
	case 607:
		return CAUSE_DECLINED;
	case 404:
	case 410:
	case 484:
	case 604:
		return CAUSE_NOT_FOUND;
	}
	return CAUSE_ERROR;
}

enum cause cause_of_q850(uint32_t value)
{
	switch (value) {
	case 1:  /* unallocated number */
	case 2:  /* no route to network */
	case 3:  /* no route to destination */
	case 22: /* number changed */
	case 28: /* invalid number format */
		return CAUSE_NOT_FOUND;
	case 17:
		return CAUSE_BUSY;
	case 18: /* no user responding */
	case 19: /* no answer, user alerted */
	case 20: /* subscriber absent */
		return CAUSE_NO_ANSWER;
	case 21:
		return CAUSE_DECLINED;
	}
	return CAUSE_NONE;
}

uint16_t cause_to_status(enum cause c)
{
	switch (c) {
	case CAUSE_BUSY:
		return 486;
	case CAUSE_DECLINED:
		return 603;
	case CAUSE_NOT_FOUND:
		return 404;
	case CAUSE_NONE:
	case CAUSE_HANGUP:
	case CAUSE_NO_ANSWER:
	case CAUSE_CANCEL:
	case CAUSE_ERROR:
		return 480;
	}
	return 480;
}
