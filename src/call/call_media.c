#include "call/call_media.h"

#include <errno.h>

#include "call/call_impl.h"
#include "media/sink.h"
#include "media/source.h"

static struct port *port_of(const struct call *c)
{
	return c->leg ? leg_port(c->leg) : NULL;
}

bool call_can_hear(const struct call *c)
{
	enum leg_state state = c->leg ? leg_state(c->leg) : LEG_CLOSED;

	return state == LEG_EARLY || state == LEG_ANSWERED;
}

static int begin(struct call *c, struct call_playing *p, struct source *s, float gain, bool fills)
{
	struct port *port = port_of(c);
	int err;

	if (!port) {
		s->ops->free(s);
		return ENOTCONN;
	}
	p->id = ++c->media_ids;
	err = fills ? port_fill(port, p->id, s, gain) : port_play(port, p->id, s, gain);
	if (!err)
		list_append(&c->playing, &p->node);
	return err;
}

int call_play(struct call *c, struct call_playing *p, struct source *s, float gain)
{
	return begin(c, p, s, gain, false);
}

int call_fill(struct call *c, struct call_playing *p, struct source *s, float gain)
{
	return begin(c, p, s, gain, true);
}

void call_play_control(struct call *c, const struct call_playing *p, enum port_control verb, float gain)
{
	if (p->node.next && port_of(c))
		port_control(port_of(c), p->id, verb, gain);
}

static void forget(struct list *node)
{
	if (!node->next)
		return;
	list_remove(node);
	*node = (struct list){ NULL, NULL };
}

void call_play_forget(struct call_playing *p)
{
	forget(&p->node);
}

void call_media_played(struct call *c, uint32_t id, enum port_played how)
{
	for (struct list *n = c->playing.next; n != &c->playing; n = n->next) {
		struct call_playing *p = LIST_ITEM(n, struct call_playing, node);

		if (p->id != id)
			continue;
		forget(n);
		p->played(p->arg, how);
		return;
	}
}

int call_listen(struct call *c, struct call_listening *l, struct sink *s)
{
	struct port *port = port_of(c);
	int err;

	if (!port)
		return ENOTCONN;
	l->id = ++c->media_ids;
	err = port_attach(port, l->id, s);
	if (!err)
		list_append(&c->listening, &l->node);
	return err;
}

void call_unlisten(struct call *c, const struct call_listening *l)
{
	if (l->node.next && port_of(c))
		port_detach(port_of(c), l->id);
}

void call_listen_forget(struct call_listening *l)
{
	forget(&l->node);
}

void call_media_detached(struct call *c, uint32_t id, struct sink *s)
{
	for (struct list *n = c->listening.next; n != &c->listening; n = n->next) {
		struct call_listening *l = LIST_ITEM(n, struct call_listening, node);

		if (l->id != id)
			continue;
		forget(n);
		l->detached(l->arg, s);
		return;
	}
	s->ops->free(s); /* its owner has forgotten it */
}

void call_media_news(struct call *c, uint32_t id, unsigned what)
{
	for (struct list *n = c->listening.next; n != &c->listening; n = n->next) {
		const struct call_listening *l = LIST_ITEM(n, struct call_listening, node);

		if (l->id != id)
			continue;
		if (l->news)
			l->news(l->arg, what);
		return;
	}
}

int call_send_keys(struct call *c, struct call_playing *p, const char *text)
{
	struct port *port = port_of(c);
	int err;

	if (!port)
		return ENOTCONN;
	p->id = ++c->media_ids;
	err = port_send_keys(port, p->id, text);
	if (!err)
		list_append(&c->playing, &p->node);
	return err;
}

void call_watch_keys(struct call *c, struct call_keys *k)
{
	if (list_empty(&c->keys) && port_of(c))
		port_watch_keys(port_of(c), true);
	k->call = c;
	list_append(&c->keys, &k->node);
}

void call_unwatch_keys(struct call_keys *k)
{
	if (!k->node.next)
		return;
	forget(&k->node);
	if (list_empty(&k->call->keys) && port_of(k->call))
		port_watch_keys(port_of(k->call), false);
}

static void tell_overhearers(struct call *c, char key)
{
	for (struct list *n = c->keys.next; n != &c->keys; n = n->next) {
		struct call_keys *k = LIST_ITEM(n, struct call_keys, node);

		if (k->overhears)
			k->pressed(k->arg, key);
	}
}

void call_media_key(struct call *c, char key)
{
	struct list *before;

	tell_overhearers(c, key);
	for (struct list *n = c->keys.prev; n != &c->keys; n = before) {
		struct call_keys *k = LIST_ITEM(n, struct call_keys, node);

		before = n->prev;
		if (!k->overhears && k->pressed(k->arg, key))
			return;
	}
}

int call_denoise(struct call *c, bool on)
{
	struct call_operation o = { .type = "calling.call.denoise" };
	struct port *port = port_of(c);
	enum codec_id codec;

	if (!port)
		return ENOTCONN;
	if (on && leg_agreed(c->leg, &codec) && !port_can_decode(codec))
		return ENOTSUP;
	port_denoise(port, on);
	o.params = on ? STR("\"denoised\":true") : STR("\"denoised\":false");
	call_emit_operation(c, &o);
	return 0;
}

/* --- hold --- */

bool call_holds(const struct call *c)
{
	return c->leg && leg_holds(c->leg);
}

const char *const *calls_hold_music(const struct calls *cs)
{
	return cs->opts.hold_music;
}

void call_media_held(struct call *c, bool on)
{
	struct list *next;

	call_note(c, on ? "the party holds the call" : "the party takes the call back");
	for (struct list *n = c->watches.next; n != &c->watches; n = next) {
		struct call_watch *w = LIST_ITEM(n, struct call_watch, node);

		next = n->next;
		if (w->ops->held)
			w->ops->held(w->arg, c, on);
	}
}
