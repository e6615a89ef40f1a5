#include "net/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/handle.h"
#include "base/loop.h"
#include "base/map.h"

enum {
	TOTAL_MS = 5000, /* for the whole look-up, whatever c-ares is about to try */
	TRY_MS = 700,    /* doubled with each try */
	TRIES = 3,
	FOUND_KEEP_MS = 30000,
	NONE_KEEP_MS = 5000,
	MAX_KEPT = 1024,
	MAX_HOST = 253,
	MAX_TARGETS = 8,
	TARGET_ADDRS = 4
};

struct look;

struct target { /* a host with a port: of an SRV record, or the one asked for */
	struct look *look;
	uint16_t port, priority, weight;
	uint8_t count;
	struct addr addrs[TARGET_ADDRS];
};

struct answer { /* the order of equal targets is drawn anew each time it is given */
	int err;
	uint8_t count;
	struct target targets[MAX_TARGETS];
};

struct look {
	struct list node;
	struct resolver *d;
	uint64_t id; /* 0 = answered or cancelled; lives on until c-ares has let go of it */
	struct loop_timer timer;
	unsigned queries; /* open at c-ares */
	char host[MAX_HOST + 1];
	uint16_t port;
	enum wire_kind kind;
	bool kept; /* the answer came out of the cache, or was no question at all */
	struct answer answer;
	void (*done)(void *arg, const struct dns_result *r);
	void *arg;
};

struct kept {
	struct list node; /* oldest first */
	uint64_t until_ms;
	struct answer answer;
	size_t key_len;
	char key[];
};

struct watched { /* a socket of c-ares */
	struct list node;
	struct resolver *d;
	struct loop_io io;
};

struct resolver {
	struct dns door; /* first: struct dns pointers are cast back */
	struct loop *loop;
	ares_channel channel;
	bool library, ready; /* what is to be undone */
	struct dns *before;  /* whom this one follows, NULL = nobody any more */
	struct loop_timer before_over;
	struct handle_table *ids;
	struct list looks, sockets, kept;
	struct map *cache;
	unsigned queries; /* open at c-ares, of all looks; the loop is held meanwhile */
	/* c-ares keeps real time even on a virtual loop, so its clock is a descriptor and no loop timer. */
	struct loop_io clock;
};

static struct resolver *resolver_of(struct dns *d)
{
	return (struct resolver *)(void *)d;
}

/* --- driving c-ares --- */

static void set_clock(struct resolver *d)
{
	struct itimerspec when = { 0 };
	struct timeval tv, *next = ares_timeout(d->channel, NULL, &tv);

	if (next) {
		when.it_value.tv_sec = next->tv_sec;
		when.it_value.tv_nsec = next->tv_usec * 1000 + 1; /* zero would switch it off */
	}
	timerfd_settime(d->clock.fd, 0, &when, NULL);
}

static void on_clock(void *arg, unsigned ready)
{
	struct resolver *d = arg;
	uint64_t count;

	if (read(d->clock.fd, &count, sizeof(count)) < 0)
		return; /* set anew since */
	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_clock(d);
}

static void on_socket(void *arg, unsigned ready)
{
	struct watched *w = arg;
	struct resolver *d = w->d;
	int fd = w->io.fd;

	/* w may be gone afterwards. */
	ares_process_fd(d->channel, ready & LOOP_READ ? fd : ARES_SOCKET_BAD,
			ready & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	set_clock(d);
}

static struct watched *find_socket(struct resolver *d, int fd)
{
	for (struct list *n = d->sockets.next; n != &d->sockets; n = n->next) {
		struct watched *w = LIST_ITEM(n, struct watched, node);

		if (w->io.fd == fd)
			return w;
	}
	return NULL;
}

/* c-ares tells what it waits for. Without memory the look-up meets its time-out. */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	unsigned events = (readable ? LOOP_READ : 0U) | (writable ? LOOP_WRITE : 0U);
	struct resolver *d = arg;
	struct watched *w = find_socket(d, fd);

	if (w && events) {
		loop_io_change(d->loop, &w->io, events);
	} else if (w) {
		loop_io_remove(d->loop, &w->io);
		list_remove(&w->node);
		free(w);
	} else if (events) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return;
		w->d = d;
		if (loop_io_add(d->loop, &w->io, fd, events, on_socket, w))
			free(w);
		else
			list_append(&d->sockets, &w->node);
	}
}

static void query_begins(struct look *k)
{
	k->queries++;
	if (!k->d->queries++)
		loop_hold(k->d->loop);
}

/* --- the cache --- */

static struct str cache_key(const struct look *k, char out[MAX_HOST + 16])
{
	int n = snprintf(out, MAX_HOST + 16, "%d:%u:%s", (int)k->kind, k->port, k->host);

	for (int i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	return (struct str){ out, (size_t)n };
}

static void forget(struct resolver *d, struct kept *e)
{
	map_take(d->cache, (struct str){ e->key, e->key_len });
	list_remove(&e->node);
	free(e);
}

static bool recall(struct look *k)
{
	char text[MAX_HOST + 16];
	struct kept *e = map_get(k->d->cache, cache_key(k, text));

	if (!e)
		return false;
	if (e->until_ms <= loop_now_ms(k->d->loop)) {
		forget(k->d, e);
		return false;
	}
	k->answer = e->answer;
	k->kept = true;
	return true;
}

/* Failures of the servers are not kept: the next one asks again. */
static void keep(struct look *k)
{
	char text[MAX_HOST + 16];
	struct str key = cache_key(k, text);
	struct resolver *d = k->d;
	struct kept *e;

	if (k->kept || (k->answer.err && k->answer.err != ENOENT))
		return;
	e = map_get(d->cache, key);
	if (e)
		forget(d, e); /* another look-up was first */
	if (map_count(d->cache) >= MAX_KEPT)
		forget(d, LIST_ITEM(list_first(&d->kept), struct kept, node));
	e = calloc(1, sizeof(*e) + key.n);
	if (!e)
		return;
	memcpy(e->key, key.p, key.n);
	e->key_len = key.n;
	e->answer = k->answer;
	e->until_ms = loop_now_ms(d->loop) + (k->answer.err ? NONE_KEEP_MS : FOUND_KEEP_MS);
	if (map_put(d->cache, key, e))
		free(e);
	else
		list_append(&d->kept, &e->node);
}

/* --- answering --- */

/* RFC 2782 wants a very small chance for weight 0; where all have it, all shall be equal. */
static uint32_t chance(const struct target *t)
{
	return t->weight * 100U + 1;
}

/* Of the targets left (a bit each, not none), one of the lowest priority, drawn by weight. */
static size_t draw_target(struct loop *l, const struct answer *a, unsigned left)
{
	unsigned best = UINT16_MAX;
	uint32_t sum = 0, sought;
	size_t at = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct target *t = &a->targets[i];

		if (!(left & 1U << i) || t->priority > best)
			continue;
		sum = chance(t) + (t->priority == best ? sum : 0);
		best = t->priority;
	}
	sought = loop_random_below(l, sum);
	for (sum = 0; at < a->count; at++) {
		if (left & 1U << at && a->targets[at].priority == best)
			sum += chance(&a->targets[at]);
		if (sum > sought)
			break;
	}
	return at;
}

static void fill_result(struct loop *l, const struct answer *a, struct dns_result *out)
{
	unsigned left = (1U << a->count) - 1;

	memset(out, 0, sizeof(*out));
	while (left && out->count < DNS_MAX_ADDRS) {
		size_t at = draw_target(l, a, left);
		const struct target *t = &a->targets[at];

		left &= ~(1U << at);
		for (size_t i = 0; i < t->count && out->count < DNS_MAX_ADDRS; i++)
			out->addrs[out->count++] = t->addrs[i];
	}
	out->err = out->count ? 0 : a->err;
}

/* Nobody waits for it any more; free it, or leave it to the last callback of c-ares. */
static void retire(struct look *k)
{
	loop_timer_stop(k->d->loop, &k->timer);
	if (k->id)
		handle_remove(k->d->ids, k->id);
	k->id = 0;
	if (k->queries)
		return;
	list_remove(&k->node);
	free(k);
}

static void deliver(void *arg)
{
	struct look *k = arg;
	void (*done)(void *arg, const struct dns_result *r) = k->done;
	struct dns_result result;

	arg = k->arg;
	if (k->queries)
		k->answer.err = ETIMEDOUT; /* counts only when there is no address yet */
	fill_result(k->d->loop, &k->answer, &result);
	if (!k->queries) {
		k->answer.err = result.err;
		keep(k);
	}
	retire(k);
	done(arg, &result);
}

/* Always from the loop: c-ares may answer inside the question. */
static void deliver_soon(struct look *k)
{
	loop_timer_start(k->d->loop, &k->timer, 0, deliver, k);
}

/* --- questions --- */

static int errno_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
	case ARES_ENONAME:
		return ENOENT;
	case ARES_ETIMEOUT:
		return ETIMEDOUT;
	default: /* c-ares has some twenty more */
		return EIO;
	}
}

/* A query of k is over. Returns false when k is not wanted any more (and may be gone). */
static bool query_ends(struct look *k, int status)
{
	struct resolver *d = k->d;
	int err = errno_of(status);

	k->queries--;
	if (!--d->queries)
		loop_release(d->loop);
	/* That a name has no address says less than that a server has failed. */
	if (!k->answer.err || k->answer.err == ENOENT)
		k->answer.err = err;
	if (!k->id)
		retire(k);
	else
		return true;
	return false;
}

static void add_addrs(struct target *t, const struct ares_addrinfo *info, int family)
{
	for (const struct ares_addrinfo_node *n = info->nodes; n; n = n->ai_next) {
		struct addr *a = &t->addrs[t->count];

		if (n->ai_family != family || t->count == TARGET_ADDRS || n->ai_addrlen > sizeof(*a))
			continue;
		memset(a, 0, sizeof(*a));
		memcpy(&a->sa, n->ai_addr, n->ai_addrlen);
		addr_set_port(a, t->port);
		t->count++;
	}
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct target *t = arg;
	struct look *k = t->look;

	if (query_ends(k, status)) {
		/* IPv4 first: a caller that tries one address only reaches more peers so. */
		if (status == ARES_SUCCESS) {
			add_addrs(t, info, AF_INET);
			add_addrs(t, info, AF_INET6);
		}
		if (!k->queries)
			deliver_soon(k);
	}
	if (info)
		ares_freeaddrinfo(info);
}

static void ask_addresses(struct look *k, const char *host, const struct target *like)
{
	/* Sorting would open a socket for each address, and undo the turns that the server takes. */
	const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC };
	struct target *t = &k->answer.targets[k->answer.count++];

	*t = *like;
	t->look = k;
	query_begins(k);
	ares_getaddrinfo(k->d->channel, host, NULL, &hints, on_addresses, t);
}

static uint16_t usual_port(enum wire_kind kind)
{
	switch (kind) {
	case WIRE_UDP:
	case WIRE_TCP:
		return 5060;
	case WIRE_TLS:
		return 5061;
	case WIRE_WS:
		return 80;
	case WIRE_WSS:
		return 443;
	}
	return 0;
}

static void ask_host(struct look *k)
{
	struct target like = { .port = k->port ? k->port : usual_port(k->kind) };

	ask_addresses(k, k->host, &like);
}

/* The targets with the lowest priority, as many as there is room for. */
static void ask_targets(struct look *k, struct ares_srv_reply *records)
{
	for (unsigned priority = 0; priority <= UINT16_MAX && k->answer.count < MAX_TARGETS;) {
		unsigned next = UINT16_MAX + 1U;

		for (struct ares_srv_reply *r = records; r; r = r->next) {
			struct target like = { .port = r->port, .priority = r->priority, .weight = r->weight };

			if (r->priority > priority && r->priority < next)
				next = r->priority;
			/* The root as target means: no such service here (RFC 2782). */
			if (r->priority == priority && r->host[0] && strcmp(r->host, ".") &&
			    k->answer.count < MAX_TARGETS)
				ask_addresses(k, r->host, &like);
		}
		priority = next;
	}
}

static void on_services(void *arg, int status, int timeouts, unsigned char *data, int n)
{
	struct ares_srv_reply *records = NULL;
	struct look *k = arg;

	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(data, n, &records);
	if (query_ends(k, status)) {
		k->queries++; /* answers that come at once must not end the look-up between two questions */
		if (records)
			ask_targets(k, records);
		else if (status != ARES_ETIMEOUT) /* also servers that refuse to know SRV */
			ask_host(k);
		k->queries--;
		if (!k->queries)
			deliver_soon(k);
	}
	ares_free_data(records);
}

static const char *service_of(enum wire_kind kind)
{
	switch (kind) {
	case WIRE_UDP:
		return "_sip._udp.";
	case WIRE_TCP:
		return "_sip._tcp.";
	case WIRE_TLS:
		return "_sips._tcp.";
	case WIRE_WS:
	case WIRE_WSS:
		break; /* a browser's way, by URL */
	}
	return NULL;
}

static void ask(struct look *k)
{
	const char *service = service_of(k->kind);
	char name[MAX_HOST + 16];

	/* Names without a dot are of this machine or its neighbours; nobody keeps SRV records of them. */
	if (!k->port && service && strchr(k->host, '.')) {
		snprintf(name, sizeof(name), "%s%s", service, k->host);
		query_begins(k);
		ares_query(k->d->channel, name, ns_c_in, ns_t_srv, on_services, k);
	} else {
		ask_host(k);
	}
	set_clock(k->d);
}

/* What needs no server: numbers, nonsense, and what is remembered. */
static bool answer_at_once(struct look *k, struct str host)
{
	struct target *t = &k->answer.targets[0];

	if (!addr_parse(&t->addrs[0], host, k->port ? k->port : usual_port(k->kind))) {
		t->count = 1;
		k->answer.count = 1;
		k->kept = true;
		return true;
	}
	if (!host.n || host.n > MAX_HOST || memchr(host.p, 0, host.n)) {
		k->answer.err = ENOENT;
		k->kept = true;
		return true;
	}
	str_copy(k->host, sizeof(k->host), host);
	return recall(k);
}

static int op_lookup(struct dns *door, const struct dns_query *q, void (*done)(void *arg, const struct dns_result *r),
		     void *arg, uint64_t *id)
{
	struct resolver *d = resolver_of(door);
	struct look *k = calloc(1, sizeof(*k));
	int err = k ? handle_add(d->ids, k, &k->id) : ENOMEM;

	if (err) {
		free(k);
		return err;
	}
	k->d = d;
	k->port = q->port;
	k->kind = q->kind;
	k->done = done;
	k->arg = arg;
	*id = k->id;
	list_append(&d->looks, &k->node);
	if (answer_at_once(k, q->host)) {
		deliver_soon(k);
		return 0;
	}
	/* Before the questions: an answer at once starts the timer anew. */
	loop_timer_start(d->loop, &k->timer, TOTAL_MS, deliver, k);
	ask(k);
	return 0;
}

static void op_cancel(struct dns *door, uint64_t id)
{
	struct look *k = handle_get(resolver_of(door)->ids, id);

	if (k)
		retire(k);
}

/* --- birth and death --- */

static const struct dns_ops ops = { op_lookup, op_cancel };

static int open_channel(struct resolver *d, const char *servers)
{
	char lookups[] = "fb"; /* the hosts file, then the servers */
	struct ares_options options = { .timeout = TRY_MS,
					.tries = TRIES,
					.lookups = lookups,
					.sock_state_cb = on_state,
					.sock_state_cb_data = d };
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;

	d->library = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
	if (!d->library)
		return ENOMEM;
	d->ready = ares_init_options(&d->channel, &options, mask) == ARES_SUCCESS;
	if (!d->ready)
		return ENOMEM;
	return servers && ares_set_servers_ports_csv(d->channel, servers) != ARES_SUCCESS ? EINVAL : 0;
}

static int open_clock(struct resolver *d)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int err;

	if (fd < 0)
		return errno;
	err = loop_io_add(d->loop, &d->clock, fd, LOOP_READ, on_clock, d);
	if (err)
		close(fd);
	return err;
}

int dns_new(struct dns **out, struct loop *l, const char *servers)
{
	struct resolver *d = calloc(1, sizeof(*d));
	struct dns *door;
	int err;

	if (!d)
		return ENOMEM;
	d->door.ops = &ops;
	d->loop = l;
	list_init(&d->looks);
	list_init(&d->sockets);
	list_init(&d->kept);
	err = handle_table_new(&d->ids, 0);
	if (!err)
		err = map_new(&d->cache, loop_random(l));
	if (!err)
		err = open_clock(d);
	if (!err)
		err = open_channel(d, servers);
	door = &d->door;
	if (err)
		dns_free(&door);
	else
		*out = door;
	return err;
}

static void free_before(void *arg)
{
	struct resolver *d = arg;

	loop_timer_stop(d->loop, &d->before_over);
	dns_free(&d->before);
}

void dns_follow(struct dns *door, struct dns **before)
{
	struct resolver *d = resolver_of(door);

	assert(!d->before);
	d->before = *before;
	*before = NULL;
	/* The last look-up that began there has been answered by then. */
	loop_timer_start(d->loop, &d->before_over, 2 * (uint64_t)TOTAL_MS, free_before, d);
}

void dns_free(struct dns **dp)
{
	struct resolver *d = *dp ? resolver_of(*dp) : NULL;
	struct list *n, *next;

	if (!d)
		return;
	free_before(d);
	for (n = d->looks.next; n != &d->looks; n = next) {
		next = n->next;
		retire(LIST_ITEM(n, struct look, node));
	}
	if (d->ready)
		ares_destroy(d->channel); /* ends the queries that are open */
	if (d->library)
		ares_library_cleanup();
	while ((n = list_first(&d->kept)))
		forget(d, LIST_ITEM(n, struct kept, node));
	if (d->clock.active) {
		loop_io_remove(d->loop, &d->clock);
		close(d->clock.fd);
	}
	map_free(&d->cache);
	handle_table_free(&d->ids);
	free(d);
	*dp = NULL;
}
