/* Any bytes as a run of RTP packets, each behind a length byte: headers inside, loss never negative. */
#include <stdint.h>
#include <stdlib.h>

#include "media/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtp_seq seq = { 0 };
	struct rtp_header h;
	uint32_t packets = 0;

	if (!rtp_parse(&h, data, size) && (size_t)h.header_bytes + h.payload_bytes > size)
		abort();
	while (size) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		if (!rtp_parse(&h, data + 1, n)) {
			if ((size_t)h.header_bytes + h.payload_bytes > n)
				abort();
			rtp_seq_note(&seq, h.ssrc, h.seq);
			packets++;
		}
		data += n + 1;
		size -= n + 1;
	}
	/* At most the largest gap that still is loss, per packet. */
	if (rtp_seq_lost(&seq) > packets * 3000)
		abort();
	return 0;
}
