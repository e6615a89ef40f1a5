/* The method request of running scripts against a real HTTP server, and the methods that fail here. */
#include "fake_http.h"
#include "net/http_client.h"
#include "script_world.h"

struct site {
	struct world w;
	struct fake_http *server;
	struct http_client *client;
	char *text;
};

static void open_site(struct site *s, const struct fake_page *pages, bool private)
{
	static const char *const allow[] = { "127.0.0.1", NULL };
	const struct http_client_opts opts = { .allow = private ? allow : NULL, .deny_private = true };

	memset(s, 0, sizeof(*s));
	open_world(&s->w);
	s->server = fake_http_new();
	fake_http_pages(s->server, pages);
	CHECK_INT(0, http_client_new(&s->client, s->w.loop, &opts));
	fetch_use_http(s->w.fetch, s->client, "key");
}

static void close_site(struct site *s)
{
	while (loop_turn(s->w.loop))
		;
	CHECK(s->w.call.closed);
	http_client_free(&s->client);
	fetch_use_http(s->w.fetch, NULL, NULL);
	close_world(&s->w);
	fake_http_free(&s->server);
	free(s->text);
}

/* The document with the port of the server for each !. */
static void begin_at(struct site *s, const char *text)
{
	struct buf out = { 0 };

	for (const char *c = text; *c; c++)
		if (*c == '!')
			buf_printf(&out, "127.0.0.1:%u", fake_http_port(s->server));
		else
			buf_char(&out, *c);
	s->text = buf_steal(&out);
	start(&s->w, s->text);
}

static const char *run_at(struct site *s, const char *text)
{
	begin_at(s, text);
	while (!s->w.call.closed && loop_turn(s->w.loop))
		;
	return story(&s->w);
}

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Twice: a\r\nX-TWICE: b\r\n"
			   "Content-Length: 45\r\n\r\n{\"name\": \"Ann\", \"deep\": {\"list\": [1, \"two\"]}}";

#define REPLY(status, body) "HTTP/1.1 " status "\r\nContent-Length: " body

static void the_request_is_what_the_document_says(void **state)
{
	static const struct fake_page pages[] = { { "*", REPLY("200 OK", "2\r\n\r\nok"), FAKE_KEEP },
						  { .path = NULL } };
	static const struct {
		const char *text, *want, *never;
	} rows[] = {
		{ "sections: {main: [{set: {pin: 1234}}, {request: {url: 'http://!/a?b=c#d', method: POST, "
		  "body: {pin: '${pin}'}}}]}",
		  "POST /a?b=c HTTP/1.1\r\n|Content-Type: application/json\r\n|\r\n\r\n{\"pin\":1234}",
		  "X-Signalwire-Signature" },
		{ "sections: {main: [{request: {url: 'http://!/', method: PUT, body: ' [1]'}}]}",
		  "PUT / HTTP/1.1\r\n|Content-Type: application/json\r\n", NULL },
		{ "sections: {main: [{request: {url: 'http://!/', method: POST, body: '<a/>'}}]}",
		  "Content-Type: application/xml\r\n", NULL },
		{ "sections: {main: [{request: {url: 'http://!/', method: POST, body: a=b}}]}",
		  "Content-Type: application/x-www-form-urlencoded\r\n|\r\n\r\na=b", NULL },
		{ "sections: {main: [{request: {url: 'http://!/', method: DELETE}}]}", "DELETE / HTTP/1.1\r\n",
		  "Content-Type" },
		{ "sections: {main: [{request: {url: 'http://u:p%20w@!/', method: GET}}]}",
		  "GET / HTTP/1.1\r\n|Authorization: Basic dTpwIHc=\r\n", "p%20w" },
		{ "sections: {main: [{request: {url: 'http://!/', method: POST, body: x, headers: {accept: text/plain, "
		  "Authorization: Bearer t, content-type: a/b, Range: bytes=0-1, X-Mine: 5, Cookie: c=d, Host: h}}}]}",
		  "accept: text/plain\r\n|Authorization: Bearer t\r\n|content-type: a/b\r\n|Range: bytes=0-1\r\n"
		  "|X-Mine: 5\r\n",
		  "c=d" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct site s;
		const char *sent;
		struct str wants = str_of(rows[i].want), want;

		open_site(&s, pages, true);
		run_at(&s, rows[i].text);
		sent = fake_http_request(s.server, 0);
		if (!sent[0])
			fprintf(stderr, "%s: %s\n", rows[i].text, story(&s.w));
		while (str_split(&wants, '|', &want)) {
			char text[200];

			str_copy(text, sizeof(text), want);
			if (!strstr(sent, text))
				fprintf(stderr, "%s\nlacks %s\n", sent, text);
			CHECK(strstr(sent, text));
		}
		CHECK(!rows[i].never || !strstr(sent, rows[i].never));
		CHECK_INT(1, fake_http_requests(s.server));
		close_site(&s);
	}
}

static void the_answer_is_in_the_variables(void **state)
{
	static const struct fake_page pages[] = {
		{ "/good", good, FAKE_KEEP },
		{ "/404", REPLY("404 Not Found", "2\r\n\r\nno"), FAKE_KEEP },
		{ "/away", "HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ "/hang", "HTTP/1.1 200 OK\r\n", FAKE_HANG },
		{ "/flood", "HTTP/1.1 200 OK\r\n\r\n", FAKE_FLOOD },
		{ "/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP },
		{ .path = NULL },
	};
	static const struct row rows[] = {
		{ "sections: {main: [{request: {url: 'http://u:p@!/good', method: GET}}, {user_event: {event: {all: "
		  "'${request_result}|${return_value}|${request_response_code}|${request_response_headers.content-type}"
		  "|"
		  "${vars.request_response_headers.x-twice}|${request_response.name}'}}}]}",
		  "user_event {\"all\":\"success|success|200|application/json|a, b|\"}; hangup hangup" },
		{ "sections: {main: [{request: {url: 'http://!/away', method: GET, save_variables: true}}, {" SHOW(
			  "${request_response.name}.${request_response.deep.list[1]}") "}]}",
		  "connect sip:Ann.two@h; hangup busy" },
		{ "sections: {main: [{request: {url: 'http://!/404', method: GET, save_variables: true}}, {" SHOW(
			  "${request_result}.${request_response_code}.${request_response_body}") "}]}",
		  "warn method_execute_failed@1; connect sip:failed.404.no@h; hangup busy" },
		/* what the last one left is not taken for an answer */
		{ "sections: {main: [{request: {url: 'http://!/good', method: GET, save_variables: true}}, "
		  "{request: {url: 'http://!/loop', method: GET}}, {" SHOW(
			  "${request_result}.${request_response_code}.${request_response.name}.${script_error}") "}]}",
		  "warn method_execute_failed@1; connect sip:failed...relay_script_method_execute_failed@h; hangup "
		  "busy" },
		{ "sections: {main: [{request: {url: 'http://!/hang', method: GET, timeout: 0.05}}, {" SHOW(
			  "${request_result}") "}]}",
		  "warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{request: {url: 'http://!/flood', method: GET}}, {" SHOW(
			  "${request_result}") "}]}",
		  "warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{request: {url: 'http://10.1.2.3/', method: GET}}, {" SHOW(
			  "${request_url}.${request_result}") "}]}",
		  "warn method_execute_failed@1; connect sip:http://10.1.2.3/.failed@h; hangup busy" },
		{ "sections: {main: [{request: {url: 'ftp://h/', method: GET}}, {" SHOW("${request_result}") "}]}",
		  "warn method_parameter_invalid_value@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{request: {url: 'http://h/', method: GET, headers: {X-A: \"a\\nb\"}}}, {" SHOW(
			  "${request_result}") "}]}",
		  "warn method_parameter_invalid_value@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{request: {url: 'http://h/', method: PATCH}}, hangup]}",
		  "warn method_parameter_invalid_value@1; hangup hangup" },
		{ "sections: {main: [{request: {url: 'http://h/'}}, answer]}",
		  "warn method_parameter_missing@1; hangup error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct site s;

		open_site(&s, pages, true);
		CHECK_STR(rows[i].want, run_at(&s, rows[i].text));
		close_site(&s);
	}
}

/* 64 headers and 64 KiB of the body are kept; the cut is at the end of a character. */
static void much_is_cut(void **state)
{
	enum { BODY = 70000, HEADERS = 100 };
	struct fake_page pages[] = { { "*", NULL, FAKE_CLOSE }, { .path = NULL } };
	struct buf reply = { 0 };
	struct site s;

	buf_cstr(&reply, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < HEADERS; i++)
		buf_printf(&reply, "X-%d: %d\r\n", i, i);
	buf_printf(&reply, "Content-Length: %d\r\n\r\nx", BODY);
	for (int i = 0; i < (BODY - 2) / 2; i++)
		buf_cstr(&reply, "\xc3\xa4");
	buf_char(&reply, 'y');
	pages[0].reply = reply.data;
	open_site(&s, pages, true);
	CHECK_STR("warn method_execute_failed@1; connect sip:63.@h; hangup busy",
		  run_at(&s,
			 "sections: {main: [{request: {url: 'http://!/', method: GET, save_variables: true}}, {" SHOW(
				 "${request_response_headers.x-63}.${request_response_headers.x-64}") "}]}"));
	close_site(&s);

	open_site(&s, pages, true); /* the body is sent back to us, so that its length can be seen */
	run_at(&s, "sections: {main: [{request: {url: 'http://!/', method: GET}}, "
		   "{request: {url: 'http://!/', method: POST, body: '${request_response_body}'}}]}");
	CHECK(strstr(fake_http_request(s.server, 1), "Content-Length: 65535\r\n"));
	close_site(&s);
	buf_free(&reply);
}

static void nobody_waits_behind_the_end_of_the_call(void **state)
{
	static const struct fake_page pages[] = { { "*", "HTTP/1.1 200 OK\r\n", FAKE_HANG }, { .path = NULL } };
	struct site s;

	open_site(&s, pages, true);
	begin_at(&s, "sections: {main: [{request: {url: 'http://!/', method: GET}}, answer]}");
	while (!fake_http_requests(s.server) && loop_turn(s.w.loop))
		;
	CHECK_INT(1, fake_http_requests(s.server));
	begin_end(&s.w.call);
	close_site(&s); /* checks that nothing holds the loop */

	open_site(&s, pages, true); /* another document takes over */
	begin_at(&s, "sections: {main: [{request: {url: 'http://!/', method: GET}}, answer]}");
	while (!fake_http_requests(s.server) && loop_turn(s.w.loop))
		;
	CHECK_INT(0, script_replace(&s.w.call, &s.w.env,
				    &(struct script_start){
					    .location = "{\"sections\":{\"main\":[{\"hangup\":\"busy\"}]}}" }));
	while (!s.w.call.closed && loop_turn(s.w.loop))
		;
	CHECK_STR("hangup busy", story(&s.w));
	close_site(&s);
}

static void targets_are_judged(void **state)
{
	static const struct fake_page pages[] = { { "*", REPLY("200 OK", "2\r\n\r\nok"), FAKE_KEEP },
						  { .path = NULL } };
	struct site s;
	struct world w;

	open_site(&s, pages, false);
	CHECK_STR("warn method_execute_failed@1; connect sip:failed@h; hangup busy",
		  run_at(&s, "sections: {main: [{request: {url: 'http://!/', method: GET}}, {" SHOW(
				     "${request_result}") "}]}"));
	CHECK_INT(0, fake_http_requests(s.server));
	close_site(&s);

	open_world(&w); /* a server without any requests */
	run(&w, "sections: {main: [{request: {url: 'http://h/', method: GET}}, {" SHOW("${request_result}") "}]}");
	CHECK_STR("warn method_execute_failed@1; connect sip:failed@h; hangup busy", story(&w));
	close_world(&w);
}

static void what_cannot_run_says_so_and_goes_on(void **state)
{
	static const struct row rows[] = {
		{ "sections: {main: [{user_event: {event: {a: '${1 + 1}', b: [x]}}}, hangup]}",
		  "user_event {\"a\":2,\"b\":[\"x\"]}; hangup hangup" },
		{ "sections: {main: [{user_event: {event: 5}}, hangup]}",
		  "warn method_parameter_invalid_value@1; hangup hangup" },
		{ "sections: {main: [{join_room: lobby}, {" SHOW("${join_room_result}.${script_error}") "}]}",
		  "warn method_execute_failed@1; connect sip:failed.relay_script_method_execute_failed@h; hangup "
		  "busy" },
		{ "sections: {main: [{join_room: 'no room'}, {" SHOW("${join_room_result}") "}]}",
		  "warn method_parameter_invalid_value@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{send_sms: {to_number: '+1555', from_number: '+1556', body: hi}}, {" SHOW(
			  "${send_sms_result}") "}]}",
		  "warn method_execute_failed@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{send_sms: {to_number: '+1555'}}, {" SHOW("${send_sms_result}") "}]}",
		  "warn method_parameter_missing@1; connect sip:failed@h; hangup busy" },
		{ "sections: {main: [{pay: 'https://h/'}, {transcribe: {}}, transcribe_stop, receive_fax, {send_fax: "
		  "'https://h/a.pdf'}, {enter_queue: {queue_name: q, transfer_after_bridge: 'https://h/'}}, {" SHOW(
			  "${pay_result}.${transcribe_result}.${transcribe_stop_result}.${receive_fax_result}."
			  "${send_fax_result}.${queue_result}") "}]}",
		  "warn method_execute_failed@1; warn method_execute_failed@1; warn method_execute_failed@1; warn "
		  "method_execute_failed@1; warn method_execute_failed@1; warn method_execute_failed@1; connect "
		  "sip:failed.failed.failed.failed.failed.failed@h; hangup busy" },
		{ "sections: {main: [{join_conference: {name: c, result: {case: {failed: [{hangup: busy}]}}}}, "
		  "answer]}",
		  "warn method_execute_failed@1; hangup busy" },
		{ "sections: {main: [{ai: {prompt: {text: hi}}}, {live_transcribe: stop}, {live_translate: "
		  "{action: summarize}}, {hangup: busy}]}",
		  "warn method_execute_failed@1; warn method_execute_failed@1; warn method_execute_failed@1; hangup "
		  "busy" },
	};

	tell(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_request_is_what_the_document_says),
		TEST(the_answer_is_in_the_variables),
		TEST(much_is_cut),
		TEST(nobody_waits_behind_the_end_of_the_call),
		TEST(targets_are_judged),
		TEST(what_cannot_run_says_so_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
