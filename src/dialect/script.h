/* script: runs a SWML document on a call: a stack of frames (document, section, position), variables, and the
 * one op that is open. It is the call's controller. It never acts on SIP or media: it fills a plan or calls
 * call_answer()/call_hangup() and goes on when the op is done.
 *
 * Yields to the loop after 100 steps or 1 ms of them. When the document ends the call is hung up with the
 * cause of the last failed connect (PRODUCT §6). Thread: signal. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "call/call.h"
#include "dialect/call_vars.h"

struct fetch; /* documents by name: see fetch.h */
struct document;
struct recordings;
struct recognizer;
struct route;
struct sounds;
struct tap_env;

struct script_env {
	struct fetch *fetch;
	struct sounds *sounds;
	struct recordings *recordings;
	struct recognizer *recognizer; /* with an engine; NULL = speech is not understood */
	const struct tap_env *taps;    /* must outlive the calls */
	const char *const *envs;       /* name, value, name, value, NULL: configuration's envs */
	struct call_ids ids;           /* what documents' servers and call.* are told of us */
	const char *country;           /* for numbers without + in documents */
};

struct script_start {              /* one of location and document */
	const char *location;      /* absolute file name or http(s) URL */
	const char *method;        /* of URLs: "GET", or NULL = POST */
	const char *fallback;      /* where to look when that fails; NULL = nowhere */
	struct document *document; /* the script takes a reference of its own */
	const char *const *envs;   /* name, value, …, NULL: hide those of script_env; NULL = none */
};

/* Take the call over and run the document `location` (absolute file name, http(s) URL) from section main. The document
 * is fetched first, by POST when it is a URL; the caller waits unanswered. Everything that goes wrong is a warning event and ends the call
 * with a `why`. The script frees itself when the call has closed. 0 or ENOMEM. */
int script_start(struct call *c, const struct script_env *env, const char *location);
/* The same with the document, method and fallback of a route. */
int script_start_route(struct call *c, const struct script_env *env, const struct route *r);
/* The same with a document that is there already; the script holds a reference of its own. */
int script_start_document(struct call *c, const struct script_env *env, struct document *d);
/* The same in general; all but the document is copied. */
int script_start_as(struct call *c, const struct script_env *env, const struct script_start *how);
/* The call runs a document: give that up for another one, behind the end of what it waits for. 0; ENOENT: it runs none;
 * ESHUTDOWN: it is ending; ENOMEM. */
int script_replace(struct call *c, const struct script_env *env, const struct script_start *how);

#endif
