/* serve_impl: the running server, shared by serve.c (building, running, taking down) and serve_reload.c (another
 * configuration while it runs); nobody else includes it. Thread: signal. */
#ifndef SERVE_IMPL_H
#define SERVE_IMPL_H

#include "base/loop.h"
#include "call/calls.h"
#include "cli/serve_records.h"
#include "cli/serve_taps.h"
#include "cli/serve_trace.h"
#include "config.h"
#include "dialect/script.h"
#include "net/web.h"

struct server {
	struct arena *arena;
	const struct config *config;
	struct loop *loop;
	struct pool *pool;
	struct events *events;
	struct serve_records records;
	struct serve_taps taps;
	struct journal *journal;
	struct hooks *hooks;
	struct net *net;
	struct serve_trace trace;
	struct dns *dns;
	struct media *media;
	struct http_client *http;
	struct fetch *fetch;
	struct speech *speech;
	struct sounds *sounds;
	struct recognizer *recognizer; /* NULL = stt is not set */
	struct calls *calls;
	struct metrics *metrics;
	struct control *control;
	struct reload *reload;
	struct web *web;
	struct notify *notify;
	uint64_t slow_handlers;
	struct script_env scripts;
	int signal_fd;
	struct loop_io signals;
	struct loop_timer drain_limit;
	bool draining, hanging_up, flushing;
};

/* --- serve.c --- */

/* Targets, ids and the key of documents and webhooks. 0 or ENOMEM. */
int serve_configure_http(struct server *s, const struct config *c);
void serve_switch_listeners(struct server *s, const struct config *c);
/* The control API answers by s->web. */
void serve_open_door(struct server *s);
void serve_on_request(void *arg, const struct web_request *r);
struct media_opts serve_media_of(const struct server *s, const struct config *c);
struct script_env serve_scripts_of(const struct server *s, const struct config *c);
bool serve_listens_on_tls(const struct config_sip *sip);
/* The certificate of the https listeners, NULL without any. 0; EINVAL with why, or ENOMEM. */
int serve_web_tls(struct tls_ctx **out, const struct config_http *http, char why[160]);
struct web_listen serve_web_of(const struct config_http *http, const struct tls_ctx *tls);

/* --- serve_reload.c --- */

/* What a new configuration changes while the server runs. What can fail comes first: then everything stays, and why says
 * it. */
int serve_apply(void *arg, const struct config *c, char why[160]);

#endif
