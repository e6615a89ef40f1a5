/* The real table of settings over any text: no crash, and errors exactly when there is no configuration. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int err, const struct config *c, const struct conf_problem *problems)
{
	bool errors = false;
	uint32_t line = 0;

	for (; problems; problems = problems->next) {
		errors |= problems->severity == CONF_ERROR;
		if (problems->line < line || !problems->message[0])
			abort();
		line = problems->line;
	}
	if (errors != (err != 0) || (c != NULL) != !err)
		abort();
	if (c && (!c->sip.listen_count || !c->media.codecs.count || c->media.port_min >= c->media.port_max))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_problem *problems = NULL;
	struct config *c = NULL;
	struct arena *a = NULL;

	/* Nobody knows what a name found at random would read. */
	if (memmem(data, size, "file:", 5) || arena_new(&a, 0, 0))
		return 0;
	check(config_read(&c, a, "/nowhere/c.yaml", (struct str){ (const char *)data, size }, &problems), c, problems);
	arena_free(&a);
	return 0;
}
