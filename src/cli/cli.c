#include "cli/cli.h"

#include <ares.h>
#include <curl/curl.h>
#include <jansson.h>
#include <libwebsockets.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"
#include "cli/check.h"
#include "cli/serve.h"
#include "cli/verbs.h"

struct verb {
	const char *name, *arguments, *summary;
	const char *details;               /* lines of --help behind the summary; "" = none */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; NULL = not in this version */
};

static int run_serve(int argc, char **argv);
static int run_version(int argc, char **argv);
static int run_help(int argc, char **argv);

#define WHERE                                                                                                          \
	"  --server URL, --project ID, --token TOKEN\n"                                                                \
	"           which server, and as whom; without them the first http listener and the first\n"                   \
	"           project of the configuration\n"                                                                    \
	"  --ca FILE  PEM file with authorities that are trusted beside the system's, for https\n"                     \
	"  -c FILE  the configuration, looked for as `serve` does\n"

static const struct verb verbs[] = {
	{ "serve", "[-c FILE]", "run the server in the foreground",
	  "  -c FILE  the configuration; without it $CROSSPOINT_CONFIG, ./crosspoint.yaml,\n"
	  "           /etc/crosspoint/crosspoint.yaml, the first of them that there is\n"
	  "\n"
	  "SIGTERM drains: no new calls, live calls may finish within drain_timeout; a second one hangs up.\n"
	  "SIGHUP reads the configuration anew.\n",
	  run_serve },
	{ "check", "[--plan] [--json] FILE...", "validate configurations and SWML documents",
	  "  --plan  print the plan that each connect of a document gives\n"
	  "  --json  print problems as JSON\n"
	  "\n"
	  "Problems are printed as file:line:column: error: CODE: sentence. Exit code 1 when there is an error,\n"
	  "0 when there are only warnings.\n",
	  check_main },
	{ "call", "--to ADDR [--from X] --swml FILE|URL [--json]",
	  "place a call through a running server and follow it",
	  "  --to     phone number or sip: URI\n"
	  "  --from   caller id; without it anonymous\n"
	  "  --swml   what the call runs once it is answered\n"
	  "  --json   print events as JSON, one a line\n" WHERE "\n"
	  "A document from a file is checked first, and nothing is dialled when it has an error. States, steps with "
	  "their\n"
	  "variables, warnings and results are printed as they happen. Ctrl-C hangs up; a second one leaves the call "
	  "alone.\n"
	  "Exit code 0 when the call was answered and ended normally, 1 when not, 3 when there is no server.\n",
	  call_main },
	{ "trunks", "[--json]", "list trunks and which of them work", "  --json   an array, one object a trunk\n" WHERE,
	  trunks_main },
	{ "calls", "[--json]", "list live calls", "  --json   an array, one object a leg\n" WHERE, calls_main },
	{ "registrations", "[--json]", "list the contacts of subscribers",
	  "  --json   an array, one object a contact\n" WHERE, registrations_main },
	{ "hangup", "ID [--json]", "end a call", WHERE, hangup_main },
	{ "tail", "[--call ID] [--json]", "follow events",
	  "  --call   those of one call and of the legs it has dialled\n"
	  "  --json   as JSON, one a line\n" WHERE,
	  tail_main },
	{ "trace", "ID [--messages | --json | --pcap FILE]", "show the SIP ladder and the document trace of a call",
	  "  --messages   whole messages instead of the ladder\n"
	  "  --json       both, for programs\n"
	  "  --pcap FILE  write a capture file for tshark and its kin\n" WHERE "\n"
	  "A call that has ended is found as long as its messages are kept (trace.memory_mb). Secrets are masked.\n",
	  trace_main },
	{ "reload", "[--json]", "read the configuration anew",
	  WHERE
	  "\n"
	  "Exit code 1, with the problems, when the new configuration is bad or needs a restart; the old one stays.\n",
	  reload_main },
	{ "drain", "[--json]", "take no new calls, end the server when the last one is over", WHERE, drain_main },
	{ "version", "[--json]", "print the versions of Crosspoint and of its libraries", "", run_version },
	{ "help", "[VERB]", "print what a verb does", "", run_help },
	{ "dev", "FILE", "run one document on loopback, without configuration", "", NULL },
	{ "test", "SPEC...", "run call flows against simulated parties", "", NULL },
	{ "doctor", "", "find what is wrong with network, NAT, TLS, trunks", "", NULL },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* --- help --- */

static void print_usage(FILE *out)
{
	fprintf(out, "usage: crosspoint VERB [options]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (verbs[i].run)
			fprintf(out, "  %-13s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(out, "\nnot in this version:");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!verbs[i].run)
			fprintf(out, " %s", verbs[i].name);
	fprintf(out, "\n\ncrosspoint VERB --help tells more. "
		     "Exit codes: 0 done, 1 bad, 2 wrong usage, 3 server not reachable.\n");
}

static void print_verb(FILE *out, const struct verb *v)
{
	fprintf(out, "usage: crosspoint %s%s%s\n\n%s%s\n", v->name, *v->arguments ? " " : "", v->arguments, v->summary,
		v->run ? "" : " (not in this version)");
	if (*v->details)
		fprintf(out, "\n%s", v->details);
}

static int unknown_verb(const char *name)
{
	const char *names[ARRAY_LEN(verbs)], *near;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		names[i] = verbs[i].name;
	near = str_nearest(str_of(name), names, ARRAY_LEN(names));
	if (near)
		fprintf(stderr, "crosspoint: unknown verb \"%s\", did you mean \"%s\"?\n", name, near);
	else
		fprintf(stderr, "crosspoint: unknown verb \"%s\"; crosspoint --help lists them\n", name);
	return CLI_USAGE;
}

static int bad_argument(const char *verb, const char *argument)
{
	fprintf(stderr, "crosspoint %s: unexpected argument \"%s\"; see crosspoint %s --help\n", verb, argument, verb);
	return CLI_USAGE;
}

static int run_help(int argc, char **argv)
{
	const struct verb *v = argc > 1 ? find_verb(argv[1]) : NULL;

	if (argc > 2)
		return bad_argument(argv[0], argv[2]);
	if (argc > 1 && !v)
		return unknown_verb(argv[1]);
	if (v)
		print_verb(stdout, v);
	else
		print_usage(stdout);
	return CLI_DONE;
}

/* --- serve --- */

static int run_serve(int argc, char **argv)
{
	const char *path = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c"))
			return bad_argument(argv[0], argv[i]);
		if (i + 1 == argc) {
			fprintf(stderr, "crosspoint serve: -c needs a file\n");
			return CLI_USAGE;
		}
		path = argv[++i];
	}
	return serve_main(path);
}

/* --- version --- */

struct version {
	const char *name, *text;
};

static void print_versions(const struct version *v, size_t n, bool json)
{
	for (size_t i = 0; i < n; i++) {
		if (json)
			printf("%s\"%s\":\"%s\"", i ? "," : "{", v[i].name, v[i].text);
		else
			printf("%s %s\n", v[i].name, v[i].text);
	}
	if (json)
		printf("}\n");
}

static int run_version(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	char lws[32], yaml[32];
	int major, minor, patch;

	if (argc > 1 + json)
		return bad_argument(argv[0], argv[1 + json]);
	/* "4.1.6-" with whatever its packager appended */
	snprintf(lws, sizeof(lws), "%.*s", (int)strcspn(lws_get_library_version(), "- "), lws_get_library_version());
	yaml_get_version(&major, &minor, &patch);
	snprintf(yaml, sizeof(yaml), "%d.%d.%d", major, minor, patch);
	const struct version versions[] = {
		{ "crosspoint", CROSSPOINT_VERSION },
		{ "jansson", jansson_version_str() },
		{ "libyaml", yaml },
		{ "libwebsockets", lws },
		{ "c-ares", ares_version(NULL) },
		{ "openssl", OpenSSL_version(OPENSSL_VERSION_STRING) },
		{ "libcurl", curl_version_info(CURLVERSION_NOW)->version },
		{ "sqlite", sqlite3_libversion() },
	};

	print_versions(versions, ARRAY_LEN(versions), json);
	return CLI_DONE;
}

/* --- the door --- */

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

int cli_main(int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2) {
		print_usage(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return run_help(1, argv);
	v = find_verb(strcmp(argv[1], "--version") ? argv[1] : "version");
	if (!v)
		return unknown_verb(argv[1]);
	if (wants_help(argc - 1, argv + 1)) {
		print_verb(stdout, v);
		return CLI_DONE;
	}
	if (!v->run) {
		fprintf(stderr, "crosspoint: %s is not in this version\n", v->name);
		return CLI_USAGE;
	}
	return v->run(argc - 1, argv + 1);
}
