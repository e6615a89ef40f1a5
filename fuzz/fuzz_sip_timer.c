/* Any headers about session timers: whatever they say, what comes out of it can be kept by both sides, and is understood
 * by the other as it was meant. */
#include <stdlib.h>

#include "sip/sip_timer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message of nothing but our own lines. */
static void read_lines(struct sip_timer_says *out, const struct buf *lines)
{
	struct buf text;
	struct sip_msg m;
	const char *why;
	size_t used;

	buf_init(&text, 0);
	buf_cstr(&text, "SIP/2.0 200 OK\r\n");
	buf_str(&text, buf_view(lines));
	buf_cstr(&text, "\r\n");
	if (text.failed || sip_msg_parse(&m, text.data, text.len, false, &used, &why) != SIP_PARSE_OK)
		abort();
	sip_timer_read(out, &m);
	buf_free(&text);
}

static void check(const struct sip_timer_says *says, const struct sip_timer_wish *wish)
{
	struct sip_timer_deal ours, theirs;
	struct sip_timer_says answer;
	struct buf lines;

	buf_init(&lines, 0);
	sip_timer_answer(&ours, says, wish);
	if (ours.expires_s && ours.expires_s < SIP_MIN_SE_S)
		abort();
	if (!says->supported && ours.expires_s && !ours.ours)
		abort();
	if (says->expires_s >= SIP_MIN_SE_S && ours.expires_s > says->expires_s)
		abort();
	sip_timer_print_answer(&lines, &ours);
	read_lines(&answer, &lines);
	sip_timer_agree(&theirs, &answer, wish);
	if (ours.expires_s && (theirs.expires_s != ours.expires_s || theirs.ours == ours.ours))
		abort();
	sip_timer_agree(&theirs, says, wish);
	if (theirs.expires_s && theirs.expires_s < SIP_MIN_SE_S)
		abort();
	if (ours.expires_s && sip_timer_deadline_s(ours.expires_s) <= ours.expires_s / 2)
		abort();
	buf_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t wishes_s[] = { 0, 90, 600, SIP_MAX_SE_S };
	struct sip_timer_says says;
	const char *why;
	struct sip_msg m;
	struct buf text;
	size_t used;

	buf_init(&text, 0);
	buf_cstr(&text, "INVITE sip:a@b SIP/2.0\r\n");
	buf_add(&text, data, size);
	if (!text.failed && sip_msg_parse(&m, text.data, text.len, false, &used, &why) == SIP_PARSE_OK) {
		sip_timer_read(&says, &m);
		for (int i = 0; i < 8; i++)
			check(&says, &(struct sip_timer_wish){ .expires_s = wishes_s[i / 2], .ours = i % 2 });
	}
	buf_free(&text);
	return 0;
}
