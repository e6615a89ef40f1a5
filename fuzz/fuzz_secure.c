/* The text up to the first NUL byte is a value of a=crypto. What is read must be written and read alike.
 * The rest arrives as a packet at streams of every suite, RTP and RTCP: nothing but what we protected ourselves comes
 * through. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/rtp.h"
#include "media/secure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void read_value(struct str value)
{
	struct secure_key key, again;
	unsigned tag, tag_again;
	struct buf b = { 0 };

	if (secure_parse(&key, &tag, value))
		return;
	secure_print(&b, tag, &key);
	must(!secure_parse(&again, &tag_again, buf_view(&b)));
	must(tag == tag_again && key.suite == again.suite && key.set && again.set);
	must(!memcmp(key.bytes, again.bytes, secure_key_bytes(key.suite)));
	buf_free(&b);
}

static struct secure *stream_of(enum secure_suite suite)
{
	struct secure_pair keys = { .ours = { .set = true, .suite = suite },
				    .theirs = { .set = true, .suite = suite } };
	struct secure *s = NULL;

	memset(keys.ours.bytes, 1, sizeof(keys.ours.bytes));
	memset(keys.theirs.bytes, 2, sizeof(keys.theirs.bytes));
	must(!secure_new(&s, &keys));
	return s;
}

/* A packet of its exact size on the heap, so that one byte too far is seen. */
static void arrive(struct secure *s, bool rtcp, const uint8_t *data, size_t n)
{
	uint8_t *packet = malloc(n + SECURE_GROWTH);
	struct rtp_header h;
	size_t length = n;

	must(packet != NULL);
	memcpy(packet, data, n);
	must(secure_unprotect(s, rtcp, packet, &length) != 0);
	memcpy(packet, data, n);
	length = n;
	if (rtcp || !rtp_parse(&h, packet, n)) {
		if (!secure_protect(s, rtcp, packet, &length, n + SECURE_GROWTH))
			must(length > n && length <= n + SECURE_GROWTH);
	}
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secure *streams[SECURE_SUITES];
	const uint8_t *end = memchr(data, 0, size);
	size_t n = end ? (size_t)(end - data) : size;

	read_value((struct str){ (const char *)data, n });
	if (!end || size - n - 1 > RTP_MAX_BYTES)
		return 0;
	for (int i = 0; i < SECURE_SUITES; i++) {
		if (!streams[i])
			streams[i] = stream_of((enum secure_suite)i);
		arrive(streams[i], false, end + 1, size - n - 1);
		arrive(streams[i], true, end + 1, size - n - 1);
	}
	return 0;
}
