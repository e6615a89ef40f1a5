#include "net/dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/handle.h"
#include "base/loop.h"
#include "net/dns_cache.h"
#include "net/dns_channel.h"
#include "net/dns_records.h"

enum {
	TOTAL_MS = 5000, /* for the whole look-up, whatever c-ares is about to try */
	NAPTR_MS = 1000, /* boxes that swallow questions for what they do not know are many */
	FOUND_KEEP_S = 3600,
	NONE_KEEP_S = 60,
	NONE_KEEP_UNTOLD_S = 5,
	PART_KEEP_S = 30, /* what has no lifetime: the hosts file; that a record is missing, when no SOA says so */
	MAX_HOST = 253,
	MAX_RECORDS = 32
};

struct look;

struct question { /* for the addresses of one target */
	struct look *look;
	struct dns_target *target;
};

struct look {
	struct list node;
	struct resolver *d;
	uint64_t id; /* 0 = answered or cancelled; lives on until c-ares has let go of it */
	struct loop_timer timer, naptr_timer;
	unsigned queries; /* open at c-ares */
	unsigned late;    /* of them: the NAPTR that is waited for no more */
	char host[MAX_HOST + 1];
	struct dns_query q; /* its host is the above */
	bool kept;          /* the answer came out of the cache, or was no question at all */
	uint32_t life_s;    /* the shortest of what the answer depends on  */
	uint32_t none_s;    /* how long to believe that there is nothing, 0 = not told */
	struct dns_answer answer;
	struct question questions[DNS_MAX_TARGETS];
	void (*done)(void *arg, const struct dns_result *r);
	void *arg;
};

struct resolver {
	struct dns door; /* first: struct dns pointers are cast back */
	struct loop *loop;
	struct dns_channel *channel;
	struct dns *before; /* whom this one follows, NULL = nobody any more */
	struct loop_timer before_over;
	struct handle_table *ids;
	struct list looks;
	struct dns_cache *cache;
	unsigned queries; /* open at c-ares, of all looks; the loop is held meanwhile */
};

static struct resolver *resolver_of(struct dns *d)
{
	return (struct resolver *)(void *)d;
}

/* --- answering --- */

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Failures of the servers are not kept: the next one asks again. */
static void keep(struct look *k)
{
	uint32_t life_s;

	if (k->kept || (k->answer.err && k->answer.err != ENOENT))
		return;
	if (k->answer.err)
		life_s = k->none_s ? lesser(k->none_s, NONE_KEEP_S) : NONE_KEEP_UNTOLD_S;
	else
		life_s = lesser(k->life_s, FOUND_KEEP_S);
	/* Not even 0 shall make each of a hundred calls a second ask. */
	dns_cache_put(k->d->cache, &k->q, &k->answer, life_s ? life_s : 1);
}

/* Nobody waits for it any more; free it, or leave it to the last callback of c-ares. */
static void retire(struct look *k)
{
	loop_timer_stop(k->d->loop, &k->timer);
	loop_timer_stop(k->d->loop, &k->naptr_timer);
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
	if (k->queries > k->late)
		k->answer.err = ETIMEDOUT; /* counts only when there is no address yet */
	dns_order(k->d->loop, &k->answer, &result);
	if (k->queries == k->late) {
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

/* Behind each answer, and each step that may have asked nothing. */
static void deliver_when_whole(struct look *k)
{
	if (k->queries == k->late)
		deliver_soon(k);
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

static void query_begins(struct look *k)
{
	k->queries++;
	if (!k->d->queries++)
		loop_hold(k->d->loop);
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

/* What an answer with records, or the word that there are none, is worth in time. */
static void note_life(struct look *k, bool found, uint32_t found_s, struct str answer)
{
	uint32_t none_s = 0;

	if (found) {
		k->life_s = lesser(k->life_s, found_s);
		return;
	}
	if (!answer.p || !dns_records_absent(answer, &none_s)) {
		k->life_s = lesser(k->life_s, PART_KEEP_S);
		return;
	}
	k->life_s = lesser(k->life_s, none_s);
	k->none_s = k->none_s ? lesser(k->none_s, none_s) : none_s;
}

static void take_addresses(struct question *q, bool v6, struct str answer)
{
	struct addr found[DNS_TARGET_ADDRS];
	uint32_t life_s = 0;
	size_t n = answer.p ? dns_records_addrs(found, ARRAY_LEN(found), v6, answer, &life_s) : 0;

	for (size_t i = 0; i < n; i++)
		dns_target_add(q->target, &found[i]);
	note_life(q->look, n, life_s, answer);
}

static struct str text_of(const unsigned char *data, int n)
{
	return (struct str){ (const char *)data, data && n > 0 ? (size_t)n : 0 };
}

static void on_a(void *arg, int status, int timeouts, unsigned char *data, int n)
{
	struct question *q = arg;
	struct look *k = q->look;

	if (!query_ends(k, status))
		return;
	take_addresses(q, false, text_of(data, n));
	deliver_when_whole(k);
}

static void on_aaaa(void *arg, int status, int timeouts, unsigned char *data, int n)
{
	struct question *q = arg;
	struct look *k = q->look;

	if (!query_ends(k, status))
		return;
	take_addresses(q, true, text_of(data, n));
	deliver_when_whole(k);
}

static bool take_hosts_file(struct question *q, const char *host, int family)
{
	struct hostent *entry = NULL;

	if (ares_gethostbyname_file(dns_channel_ares(q->look->d->channel), host, family, &entry) != ARES_SUCCESS)
		return false;
	for (char **p = entry->h_addr_list; *p; p++) {
		struct addr a = { .sa.sa_family = (sa_family_t)family };

		memcpy(family == AF_INET ? (void *)&a.in4.sin_addr : (void *)&a.in6.sin6_addr, *p,
		       (size_t)entry->h_length);
		dns_target_add(q->target, &a);
	}
	ares_free_hostent(entry);
	return true;
}

/* Without a server: the hosts file, and this machine (RFC 6761 §6.3). */
static bool is_known_here(struct question *q, const char *host)
{
	bool v4 = take_hosts_file(q, host, AF_INET), v6 = take_hosts_file(q, host, AF_INET6);
	struct addr a;

	if (!v4 && !v6) {
		if (strcasecmp(host, "localhost"))
			return false;
		if (!addr_parse(&a, STR("127.0.0.1"), 0))
			dns_target_add(q->target, &a);
		if (!addr_parse(&a, STR("::1"), 0))
			dns_target_add(q->target, &a);
	}
	q->look->life_s = lesser(q->look->life_s, PART_KEEP_S);
	return true;
}

static void ask_addresses(struct look *k, const char *host, const struct dns_target *like)
{
	/* A name without a dot may be one of the local domain. */
	void (*question)(ares_channel, const char *, int, int, ares_callback, void *) =
		strchr(host, '.') ? ares_query : ares_search;
	struct question *q = &k->questions[k->answer.count];

	q->look = k;
	q->target = &k->answer.targets[k->answer.count++];
	*q->target = *like;
	if (is_known_here(q, host))
		return;
	query_begins(k);
	query_begins(k);
	question(dns_channel_ares(k->d->channel), host, ns_c_in, ns_t_a, on_a, q);
	question(dns_channel_ares(k->d->channel), host, ns_c_in, ns_t_aaaa, on_aaaa, q);
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

static void ask_host(struct look *k, const char *host)
{
	struct dns_target like = { .port = k->q.port ? k->q.port : usual_port(k->answer.kind) };

	ask_addresses(k, host, &like);
}

/* The targets with the lowest priority numbers, as many as there is room for. */
static void ask_targets(struct look *k, const struct dns_srv *records, size_t count)
{
	for (unsigned priority = 0; priority <= UINT16_MAX && k->answer.count < DNS_MAX_TARGETS;) {
		unsigned next = UINT16_MAX + 1U;

		for (const struct dns_srv *r = records; r < records + count; r++) {
			struct dns_target like = { .port = r->port, .priority = r->priority, .weight = r->weight };

			if (r->priority > priority && r->priority < next)
				next = r->priority;
			if (r->priority == priority && r->host[0] && k->answer.count < DNS_MAX_TARGETS)
				ask_addresses(k, r->host, &like);
		}
		priority = next;
	}
}

static void on_services(void *arg, int status, int timeouts, unsigned char *data, int n)
{
	struct dns_srv records[MAX_RECORDS];
	struct look *k = arg;
	size_t count = 0;
	uint32_t life_s = 0;

	if (!query_ends(k, status))
		return;
	if (data)
		count = dns_records_srv(records, ARRAY_LEN(records), text_of(data, n), &life_s);
	note_life(k, count, life_s, text_of(data, n));
	k->queries++; /* answers that come at once must not end the look-up between two questions */
	if (count)
		ask_targets(k, records, count);
	else if (status != ARES_ETIMEOUT) /* also servers that refuse to know SRV */
		ask_host(k, k->host);
	k->queries--;
	deliver_when_whole(k);
	dns_channel_asked(k->d->channel);
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

static void ask_service(struct look *k, const char *name)
{
	query_begins(k);
	ares_query(dns_channel_ares(k->d->channel), name, ns_c_in, ns_t_srv, on_services, k);
}

/* The transport is settled. Names without a dot are of this machine or its neighbours; nobody keeps SRV records of
 * them. */
static void ask_settled(struct look *k)
{
	const char *service = service_of(k->answer.kind);
	char name[MAX_HOST + 16];

	k->queries++;
	if (!k->q.port && service && strchr(k->host, '.')) {
		snprintf(name, sizeof(name), "%s%s", service, k->host);
		ask_service(k, name);
	} else {
		ask_host(k, k->host);
	}
	k->queries--;
	deliver_when_whole(k);
}

/* RFC 3263 §4.1, RFC 7118 §6. */
static bool naptr_kind(const struct dns_naptr *r, enum wire_kind *out)
{
	static const struct {
		const char *service;
		enum wire_kind kind;
	} rows[] = {
		{ "SIP+D2U", WIRE_UDP }, { "SIP+D2T", WIRE_TCP },  { "SIPS+D2T", WIRE_TLS },
		{ "SIP+D2W", WIRE_WS },  { "SIPS+D2W", WIRE_WSS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcasecmp(r->service, rows[i].service))
			continue;
		*out = rows[i].kind;
		return true;
	}
	return false;
}

/* The domain's favourite among those that we can use; NULL = it has none. */
static const struct dns_naptr *choose_naptr(struct look *k, const struct dns_naptr *records, size_t count)
{
	const struct dns_naptr *best = NULL;

	for (const struct dns_naptr *r = records; r < records + count; r++) {
		enum wire_kind kind;

		if ((r->flag != 's' && r->flag != 'a') || !r->host[0] || !naptr_kind(r, &kind) ||
		    !(k->q.kinds & 1U << kind))
			continue;
		if (best && (r->order > best->order || (r->order == best->order && r->preference >= best->preference)))
			continue;
		best = r;
		k->answer.kind = kind;
	}
	return best;
}

static void on_naptr(void *arg, int status, int timeouts, unsigned char *data, int n)
{
	struct dns_naptr records[MAX_RECORDS];
	const struct dns_naptr *best;
	struct look *k = arg;
	uint32_t life_s = 0;
	size_t count = 0;

	/* Whatever it was, nothing is said by it about addresses. */
	if (!query_ends(k, ARES_ENODATA))
		return;
	if (k->late) {
		k->late = 0;
		deliver_when_whole(k);
		return;
	}
	loop_timer_stop(k->d->loop, &k->naptr_timer);
	if (data)
		count = dns_records_naptr(records, ARRAY_LEN(records), text_of(data, n), &life_s);
	note_life(k, count, life_s, text_of(data, n));
	best = choose_naptr(k, records, count);
	k->queries++;
	if (best && best->flag == 's')
		ask_service(k, best->host);
	else if (best)
		ask_host(k, best->host);
	else
		ask_settled(k);
	k->queries--;
	deliver_when_whole(k);
	dns_channel_asked(k->d->channel);
}

static void without_naptr(void *arg)
{
	struct look *k = arg;

	k->late = 1;
	note_life(k, false, 0, (struct str){ NULL, 0 });
	ask_settled(k);
	dns_channel_asked(k->d->channel);
}

static void ask(struct look *k)
{
	if (k->q.kinds && !k->q.port && strchr(k->host, '.')) {
		query_begins(k);
		loop_timer_start(k->d->loop, &k->naptr_timer, NAPTR_MS, without_naptr, k);
		ares_query(dns_channel_ares(k->d->channel), k->host, ns_c_in, ns_t_naptr, on_naptr, k);
	} else {
		ask_settled(k);
	}
	dns_channel_asked(k->d->channel);
}

/* What needs no server: numbers, nonsense, and what is remembered. */
static bool answer_at_once(struct look *k, struct str host)
{
	struct dns_target *t = &k->answer.targets[0];

	if (!addr_parse(&t->addrs[0], host, k->q.port ? k->q.port : usual_port(k->q.kind))) {
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
	k->q.host = str_of(k->host);
	k->kept = dns_cache_get(k->d->cache, &k->q, &k->answer);
	return k->kept;
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
	k->q = *q;
	k->answer.kind = q->kind;
	k->life_s = UINT32_MAX;
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
	err = handle_table_new(&d->ids, 0);
	if (!err)
		err = dns_cache_new(&d->cache, l);
	if (!err)
		err = dns_channel_new(&d->channel, l, servers);
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
	dns_channel_free(&d->channel); /* ends the queries that are open */
	dns_cache_free(&d->cache);
	handle_table_free(&d->ids);
	free(d);
	*dp = NULL;
}
