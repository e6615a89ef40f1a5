/* What a port passes on, and from whom. */
#include "port_world.h"

/* --- relay --- */

static void payload_types_are_mapped(void **state)
{
	struct world w = world();
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct media_agreed aa = agreed(&pa), ab = agreed(&pb);
	struct leg a, b;

	/* a calls it 96 and 97, b answered our 111 and 101 with 98 and 99. */
	aa.codec = ab.codec = CODEC_OPUS;
	aa.send_pt = aa.recv_pt = 96;
	aa.event_send_pt = aa.event_recv_pt = 97;
	ab.send_pt = 98;
	ab.recv_pt = OPUS_PT;
	ab.event_send_pt = 99;
	ab.event_recv_pt = 101;
	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	port_agree(a.port, &aa);
	port_agree(b.port, &ab);
	port_join(a.port, b.port);

	settle(&w);
	speak(&pa, 96, 1, &a);
	check_hears(&w, pb.rtp, 1, 98);
	speak(&pa, 0x80 | 97, 2, &a);
	check_hears(&w, pb.rtp, 2, 0x80 | 99);
	speak(&pb, 0x80 | OPUS_PT, 3, &b);
	check_hears(&w, pa.rtp, 3, 0x80 | 96);
	speak(&pb, 101, 4, &b);
	check_hears(&w, pa.rtp, 4, 97);
	speak(&pb, 98, 5, &b); /* their own numbers in their packets: understood */
	check_hears(&w, pa.rtp, 5, 96);
	speak(&pb, 99, 6, &b);
	check_hears(&w, pa.rtp, 6, 97);
	speak(&pa, 0, 7, &a); /* nobody agreed on that */
	speak(&pa, 13, 7, &a);
	check_silent(&w, pb.rtp);

	CHECK_INT(1, a.heard);
	CHECK(addr_equal(&a.from, &pa.rtp_at));
	close_leg(&w, &a);
	close_leg(&w, &b);
	CHECK_INT(2, a.stats.packets_in);
	CHECK_INT(40, a.stats.bytes_in);
	CHECK_INT(4, a.stats.packets_out);
	CHECK_INT(80, a.stats.bytes_out);
	CHECK_INT(2, a.stats.invalid);
	CHECK_INT(4, b.stats.packets_in);
	CHECK_INT(2, b.stats.packets_out);
	CHECK_INT(0, a.stats.foreign + b.stats.foreign + a.stats.lost + b.stats.lost);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

static void hold_stops_one_direction(void **state)
{
	static const struct {
		enum media_direction a; /* as seen from us */
		bool to_a, from_a;
	} rows[] = {
		{ MEDIA_RECVONLY, false, true },
		{ MEDIA_SENDONLY, true, false },
		{ MEDIA_INACTIVE, false, false },
		{ MEDIA_SENDRECV, true, true },
	};
	struct pair p;

	begin_pair(&p);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		agree_direction(&p.a, &p.pa, rows[i].a);
		settle(&p.w);
		speak(&p.pa, PCMU_PT, 1, &p.a);
		speak(&p.pb, PCMU_PT, 2, &p.b);
		if (rows[i].from_a)
			check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
		if (rows[i].to_a)
			check_hears(&p.w, p.pa.rtp, 2, PCMU_PT);
		check_silent(&p.w, p.pa.rtp);
		check_silent(&p.w, p.pb.rtp);
		report(p.pa.rtcp, 9, rtcp_of(&p.a)); /* reports go on */
		check_hears(&p.w, p.pb.rtcp, 9, 201);
	}
	end_pair(&p);
	CHECK_INT(2, p.a.stats.packets_out);
	CHECK_INT(2, p.b.stats.packets_out);
}

static void early_media_goes_one_way(void **state)
{
	struct world w = world();
	struct peer pa = peer_at(2), pb = peer_at(3);
	struct leg a, b;

	open_leg(&w, &a, NULL);
	open_leg(&w, &b, &a);
	agree(&a, &pa);
	speak(&pb, PCMU_PT, 1, &b); /* before any answer: dropped */
	settle(&w);
	agree(&b, &pb);
	port_feed(b.port, a.port);
	settle(&w);
	speak(&pb, PCMU_PT, 2, &b);
	check_hears(&w, pa.rtp, 2, PCMU_PT);
	speak(&pa, PCMU_PT, 3, &a);
	check_silent(&w, pb.rtp);
	port_join(a.port, b.port);
	settle(&w);
	speak(&pa, PCMU_PT, 4, &a);
	check_hears(&w, pb.rtp, 4, PCMU_PT);
	port_feed(b.port, a.port); /* and back again */
	settle(&w);
	speak(&pa, PCMU_PT, 5, &a);
	check_silent(&w, pb.rtp);
	port_part(b.port);
	settle(&w);
	speak(&pb, PCMU_PT, 6, &b);
	check_silent(&w, pa.rtp);
	close_leg(&w, &a);
	close_leg(&w, &b);
	CHECK_INT(1, b.stats.invalid);
	CHECK_INT(2, b.stats.packets_in);
	end_peer(&pa);
	end_peer(&pb);
	end_world(&w);
}

static void joining_again_replaces(void **state)
{
	struct pair p;
	struct peer pc;
	struct leg c;

	begin_pair(&p);
	pc = peer_at(4);
	open_leg(&p.w, &c, &p.a);
	agree(&c, &pc);
	port_join(p.a.port, c.port);
	settle(&p.w);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_hears(&p.w, pc.rtp, 1, PCMU_PT);
	speak(&pc, PCMU_PT, 2, &c);
	check_hears(&p.w, p.pa.rtp, 2, PCMU_PT);
	speak(&p.pb, PCMU_PT, 3, &p.b);
	check_silent(&p.w, p.pa.rtp);
	check_silent(&p.w, p.pb.rtp);
	close_leg(&p.w, &c); /* a is left alone and does not speak into a dead port */
	speak(&p.pa, PCMU_PT, 4, &p.a);
	check_silent(&p.w, p.pb.rtp);
	end_peer(&pc);
	end_pair(&p);
}

/* The module of G.729 is not loaded here. */
static void what_cannot_be_coded_is_not_passed(void **state)
{
	struct pair p;
	struct media_agreed a;

	begin_pair(&p);
	a = agreed(&p.pb);
	a.codec = CODEC_G729;
	a.send_pt = a.recv_pt = 18;
	port_agree(p.b.port, &a);
	settle(&p.w);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_silent(&p.w, p.pb.rtp);
	end_pair(&p);
	CHECK_INT(1, p.a.stats.invalid);
	CHECK_INT(0, p.b.stats.packets_out);
}

static void broken_packets_are_dropped(void **state)
{
	static const uint8_t rows[][16] = { { 0x00, 0 }, { 0x40, 0 }, { 0xc0, 0 },      { 0x8f, 0 },
					    { 0xa0, 0 }, { 0x16, 3 }, "OPTIONS sip:x@y" };
	uint8_t big[4000] = { 0x80 };
	struct addr rtcp;
	struct pair p;

	begin_pair(&p);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		send_bytes(p.pa.rtp, rows[i], sizeof(rows[i]), &p.a.local);
	send_bytes(p.pa.rtp, rows[0], 0, &p.a.local);
	send_bytes(p.pa.rtp, big, sizeof(big), &p.a.local);
	rtcp = rtcp_of(&p.a);
	big[1] = 201;
	send_bytes(p.pa.rtcp, big, sizeof(big), &rtcp);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	end_pair(&p);
	CHECK_INT(1, p.a.stats.packets_in);
	CHECK_INT(ARRAY_LEN(rows) + 3, p.a.stats.invalid);
}

/* --- who is heard --- */

static void third_parties_neither_speak_nor_hear(void **state)
{
	struct pair p;
	struct peer evil;

	begin_pair(&p);
	evil = peer_at(66);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	speak(&evil, PCMU_PT, 2, &p.a);
	send_bytes(p.pa.rtcp, "\x80\0\0\0\0\0\0\0\0\0\0\1", 12, &p.a.local); /* the peer's host, another port */
	speak(&p.pb, PCMU_PT, 3, &p.b);
	check_hears(&p.w, p.pa.rtp, 3, PCMU_PT);
	check_silent(&p.w, evil.rtp);
	check_silent(&p.w, p.pb.rtp);

	/* The same SDP again opens nothing; another one does, for the new address. */
	agree(&p.a, &p.pa);
	settle(&p.w);
	speak(&evil, PCMU_PT, 4, &p.a);
	check_silent(&p.w, p.pb.rtp);
	agree(&p.a, &evil);
	settle(&p.w);
	speak(&p.pb, PCMU_PT, 5, &p.b);
	check_hears(&p.w, evil.rtp, 5, PCMU_PT);
	speak(&evil, PCMU_PT, 6, &p.a);
	check_hears(&p.w, p.pb.rtp, 6, PCMU_PT);
	speak(&p.pa, PCMU_PT, 7, &p.a);
	check_silent(&p.w, p.pb.rtp);
	CHECK_INT(1, p.a.heard);
	end_peer(&evil);
	end_pair(&p);
	CHECK_INT(4, p.a.stats.foreign);
	CHECK_INT(2, p.a.stats.packets_in);
}

static void on_time(void *arg)
{
	*(bool *)arg = true;
}

/* A virtual clock only moves to timers. */
static void pass_time(struct world *w, uint64_t ms)
{
	struct loop_timer t = { 0 };
	bool due = false;

	loop_timer_start(w->loop, &t, ms, on_time, &due);
	while (!due)
		loop_turn(w->loop);
}

static void behind_a_nat_the_first_counts(void **state)
{
	struct pair p;
	struct peer inside, outside, late;

	begin_pair(&p);
	inside = peer_at(10);
	outside = peer_at(11);
	late = peer_at(12);
	agree(&p.a, &inside);
	settle(&p.w);
	speak(&outside, PCMU_PT, 1, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	speak(&p.pb, PCMU_PT, 2, &p.b);
	check_hears(&p.w, outside.rtp, 2, PCMU_PT);
	check_silent(&p.w, inside.rtp);
	speak(&late, PCMU_PT, 3, &p.a);
	check_silent(&p.w, p.pb.rtp);
	CHECK(addr_equal(&p.a.from, &outside.rtp_at));

	/* After the window nobody is learnt any more. */
	agree(&p.a, &p.pa);
	settle(&p.w);
	pass_time(&p.w, 5000);
	speak(&late, PCMU_PT, 4, &p.a);
	check_silent(&p.w, p.pb.rtp);
	speak(&p.pa, PCMU_PT, 5, &p.a);
	check_hears(&p.w, p.pb.rtp, 5, PCMU_PT);
	end_peer(&inside);
	end_peer(&outside);
	end_peer(&late);
	end_pair(&p);
	CHECK_INT(2, p.a.stats.foreign);
}

/* --- RTCP --- */

static void reports_pass_beside(void **state)
{
	struct addr rtcp;
	struct pair p;
	struct peer evil;

	begin_pair(&p);
	evil = peer_at(66);
	report(p.pa.rtcp, 1, rtcp_of(&p.a));
	check_hears(&p.w, p.pb.rtcp, 1, 201);
	report(p.pb.rtcp, 2, rtcp_of(&p.b));
	check_hears(&p.w, p.pa.rtcp, 2, 201);
	report(evil.rtcp, 3, rtcp_of(&p.a));
	report(p.pa.rtp, 4, rtcp_of(&p.a)); /* the right host, another port */
	rtcp = rtcp_of(&p.a);
	send_bytes(p.pa.rtcp, "\x80\xca\0\1abcd", 8, &rtcp); /* no report in front */
	report(p.pa.rtp, 5, p.a.local);                      /* not agreed to share the port */
	check_silent(&p.w, p.pb.rtcp);
	check_silent(&p.w, p.pb.rtp);
	end_peer(&evil);
	end_pair(&p);
	CHECK_INT(1, p.a.stats.rtcp_in);
	CHECK_INT(1, p.a.stats.rtcp_out);
	CHECK_INT(2, p.a.stats.foreign);
	CHECK_INT(2, p.a.stats.invalid);
}

static void reports_share_the_port_when_agreed(void **state)
{
	struct pair p;
	struct peer evil;
	struct media_agreed a;

	begin_pair(&p);
	evil = peer_at(66);
	a = agreed(&p.pa);
	a.rtcp_mux = true;
	a.remote_rtcp = a.remote;
	port_agree(p.a.port, &a);
	settle(&p.w);
	report(evil.rtp, 1, p.a.local); /* a report never says who the peer is */
	report(p.pa.rtp, 2, p.a.local);
	check_hears(&p.w, p.pb.rtcp, 2, 201);
	report(p.pb.rtcp, 3, rtcp_of(&p.b));
	check_hears(&p.w, p.pa.rtp, 3, 201);
	speak(&p.pa, PCMU_PT, 4, &p.a);
	check_hears(&p.w, p.pb.rtp, 4, PCMU_PT);
	report(evil.rtp, 5, p.a.local);
	report(p.pa.rtp, 6, p.a.local);
	check_hears(&p.w, p.pb.rtcp, 6, 201);
	end_peer(&evil);
	end_pair(&p);
	CHECK_INT(2, p.a.stats.foreign);
	CHECK_INT(2, p.a.stats.rtcp_in);
	CHECK_INT(1, p.a.stats.rtcp_out);
}

static void loss_is_counted(void **state)
{
	struct pair p;

	begin_pair(&p);
	speak(&p.pa, PCMU_PT, 1, &p.a);
	p.pa.seq += 3;
	speak(&p.pa, PCMU_PT, 2, &p.a);
	check_hears(&p.w, p.pb.rtp, 1, PCMU_PT);
	check_hears(&p.w, p.pb.rtp, 2, PCMU_PT);
	end_pair(&p);
	CHECK_INT(3, p.a.stats.lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(payload_types_are_mapped),
		TEST(hold_stops_one_direction),
		TEST(early_media_goes_one_way),
		TEST(joining_again_replaces),
		TEST(what_cannot_be_coded_is_not_passed),
		TEST(broken_packets_are_dropped),
		TEST(third_parties_neither_speak_nor_hear),
		TEST(behind_a_nat_the_first_counts),
		TEST(reports_pass_beside),
		TEST(reports_share_the_port_when_agreed),
		TEST(loss_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
