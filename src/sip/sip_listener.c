#include "sip/sip_listener.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sip/sip_transport.h"

enum {
	LOOK_MS = 32000,        /* 64*T1: what began at the last look is over at the next */
	SOURCE_KEEP_MS = 10000, /* how long an answer of the routing table is believed    */
	SOURCE_SLOTS = 64,
};

struct sip_source {
	struct addr remote, local;
	uint64_t until_ms;
	bool known;
};

/* --- names --- */

/* The address of ours that remote sees. Asked for with each message of a listener on "any", so remembered. */
static bool source_for(const struct sip_listeners *ls, const struct addr *remote, struct addr *out)
{
	uint64_t now = loop_now_ms(ls->opts.loop);
	struct net *net = ls->opts.net;
	struct addr host = *remote;
	struct sip_source *s;

	if (!net->ops->source_for)
		return false;
	addr_set_port(&host, 0);
	s = &ls->sources[addr_hash(&host, ls->seed) % SOURCE_SLOTS];
	if (s->until_ms <= now || !addr_equal(&s->remote, &host)) {
		s->remote = host;
		s->until_ms = now + SOURCE_KEEP_MS;
		s->known = !net->ops->source_for(net, remote, &s->local);
	}
	*out = s->local;
	return s->known;
}

void sip_listeners_name(const struct sip_listeners *ls, uint16_t index, const struct addr *remote, char *out,
			size_t size)
{
	const struct sip_listener *l;
	char text[ADDR_TEXT];
	struct addr local;

	assert(index < ls->count);
	l = ls->items[index];
	if (l->name[0]) {
		str_copy(out, size, str_of(l->name));
		return;
	}
	if (!source_for(ls, remote, &local))
		local = l->addr;
	snprintf(out, size, "%s:%u", addr_uri_host(&local, text), addr_port(&l->addr));
}

static void name_listener(struct sip_listener *l)
{
	char text[ADDR_TEXT];

	l->name[0] = '\0';
	if (l->of->advertise[0])
		snprintf(l->name, sizeof(l->name), "%s:%u", l->of->advertise, addr_port(&l->addr));
	else if (!addr_is_any(&l->addr))
		str_copy(l->name, sizeof(l->name), str_of(addr_text(&l->addr, text)));
}

static void set_advertise(struct sip_listeners *ls, const char *host)
{
	struct str text = host ? str_of(host) : STR("");
	char uri_host[ADDR_TEXT];
	struct addr a;

	if (host && !addr_parse(&a, text, 0))
		text = str_of(addr_uri_host(&a, uri_host));
	str_copy(ls->advertise, sizeof(ls->advertise), text);
}

static void log_change(const struct sip_listener *l, const char *what)
{
	char text[ADDR_TEXT];

	log_printf(LOG_INFO, NULL, "sip: %s:%s %s", sip_transport_param(l->kind), addr_text(&l->addr, text), what);
}

/* --- opening --- */

static struct sip_listener *find(const struct sip_listeners *ls, const struct sip_listen *at)
{
	for (size_t i = 0; i < ls->count; i++)
		if (ls->items[i]->kind == at->kind && addr_equal(&ls->items[i]->asked, &at->addr))
			return ls->items[i];
	return NULL;
}

static struct sip_listener *add(struct sip_listeners *ls, const struct sip_listen *at)
{
	struct sip_listener **items, *l;

	if (ls->count == UINT16_MAX)
		return NULL;
	items = realloc(ls->items, (ls->count + 1) * sizeof(*items));
	if (!items)
		return NULL;
	ls->items = items;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->of = ls;
	l->kind = at->kind;
	l->asked = at->addr;
	l->index = (uint16_t)ls->count;
	l->retired = true; /* until it is switched to */
	items[ls->count++] = l;
	return l;
}

static int open_wire(struct sip_listener *l)
{
	struct net *net = l->of->opts.net;
	int err;

	if (l->kind == WIRE_UDP)
		err = net->ops->udp_open(net, &l->wire, &l->asked, l->of->opts.datagrams, l);
	else
		err = net->ops->listen(net, &l->wire, l->kind, &l->asked, l->of->opts.streams, l);
	if (err)
		return err;
	l->addr = l->asked;
	net->ops->local(l->wire, &l->addr);
	l->fresh = true;
	return 0;
}

static void close_wire(struct sip_listener *l)
{
	l->wire->ops->close(l->wire);
	l->wire = NULL;
	l->fresh = false;
}

static void close_fresh(struct sip_listeners *ls)
{
	for (size_t i = 0; i < ls->count; i++)
		if (ls->items[i]->fresh)
			close_wire(ls->items[i]);
}

int sip_listeners_open(struct sip_listeners *ls, const struct sip_listen *listen, size_t count, char why[160])
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < count; i++) {
		struct sip_listener *l = find(ls, &listen[i]);
		int err = 0;

		if (!l)
			l = add(ls, &listen[i]);
		if (!l || !l->wire)
			err = l ? open_wire(l) : ENOMEM;
		if (!err)
			continue;
		snprintf(why, 160, "%s:%s: %s", sip_transport_param(listen[i].kind), addr_text(&listen[i].addr, text),
			 strerror(err));
		close_fresh(ls);
		return err;
	}
	return 0;
}

/* --- retiring --- */

static bool in_use(const struct sip_listeners *ls, uint16_t index)
{
	return ls->opts.uses && ls->opts.uses(ls->opts.arg, index);
}

/* Idle at two looks in a row: the transactions of the last call are over, too. */
static void look(void *arg)
{
	struct sip_listeners *ls = arg;
	bool again = false;

	for (size_t i = 0; i < ls->count; i++) {
		struct sip_listener *l = ls->items[i];
		bool used;

		if (!l->retired || !l->wire)
			continue;
		used = in_use(ls, l->index);
		if (!used && l->idle) {
			close_wire(l);
			log_change(l, "is closed");
			continue;
		}
		l->idle = !used;
		again = true;
	}
	if (again)
		loop_timer_start(ls->opts.loop, &ls->look, LOOK_MS, look, ls);
}

static bool is_wanted(const struct sip_listener *l, const struct sip_listen *listen, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (listen[i].kind == l->kind && addr_equal(&listen[i].addr, &l->asked))
			return true;
	return false;
}

static void retire(struct sip_listener *l)
{
	struct sip_listeners *ls = l->of;

	if (l->retired)
		return;
	l->retired = true;
	l->idle = false;
	log_change(l, "takes no new calls");
	loop_timer_start(ls->opts.loop, &ls->look, LOOK_MS, look, ls);
}

void sip_listeners_switch(struct sip_listeners *ls, const struct sip_listen *listen, size_t count,
			  const char *advertise)
{
	set_advertise(ls, advertise);
	for (size_t i = 0; i < ls->count; i++) {
		struct sip_listener *l = ls->items[i];

		if (!l->wire)
			continue;
		if (!is_wanted(l, listen, count)) {
			if (l->fresh)
				close_wire(l);
			else
				retire(l);
			continue;
		}
		if (l->retired)
			log_change(l, "takes calls");
		l->fresh = l->retired = false;
		name_listener(l);
	}
}

/* --- finding --- */

static bool fits(const struct sip_listener *l, enum wire_kind kind, const struct addr *remote)
{
	return !l->retired && l->kind == kind && addr_is_v6(&l->addr) == addr_is_v6(remote);
}

/* The one whose address packets to remote bear, else one on "any", else the first of the kind and family. */
const struct sip_listener *sip_listeners_pick(const struct sip_listeners *ls, enum wire_kind kind,
					      const struct addr *remote)
{
	const struct sip_listener *first = NULL, *any = NULL;
	struct addr source;
	size_t count = 0;

	for (size_t i = 0; i < ls->count; i++) {
		const struct sip_listener *l = ls->items[i];

		if (!fits(l, kind, remote))
			continue;
		count++;
		first = first ? first : l;
		any = !any && addr_is_any(&l->addr) ? l : any;
	}
	if (count > 1 && source_for(ls, remote, &source)) {
		for (size_t i = 0; i < ls->count; i++) {
			const struct sip_listener *l = ls->items[i];

			if (fits(l, kind, remote) && addr_same_host(&l->addr, &source))
				return l;
		}
	}
	return any ? any : first;
}

const struct sip_listener *sip_listeners_nth(const struct sip_listeners *ls, size_t n)
{
	for (size_t i = 0; i < ls->count; i++)
		if (!ls->items[i]->retired && !n--)
			return ls->items[i];
	assert(!"there are fewer listeners");
	return NULL;
}

/* --- life --- */

int sip_listeners_init(struct sip_listeners *ls, const struct sip_listeners_opts *opts)
{
	ls->opts = *opts;
	ls->seed = loop_random(opts->loop);
	ls->sources = calloc(SOURCE_SLOTS, sizeof(*ls->sources));
	return ls->sources ? 0 : ENOMEM;
}

void sip_listeners_done(struct sip_listeners *ls)
{
	if (ls->opts.loop)
		loop_timer_stop(ls->opts.loop, &ls->look);
	for (size_t i = 0; i < ls->count; i++) {
		if (ls->items[i]->wire)
			close_wire(ls->items[i]);
		free(ls->items[i]);
	}
	free(ls->items);
	free(ls->sources);
}
