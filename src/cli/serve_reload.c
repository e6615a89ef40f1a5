#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/control.h"
#include "base/log.h"
#include "cli/serve_impl.h"
#include "net/dns.h"
#include "net/sock.h"
#include "net/tls.h"
#include "net/web.h"

struct change { /* what a new configuration needs, made before anything changes */
	struct tls_ctx *tls, *web_tls;
	struct dns *dns;
	struct web *web; /* where none was */
};

static int prepare_web(struct server *s, const struct config *c, struct change *change, char why[160])
{
	struct web_listen listen;
	int err = serve_web_tls(&change->web_tls, &c->http, why);

	if (err)
		return err;
	listen = serve_web_of(&c->http, change->web_tls);
	if (s->web)
		return web_try(s->web, &listen, why);
	if (!listen.count)
		return 0;
	return web_new(&change->web, s->loop, &listen, serve_on_request, s, why);
}

static void use_web(struct server *s, const struct config *c, const struct change *change)
{
	const struct web_listen listen = serve_web_of(&c->http, change->web_tls);

	if (s->web)
		web_switch(s->web, &listen);
	if (!change->web)
		return;
	s->web = change->web;
	serve_open_door(s);
}

static bool same_text(const char *a, const char *b)
{
	return !a || !b ? a == b : !strcmp(a, b);
}

static int make_change(struct server *s, const struct config *c, struct change *change, char why[160])
{
	const struct media_opts media = serve_media_of(s, c);
	char text[ADDR_TEXT];
	int err = 0;

	if (serve_listens_on_tls(&c->sip) && (err = tls_ctx_new(&change->tls, &c->sip.tls, why)))
		return err;
	if (!same_text(c->dns_servers, s->config->dns_servers))
		err = dns_new(&change->dns, s->loop, c->dns_servers);
	if (err) {
		snprintf(why, 160, "dns: %s", strerror(err));
		return err;
	}
	err = media_try(&media);
	if (err)
		snprintf(why, 160, "media.address %s: %s", addr_host(&c->media.address, text), strerror(err));
	return err ? err : prepare_web(s, c, change, why);
}

/* What can fail and is in force at once; what has been done is undone. The listeners need the new certificate. */
static int prepare(struct server *s, const struct config *c, struct change *change, char why[160])
{
	bool tls = change->tls;
	int err;

	if (tls)
		sock_net_swap_tls(s->net, &change->tls);
	err = sip_stack_open(calls_sip(s->calls), c->sip.listen, c->sip.listen_count, why);
	if (!err && (err = serve_configure_http(s, c))) {
		str_copy(why, 160, STR("out of memory"));
		serve_switch_listeners(s, s->config);
	}
	if (err && tls)
		sock_net_swap_tls(s->net, &change->tls);
	return err;
}

static void use_dns(struct server *s, struct dns *dns)
{
	if (!dns)
		return;
	sip_stack_use_dns(calls_sip(s->calls), dns);
	dns_follow(dns, &s->dns);
	s->dns = dns;
	s->taps.env.dns = dns;
}

static void take_over(struct server *s, const struct config *c)
{
	const struct calls_config config = {
		.routes = &c->routes,
		.domain = c->sip.domain,
		.digests = c->sip.digests,
		.advertise = c->sip.advertise,
		.codecs = c->media.codecs,
		.encryption = c->media.encryption,
		.default_transport = c->sip.default_transport,
		.header_prefix = c->sip.header_prefix,
		.session_timeout_s = c->sip.session_timeout_s,
		.limits = c->limits,
		.no_media_ms = c->media.no_media_s * 1000,
		.no_transfers = !c->sip.transfers,
		.hold_music = c->media.hold_music,
	};
	const struct media_opts media = serve_media_of(s, c);

	log_set_level(c->log.level);
	log_set_format(c->log.format);
	serve_switch_listeners(s, c);
	media_move(s->media, &media);
	calls_configure(s->calls, &config);
	s->scripts = serve_scripts_of(s, c);
	s->config = c;
}

int serve_apply(void *arg, const struct config *c, char why[160])
{
	struct change change = { .tls = NULL };
	struct server *s = arg;
	int err = make_change(s, c, &change, why);

	if (!err)
		err = prepare(s, c, &change, why);
	if (err) {
		dns_free(&change.dns);
		web_free(&change.web);
	} else {
		use_dns(s, change.dns);
		use_web(s, c, &change);
		take_over(s, c);
	}
	tls_ctx_free(&change.tls);
	tls_ctx_free(&change.web_tls);
	return err;
}
