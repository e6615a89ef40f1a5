#include "op/op_tap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "media/tap.h"
#include "net/ws_feed.h"
#include "op/audio_link.h"
#include "op/tap_uri.h"

enum { FEED_FRAMES = 100 /* 2 s */ };

struct tapping {
	struct audio_link link; /* first: struct audio_link pointers are cast back */
	struct tap_ask ask;
	struct addr to;
	struct tap *tap;
	uint64_t lost_ms; /* at the end */
	void (*stands)(void *arg, struct op *o);
};

static struct tapping *tapping_of(struct audio_link *k)
{
	return (struct tapping *)(void *)k;
}

/* --- what is told --- */

static void add_device(struct buf *b, const struct tapping *t)
{
	const char *codec = codec_get(t->ask.codec)->name;
	char host[ADDR_TEXT];

	if (!t->link.by_ws) {
		buf_cstr(b, ",\"device\":{\"type\":\"rtp\",\"params\":{\"addr\":");
		buf_json(b, t->to.sa.sa_family ? str_of(addr_host(&t->to, host)) : t->link.url.host);
		buf_printf(b, ",\"port\":%u,\"codec\":\"%s\",\"ptime\":%u,\"rate\":%u}}", t->link.url.port, codec,
			   t->ask.packet_ms, TAP_RATE_HZ);
		return;
	}
	buf_cstr(b, ",\"device\":{\"type\":\"ws\",\"params\":{\"uri\":");
	buf_json(b, str_of(t->link.bare));
	buf_printf(b, ",\"codec\":\"%s\",\"rate\":%u}}", codec, TAP_RATE_HZ);
}

static void tell(const struct tapping *t, const char *state, bool final)
{
	struct call_operation o = {
		.type = "calling.call.tap",
		.state = state,
		.control_id = t->link.control_id,
		.final = final,
		.hook = t->ask.status_url,
	};
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "\"tap\":{\"type\":\"audio\",\"params\":{\"direction\":\"%s\"}}",
		   background_direction(t->ask.direction));
	add_device(&b, t);
	if (t->lost_ms)
		buf_printf(&b, ",\"lost\":%llu.%03u", (unsigned long long)(t->lost_ms / 1000),
			   (unsigned)(t->lost_ms % 1000));
	o.params = b.failed ? STR("") : buf_view(&b);
	call_emit_operation(t->link.call, &o);
	buf_free(&b);
}

static void tell_end(struct audio_link *k)
{
	tell(tapping_of(k), "finished", true);
}

/* --- the end --- */

static void release(struct audio_link *k)
{
	arena_free(&k->arena);
	free(tapping_of(k));
}

static void close_tap(struct audio_link *k)
{
	struct tapping *t = tapping_of(k);

	t->lost_ms = t->tap ? tap_lost_ms(t->tap) : 0;
	if (t->lost_ms)
		log_printf(LOG_WARN, k->call_id, "tap to %s: %llu ms of audio were lost, it did not take them", k->bare,
			   (unsigned long long)t->lost_ms);
	tap_close(&t->tap);
}

/* --- the beginning --- */

static int make(struct audio_link *k, const struct addr *to)
{
	struct tapping *t = tapping_of(k);
	struct loop *l = k->env->loop;
	int err = k->by_ws ? ws_feed_new(&k->feed, TAP_FRAME_BYTES, FEED_FRAMES) : 0;
	struct tap_opts opts = {
		.wants = t->ask.direction,
		.codec = t->ask.codec,
		.feed = k->feed,
		.packet_ms = t->ask.packet_ms,
		.from = k->env->from,
		.to = *to,
		.ssrc = (uint32_t)loop_random(l),
		.timestamp = (uint32_t)loop_random(l),
		.seq = (uint16_t)loop_random(l),
	};

	t->to = *to;
	if (opts.from.sa.sa_family)
		addr_set_port(&opts.from, 0);
	return err ? err : tap_new(&t->tap, &opts);
}

/* What the binary messages hold. */
static int greet(struct audio_link *k)
{
	const struct tapping *t = tapping_of(k);
	struct buf b;
	int err;

	buf_init(&b, 0);
	buf_printf(&b, "{\"event\":\"start\",\"call_id\":\"%s\",\"control_id\":", k->call_id);
	buf_json(&b, str_of(k->control_id));
	buf_printf(&b, ",\"direction\":\"%s\",\"codec\":\"%s\",\"rate\":%u,\"channels\":1,\"ptime\":%u}",
		   background_direction(t->ask.direction), codec_get(t->ask.codec)->name, TAP_RATE_HZ, TAP_FRAME_MS);
	err = b.failed ? ENOMEM : k->env->ws->ops->send(k->env->ws, k->ws, WS_TEXT, buf_view(&b));
	buf_free(&b);
	return err;
}

static struct sink *lend(struct audio_link *k)
{
	return tap_lend(tapping_of(k)->tap);
}

static void stands(struct audio_link *k)
{
	const struct tapping *t = tapping_of(k);

	tell(t, "tapping", false);
	if (t->stands)
		t->stands(k->op.arg, &k->op);
}

static const struct audio_link_ops link_ops = {
	.kind = "tap",
	.make = make,
	.greet = greet,
	.lend = lend,
	.stands = stands,
	.close = close_tap,
	.tell_end = tell_end,
	.free = release,
};

static int copy_texts(struct tapping *t, const struct tap_ask *ask, const struct call *c)
{
	struct audio_link *k = &t->link;
	struct buf bare;
	bool rtp;

	t->ask.uri = str_dup(k->arena, str_of(ask->uri));
	if (!t->ask.uri)
		return ENOMEM;
	if (tap_uri_parse(&k->url, &rtp, str_of(t->ask.uri)))
		return EINVAL;
	k->by_ws = !rtp;
	buf_init(&bare, 0);
	if (rtp)
		buf_cstr(&bare, t->ask.uri);
	else
		url_bare_ws(&bare, &k->url);
	k->bare = bare.failed ? NULL : str_dup(k->arena, buf_view(&bare));
	buf_free(&bare);
	t->ask.status_url = str_dup(k->arena, str_of(ask->status_url));
	if (!k->bare || (ask->status_url && !t->ask.status_url))
		return ENOMEM;
	return audio_link_name(k, c, ask->control_id);
}

int tap_start(struct op **out, const struct tap_start *start, const struct tap_ask *ask)
{
	struct call_info info;
	struct tapping *t;
	int err;

	call_get_info(start->call, &info);
	if (info.state == CALL_ENDED)
		return ENOTCONN;
	t = calloc(1, sizeof(*t));
	if (!t)
		return ENOMEM;
	t->link = (struct audio_link){
		.op = { .done = start->done, .arg = start->arg },
		.ops = &link_ops,
		.env = start->env,
	};
	t->stands = start->tapping;
	t->ask = *ask;
	err = arena_new(&t->link.arena, 0, 0);
	if (!err)
		err = copy_texts(t, ask, start->call);
	if (err) {
		release(&t->link);
		return err;
	}
	audio_link_start(&t->link, start->call);
	*out = &t->link.op;
	return 0;
}

void tap_get_facts(const struct op *o, struct tap_facts *out)
{
	const struct tapping *t = (const struct tapping *)(const void *)o;
	const struct tap_env *env = t->link.env;
	struct addr source = { 0 };

	*out = (struct tap_facts){
		.uri = t->link.bare,
		.control_id = t->link.control_id,
		.codec = codec_get(t->ask.codec)->name,
		.rtp = !t->link.by_ws,
		.packet_ms = t->link.by_ws ? TAP_FRAME_MS : t->ask.packet_ms,
		.rate_hz = TAP_RATE_HZ,
	};
	if (t->link.by_ws)
		return;
	assert(t->tap);
	tap_source(t->tap, &source);
	if (env->advertise.sa.sa_family == source.sa.sa_family) {
		out->source = env->advertise;
		addr_set_port(&out->source, addr_port(&source));
	} else {
		out->source = source;
	}
}
