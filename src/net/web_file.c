/* Files as answers: whole, or one range of bytes (RFC 9110 §14). */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "net/web_impl.h"

enum { PIECE_BYTES = 16384, SLOW_CLIENT_S = 10 };

/* "5-9", "5-", "-5". False: it is none, and the header is as good as absent. */
static bool parse(struct str spec, uint64_t size, uint64_t *from, uint64_t *to)
{
	struct str first, last = spec;

	if (str_chr(spec, ',') >= 0 || str_chr(spec, '-') < 0)
		return false; /* several at once are never sent */
	str_split(&last, '-', &first);
	*to = UINT64_MAX;
	if (!first.n) {
		if (str_u64(last, to))
			return false;
		*from = *to ? (*to < size ? size - *to : 0) : size;
		*to = UINT64_MAX;
		return true;
	}
	if (str_u64(first, from) || (last.n && str_u64(last, to)))
		return false;
	return *from <= *to;
}

int web_file_range(const char *header, uint64_t size_bytes, uint64_t *at, uint64_t *left)
{
	struct str text = str_trim(str_of(header));
	uint64_t from = 0, to = 0;

	*at = 0;
	*left = size_bytes;
	if (!str_istarts(text, "bytes=") || !parse(str_trim(str_from(text, 6)), size_bytes, &from, &to))
		return 200;
	*left = 0;
	if (from >= size_bytes)
		return 416;
	*at = from;
	*left = (to < size_bytes ? to + 1 : size_bytes) - from;
	return 206;
}

static int add(struct lws *wsi, const char *name, const char *value, unsigned char **p, unsigned char *end)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
					   (int)strlen(value), p, end);
}

int web_file_head(struct lws *wsi, struct exchange *x, unsigned char **p, unsigned char *end)
{
	struct reply *r = x->reply;
	unsigned long long size = r->size_bytes;
	char text[80];

	r->status = web_file_range(x->range, r->size_bytes, &r->at, &r->left);
	if (lws_add_http_common_headers(wsi, (unsigned)r->status, r->type, r->left, p, end) ||
	    add(wsi, "accept-ranges:", "bytes", p, end))
		return -1;
	if (r->status == 200)
		return 0;
	if (r->status == 206)
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)r->at,
			 (unsigned long long)(r->at + r->left - 1), size);
	else
		snprintf(text, sizeof(text), "bytes */%llu", size);
	return add(wsi, "content-range:", text, p, end);
}

int web_file_write(struct lws *wsi, struct reply *r)
{
	unsigned char room[LWS_PRE + PIECE_BYTES], *start = room + LWS_PRE;
	size_t want = r->left < PIECE_BYTES ? (size_t)r->left : PIECE_BYTES;
	ssize_t n = pread(r->fd, start, want, (off_t)r->at);
	bool last = n > 0 && (uint64_t)n == r->left;

	/* The file has become shorter, or the disk failed: the head is out, so the client must see a broken answer. */
	if (n <= 0)
		return -1;
	if (lws_write(wsi, start, (size_t)n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	r->at += (uint64_t)n;
	r->left -= (uint64_t)n;
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SLOW_CLIENT_S);
	return last;
}
