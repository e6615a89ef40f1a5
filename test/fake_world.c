#include "fake_world.h"

#include <stdlib.h>
#include <unistd.h>

#include "call/trace.h"
#include "own_net.h"

const char fake_sdp[] = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
			"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

static void write_document(struct fake_world *w, const char *text)
{
	int fd;

	if (!text)
		return;
	str_copy(w->document, sizeof(w->document), STR("/tmp/flow_XXXXXX"));
	fd = mkstemp(w->document);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void open_trace(struct fake_world *w, size_t bytes)
{
	const struct sip_trace_opts opts = { .loop = w->loop, .bytes = bytes };

	assert_int_equal(sip_trace_new(&w->trace, &opts), 0);
	events_subscribe(w->events, call_trace_event, w->trace);
}

static void open_calls(struct fake_world *w, const struct fake_world_opts *opts)
{
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct media_opts media = { .loop = w->loop, .port_min = 21000, .port_max = 28999, .threads = 0 };
	struct calls_opts calls = {
		.loop = w->loop,
		.events = w->events,
		.routes = &w->routes,
		.default_transport = WIRE_UDP,
		.header_prefix = "X-Crosspoint",
		.limits = opts->limits,
		.hold_music = opts->hold_music,
		.no_transfers = opts->no_transfers,
		.incoming = opts->incoming,
		.arg = opts->arg,
		.sip = { .net = fake_net_host(w->net, "10.0.0.1"),
			 .dns = fake_dns_door(w->dns),
			 .listen = &listen,
			 .listen_count = 1,
			 .user_agent = "server",
			 .trace = w->trace },
	};
	char why[160];

	if (opts->port_max)
		media.port_max = opts->port_max;
	own_addr(1, 0, &media.bind);
	assert_int_equal(media_new(&w->media, &media), 0);
	calls.media = w->media;
	codec_list_parse(&calls.codecs, str_of(opts->codecs ? opts->codecs : "PCMU"), NULL, NULL);
	assert_int_equal(addr_parse(&listen.addr, STR("10.0.0.1"), 5060), 0);
	assert_int_equal(calls_new(&w->calls, &calls, why), 0);
}

void fake_world_open(struct fake_world *w, const struct fake_world_opts *opts)
{
	memset(w, 0, sizeof(*w));
	write_document(w, opts->document);
	assert_int_equal(loop_new(&w->loop, true, opts->seed), 0);
	assert_int_equal(fake_net_new(&w->net, w->loop), 0);
	assert_int_equal(fake_dns_new(&w->dns, w->loop), 0);
	assert_int_equal(pool_new(&w->pool, w->loop, 0), 0);
	assert_int_equal(fetch_new(&w->fetch, w->loop, w->pool), 0);
	assert_int_equal(events_new(&w->events, w->loop), 0);
	if (opts->event)
		events_subscribe(w->events, opts->event, opts->arg);
	if (opts->trace_bytes)
		open_trace(w, opts->trace_bytes);
	w->scripts = (struct script_env){ .fetch = w->fetch, .country = "1" };
	assert_int_equal(addr_net_parse(&w->everybody, STR("10.0.0.0/8")), 0);
	w->trunk = (struct trunk){ .name = "all", .uri = "", .accept_from = &w->everybody, .accept_count = 1 };
	w->route = (struct route){ .match = "*", .swml = opts->document ? w->document : "/nowhere" };
	w->routes = (struct route_table){
		.trunks = &w->trunk, .trunk_count = 1, .routes = &w->route, .route_count = 1, .country = "1"
	};
	open_calls(w, opts);
}

void fake_world_run(struct fake_world *w, uint64_t ms)
{
	loop_run_until(w->loop, loop_now_ms(w->loop) + ms);
}

void fake_world_free_media(struct fake_world *w)
{
	media_free(&w->media);
	fetch_free(&w->fetch);
}

void fake_world_free(struct fake_world *w)
{
	events_free(&w->events);
	sip_trace_free(&w->trace);
	pool_free(&w->pool);
	fake_dns_free(&w->dns);
	fake_net_free(&w->net);
	loop_free(&w->loop);
	if (*w->document)
		unlink(w->document);
}

/* --- a caller --- */

static void hang_up(void *arg)
{
	struct fake_caller *c = arg;

	phone_hangup(c->call, STR(""));
}

static void on_event(struct phone_call *call, const char *event)
{
	struct fake_caller *c = call->phone->user;

	if (!strcmp(event, "answered") && c->hangup_ms)
		loop_timer_start(c->phone.loop, &c->act, c->hangup_ms, hang_up, c);
	if (call->closed)
		loop_timer_stop(c->phone.loop, &c->act);
}

void fake_caller_dial(struct fake_caller *c, struct fake_world *w)
{
	const struct phone_opts opts = { .loop = w->loop,
					 .net = fake_net_host(w->net, "10.0.0.2"),
					 .dns = fake_dns_door(w->dns),
					 .address = "10.0.0.2" };
	const struct sip_call_params params = {
		.ruri = STR("sip:main@10.0.0.1:5060"),
		.kind = WIRE_UDP,
		.from_uri = STR("sip:caller@10.0.0.2"),
		.to_uri = STR("sip:main@10.0.0.1"),
		.sdp = STR(fake_sdp),
	};

	c->phone.on_event = on_event;
	c->phone.user = c;
	phone_open(&c->phone, &opts);
	c->call = phone_call_with(&c->phone, &params);
	assert_non_null(c->call);
}

void fake_caller_free(struct fake_caller *c)
{
	phone_close(&c->phone);
}
