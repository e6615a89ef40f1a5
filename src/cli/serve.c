#include "cli/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/loop.h"
#include "base/pool.h"
#include "call/calls.h"
#include "config.h"
#include "dialect/fetch.h"
#include "dialect/script.h"
#include "net/dns.h"
#include "net/sock.h"
#include "net/web.h"

enum { POOL_THREADS = 2, SLOW_HANDLER_US = 20000, HANGUP_GRACE_MS = 5000 };

struct server {
	struct arena *arena;
	const struct config *config;
	struct loop *loop;
	struct pool *pool;
	struct events *events;
	struct net *net;
	struct dns *dns;
	struct media *media;
	struct fetch *fetch;
	struct calls *calls;
	struct web *web;
	struct script_env scripts;
	int signal_fd;
	struct loop_io signals;
	struct loop_timer drain_limit;
	bool draining, hanging_up;
};

/* --- what happens while it runs --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct server *s = arg;

	if (script_start(c, &s->scripts, r->swml))
		call_hangup(c, CAUSE_ERROR, "server", "out of memory");
}

static void stop_now(void *arg)
{
	struct server *s = arg;

	loop_stop(s->loop);
}

static void hang_up_all(void *arg)
{
	struct server *s = arg;

	if (s->hanging_up)
		return;
	s->hanging_up = true;
	log_printf(LOG_INFO, NULL, "hanging up %zu calls", calls_count(s->calls));
	calls_hangup_all(s->calls, "server", "the server is shutting down");
	/* Peers that do not answer our BYE must not keep the process. */
	loop_timer_start(s->loop, &s->drain_limit, HANGUP_GRACE_MS, stop_now, s);
}

static void drain(struct server *s)
{
	s->draining = true;
	log_printf(LOG_INFO, NULL, "draining: no new calls, %zu left", calls_count(s->calls));
	loop_timer_start(s->loop, &s->drain_limit, (uint64_t)s->config->drain_timeout_s * 1000, hang_up_all, s);
	calls_drain(s->calls);
}

static void on_signal(void *arg, unsigned ready)
{
	struct server *s = arg;
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		log_printf(LOG_WARN, NULL, "SIGHUP: reloading is not in this version");
	else if (!s->draining)
		drain(s);
	else
		hang_up_all(s);
}

static void on_request(void *arg, const struct web_request *r)
{
	struct server *s = arg;
	const char *type = "application/json";

	if (strcmp(r->method, "GET") && strcmp(r->method, "HEAD"))
		web_reply(s->web, r->id, 405, type, STR("{\"error\":\"method not allowed\"}\n"));
	else if (!strcmp(r->path, "/healthz"))
		web_reply(s->web, r->id, 200, type, STR("{\"status\":\"alive\"}\n"));
	else if (!strcmp(r->path, "/readyz") && s->draining)
		web_reply(s->web, r->id, 503, type, STR("{\"status\":\"draining\"}\n"));
	else if (!strcmp(r->path, "/readyz"))
		web_reply(s->web, r->id, 200, type, STR("{\"status\":\"ready\"}\n"));
	else
		web_reply(s->web, r->id, 404, type, STR("{\"error\":\"not found\"}\n"));
}

static void slow_handler(void *arg, uint64_t took_us)
{
	log_printf(LOG_WARN, NULL, "a handler held the signalling loop for %llu ms",
		   (unsigned long long)took_us / 1000);
}

/* --- building, bottom-up --- */

static int complain(const char *what, int err, const char *why)
{
	log_printf(LOG_ERROR, NULL, "%s: %s", what, why && *why ? why : strerror(err));
	return err;
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
}

static int take_signals(struct server *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
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

static int build_media(struct server *s)
{
	const struct config *c = s->config;
	const struct media_opts opts = {
		.loop = s->loop,
		.bind = c->media.address,
		.advertise = c->media.advertise,
		.port_min = c->media.port_min,
		.port_max = c->media.port_max,
		.threads = media_threads(c),
	};

	return media_new(&s->media, &opts);
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
		.codecs = c->media.codecs,
		.default_transport = c->sip.default_transport,
		.header_prefix = c->sip.header_prefix,
		.incoming = incoming,
		.drained = stop_now,
		.arg = s,
		.sip = {
			.net = s->net,
			.dns = s->dns,
			.listen = c->sip.listen,
			.listen_count = c->sip.listen_count,
			.advertise = c->sip.advertise,
			.user_agent = "Crosspoint/" CROSSPOINT_VERSION,
		},
	};
	char why[160] = "";
	int err;

	s->scripts = (struct script_env){ .fetch = s->fetch, .envs = c->envs, .country = c->sip.country };
	err = calls_new(&s->calls, &opts, why);
	return err ? complain("sip", err, why) : 0;
}

static int build_web(struct server *s)
{
	const struct config *c = s->config;
	char why[128] = "";
	int err;

	if (!c->http.listen_count)
		return 0;
	err = web_new(&s->web, s->loop, c->http.listen, c->http.listen_count, on_request, s, why);
	return err ? complain("http", err, why) : 0;
}

static int build(struct server *s)
{
	int err;

	if ((err = loop_new(&s->loop, false, 0)) || (err = take_signals(s)))
		return complain("loop", err, NULL);
	loop_watch_slow(s->loop, SLOW_HANDLER_US, slow_handler, s);
	if ((err = pool_new(&s->pool, s->loop, POOL_THREADS)) || (err = events_new(&s->events, s->loop)))
		return complain("threads", err, NULL);
	events_subscribe(s->events, event_log, NULL);
	if ((err = sock_net_new(&s->net, s->loop)) || (err = dns_new(&s->dns, s->loop, s->config->dns_servers)))
		return complain("network", err, NULL);
	if ((err = build_media(s)))
		return complain("media", err, NULL);
	if ((err = fetch_new(&s->fetch, s->loop, s->pool)))
		return complain("documents", err, NULL);
	if ((err = build_calls(s)))
		return err;
	return build_web(s);
}

static void tear_down(struct server *s)
{
	if (!s->loop)
		return;
	loop_timer_stop(s->loop, &s->drain_limit);
	web_free(&s->web);
	calls_free(&s->calls);
	fetch_free(&s->fetch);
	media_free(&s->media);
	dns_free(&s->dns);
	sock_net_free(&s->net);
	events_free(&s->events);
	pool_free(&s->pool);
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
		if (!err)
			err = build(&s);
		if (!err) {
			raise_limits();
			log_printf(LOG_INFO, NULL, "ready: crosspoint %s, space %s", CROSSPOINT_VERSION,
				   s.config->space);
			loop_run(s.loop);
		}
		tear_down(&s);
		log_close();
	}
	arena_free(&s.arena);
	return err ? 1 : 0;
}
