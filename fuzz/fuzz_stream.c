/* Any bytes as what a document says of a stream: URL, token, codec, and name and value of a parameter, a line each; the rest is
 * audio and keys. What goes to the server stays JSON that fits its room. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/doc.h"
#include "op/stream_args.h"
#include "op/stream_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void is_json(struct str text, const char *event)
{
	struct arena *a = NULL;
	struct doc_error err;
	struct doc *d = NULL;

	must(!arena_new(&a, 0, 0));
	must(!doc_parse(a, &d, text, DOC_JSON, NULL, &err));
	must(doc_get(d, "event") && str_is(doc_get(d, "event")->text, event));
	arena_free(&a);
}

static void say_start(const struct stream_format *f, struct str name, struct str value)
{
	const struct stream_parameter parameter = { name, value };
	const struct stream_hello hello = {
		.stream_id = "id",
		.call_id = "call",
		.tracks = SINK_BOTH,
		.format = *f,
		.parameters = &parameter,
		.parameter_count = 1,
	};
	struct buf b;

	stream_message_start(&b, &hello);
	if (!b.failed)
		is_json(buf_view(&b), "start");
	buf_free(&b);
}

static void say_frame(const struct ws_feed_text *text, const struct stream_frame *f, const char *event)
{
	char *out = malloc(text->room);
	size_t n;

	must(out);
	n = text->write(text->arg, f, stream_frame_size(f), out);
	must(n && n <= text->room);
	is_json((struct str){ out, n }, event);
	free(out);
}

static void say_frames(const struct stream_format *f, struct str audio)
{
	size_t room = stream_frame_bytes(f) - offsetof(struct stream_frame, audio);
	struct ws_feed_text text;
	struct stream_frame frame;

	if (!audio.n || stream_message_text(&text, f))
		return;
	frame = (struct stream_frame){ .kind = STREAM_KEY, .key = "0123456789*#ABCD"[audio.p[0] & 15] };
	say_frame(&text, &frame, "dtmf");
	frame = (struct stream_frame){
		.kind = STREAM_AUDIO,
		.outbound = audio.p[0] & 1,
		.chunk = UINT32_MAX,
		.timestamp = UINT64_MAX,
		.bytes = (uint16_t)(audio.n < room ? audio.n : room),
	};
	memcpy(frame.audio, audio.p, frame.bytes);
	say_frame(&text, &frame, "media");
	frame.kind = STREAM_STOP;
	say_frame(&text, &frame, "stop");
	text.free(text.arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, line[5] = { { NULL, 0 } };
	struct stream_format f = { .rate_hz = 0 };
	const char *fault;
	struct url u;

	for (size_t i = 0; i < 5; i++)
		str_split(&rest, '\n', &line[i]);
	if (!stream_url_fault(line[0])) {
		must(!stream_url_parse(&u, line[0]));
		must(u.https && u.host.n && u.host.p > line[0].p && u.host.p + u.host.n <= line[0].p + line[0].n);
	}
	if (!stream_token_fault(line[1]))
		must(!memchr(line[1].p, '\r', line[1].n) && !memchr(line[1].p, ' ', line[1].n));
	fault = stream_format_parse(&f, line[2]);
	must(!fault == !!f.rate_hz);
	if (fault || !line[4].p)
		return 0;
	must(stream_format_ok(&f) && stream_frame_bytes(&f) <= sizeof(struct stream_frame));
	/* No text of a document has a NUL. */
	if (!memchr(data, '\0', (size_t)(line[4].p + line[4].n - (const char *)data)))
		say_start(&f, line[3], line[4]);
	say_frames(&f, rest);
	return 0;
}
