#include "cli/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/control.h"
#include "api/hooks.h"
#include "api/journal.h"
#include "api/metrics.h"
#include "base/arena.h"
#include "base/loop.h"
#include "base/pool.h"
#include "call/calls.h"
#include "call/record.h"
#include "cli/modules.h"
#include "call/trunk_state.h"
#include "call/trace.h"
#include "cli/reload.h"
#include "cli/serve_impl.h"
#include "cli/serve_trace.h"
#include "cli/voices.h"
#include "cli/serve_records.h"
#include "config.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "net/dns.h"
#include "net/http_client.h"
#include "net/notify.h"
#include "net/sock.h"
#include "net/tls.h"
#include "net/web.h"
#include "op/recognize.h"
#include "op/sound.h"

enum {
	POOL_THREADS = 2,
	SLOW_HANDLER_US = 20000,
	HANGUP_GRACE_MS = 5000,
	DRAIN_LINGER_MS = 200,
	HOOKS_GRACE_MS = 5000,
	STOP_SPARE_S = 30, /* over drain_timeout: the last calls are hung up, trunks left, webhooks sent */
};
enum { JOURNAL_BYTES = 2 << 20 }; /* some two thousand webhooks; the database takes them away within 100 ms */
/* Connections to one host: a receiver of webhooks that hangs must leave some for documents. */
enum { HTTP_PER_HOST = 24, HOOKS_PER_HOST = 16 };
enum { TABLE_MAX = 65536 }; /* descriptors */

/* --- what happens while it runs --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct server *s = arg;

	if (script_start_route(c, &s->scripts, r))
		call_hangup(c, CAUSE_ERROR, "server", "out of memory");
}

static bool overloaded(void *arg)
{
	const struct server *s = arg;

	return record_is_behind(s->records.record);
}

static void stop_now(void *arg)
{
	struct server *s = arg;

	loop_stop(s->loop);
}

static void flush_hooks(void *arg)
{
	struct server *s = arg;

	hooks_flush(s->hooks, HOOKS_GRACE_MS, stop_now, s);
}

/* No call is left; the registrations and the webhooks are. */
static void leave(void *arg)
{
	struct server *s = arg;

	if (s->flushing)
		return;
	s->flushing = true;
	trunks_leave(calls_trunks(s->calls), flush_hooks, s);
}

/* The last call has gone; its last event and the answer to `drain` still have to leave. */
static void drained(void *arg)
{
	struct server *s = arg;

	if (s->control)
		control_end_streams(s->control);
	loop_timer_start(s->loop, &s->drain_limit, DRAIN_LINGER_MS, leave, s);
}

static void hang_up_all(void *arg)
{
	struct server *s = arg;

	if (s->flushing)
		stop_now(s);
	if (s->flushing || s->hanging_up)
		return;
	s->hanging_up = true;
	log_printf(LOG_INFO, NULL, "hanging up %zu calls", calls_count(s->calls));
	calls_hangup_all(s->calls, "server", "the server is shutting down");
	/* Peers that do not answer our BYE must not keep the process. */
	loop_timer_start(s->loop, &s->drain_limit, HANGUP_GRACE_MS, leave, s);
}

static void drain(struct server *s)
{
	s->draining = true;
	log_printf(LOG_INFO, NULL, "draining: no new calls, %zu left", calls_count(s->calls));
	notify_stopping(s->notify, s->config->drain_timeout_s + STOP_SPARE_S, "Draining: no new calls");
	loop_timer_start(s->loop, &s->drain_limit, (uint64_t)s->config->drain_timeout_s * 1000, hang_up_all, s);
	calls_drain(s->calls);
}

static void start_reload(void *arg, uint64_t request)
{
	const struct server *s = arg;

	if (!s->draining)
		notify_reloading(s->notify);
	reload_start(s->reload, request);
}

static void on_signal(void *arg, unsigned ready)
{
	struct server *s = arg;
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		start_reload(s, 0);
	else if (!s->draining)
		drain(s);
	else
		hang_up_all(s);
}

void serve_on_request(void *arg, const struct web_request *r)
{
	const struct server *s = arg;

	control_request(s->control, r);
}

static void on_gone(void *arg, uint64_t id)
{
	const struct server *s = arg;

	control_gone(s->control, id);
}

static const char *token_of(void *arg, struct str project)
{
	const struct conf_list *list = &((const struct server *)arg)->config->projects;
	const struct config_project *p = list->items;

	for (size_t i = 0; i < list->count; i++)
		if (str_is(project, p[i].id))
			return p[i].token;
	return NULL;
}

static void reloaded(void *arg, uint64_t request, int status, struct str json)
{
	const struct server *s = arg;

	if (!s->draining)
		notify_ready(s->notify, status == 200 ? "Ready" : "Ready; the new configuration was refused");
	if (request)
		control_answer(s->control, request, status, json);
}

static void drain_once(void *arg)
{
	struct server *s = arg;

	if (!s->draining)
		drain(s);
}

static void slow_handler(void *arg, uint64_t took_us)
{
	struct server *s = arg;

	s->slow_handlers++;
	log_printf(LOG_WARN, NULL, "a handler held the signalling loop for %llu ms",
		   (unsigned long long)took_us / 1000);
}

/* --- building, bottom-up --- */

static int complain(const char *what, int err, const char *why)
{
	log_printf(LOG_ERROR, NULL, "%s: %s", what, why && *why ? why : strerror(err));
	return err;
}

/* The kernel's table of descriptors grows with the highest one, and whoever opens that waits 15 ms for all threads: now, and not
 * the signalling thread at some call. */
static void widen_table(rlim_t limit)
{
	int highest = (int)(limit < TABLE_MAX ? limit : TABLE_MAX) - 1;
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, highest);

	if (fd >= 0)
		close(fd);
}

/* Four descriptors a bridged call: the soft limit is only a default. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (!setrlimit(RLIMIT_NOFILE, &limit))
		log_printf(LOG_INFO, NULL, "%llu open files allow about %llu bridged calls",
			   (unsigned long long)limit.rlim_cur, (unsigned long long)(limit.rlim_cur / 4));
	widen_table(limit.rlim_cur);
}

static int take_signals(struct server *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
	/* Before any thread exists, so that they all inherit the mask. */
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return errno;
	s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->signal_fd < 0)
		return errno;
	return loop_io_add(s->loop, &s->signals, s->signal_fd, LOOP_READ, on_signal, s);
}

static unsigned media_threads(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->media.threads)
		return c->media.threads;
	return cores > 2 ? (unsigned)cores - 1 : 1;
}

static int build_records(struct server *s)
{
	const struct serve_records_opts opts = { .loop = s->loop, .events = s->events, .config = s->config };
	char why[200] = "";
	int err = serve_records_open(&s->records, &opts, why);

	return err ? complain("records", err, why) : 0;
}

bool serve_listens_on_tls(const struct config_sip *sip)
{
	for (size_t i = 0; i < sip->listen_count; i++)
		if (sip->listen[i].kind == WIRE_TLS || sip->listen[i].kind == WIRE_WSS)
			return true;
	return false;
}

/* Calls go out over TLS only where calls over TLS can come in, so without a listener no certificate is loaded. */
static int build_net(struct server *s)
{
	char why[160] = "";
	int err = sock_net_new(&s->net, s->loop);

	if (err)
		return complain("network", err, NULL);
	if (!serve_listens_on_tls(&s->config->sip))
		return 0;
	err = sock_net_set_tls(s->net, &s->config->sip.tls, why);
	return err ? complain("sip.tls", err, why) : 0;
}

/* The one that signs, and that documents are told of. NULL = none. */
static const struct config_project *first_project(const struct config *c)
{
	return c->projects.count ? c->projects.items : NULL;
}

static struct http_client_opts http_opts(const struct config *c)
{
	return (struct http_client_opts){
		.allow = c->webhooks.allow_hosts,
		.deny_private = c->webhooks.deny_private,
		.per_host = HTTP_PER_HOST,
	};
}

static int build_documents(struct server *s)
{
	const struct http_client_opts opts = http_opts(s->config);
	const struct config_project *p = first_project(s->config);
	int err = http_client_new(&s->http, s->loop, &opts);

	if (!err)
		err = fetch_new(&s->fetch, s->loop, s->pool);
	if (!err)
		fetch_use_http(s->fetch, s->http, p ? p->signing_key : NULL);
	return err;
}

static int build_sounds(struct server *s)
{
	struct sounds_opts opts = { .loop = s->loop, .pool = s->pool, .http = s->http };
	int err = voices_open(&s->speech, s->loop, s->pool, s->config);

	opts.speech = s->speech;
	return err ? err : sounds_new(&s->sounds, &opts);
}

/* What documents say, and what they play. */
static int build_content(struct server *s)
{
	int err;

	if ((err = build_documents(s)))
		return complain("documents", err, NULL);
	if ((err = build_sounds(s)))
		return complain("sounds", err, NULL);
	if ((err = voices_listen(&s->recognizer, s->loop, s->pool, s->config)))
		return complain("stt", err, NULL);
	return 0;
}

static struct hook_identity identity_of(const struct config *c)
{
	const struct config_project *p = first_project(c);

	return (struct hook_identity){
		.project_id = p ? p->id : "00000000-0000-0000-0000-000000000000",
		.space_id = c->space_id,
		.node_id = c->node_id,
	};
}

/* Without it the server runs as well; only what is in the log in the last moment before a kill may not be sent. */
static void open_journal(struct server *s)
{
	char why[160] = "";
	struct buf path;

	buf_init(&path, 0);
	buf_printf(&path, "%s/hooks.journal", s->config->data);
	if (path.failed || journal_open(&s->journal, path.data, JOURNAL_BYTES, why))
		log_printf(LOG_WARN, NULL, "webhooks have no journal: %s", path.failed ? "out of memory" : why);
	else if (journal_count(s->journal).damaged)
		log_printf(LOG_WARN, NULL, "%zu damaged records are left out: %s", journal_count(s->journal).damaged,
			   path.data);
	buf_free(&path);
}

static int build_hooks(struct server *s)
{
	const struct config_project *p = first_project(s->config);
	const struct hooks_opts opts = {
		.loop = s->loop,
		.door = hooks_http_door(s->http),
		.spool = { .store = s->records.store, .journal = s->journal, .first = s->records.spool_first },
		.identity = identity_of(s->config),
		.signing_key = p ? p->signing_key : NULL,
		.per_host = HOOKS_PER_HOST,
	};
	int err = hooks_new(&s->hooks, &opts);

	if (err)
		return complain("webhooks", err, NULL);
	events_subscribe(s->events, hooks_on_event, s->hooks);
	return 0;
}

struct media_opts serve_media_of(const struct server *s, const struct config *c)
{
	return (struct media_opts){
		.loop = s->loop,
		.bind = c->media.address,
		.advertise = c->media.advertise,
		.port_min = c->media.port_min,
		.port_max = c->media.port_max,
		.threads = media_threads(c),
	};
}

static int build_media(struct server *s)
{
	const struct media_opts opts = serve_media_of(s, s->config);
	int err = serve_taps_open(&s->taps, s->loop, s->dns, s->config);

	modules_load();
	return err ? err : media_new(&s->media, &opts);
}

struct script_env serve_scripts_of(const struct server *s, const struct config *c)
{
	const struct config_project *p = first_project(c);

	return (struct script_env){
		.fetch = s->fetch,
		.sounds = s->sounds,
		.recordings = s->records.recordings,
		.recognizer = s->recognizer,
		.taps = &s->taps.env,
		.envs = c->envs,
		.ids = { .node_id = c->node_id, .project_id = p ? p->id : NULL, .space_id = c->space_id },
		.country = c->sip.country,
	};
}

static int build_calls(struct server *s)
{
	const struct config *c = s->config;
	const struct calls_opts opts = {
		.loop = s->loop,
		.events = s->events,
		.media = s->media,
		.routes = &c->routes,
		.domain = c->sip.domain,
		.digests = c->sip.digests,
		.codecs = c->media.codecs,
		.encryption = c->media.encryption,
		.default_transport = c->sip.default_transport,
		.header_prefix = c->sip.header_prefix,
		.limits = c->limits,
		.no_media_ms = c->media.no_media_s * 1000,
		.no_transfers = !c->sip.transfers,
		.hold_music = c->media.hold_music,
		.incoming = incoming,
		.overloaded = overloaded,
		.drained = drained,
		.arg = s,
		.sip = {
			.net = s->net,
			.dns = s->dns,
			.listen = c->sip.listen,
			.listen_count = c->sip.listen_count,
			.advertise = c->sip.advertise,
			.user_agent = "Crosspoint/" CROSSPOINT_VERSION,
			.session_timeout_s = c->sip.session_timeout_s,
			.trace = s->trace.ring,
		},
	};
	char why[160] = "";
	int err;

	s->scripts = serve_scripts_of(s, c);
	err = calls_new(&s->calls, &opts, why);
	return err ? complain("sip", err, why) : 0;
}

/* Targets, ids and the key of documents and webhooks; addresses of recordings. */
int serve_configure_http(struct server *s, const struct config *c)
{
	const struct config_project *p = first_project(c);
	const struct http_client_opts opts = http_opts(c);
	const struct hook_identity identity = identity_of(c);
	int err = http_client_rules(s->http, &opts);

	if (!err)
		err = serve_records_move(&s->records, c);
	if (!err)
		err = serve_taps_move(&s->taps, c);
	if (!err)
		err = hooks_identify(s->hooks, &identity, p ? p->signing_key : NULL);
	if (!err)
		fetch_use_http(s->fetch, s->http, p ? p->signing_key : NULL);
	return err;
}

void serve_switch_listeners(struct server *s, const struct config *c)
{
	sip_stack_switch(calls_sip(s->calls), c->sip.listen, c->sip.listen_count, c->sip.advertise);
}

void serve_open_door(struct server *s)
{
	const struct control_door door = control_web_door(s->web);

	web_on_gone(s->web, on_gone);
	control_open(s->control, &door);
}

static uint64_t read_server(void *arg, unsigned index)
{
	const struct server *s = arg;

	return index ? reload_number(s->reload) : s->slow_handlers;
}

static const struct metric server_rows[] = {
	{ "crosspoint_slow_handlers_total", "counter", "Times the signalling loop was held for more than 20 ms.", NULL,
	  read_server, 0 },
	{ "crosspoint_configuration_number", "gauge", "Number of the current configuration, from 1.", NULL, read_server,
	  1 },
};

static int build_control(struct server *s)
{
	const struct reload_opts reload = {
		.loop = s->loop,
		.pool = s->pool,
		.path = s->config->path,
		.apply = serve_apply,
		.done = reloaded,
		.arg = s,
	};
	struct control_opts opts = {
		.loop = s->loop,
		.pool = s->pool,
		.events = s->events,
		.calls = s->calls,
		.trace = s->trace.kept ? s->trace.ring : NULL,
		.scripts = &s->scripts,
		.recordings = s->records.recordings,
		.token = token_of,
		.reload = start_reload,
		.drain = drain_once,
		.arg = s,
	};
	int err = metrics_new(&s->metrics);

	if (err)
		return complain("metrics", err, NULL);
	metrics_add_calls(s->metrics, s->calls);
	metrics_add_trunks(s->metrics, s->calls);
	metrics_add_media(s->metrics, s->media);
	metrics_add_hooks(s->metrics, s->hooks);
	serve_trace_metrics(&s->trace, s->metrics);
	metrics_add(s->metrics, server_rows, ARRAY_LEN(server_rows), s);
	err = reload_new(&s->reload, &reload, &s->arena, s->config);
	if (err)
		return complain("reload", err, NULL);
	reload_watch(s->reload, s->calls);
	opts.metrics = s->metrics;
	err = control_new(&s->control, &opts);
	return err ? complain("control", err, NULL) : 0;
}

int serve_web_tls(struct tls_ctx **out, const struct config_http *http, char why[160])
{
	const struct sock_tls own = { .cert = http->tls.cert, .key = http->tls.key };

	return config_listens_on_https(http) ? tls_ctx_new(out, &own, why) : 0;
}

struct web_listen serve_web_of(const struct config_http *http, const struct tls_ctx *tls)
{
	return (struct web_listen){ http->listen, http->listen_count, tls };
}

static int build_web(struct server *s)
{
	const struct config_http *http = &s->config->http;
	struct tls_ctx *tls = NULL;
	struct web_listen listen;
	char why[160] = "";
	int err;

	if (!http->listen_count)
		return 0;
	err = serve_web_tls(&tls, http, why);
	if (err)
		return complain("http.tls", err, why);
	listen = serve_web_of(http, tls);
	err = web_new(&s->web, s->loop, &listen, serve_on_request, s, why);
	tls_ctx_free(&tls);
	if (err)
		return complain("http", err, why);
	serve_open_door(s);
	return 0;
}

/* Without a manager, or when it cannot be told, we serve all the same. */
static void open_notify(struct server *s)
{
	const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
	struct notify_opts opts = { .loop = s->loop, .socket = getenv("NOTIFY_SOCKET") };
	uint64_t value;
	int err;

	if (!opts.socket || !*opts.socket)
		return;
	if (!pid || (!str_u64(str_of(pid), &value) && value == (uint64_t)getpid()))
		if (usec && !str_u64(str_of(usec), &value))
			opts.watchdog_us = value;
	err = notify_open(&s->notify, &opts);
	if (err)
		log_printf(LOG_WARN, NULL, "the service manager cannot be told: %s: %s", opts.socket, strerror(err));
}

static int build(struct server *s)
{
	int err;

	if ((err = loop_new(&s->loop, false, 0)) || (err = take_signals(s)))
		return complain("loop", err, NULL);
	loop_watch_slow(s->loop, SLOW_HANDLER_US, slow_handler, s);
	open_notify(s);
	if ((err = pool_new(&s->pool, s->loop, POOL_THREADS)) || (err = events_new(&s->events, s->loop)))
		return complain("threads", err, NULL);
	if ((err = build_records(s)))
		return err;
	if ((err = build_net(s)))
		return err;
	if ((err = serve_trace_open(&s->trace, s->loop, s->net, &s->config->trace)))
		return err;
	if ((err = dns_new(&s->dns, s->loop, s->config->dns_servers)))
		return complain("dns", err, NULL);
	if ((err = build_media(s)))
		return complain("media", err, NULL);
	if ((err = build_content(s)))
		return err;
	open_journal(s);
	if ((err = build_hooks(s)))
		return err;
	/* Behind records and webhooks: what the log tells is on its way to the disk by then. */
	events_subscribe(s->events, event_log, NULL);
	if (s->trace.kept)
		events_subscribe(s->events, call_trace_event, s->trace.ring);
	if ((err = build_calls(s)))
		return err;
	if ((err = build_control(s)))
		return err;
	return build_web(s);
}

static void tear_down(struct server *s)
{
	if (!s->loop)
		return;
	loop_timer_stop(s->loop, &s->drain_limit);
	if (s->control)
		control_open(s->control, NULL);
	web_free(&s->web);
	calls_free(&s->calls);
	control_free(&s->control);
	metrics_free(&s->metrics);
	fetch_free(&s->fetch);
	sounds_free(&s->sounds);
	speech_free(&s->speech);
	hooks_free(&s->hooks);
	http_client_free(&s->http);
	media_free(&s->media);
	recognizer_free(&s->recognizer); /* utterances name its queue */
	serve_taps_close(&s->taps);
	dns_free(&s->dns);
	serve_trace_close(&s->trace);
	sock_net_free(&s->net);
	serve_records_close(&s->records);
	journal_free(&s->journal);
	events_free(&s->events);
	reload_free(&s->reload);
	pool_free(&s->pool);
	notify_close(&s->notify);
	if (s->signal_fd >= 0) {
		loop_io_remove(s->loop, &s->signals);
		close(s->signal_fd);
	}
	loop_free(&s->loop);
}

static int load(struct server *s, const char *config_path)
{
	const char *path = config_find(config_path);
	struct conf_problem *problems = NULL;
	struct config *config;
	int err;

	if (!path) {
		fprintf(stderr, "crosspoint: no configuration: give -c FILE, or write ./crosspoint.yaml\n");
		return ENOENT;
	}
	err = arena_new(&s->arena, 0, 0);
	if (!err)
		err = config_load(&config, s->arena, path, &problems);
	config_print_problems(stderr, path, problems);
	if (!err)
		s->config = config;
	return err;
}

int serve_main(const char *config_path)
{
	struct server s = { .signal_fd = -1 };
	int err = load(&s, config_path);

	if (!err) {
		err = log_open(s.config->log.level, s.config->log.format);
		if (!err) {
			raise_limits(); /* what is built counts with them */
			err = build(&s);
		}
		if (!err) {
			log_printf(LOG_INFO, NULL, "ready: crosspoint %s, space %s", CROSSPOINT_VERSION,
				   s.config->space);
			notify_ready(s.notify, "Ready");
			loop_run(s.loop);
		}
		tear_down(&s);
		log_close();
	}
	arena_free(&s.arena);
	return err ? 1 : 0;
}
