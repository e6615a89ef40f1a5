/* Any bytes as packets of events, 8 bytes each: sequence number, low timestamp, payload. No press is told twice without
 * an end or another timestamp between, and what is told can be sent and is heard as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void echo(char key, bool held)
{
	struct key_out out = { 0 };
	struct key_in in = { 0 };
	unsigned downs = 0;

	key_out_press(&out, key, held);
	for (uint32_t i = 0; i < 600; i++) {
		struct rtp_header h = { .seq = (uint16_t)i, .payload_bytes = KEY_PACKET_BYTES };
		struct key_sign s;
		char heard;
		enum key_frame f = key_out_frame(&out, 960 * i, 48000, &s);

		if (f == KEY_FRAME_IDLE)
			break;
		if (i == 20)
			key_out_release(&out);
		if (f == KEY_FRAME_PAUSE)
			continue;
		h.timestamp = s.timestamp;
		if (key_in_take(&in, &h, s.payload, &heard) & KEY_DOWN)
			downs++;
		if (heard != key)
			abort();
	}
	if (downs != 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_in in = { 0 };

	for (; size >= 8; data += 8, size -= 8) {
		struct rtp_header h = {
			.seq = (uint16_t)(data[0] << 8 | data[1]),
			.timestamp = (uint32_t)data[2] << 12 | (uint32_t)data[3] << 4,
			.marker = data[2] & 1,
			.payload_bytes = data[3] & 0x80 ? 4 : 4 - (data[3] & 1),
		};
		struct key_in before = in;
		char key, again;
		unsigned news = key_in_take(&in, &h, data + 4, &key);

		if (news && (!key_is(key) || strchr("wW", key)))
			abort();
		if (news & KEY_DOWN && before.started && before.timestamp == in.timestamp &&
		    before.told & ~before.ended & in.told & 1u << data[4])
			abort();
		if (key_in_take(&in, &h, data + 4, &again)) /* doubled */
			abort();
		if (news & KEY_DOWN)
			echo(key, news & KEY_UP);
	}
	return 0;
}
