#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/check.h"
#include "dialect/swml.h"

/* --- issues as one line of text: "E code@2:3 W code@4:5" --- */

static void add_issue(void *arg, const struct swml_issue *i)
{
	struct buf *b = arg;

	buf_printf(b, "%s%c %s@%u:%u", b->len ? " " : "", i->error ? 'E' : 'W', i->code, i->line, i->col);
}

static void check_text(struct buf *out, struct str text)
{
	struct swml_report r = { .note = add_issue, .arg = out, .checking = true };
	struct swml_check c = { .country = "1" };
	struct doc_error err = { 0 };
	struct arena *a = NULL;
	struct doc *root = NULL;

	buf_reset(out);
	CHECK_INT(0, arena_new(&a, 0, 0));
	if (doc_parse(a, &root, text, DOC_GUESS, NULL, &err))
		buf_printf(out, "unreadable: %s", err.message);
	else
		swml_check(root, &r, &c);
	arena_free(&a);
}

static void every_fault_has_its_code_and_place(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{sections: {main: [hangup]}}", "" },
		{ "{version: 1.0.0, sections: {main: hangup}}", "E element_wrong_type@1:35" },
		{ "{sections: {main: {hangup: {}}}}", "" },
		{ "[]", "E parse_error@1:1" },
		{ "just words", "E parse_error@1:1" },
		{ "{version: 1, sections: {main: [hangup]}}", "E version_invalid@1:11" },
		{ "{version: 2.0.0, sections: {}}", "E version_invalid@1:11 E main_section_missing@1:28" },
		{ "{version: null, sections: {main: [hangup]}}", "" },
		{ "{a: 1}", "E sections_missing@1:1" },
		{ "{sections: null}", "E sections_missing@1:1" },
		{ "{sections: [1]}", "E element_wrong_type@1:12" },
		{ "{sections: {other: [hangup]}}", "E main_section_missing@1:12" },
		{ "{sections: {main: []}}", "E section_code_missing@1:19" },
		{ "{sections: {main: [hangup], b: null}}", "E section_code_missing@1:32" },
		{ "{sections: {main: [hangup]}, extra: 1}", "W element_undefined@1:30" },
		{ "{sections: {main: [{}, '', null, 5, [x]]}}",
		  "E method_missing_name@1:20 E method_missing_name@1:24 E method_missing_name@1:28 "
		  "E element_wrong_type@1:34 E element_wrong_type@1:37" },
		{ "{sections: {main: [{answer: {}, hangup: {}}]}}", "E element_invalid_value@1:20" },
		{ "{sections: {main: [hagnup]}}", "E method_undefined@1:20" },
		/* what stands in a document inside is a warning at its text: the outer one goes on */
		{ "{sections: {main: [execute: '{\"sections\":{\"main\":[\"hagnup\"]}}']}}",
		  "W method_undefined@1:29" },
		{ "{sections: {main: [transfer: '{\"sections\":{}}']}}", "W main_section_missing@1:30" },
		{ "{sections: {main: [execute: '{\"sections\":{\"main\":[{\"execute\":\"b\"}],\"b\":[\"hangup\"]}}']}}",
		  "" },
		{ "{sections: {main: [pay: 'https://h/pay']}}", "W not_in_this_version@1:20" },
		{ "{sections: {main: [reply: {body: hi}]}}", "E method_undefined@1:20" },
		/* parameters */
		{ "{sections: {main: [hangup: busy]}}", "" },
		{ "{sections: {main: [hangup: bussy]}}", "E method_parameter_invalid_value@1:28" },
		{ "{sections: {main: [hangup: {reson: busy}]}}", "W method_parameter_undefined@1:29" },
		{ "{sections: {main: [hangup: [busy]]}}", "E method_parameter_invalid_value@1:28" },
		{ "{sections: {main: [answer: {max_duration: 0}]}}", "E method_parameter_invalid_value@1:43" },
		{ "{sections: {main: [answer: 60]}}", "" },
		{ "{sections: {main: [play: 'say:hi']}}", "" },
		{ "{sections: {main: [play: ['ring:us', '${vars.x}', 'silence: 1.5']]}}", "" },
		{ "{sections: {main: [play: {urls: ['https://h/a.wav', 'ring:3:uk'], volume: -12.5}]}}", "" },
		{ "{sections: {main: [play: {url: 'ring:us', volume: '${v}', auto_answer: false}]}}", "" },
		{ "{sections: {main: [{prompt: {play: ['ring:us', 'silence:1'], max_digits: 4, digit_timeout: 2.5}}]}}",
		  "" },
		{ "{sections: {main: [prompt: {play: hello.wav}]}}", "W method_parameter_invalid_value@1:35" },
		{ "{sections: {main: [prompt: {max_digits: 2}]}}", "E method_parameter_missing@1:28" },
		{ "{sections: {main: [prompt: {play: 'ring:us', initial_timeout: -1}]}}",
		  "E method_parameter_invalid_value@1:63" },
		{ "{sections: {main: [send_digits: '1w2#']}}", "" },
		{ "{sections: {main: [send_digits: '${vars.x}']}}", "" },
		{ "{sections: {main: [send_digits: 1x2]}}", "E method_parameter_invalid_value@1:33" },
		{ "{sections: {main: [send_digits: {}]}}", "E method_parameter_missing@1:33" },
		{ "{sections: {main: [play: hello.wav]}}", "W method_parameter_invalid_value@1:26" },
		{ "{sections: {main: [play: ['ring:us', 'ring:xx', {a: b}]]}}",
		  "W method_parameter_invalid_value@1:38 W method_parameter_invalid_value@1:49" },
		{ "{sections: {main: [play: {volume: 3}]}}", "E method_parameter_missing@1:26" },
		{ "{sections: {main: [play]}}", "E method_parameter_missing@1:20" },
		{ "{sections: {main: [play: {url: 'ring:us', urls: ['ring:us']}]}}",
		  "E method_parameter_invalid_value@1:49" },
		{ "{sections: {main: [play: []]}}", "E method_parameter_invalid_value@1:26" },
		{ "{sections: {main: [play: {url: 'ring:us', volume: 40.5}]}}",
		  "E method_parameter_invalid_value@1:51" },
		{ "{sections: {main: [play: {url: 'ring:us', volume: loud}]}}",
		  "E method_parameter_invalid_value@1:51" },
		{ "{sections: {main: [answer: sixty]}}", "E method_parameter_invalid_value@1:28" },
		{ "{sections: {main: [answer: '${vars.max}']}}", "" },
		{ "{sections: {main: [answer: {username: u, password: p}]}}", "" },
		{ "{sections: {main: [answer: {max_duration: null}]}}", "" },
		{ "{sections: {main: [{sleep: 100}, {sleep: {duration: -1}}, sleep: '5']}}", "" },
		{ "{sections: {main: [{sleep: 0}, {sleep: -2}, {sleep: 1.5}, sleep]}}",
		  "E method_parameter_invalid_value@1:28 E method_parameter_invalid_value@1:40 "
		  "E method_parameter_invalid_value@1:53 E method_parameter_missing@1:59" },
		/* going elsewhere */
		{ "{sections: {main: [execute: b], b: [return: 1]}}", "" },
		{ "{sections: {main: [execute: b]}}", "W section_parameter_undefined@1:29" },
		{ "{sections: {main: [transfer: b]}}", "W section_parameter_undefined@1:30" },
		{ "{sections: {main: [execute: {}]}}", "E method_parameter_missing@1:29" },
		{ "{sections: {main: [execute: 'https://u:p@x.test/a#rt=1']}}", "" },
		{ "{sections: {main: [transfer: 'http://a b']}}", "W parse_error@1:30" },
		{ "{sections: {main: [record: {format: mp4}]}}", "W not_in_this_version@1:37" },
		{ "{sections: {main: [record: {format: ogg}]}}", "E method_parameter_invalid_value@1:37" },
		{ "{sections: {main: [record_call: {initial_timeout: 1.5, max_length: '${x}'}]}}", "" },
		{ "{sections: {main: [record_call: {input_sensitivity: -1}]}}",
		  "E method_parameter_invalid_value@1:53" },
		{ "{sections: {main: [stop_record_call: a, stop_record_call]}}", "" },
		{ "{sections: {main: [transfer: 'relay:app']}}", "W not_in_this_version@1:30" },
		{ "{sections: {main: [execute: '{\"sections\":{}}']}}", "W main_section_missing@1:29" },
		{ "{sections: {main: [execute: '{\"sections\":']}}", "W parse_error@1:29" },
		{ "{sections: {main: [execute: '${vars.where}']}}", "" },
		{ "{sections: {main: [{transfer: [{dest: b}, {params: [{x: y}]}]}], b: [hangup]}}", "" },
		{ "{sections: {main: [execute: {dest: b, on_return: [huh]}], b: [hangup]}}",
		  "E method_undefined@1:51" },
		{ "{sections: {main: [execute: {dest: b, on_return: hangup}], b: [hangup]}}", "" },
		{ "{sections: {main: [{label: a}, {goto: a}]}}", "" },
		{ "{sections: {main: [{label: {label: a}}, {goto: {label: a, max: 3, when: x > 1}}]}}", "" },
		{ "{sections: {main: [{goto: {label: a}}]}}", "E method_parameter_invalid_value@1:35" },
		{ "{sections: {main: [{label: a}, {goto: {label: a, max: 101}}]}}",
		  "E method_parameter_invalid_value@1:55" },
		{ "{sections: {main: [{label: a}, {goto: {label: a, when: x >}}]}}", "W js_eval_error@1:56" },
		/* choices */
		{ "{sections: {main: [switch: {variable: x, case: {'1': [hangup], b: [nope]}}]}}",
		  "E method_undefined@1:68" },
		{ "{sections: {main: [switch: {case: {}}]}}", "E method_parameter_missing@1:28" },
		{ "{sections: {main: [switch: {variable: x, case: [1]}]}}", "E method_parameter_invalid_value@1:48" },
		{ "{sections: {main: [cond: [{when: x, then: [hangup]}, {else: [hangup]}]]}}", "" },
		{ "{sections: {main: [cond: [{when: x, then: [hangup], else: [hangup]}]]}}", "" },
		{ "{sections: {main: [cond: [{when: x}, {}, {else: []}, {else: []}]]}}",
		  "E method_parameter_missing@1:27 E method_parameter_invalid_value@1:38 "
		  "E method_parameter_invalid_value@1:54" },
		{ "{sections: {main: [cond: {when: x}]}}", "E method_parameter_invalid_value@1:26" },
		{ "{sections: {main: [cond: [{when: f(x), then: []}]]}}", "W js_eval_error@1:34" },
		/* variables */
		{ "{sections: {main: [{set: {a: 1, b: '${a}'}}, {unset: a}, {unset: [a, b]}]}}", "" },
		{ "{sections: {main: [{set: x}, unset, {unset: {a: 1}}]}}",
		  "E method_parameter_invalid_value@1:20 E method_parameter_missing@1:30 "
		  "E method_parameter_invalid_value@1:45" },
		{ "{sections: {main: [set: {a: 'x${b.c()}'}]}}", "W js_eval_error@1:29" },
		{ "{sections: {main: [{return: {a: [1]}}]}}", "" },
		/* result of a connect */
		{ "{sections: {main: [connect: {to: '+15551230001', result: {case: {connected: [hangup]}}}]}}", "" },
		{ "{sections: {main: [connect: {to: '+15551230001', result: [{else: [nope]}]}]}}",
		  "E method_undefined@1:67" },
		{ "{sections: {main: [connect: {to: '+15551230001', result: {default: []}}]}}",
		  "E method_parameter_missing@1:58" },
		{ "{sections: {main: [connect: {to: '+15551230001', result: hangup}]}}",
		  "E method_parameter_invalid_value@1:58" },
		{ "{sections: {main: [connect: '+15551230001']}}", "" },
		/* confirm: in the connect, in a destination, in a group, and inside its conditions */
		{ "{sections: {main: [connect: {to: '+1555', confirm: [play: 'say:${x}', {cond: [{when: x, then: "
		  "[hangup]}]}]}]}}",
		  "" },
		{ "{sections: {main: [connect: {to: '+1555', confirm: {hangup: bussy}}]}}",
		  "E method_parameter_invalid_value@1:61" },
		{ "{sections: {main: [connect: {to: '+1555', confirm: [sleep: 5]}]}}", "E method_execute_failed@1:53" },
		{ "{sections: {main: [connect: {serial: [{to: '+1555', confirm: [answer]}]}]}}",
		  "E method_execute_failed@1:63" },
		{ "{sections: {main: [connect: {serial_parallel: [[{to: '+1555', confirm: [huh]}]]}]}}",
		  "E method_undefined@1:73" },
		{ "{sections: {main: [connect: {to: '+1555', confirm: [cond: [{else: [connect: x]}]]}]}}",
		  "E method_execute_failed@1:68" },
		{ "{sections: {main: [connect: {to: '+1555', confirm: [send_sms: x]}]}}",
		  "W not_in_this_version@1:53 E method_parameter_missing@1:63" },
		{ "{sections: {main: [connect: {to: '+1555', confirm: [hangup], result: [{else: [connect: "
		  "'+1556']}]}]}}",
		  "" },
		/* where the call goes behind the bridge */
		{ "{sections: {main: [connect: {to: '+1555', transfer_after_bridge: '{\"sections\":'}]}}",
		  "W parse_error@1:66" },
		{ "{sections: {main: [connect: {to: '+1555', transfer_after_bridge: '{\"a\":\"${b}\"}'}]}}",
		  "W sections_missing@1:66" },
		{ "{sections: {main: [connect: {to: '+1555', transfer_after_bridge: '${url}'}]}}", "" },
	};
	struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got;

		check_text(&out, str_of(rows[i].text));
		got = out.len ? out.data : "";
		if (strcmp(rows[i].want, got))
			fprintf(stderr, "%s\n", rows[i].text);
		CHECK_STR(rows[i].want, got);
	}
	buf_free(&out);
}

static void last_text(void *arg, const struct swml_issue *i)
{
	buf_reset(arg);
	buf_cstr(arg, i->text);
}

static void slips_of_the_pen_are_guessed(void **state)
{
	static const struct {
		const char *step, *want;
	} rows[] = {
		{ "[hagnup]", "there is no method \"hagnup\", did you mean \"hangup\"?" },
		{ "[fly_away]", "there is no method \"fly_away\"" },
		{ "[connect: {to: '+1555', timout: 3}]",
		  "there is no parameter \"timout\", did you mean \"timeout\"?" },
	};
	struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct swml_report r = { .note = last_text, .arg = &out, .checking = true };
		struct swml_check c = { .country = "1" };
		struct doc_error err;
		struct arena *a = NULL;
		struct doc *root = NULL;
		struct buf text = { 0 };

		buf_printf(&text, "{sections: {main: %s}}", rows[i].step);
		CHECK_INT(0, arena_new(&a, 0, 0));
		CHECK_INT(0, doc_parse(a, &root, buf_view(&text), DOC_YAML, NULL, &err));
		swml_check(root, &r, &c);
		CHECK_STR(rows[i].want, out.data);
		arena_free(&a);
		buf_free(&text);
	}
	buf_free(&out);
}

static void all_methods_are_known(void **state)
{
	static const char *const names[] = {
		"ai",
		"ai_sidecar",
		"amazon_bedrock",
		"answer",
		"cond",
		"connect",
		"denoise",
		"detect_machine",
		"enter_queue",
		"execute",
		"goto",
		"hangup",
		"join_conference",
		"join_room",
		"label",
		"live_transcribe",
		"live_translate",
		"pay",
		"play",
		"prompt",
		"receive_fax",
		"record",
		"record_call",
		"request",
		"return",
		"send_digits",
		"send_fax",
		"send_sms",
		"set",
		"sip_refer",
		"sleep",
		"stop_denoise",
		"stop_record_call",
		"stop_stream",
		"stop_tap",
		"stream",
		"switch",
		"tap",
		"transcribe",
		"transcribe_stop",
		"transfer",
		"unset",
		"user_event",
	};
	size_t later = 0;

	CHECK_INT(43, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct swml_method *m = swml_method(str_of(names[i]));

		CHECK(m);
		later += m && m->verb == SWML_LATER;
		if (m && m->params && m->first)
			CHECK(swml_param(m->params, str_of(m->first)));
	}
	CHECK_INT(14, later);
	CHECK(!swml_method(STR("Answer")));
	CHECK(!swml_method(STR("reply")));
}

/* --- the corpus --- */

static const char *corpus(void)
{
	const char *dir = getenv("CROSSPOINT_CORPUS");

	return dir ? dir : "../shared/corpus";
}

static bool load(struct buf *out, const char *path)
{
	FILE *f = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	buf_reset(out);
	if (!f)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(out, chunk, n);
	fclose(f);
	return true;
}

static bool absent(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/INDEX.md", corpus());
	if (!access(path, R_OK))
		return false;
	fprintf(stderr, "skipped: corpus absent\n");
	return true;
}

/* Does the list of issues hold an error other than code? */
static bool other_error(const char *issues, const char *code)
{
	for (const char *e = strstr(issues, "E "); e; e = strstr(e + 1, "E "))
		if (strncmp(e + 2, code, strlen(code)) != 0)
			return true;
	return false;
}

static void published_documents_get_a_sane_verdict(void **state)
{
	char path[512];
	struct buf text = { 0 }, out = { 0 };
	struct dirent *e;
	size_t files = 0;
	DIR *dir;

	if (absent())
		return;
	snprintf(path, sizeof(path), "%s/swml", corpus());
	dir = opendir(path);
	CHECK(dir);
	while (dir && (e = readdir(dir))) {
		bool messaging = !strncmp(e->d_name, "messaging-", 10);

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/swml/%s", corpus(), e->d_name);
		CHECK(load(&text, path));
		files++;
		check_text(&out, buf_view(&text));
		if (!out.len)
			continue;
		/* Messaging documents have methods of their own, and those of this table which come later. */
		if (messaging && strstr(out.data, "method_undefined"))
			continue;
		if (!strncmp(out.data, "unreadable", 10) || other_error(out.data, "not_in_this_version")) {
			fprintf(stderr, "%s: %s\n", e->d_name, out.data);
			CHECK(false);
		}
	}
	CHECK(files > 200);
	if (dir)
		closedir(dir);
	buf_free(&text);
	buf_free(&out);
}

static void documents_of_this_version_have_no_error(void **state)
{
	static const char *const names[] = {
		"answer-01.json",
		"answer-01.yaml",
		"answer-02.yaml",
		"connect-01.json",
		"connect-01.yaml",
		"connect-02.json",
		"connect-03.yaml",
		"connect-04.yaml",
		"connect-06.yaml",
		"connect-07.yaml",
		"connect-08.yaml",
		"connect-09.yaml",
		"connect-10.yaml",
		"deployment-03.yaml",
		"execute-03.yaml",
		"made-headers-array.yaml",
		"made-headers-object.yaml",
		"made-queue-inline-transfer.yaml",
		"made-serial-parallel.yaml",
		"return-01.yaml",
		"return-04.json",
		"return-04.yaml",
		"seed-voicemail-on-failure.json",
		"seed-voicemail-on-failure.yaml",
		"sip-byoc-02.yaml",
		"sleep-02.yaml",
		"transfer-01.yaml",
		"transfer-03.yaml",
		"expressions-03.yaml",
	};
	struct buf text = { 0 }, out = { 0 };
	char path[512];

	if (absent())
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/swml/%s", corpus(), names[i]);
		CHECK(load(&text, path));
		check_text(&out, buf_view(&text));
		if (out.len && other_error(out.data, "none")) {
			fprintf(stderr, "%s: %s\n", names[i], out.data);
			CHECK(false);
		}
	}
	buf_free(&text);
	buf_free(&out);
}

static void invalid_documents_get_their_code(void **state)
{
	static const struct {
		const char *file, *want;
	} rows[] = {
		{ "no-sections", "E sections_missing@1:1" },
		{ "no-main", "E main_section_missing@3:3" },
		{ "bad-version", "E version_invalid@1:10" },
		{ "unknown-method", "E method_undefined@3:7" },
		{ "connect-two-strategies", "E method_parameter_conflict@6:11" },
		{ "connect-no-destination", "E method_parameter_missing@4:9" },
		{ "connect-queue-without-transfer", "E method_parameter_missing@4:13" },
		{ "connect-bad-encryption", "E method_parameter_invalid_value@5:21" },
		{ "execute-unknown-section", "W section_parameter_undefined@3:16" },
		{ "empty-section", "E section_code_missing@2:9" },
		{ "step-two-methods", "E element_invalid_value@3:7" },
		{ "header-injection", "E method_parameter_invalid_value@6:16" },
	};
	struct buf text = { 0 }, out = { 0 };
	char path[512];

	if (absent())
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(path, sizeof(path), "%s/invalid/%s.yaml", corpus(), rows[i].file);
		CHECK(load(&text, path));
		check_text(&out, buf_view(&text));
		CHECK_STR(rows[i].want, out.len ? out.data : "");
	}
	buf_free(&text);
	buf_free(&out);
}

/* --- the command --- */

/* Run `check` over one file; its output in *out. */
static int command(struct buf *out, const char *file, bool plan, bool json)
{
	char *text = NULL, *files[] = { (char *)file };
	size_t n = 0;
	struct check_options o = { .plan = plan, .json = json, .out = open_memstream(&text, &n) };
	int rc = check_files(&o, files, 1);

	fclose(o.out);
	buf_reset(out);
	buf_add(out, text, n);
	free(text);
	return rc;
}

static void write_file(char path[32], const char *text)
{
	FILE *f;
	int fd;

	strcpy(path, "/tmp/test_swml.XXXXXX");
	fd = mkstemp(path);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	CHECK(f);
	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

static void the_command_sees_the_kind_of_a_file(void **state)
{
	static const struct {
		const char *text, *want; /* what the output ends with, behind the file's name */
		int rc;
	} rows[] = {
		{ "sections: {main: [hangup]}\n", "", 0 },
		{ "sections: {main: [execute: x]}\n",
		  ":1:28: warning: relay_script_section_parameter_undefined: there is no section \"x\"\n", 0 },
		{ "sections: {main: [fly]}\n",
		  ":1:19: error: relay_script_method_undefined: there is no method \"fly\"\n", 1 },
		{ "sections: {main: [pay: x]}\n",
		  ":1:19: warning: not_in_this_version: the method pay is not in this version and fails when it is "
		  "reached\n",
		  0 },
		{ "a: 1\na: 2\n", ":2:1: error: relay_script_element_duplicated: ", 1 },
		{ "a: [\n", ": error: relay_script_parse_error: ", 1 },
		{ "foo: 1\n", ":1:1: error: relay_script_sections_missing: the document has no sections\n", 1 },
		{ "\xef\xbb\xbf <Response/>\n",
		  ": error: not_in_this_version: cXML documents are not in this version\n", 1 },
		{ "routes: []\nnothing_known: 1\n", ":2:1: error: ", 1 },
	};
	struct buf out = { 0 };
	char path[32];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		write_file(path, rows[i].text);
		CHECK_INT(rows[i].rc, command(&out, path, false, false));
		if (rows[i].want[0])
			CHECK(out.len && strstr(out.data, rows[i].want));
		else
			CHECK_INT(0, out.len);
		if (out.len && !strstr(out.data, rows[i].want))
			fprintf(stderr, "%s", out.data);
		unlink(path);
	}
	CHECK_INT(1, command(&out, "/nonexistent/file.yaml", false, false));
	CHECK_STR("/nonexistent/file.yaml: error: No such file or directory\n", out.data);
	buf_free(&out);
}

static void the_command_prints_plans_and_json(void **state)
{
	struct buf out = { 0 };
	struct doc_error err;
	struct arena *a = NULL;
	struct doc *d = NULL;
	char path[32];

	write_file(path,
		   "sections: {main: [{connect: {to: 'sip:a@b;transport=udp', result: [{else: [set: {x: '${y}'}]}]}},"
		   "{connect: 'sip:${x}@b'}, {connect: {to: '+15551230001', fro: 1}}]}\n");
	CHECK_INT(0, command(&out, path, true, false));
	CHECK(strstr(out.data, ":1:19: plan:\nconnect: 1 destination"));
	CHECK(strstr(out.data, "sip:a@b;transport=udp"));
	CHECK(!strstr(out.data, "${x}")); /* not known before the run */
	CHECK_INT(0, command(&out, path, true, true));
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, doc_parse(a, &d, buf_view(&out), DOC_JSON, NULL, &err));
	CHECK_INT(1, doc_get(d, "problems")->count);
	CHECK_STR("relay_script_method_parameter_undefined", doc_get(doc_get(d, "problems")->child, "code")->text.p);
	CHECK_STR("warning", doc_get(doc_get(d, "problems")->child, "severity")->text.p);
	CHECK_INT(2, doc_get(d, "plans")->count);
	arena_free(&a);
	unlink(path);
	buf_free(&out);
}

static void wrong_usage_is_2(void **state)
{
	char *none[] = { "check", NULL }, *unknown[] = { "check", "--nonsense", "x", NULL };

	/* The usage text on stderr is part of it. */
	CHECK_INT(2, check_main(1, none));
	CHECK_INT(2, check_main(3, unknown));
}

static void the_examples_are_good(void **state)
{
	struct buf out = { 0 };
	struct dirent *e;
	size_t files = 0;
	char path[300];
	DIR *dir = opendir("examples/flows");

	CHECK(dir);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "examples/flows/%s", e->d_name);
		CHECK_INT(0, command(&out, path, false, false));
		CHECK_STR("", out.len ? out.data : "");
		files++;
	}
	CHECK(files >= 8);
	if (dir)
		closedir(dir);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_fault_has_its_code_and_place),
		TEST(slips_of_the_pen_are_guessed),
		TEST(all_methods_are_known),
		TEST(published_documents_get_a_sane_verdict),
		TEST(documents_of_this_version_have_no_error),
		TEST(invalid_documents_get_their_code),
		TEST(the_command_sees_the_kind_of_a_file),
		TEST(the_command_prints_plans_and_json),
		TEST(wrong_usage_is_2),
		TEST(the_examples_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
