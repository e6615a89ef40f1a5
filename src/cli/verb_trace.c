#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int write_file(const char *path, struct str bytes)
{
	FILE *f = fopen(path, "we");
	bool good = f && fwrite(bytes.p, 1, bytes.n, f) == bytes.n;

	if (f && fclose(f))
		good = false;
	if (good)
		return CLI_DONE;
	fprintf(stderr, "crosspoint: cannot write %s: %s\n", path, strerror(errno));
	return CLI_BAD;
}

int trace_main(int argc, char **argv)
{
	struct client_answer a = { 0 };
	struct verb_options o;
	const char *format;
	struct client *c;
	char path[160];
	int code = verb_options(&o, argc, argv, VERB_ID | VERB_TRACE);

	if (code)
		return code;
	format = o.pcap ? "pcap" : o.json ? "json" : o.messages ? "messages" : "text";
	snprintf(path, sizeof(path), "/api/crosspoint/calls/%s/trace?format=%s", verb_can_be_id(o.id) ? o.id : "-",
		 format);
	code = client_open(&c, &o.where);
	if (code)
		return code;
	code = client_ask(c, "GET", path, (struct str){ NULL, 0 }, &a);
	if (!code && a.status != 200)
		code = verb_refused(&o, &a);
	else if (!code && o.pcap)
		code = write_file(o.pcap, buf_view(&a.body));
	else if (!code)
		fwrite(a.body.data, 1, a.body.len, stdout);
	buf_free(&a.body);
	client_close(&c);
	return code;
}
