/* The 49 messages of RFC 4475 against the parser and sip_msg_check(): what is wrong with each by its form
 * alone. Outcomes on the merits (404, 405, 420 …) belong to the live test. */
#include <stdlib.h>

#include "check.h"
#include "sip/sip_build.h"
#include "sip/sip_msg.h"

struct torture {
	const char *file;
	bool request;
	int status; /* 0 = well-formed; of responses: non-zero = discard */
	const char *why;
};

static const struct torture rows[] = {
	{ "wsinv", true, 0, NULL },
	{ "intmeth", true, 0, NULL },
	{ "esc01", true, 0, NULL },
	{ "escnull", true, 0, NULL },
	{ "esc02", true, 0, NULL },
	{ "lwsdisp", true, 0, NULL },
	{ "longreq", true, 0, NULL },
	{ "dblreq", true, 0, NULL },
	{ "semiuri", true, 0, NULL },
	{ "transports", true, 0, NULL },
	{ "mpart01", true, 0, NULL },
	{ "unreason", false, 0, NULL },
	{ "noreason", false, 0, NULL },
	{ "badinv01", true, 400, "Bad Via" },
	{ "clerr", true, 400, "Message Cut Short" },
	{ "ncl", true, 400, "Bad Content-Length" },
	{ "scalar02", true, 400, "Bad CSeq" },
	{ "scalarlg", false, 400, "Bad CSeq" },
	{ "quotbal", true, 400, "Bad To" },
	{ "ltgtruri", true, 400, "Bad Request-URI" },
	{ "lwsruri", true, 400, "Bad Request-URI" },
	{ "lwsstart", true, 400, "Bad Request-URI" },
	{ "trws", true, 400, "Bad Start Line" },
	{ "escruri", true, 400, "Headers in Request-URI" },
	{ "baddate", true, 0, NULL }, /* nobody here reads the Date of a request */
	{ "regbadct", true, 400, "Bad Contact" },
	{ "badaspec", true, 400, "Bad To" },
	{ "baddn", true, 400, "Bad From" },
	{ "badvers", true, 505, "Version Not Supported" },
	{ "mismatch01", true, 400, "CSeq Names Another Method" },
	{ "mismatch02", true, 400, "CSeq Names Another Method" },
	{ "bigcode", false, 400, "Bad Status" },
	{ "badbranch", true, 0, NULL }, /* the transaction layer must not match by it */
	{ "insuf", true, 400, "Missing From" },
	{ "unkscm", true, 416, "Unsupported URI Scheme" },
	{ "novelsc", true, 416, "Unsupported URI Scheme" },
	{ "unksm2", true, 0, NULL },
	{ "bext01", true, 0, NULL },
	{ "invut", true, 0, NULL },
	{ "regaut01", true, 0, NULL },
	{ "multi01", true, 400, "More Than One CSeq" },
	{ "mcl01", true, 400, "More Than One Content-Length" },
	{ "bcast", false, 400, "More Than One Via" },
	{ "zeromf", true, 0, NULL },
	{ "cparam01", true, 0, NULL },
	{ "cparam02", true, 0, NULL },
	{ "regescrt", true, 0, NULL },
	{ "sdp01", true, 0, NULL },
	{ "inv2543", true, 0, NULL },
};

static const char *corpus(void)
{
	const char *dir = getenv("CROSSPOINT_CORPUS");

	return dir ? dir : "../shared/corpus";
}

/* The file's bytes from malloc(), without slack behind them so that ASan sees every overrun. */
static char *load(const char *name, size_t *n)
{
	static char room[SIP_MAX_MESSAGE];
	char path[512], *data;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sip-torture/%s.dat", corpus(), name);
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	*n = fread(room, 1, sizeof(room), f);
	fclose(f);
	data = malloc(*n ? *n : 1);
	if (data)
		memcpy(data, room, *n);
	return data;
}

static bool absent(void)
{
	size_t n;
	char *data = load("wsinv", &n);

	free(data);
	if (!data)
		fprintf(stderr, "skipped: corpus absent\n");
	return !data;
}

/* Whatever is wrong with a request, the answer to it is well-formed as far as its own headers allow: it parses
 * again, with the Via on top. */
static void check_answer(const struct torture *row, const struct sip_msg *m, int status)
{
	static struct sip_msg answer;
	struct buf b = { 0 };
	const char *why;
	size_t used;

	sip_build_response(&b, m, status ? status : 404, STR(""), "ourtag", "127.0.0.1", 5080);
	sip_build_body(&b, NULL, STR(""));
	CHECK(!b.failed);
	if (sip_msg_parse(&answer, b.data, b.len, true, &used, &why) != SIP_PARSE_OK || used != b.len ||
	    !sip_msg_header(&answer, SIP_H_VIA, 0).n) {
		fprintf(stderr, "%s: answer does not parse\n", row->file);
		check_bad++;
	}
	if (!status && sip_msg_check(&answer, &why) && strcmp(why, "More Than One Via")) {
		fprintf(stderr, "%s: answer: %s\n", row->file, why);
		check_bad++;
	}
	buf_free(&b);
}

static void datagrams_have_the_formal_outcome(void **state)
{
	static struct sip_msg m;
	size_t seen = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows) && !absent(); i++) {
		const char *why = NULL;
		size_t n = 0, used = 0;
		char *data = load(rows[i].file, &n);
		int status;

		if (!data || sip_msg_parse(&m, data, n, false, &used, &why) != SIP_PARSE_OK) {
			fprintf(stderr, "%s: not parsed: %s\n", rows[i].file, why ? why : "no file");
			check_bad++;
			free(data);
			continue;
		}
		CHECK_INT(n, used);
		CHECK_INT(rows[i].request, m.request);
		why = NULL;
		status = sip_msg_check(&m, &why);
		if (status != rows[i].status || (why && strcmp(why, rows[i].why))) {
			fprintf(stderr, "%s: want %d %s, got %d %s\n", rows[i].file, rows[i].status,
				rows[i].why ? rows[i].why : "", status, why ? why : "");
			check_bad++;
		}
		if (m.request)
			check_answer(&rows[i], &m, status);
		free(data);
		seen++;
	}
	CHECK(seen == 0 || seen == 49);
}

/* Over a stream: those without a usable Content-Length say so, clerr waits for its body and baddn (whose file
 * ends in the headers) for its empty line, the others end where Content-Length says. A message cut anywhere asks for more and reads nothing beyond. */
static void streams_are_framed_by_content_length(void **state)
{
	static struct sip_msg m;

	for (size_t i = 0; i < ARRAY_LEN(rows) && !absent(); i++) {
		bool waits = !strcmp(rows[i].file, "clerr") || !strcmp(rows[i].file, "baddn");
		bool unframed = !strcmp(rows[i].file, "ncl") || !strcmp(rows[i].file, "mcl01") ||
				!strcmp(rows[i].file, "inv2543");
		enum sip_parse want = waits ? SIP_PARSE_MORE : SIP_PARSE_OK, got;
		const char *why = NULL;
		size_t n = 0, used = 0;
		char *data = load(rows[i].file, &n);

		got = sip_msg_parse(&m, data, n, true, &used, &why);
		if (got != want || (got == SIP_PARSE_OK && m.unframed != unframed)) {
			fprintf(stderr, "%s: stream: %d %s\n", rows[i].file, got, why ? why : "");
			check_bad++;
		}
		if (got == SIP_PARSE_OK && unframed)
			CHECK_INT(400, sip_msg_check(&m, &why));
		for (size_t cut = 1; cut < used; cut++) {
			char *part = malloc(cut);
			size_t eaten;

			memcpy(part, data, cut);
			if (sip_msg_parse(&m, part, cut, true, &eaten, &why) != SIP_PARSE_MORE) {
				fprintf(stderr, "%s: cut at %zu is taken for whole\n", rows[i].file, cut);
				check_bad++;
			}
			free(part);
		}
		free(data);
	}
}

static bool parse_file(struct sip_msg *m, const char *file, char **data)
{
	const char *why;
	size_t n, used;

	*data = load(file, &n);
	return *data && sip_msg_parse(m, *data, n, false, &used, &why) == SIP_PARSE_OK;
}

static void check_slice(const char *want, struct str got)
{
	char text[256];

	str_copy(text, sizeof(text), got);
	CHECK_STR(want, text);
}

static void wsinv_is_read_through_its_blanks(void **state)
{
	static struct sip_msg m;
	struct sip_name_addr a;
	struct sip_cseq cseq;
	struct sip_via via;
	struct str value;
	size_t pos = 0;
	char *data;

	if (absent())
		return;
	CHECK(parse_file(&m, "wsinv", &data));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_TO, 0)));
	check_slice("chair-dnrc.example.com", a.uri.host);
	check_slice("1918181833n", a.tag);
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_FROM, 0)));
	check_slice("J Rosenberg \\\\\\\"", a.name);
	check_slice("98asjd8", a.tag);
	CHECK(!sip_cseq_parse(&cseq, sip_msg_header(&m, SIP_H_CSEQ, 0)));
	CHECK_INT(9, cseq.number);
	CHECK_INT(SIP_INVITE, cseq.method);
	CHECK(sip_msg_next_value(&m, SIP_H_VIA, &pos, &value) && !sip_via_parse(&via, value));
	check_slice("390skdjuw", via.branch);
	check_slice("192.0.2.2", via.host);
	CHECK(sip_msg_next_value(&m, SIP_H_VIA, &pos, &value) && !sip_via_parse(&via, value));
	check_slice("TCP", via.transport);
	check_slice("spindle.example.com", via.host);
	check_slice("z9hG4bK9ikj8", via.branch);
	CHECK(sip_msg_next_value(&m, SIP_H_VIA, &pos, &value) && !sip_via_parse(&via, value));
	check_slice("z9hG4bK30239", via.branch);
	CHECK(!sip_msg_next_value(&m, SIP_H_VIA, &pos, &value));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_CONTACT, 0)));
	check_slice("0.33", sip_param(a.params, "q"));
	check_slice("newvalue", sip_param(a.params, "NEWPARAM"));
	CHECK(sip_param(a.params, "secondparam").p && !sip_param(a.params, "secondparam").n);
	free(data);
}

static void names_and_escapes_stay_as_written(void **state)
{
	static struct sip_msg m;
	struct sip_name_addr a;
	struct sip_uri uri;
	struct str value;
	size_t pos = 0;
	char *data;

	if (absent())
		return;
	CHECK(parse_file(&m, "escnull", &data));
	CHECK(sip_msg_next_value(&m, SIP_H_CONTACT, &pos, &value) && !sip_name_addr_parse(&a, value));
	check_slice("%00", a.uri.user);
	CHECK(sip_msg_next_value(&m, SIP_H_CONTACT, &pos, &value) && !sip_name_addr_parse(&a, value));
	check_slice("%00%00", a.uri.user);
	free(data);

	CHECK(parse_file(&m, "esc02", &data));
	CHECK_INT(SIP_OTHER, m.method);
	check_slice("RE%47IST%45R", m.method_text);
	free(data);

	CHECK(parse_file(&m, "semiuri", &data));
	CHECK(!sip_uri_parse(&uri, m.ruri));
	check_slice("user;par=u%40example.net", uri.user);
	free(data);

	CHECK(parse_file(&m, "dblreq", &data));
	CHECK_INT(0, m.body.n);
	free(data);

	CHECK(parse_file(&m, "regescrt", &data));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_CONTACT, 0)));
	check_slice("Route=%3Csip:sip.example.com%3E", a.uri.headers);
	free(data);

	CHECK(parse_file(&m, "cparam01", &data));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_CONTACT, 0)));
	CHECK(sip_param(a.params, "unknownparam").p && !sip_param(a.uri.params, "unknownparam").p);
	free(data);

	CHECK(parse_file(&m, "cparam02", &data));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_CONTACT, 0)));
	CHECK(!sip_param(a.params, "unknownparam").p && sip_param(a.uri.params, "unknownparam").p);
	free(data);

	CHECK(parse_file(&m, "intmeth", &data));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_TO, 0)));
	CHECK(a.name.n && memchr(a.name.p, '\0', a.name.n));
	CHECK(!sip_name_addr_parse(&a, sip_msg_header(&m, SIP_H_FROM, 0)));
	check_slice("token1~` token2'+_ token3*%!.-", a.name);
	check_slice("_token~1'+`*%!-.", a.tag);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(datagrams_have_the_formal_outcome),
		TEST(streams_are_framed_by_content_length),
		TEST(wsinv_is_read_through_its_blanks),
		TEST(names_and_escapes_stay_as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
