/* event: one publisher of immutable records with per-call sequence numbers.
 *
 * event_emit() freezes a record and hands it to every subscriber at once; a subscriber copies what it keeps
 * and never holds a call. The terminal event of a leg (ENDED) is emitted exactly once, by call.c.
 * Thread: signal. */
#ifndef EVENT_H
#define EVENT_H

#include "base/str.h"

enum event_type {
	EVENT_CREATED, /* leg exists                                     */
	EVENT_RINGING,
	EVENT_ANSWERED,
	EVENT_ENDED,      /* terminal: cause, sip_code, ended_by, why, seconds */
	EVENT_CONNECTING, /* of a connect, on the caller                    */
	EVENT_CONNECTED,
	EVENT_DISCONNECTED,
	EVENT_FAILED,
	EVENT_OPERATION, /* of another verb: operation ("calling.call.play"), state, control_id, params, final */
	EVENT_WARNING,   /* calling.script.warning: code, text, line, col  */
	EVENT_TRANSFER,  /* a party's wish to be replaced, on the other one: state, to, by, peer, sip_code, why */
	EVENT_REFER,     /* our transfer of the far end is over: to, state, sip_code, notify_code, why */
	/* Of a document, while somebody follows, or at debug level: */
	EVENT_STEP,      /* a step begins: method, section, line, args, vars */
	EVENT_STEP_DONE, /* it is over: method, section, line, ms, vars      */
	EVENT_DOCUMENT,  /* one was fetched: location, bytes, fallback, ms, error */
	EVENT_NO_MEDIA,  /* an answered leg is not heard: seconds, cause, why */
	EVENT_MEDIA,     /* it is heard (again): seconds of silence */
	EVENT_USER,      /* what a document says: event (an object, as JSON) */
	/* Of no call: call_id is "", sequence 0. */
	EVENT_TRUNK_UP,   /* trunk */
	EVENT_TRUNK_DOWN, /* trunk, why */
};

struct event_field {
	const char *key;
	struct str value;
};

enum { EVENT_MAX_FIELDS = 16 };

/* Where events of a leg go besides the subscribers: a webhook. The URL may hold a password and is never printed. */
struct call_hook {
	const char *url; /* NULL = nowhere */
	unsigned events; /* bits: 1 << enum event_type, of CREATED to ENDED */
};

/* A leg's whole life in numbers, as far as it has come. Times are Unix [ms], 0 = never. */
struct event_leg {
	uint64_t created_ms, ringing_ms, answered_ms, ended_ms;
	uint64_t talk_ms;
	uint16_t sip_code; /* final SIP status of its INVITE, 0 = none */
	uint64_t packets_in, packets_out, packets_lost, packets_foreign;
	/* As in struct port_stats (media/port.h). */
	uint32_t jitter_us, jitter_max_us, round_trip_us, far_lost, far_jitter_us;
	uint16_t score, far_score;
	bool far_reported;
};

struct event {
	enum event_type type;
	const char *call_id;   /* never NULL; "" = of no call */
	const char *parent_id; /* NULL = none */
	uint32_t sequence;     /* per call, from 0 */
	uint64_t wall_ms;
	size_t field_count;
	const struct event_field *fields;
	const struct event_leg *leg; /* talk_ms and what follows it: ENDED only; NULL = not from a leg */
	/* For webhooks, never logged; NULL = none. */
	const char *hook; /* URL this event is to be sent to */
	bool hook_get;    /* by GET */
	const char *segment_id, *parent_type;
};

struct events; /* the publisher */
struct loop;

int events_new(struct events **out, struct loop *l);
void events_free(struct events **e);
/* fn is called inside event_emit(); it must not emit or end calls. At most 8 subscribers. */
void events_subscribe(struct events *e, void (*fn)(void *arg, const struct event *ev), void *arg);
/* Somebody follows all there is, or (less) does no more. */
void events_follow(struct events *e, bool more);
bool events_followed(const struct events *e);
void event_emit(struct events *e, enum event_type type, const char *call_id, const char *parent_id, uint32_t sequence,
		const struct event_field *fields, size_t count);
/* The same for a record that the caller fills in but for its time. */
void event_publish(struct events *e, struct event *ev);
/* "created", "ringing", …, "warning". */
const char *event_name(enum event_type type);
/* One that is told only while somebody wants to know. */
bool event_is_of_steps(enum event_type type);
/* Value of a field, absent slice when missing. */
struct str event_get(const struct event *ev, const char *key);
/* The subscriber that writes events to the log, one line each. */
void event_log(void *arg, const struct event *ev);

#endif
