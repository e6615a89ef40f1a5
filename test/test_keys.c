#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "call/info_key.h"
#include "media/key_detect.h"
#include "media/keys.h"
#include "media/tone.h"

/* --- in --- */

struct packet {
	uint16_t seq;
	uint32_t timestamp;
	char key;
	bool end;
	uint16_t duration;
	bool marker;
	uint32_t ssrc;
};

static uint8_t event_of(char key)
{
	return (uint8_t)(strchr("0123456789*#ABCD!", key) - "0123456789*#ABCD!");
}

static unsigned take(struct key_in *k, const struct packet *p, char *key)
{
	struct rtp_header h = {
		.seq = p->seq,
		.timestamp = p->timestamp,
		.ssrc = p->ssrc,
		.marker = p->marker,
		.payload_bytes = KEY_PACKET_BYTES,
	};
	uint8_t payload[KEY_PACKET_BYTES] = { event_of(p->key), p->end ? 0x8a : 0x0a, (uint8_t)(p->duration >> 8),
					      (uint8_t)p->duration };

	return key_in_take(k, &h, payload, key);
}

/* "1" for each press when it begins, "." for each end. */
static void check_story(const char *what, const char *want, const struct packet *packets, size_t n)
{
	struct key_in k = { 0 };
	struct buf story = { 0 };

	buf_cstr(&story, "");
	for (size_t i = 0; i < n; i++) {
		char key = '?';
		unsigned news = take(&k, &packets[i], &key);

		if (news & KEY_DOWN)
			buf_char(&story, key);
		if (news & KEY_UP)
			buf_char(&story, '.');
	}
	buf_char(&story, '\0');
	if (strcmp(want, story.data))
		fprintf(stderr, "%s:\n", what);
	CHECK_STR(want, story.data);
	buf_free(&story);
}

static void each_press_is_told_once(void **state)
{
	static const struct {
		const char *what, *want;
		struct packet packets[12];
	} rows[] = {
		{ "a plain press",
		  "5.",
		  { { 1, 800, '5', false, 160, true, 1 },
		    { 2, 800, '5', false, 320, false, 1 },
		    { 3, 800, '5', true, 480, false, 1 },
		    { 4, 800, '5', true, 480, false, 1 },
		    { 5, 800, '5', true, 480, false, 1 } } },
		{ "only the last end came", "*.", { { 5, 800, '*', true, 480, false, 1 } } },
		{ "no end came, the same key again",
		  "11.",
		  { { 1, 800, '1', false, 160, true, 1 },
		    { 2, 800, '1', false, 320, false, 1 },
		    { 9, 4000, '1', false, 160, true, 1 },
		    { 10, 4000, '1', true, 320, false, 1 } } },
		{ "out of order, and the first after the end",
		  "7.",
		  { { 2, 800, '7', false, 320, false, 1 },
		    { 3, 800, '7', true, 480, false, 1 },
		    { 1, 800, '7', false, 160, true, 1 },
		    { 4, 800, '7', true, 480, false, 1 } } },
		{ "doubled by the network",
		  "7.",
		  { { 1, 800, '7', false, 160, true, 1 },
		    { 1, 800, '7', false, 160, true, 1 },
		    { 2, 800, '7', true, 320, false, 1 },
		    { 2, 800, '7', true, 320, false, 1 },
		    { 1, 800, '7', false, 160, true, 1 } } },
		{ "an old press behind a new one",
		  "1.2.",
		  { { 1, 800, '1', false, 160, true, 1 },
		    { 2, 800, '1', true, 320, false, 1 },
		    { 5, 2400, '2', false, 160, true, 1 },
		    { 3, 800, '1', true, 320, false, 1 },
		    { 6, 2400, '2', true, 320, false, 1 } } },
		{ "two keys at one timestamp, interleaved",
		  "12..",
		  { { 1, 800, '1', false, 160, true, 1 },
		    { 2, 800, '2', false, 160, false, 1 },
		    { 3, 800, '1', false, 320, false, 1 },
		    { 4, 800, '2', false, 320, false, 1 },
		    { 5, 800, '1', true, 480, false, 1 },
		    { 6, 800, '2', true, 480, false, 1 },
		    { 7, 800, '1', true, 480, false, 1 } } },
		{ "a sender that never moves its timestamp",
		  "1.1.2.",
		  { { 1, 800, '1', false, 160, true, 1 },
		    { 2, 800, '1', true, 320, false, 1 },
		    { 3, 800, '1', true, 320, false, 1 },
		    { 4, 800, '1', false, 160, true, 1 },
		    { 5, 800, '1', true, 320, false, 1 },
		    { 6, 800, '2', false, 160, true, 1 },
		    { 7, 800, '2', true, 320, false, 1 } } },
		{ "a long press in segments",
		  "0.",
		  { { 1, 800, '0', false, 160, true, 1 },
		    { 2, 800, '0', false, 60000, false, 1 },
		    { 3, 800, '0', false, 65535, false, 1 },
		    { 4, 66335, '0', false, 160, false, 1 },
		    { 5, 66335, '0', true, 320, false, 1 } } },
		{ "a long press whose timestamps wrap",
		  "0.",
		  { { 65535, 0xffffff00u, '0', false, 160, true, 1 },
		    { 0, 0xffffff00u, '0', false, 65535, false, 1 },
		    { 1, 65279, '0', true, 320, false, 1 } } },
		{ "another stream",
		  "1.1.",
		  { { 1, 800, '1', false, 160, true, 1 },
		    { 2, 800, '1', true, 320, false, 1 },
		    { 9, 800, '1', false, 160, true, 2 },
		    { 10, 800, '1', true, 320, false, 2 } } },
		{ "a clock that jumped far back",
		  "1.2.",
		  { { 1, 90000000, '1', false, 160, true, 1 },
		    { 2, 90000000, '1', true, 320, false, 1 },
		    { 3, 800, '2', false, 160, true, 1 },
		    { 4, 800, '2', true, 320, false, 1 } } },
		{ "a flash is no key",
		  "1.",
		  { { 1, 800, '!', false, 160, true, 1 },
		    { 2, 1600, '1', false, 160, true, 1 },
		    { 3, 1600, '1', true, 320, false, 1 } } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = 0;

		while (n < ARRAY_LEN(rows[i].packets) && rows[i].packets[n].key)
			n++;
		check_story(rows[i].what, rows[i].want, rows[i].packets, n);
	}
}

static void short_packets_are_no_keys(void **state)
{
	const struct rtp_header h = { .payload_bytes = 3 };
	const uint8_t payload[4] = { 5, 0, 0, 160 };
	struct key_in k = { 0 };
	char key = '?';

	CHECK_INT(0, key_in_take(&k, &h, payload, &key));
	CHECK_INT('\0', key);
}

/* --- out --- */

/* Frames of an output until it is idle, read by the input: they must understand each other whatever is lost. */
static void check_press(uint32_t clock_hz, unsigned hold_frames, unsigned lose)
{
	struct key_out o = { 0 };
	struct key_in in = { 0 };
	unsigned down = 0, up = 0, ends = 0, firsts = 0, ms = 0;
	uint32_t now = 0xfffffff0u; /* it wraps */
	uint16_t seq = 65530;

	key_out_press(&o, '9', hold_frames > 0);
	for (unsigned i = 0; i < 1000; i++, now += clock_hz / 50, ms += 20) {
		struct rtp_header h = { .payload_bytes = KEY_PACKET_BYTES };
		struct key_sign s;
		enum key_frame f;
		unsigned news;
		char key;

		if (hold_frames && i == hold_frames)
			key_out_release(&o);
		f = key_out_frame(&o, now, clock_hz, &s);
		if (f == KEY_FRAME_IDLE)
			break;
		if (f == KEY_FRAME_PAUSE)
			continue;
		ends += f == KEY_FRAME_END;
		firsts += s.first;
		h.seq = seq++;
		h.timestamp = s.timestamp;
		h.marker = s.first;
		if (lose && i % lose != lose - 1)
			continue;
		news = key_in_take(&in, &h, s.payload, &key);
		CHECK(!news || key == '9');
		down += news & KEY_DOWN ? 1 : 0;
		up += news & KEY_UP ? 1 : 0;
	}
	CHECK_INT(1, down);
	CHECK_INT(1, up);
	CHECK_INT(3, ends);
	CHECK_INT(1, firsts);
	CHECK_INT(hold_frames > 5 ? hold_frames * 20 + 100 : 200, ms);
}

static void what_we_send_is_one_press(void **state)
{
	static const uint32_t clocks[] = { 8000, 16000, 48000 };
	static const unsigned holds[] = { 0, 1, 5, 50, 68, 69, 200, 450 };

	for (size_t c = 0; c < ARRAY_LEN(clocks); c++) {
		for (size_t h = 0; h < ARRAY_LEN(holds); h++) {
			for (unsigned lose = 0; lose < 3; lose++)
				check_press(clocks[c], holds[h], lose);
		}
	}
}

static void a_key_that_nobody_lets_go_ends(void **state)
{
	struct key_out o = { 0 };
	struct key_sign s;
	unsigned frames = 0;

	key_out_press(&o, '1', true);
	while (key_out_frame(&o, 160 * frames, 8000, &s) != KEY_FRAME_IDLE && frames < 10000)
		frames++;
	CHECK_INT(505, frames);
	/* In a stream of another clock a press can only be as long as one duration. */
	key_out_press(&o, '1', true);
	for (frames = 0; key_out_frame(&o, 160 * frames, 48000, &s) != KEY_FRAME_IDLE && frames < 10000; frames++)
		;
	CHECK_INT(68 + 5, frames);
	key_out_pause(&o, 'w');
	for (frames = 0; key_out_frame(&o, 0, 8000, &s) == KEY_FRAME_PAUSE; frames++)
		;
	CHECK_INT(25, frames);
	key_out_pause(&o, 'W');
	for (frames = 0; key_out_frame(&o, 0, 8000, &s) == KEY_FRAME_PAUSE; frames++)
		;
	CHECK_INT(50, frames);
	key_out_release(&o); /* of nothing */
	CHECK_INT(KEY_FRAME_IDLE, key_out_frame(&o, 0, 8000, &s));
}

static void texts_are_keys_and_pauses(void **state)
{
	static const char *const good[] = { "1", "0123456789*#ABCDwW", "ww" }, *const bad[] = { "", "a", "1 2", "1,2",
												"x" };
	char text[KEYS_MAX_TEXT + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(key_text_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!key_text_ok(bad[i]));
	memset(text, '1', sizeof(text));
	text[KEYS_MAX_TEXT + 1] = '\0';
	CHECK(!key_text_ok(text));
	text[KEYS_MAX_TEXT] = '\0';
	CHECK(key_text_ok(text));
}

/* --- tones --- */

static void make_tone(int16_t *out, size_t n, uint32_t rate_hz, char key)
{
	uint16_t low, high;

	key_tones(key, &low, &high);
	for (size_t i = 0; i < n; i++)
		out[i] = (int16_t)lrint(3250 * (sin(2 * M_PI * low * (double)i / rate_hz) +
						sin(2 * M_PI * high * (double)i / rate_hz)));
}

static void tones_are_heard(void **state)
{
	static const uint32_t rates[] = { 8000, 16000 };
	static const char all[] = "0123456789*#ABCD";

	for (size_t r = 0; r < ARRAY_LEN(rates); r++) {
		size_t frame = rates[r] / 50;
		struct key_detector *d = NULL;
		char got[64];
		size_t n = 0;

		CHECK_INT(0, key_detector_new(&d, rates[r]));
		for (const char *k = all; *k; k++) {
			int16_t audio[320 * 8] = { 0 };

			make_tone(audio, frame * 4, rates[r], *k); /* 80 ms, then as much silence */
			for (unsigned f = 0; f < 8; f++) {
				char keys[8];
				size_t found = key_detector_run(d, audio + f * frame, frame, keys);

				for (size_t i = 0; i < found && n < sizeof(got) - 1; i++)
					got[n++] = keys[i];
			}
		}
		got[n] = '\0';
		CHECK_STR(all, got);
		key_detector_free(&d);
	}
}

/* --- SIP INFO --- */

static void bodies_of_info(void **state)
{
	static const struct {
		const char *type, *body;
		int want;
		char key;
	} rows[] = {
		{ "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 0, '5' },
		{ "application/DTMF-Relay", "Signal= #\r\nDuration= 250", 0, '#' },
		{ "application/dtmf-relay", "Duration=100\nsignal = a", 0, 'A' },
		{ "application/dtmf-relay", "Signal=10\r\n", 0, '*' },
		{ "application/dtmf-relay", "Signal=11\r\n", 0, '#' },
		{ "application/dtmf-relay", "Signal=16\r\n", 0, '\0' },
		{ "application/dtmf-relay", "Signal=\r\n", 400, '\0' },
		{ "application/dtmf-relay", "Signal", 400, '\0' },
		{ "application/dtmf-relay", "5", 400, '\0' },
		{ "application/dtmf", "5", 0, '5' },
		{ "application/dtmf", " * \r\n", 0, '*' },
		{ "application/dtmf", "Signal=3\r\nDuration=100", 0, '3' },
		{ "application/dtmf", "flash", 0, '\0' },
		{ "application/dtmf", " \r\n", 400, '\0' },
		{ "application/media_control+xml", "<x/>", 415, '\0' },
		{ "", "5", 415, '\0' },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char key = '\0';

		CHECK_INT(rows[i].want, info_key(str_of(rows[i].type), str_of(rows[i].body), &key));
		CHECK_INT(rows[i].key, key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_press_is_told_once),
		TEST(short_packets_are_no_keys),
		TEST(what_we_send_is_one_press),
		TEST(a_key_that_nobody_lets_go_ends),
		TEST(texts_are_keys_and_pauses),
		TEST(tones_are_heard),
		TEST(bodies_of_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
