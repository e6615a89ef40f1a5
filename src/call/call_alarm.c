#include "call/call_alarm.h"

#include <stdio.h>

#include "call/call_impl.h"

void call_alarm_start(struct call *c)
{
	uint32_t after_ms = c->owner->opts.no_media_ms;
	struct port *port = leg_port(c->leg);

	if (after_ms && port)
		port_expect(port, after_ms);
}

const char *call_alarm_cause(enum port_stray stray)
{
	switch (stray) {
	case PORT_STRAY_NONE:
		break;
	case PORT_STRAY_FOREIGN:
		return "foreign_source";
	case PORT_STRAY_TYPE:
		return "payload_type";
	case PORT_STRAY_BAD:
		return "not_rtp";
	case PORT_STRAY_UNAUTHENTIC:
		return "unauthentic";
	}
	return "nothing";
}

const char *call_alarm_why(const struct port_silence *s, char out[160])
{
	char from[ADDR_TEXT];

	switch (s->stray) {
	case PORT_STRAY_NONE:
		str_copy(out, 160,
			 STR("no packet comes: a firewall or NAT on the way, or media.advertise is an address that the "
			     "peer cannot reach"));
		break;
	case PORT_STRAY_FOREIGN:
		snprintf(out, 160, "packets come from %s only, which is not whom the SDP named, nor heard first",
			 addr_text(&s->from, from));
		break;
	case PORT_STRAY_TYPE:
		snprintf(out, 160, "packets from %s bear payload type %u, which was not agreed on",
			 addr_text(&s->from, from), s->payload_type);
		break;
	case PORT_STRAY_BAD:
		snprintf(out, 160, "packets from %s are no RTP", addr_text(&s->from, from));
		break;
	case PORT_STRAY_UNAUTHENTIC:
		snprintf(out, 160, "packets from %s are not SRTP of the key in the SDP: plain RTP, or another key",
			 addr_text(&s->from, from));
		break;
	}
	return out;
}

void call_alarm_silence(struct call *c, const struct port_silence *s)
{
	char seconds[24], why[160];
	struct event_field fields[3];

	snprintf(seconds, sizeof(seconds), "%llu.%03u", (unsigned long long)(s->ms / 1000), (unsigned)(s->ms % 1000));
	fields[0] = (struct event_field){ "seconds", str_of(seconds) };
	if (s->over) {
		call_emit(c, EVENT_MEDIA, fields, 1);
		return;
	}
	fields[1] = (struct event_field){ "cause", str_of(call_alarm_cause(s->stray)) };
	fields[2] = (struct event_field){ "why", str_of(call_alarm_why(s, why)) };
	c->owner->counts.no_media++;
	call_emit(c, EVENT_NO_MEDIA, fields, ARRAY_LEN(fields));
}
