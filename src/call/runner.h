/* runner: door upwards: run this script on that call, and tell what came of it, once; or stop it.
 *
 * call/ and op/ know no documents. Who starts an op that may need one hands in who runs them, like its other doors.
 * While a script runs it is the call's controller; afterwards the call has none, and is neither hung up nor otherwise
 * changed: what the script has started beside itself (recordings, taps) goes on. Thread: signal. */
#ifndef RUNNER_H
#define RUNNER_H

struct call;
struct doc;
struct run; /* one script at work, of the runner */

enum run_outcome {
	RUN_ENDED,   /* the script came to its end                                      */
	RUN_REFUSED, /* it hung up; that is left to whoever asked                       */
	RUN_FAILED,  /* it could not be fetched, read or gone on with                   */
	RUN_GONE,    /* the call ended first: told by its closed(), it can be looked at */
};

struct run_result {
	enum run_outcome outcome;
	const char *why; /* one sentence, never NULL, borrowed */
};

struct run_ask {
	struct call *call;         /* answered */
	const char *url;           /* one of the two, copied: what a POST to it answers … */
	const struct doc *methods; /* … or the steps themselves */
	/* From the loop and never from inside start(); *r is dead by then. */
	void (*done)(void *arg, const struct run_result *r);
	void *arg;
};

struct runner {
	/* 0 (done() follows) or ENOMEM. */
	int (*start)(void *arg, struct run **out, const struct run_ask *ask);
	/* done() does not follow, *r is dead, and the call has no controller. */
	void (*stop)(struct run *r);
	void *arg;
};

#endif
