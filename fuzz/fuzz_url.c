/* Any bytes as a URL: parts lie inside the text; what is printed of them reads back as the same host and port, without
 * user and fragment; limits stay in their range. */
#include <stdint.h>
#include <stdlib.h>

#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct str s, const uint8_t *data, size_t size)
{
	if (s.p && ((const uint8_t *)s.p < data || (const uint8_t *)s.p + s.n > data + size))
		abort();
}

static void check(uint32_t ms, uint32_t max)
{
	if (ms != 7 && (ms < 100 || ms > max))
		abort();
}

/* Of WebSockets the same; of RTP there is a host and a port, and nothing else. */
static void check_streams(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct url u, again;
	struct buf bare;

	if (!url_parse_rtp(&u, text)) {
		inside(u.authority, data, size);
		if (!u.host.n || !u.port || u.userinfo.p || u.tail.n || u.fragment.p)
			abort();
	}
	if (url_parse_ws(&u, text))
		return;
	buf_init(&bare, 0);
	url_bare_ws(&bare, &u);
	if (url_parse_ws(&again, buf_view(&bare)) || !url_same_origin(&u, &again) || again.userinfo.p ||
	    again.fragment.p)
		abort();
	buf_free(&bare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct url_limits limits = { 7, 7, 7 };
	struct url u, again;
	struct buf bare;

	check_streams(data, size);
	if (url_parse(&u, (struct str){ (const char *)data, size }))
		return 0;
	inside(u.userinfo, data, size);
	inside(u.authority, data, size);
	inside(u.tail, data, size);
	inside(u.fragment, data, size);
	if (!u.host.n || !u.port)
		abort();
	buf_init(&bare, 0);
	url_bare(&bare, &u);
	if (url_parse(&again, buf_view(&bare)) || !url_same_origin(&u, &again) || again.userinfo.p || again.fragment.p)
		abort();
	buf_free(&bare);
	url_limits(&limits, u.fragment);
	check(limits.connect_ms, 10000);
	check(limits.read_ms, 15000);
	check(limits.total_ms, 15000);
	return 0;
}
