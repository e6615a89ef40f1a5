/* control_impl: what control.c (doors, auth, routing), control_calls.c, control_trunks.c, control_events.c, control_dial.c
 * and control_recordings.c share. Private to them. Thread: signal. */
#ifndef CONTROL_IMPL_H
#define CONTROL_IMPL_H

#include "api/control.h"
#include "base/list.h"

struct control {
	struct control_opts opts;
	struct control_door door;
	bool open;
	struct list streams; /* of struct stream in control_events.c */
	size_t stream_count;
};

/* {"error": text} */
void control_error(struct control *c, uint64_t id, int status, const char *text);
/* The same, and the client should come back later. */
void control_busy(struct control *c, uint64_t id, const char *text);
/* Sends what is in b, then frees it; 500 when it has failed. */
void control_send(struct control *c, uint64_t id, int status, struct buf *b);
/* The same with another content type, and 200. */
void control_text(struct control *c, uint64_t id, const char *content_type, struct buf *b);
/* The value of name in "a=b&c=d"; absent when it is not there. */
struct str control_query(const char *query, const char *name);

/* The request bears the credentials of a project. */
bool control_may(const struct control *c, const struct web_request *r);
/* 401 */
void control_refuse(struct control *c, uint64_t id);

const char *control_state_name(enum call_state state);
/* Unix time as "2025-01-01T00:00:00.000Z". */
void control_time(struct buf *b, uint64_t wall_ms);

/* --- the addresses; tail is what follows the path of the table --- */

void control_list_calls(struct control *c, const struct web_request *r, struct str tail);
void control_show_call(struct control *c, const struct web_request *r, struct str tail);
void control_trace(struct control *c, const struct web_request *r, struct str tail);
void control_end_call(struct control *c, const struct web_request *r, struct str tail);
void control_list_trunks(struct control *c, const struct web_request *r, struct str tail);
/* Are there trunks that are not up? Then out says so in JSON. */
bool control_trunks_down(const struct control *c, struct buf *out);
void control_list_registrations(struct control *c, const struct web_request *r, struct str tail);
void control_follow(struct control *c, const struct web_request *r, struct str tail);
void control_recording(struct control *c, const struct web_request *r, struct str tail);
void control_calling(struct control *c, const struct web_request *r, struct str tail);

void control_publish(void *arg, const struct event *ev);

#endif
