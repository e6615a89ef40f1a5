/* The methods whose parameters hold objects and lists: what check says of each fault, at any depth. */
#include "check.h"

#include "base/arena.h"
#include "dialect/swml.h"

static void add_issue(void *arg, const struct swml_issue *i)
{
	struct buf *b = arg;

	if (str_is(str_of(i->code), SWML_NOT_YET))
		return;
	buf_printf(b, "%s%c %s@%u: %s", b->len ? "; " : "", i->error ? 'E' : 'W', i->code, i->col, i->text);
}

/* A document with one step. */
static void check_step(struct buf *out, const char *step)
{
	struct swml_report r = { .note = add_issue, .arg = out, .checking = true };
	struct swml_check c = { .country = "1" };
	struct doc_error err = { 0 };
	struct buf text = { 0 };
	struct arena *a = NULL;
	struct doc *root = NULL;

	buf_reset(out);
	buf_printf(&text, "sections: {main: [{%s}]}", step);
	CHECK_INT(0, arena_new(&a, 0, 0));
	if (doc_parse(a, &root, buf_view(&text), DOC_GUESS, NULL, &err))
		buf_printf(out, "unreadable: %s", err.message);
	else
		swml_check(root, &r, &c);
	arena_free(&a);
	buf_free(&text);
}

#define MISSING "E method_parameter_missing@"
#define BAD "E method_parameter_invalid_value@"

static void faults_are_found_at_any_depth(void **state)
{
	static const struct {
		const char *step, *want;
	} rows[] = {
		/* request */
		{ "request: {url: 'https://h/', method: GET, headers: {Accept: a/b, X-A: 5}, body: {a: [1]}, timeout: "
		  "0.5}",
		  "" },
		{ "request: {url: '${u}', method: '%{m}', save_variables: '${s}'}", "" },
		{ "request: 'https://h/'", MISSING "29: the parameter \"method\" is missing" },
		{ "request: {url: 'https://h/', method: PATCH}", BAD "57: method is one of GET, POST, PUT, DELETE" },
		{ "request: {url: 'https://h/', method: GET, timeout: -1}",
		  BAD "71: timeout is a number of at least 0" },
		{ "request: {url: 'https://h/', method: GET, body: [1]}", BAD "68: body is not a list" },
		{ "request: {url: h, method: GET}",
		  "W method_parameter_invalid_value@35: url is no http or https URL" },
		{ "request: {url: 'https://h/', method: GET, headers: {Cookie: a}}",
		  "W method_parameter_invalid_value@72: the header \"Cookie\" is not sent: only Accept, Authorization, "
		  "Content-Type, Range and X-… are" },
		{ "request: {url: 'https://h/', method: GET, hedaers: {}}",
		  "W method_parameter_undefined@62: there is no parameter \"hedaers\", did you mean \"headers\"?" },
		/* one of several */
		{ "send_sms: {to_number: '1', from_number: '2'}", MISSING "30: one of these is missing: body, media" },
		{ "send_sms: {to_number: '1', from_number: '2', body: a, media: [b]}", "" },
		{ "live_transcribe: {action: {start: {lang: en, direction: [remote-caller]}, summarize: {}}}",
		  "E method_parameter_conflict@105: only one of these can be: start, summarize" },
		{ "live_transcribe: stop", "" },
		{ "live_transcribe: go", BAD "37: action is one of stop, summarize" },
		{ "live_transcribe: {action: {start: {lang: en, direction: [remote-caller, nobody], speech_timeout: "
		  "100}}}",
		  BAD "92: what is in direction is one of remote-caller, local-caller; " BAD
		      "117: speech_timeout is a whole number of at least 1500" },
		{ "live_translate: {action: {inject: {message: hi}}}",
		  MISSING "54: the parameter \"direction\" is missing" },
		{ "live_translate: {action: {start: {from_lang: a, to_lang: b, direction: [], filter_to: 'prompt:x'}}}",
		  "" },
		{ "live_translate: {action: {start: {from_lang: a, to_lang: b, direction: [], filter_to: odd}}}",
		  BAD "106: filter_to is polite, rude, professional, shakespeare, gen-z or prompt: and a text" },
		/* lists of objects */
		{ "pay: {payment_connector_url: 'https://h/', prompts: [{for: x, actions: [{type: Sing, phrase: la}]}, "
		  "5]}",
		  BAD "99: type is one of Say, Play; " BAD "120: what is in prompts is an object" },
		{ "pay: {payment_connector_url: 'https://h/', postal_code: false, charge_amount: 5.5}", "" },
		{ "pay: {payment_connector_url: 'https://h/', parameters: {a: b}}",
		  BAD "75: parameters is not an object" },
		/* rooms */
		{ "join_room: 'two words'", BAD "31: name is letters, digits, _ and -" },
		{ "join_conference: {name: c, max_participants: 1, beep: true, stream: {url: 'wss://h', codex: x}}", BAD
		  "65: max_participants is a whole number from 2 to 100000; W method_parameter_undefined@105: there is "
		  "no parameter \"codex\", did you mean \"codec\"?" },
		{ "join_conference: {name: c, result: {case: {completed: [hangup, {fly: {}}]}}}",
		  "E method_undefined@83: there is no method \"fly\"" },
		{ "enter_queue: q", MISSING "33: the parameter \"transfer_after_bridge\" is missing" },
		{ "user_event: {event: [1]}", BAD "40: event is not a list" },
		/* agents: warnings */
		{ "ai: {prompt: {text: hi}, SWAIG: {functions: [{function: f, description: d, parameters: {type: "
		  "object, "
		  "properties: {a: {type: array, items: {type: string}}}}}]}}",
		  "" },
		{ "ai: {prompt: {text: hi, pom: [{body: b}]}}",
		  "W method_parameter_conflict@49: only one of these can be: text, pom" },
		{ "ai: {prompt: {pom: []}}", "W method_parameter_invalid_value@39: pom is a list that is not empty" },
		{ "ai: {prompt: {text: hi}, params: {anything: goes, ai_volume: loud}}",
		  "W method_parameter_invalid_value@81: ai_volume is a whole number" },
		{ "ai: {prompt: {text: hi}, SWAIG: {functions: [{function: f, description: d, data_map: {output: "
		  "{action: "
		  "[{SWML: {sections: {main: [fly]}}}]}}}]}}",
		  "W method_undefined@150: there is no method \"fly\"" },
		{ "ai: {prompt: {text: '${lc:args.name}'}}", "" },
	};
	struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_step(&out, rows[i].step);
		if (strcmp(rows[i].want, out.len ? out.data : ""))
			fprintf(stderr, "%s\n", rows[i].step);
		CHECK_STR(rows[i].want, out.len ? out.data : "");
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(faults_are_found_at_any_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
