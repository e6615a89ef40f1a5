/* Where users are registered: what replaces what, what expires, what a REGISTER may say, and what it costs. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "check.h"
#include "sip/sip_registrar.h"

struct world {
	struct loop *loop;
	struct sip_bindings *b;
	struct buf list;
};

static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	if (loop_new(&w->loop, true, 5) || sip_bindings_new(&w->b, w->loop))
		abort();
}

static void world_close(struct world *w)
{
	sip_bindings_free(&w->b);
	CHECK_INT(0, loop_timer_count(w->loop));
	loop_free(&w->loop);
	buf_free(&w->list);
}

static bool add(void *arg, const struct sip_binding *b)
{
	struct world *w = arg;
	uint64_t left_ms = b->expires_ms - loop_now_ms(w->loop);

	buf_printf(&w->list, "%s%.*s/%u", w->list.len ? " " : "", STR_ARG(b->contact), (unsigned)(left_ms / 1000));
	return true;
}

static const char *list_of(struct world *w, const char *user)
{
	buf_reset(&w->list);
	buf_cstr(&w->list, "");
	sip_bindings_each(w->b, str_of(user), add, w);
	return w->list.len ? w->list.data : "";
}

static struct sip_flow flow_on(enum wire_kind kind, const char *host, uint16_t port, uint64_t connection)
{
	struct sip_flow f = { .kind = kind, .connection = connection };

	if (addr_parse(&f.remote, str_of(host), port))
		abort();
	return f;
}

/* The status of one REGISTER of alice; its header lines are in w->list. */
static int take_from(struct world *w, const struct sip_flow *flow, const char *lines)
{
	struct sip_register r = { .flow = flow, .user = STR("alice"), .now_ms = loop_now_ms(w->loop) };
	enum sip_parse parsed;
	struct buf text = { 0 };
	static struct sip_msg m;
	const char *why;
	size_t used;
	int status;

	buf_printf(&text,
		   "REGISTER sip:example.test SIP/2.0\r\nFrom: <sip:alice@example.test>;tag=1\r\n"
		   "To: <sip:alice@example.test>\r\n%s\r\n",
		   lines);
	parsed = sip_msg_parse(&m, text.data, text.len, false, &used, &why);
	CHECK_INT(SIP_PARSE_OK, parsed);
	r.m = &m;
	buf_reset(&w->list);
	status = sip_registrar_take(w->b, &r, &w->list);
	buf_free(&text);
	return status;
}

#define HEAD(call, cseq)                                                                                               \
	"Via: SIP/2.0/UDP 10.0.0.3:5060;rport;branch=z9hG4bK1\r\nCall-ID: " call "\r\nCSeq: " cseq " REGISTER\r\n"

static int take(struct world *w, const char *lines)
{
	struct sip_flow flow = flow_on(WIRE_UDP, "10.0.0.3", 5060, 0);

	return take_from(w, &flow, lines);
}

static const char *answered(struct world *w)
{
	return w->list.len ? w->list.data : "";
}

static void registers_do_what_the_rfc_says(void **state)
{
	static const struct {
		const char *lines;
		int status;
		const char *answer, *after;
	} rows[] = {
		{ HEAD("a", "1"), 200, "", "" }, /* a question */
		{ HEAD("a", "2") "Contact: <sip:alice@10.0.0.3>\r\n", 200,
		  "Contact: <sip:alice@10.0.0.3>;expires=3600\r\n", "sip:alice@10.0.0.3/3600" },
		/* the same in other words; the header counts where the parameter is missing */
		{ HEAD("a", "3") "Contact: \"A\" <SIP:alice@10.0.0.3;ob>;x=y\r\nExpires: 600\r\n", 200,
		  "Contact: <SIP:alice@10.0.0.3;ob>;expires=600\r\n", "SIP:alice@10.0.0.3;ob/600" },
		{ HEAD("a", "3") "Contact: <sip:alice@10.0.0.3>\r\n", 500, "", "SIP:alice@10.0.0.3;ob/600" },
		{ HEAD("a", "4") "Contact: <sip:alice@10.0.0.3>;expires=59\r\n", 423, "Min-Expires: 60\r\n",
		  "SIP:alice@10.0.0.3;ob/600" },
		{ HEAD("a", "5") "Contact: <sip:alice@10.0.0.3>;expires=99999\r\n", 200,
		  "Contact: <sip:alice@10.0.0.3>;expires=3600\r\n", "sip:alice@10.0.0.3/3600" },
		/* by q, of equals the newest */
		{ HEAD("b",
		       "1") "Contact: <sip:alice@10.0.0.4>;q=0.5;expires=60, <sip:alice@10.0.0.5;transport=tcp>\r\n",
		  200,
		  "Contact: <sip:alice@10.0.0.5;transport=tcp>;expires=3600\r\nContact: "
		  "<sip:alice@10.0.0.3>;expires=3600\r\n"
		  "Contact: <sip:alice@10.0.0.4>;expires=60;q=0.500\r\n",
		  "sip:alice@10.0.0.5;transport=tcp/3600 sip:alice@10.0.0.3/3600 sip:alice@10.0.0.4/60" },
		/* one that is bad undoes the others */
		{ HEAD("b", "2") "Contact: <sip:alice@10.0.0.4>;expires=0, <sip:alice@10.0.0.6>;expires=5\r\n", 423,
		  "Min-Expires: 60\r\n",
		  "sip:alice@10.0.0.5;transport=tcp/3600 sip:alice@10.0.0.3/3600 sip:alice@10.0.0.4/60" },
		{ HEAD("b", "3") "Contact: <sip:alice@10.0.0.4>;expires=0\r\n", 200,
		  "Contact: <sip:alice@10.0.0.5;transport=tcp>;expires=3600\r\nContact: "
		  "<sip:alice@10.0.0.3>;expires=3600\r\n",
		  "sip:alice@10.0.0.5;transport=tcp/3600 sip:alice@10.0.0.3/3600" },
		{ HEAD("c", "1") "Contact: *\r\n", 400, "",
		  "sip:alice@10.0.0.5;transport=tcp/3600 sip:alice@10.0.0.3/3600" },
		{ HEAD("c", "1") "Contact: *, <sip:alice@10.0.0.3>\r\nExpires: 0\r\n", 400, "",
		  "sip:alice@10.0.0.5;transport=tcp/3600 sip:alice@10.0.0.3/3600" },
		/* overtaken by a later one */
		{ HEAD("b", "1") "Contact: *\r\nExpires: 0\r\n", 500, "",
		  "sip:alice@10.0.0.5;transport=tcp/3600 sip:alice@10.0.0.3/3600" },
		{ HEAD("c", "1") "Contact: *\r\nExpires: 0\r\n", 200, "", "" },
		{ HEAD("d", "1") "Contact: <mailto:alice@example.test>\r\n", 400, "", "" },
		{ HEAD("d", "1") "Contact: <sip:alice@10.0.0.3>;reg-id=x\r\n", 400, "", "" },
		/* two spellings of one: the last counts */
		{ HEAD("d", "1") "Contact: <sip:alice@10.0.0.3>;expires=60, <sip:alice@10.0.0.3;x=y>;expires=70\r\n",
		  200, "Contact: <sip:alice@10.0.0.3;x=y>;expires=70\r\n", "sip:alice@10.0.0.3;x=y/70" },
		{ HEAD("d", "2") "Contact: <sip:alice@10.0.0.3?Subject=x>;expires=bad\r\n", 200,
		  "Contact: <sip:alice@10.0.0.3>;expires=3600\r\n", "sip:alice@10.0.0.3/3600" },
		{ HEAD("d", "3") "Contact: <sip:alice@10.0.0.3>;expires=0\r\n", 200, "", "" },
	};
	struct world w;

	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(rows[i].status, take(&w, rows[i].lines));
		CHECK_STR(rows[i].answer, answered(&w));
		CHECK_STR(rows[i].after, list_of(&w, "alice"));
	}
	CHECK_INT(0, sip_bindings_count(w.b));
	CHECK_INT(0, sip_bindings_users(w.b));
	world_close(&w);
}

static void a_device_has_one_flow(void **state)
{
	struct sip_flow one = flow_on(WIRE_TCP, "192.0.2.7", 40000, 11),
			two = flow_on(WIRE_TCP, "192.0.2.7", 40001, 12);
	struct world w;

	world_open(&w);
	CHECK_INT(200, take_from(&w, &one,
				 HEAD("a", "1") "Contact: <sip:alice@a.invalid;transport=ws>;"
						"+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n"));
	CHECK_STR(
		"Contact: <sip:alice@a.invalid;transport=ws>;expires=3600;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n",
		answered(&w));
	CHECK(sip_bindings_need(w.b, 11));
	/* the same device with a new connection and a new name */
	CHECK_INT(200, take_from(&w, &two,
				 HEAD("b", "1") "Contact: <sip:alice@b.invalid>;"
						"+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n"));
	CHECK_STR("sip:alice@b.invalid/3600", list_of(&w, "alice"));
	CHECK(!sip_bindings_need(w.b, 11));
	/* its second flow, and another device */
	CHECK_INT(200, take_from(&w, &one,
				 HEAD("c", "1") "Contact: <sip:alice@c.invalid>;"
						"+sip.instance=\"<urn:uuid:1>\";reg-id=2\r\n"));
	CHECK_INT(200, take_from(&w, &one,
				 HEAD("d", "1") "Contact: <sip:alice@d.invalid>;"
						"+sip.instance=\"<urn:uuid:2>\"\r\n"));
	CHECK_INT(3, sip_bindings_count(w.b));
	sip_bindings_lost(w.b, 11);
	CHECK_STR("sip:alice@b.invalid/3600", list_of(&w, "alice"));
	sip_bindings_lost(w.b, 99);
	sip_bindings_lost(w.b, 12);
	CHECK_INT(0, sip_bindings_users(w.b));
	world_close(&w);
}

static void bindings_expire_by_themselves(void **state)
{
	struct world w;

	world_open(&w);
	CHECK_INT(200,
		  take(&w, HEAD("a", "1") "Contact: <sip:a@10.0.0.3>;expires=60, <sip:b@10.0.0.3>;expires=120\r\n"));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 59000);
	CHECK_INT(2, sip_bindings_count(w.b));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 1500);
	CHECK_STR("sip:b@10.0.0.3/59", list_of(&w, "alice"));
	CHECK_INT(200, take(&w, HEAD("a", "2") "Contact: <sip:b@10.0.0.3>;expires=120\r\n"));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 100000);
	CHECK_INT(1, sip_bindings_count(w.b));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 30000);
	CHECK_INT(0, sip_bindings_users(w.b));
	world_close(&w);
}

static void a_user_has_so_many_contacts(void **state)
{
	char lines[300];
	struct world w;

	world_open(&w);
	for (int i = 0; i < SIP_MAX_CONTACTS + 3; i++) {
		snprintf(lines, sizeof(lines), HEAD("x%d", "1") "Contact: <sip:alice@10.0.0.%d>;expires=%d\r\n", i,
			 i + 1, i == 5 ? 60 : 3600);
		CHECK_INT(200, take(&w, lines));
		loop_run_until(w.loop, loop_now_ms(w.loop) + 1000);
	}
	CHECK_INT(SIP_MAX_CONTACTS, sip_bindings_count(w.b));
	CHECK(!strstr(list_of(&w, "alice"), "10.0.0.6/")); /* was to expire first */
	CHECK(!strstr(list_of(&w, "alice"), "10.0.0.1/")); /* then the oldest */
	CHECK(!strstr(list_of(&w, "alice"), "10.0.0.2/"));
	CHECK(strstr(list_of(&w, "alice"), "10.0.0.13/") != NULL);
	world_close(&w);
}

static void path_is_kept_and_told(void **state)
{
	static const char contact[] = "Contact: <sip:alice@10.0.0.3>\r\n";
	char lines[600];
	struct world w;
	uint64_t id = 0;

	world_open(&w);
	snprintf(lines, sizeof(lines),
		 HEAD("a", "1") "Path: <sip:p1.test;lr>, <sip:a,b@p2.test;lr>\r\nPath: <sip:p3.test;lr>\r\nSupported: "
				"path\r\n%s",
		 contact);
	CHECK_INT(200, take(&w, lines));
	CHECK_STR(
		"Contact: <sip:alice@10.0.0.3>;expires=3600\r\nPath: <sip:p1.test;lr>\r\nPath: <sip:a,b@p2.test;lr>\r\n"
		"Path: <sip:p3.test;lr>\r\n",
		answered(&w));
	for (uint64_t i = 0; !id && i < 10; i++)
		id = sip_bindings_find(w.b, i) ? i : 0;
	CHECK(id != 0);
	CHECK(id &&
	      str_is(sip_bindings_find(w.b, id)->path, "<sip:p1.test;lr>\n<sip:a,b@p2.test;lr>\n<sip:p3.test;lr>"));
	CHECK_INT(400, take(&w, HEAD("a", "2") "Path: nothing\r\nContact: <sip:alice@10.0.0.3>\r\n"));
	world_close(&w);
}

static bool take_id(void *arg, const struct sip_binding *b)
{
	*(uint64_t *)arg = b->id;
	return false;
}

static void a_contact_keeps_its_id(void **state)
{
	uint64_t first = 0, again = 0, other = 0;
	struct world w;

	world_open(&w);
	CHECK_INT(200, take(&w, HEAD("a", "1") "Contact: <sip:alice@10.0.0.3>\r\n"));
	sip_bindings_each(w.b, STR("alice"), take_id, &first);
	CHECK_INT(200, take(&w, HEAD("b", "1") "Contact: <sip:alice@10.0.0.3;x=y>;expires=90\r\n"));
	sip_bindings_each(w.b, STR("alice"), take_id, &again);
	CHECK(first && first == again);
	CHECK(str_is(sip_bindings_find(w.b, first)->contact, "sip:alice@10.0.0.3;x=y"));
	CHECK_INT(1, sip_bindings_count(w.b));
	CHECK_INT(200, take(&w, HEAD("b", "2") "Contact: *\r\nExpires: 0\r\n"));
	CHECK(!sip_bindings_find(w.b, first));
	CHECK_INT(200, take(&w, HEAD("c", "1") "Contact: <sip:alice@10.0.0.3>\r\n"));
	sip_bindings_each(w.b, STR("alice"), take_id, &other);
	CHECK(other && other != first);
	world_close(&w);
}

/* The written rule of where a contact is reached. */
static void a_nat_is_seen(void **state)
{
	static const struct {
		enum wire_kind kind;
		const char *via, *contact;
		bool by_flow;
	} rows[] = {
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@10.0.0.3", false },
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@10.0.0.3:5060", false },
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@192.168.1.5:5060", true },
		{ WIRE_UDP, "10.0.0.3:5060", "sip:a@192.168.1.5:5060", true },
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@203.0.113.9", true },
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@10.0.0.3:5062", true },
		{ WIRE_UDP, "10.0.0.3:5060", "sip:a@10.0.0.3:5062", false },
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@phone.example.test", false },
		{ WIRE_UDP, "10.0.0.3:5060;rport", "sip:a@[fd00::1]", true },
		{ WIRE_TCP, "10.0.0.3:5060", "sip:a@10.0.0.3", true },
		{ WIRE_TLS, "10.0.0.3:5060", "sip:a@phone.example.test", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sip_flow flow = flow_on(rows[i].kind, "10.0.0.3", 5060, 0);
		struct sip_msg m = { .request = true, .header_count = 1 };
		char via[100];
		struct sip_uri uri;

		snprintf(via, sizeof(via), "SIP/2.0/UDP %s;branch=z9hG4bK1", rows[i].via);
		m.headers[0] = (struct sip_hdr){ SIP_H_VIA, STR("Via"), str_of(via) };
		CHECK_INT(0, sip_uri_parse(&uri, str_of(rows[i].contact)));
		if (sip_contact_by_flow(&m, &uri, &flow) != rows[i].by_flow) {
			fprintf(stderr, "row %zu\n", i);
			CHECK(false);
		}
	}
}

static bool keep_even(void *arg, struct str user)
{
	return (user.p[user.n - 1] - '0') % 2 == 0;
}

/* Well under 4 KiB each. A sanitizer's heap does not count, so the figure is one of the other builds. */
static void ten_thousand_cost_little(void **state)
{
	enum { USERS = 10000 };
	struct sip_contact contact = { .expires_s = 3600,
				       .q = 1000,
				       .uri = STR("sip:subscriber-0123@192.168.100.200:50600;transport=udp;ob"),
				       .instance = STR("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"),
				       .reg_id = 1 };
	struct mallinfo2 before, after;
	struct world w;

	world_open(&w);
	before = mallinfo2();
	for (int i = 0; i < USERS; i++) {
		char name[32], call[40];
		struct sip_bindings_change c = {
			.flow = flow_on(WIRE_TCP, "192.0.2.1", (uint16_t)i, (uint64_t)i + 1),
			.cseq = 1,
			.contacts = &contact,
			.count = 1,
		};

		snprintf(name, sizeof(name), "subscriber-%d", i);
		snprintf(call, sizeof(call), "call-%d", i);
		c.user = str_of(name);
		c.call_id = str_of(call);
		CHECK_INT(0, sip_bindings_apply(w.b, &c));
	}
	after = mallinfo2();
	CHECK_INT(USERS, sip_bindings_count(w.b));
	printf("# %zu bytes a registered subscriber\n", (size_t)(after.uordblks - before.uordblks) / USERS);
	CHECK((after.uordblks - before.uordblks) / USERS < 1024);
	sip_bindings_sift(w.b, keep_even, NULL);
	CHECK_INT(USERS / 2, sip_bindings_users(w.b));
	loop_run_until(w.loop, loop_now_ms(w.loop) + 3700000);
	CHECK_INT(0, sip_bindings_users(w.b));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_do_what_the_rfc_says),
		TEST(a_device_has_one_flow),
		TEST(bindings_expire_by_themselves),
		TEST(a_user_has_so_many_contacts),
		TEST(path_is_kept_and_told),
		TEST(a_contact_keeps_its_id),
		TEST(a_nat_is_seen),
		TEST(ten_thousand_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
