/* Any bytes as a journal that a crash left: what is found lies inside, and the ring works on from there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(struct journal *j, const char *memory, size_t size)
{
	struct spool_row row;
	uint64_t at = 0;
	size_t n = 0;
	bool done;

	for (; journal_next(j, &at, &row, &done); n++) {
		if (row.id.p < memory || row.body.p + row.body.n > memory + size || row.number <= 0 || !row.mark)
			abort();
		if (n % 3 == 0)
			journal_done(j, row.mark);
		if (n % 3 == 1)
			journal_ticket(j, row.mark, n % 2);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spool_row row = { .number = 7, .id = STR("id"), .call_id = STR("call"), .url = STR("http://h/") };
	char *memory = malloc(size + 1);
	struct journal *j;
	size_t written = 0;

	if (!memory)
		return 0;
	memcpy(memory, data, size);
	if (!journal_over(&j, memory, size)) {
		size_t found = read_all(j, memory, size);

		if (found != journal_count(j).whole)
			abort();
		for (int i = 0; i < 20; i++) {
			row.body = (struct str){ (const char *)data, size < 100 ? size : (size_t)data[i] % 100 };
			written += !journal_put(j, &row, (uint64_t)i);
		}
		journal_free(&j);
		/* What was written is found again, the last at least. */
		if (!journal_over(&j, memory, size) && written && !read_all(j, memory, size))
			abort();
		journal_free(&j);
	}
	free(memory);
	return 0;
}
