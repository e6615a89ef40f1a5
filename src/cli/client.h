/* client: a small blocking HTTP client for the verbs that talk to a server.
 *
 * Knows where the server is and who asks: from --server, --project, --token, or from the configuration file that the
 * server would take. Thread: main; not for the server itself. */
#ifndef CLIENT_H
#define CLIENT_H

#include "base/str.h"

struct client;

struct client_where {       /* NULL = from the configuration */
	const char *config; /* file */
	const char *server; /* "http://host:port" */
	const char *project, *token;
	const char *ca; /* file with authorities that are trusted beside the system's */
};

/* Returns 0, or an exit code (cli.h) after one line on stderr: wrong usage, or no way to reach a server. */
int client_open(struct client **out, const struct client_where *w);
void client_close(struct client **c);

struct client_answer {
	long status;
	struct buf body; /* the caller frees */
};

/* body absent = none. 0, or CLI_UNREACHABLE after one line on stderr. */
int client_ask(struct client *c, const char *method, const char *path, struct str body, struct client_answer *out);

struct client_follower {
	/* The stream is open: nothing that happens from now on is missed. False = enough. May be NULL. */
	bool (*opened)(void *arg);
	/* One line, without its end. False = enough. */
	bool (*line)(void *arg, struct str line);
	/* About once a second, and oftener while lines come. False = enough. May be NULL. */
	bool (*tick)(void *arg);
	void *arg;
};

/* GET path and read lines until the server ends the stream (*status is set) or the follower has enough. 0, or
 * CLI_UNREACHABLE; on a status other than 200 out->body is what the server said. */
int client_follow(struct client *c, const char *path, const struct client_follower *f, struct client_answer *out);

#endif
