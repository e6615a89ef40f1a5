/* engine_text: events and actions of the connect engine as words, for tests that read like a log.
 *
 * Events:  start ring0 early0 answer0 ok0 refuse0 gone0:busy +ring0 (the timer fired) +total key* caller-answered
 *          caller-gone stop
 * Actions: dial0 drop0:cancel confirm0 join0 answer tone early0 ringback ringback-off set:ring0 clear:ring0
 *          done:failed:busy:0 */
#ifndef ENGINE_TEXT_H
#define ENGINE_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "op/connect_engine.h"

static const char *const engine_timer_names[] = {
	[ENGINE_TIMER_RING] = "ring", [ENGINE_TIMER_CONFIRM] = "confirm", [ENGINE_TIMER_TOTAL] = "total",
	[ENGINE_TIMER_TALK] = "talk", [ENGINE_TIMER_SETTLE] = "settle",
};

static const char *const engine_cause_names[] = {
	[CAUSE_NONE] = "none",           [CAUSE_HANGUP] = "hangup",       [CAUSE_BUSY] = "busy",
	[CAUSE_DECLINED] = "declined",   [CAUSE_NO_ANSWER] = "no_answer", [CAUSE_CANCEL] = "cancel",
	[CAUSE_NOT_FOUND] = "not_found", [CAUSE_ERROR] = "error",
};

static const char *const engine_outcome_names[] = {
	[ENGINE_COMPLETED] = "completed",
	[ENGINE_FAILED] = "failed",
	[ENGINE_ABANDONED] = "abandoned",
	[ENGINE_STOPPED] = "stopped",
};

static inline bool engine_timer_has_slot(enum engine_timer t)
{
	return t == ENGINE_TIMER_RING || t == ENGINE_TIMER_CONFIRM;
}

static inline void engine_timer_text(char *out, size_t size, const char *mark, enum engine_timer t, unsigned slot)
{
	if (engine_timer_has_slot(t))
		snprintf(out, size, "%s%s%u", mark, engine_timer_names[t], slot);
	else
		snprintf(out, size, "%s%s", mark, engine_timer_names[t]);
}

static inline void engine_action_text(char *out, size_t size, const struct engine_action *a)
{
	switch (a->type) {
	case ENGINE_DIAL:
		snprintf(out, size, "dial%u", a->slot);
		break;
	case ENGINE_DROP:
		snprintf(out, size, "drop%u:%s", a->slot, engine_cause_names[a->cause]);
		break;
	case ENGINE_CONFIRM:
		snprintf(out, size, "confirm%u", a->slot);
		break;
	case ENGINE_JOIN:
		snprintf(out, size, "join%u", a->slot);
		break;
	case ENGINE_ANSWER_CALLER:
		snprintf(out, size, "answer");
		break;
	case ENGINE_RING_CALLER:
		snprintf(out, size, "tone");
		break;
	case ENGINE_PASS_EARLY:
		snprintf(out, size, "early%u", a->slot);
		break;
	case ENGINE_RINGBACK_ON:
		snprintf(out, size, "ringback");
		break;
	case ENGINE_RINGBACK_OFF:
		snprintf(out, size, "ringback-off");
		break;
	case ENGINE_SET_TIMER:
		engine_timer_text(out, size, "set:", a->timer, a->slot);
		break;
	case ENGINE_CLEAR_TIMER:
		engine_timer_text(out, size, "clear:", a->timer, a->slot);
		break;
	case ENGINE_DONE:
		snprintf(out, size, "done:%s:%s:%u", engine_outcome_names[a->outcome], engine_cause_names[a->cause],
			 a->slot);
		break;
	}
}

static inline void engine_event_text(char *out, size_t size, const struct engine_event *ev)
{
	switch (ev->type) {
	case ENGINE_START:
		snprintf(out, size, "start");
		break;
	case ENGINE_RINGING:
		snprintf(out, size, "ring%u", ev->slot);
		break;
	case ENGINE_EARLY:
		snprintf(out, size, "early%u", ev->slot);
		break;
	case ENGINE_ANSWERED:
		snprintf(out, size, "answer%u", ev->slot);
		break;
	case ENGINE_CONFIRMED:
		snprintf(out, size, "ok%u", ev->slot);
		break;
	case ENGINE_REFUSED:
		snprintf(out, size, "refuse%u:%s", ev->slot, engine_cause_names[ev->cause]);
		break;
	case ENGINE_GONE:
		snprintf(out, size, "gone%u:%s", ev->slot, engine_cause_names[ev->cause]);
		break;
	case ENGINE_TIMER:
		engine_timer_text(out, size, "+", ev->timer, ev->slot);
		break;
	case ENGINE_KEY:
		snprintf(out, size, "key%c", ev->key);
		break;
	case ENGINE_CALLER_ANSWERED:
		snprintf(out, size, "caller-answered");
		break;
	case ENGINE_CALLER_GONE:
		snprintf(out, size, "caller-gone");
		break;
	case ENGINE_STOP:
		snprintf(out, size, "stop");
		break;
	}
}

/* The word as an event; a word that is none aborts the test program. */
static inline struct engine_event engine_event_of(const char *word)
{
	char text[64];

	for (int type = ENGINE_START; type <= ENGINE_STOP; type++) {
		for (unsigned n = 0; n < 16 * ARRAY_LEN(engine_cause_names); n++) {
			struct engine_event ev = { .type = (enum engine_event_type)type,
						   .slot = (uint16_t)(n / ARRAY_LEN(engine_cause_names)),
						   .cause = (enum cause)(n % ARRAY_LEN(engine_cause_names)),
						   .timer = (enum engine_timer)(n % ARRAY_LEN(engine_timer_names)),
						   .key = "*#1"[n % 3] };

			engine_event_text(text, sizeof(text), &ev);
			if (!strcmp(text, word))
				return ev;
		}
	}
	fprintf(stderr, "no event: %s\n", word);
	abort();
}

#endif
