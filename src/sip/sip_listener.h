/* sip_listener: the table of listeners of a transport, which a reload changes.
 *
 * An index means the same listener for ever. One that is no longer wanted is retired: it names us in calls that know
 * it and takes their messages, but is never picked for anything new, and is closed when no call has known it for
 * 32 to 64 s, the life of a transaction. The same address wanted again gets its old index back.
 * Thread: signal. Source: RFC 3261 §18.1.1, PRODUCT §6 (reload). */
#ifndef SIP_LISTENER_H
#define SIP_LISTENER_H

#include "base/loop.h"
#include "net/wire.h"
#include "sip/sip_session.h"

struct sip_listeners;
struct sip_source;

struct sip_listener {
	struct sip_listeners *of;
	enum wire_kind kind;
	uint16_t index;
	bool fresh, retired; /* opened since the last switch; takes nothing new           */
	bool idle;           /* retired: no call knew it at the last look                 */
	struct wire *wire;   /* NULL = closed                                             */
	struct addr asked;   /* as it was configured                                      */
	struct addr addr;    /* port filled in                                            */
	char name[280];      /* "host:port" for Via and Contact, "" = depends on the peer */
};

struct sip_listeners_opts {
	struct loop *loop;
	struct net *net;
	const struct wire_handlers *datagrams, *streams; /* their arg is the struct sip_listener */
	/* Does a call know this one? NULL = none does. */
	bool (*uses)(void *arg, uint16_t listener);
	void *arg;
};

struct sip_listeners {
	struct sip_listeners_opts opts;
	struct sip_listener **items;
	size_t count;
	char advertise[256];        /* as it stands in a URI, "" = none */
	struct sip_source *sources; /* what the routing table said */
	uint64_t seed;
	struct loop_timer look;
};

/* All zero before. 0 or ENOMEM. */
int sip_listeners_init(struct sip_listeners *ls, const struct sip_listeners_opts *opts);
void sip_listeners_done(struct sip_listeners *ls);
/* Open what is not open yet. 0; or errno with why, and nothing has changed. */
int sip_listeners_open(struct sip_listeners *ls, const struct sip_listen *listen, size_t count, char why[160]);
/* From now on these, all of them open, and this name. The others are retired; fresh ones closed. */
void sip_listeners_switch(struct sip_listeners *ls, const struct sip_listen *listen, size_t count,
			  const char *advertise);
/* The one that names us towards remote, NULL = none of the kind and family. */
const struct sip_listener *sip_listeners_pick(const struct sip_listeners *ls, enum wire_kind kind,
					      const struct addr *remote);
/* "host:port" of ours as remote should know it. */
void sip_listeners_name(const struct sip_listeners *ls, uint16_t index, const struct addr *remote, char *out,
			size_t size);
/* The n-th of those that are not retired. */
const struct sip_listener *sip_listeners_nth(const struct sip_listeners *ls, size_t n);

#endif
