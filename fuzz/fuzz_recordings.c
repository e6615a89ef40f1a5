/* Any bytes as the name of a recording: what is taken is an id and nothing else, since it becomes part of a path. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "op/recordings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of a virtual loop: the corpus holds a name that it signs. */
static struct recordings *make(void)
{
	char folder[] = "/tmp/fuzz_recordings.XXXXXX", key[64], why[160];
	struct recordings_opts opts = { .folder = folder, .address = "" };
	struct recordings *r = NULL;
	struct loop *l;

	if (!mkdtemp(folder) || loop_new(&l, true, 1))
		abort();
	opts.loop = l;
	if (recordings_new(&r, &opts, why))
		abort();
	loop_free(&l);
	snprintf(key, sizeof(key), "%s/key", folder);
	unlink(key);
	rmdir(folder);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct recordings *r;
	struct recordings_name name;

	if (!r)
		r = make();
	if (!recordings_parse(r, &name, (struct str){ (const char *)data, size }))
		return 0;
	if (name.id.n != 36 || memchr(name.id.p, '/', 36) || memchr(name.id.p, '.', 36) || memchr(name.id.p, 0, 36))
		abort();
	if (name.is_signed != (size > 40))
		abort();
	return 0;
}
