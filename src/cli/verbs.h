/* verbs: call, calls, trunks, registrations, hangup, tail, trace, reload, drain: clients of the control API of a running
 * server.
 *
 * argv[0] is the verb; each returns an exit code of cli.h. Thread: main. Source: PRODUCT §2, §6. */
#ifndef VERBS_H
#define VERBS_H

#include "cli/client.h"

int call_main(int argc, char **argv);
int calls_main(int argc, char **argv);
int trunks_main(int argc, char **argv);
int registrations_main(int argc, char **argv);
int hangup_main(int argc, char **argv);
int tail_main(int argc, char **argv);
int reload_main(int argc, char **argv);
int drain_main(int argc, char **argv);
int trace_main(int argc, char **argv);

/* --- what they share --- */

struct verb_options { /* NULL = not given */
	struct client_where where;
	bool json;
	const char *id; /* the one argument without a dash */
	const char *call, *to, *from, *swml, *pcap;
	bool messages;
};

/* Which of the options beside those of all verbs one takes. */
enum { VERB_ID = 1, VERB_CALL = 2, VERB_DIAL = 4, VERB_TRACE = 8 };

/* 0, or CLI_USAGE after one line on stderr. */
int verb_options(struct verb_options *out, int argc, char **argv, unsigned takes);
/* Could the server have such an id? */
bool verb_can_be_id(const char *text);
/* An answer that is not 200: what the server says, on stderr (on stdout as it came with --json). Returns CLI_BAD. */
int verb_refused(const struct verb_options *o, const struct client_answer *a);
/* An event as JSON: "time type call_id key=value …" on stdout, or as it came with --json. */
void verb_print_event(const struct verb_options *o, struct str line);

#endif
