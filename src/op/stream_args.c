#include "op/stream_args.h"

#include <errno.h>

#include "net/ws_client.h"

enum { PACKET_MS = 20 };

int stream_url_parse(struct url *out, struct str text)
{
	struct url u;
	int err = url_parse_ws(&u, text);

	if (!err && !u.https)
		err = EPROTONOSUPPORT;
	if (!err)
		*out = u;
	return err;
}

const char *stream_url_fault(struct str text)
{
	struct url u;
	int err = stream_url_parse(&u, text);

	if (err == EPROTONOSUPPORT)
		return "it begins with wss://";
	return err ? "it is no WebSocket URL" : NULL;
}

/* One modifier: a number and its letter. */
static bool modify(struct stream_format *f, struct str part)
{
	uint32_t *field, number;

	if (!part.n)
		return false;
	switch (part.p[part.n - 1]) {
	case 'h':
		field = &f->rate_hz;
		break;
	case 'i':
		field = &f->packet_ms;
		break;
	default:
		return false;
	}
	if (*field || str_u32(str_head(part, part.n - 1), &number) || !number)
		return false;
	*field = number;
	return true;
}

const char *stream_format_parse(struct stream_format *out, struct str text)
{
	struct stream_format f = { .codec = CODEC_PCMU };
	const struct codec *codec;
	struct str part;

	if (text.n) {
		str_split(&text, '@', &part);
		codec = codec_by_name(part);
		if (!codec || codec->id == CODEC_G729 || codec_is_video(codec->id))
			return "it is PCMU, PCMA, G722, L16 or OPUS";
		f.codec = codec->id;
		while (str_split(&text, '@', &part)) {
			if (!modify(&f, part))
				return "behind the codec stand @RATEh and @MILLISECONDSi, each once at most";
		}
	}
	f.rate_hz = f.rate_hz ? f.rate_hz : stream_default_hz(f.codec);
	f.packet_ms = f.packet_ms ? f.packet_ms : PACKET_MS;
	if (!stream_format_ok(&f))
		return "this codec has not that rate, or no packets of that length";
	*out = f;
	return NULL;
}

const char *stream_token_fault(struct str token)
{
	if (!token.n || token.n > WS_MAX_BEARER)
		return "it has 1 to 4000 characters";
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] <= ' ' || token.p[i] > '~')
			return "it holds a character that no token has";
	}
	return NULL;
}
