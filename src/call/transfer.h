/* transfer: what is said when the far end of a call is asked to call somebody else (SIP REFER), and when it asks us to.
 * Passive data. Thread: signal. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>

#include "base/str.h"

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

struct transfer_wish { /* of a party: to be replaced by somebody else. Borrowed */
	struct str to; /* URI without headers */
	/* Value of a Replaces header: the dialog whose place is to be taken. Absent = none. */
	struct str replaces;
	struct str referred_by; /* absent = not said */
};

#endif
