/* One request of any bytes to the control API of a server: it is answered once, or a stream begins; a
 * JSON answer parses; nobody without credentials gets anything but 401, 404 or 405 under /api; nothing is left behind.
 *
 * Input: a byte (method, and whether credentials are right), path and query up to a line feed, the Authorization header
 * up to the next, the body. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../test/fake_net.c"
#include "api/control.h"
#include "api/metrics.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/pool.h"
#include "dialect/fetch.h"
#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char right[] = "Basic cDpzZWNyZXQ="; /* p:secret */

struct world {
	struct loop *loop;
	struct fake_net *net;
	struct dns dns;
	struct pool *pool;
	struct fetch *fetch;
	struct events *events;
	struct media *media;
	struct calls *calls;
	struct metrics *metrics;
	struct control *control;
	struct script_env scripts;
	struct route_table routes;
	unsigned answers, streams;
	int status;
};

static void check_json(struct str text)
{
	struct doc_error at;
	struct arena *a = NULL;
	struct doc *root;

	if (arena_new(&a, 0, 0))
		abort();
	if (doc_parse(a, &root, text, DOC_JSON, NULL, &at))
		abort();
	arena_free(&a);
}

static void reply(void *arg, uint64_t id, const struct web_answer *a)
{
	struct world *w = arg;

	w->answers++;
	w->status = a->status;
	if (!strcmp(a->content_type, "application/json"))
		check_json(a->body);
}

static void stream_start(void *arg, uint64_t id, const char *content_type)
{
	struct world *w = arg;

	w->streams++;
	w->status = 200;
}

static void stream_send(void *arg, uint64_t id, struct str piece)
{
	check_json(str_trim(piece));
}

static void stream_end(void *arg, uint64_t id)
{
}

static const char *token(void *arg, struct str project)
{
	return str_is(project, "p") ? "secret" : NULL;
}

static void on_reload(void *arg, uint64_t request)
{
	struct world *w = arg;

	control_answer(w->control, request, 409, STR("{}"));
}

static void on_drain(void *arg)
{
	struct world *w = arg;

	calls_drain(w->calls);
}

static void incoming(void *arg, struct call *c, const struct route *r)
{
}

static int no_lookup(struct dns *d, const struct dns_query *q, void (*done)(void *arg, const struct dns_result *r),
		     void *arg, uint64_t *id)
{
	return EIO;
}

static void no_cancel(struct dns *d, uint64_t id)
{
}

static void open_calls(struct world *w)
{
	static const struct dns_ops dns_ops = { no_lookup, no_cancel };
	struct media_opts media = { .loop = w->loop, .port_min = 28000, .port_max = 28199 };
	struct sip_listen listen = { .kind = WIRE_UDP };
	struct calls_opts opts = { .loop = w->loop,
				   .events = w->events,
				   .routes = &w->routes,
				   .default_transport = WIRE_UDP,
				   .header_prefix = "X-Crosspoint",
				   .incoming = incoming,
				   .arg = w,
				   .sip = { .net = fake_net_host(w->net, "10.0.0.1"),
					    .dns = &w->dns,
					    .listen = &listen,
					    .listen_count = 1 } };
	char why[160];

	w->dns.ops = &dns_ops;
	if (addr_parse(&media.bind, STR("127.0.0.1"), 0) || addr_parse(&listen.addr, STR("10.0.0.1"), 5060) ||
	    media_new(&w->media, &media))
		abort();
	opts.media = w->media;
	codec_list_add(&opts.codecs, CODEC_PCMU);
	if (calls_new(&w->calls, &opts, why))
		abort();
}

static void open_world(struct world *w)
{
	const struct control_door door = { .reply = reply,
					   .stream_start = stream_start,
					   .stream_send = stream_send,
					   .stream_end = stream_end,
					   .arg = w };
	struct control_opts opts = {
		.token = token, .reload = on_reload, .drain = on_drain, .arg = w, .scripts = &w->scripts
	};

	memset(w, 0, sizeof(*w));
	w->routes.country = "1";
	w->scripts.country = "1";
	if (loop_new(&w->loop, true, 1) || fake_net_new(&w->net, w->loop) || pool_new(&w->pool, w->loop, 0) ||
	    events_new(&w->events, w->loop) || metrics_new(&w->metrics) || fetch_new(&w->fetch, w->loop, w->pool))
		abort();
	w->scripts.fetch = w->fetch;
	open_calls(w);
	metrics_add_calls(w->metrics, w->calls);
	opts.loop = w->loop;
	opts.pool = w->pool;
	opts.events = w->events;
	opts.calls = w->calls;
	opts.metrics = w->metrics;
	if (control_new(&w->control, &opts))
		abort();
	control_open(w->control, &door);
}

static void close_world(struct world *w)
{
	calls_hangup_all(w->calls, "server", "the input is over");
	loop_run_until(w->loop, UINT64_MAX);
	if (calls_count(w->calls))
		abort();
	control_open(w->control, NULL);
	calls_free(&w->calls);
	control_free(&w->control);
	metrics_free(&w->metrics);
	fetch_free(&w->fetch);
	media_free(&w->media);
	if (loop_timer_count(w->loop))
		abort();
	events_free(&w->events);
	pool_free(&w->pool);
	fake_net_free(&w->net);
	loop_free(&w->loop);
}

static void ask(struct world *w, const struct web_request *r)
{
	unsigned before = w->answers + w->streams;

	w->status = 0;
	control_request(w->control, r);
	for (int i = 0; i < 8 && w->answers + w->streams == before; i++)
		loop_run_until(w->loop, loop_now_ms(w->loop) + 1);
	if (w->answers + w->streams != before + 1 || w->status < 200 || w->status > 503)
		abort();
}

static struct str line(struct str *rest)
{
	struct str out = { NULL, 0 };

	str_split(rest, '\n', &out);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = { "POST", "GET", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "CONNECT" };
	struct str rest = { (const char *)data + 1, size - 1 }, path, authorization, before = { NULL, 0 };
	struct web_request r = { .id = 2 }, first = { .id = 1, .authorization = right };
	char header[1024];
	struct world w;

	if (size < 4 || size > 65536)
		return 0;
	path = line(&rest);
	authorization = line(&rest);
	str_copy(header, sizeof(header), authorization);
	str_copy(r.method, sizeof(r.method), str_of(methods[data[0] % 8]));
	str_split(&path, '?', &before);
	str_copy(r.path, sizeof(r.path), before);
	str_copy(r.query, sizeof(r.query), path.p ? path : STR(""));
	r.authorization = data[0] & 128 ? header : right;
	r.body = rest.p ? rest : STR("");

	log_set_level(LOG_ERROR);
	open_world(&w);
	/* A client that follows all. */
	str_copy(first.method, sizeof(first.method), STR("GET"));
	str_copy(first.path, sizeof(first.path), STR("/api/crosspoint/events"));
	ask(&w, &first);
	ask(&w, &r);
	if (data[0] & 128 && strcmp(header, right) != 0 && str_starts(str_of(r.path), "/api/") && w.status < 400 &&
	    !memmem(header, strlen(header), "cDpzZWNyZXQ", 11))
		abort();
	loop_run_until(w.loop, loop_now_ms(w.loop) + 100);
	close_world(&w);
	return 0;
}
