/* detect_machine in whole calls on virtual time: a caller with a SIP stack of his own who says what the test wants, over real
 * sockets, and the server's documents. */
#include "check.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "call/bridge.h"
#include "fake_world.h"
#include "media/coder.h"
#include "media/rtp.h"
#include "op/op_background.h"
#include "op/op_detect.h"
#include "own_net.h"

enum { PIECE = 160 };

struct world {
	struct fake_world base;
	struct phone phone;
	struct phone_call *caller;
	struct call *call;
	/* What the caller says: "25v 50. 20t", voice, nothing, 1000 Hz. */
	const char *audio;
	unsigned left; /* pieces of the part that audio begins with */
	int fd;
	struct addr server;
	struct encoder *encoder;
	uint16_t seq;
	uint32_t said;
	struct loop_timer speak, act;
	struct buf story; /* "machine:MACHINE machine:finished! ended " */
	char control_id[40];
	unsigned finals, ended;
};

/* --- the caller --- */

static void sound(struct world *w, char what, int16_t *out)
{
	for (size_t i = 0; i < PIECE; i++) {
		double t = (double)(w->said + i) / 8000, sum = 0;

		for (int n = 1; what == 'v' && n <= 20; n++)
			sum += cos(2 * M_PI * 130 * n * t + n * n) / n * 3000;
		if (what == 't')
			sum = 8000 * sin(2 * M_PI * 1000 * t);
		if (what == 'c')
			sum = 8000 * sin(2 * M_PI * 2100 * t);
		out[i] = (int16_t)lrint(sum);
	}
}

/* What is said now; behind the end, nothing. */
static char next_piece(struct world *w)
{
	while (!w->left && *w->audio) {
		char *end;

		w->left = (unsigned)strtoul(w->audio, &end, 10);
		w->audio = end;
		if (!w->left)
			w->audio++;
	}
	if (!*w->audio)
		return '.';
	if (--w->left == 0)
		return *w->audio++;
	return *w->audio;
}

static void speak(void *arg)
{
	uint8_t packet[RTP_HEADER_BYTES + CODER_MAX_BYTES] = { 0x80 };
	struct world *w = arg;
	int16_t audio[PIECE];
	size_t n;

	sound(w, next_piece(w), audio);
	n = encoder_run(w->encoder, audio, PIECE, packet + RTP_HEADER_BYTES);
	rtp_renumber(packet, w->seq++, w->said, 77);
	w->said += PIECE;
	CHECK(sendto(w->fd, packet, RTP_HEADER_BYTES + n, 0, &w->server.sa, addr_len(&w->server)) > 0);
	loop_timer_start(w->base.loop, &w->speak, 20, speak, w);
}

static void on_event(struct phone_call *c, const char *event)
{
	struct world *w = c->phone->user;
	const char *m = strstr(c->sdp, "m=audio ");

	if (!strcmp(event, "answered") && m) {
		own_addr(1, (uint16_t)strtoul(m + 8, NULL, 10), &w->server);
		speak(w);
	}
	if (c->closed)
		loop_timer_stop(w->base.loop, &w->speak);
}

/* --- the server --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct world *w = arg;

	w->call = c;
	assert_int_equal(script_start(c, &w->base.scripts, r->swml), 0);
}

static void see_detection(struct world *w, const struct event *ev)
{
	char type[16] = "", event[16] = "";
	struct str params = event_get(ev, "params");
	bool final = str_is(event_get(ev, "final"), "true");
	const char *t = strstr(params.p, "\"type\":\""), *e = strstr(params.p, "\"event\":\"");

	CHECK_INT(0, w->ended); /* nothing is told of a call that has ended */
	if (t)
		str_copy(type, sizeof(type), str_head(str_of(t + 8), strcspn(t + 8, "\"")));
	if (e)
		str_copy(event, sizeof(event), str_head(str_of(e + 9), strcspn(e + 9, "\"")));
	buf_printf(&w->story, "%s:%s%s%s ", type, event, strstr(params.p, "\"beep\":true") ? "+beep" : "",
		   final ? "!" : "");
	str_copy(w->control_id, sizeof(w->control_id), event_get(ev, "control_id"));
	w->finals += final;
}

/* Documents say what their variables are by executing a section that is not there. */
static void see(void *arg, const struct event *ev)
{
	struct world *w = arg;
	struct str text = event_get(ev, "text");
	const char *said = ev->type == EVENT_WARNING ? strstr(text.p, "no section \"") : NULL;

	if (said)
		buf_printf(&w->story, "[%.*s] ", (int)strcspn(said + 12, "\""), said + 12);
	else if (ev->type == EVENT_WARNING)
		buf_printf(&w->story, "warning(%.*s) ", STR_ARG(event_get(ev, "code")));
	if (ev->type == EVENT_ENDED) {
		w->ended++;
		w->call = NULL;
		buf_cstr(&w->story, "ended ");
	}
	if (ev->type == EVENT_OPERATION && str_is(event_get(ev, "operation"), "calling.call.detect"))
		see_detection(w, ev);
}

static void open_caller(struct world *w)
{
	const struct phone_opts opts = { .loop = w->base.loop,
					 .net = fake_net_host(w->base.net, "10.0.0.2"),
					 .dns = fake_dns_door(w->base.dns),
					 .address = "10.0.0.2" };

	w->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(w->fd >= 0);
	assert_int_equal(encoder_new(&w->encoder, CODEC_PCMU, 8000), 0);
	w->phone.offer = fake_sdp;
	w->phone.on_event = on_event;
	w->phone.user = w;
	phone_open(&w->phone, &opts);
}

/* steps: of the section main. */
static void begin(struct world *w, uint64_t seed, const char *steps, const char *audio)
{
	struct fake_world_opts opts = { .seed = seed, .event = see, .incoming = incoming, .arg = w };
	char document[2000];

	*w = (struct world){ .audio = audio };
	snprintf(document, sizeof(document), "sections: {main: [%s]}", steps);
	opts.document = document;
	fake_world_open(&w->base, &opts);
	open_caller(w);
	w->caller = phone_dial(&w->phone, "sip:main@10.0.0.1:5060", WIRE_UDP);
	assert_non_null(w->caller);
}

static void run(struct world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

static const char *story(const struct world *w)
{
	return w->story.data ? w->story.data : "";
}

static void end(struct world *w)
{
	if (!w->ended)
		phone_hangup(w->caller, STR(""));
	run(w, 60000);
	CHECK_INT(1, w->ended);
	fake_world_end_calls(&w->base);
	phone_close(&w->phone);
	loop_run_until(w->base.loop, UINT64_MAX);
	fake_world_close(&w->base);
	encoder_free(&w->encoder);
	close(w->fd);
	buf_free(&w->story);
}

/* --- */

#define SAY_RESULT "{execute: '${detect_result}/${detect_machine_beep}'}"

static void who_it_is(void **state)
{
	static const struct {
		const char *args, *audio, *told;
	} rows[] = {
		{ "{}", "20. 25v 200.", "machine:HUMAN machine:finished! [human/false] ended " },
		{ "{}", "20. 200v 200.", "machine:MACHINE machine:finished! [machine/false] ended " },
		{ "{}", "400.", "machine:UNKNOWN machine:finished! [unknown/false] ended " },
		{ "{}", "20. 150c 200.", "fax:CED fax:finished! [fax/false] ended " },
		{ "amd", "20. 150c 200.", "machine:UNKNOWN machine:finished! [unknown/false] ended " },
		{ "fax", "20. 200v 200.", "fax:finished! [unknown/false] ended " },
		{ "{tone: CNG}", "20. 150c 200.", "machine:UNKNOWN machine:finished! [unknown/false] ended " },
		{ "{detectors: ' fax , amd '}", "25v 20. 20t 200.",
		  "machine:MACHINE+beep machine:finished! [machine/true] ended " },
		{ "{detect_message_end: true}", "200v 20. 20t 200.",
		  "machine:MACHINE machine:MACHINE+beep machine:finished! [machine/true] ended " },
		{ "{detect_message_end: true}", "200v 200.",
		  "machine:MACHINE machine:READY machine:finished! [machine/false] ended " },
		{ "{detect_message_end: true, detect_interruptions: true}", "200v 80. 50v 80. 20t 50.",
		  "machine:MACHINE machine:READY machine:NOT_READY machine:READY machine:MACHINE+beep "
		  "machine:finished! [machine/true] ended " },
		{ "{detect_message_end: true, timeout: 3}", "400v",
		  "machine:MACHINE machine:finished! [machine/false] ended " },
		{ "{timeout: 2}", "400.", "machine:UNKNOWN machine:finished! [unknown/false] ended " },
		{ "{initial_timeout: 1}", "100. 50v 100.", "machine:UNKNOWN machine:finished! [unknown/false] ended " },
		{ "{machine_voice_threshold: 5, machine_words_threshold: 0}", "100v 100.",
		  "machine:HUMAN machine:finished! [human/false] ended " },
		{ "{end_silence_timeout: 0.4}", "25v 30. 200v",
		  "machine:HUMAN machine:finished! [human/false] ended " },
		{ "{machine_ready_timeout: 0.4, detect_message_end: true}", "200v 30. 200v",
		  "machine:MACHINE machine:READY machine:finished! [machine/false] ended " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char steps[300];
		struct world w;

		snprintf(steps, sizeof(steps), "{detect_machine: %s}, %s", rows[i].args, "" SAY_RESULT "");
		begin(&w, i + 1, steps, rows[i].audio);
		run(&w, 35000);
		CHECK_STR(rows[i].told, story(&w));
		end(&w);
	}
}

static void how_long_it_took(void **state)
{
	struct world w;

	begin(&w, 1, "{detect_machine: {timeout: 2.5}}, {execute: 'ms${detect_ms}'}", "400.");
	run(&w, 5000);
	CHECK_STR("machine:UNKNOWN machine:finished! [ms2500] ended ", story(&w));
	end(&w);
}

static void beside_the_document(void **state)
{
	struct world w;

	begin(&w, 1,
	      "{detect_machine: {wait: false, status_url: 'http://app.test/d'}}, " SAY_RESULT
	      ", {sleep: 4000}, " SAY_RESULT ", {sleep: 500}",
	      "20. 25v 400.");
	run(&w, 1000);
	CHECK_STR("[detecting/false] ", story(&w));
	CHECK(background_find(w.call, "detect", STR("")) != NULL);
	run(&w, 1500);
	CHECK_STR("[detecting/false] machine:HUMAN machine:finished! ", story(&w));
	CHECK(background_find(w.call, "detect", STR("")) == NULL);
	run(&w, 4000);
	CHECK_STR("[detecting/false] machine:HUMAN machine:finished! [human/false] ended ", story(&w));
	end(&w);
}

/* The document ends first; and what comes then finds nobody. */
static void it_outlives_the_document(void **state)
{
	struct world w;

	begin(&w, 1, "{detect_machine: {wait: false, status_url: 'http://app.test/d'}}, {hangup: busy}", "400v");
	run(&w, 3000);
	CHECK_STR("machine:finished! ended ", story(&w));
	end(&w);
}

static void the_newest_counts(void **state)
{
	struct world w;

	begin(&w, 1,
	      "{detect_machine: {wait: false, status_url: 'http://app.test/d'}}, {sleep: 200}, "
	      "{detect_machine: {timeout: 1}}, " SAY_RESULT,
	      "400.");
	run(&w, 3000);
	CHECK_STR("machine:finished! machine:UNKNOWN machine:finished! [unknown/false] ended ", story(&w));
	end(&w);
}

static void it_can_be_stopped(void **state)
{
	struct world w;

	begin(&w, 1,
	      "{detect_machine: {wait: false, status_url: 'http://app.test/d', detect_message_end: true}}, {sleep: "
	      "3000}, " SAY_RESULT ", {sleep: 100}",
	      "400v");
	run(&w, 2000);
	assert_non_null(w.call);
	CHECK(background_find(w.call, "detect", str_of(w.control_id)) != NULL);
	op_stop(background_find(w.call, "detect", STR("")));
	run(&w, 2000);
	CHECK_STR("machine:MACHINE machine:finished! [machine/false] ended ", story(&w));
	end(&w);
}

static void what_is_wrong_is_told(void **state)
{
	static const char *const bad[] = {
		"{detectors: 'amd,modem'}", "{detectors: ''}",     "{wait: false}",
		"{status_url: 'ftp://x'}",  "{detectors: 'amd,'}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char steps[200];
		struct world w;

		snprintf(steps, sizeof(steps), "answer, {detect_machine: %s}, " SAY_RESULT, bad[i]);
		begin(&w, 1, steps, "400.");
		run(&w, 1000);
		CHECK(!strncmp(story(&w), "warning(relay_script_method_parameter_", 38));
		CHECK(strstr(story(&w), ") [error/false] ended "));
		end(&w);
	}
}

static void another_document_takes_over(void **state)
{
	struct world w;
	const struct script_start how = { .location = w.base.document };
	FILE *f;

	begin(&w, 1, "{detect_machine: {detect_message_end: true}}, " SAY_RESULT, "500v");
	run(&w, 2000);
	f = fopen(w.base.document, "w");
	assert_non_null(f);
	fputs("sections: {main: [{execute: 'new${detect_result}'}, {sleep: 100}]}", f);
	fclose(f);
	CHECK_INT(0, script_replace(w.call, &w.base.scripts, &how));
	run(&w, 1000);
	CHECK_STR("machine:MACHINE machine:finished! [new] ended ", story(&w));
	end(&w);
}

/* Whoever works on a call hears of its re-offers, or does not care to. */
static void a_reoffer_does_not_disturb(void **state)
{
	struct world w;

	begin(&w, 1, "{detect_machine: {timeout: 2}}, " SAY_RESULT, "400.");
	w.phone.auto_reanswer = true;
	w.phone.answer = fake_sdp;
	run(&w, 500);
	assert_non_null(w.call);
	CHECK_INT(0, bridge_reoffer(w.call, w.call));
	run(&w, 3000);
	CHECK_INT(1, w.caller->reoffer);
	CHECK_STR("machine:UNKNOWN machine:finished! [unknown/false] ended ", story(&w));
	end(&w);
}

/* Wherever the caller hangs up: what has begun ends once, and before the call. */
static void random_ends(void **state)
{
	unsigned met[4] = { 0 };

	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct world w;

		begin(&w, seed,
		      "{detect_machine: {wait: false, status_url: 'http://app.test/d', timeout: 1.5}}, {sleep: 1000}, "
		      "{detect_machine: {detect_message_end: true}}, {sleep: 400}, {detect_machine: {timeout: 0.5}}",
		      "30. 100v 10. 20t 300.");
		run(&w, 1 + loop_random_below(w.base.loop, 5500));
		if (!w.ended)
			phone_hangup(w.caller, STR(""));
		run(&w, 10000);
		CHECK_INT(1, w.ended);
		met[w.finals < 4 ? w.finals : 3]++;
		end(&w);
		if (check_bad) {
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
			break;
		}
	}
	for (size_t i = 1; i < ARRAY_LEN(met); i++)
		CHECK(met[i] > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(who_it_is),
		TEST(how_long_it_took),
		TEST(beside_the_document),
		TEST(it_outlives_the_document),
		TEST(the_newest_counts),
		TEST(it_can_be_stopped),
		TEST(what_is_wrong_is_told),
		TEST(another_document_takes_over),
		TEST(a_reoffer_does_not_disturb),
		TEST(random_ends),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
