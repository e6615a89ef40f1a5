#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "net/dns.h"
#include "net/sock.h"

/* A small DNS server on loopback, on the same loop; the virtual clock is held by the look-ups themselves. */

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33, SERVFAIL = 2, NXDOMAIN = 3 };

struct record {
	const char *name;
	int type;
	const char *data; /* address, or target of SRV */
	uint16_t priority, weight, port;
};

static const struct record records[] = {
	{ "_sip._udp.srv.test", TYPE_SRV, "second.test", 20, 0, 5072 },
	{ "_sip._udp.srv.test", TYPE_SRV, "first.test", 10, 0, 5071 },
	{ "_sip._tcp.srv.test", TYPE_SRV, "first.test", 10, 0, 5073 },
	{ "_sip._udp.shared.test", TYPE_SRV, "first.test", 1, 30, 5060 },
	{ "_sip._udp.shared.test", TYPE_SRV, "second.test", 1, 10, 5060 },
	{ "_sip._udp.half.test", TYPE_SRV, "gone.test", 1, 0, 5060 },
	{ "_sip._udp.half.test", TYPE_SRV, "second.test", 2, 0, 5060 },
	{ "_sip._udp.closed.test", TYPE_SRV, "", 0, 0, 0 },
	{ "closed.test", TYPE_A, "10.0.0.9", 0, 0, 0 },
	{ "first.test", TYPE_A, "10.0.0.1", 0, 0, 0 },
	{ "second.test", TYPE_A, "10.0.0.2", 0, 0, 0 },
	{ "plain.test", TYPE_A, "10.0.0.3", 0, 0, 0 },
	{ "plain.test", TYPE_AAAA, "fd00::3", 0, 0, 0 },
	{ "six.test", TYPE_AAAA, "fd00::6", 0, 0, 0 },
};

struct world {
	struct loop *loop;
	struct dns *dns;
	int fd;
	struct loop_io io;
	struct addr at;
	bool silent;
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
	n += put16(p + n, 0);
	n += put16(p + n, 60);
	len = n;
	n += 2;
	if (r->type == TYPE_SRV) {
		n += put16(p + n, r->priority);
		n += put16(p + n, r->weight);
		n += put16(p + n, r->port);
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
	if (w->silent)
		return;
	at = get_name(p, 12, (size_t)got, name);
	type = p[at] << 8 | p[at + 1];
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
	put16(p + 8, 0);
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

static uint64_t start(struct world *w, const char *host, uint16_t port, enum wire_kind kind)
{
	struct dns_query q = { .host = str_of(host), .port = port, .kind = kind };
	uint64_t id = 0;

	CHECK_INT(0, w->dns->ops->lookup(w->dns, &q, on_done, w, &id));
	CHECK(id != 0);
	return id;
}

/* Ask and wait; the answers as text. */
static const char *ask(struct world *w, const char *host, uint16_t port, enum wire_kind kind)
{
	static char text[512];
	unsigned before = w->done;
	size_t n = 0;

	start(w, host, port, kind);
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

static void answers_are_kept_for_a_while(void **state)
{
	static const struct {
		const char *host;
		uint32_t ms;
	} rows[] = { { "plain.test", 30000 }, { "none.test", 5000 }, { "broken.test", 0 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = begin();
		unsigned asked;

		ask(w, rows[i].host, 5060, WIRE_UDP);
		asked = w->asked;
		CHECK(asked > 0);
		if (rows[i].ms) {
			pass_until(w, 1000 + rows[i].ms - 1);
			ask(w, rows[i].host, 5060, WIRE_UDP);
			CHECK_INT(asked, w->asked);
			ask(w, rows[i].host, 5061, WIRE_UDP); /* another question */
			CHECK(w->asked > asked);
			asked = w->asked;
			pass_until(w, 1000 + rows[i].ms);
		}
		ask(w, rows[i].host, 5060, WIRE_UDP);
		CHECK(w->asked > asked);
		end(w);
	}
}

static void the_cache_has_a_limit(void **state)
{
	struct world *w = begin();
	char host[32];
	unsigned asked;

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
		TEST(answers_are_kept_for_a_while),
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
