/* leg_impl: the whole contract of a leg kind, for those who write one.
 *
 * A kind embeds struct leg first, fills ops, and reports through leg_report_*(). The state is moved by
 * leg_move() alone. Thread: signal. */
#ifndef LEG_IMPL_H
#define LEG_IMPL_H

#include "call/leg.h"

/* All may fail, none may call back before returning. */
struct leg_ops {
	void (*ring)(struct leg *l);
	int (*early)(struct leg *l, const struct codec_list *prefer);
	int (*answer)(struct leg *l, const struct codec_list *prefer);
	void (*hangup)(struct leg *l, uint16_t status);
	int (*reoffer)(struct leg *l, enum codec_id codec);
	int (*transfer)(struct leg *l, const struct transfer *t);
	int (*credentials)(struct leg *l, const char *username, const char *password); /* NULL: nobody asks */
	int (*take_refer)(struct leg *l,
			  struct sip_notifier **out); /* these two only where leg_report_asked() is used */
	void (*refuse_refer)(struct leg *l, int status);
	struct port *(*port)(const struct leg *l);
	void (*codecs)(const struct leg *l, struct codec_list *out);
	bool (*agreed)(const struct leg *l, enum codec_id *codec);
	bool (*holds)(const struct leg *l);
	enum leg_video_state (*video)(const struct leg *l, struct video_formats *out);
	void (*permit_video)(struct leg *l, const struct video_formats *formats);
	int (*offer_video)(struct leg *l, const struct video_formats *formats);
	struct port *(*video_port)(const struct leg *l);
	bool (*opus)(const struct leg *l, struct opus_wish *out);
	void (*wish_opus)(struct leg *l, const struct opus_wish *w); /* these two NULL: its party never sends Opus */
	void (*tell_opus)(struct leg *l);
	void (*free)(struct leg *l);
};

struct leg {
	const struct leg_ops *ops;
	const struct leg_handlers *handlers;
	void *arg;
	enum leg_state state;
	bool inbound;
	/* The first reason to end stays the reason. */
	struct leg_end end;
	char why[160];
	char by[16];
};

/* The only way to change the state; asserts that the step is legal. */
void leg_move(struct leg *l, enum leg_state to);
/* Note why the leg ends, unless something is noted already. */
void leg_blame(struct leg *l, enum cause cause, uint16_t status, const char *by, const char *why);
/* Progress of an outbound leg; ignored when the leg is closing or further on. */
void leg_report_ringing(struct leg *l);
void leg_report_early(struct leg *l);
void leg_report_answered(struct leg *l);
void leg_report_played(struct leg *l, uint32_t id, enum port_played how);
void leg_report_detached(struct leg *l, uint32_t id, struct sink *s);
void leg_report_news(struct leg *l, uint32_t id, unsigned what);
void leg_report_key(struct leg *l, char key);
void leg_report_video(struct leg *l);
void leg_report_opus(struct leg *l);
void leg_report_asked(struct leg *l, const struct transfer_wish *w);
void leg_report_silence(struct leg *l, const struct port_silence *s);
/* The same as struct port_handlers wants them; arg is the leg. */
void leg_port_played(void *arg, uint32_t id, enum port_played how);
void leg_port_detached(void *arg, uint32_t id, struct sink *s);
void leg_port_news(void *arg, uint32_t id, unsigned what);
void leg_port_silence(void *arg, const struct port_silence *s);
void leg_port_key(void *arg, char key);
/* The far side is gone; leg_report_closed() comes when the port is closed. */
void leg_report_leaving(struct leg *l);
void leg_report_held(struct leg *l, bool on);
/* Everything is closed: tells the user, then frees the leg. */
void leg_report_closed(struct leg *l);

#endif
