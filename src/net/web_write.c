/* Answers on the wire: heads, bodies, and the pieces of streams. */
#include <stdio.h>
#include <string.h>

#include "net/web_impl.h"

enum { MAX_HEAD_BYTES = 1024 };

static int finish(struct lws *wsi, struct slot *slot)
{
	bool close = slot->exchange->close;

	web_drop(slot);
	return close || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Name with its colon, as libwebsockets wants it. */
static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **p, unsigned char *end)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
					   (int)strlen(value), p, end);
}

static int add_stream_headers(struct lws *wsi, const struct exchange *x, unsigned char **p, unsigned char *end)
{
	if (lws_add_http_header_status(wsi, (unsigned)x->reply->status, p, end) ||
	    add_header(wsi, "content-type:", x->reply->type, p, end))
		return -1;
	return x->chunked ? add_header(wsi, "transfer-encoding:", "chunked", p, end) : 0;
}

/* No body follows its head. */
static bool is_empty(const struct reply *r)
{
	return r->kind == REPLY_FILE ? !r->left : r->kind == REPLY_WHOLE && !r->n;
}

static int send_head(struct lws *wsi, struct exchange *x)
{
	unsigned char room[LWS_PRE + MAX_HEAD_BYTES], *start = room + LWS_PRE, *p = start, *end = room + sizeof(room);
	const struct reply *r = x->reply;
	bool last;
	int bad;

	if (r->kind == REPLY_STREAM)
		bad = add_stream_headers(wsi, x, &p, end);
	else if (r->kind == REPLY_FILE)
		bad = web_file_head(wsi, x, &p, end);
	else
		bad = lws_add_http_common_headers(wsi, (unsigned)r->status, r->type, r->n, &p, end);
	last = x->head_only || is_empty(r);

	if (bad || (r->header[0] && add_header(wsi, r->header, r->value, &p, end)))
		return -1;
	if (x->close && add_header(wsi, "connection:", "close", &p, end))
		return -1;
	if (lws_finalize_http_header(wsi, &p, end))
		return -1;
	x->head_sent = true;
	if (lws_write(wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_HEADERS | (last ? LWS_WRITE_H2_STREAM_END : 0)) <
	    0)
		return -1;
	return 0;
}

static int go_on_with_file(struct lws *wsi, struct slot *slot)
{
	int done = web_file_write(wsi, slot->exchange->reply);

	if (done < 0)
		return -1;
	if (done)
		return finish(wsi, slot);
	lws_callback_on_writable(wsi);
	return 0;
}

static int write_piece(struct lws *wsi, const struct exchange *x, struct reply *r)
{
	unsigned char *p = web_reply_bytes(r);
	char head[CHUNK_ROOM + 1];
	size_t n = r->n, before;

	if (!x->chunked)
		return n && lws_write(wsi, p, n, LWS_WRITE_HTTP) < 0 ? -1 : 0;
	before = (size_t)snprintf(head, sizeof(head), "%zx\r\n", n);
	memcpy(p - before, head, before);
	memcpy(p + n, "\r\n", 2);
	return lws_write(wsi, p - before, before + n + 2, LWS_WRITE_HTTP) < 0 ? -1 : 0;
}

static int go_on_streaming(struct lws *wsi, struct slot *slot)
{
	struct exchange *x = slot->exchange;
	struct reply *r = x->pieces;
	bool end;

	if (!r) {
		lws_rx_flow_control(wsi, 0); /* as in ask_loop() */
		return 0;
	}
	x->pieces = r->next;
	if (!x->pieces)
		x->last = &x->pieces;
	x->queued_bytes -= r->n;
	end = r->kind == REPLY_END;
	if ((!end || x->chunked) && write_piece(wsi, x, r)) {
		free(r);
		return -1;
	}
	free(r);
	if (end) {
		web_news_free(x->news);
		x->news = NULL;
		return finish(wsi, slot);
	}
	lws_callback_on_writable(wsi);
	return 0;
}

int web_on_writable(struct web *w, struct lws *wsi, struct slot *slot)
{
	struct exchange *x = slot->exchange;

	if (!x || !x->reply)
		return 0;
	if (!x->head_sent) {
		if (send_head(wsi, x))
			return -1;
		if (x->head_only || is_empty(x->reply))
			return finish(wsi, slot);
		lws_callback_on_writable(wsi);
		return 0;
	}
	if (x->reply->kind == REPLY_STREAM)
		return go_on_streaming(wsi, slot);
	if (x->reply->kind == REPLY_FILE)
		return go_on_with_file(wsi, slot);
	if (lws_write(wsi, web_reply_bytes(x->reply), x->reply->n, LWS_WRITE_HTTP_FINAL) < 0)
		return -1;
	return finish(wsi, slot);
}
