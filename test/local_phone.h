/* local_phone: telephones for flow tests that are small documents on legs without a wire: "ring 3 s, answer, press 1, hang up
 * after 20 s" is "[{sleep: 3}, answer, {send_digits: '1'}, {sleep: 20}, hangup]". No SIP takes part.
 *
 * The document under test has the address /public/main; a caller, placed as the API would place him, runs a document
 * of his own once main has answered; further phones have addresses to which main may connect. What happens is
 * written down as a story, "NAME what; NAME what", each call by the name of its address; the caller is "caller".
 * Thread: the loop's. */
#ifndef LOCAL_PHONE_H
#define LOCAL_PHONE_H

#include "call/resource.h"
#include "fake_world.h"
#include "media/sink.h"
#include "op/op_tap.h"

enum { LOCAL_PHONES = 8, LOCAL_EAR_MS = 60000 };

struct local_phone {
	const char *address; /* "/public/bob" */
	const char *steps;   /* YAML of its section main */
};

/* What a call's party says and hears, from when the ear was put there. */
struct local_ear {
	struct sink sink;
	size_t count; /* of samples */
	int16_t said[LOCAL_EAR_MS * 8], heard[LOCAL_EAR_MS * 8];
};

struct local_name {
	char id[37], name[20];
	bool over;
};

struct local_world {
	struct fake_world base;
	struct resource resources[LOCAL_PHONES + 1];
	struct resource_table table;
	char folder[40], files[60], database[60];
	struct store *store;
	struct recordings *recordings;
	struct tap_env taps;
	struct sounds *sounds;
	struct document *caller_document;
	struct call *caller; /* NULL = over */
	struct call *main;   /* the one that runs the document under test; NULL = over */
	struct local_name names[600];
	size_t name_count;
	uint64_t start_ms;
	unsigned created, ended;
	unsigned late;    /* events of calls that have ended */
	bool tells_time;  /* "NAME what@MS", in ms since the caller dialled */
	bool tells_calls; /* created, ringing, answered and ended of every call, too */
	struct buf story;
	char peer[20];       /* name of the newest that was connected */
	char params[1200];   /* of the newest operation */
	char first_why[200]; /* of the first connect that failed */
	const char *main_file;
	char hooked[200];      /* "NAME what;" of events with a webhook of their own */
	struct local_ear *ear; /* local_listen() */
};

struct local_opts {
	const char *main;   /* YAML: steps of section main, or a whole document ("sections: …") */
	const char *caller; /* steps that run on the caller's side once main has answered; NULL = he waits */
	const struct local_phone *phones; /* until one without address; NULL = none */
	bool tells_time, tells_calls;
	uint64_t seed; /* 0 = 1 */
};

void local_world_open(struct local_world *w, const struct local_opts *opts);
/* The documents of the phones anew, before any of them was asked for. */
void local_world_rewrite(struct local_world *w, const struct local_opts *opts);
/* The caller dials /public/main. */
void local_world_dial(struct local_world *w, const char *from);
void local_world_run(struct local_world *w, uint64_t ms);
void local_world_free(struct local_world *w);
const char *local_story(const struct local_world *w);
/* The caller, who has no document, says "25v 50. 20t": pieces of 20 ms of voice, of nothing, of 1000 Hz. text stays. */
void local_speak(struct local_world *w, const char *text);
/* The ear of the caller: heard is what it hears of main. */
void local_listen(struct local_world *w);
/* Amplitude of a frequency in what the caller heard from ms to ms behind local_listen(). */
double local_level(const struct local_world *w, double hz, size_t from_ms, size_t to_ms);

/* Dial, run to the end of everything, and compare. */
static inline void local_check_end(struct local_world *w)
{
	if (w->base.calls)
		calls_hangup_all(w->base.calls, "test", "the test is over");
	local_world_run(w, 20000);
	CHECK_INT(w->created, w->ended);
	CHECK_INT(0, w->late);
	fake_world_end_calls(&w->base);
	local_world_free(w);
}

/* A whole call, and its story. */
struct local_row {
	const char *main, *caller;        /* as in local_opts */
	const char *want;                 /* the story */
	const struct local_phone *phones; /* NULL = none */
	uint32_t ms;                      /* to look at it after so long; 0 = 60 s */
	bool tells_calls, tells_time;
};

static inline void local_tell(const struct local_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct local_row *r = &rows[i];
		const struct local_opts opts = { r->main, r->caller, r->phones, r->tells_time, r->tells_calls, 0 };
		struct local_world w;

		local_world_open(&w, &opts);
		local_world_dial(&w, "+15550001111");
		local_world_run(&w, r->ms ? r->ms : 60000);
		if (strcmp(r->want, local_story(&w)))
			fprintf(stderr, "row %zu: %s\n", i, r->main);
		CHECK_STR(r->want, local_story(&w));
		local_check_end(&w);
	}
}

/* For local_opts: one phone, two of them. */
#define PHONE(steps)                                                                                                   \
	(const struct local_phone[])                                                                                   \
	{                                                                                                              \
		{ "/public/bob", steps },                                                                              \
		{                                                                                                      \
			0                                                                                              \
		}                                                                                                      \
	}
#define PHONES(bob, eve)                                                                                               \
	(const struct local_phone[])                                                                                   \
	{                                                                                                              \
		{ "/public/bob", bob }, { "/public/eve", eve },                                                        \
		{                                                                                                      \
			0                                                                                              \
		}                                                                                                      \
	}

/* A step that writes the text into the story. */
#define LOCAL_SHOW(value) "{connect: {to: '/show/" value "', answer_on_bridge: true}}"

#endif
