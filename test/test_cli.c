#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "check.h"

/* Run with both outputs caught in one text. */
static int run_as(char *const *argv, struct buf *out)
{
	int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO), argc = 0, code;
	FILE *f = tmpfile();
	char part[4096];
	size_t n;

	while (argv[argc])
		argc++;
	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	dup2(fileno(f), STDERR_FILENO);
	code = cli_main(argc, (char **)argv);
	fflush(stdout);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	rewind(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(out, part, n);
	fclose(f);
	return code;
}

static void every_line_has_its_answer(void **state)
{
	static const struct {
		const char *argv[12];
		int code;
		const char *says;
	} rows[] = {
		{ { "crosspoint" }, CLI_USAGE, "usage: crosspoint VERB" },
		{ { "crosspoint", "--help" }, CLI_DONE, "usage: crosspoint VERB" },
		{ { "crosspoint", "help" }, CLI_DONE, "not in this version: dev test doctor" },
		{ { "crosspoint", "help", "serve" }, CLI_DONE, "usage: crosspoint serve [-c FILE]\n" },
		{ { "crosspoint", "help", "serv" }, CLI_USAGE, "did you mean \"serve\"?" },
		{ { "crosspoint", "help", "serve", "x" }, CLI_USAGE, "unexpected argument \"x\"" },
		{ { "crosspoint", "serve", "--help" }, CLI_DONE, "/etc/crosspoint/crosspoint.yaml" },
		{ { "crosspoint", "check", "x", "-h" }, CLI_DONE, "usage: crosspoint check [--plan]" },
		{ { "crosspoint", "version", "--help" }, CLI_DONE, "usage: crosspoint version" },
		{ { "crosspoint", "doctor", "--help" }, CLI_DONE, "(not in this version)" },
		{ { "crosspoint", "reload", "--help" }, CLI_DONE, "usage: crosspoint reload [--json]\n" },
		{ { "crosspoint", "trace" }, CLI_USAGE, "the ID of a call is missing" },
		{ { "crosspoint", "hangup" }, CLI_USAGE, "the ID of a call is missing" },
		{ { "crosspoint", "hangup", "a", "b" }, CLI_USAGE, "unexpected argument \"b\"" },
		{ { "crosspoint", "hangup", "--call" }, CLI_USAGE, "unexpected argument \"--call\"" },
		{ { "crosspoint", "calls", "--token" }, CLI_USAGE, "--token needs a value" },
		{ { "crosspoint", "calls", "-c", "/nowhere/c.yaml" }, CLI_USAGE, "cannot read the file" },
		{ { "crosspoint", "call", "--to", "sip:a@b" }, CLI_USAGE, "--to ADDR and --swml FILE|URL are needed" },
		{ { "crosspoint", "call", "--to", "a", "--swml", "/nowhere" }, CLI_BAD, "cannot read /nowhere" },
		{ { "crosspoint", "calls", "--server", "127.0.0.1", "--project", "p", "--token", "t" },
		  CLI_USAGE,
		  "--server must be an http:// or https:// URL" },
		{ { "crosspoint", "reload", "--server", "http://127.0.0.1:9/", "--project", "p", "--token", "t" },
		  CLI_UNREACHABLE,
		  "crosspoint: no server at http://127.0.0.1:9: " },
		{ { "crosspoint", "tail", "--server", "http://127.0.0.1:9", "--project", "p", "--token", "t" },
		  CLI_UNREACHABLE,
		  "crosspoint: no server at http://127.0.0.1:9: " },
		{ { "crosspoint", "srve" }, CLI_USAGE, "unknown verb \"srve\", did you mean \"serve\"?\n" },
		{ { "crosspoint", "xyzzy" }, CLI_USAGE, "unknown verb \"xyzzy\"; crosspoint --help lists them\n" },
		{ { "crosspoint", "serve", "-x" }, CLI_USAGE, "unexpected argument \"-x\"" },
		{ { "crosspoint", "serve", "-c" }, CLI_USAGE, "-c needs a file" },
		{ { "crosspoint", "serve", "-c", "/nowhere/c.yaml" },
		  CLI_BAD,
		  "/nowhere/c.yaml: error: cannot read the file: No such file or directory\n" },
		{ { "crosspoint", "version" }, CLI_DONE, "crosspoint " CROSSPOINT_VERSION "\njansson " },
		{ { "crosspoint", "--version" }, CLI_DONE, "\nlibwebsockets 4." },
		{ { "crosspoint", "version", "--json" },
		  CLI_DONE,
		  "{\"crosspoint\":\"" CROSSPOINT_VERSION "\",\"jansson\":\"" },
		{ { "crosspoint", "version", "--xml" }, CLI_USAGE, "unexpected argument \"--xml\"" },
		{ { "crosspoint", "version", "--json", "x" }, CLI_USAGE, "unexpected argument \"x\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = { 0 };

		CHECK_INT(rows[i].code, run_as((char *const *)rows[i].argv, &out));
		CHECK(out.data && strstr(out.data, rows[i].says));
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(every_line_has_its_answer) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
