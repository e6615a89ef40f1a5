/* check: `crosspoint check [--plan] [--print=FORMAT] [--json] FILE…`: what is wrong with configurations and documents, before they run.
 *
 * The kind of a file is seen from its content. Thread: main. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"

enum check_print { CHECK_PRINT_NOTHING, CHECK_PRINT_YAML, CHECK_PRINT_JSON };

struct check_options {
	bool plan; /* print the plan of every connect whose values hold no variables */
	bool json;
	enum check_print print; /* documents, as they were understood; the problems then go to stderr */
	FILE *out;
};

/* argv[0] is the verb. Returns the exit code: 0 good (perhaps with warnings), 1 bad, 2 wrong usage. */
int check_main(int argc, char **argv);
/* The files one after another; exit code as above. */
int check_files(const struct check_options *o, char *const *files, size_t count);
/* A text that must be a SWML document; file: its name in what is printed. Exit code as above. */
int check_document(FILE *out, const char *file, struct str text);

#endif
