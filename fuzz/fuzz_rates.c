/* Any bytes as a rate table: what was accepted is sorted, and each of its rows is found. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "call/rates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct rates *r)
{
	char number[32];
	uint32_t price;

	for (size_t i = 0; i < r->count; i++) {
		if (i && r->rows[i].key < r->rows[i - 1].key)
			abort();
		snprintf(number, sizeof(number), "%llu", (unsigned long long)r->rows[i].key);
		number[0] = '+'; /* the 1 in front */
		if (!rates_find(r, number, &price) || price != r->rows[i].price)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct rates_fault fault;
	struct rates r;
	struct rate *rows = calloc(rates_room(text), sizeof(*rows));

	if (rows && !rates_read(&r, rows, text, &fault))
		check(&r);
	else if (rows && (!fault.why || !fault.line))
		abort();
	free(rows);
	return 0;
}
