#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "net/dns.h"
#include "net/sock.h"

/* A small DNS server on loopback, on the same loop; the virtual clock is held by the look-ups themselves. */

enum { TYPE_A = 1, TYPE_SOA = 6, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_NAPTR = 35, SERVFAIL = 2, NXDOMAIN = 3 };

struct record {
	const char *name;
	int type;
	const char *data; /* address, or target of SRV or NAPTR */
	uint16_t priority, weight, port;
	uint32_t life_s;            /* 0 = 60 */
	const char *flag, *service; /* of a NAPTR, whose order and preference are priority and weight */
};

static const struct record records[] = {
	{ "_sip._udp.srv.test", TYPE_SRV, "second.test", .priority = 20, .weight = 0, .port = 5072 },
	{ "_sip._udp.srv.test", TYPE_SRV, "first.test", .priority = 10, .weight = 0, .port = 5071 },
	{ "_sip._tcp.srv.test", TYPE_SRV, "first.test", .priority = 10, .weight = 0, .port = 5073 },
	{ "_sip._udp.shared.test", TYPE_SRV, "first.test", .priority = 1, .weight = 30, .port = 5060 },
	{ "_sip._udp.shared.test", TYPE_SRV, "second.test", .priority = 1, .weight = 10, .port = 5060 },
	{ "_sip._udp.half.test", TYPE_SRV, "gone.test", .priority = 1, .weight = 0, .port = 5060 },
	{ "_sip._udp.half.test", TYPE_SRV, "second.test", .priority = 2, .weight = 0, .port = 5060 },
	{ "_sip._udp.closed.test", TYPE_SRV, "", .life_s = 60 },
	{ "closed.test", TYPE_A, "10.0.0.9", .life_s = 60 },
	{ "first.test", TYPE_A, "10.0.0.1", .life_s = 60 },
	{ "second.test", TYPE_A, "10.0.0.2", .life_s = 60 },
	{ "plain.test", TYPE_A, "10.0.0.3", .life_s = 60 },
	{ "plain.test", TYPE_AAAA, "fd00::3", .life_s = 60 },
	{ "six.test", TYPE_AAAA, "fd00::6", .life_s = 60 },
	{ "short.test", TYPE_A, "10.0.0.4", .life_s = 10 },
	{ "zero.test", TYPE_A, "10.0.0.5", .life_s = UINT32_MAX }, /* as RFC 2181 has it: none */
	{ "long.test", TYPE_A, "10.0.0.6", .life_s = 86400 },
	{ "_sip._udp.old.test", TYPE_SRV, "long.test", .priority = 1, .port = 5071, .life_s = 20 },
	{ "n.test", TYPE_NAPTR, "_sip._udp.srv.test", 20, 10, .flag = "s", .service = "SIP+D2U" },
	{ "n.test", TYPE_NAPTR, "_sip._tcp.srv.test", 10, 20, .flag = "S", .service = "sip+d2t" },
	{ "n.test", TYPE_NAPTR, "_sips._tcp.srv.test", 10, 10, .flag = "s", .service = "SIPS+D2T" },
	{ "n.test", TYPE_NAPTR, "_ws.srv.test", 1, 1, .flag = "s", .service = "SIP+D2W" },
	{ "n.test", TYPE_A, "10.0.0.7", .life_s = 300 },
	{ "direct.test", TYPE_NAPTR, "first.test", 1, 1, .flag = "a", .service = "SIP+D2T" },
	{ "odd.test", TYPE_NAPTR, "first.test", 1, 1, .flag = "u", .service = "SIP+D2T" },
	{ "odd.test", TYPE_NAPTR, "first.test", 1, 1, .flag = "s", .service = "SIP+E2U" },
	{ "odd.test", TYPE_NAPTR, "", 1, 1, .flag = "s", .service = "SIP+D2U" },
	{ "odd.test", TYPE_A, "10.0.0.8", .life_s = 60 },
	{ "nobody.test", TYPE_NAPTR, "_sip._tcp.nobody.test", 1, 1, .flag = "s", .service = "SIP+D2T" },
	{ "nobody.test", TYPE_A, "10.0.0.9", .life_s = 60 },
};

struct world {
	struct loop *loop;
	struct dns *dns;
	int fd;
	struct loop_io io;
	struct addr at;
	bool silent, mute_naptr;
	uint32_t soa_s; /* in answers without a record, 0 = none */
	unsigned asked_naptr;
	unsigned asked; /* questions that reached the server */
	unsigned done;
	uint64_t done_ms;
	struct dns_result r;
};

static size_t put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return 2;
}

static size_t put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	return 2 + put16(p + 2, v & 0xffff);
}

static size_t put_text(uint8_t *p, const char *text)
{
	p[0] = (uint8_t)strlen(text);
	memcpy(p + 1, text, p[0]);
	return p[0] + 1u;
}

static size_t put_name(uint8_t *p, const char *name)
{
	struct str rest = str_of(name), label;
	size_t n = 0;

	while (*name && str_split(&rest, '.', &label)) {
		p[n++] = (uint8_t)label.n;
		memcpy(p + n, label.p, label.n);
		n += label.n;
	}
	p[n++] = 0;
	return n;
}

static size_t put_record(uint8_t *p, const struct record *r)
{
	size_t n = put16(p, 0xc00c), len;
	struct addr a;

	n += put16(p + n, (unsigned)r->type);
	n += put16(p + n, 1);
	n += put32(p + n, r->life_s ? r->life_s : 60);
	len = n;
	n += 2;
	if (r->type == TYPE_SRV) {
		n += put16(p + n, r->priority);
		n += put16(p + n, r->weight);
		n += put16(p + n, r->port);
		n += put_name(p + n, r->data);
	} else if (r->type == TYPE_NAPTR) {
		n += put16(p + n, r->priority);
		n += put16(p + n, r->weight);
		n += put_text(p + n, r->flag);
		n += put_text(p + n, r->service);
		n += put_text(p + n, "");
		n += put_name(p + n, r->data);
	} else {
		CHECK_INT(0, addr_parse(&a, str_of(r->data), 0));
		memcpy(p + n, r->type == TYPE_A ? (void *)&a.in4.sin_addr : (void *)&a.in6.sin6_addr,
		       r->type == TYPE_A ? 4 : 16);
		n += r->type == TYPE_A ? 4 : 16;
	}
	put16(p + len, (unsigned)(n - len - 2));
	return n;
}

static size_t put_soa(uint8_t *p, uint32_t minimum_s)
{
	size_t n = put16(p, 0xc00c), len;

	n += put16(p + n, TYPE_SOA);
	n += put16(p + n, 1);
	n += put32(p + n, 3600);
	len = n;
	n += 2;
	n += put_name(p + n, "ns.test");
	n += put_name(p + n, "root.test");
	for (int i = 0; i < 4; i++)
		n += put32(p + n, 7);
	n += put32(p + n, minimum_s);
	put16(p + len, (unsigned)(n - len - 2));
	return n;
}

/* The name of the question, dotted; returns where it ends. */
static size_t get_name(const uint8_t *p, size_t at, size_t n, char *out)
{
	size_t len = 0;

	while (at < n && p[at] && len < 200) {
		memcpy(out + len, p + at + 1, p[at]);
		len += p[at];
		out[len++] = '.';
		at += p[at] + 1u;
	}
	out[len ? len - 1 : 0] = 0;
	return at + 1;
}

static void serve(void *arg, unsigned ready)
{
	uint8_t p[2048];
	struct world *w = arg;
	struct addr from;
	socklen_t len = sizeof(from);
	ssize_t got = recvfrom(w->fd, p, 512, 0, &from.sa, &len);
	unsigned answers = 0, known = 0;
	char name[256];
	size_t n, at;
	int type;

	if (got < 12)
		return;
	w->asked++;
	at = get_name(p, 12, (size_t)got, name);
	type = p[at] << 8 | p[at + 1];
	w->asked_naptr += type == TYPE_NAPTR;
	if (w->silent || (w->mute_naptr && type == TYPE_NAPTR))
		return;
	n = at + 4;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		if (strcasecmp(records[i].name, name))
			continue;
		known++;
		if (records[i].type != type)
			continue;
		n += put_record(p + n, &records[i]);
		answers++;
	}
	known += !strncasecmp(name, "many", 4);
	if (!strncasecmp(name, "many", 4) && type == TYPE_A) {
		n += put_record(p + n, &records[9]);
		answers++;
	}
	put16(p + 2, 0x8180u | (strstr(name, "broken") ? SERVFAIL : known ? 0 : NXDOMAIN));
	put16(p + 6, answers);
	put16(p + 8, !answers && w->soa_s);
	if (!answers && w->soa_s)
		n += put_soa(p + n, w->soa_s);
	put16(p + 10, 0);
	sendto(w->fd, p, n, 0, &from.sa, len);
}

static struct world *begin(void)
{
	struct world *w = calloc(1, sizeof(*w));
	socklen_t len = sizeof(w->at);
	char text[ADDR_TEXT];

	assert_non_null(w);
	assert_int_equal(0, loop_new(&w->loop, true, 3));
	assert_int_equal(0, addr_parse(&w->at, STR("127.0.0.1"), 0));
	assert_int_equal(0, sock_udp(&w->fd, &w->at));
	assert_int_equal(0, getsockname(w->fd, &w->at.sa, &len));
	assert_int_equal(0, loop_io_add(w->loop, &w->io, w->fd, LOOP_READ, serve, w));
	assert_int_equal(0, dns_new(&w->dns, w->loop, addr_text(&w->at, text)));
	return w;
}

static void end(struct world *w)
{
	dns_free(&w->dns);
	loop_io_remove(w->loop, &w->io);
	close(w->fd);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	free(w);
}

static void on_done(void *arg, const struct dns_result *r)
{
	struct world *w = arg;

	w->done++;
	w->r = *r;
	w->done_ms = loop_now_ms(w->loop);
}

static void on_time(void *arg)
{
}

/* Let virtual time pass; without a timer the clock would stand. */
static void pass_until(struct world *w, uint64_t ms)
{
	struct loop_timer t = { 0 };

	loop_timer_start(w->loop, &t, ms - loop_now_ms(w->loop), on_time, NULL);
	while (t.active && loop_turn(w->loop)) {
	}
	CHECK_INT(ms, loop_now_ms(w->loop));
	loop_timer_stop(w->loop, &t);
}

static uint64_t start_open(struct world *w, const struct dns_query *q)
{
	uint64_t id = 0;

	CHECK_INT(0, w->dns->ops->lookup(w->dns, q, on_done, w, &id));
	CHECK(id != 0);
	return id;
}

static uint64_t start(struct world *w, const char *host, uint16_t port, enum wire_kind kind)
{
	return start_open(w, &(struct dns_query){ .host = str_of(host), .port = port, .kind = kind });
}

/* Ask and wait; the answers as text. */
static const char *ask_open(struct world *w, const struct dns_query *q)
{
	static char text[512];
	unsigned before = w->done;
	size_t n = 0;

	start_open(w, q);
	CHECK_INT(before, w->done); /* never from inside */
	while (w->done == before && loop_turn(w->loop)) {
	}
	CHECK_INT(before + 1, w->done);
	text[0] = 0;
	if (w->r.err)
		snprintf(text, sizeof(text), "%s", strerrorname_np(w->r.err));
	for (size_t i = 0; i < w->r.count; i++) {
		char one[ADDR_TEXT];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", addr_text(&w->r.addrs[i], one));
	}
	return text;
}

static const char *ask(struct world *w, const char *host, uint16_t port, enum wire_kind kind)
{
	return ask_open(w, &(struct dns_query){ .host = str_of(host), .port = port, .kind = kind });
}

static void names_lead_where_the_records_say(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		enum wire_kind kind;
		const char *want;
	} rows[] = {
		{ "10.1.2.3", 0, WIRE_UDP, "10.1.2.3:5060" },
		{ "10.1.2.3", 5070, WIRE_TCP, "10.1.2.3:5070" },
		{ "10.1.2.3", 0, WIRE_TLS, "10.1.2.3:5061" },
		{ "::1", 0, WIRE_UDP, "[::1]:5060" },
		{ "[fd00::1]", 9, WIRE_UDP, "[fd00::1]:9" },
		{ "", 0, WIRE_UDP, "ENOENT" },
		{ "srv.test", 0, WIRE_UDP, "10.0.0.1:5071 10.0.0.2:5072" },
		{ "srv.test", 0, WIRE_TCP, "10.0.0.1:5073" },
		{ "SRV.Test", 0, WIRE_TCP, "10.0.0.1:5073" },
		{ "srv.test", 5060, WIRE_UDP, "ENOENT" }, /* a port asks for the host itself */
		{ "plain.test", 0, WIRE_UDP, "10.0.0.3:5060 [fd00::3]:5060" },
		{ "plain.test", 0, WIRE_TLS, "10.0.0.3:5061 [fd00::3]:5061" },
		{ "plain.test", 7, WIRE_UDP, "10.0.0.3:7 [fd00::3]:7" },
		{ "six.test", 0, WIRE_UDP, "[fd00::6]:5060" },
		{ "half.test", 0, WIRE_UDP, "10.0.0.2:5060" },
		{ "closed.test", 0, WIRE_UDP, "ENOENT" }, /* target "." = no such service */
		{ "closed.test", 0, WIRE_TCP, "10.0.0.9:5060" },
		{ "none.test", 0, WIRE_UDP, "ENOENT" },
		{ "none.test", 5060, WIRE_UDP, "ENOENT" },
		{ "broken.test", 5060, WIRE_UDP, "EIO" },
	};
	struct world *w = begin();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(rows[i].want, ask(w, rows[i].host, rows[i].port, rows[i].kind));
	CHECK_INT(1000, loop_now_ms(w->loop)); /* real work took no virtual time */
	end(w);
}

/* Open look-ups end where they began; new ones are asked of the follower. */
static void a_follower_takes_over(void **state)
{
	struct world *w = begin();
	char servers[ADDR_TEXT];

	w->silent = true;
	start(w, "plain.test", 5060, WIRE_UDP);
	start(w, "gone.test", 5060, WIRE_UDP);
	for (int i = 0; i < 3; i++) { /* each owns the one before */
		struct dns *next = NULL;

		CHECK_INT(0, dns_new(&next, w->loop, addr_text(&w->at, servers)));
		dns_follow(next, &w->dns);
		CHECK(!w->dns);
		w->dns = next;
	}
	CHECK_INT(0, w->done);
	w->silent = false;
	start(w, "second.test", 9, WIRE_UDP);
	while (w->done < 3 && loop_turn(w->loop)) {
	}
	CHECK_INT(3, w->done);
	loop_run_until(w->loop, UINT64_MAX);
	CHECK_INT(0, loop_timer_count(w->loop));
	CHECK_STR("10.0.0.1:9", ask(w, "first.test", 9, WIRE_UDP));
	end(w);
}

static void numbers_need_no_server(void **state)
{
	struct world *w = begin();

	ask(w, "10.1.2.3", 0, WIRE_UDP);
	ask(w, "::1", 0, WIRE_UDP);
	ask(w, "", 0, WIRE_UDP);
	CHECK_INT(0, w->asked);
	end(w);
}

static void localhost_comes_from_the_hosts_file(void **state)
{
	struct world *w = begin();

	ask(w, "localhost", 0, WIRE_UDP);
	CHECK_INT(0, w->r.err);
	CHECK(w->r.count > 0 && !addr_is_v6(&w->r.addrs[0]) && addr_port(&w->r.addrs[0]) == 5060);
	CHECK_INT(0, w->asked);
	end(w);
}

static void equal_priorities_share_by_weight(void **state)
{
	struct world *w = begin();
	unsigned first = 0;

	for (int i = 0; i < 400; i++) {
		const char *got = ask(w, "shared.test", 0, WIRE_UDP);

		CHECK(!strcmp(got, "10.0.0.1:5060 10.0.0.2:5060") || !strcmp(got, "10.0.0.2:5060 10.0.0.1:5060"));
		first += !strcmp(got, "10.0.0.1:5060 10.0.0.2:5060");
	}
	CHECK(first > 260 && first < 340); /* 30 of 40 */
	end(w);
}

static void the_domain_chooses_the_transport(void **state)
{
	enum { U = 1U << WIRE_UDP, T = 1U << WIRE_TCP, S = 1U << WIRE_TLS, W = 1U << WIRE_WS };
	static const struct {
		const char *host;
		uint16_t port;
		enum wire_kind kind;
		uint8_t kinds;
		const char *want;
		enum wire_kind chosen;
		unsigned naptr; /* questions */
	} rows[] = {
		{ "n.test", 0, WIRE_TLS, U | T, "10.0.0.1:5073", WIRE_TCP, 1 },
		{ "n.test", 0, WIRE_TLS, U, "10.0.0.1:5071 10.0.0.2:5072", WIRE_UDP, 1 },
		/* preferred, but without SRV records: the host itself */
		{ "n.test", 0, WIRE_UDP, U | T | S, "10.0.0.7:5061", WIRE_TLS, 1 },
		{ "n.test", 0, WIRE_UDP, 0, "10.0.0.7:5060", WIRE_UDP, 0 },
		{ "n.test", 5080, WIRE_UDP, U | T, "10.0.0.7:5080", WIRE_UDP, 0 },
		{ "10.0.0.3", 0, WIRE_TLS, U | T, "10.0.0.3:5061", WIRE_TLS, 0 },
		{ "localhost", 5060, WIRE_UDP, U | T, "127.0.0.1:5060", WIRE_UDP, 0 },
		{ "direct.test", 0, WIRE_UDP, U | T, "10.0.0.1:5060", WIRE_TCP, 1 },
		/* none that we can use, or none at all: the query's own */
		{ "odd.test", 0, WIRE_TLS, U | T, "10.0.0.8:5061", WIRE_TLS, 1 },
		{ "direct.test", 0, WIRE_UDP, U | S, "ENOENT", WIRE_UDP, 1 },
		{ "srv.test", 0, WIRE_UDP, U | T, "10.0.0.1:5071 10.0.0.2:5072", WIRE_UDP, 1 },
		{ "nobody.test", 0, WIRE_UDP, U | T, "10.0.0.9:5060", WIRE_TCP, 1 },
		{ "none.test", 0, WIRE_UDP, U | T, "ENOENT", WIRE_UDP, 1 },
		{ "broken.test", 0, WIRE_UDP, U | T, "EIO", WIRE_UDP, 1 },
	};
	struct world *w = begin();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_query q = {
			.host = str_of(rows[i].host), .port = rows[i].port, .kind = rows[i].kind, .kinds = rows[i].kinds
		};
		const char *got = ask_open(w, &q);

		if (!strcmp(rows[i].host, "localhost")) /* the hosts file may know more */
			CHECK(!strncmp(rows[i].want, got, strlen(rows[i].want)));
		else
			CHECK_STR(rows[i].want, got);
		CHECK_INT(rows[i].chosen, w->r.kind);
		CHECK(w->asked_naptr >= rows[i].naptr && (rows[i].naptr || !w->asked_naptr));
		w->asked_naptr = 0;
		ask_open(w, &q); /* from the cache, with its transport */
		CHECK_INT(rows[i].chosen, w->r.kind);
		w->asked_naptr = 0;
	}
	end(w);
}

/* A box that swallows NAPTR costs a second, not the call. */
static void a_swallowed_naptr_costs_a_second(void **state)
{
	struct dns_query q = { .host = STR("plain.test"), .kind = WIRE_UDP, .kinds = 1U << WIRE_TCP };
	struct world *w = begin();
	struct loop *real = NULL, *virtual_loop = w->loop;
	struct dns *dns = NULL, *kept = w->dns;
	char text[ADDR_TEXT];
	uint64_t began;

	CHECK_INT(0, loop_new(&real, false, 0));
	CHECK_INT(0, dns_new(&dns, real, addr_text(&w->at, text)));
	loop_io_remove(w->loop, &w->io);
	CHECK_INT(0, loop_io_add(real, &w->io, w->fd, LOOP_READ, serve, w));
	w->mute_naptr = true;
	w->dns = dns;
	w->loop = real;
	for (int i = 0; i < 2; i++) {
		began = loop_now_ms(real);
		start_open(w, &q);
		while (w->done == (unsigned)i)
			loop_turn(real);
		CHECK_INT(0, w->r.err);
		CHECK_INT(2, w->r.count);
		CHECK_INT(WIRE_UDP, w->r.kind);
		CHECK(i || (w->done_ms - began >= 900 && w->done_ms - began < 3000));
		CHECK(!i || w->done_ms - began < 900); /* from the cache */
	}
	dns_free(&dns);
	CHECK_INT(0, loop_timer_count(real));
	loop_io_remove(real, &w->io);
	loop_free(&real);
	w->dns = kept;
	w->loop = virtual_loop;
	CHECK_INT(0, loop_io_add(w->loop, &w->io, w->fd, LOOP_READ, serve, w));
	end(w);
}

static void answers_live_as_long_as_their_records(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		uint32_t soa_s, s;
	} rows[] = {
		{ "short.test", 5060, 600, 10 },
		{ "short.test", 5060, 4, 4 }, /* that it has no AAAA is true for 4 s only */
		{ "short.test", 5060, 0, 10 },
		{ "long.test", 5060, 7200, 3600 },
		{ "long.test", 5060, 0, 30 }, /* nobody says for how long it has no AAAA */
		{ "old.test", 0, 600, 20 },   /* the SRV record is shorter than the address */
		{ "zero.test", 5060, 600, 1 },
		{ "none.test", 5060, 0, 5 },
		{ "none.test", 5060, 20, 20 },
		{ "none.test", 5060, 900, 60 },
		{ "broken.test", 5060, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = begin();
		unsigned asked;

		w->soa_s = rows[i].soa_s;
		ask(w, rows[i].host, rows[i].port, WIRE_UDP);
		asked = w->asked;
		CHECK(asked > 0);
		if (rows[i].s) {
			pass_until(w, 1000 + 1000 * rows[i].s - 1);
			ask(w, rows[i].host, rows[i].port, WIRE_UDP);
			CHECK_INT(asked, w->asked);
			ask(w, rows[i].host, 7, WIRE_UDP); /* another question */
			CHECK(w->asked > asked);
			asked = w->asked;
			pass_until(w, 1000 + 1000 * rows[i].s);
		}
		ask(w, rows[i].host, rows[i].port, WIRE_UDP);
		if (w->asked == asked)
			fprintf(stderr, "row %zu\n", i);
		CHECK(w->asked > asked);
		end(w);
	}
}

static void the_cache_has_a_limit(void **state)
{
	struct world *w = begin();
	char host[32];
	unsigned asked;

	w->soa_s = 600;
	for (int i = 0; i < 1025; i++) {
		snprintf(host, sizeof(host), "many%d.test", i);
		ask(w, host, 5060, WIRE_UDP);
	}
	asked = w->asked;
	ask(w, "many1024.test", 5060, WIRE_UDP);
	ask(w, "many1.test", 5060, WIRE_UDP);
	CHECK_INT(asked, w->asked);
	ask(w, "many0.test", 5060, WIRE_UDP); /* the oldest had to go */
	CHECK(w->asked > asked);
	end(w);
}

static void cancelled_look_ups_are_silent(void **state)
{
	struct world *w = begin();
	uint64_t id = start(w, "plain.test", 0, WIRE_UDP), number = start(w, "10.0.0.1", 0, WIRE_UDP);

	w->dns->ops->cancel(w->dns, id);
	w->dns->ops->cancel(w->dns, number);
	w->dns->ops->cancel(w->dns, id);
	w->dns->ops->cancel(w->dns, 12345);
	/* Behind it another one, so that the answer to the first is surely there. */
	ask(w, "six.test", 0, WIRE_UDP);
	loop_run_until(w->loop, 2000);
	CHECK_INT(1, w->done);
	end(w);
}

static void open_look_ups_die_with_the_resolver(void **state)
{
	struct world *w = begin();

	w->silent = true;
	start(w, "plain.test", 0, WIRE_UDP);
	start(w, "srv.test", 0, WIRE_UDP);
	start(w, "10.0.0.1", 0, WIRE_UDP);
	dns_free(&w->dns);
	pass_until(w, 100000); /* not held any more */
	CHECK_INT(0, w->done);
	end(w);
}

static void a_dead_server_times_out(void **state)
{
	struct world *w = begin();

	w->silent = true;
	start(w, "plain.test", 0, WIRE_UDP);
	start(w, "plain.test", 5060, WIRE_TCP); /* at the same time, so that the test waits once */
	while (w->done < 2 && loop_turn(w->loop)) {
		if (w->done == 1)
			CHECK_INT(ETIMEDOUT, w->r.err);
	}
	CHECK_INT(ETIMEDOUT, w->r.err);
	CHECK_INT(0, w->r.count);
	CHECK_INT(2, w->done);
	end(w);
}

static void a_real_loop_waits_at_most_5_s(void **state)
{
	struct world *w = begin();
	struct loop *real = NULL;
	struct dns *dns = NULL, *kept = w->dns;
	struct loop *virtual_loop = w->loop;
	char text[ADDR_TEXT];
	uint64_t began;

	CHECK_INT(0, loop_new(&real, false, 0));
	/* Two servers that never answer: c-ares alone would try for ten seconds. */
	snprintf(text, sizeof(text), "127.0.0.1:%u,127.0.0.1:%u", addr_port(&w->at), addr_port(&w->at));
	CHECK_INT(0, dns_new(&dns, real, text));
	w->dns = dns;
	w->loop = real;
	began = loop_now_ms(real);
	start(w, "plain.test", 5060, WIRE_UDP);
	while (!w->done)
		loop_turn(real);
	CHECK_INT(ETIMEDOUT, w->r.err);
	CHECK(w->done_ms - began < 8000);
	dns_free(&dns);
	CHECK_INT(0, loop_timer_count(real));
	loop_free(&real);
	w->dns = kept;
	w->loop = virtual_loop;
	end(w);
}

static void bad_server_lists_are_refused(void **state)
{
	struct loop *l = NULL;
	struct dns *d = NULL;

	assert_int_equal(0, loop_new(&l, true, 1));
	CHECK_INT(EINVAL, dns_new(&d, l, "not an address"));
	CHECK(!d);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_lead_where_the_records_say),
		TEST(numbers_need_no_server),
		TEST(localhost_comes_from_the_hosts_file),
		TEST(equal_priorities_share_by_weight),
		TEST(the_domain_chooses_the_transport),
		TEST(a_swallowed_naptr_costs_a_second),
		TEST(answers_live_as_long_as_their_records),
		TEST(the_cache_has_a_limit),
		TEST(cancelled_look_ups_are_silent),
		TEST(open_look_ups_die_with_the_resolver),
		TEST(a_dead_server_times_out),
		TEST(a_real_loop_waits_at_most_5_s),
		TEST(bad_server_lists_are_refused),
		TEST(a_follower_takes_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
