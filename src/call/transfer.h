/* transfer: what is said when the far end of a call is asked to call somebody else (SIP REFER). Passive data.
 * Thread: signal. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>

struct transfer {
	const char *to;                  /* sip: or sips: URI, tel: too */
	const char *username, *password; /* when it asks for them; NULL = none */
};

struct transferred {
	bool over;       /* comes once */
	bool good;       /* over, and the far end talks to the other one, as far as it says */
	int status;      /* of the request, 0 = no answer    */
	int notified;    /* of the new call, 0 = nothing told */
	const char *why; /* one clause; borrowed          */
};

#endif
