#include "call/leg_reason.h"

#include <stdio.h>
#include <string.h>

#include "sip/sip_reason.h"

/* "SIP;cause=500;text="…"" with the sentence made safe for a quoted string. The URLs of documents are not for callers:
 * they name machines inside, and may hold tokens. */
static void print_sentence(const struct leg *leg, char *out, size_t size)
{
	const char *why = strstr(leg->why, "://") ? "the document of the call is not available" : leg->why;
	size_t at;

	snprintf(out, size, "SIP;cause=500;text=\"%s", why);
	at = strlen(out);
	if (at > size - 2)
		at = size - 2;
	for (size_t i = sizeof("SIP;cause=500;text=\"") - 1; i < at; i++)
		if (out[i] == '"' || out[i] == '\\' || (unsigned char)out[i] < ' ')
			out[i] = '\'';
	out[at] = '"';
	out[at + 1] = '\0';
}

/* To him who is called, or talks: nothing but the kind of the end. */
static const char *known_reason(enum cause cause)
{
	switch (cause) {
	case CAUSE_NONE:
	case CAUSE_HANGUP:
		return "Q.850;cause=16;text=\"Normal call clearing\"";
	case CAUSE_BUSY:
		return "Q.850;cause=17;text=\"User busy\"";
	case CAUSE_DECLINED:
		return "Q.850;cause=21;text=\"Call rejected\"";
	case CAUSE_NO_ANSWER:
		return "Q.850;cause=19;text=\"No answer\"";
	case CAUSE_CANCEL:
		return "SIP;cause=487;text=\"Request Terminated\"";
	case CAUSE_NOT_FOUND:
		return "Q.850;cause=1;text=\"Unallocated number\"";
	case CAUSE_ERROR:
		return "Q.850;cause=41;text=\"Temporary failure\"";
	}
	return "";
}

void leg_reason_ours(const struct leg *l, uint16_t status, char out[LEG_REASON_TEXT])
{
	bool talks = l->end.answered;

	out[0] = '\0';
	if (l->inbound && !talks) {
		if (l->end.cause == CAUSE_ERROR)
			print_sentence(l, out, LEG_REASON_TEXT);
		return;
	}
	/* RFC 3326 §3: a phone that knows it shows no missed call. */
	if (!talks && status == 200)
		str_copy(out, LEG_REASON_TEXT, STR("SIP;cause=200;text=\"Call completed elsewhere\""));
	else
		str_copy(out, LEG_REASON_TEXT, str_of(known_reason(l->end.cause)));
}

void leg_reason_sentence(const struct sip_end *end, char *out, size_t size)
{
	struct sip_reason r;
	struct str text;

	if (end->who != SIP_BY_PEER || sip_reason_parse(&r, end->reason_header)) {
		str_copy(out, size, str_of(end->why));
		return;
	}
	text = str_head(r.text, 60);
	if (text.n)
		snprintf(out, size, "%s (%.*s)", end->why, STR_ARG(text));
	else
		snprintf(out, size, "%s (%.*s cause %u)", end->why, STR_ARG(str_head(r.protocol, 10)), r.cause);
}

enum cause leg_reason_cause(const struct sip_end *end)
{
	enum cause cause = cause_of_status(end->status), told;
	struct sip_reason r;

	/* Only where the status leaves it open. */
	if (cause != CAUSE_ERROR && cause != CAUSE_NO_ANSWER)
		return cause;
	if (sip_reason_parse(&r, end->reason_header) || !str_iis(r.protocol, "Q.850"))
		return cause;
	told = cause_of_q850(r.cause);
	return told == CAUSE_NONE ? cause : told;
}
