#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/str.h"

static const struct str absent = { NULL, 0 };

static void slices_compare(void **state)
{
	static const struct {
		const char *a, *b;
		bool same, same_folded, starts, starts_folded;
	} rows[] = {
		{ "", "", true, true, true, true },         { "Via", "Via", true, true, true, true },
		{ "Via", "VIA", false, true, false, true }, { "Via", "V", false, false, true, true },
		{ "Via", "v", false, false, false, true },  { "Via", "", false, false, true, true },
		{ "V", "Via", false, false, false, false }, { "[", "{", false, false, false, false },
		{ "@", "`", false, false, false, false },   { "\xc4", "\xe4", false, false, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str a = str_of(rows[i].a), b = str_of(rows[i].b);

		CHECK(str_eq(a, b) == rows[i].same);
		CHECK(str_is(a, rows[i].b) == rows[i].same);
		CHECK(str_ieq(a, b) == rows[i].same_folded);
		CHECK(str_iis(a, rows[i].b) == rows[i].same_folded);
		CHECK(str_starts(a, rows[i].b) == rows[i].starts);
		CHECK(str_istarts(a, rows[i].b) == rows[i].starts_folded);
	}
	CHECK(!str_of(NULL).p);
	CHECK(str_is(absent, ""));
	CHECK(str_ieq(absent, STR("")));
	CHECK_INT(3, STR("Via").n);
}

static void slices_are_cut(void **state)
{
	static const struct {
		const char *in, *want;
	} trims[] = {
		{ "", "" }, { " ", "" }, { " \t\r\n", "" }, { "a", "a" }, { " a b\r\n", "a b" }, { "\ta", "a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(trims); i++)
		CHECK(str_is(str_trim(str_of(trims[i].in)), trims[i].want));
	CHECK(!str_trim(absent).p);
	CHECK(str_is(str_from(STR("abc"), 1), "bc"));
	CHECK(str_from(STR("abc"), 9).n == 0 && str_from(STR("abc"), 9).p);
	CHECK(!str_from(absent, 1).p);
	CHECK(str_is(str_head(STR("abc"), 2), "ab"));
	CHECK(str_is(str_head(STR("abc"), 9), "abc"));
	CHECK_INT(0, str_head(absent, 9).n);
	CHECK_INT(1, str_chr(STR("a:b:c"), ':'));
	CHECK_INT(-1, str_chr(STR("abc"), ':'));
	CHECK_INT(-1, str_chr(absent, ':'));
}

static void split_gives_every_part_once(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "a,b,c", "<a><b><c>" }, { "", "<>" },      { ",", "<><>" },
		{ "a", "<a>" },           { "a,", "<a><>" }, { ",,b", "<><><b>" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str rest = str_of(rows[i].in), part = absent;
		struct buf got = { 0 };

		while (str_split(&rest, ',', &part))
			buf_printf(&got, "<%.*s>", STR_ARG(part));
		CHECK(!rest.p);
		CHECK_STR(rows[i].want, got.data);
		buf_free(&got);
	}
}

static void numbers_are_digits_and_fit(void **state)
{
	static const struct {
		const char *in;
		int err32, err64;
		uint64_t want;
	} rows[] = {
		{ "0", 0, 0, 0 },
		{ "007", 0, 0, 7 },
		{ "4294967295", 0, 0, UINT32_MAX },
		{ "4294967296", EINVAL, 0, 4294967296 },
		{ "18446744073709551615", EINVAL, 0, UINT64_MAX },
		{ "18446744073709551616", EINVAL, EINVAL, 0 },
		{ "99999999999999999999999", EINVAL, EINVAL, 0 },
		{ "", EINVAL, EINVAL, 0 },
		{ "-1", EINVAL, EINVAL, 0 },
		{ "+1", EINVAL, EINVAL, 0 },
		{ " 1", EINVAL, EINVAL, 0 },
		{ "1 ", EINVAL, EINVAL, 0 },
		{ "0x1", EINVAL, EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v64 = 77;
		uint32_t v32 = 77;

		CHECK_INT(rows[i].err32, str_u32(str_of(rows[i].in), &v32));
		CHECK_INT(rows[i].err64, str_u64(str_of(rows[i].in), &v64));
		CHECK_INT(rows[i].err32 ? 77 : rows[i].want, v32);
		CHECK(v64 == (rows[i].err64 ? 77 : rows[i].want));
	}
	CHECK_INT(EINVAL, str_u32(absent, &(uint32_t){ 0 }));
}

static void copies_end_with_a_nul(void **state)
{
	struct arena *a = NULL, *small = NULL;
	char fixed[4] = "xxx", *heap;

	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, arena_new(&small, 0, 16));
	CHECK_STR("ab", str_dup(a, str_head(STR("abc"), 2)));
	CHECK_STR("", str_dup(a, STR("")));
	CHECK(!str_dup(a, absent));
	CHECK(!str_dup(small, STR("more than sixteen bytes")));
	heap = str_heap(str_head(STR("abc"), 2));
	CHECK_STR("ab", heap);
	free(heap);
	CHECK(!str_heap(absent));
	str_copy(fixed, sizeof(fixed), STR("abcdef"));
	CHECK_STR("abc", fixed);
	str_copy(fixed, 1, STR("abcdef"));
	CHECK_STR("", fixed);
	str_copy(fixed, sizeof(fixed), absent);
	CHECK_STR("", fixed);
	str_copy(fixed, 0, STR("abc"));
	arena_free(&a);
	arena_free(&small);
}

static void percent_is_decoded(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },         { "abc", "abc" }, { "%41%62", "Ab" },       { "a%20b", "a b" },
		{ "%", "%" },       { "%4", "%4" },   { "%4g", "%4g" },         { "%%41", "%A" },
		{ "%2541", "%41" }, { "a+b", "a+b" }, { "%c3%A4", "\xc3\xa4" }, { "%+1", "%+1" },
	};
	struct arena *a = NULL;

	arena_new(&a, 0, 4096);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(rows[i].want, str_percent_decode(a, str_of(rows[i].in)).p);
	CHECK_INT(1, str_percent_decode(a, STR("%00")).n);
	CHECK(!str_percent_decode(a, absent).p);
	while (arena_alloc(a, 16)) {
	}
	CHECK(!str_percent_decode(a, STR("x")).p);
	arena_free(&a);
}

static void uuids_have_their_form(void **state)
{
	char out[37];

	str_uuid(out, 0, 0);
	CHECK_STR("00000000-0000-4000-8000-000000000000", out);
	str_uuid(out, UINT64_MAX, UINT64_MAX);
	CHECK_STR("ffffffff-ffff-4fff-bfff-ffffffffffff", out);
	str_uuid(out, 0x0123456789abcdefULL, 0x0123456789abcdefULL);
	CHECK_STR("01234567-89ab-4def-8123-456789abcdef", out);
}

static void the_nearest_name_is_a_slip_of_the_pen(void **state)
{
	static const char *const names[] = { "connect", NULL, "play", "prompt", "record", "record_call", "to", "if" };
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "conect", "connect" },
		{ "CONNECT", "connect" },
		{ "connnect", "connect" },
		{ "conncet", "connect" },
		{ "pley", "play" },
		{ "plaz", "play" },
		{ "plya", "play" },
		{ "ot", "to" },
		{ "pizza", NULL },
		{ "recrod_call", "record_call" },
		{ "recorder", "record" },
		{ "tu", "to" },
		{ "zzzzzz", NULL },
		{ "promt", "prompt" },
		{ "a_text_of_more_than_sixty-three_bytes_is_never_near_to_anything_at_all", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = str_nearest(str_of(rows[i].in), names, ARRAY_LEN(names));

		CHECK_STR(rows[i].want ? rows[i].want : "-", got ? got : "-");
	}
	CHECK_INT(3, str_distance(STR("kitten"), STR("sitting")));
	CHECK_INT(1, str_distance(STR("abcd"), STR("aCBd")));
	CHECK_INT(3, str_distance(STR("ca"), STR("abc"))); /* what was swapped stays together */
	CHECK_INT(2, str_distance(STR("badc"), STR("abcd")));
	CHECK_INT(0, str_distance(STR("Kitten"), STR("kITTEN")));
	CHECK_INT(6, str_distance(STR("kitten"), STR("")));
	CHECK_INT(2, str_distance(absent, STR("ab")));
}

static void a_buffer_grows_and_keeps_its_nul(void **state)
{
	struct buf b = { 0 };
	char *stolen;

	CHECK(buf_view(&b).p && buf_view(&b).n == 0);
	for (int i = 0; i < 1000; i++) {
		buf_u32(&b, (uint32_t)i);
		buf_char(&b, ',');
		CHECK(b.data[b.len] == '\0');
	}
	CHECK_INT(3890, b.len);
	CHECK(str_starts(buf_view(&b), "0,1,2,3,"));
	buf_reset(&b);
	CHECK_STR("", b.data);
	buf_u32(&b, UINT32_MAX);
	buf_str(&b, absent);
	buf_cstr(&b, "");
	buf_str(&b, STR("!"));
	buf_printf(&b, "%s %d", "x", 5);
	CHECK_STR("4294967295!x 5", b.data);
	buf_printf(&b, "%5000s", "end");
	CHECK_INT(5014, b.len);
	CHECK(!b.failed);
	stolen = buf_steal(&b);
	CHECK_INT(5014, strlen(stolen));
	free(stolen);
	CHECK(!b.data && !b.len);
	stolen = buf_steal(&b);
	CHECK_STR("", stolen);
	free(stolen);
	buf_free(&b);
}

static void a_buffer_stops_at_its_limit(void **state)
{
	struct buf b;

	buf_init(&b, 10);
	buf_cstr(&b, "0123456789");
	CHECK(!b.failed);
	buf_char(&b, 'x');
	CHECK(b.failed);
	CHECK_STR("0123456789", b.data);
	buf_reset(&b);
	CHECK(!b.failed);
	buf_cstr(&b, "01234567");
	buf_printf(&b, "%s", "abcdef");
	CHECK(b.failed);
	CHECK_STR("01234567ab", b.data);
	buf_reset(&b);
	buf_cstr(&b, "0123456789abcdef");
	CHECK_STR("0123456789", b.data);
	buf_cstr(&b, ""); /* what failed stays a prefix */
	buf_printf(&b, "%s", "");
	CHECK_STR("0123456789", b.data);
	CHECK(!buf_steal(&b));
	CHECK_INT(10, b.max);
	buf_init(&b, 200);
	buf_printf(&b, "%300d", 1);
	CHECK(b.failed);
	CHECK_INT(200, b.len);
	CHECK_INT(200, strlen(b.data));
	buf_free(&b);
}

static void json_strings_are_escaped(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "\"\"" },
		{ "abc/", "\"abc/\"" },
		{ "\"\\\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xff", "\"a\xef\xbf\xbd\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80z", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"" },
		{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&b);
		buf_json(&b, str_of(rows[i].in));
		CHECK_STR(rows[i].want, b.data);
	}
	buf_reset(&b);
	buf_json(&b, (struct str){ "a\0b", 3 });
	CHECK_STR("\"a\\u0000b\"", b.data);
	buf_reset(&b);
	buf_json(&b, absent);
	CHECK_STR("\"\"", b.data);
	buf_free(&b);
}

/* Whatever the bytes: jansson, which is strict about UTF-8, must read what we print. */
/* Wherever it stands among others, a byte becomes what it becomes alone. */
static void every_byte_is_escaped_in_every_place(void **state)
{
	struct buf alone = { 0 }, among = { 0 }, want = { 0 };
	char text[20];

	for (unsigned byte = 0; byte < 256; byte++) {
		char one = (char)byte;

		buf_reset(&alone);
		buf_json(&alone, (struct str){ &one, 1 });
		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, byte % 2 ? '~' : '!', sizeof(text));
			buf_reset(&want);
			buf_printf(&want, "\"%.*s%.*s%.*s\"", (int)at, text, (int)alone.len - 2, alone.data + 1,
				   (int)(sizeof(text) - 1 - at), text);
			text[at] = one;
			buf_reset(&among);
			buf_json(&among, (struct str){ text, sizeof(text) });
			CHECK_STR(want.data, among.data);
		}
	}
	buf_free(&alone);
	buf_free(&among);
	buf_free(&want);
}

static void any_bytes_make_valid_json(void **state)
{
	uint32_t x = 12345;
	struct buf b = { 0 };

	for (int round = 0; round < 20000; round++) {
		char bytes[8];
		json_t *v;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			static const char likely[] = "\xc2\xe0\xed\xf0\xf4\x80\xbf\x9f\x90\xa0\"\\";

			x = x * 1664525 + 1013904223;
			bytes[i] = x >> 31 ? likely[(x >> 20) % (sizeof(likely) - 1)] : (char)(x >> 16);
		}
		buf_reset(&b);
		buf_json(&b, (struct str){ bytes, sizeof(bytes) });
		v = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		CHECK(json_is_string(v));
		json_decref(v);
	}
	buf_free(&b);
}

static void log_text_is_plain_ascii(void **state)
{
	struct buf b = { 0 };

	buf_escaped(&b, (struct str){ "a\0\n~\x7f\xc3 b", 8 });
	CHECK_STR("a\\x00\\x0a~\\x7f\\xc3 b", b.data);
	buf_reset(&b);
	buf_escaped(&b, absent);
	CHECK_STR("", b.data);
	buf_free(&b);
}

static void utf8_is_told_from_other_bytes(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", true },
		{ "plain\r\n", true },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", true },
		{ "gr\xfc\xdf", false },
		{ "cut \xe2\x82", false },
		{ "\xc0\xaf", false },
		{ "\xed\xa0\x80", false },
		{ "\xf4\x90\x80\x80", false },
		{ "\x80", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rows[i].good, str_is_utf8(str_of(rows[i].text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slices_compare),
		TEST(slices_are_cut),
		TEST(split_gives_every_part_once),
		TEST(numbers_are_digits_and_fit),
		TEST(copies_end_with_a_nul),
		TEST(percent_is_decoded),
		TEST(uuids_have_their_form),
		TEST(the_nearest_name_is_a_slip_of_the_pen),
		TEST(a_buffer_grows_and_keeps_its_nul),
		TEST(a_buffer_stops_at_its_limit),
		TEST(json_strings_are_escaped),
		TEST(every_byte_is_escaped_in_every_place),
		TEST(any_bytes_make_valid_json),
		TEST(log_text_is_plain_ascii),
		TEST(utf8_is_told_from_other_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
