/* cli: the command line: finds the verb and runs it. Thread: main. Source: PRODUCT §2. */
#ifndef CLI_H
#define CLI_H

enum cli_exit {
	CLI_DONE = 0,
	CLI_BAD = 1,         /* the thing asked about is bad        */
	CLI_USAGE = 2,       /* wrong usage, or not in this version */
	CLI_UNREACHABLE = 3, /* the server cannot be reached        */
};

/* Returns the exit code. */
int cli_main(int argc, char **argv);

#endif
