#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "config.h"
#include "check.h"

/* The problems as "line:col severity message" lines. */
static int read_as(struct config **out, struct arena *a, const char *text, struct buf *problems)
{
	struct conf_problem *p = NULL;
	int err = config_read(out, a, "/nowhere/crosspoint.yaml", str_of(text), &p);

	for (; p; p = p->next)
		buf_printf(problems, "%u:%u %s: %s\n", p->line, p->col, p->severity == CONF_ERROR ? "error" : "warning",
			   p->message);
	return err;
}

/* A whole configuration that gives no warning, for rows that add to it. */
#define SOUND                                                                                                          \
	"trunks: [{name: t, uri: 'sip:{number}@127.0.0.1', accept_from: 127.0.0.0/8}]\n"                               \
	"routes: [{match: '*', swml: /dev/null}]\n"

static const char product_sample[] =
	"space: demo                       # name of the installation; space_id is derived from it unless given\n"
	"space_id: 6c0e6b6e-0b0a-4a3c-9e0a-0c5b6f2d7a11\n"
	"node: node-1                      # node_id is <uuid of node>@<space>\n"
	"data: ./data                      # SQLite database, recordings, webhook spool\n"
	"log: {level: info, format: text}  # text | json\n"
	"sip:\n"
	"  listen: [udp:127.0.0.1:5060, tcp:127.0.0.1:5060, tls:127.0.0.1:5061, ws:127.0.0.1:5066, "
	"wss:127.0.0.1:7443]\n"
	"  advertise: 203.0.113.5          # optional public address (Contact, Via)\n"
	"  domain: example.test            # realm, host of From, registrar domain\n"
	"  tls: {cert: server.pem, key: server.key, ca: ca.pem, verify: true}\n"
	"  default_transport: tls          # of sip: URIs without ;transport= (trunks and cXML/SWML/SDK alike)\n"
	"  country: \"1\"                    # put before phone numbers written without +\n"
	"  session_timeout: 300            # Session-Expires [s] when a document says 0 or nothing\n"
	"  header_prefix: X-Crosspoint     # -CallSid, -AccountSid, -ApiVersion on SIP legs of documents\n"
	"media:\n"
	"  address: 127.0.0.1              # bind\n"
	"  advertise: 203.0.113.5          # optional, in SDP\n"
	"  ports: 20000-29999\n"
	"  codecs: [OPUS, G722, PCMU, PCMA, G729]   # default offer, in this order\n"
	"  encryption: optional            # mandatory | optional | forbidden\n"
	"  threads: auto\n"
	"http:\n"
	"  listen: [http:127.0.0.1:8080]   # also https:ADDR:PORT with tls:\n"
	"  tls: {cert: server.pem, key: server.key}\n"
	"  public_url: http://127.0.0.1:8080\n"
	"projects:                         # who may use REST and RELAY\n"
	"  - {id: 0e2b1a30-0000-4000-8000-000000000001, token: PT-demo, signing_key: PSK-demo}\n"
	"trunks:                           # carriers\n"
	"  - name: carrier\n"
	"    uri: sip:{number}@127.0.0.1:5070;transport=udp\n"
	"    numbers: [\"+1\", \"+44\"]        # prefixes it takes, longest first\n"
	"    username: u\n"
	"    password: p\n"
	"    register: false\n"
	"    caller_ids: [\"*\"]             # From numbers it may send\n"
	"    rates: rates.csv              # prefix,price_per_minute (USD, 4 decimals); longest prefix wins\n"
	"    accept_from: [127.0.0.1/32]   # sources whose calls are taken as this trunk's\n"
	"routes:                           # who answers a call that comes in; first match wins; no match = 404\n"
	"  - {match: \"+15551230000\", swml: flows/main.yaml}            # file or http(s) URL\n"
	"  - {match: \"+1555124*\", cxml: \"https://app.test/voice\", method: POST, fallback: "
	"\"https://app.test/fb\"}\n"
	"  - {match: \"office\", topic: office}                          # RELAY clients that listen to this topic\n"
	"  - {match: \"*\", address: /public/reception}\n"
	"resources:                        # Call Fabric addresses\n"
	"  /public/test_room: {room: {max_members: 50}}\n"
	"  /public/alice: {subscriber: {password: secret}}             # registers as sip:alice@<domain>\n"
	"  /public/reception: {swml: flows/reception.yaml}\n"
	"  /public/support: {queue: support}\n"
	"  /public/backoffice: {sip: \"sip:office@10.0.0.5;transport=tcp\"}\n"
	"queues:\n"
	"  support: {max_size: 100, wait_audio: [\"ring:us\"]}\n"
	"envs: {GREETING: hello}\n"
	"tts: {voice: default}\n"
	"webhooks: {allow_hosts: [], deny_private: true}   # loopback/private targets are refused unless allowed\n"
	"limits: {max_calls: 5000, calls_per_second: 200, call_seconds: 14400, messages_per_second: 50}\n"
	"store: sqlite                     # or postgresql://\n"
	"%s"
	"dns: {servers: []}                # ADDRESS or ADDRESS:PORT for SIP look-ups; empty = the system's\n"
	"trace: {memory_mb: 16}            # SIP messages kept for `trace`: one ring for all calls, 0 = off\n"
	"drain_timeout: 300\n";

#define WITHOUT " is not in this version: the server does without it\n"
#define PEM(AT, NAME) AT " warning: cannot read /nowhere/" NAME ": No such file or directory\n"
#define NO_SESSION "must be a whole number of seconds from 90 to 86400, or 0 for no session timers\n"
#define REFUSED " routes are not in this version: calls to this route are refused with 480\n"

static const char product_warnings[] = PEM("10:15", "server.pem") PEM("10:32", "server.key") PEM("10:48", "ca.pem") PEM(
	"24:15", "server.pem")
	PEM("24:32",
	    "server.key") "36:12 warning: cannot read /nowhere/rates.csv: No such file or directory; every number "
			  "counts as over a price cap\n"
			  "39:35 warning: cannot read /nowhere/flows/main.yaml: No such file or directory\n"
			  "40:32 warning: cxml" REFUSED "41:30 warning: topic" REFUSED "44:23 warning: \"room\"" WITHOUT
			  "46:29 warning: cannot read /nowhere/flows/reception.yaml: No such file or directory\n"
			  "47:21 warning: \"queue\"" WITHOUT "49:1 warning: \"queues\"" WITHOUT;

/* The sample of the manual without its cluster line: exactly these warnings, and everything else is read. */
static void the_whole_sample_is_known(void **state)
{
	struct buf text = { 0 }, problems = { 0 };
	const struct config *c;
	struct config *got = NULL;
	struct arena *a = NULL;
	char addr[ADDR_TEXT];

	CHECK_INT(0, arena_new(&a, 0, 0));
	buf_printf(&text, product_sample, "");
	CHECK_INT(0, read_as(&got, a, text.data, &problems));
	CHECK_STR(product_warnings, problems.data);
	CHECK(got != NULL);
	c = got;
	CHECK_STR("demo", c->space);
	CHECK_STR("6c0e6b6e-0b0a-4a3c-9e0a-0c5b6f2d7a11", c->space_id);
	CHECK_STR("node-1", c->node);
	CHECK_STR("/nowhere/./data", c->data);
	CHECK_INT(LOG_INFO, c->log.level);
	CHECK_INT(LOG_TEXT, c->log.format);
	CHECK_INT(5, c->sip.listen_count);
	CHECK_INT(WIRE_TCP, c->sip.listen[1].kind);
	CHECK_STR("127.0.0.1:5060", addr_text(&c->sip.listen[1].addr, addr));
	CHECK_INT(WIRE_TLS, c->sip.listen[2].kind);
	CHECK_STR("127.0.0.1:5061", addr_text(&c->sip.listen[2].addr, addr));
	CHECK_STR("/nowhere/server.pem", c->sip.tls.cert);
	CHECK_STR("/nowhere/server.key", c->sip.tls.key);
	CHECK_STR("/nowhere/ca.pem", c->sip.tls.ca);
	CHECK(c->sip.tls.verify);
	CHECK_STR("203.0.113.5", c->sip.advertise);
	CHECK_STR("example.test", c->sip.domain);
	CHECK_INT(WIRE_TLS, c->sip.default_transport);
	CHECK_INT(WIRE_WS, c->sip.listen[3].kind);
	CHECK_INT(7443, addr_port(&c->sip.listen[4].addr));
	CHECK_STR("1", c->sip.country);
	CHECK_STR("1", c->routes.country);
	CHECK_STR("X-Crosspoint", c->sip.header_prefix);
	CHECK_INT(300, c->sip.session_timeout_s);
	CHECK_STR("203.0.113.5", addr_host(&c->media.advertise, addr));
	CHECK_INT(20000, c->media.port_min);
	CHECK_INT(29999, c->media.port_max);
	CHECK_INT(5, c->media.codecs.count);
	CHECK_INT(CODEC_OPUS, c->media.codecs.items[0]);
	CHECK_INT(CODEC_G729, c->media.codecs.items[4]);
	CHECK_INT(0, c->media.threads);
	CHECK_INT(10, c->media.no_media_s);
	CHECK_STR("music:hold", c->media.hold_music[0]);
	CHECK(!c->media.hold_music[1]);
	CHECK_INT(1, c->http.listen_count);
	CHECK_STR("127.0.0.1:8080", c->http.listen[0]);
	CHECK_STR("http://127.0.0.1:8080", c->http.public_url);
	CHECK_INT(1, c->routes.trunk_count);
	CHECK_STR("sip:{number}@127.0.0.1:5070;transport=udp", c->routes.trunks[0].uri);
	CHECK_STR("+44", c->routes.trunks[0].prefixes[1]);
	CHECK(c->routes.trunks[0].prefixes[2] == NULL);
	CHECK_STR("*", c->routes.trunks[0].caller_ids[0]);
	CHECK_INT(1, c->routes.trunks[0].accept_count);
	CHECK_INT(4, c->routes.route_count);
	CHECK_STR("/nowhere/flows/main.yaml", c->routes.routes[0].swml);
	CHECK_INT(39, c->routes.routes[0].line);
	CHECK(c->routes.routes[1].swml == NULL); /* keeps its place in the order */
	CHECK_STR("+1555124*", c->routes.routes[1].match);
	CHECK_STR("/nowhere/flows/reception.yaml", c->routes.routes[3].swml);
	CHECK_INT(5, c->routes.resources->count);
	CHECK_INT(1, c->routes.resources->subscriber_count);
	CHECK_STR("secret", resource_subscriber(c->routes.resources, STR("alice"))->password);
	CHECK_STR("sip:office@10.0.0.5;transport=tcp",
		  resource_find(c->routes.resources, STR("/public/backoffice"))->uri);
	CHECK_STR("GREETING", c->envs[0]);
	CHECK_STR("hello", c->envs[1]);
	CHECK(c->envs[2] == NULL);
	CHECK(c->dns_servers == NULL);
	CHECK_INT(300, c->drain_timeout_s);
	buf_free(&text);
	buf_free(&problems);
	arena_free(&a);
}

/* Behind two lines: a domain and a route. */
static void resources_are_checked(void **state)
{
	static const struct {
		const char *route, *resources, *want;
	} rows[] = {
		{ "{match: a, address: /alice}", "{/public/alice: {subscriber: {password: p}}}", "" },
		{ "{match: a, address: /public/x}", "{/public/x: {swml: 'http://x.test/y'}}",
		  "1:1 warning: no call can come in: no trunk has accept_from\n" },
		{ "{match: a, address: /public/x, method: GET}",
		  "{/public/x: {sip: 'sips:x@y'}, /private/b: {subscriber: {password: p}}}",
		  "2:49 warning: method has no meaning for an address\n" },
		{ "{match: a, address: /public/y}", "{/public/alice: {subscriber: {password: p}}}",
		  "2:30 error: no resource has this address\n" },
		{ "{match: a, address: /public/x}", "{/public/x: {room: {}}, /public/b: {subscriber: {password: p}}}",
		  "2:30 warning: an address of this kind is not in this version: calls to this route are refused with "
		  "480\n" },
		{ "{match: a, swml: /dev/null}", "{/public/a: {subscriber: {}}}",
		  "3:37 error: \"password\" is missing\n" },
		{ "{match: a, swml: /dev/null}", "{/public/a: {subscriber: {password: ''}}}",
		  "3:48 error: must not be empty\n" },
		{ "{match: a, swml: /dev/null}", "{/public/a: {subscriber: {password: \"a\\n\"}}}",
		  "3:48 error: has a control character in it\n" },
		{ "{match: a, swml: /dev/null}", "{/public/a: {}}",
		  "3:24 error: a resource is one of subscriber, sip, swml, room, queue\n" },
		{ "{match: a, swml: /dev/null}", "{/public/a: {sip: 'sip:x@y', swml: /dev/null}}",
		  "3:24 error: a resource is one of subscriber, sip, swml, room, queue\n" },
		{ "{match: a, swml: /dev/null}", "{/office/a: {sip: 'sip:x@y'}}",
		  "3:24 error: \"/office/a\" is no address: /public/NAME or /private/NAME, letters, digits and "
		  "-_.+\n" },
		{ "{match: a, swml: /dev/null}", "{/public/a: {sip: 'tel:+1'}}",
		  "3:30 error: must be a SIP URI like sip:office@192.0.2.1;transport=tcp\n" },
		{ "{match: a, swml: /dev/null}",
		  "{/private/a: {subscriber: {password: p}}, /public/a: {subscriber: {password: p}}}",
		  "3:65 error: another subscriber has this name: both would register as sip:a@domain\n" },
		{ "{match: a, swml: /dev/null}", "[]", "3:12 error: must be addresses with what they stand for\n" },
	};
	static const char no_domain[] = "routes: [{match: a, swml: /dev/null}]\nresources:\n"
					"  /public/a: {subscriber: {password: p}}\n";
	struct buf text = { 0 }, problems = { 0 };
	struct config *got;
	struct arena *a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a = NULL;
		CHECK_INT(0, arena_new(&a, 0, 0));
		buf_reset(&text);
		buf_reset(&problems);
		buf_printf(&text, "sip: {domain: x.test}\nroutes: [%s]\nresources: %s\n", rows[i].route,
			   rows[i].resources);
		read_as(&got, a, text.data, &problems);
		CHECK_STR(rows[i].want, problems.len ? problems.data : "");
		arena_free(&a);
	}
	CHECK_INT(0, arena_new(&a, 0, 0));
	buf_reset(&problems);
	CHECK_INT(EINVAL, read_as(&got, a, no_domain, &problems));
	CHECK_STR("3:3 error: subscribers need sip.domain: they register as sip:NAME@DOMAIN\n", problems.data);
	arena_free(&a);
	buf_free(&text);
	buf_free(&problems);
}

static void the_cluster_line_is_an_error(void **state)
{
	static const char line[] = "cluster: {redis: \"redis://127.0.0.1:6379\"}        # several nodes as one\n";
	static const char want[] =
		"56:1 error: \"cluster\" is not in this version, and the server would not be what was "
		"asked for\n";
	struct buf text = { 0 }, problems = { 0 };
	struct config *c = NULL;
	struct arena *a = NULL;
	size_t lines = 0;

	CHECK_INT(0, arena_new(&a, 0, 0));
	buf_printf(&text, product_sample, line);
	CHECK_INT(EINVAL, read_as(&c, a, text.data, &problems));
	CHECK(c == NULL);
	CHECK(strstr(problems.data, want) != NULL);
	for (const char *p = problems.data; *p; p++)
		lines += *p == '\n';
	for (const char *p = product_warnings; *p; p++)
		lines -= *p == '\n';
	CHECK_INT(1, lines);
	CHECK(strstr(problems.data, "error") == strstr(problems.data, "error: \"cluster\""));
	buf_free(&text);
	buf_free(&problems);
	arena_free(&a);
}

static void defaults_are_on_loopback(void **state)
{
	struct buf problems = { 0 };
	struct config *c = NULL;
	struct arena *a = NULL;
	char addr[ADDR_TEXT];

	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, read_as(&c, a, "", &problems));
	CHECK_STR("1:1 warning: no call can come in: no trunk has accept_from\n"
		  "1:1 warning: no call is answered: there are no routes\n",
		  problems.data);
	CHECK_INT(2, c->sip.listen_count);
	CHECK_INT(MEDIA_OPTIONAL, c->media.encryption);
	CHECK_INT(WIRE_UDP, c->sip.listen[0].kind);
	CHECK_STR("127.0.0.1:5060", addr_text(&c->sip.listen[0].addr, addr));
	CHECK_INT(WIRE_TCP, c->sip.listen[1].kind);
	CHECK_STR("127.0.0.1:5060", addr_text(&c->sip.listen[1].addr, addr));
	CHECK_INT(WIRE_TLS, c->sip.default_transport);
	CHECK_STR("", c->routes.country);
	CHECK_STR("127.0.0.1", addr_host(&c->media.address, addr));
	CHECK_INT(0, c->media.advertise.sa.sa_family);
	CHECK_INT(5, c->media.codecs.count);
	CHECK_INT(1, c->http.listen_count);
	CHECK_STR("127.0.0.1:8080", c->http.listen[0]);
	CHECK_STR("/nowhere/data", c->data);
	CHECK(c->envs == NULL && c->sip.domain == NULL);
	CHECK(c->webhooks.deny_private && !c->webhooks.allow_hosts);
	CHECK_INT(300, c->drain_timeout_s);
	CHECK_INT(100, c->limits.messages_per_second);
	buf_free(&problems);
	arena_free(&a);
}

static void ids_come_from_names(void **state)
{
	static const char *const rows[] = { "space: one\n", "space: one\nnode: other\n", "space: two\n" };
	const char *space_ids[3], *node_ids[3];
	struct arena *a = NULL;

	CHECK_INT(0, arena_new(&a, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf problems = { 0 };
		struct config *c = NULL;

		CHECK_INT(0, read_as(&c, a, rows[i], &problems));
		space_ids[i] = c->space_id;
		node_ids[i] = c->node_id;
		buf_free(&problems);
	}
	CHECK_STR(space_ids[0], space_ids[1]);
	CHECK(strcmp(space_ids[0], space_ids[2]) != 0);
	CHECK_INT(36, strlen(space_ids[0]));
	CHECK(space_ids[0][14] == '5' && strchr("89ab", space_ids[0][19]));
	CHECK(strcmp(node_ids[0], node_ids[1]) != 0);
	CHECK_STR("@one", node_ids[0] + 36);
	CHECK(!strncmp(node_ids[0], node_ids[2], 36));
	arena_free(&a);
}

/* Each row stands below the two lines of SOUND. */
static void problems_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text, *problems;
	} rows[] = {
		{ "", "" },
		{ "sip: {lisen: []}\n", "3:7 error: unknown key \"lisen\", did you mean \"listen\"?\n" },
		{ "trunk: []\n", "3:1 error: unknown key \"trunk\", did you mean \"trunks\"?\n" },
		{ "space: a b\n", "3:8 error: must be letters, digits, dots, dashes\n" },
		{ "space_id: x\n", "3:11 error: must be a UUID like 6c0e6b6e-0b0a-4a3c-9e0a-0c5b6f2d7a11\n" },
		{ "log: {level: loud}\n", "3:14 error: must be one of error, warn, info, debug\n" },
		{ "sip: {listen: sctp:127.0.0.1:5060}\n",
		  "3:15 error: must be like udp:127.0.0.1:5060 (udp, tcp, tls, ws, wss)\n" },
		{ "sip: {listen: udp:localhost:5060}\n",
		  "3:15 error: must be like udp:127.0.0.1:5060 (udp, tcp, tls, ws, wss)\n" },
		{ "sip: {listen: udp}\n", "3:15 error: must be like udp:127.0.0.1:5060 (udp, tcp, tls, ws, wss)\n" },
		{ "sip: {listen: [ws:127.0.0.1:5066]}\n", "" },
		{ "sip: {listen: 'ws:127.0.0.1'}\n", "" },
		{ "sip: {listen: []}\n", "3:15 error: must name at least one listener\n" },
		{ "sip: {listen: [ws:127.0.0.1:80, 'wss:127.0.0.1']}\n",
		  "3:33 error: a wss: listener needs sip.tls with cert and key\n" },
		{ "sip: {listen: 'wss:127.0.0.1', tls: {cert: /dev/null, key: /dev/null}}\n", "" },
		{ "sip: {listen: [udp:127.0.0.1, tls:127.0.0.1]}\n",
		  "3:31 error: a tls: listener needs sip.tls with cert and key\n" },
		{ "sip: {listen: 'tls:127.0.0.1', tls: {ca: /dev/null}}\n",
		  "3:15 error: a tls: listener needs sip.tls with cert and key\n" },
		{ "sip: {listen: 'tls:127.0.0.1', tls: {cert: /dev/null, key: /dev/null}}\n", "" },
		{ "sip: {tls: {cert: /dev/null}}\n", "3:12 error: cert and key go together\n" },
		{ "sip: {tls: {verify: false}}\n",
		  "3:21 warning: calls over TLS go to anybody who takes them: no certificate is checked\n" },
		{ "sip: {tls: {client: required}}\n", "3:21 error: needs ca: whose certificates callers must have\n" },
		{ "sip: {tls: {certs: x}}\n", "3:20 error: must be a list of cert and key\n" },
		{ "sip: {tls: {certs: [{cert: /etc/passwd, key: /etc/passwd}]}}\n",
		  "3:20 error: needs cert and key too, for callers that name none of them\n" },
		{ "sip: {tls: {client: maybe}}\n", "3:21 error: must be one of none, optional, required\n" },
		{ "sip: {tls: {crt: x}}\n", "3:13 error: unknown key \"crt\", did you mean \"cert\"?\n" },
		{ "sip: {listen: [udp:127.0.0.1, 'udp:127.0.0.1:5060']}\n",
		  "3:31 error: the same listener stands here twice\n" },
		{ "sip: {listen: ['udp:127.0.0.1:0', 'udp:127.0.0.1:0', 'udp:[::1]:5060']}\n", "" },
		{ "sip: {advertise: 'a:5060', domain: 'x y'}\n",
		  "3:18 error: must be a host name or an address, without a port\n"
		  "3:36 error: must be a host name or an address, without a port\n" },
		{ "sip: {country: +1}\n", "3:16 error: must be the digits of a country code, without +\n" },
		{ "sip: {default_transport: sctp}\n", "3:26 error: must be one of udp, tcp, tls\n" },
		{ "sip: {header_prefix: 'X: y'}\n", "3:22 error: must be the beginning of a header name\n" },
		{ "sip: {session_timeout: 0}\n", "" },
		{ "sip: {session_timeout: 90}\n", "" },
		{ "sip: {session_timeout: 89}\n", "3:24 error: " NO_SESSION },
		{ "sip: {session_timeout: 86401}\n", "3:24 error: " NO_SESSION },
		{ "sip: {session_timeout: ten}\n", "3:24 error: " NO_SESSION },
		{ "sip:\nmedia:\nhttp:\n", "" },
		{ "sip: 1\n", "3:6 error: must be settings (key: value), not integer\n" },
		{ "media: {ports: 20000}\n", "3:16 error: must be a range of ports like 20000-29999\n" },
		{ "media: {ports: 30000-20000}\n", "3:16 error: must be a range of ports like 20000-29999\n" },
		{ "media: {ports: 20000-70000}\n", "3:16 error: must be a range of ports like 20000-29999\n" },
		{ "media: {ports: 20001-20002}\n", "3:16 error: holds no even port with the odd one above it\n" },
		{ "media: {ports: 20000-20001}\n", "" },
		{ "media: {address: host.test}\n", "3:18 error: must be a numeric address, without a port\n" },
		{ "media: {address: 0.0.0.0}\n",
		  "3:18 error: peers cannot send audio to this address: name one of this machine, or set advertise\n" },
		{ "media: {address: 0.0.0.0, advertise: 192.0.2.1}\n", "" },
		{ "media: {codecs: [PCMU, VP8, H264]}\n", "" },
		{ "media: {codecs: [PCMU, AMR-WB]}\n",
		  "3:24 warning: this codec is not in this version: the server does without it\n" },
		{ "media: {codecs: [PCMX]}\n", "3:18 error: unknown codec, did you mean PCMU?\n" },
		{ "media: {codecs: [PCMU, speex]}\n",
		  "3:24 error: unknown codec; known are OPUS, G722, PCMU, PCMA, G729, VP8, H264\n" },
		{ "media: {codecs: [vp8]}\n", "3:17 error: no codec of audio is left\n" },
		{ "media: {threads: 0}\n", "3:18 error: must be auto or a number from 1 to 64\n" },
		{ "media: {threads: 4}\n", "" },
		{ "media: {no_media_s: 0}\n", "" },
		{ "media: {no_media_s: 4000}\n", "3:21 error: must be a whole number from 0 to 3600\n" },
		{ "media: {hold_music: default}\n", "" },
		{ "media: {hold_music: silence}\n", "" },
		{ "media: {hold_music: [wait.wav, 'https://app.test/music.mp3', 'silence:2', default]}\n", "" },
		{ "media: {hold_music: [silence, wait.wav]}\n",
		  "3:22 error: silence stands alone, without other sounds\n" },
		{ "media: {hold_music: []}\n", "3:21 error: must be default, silence, or at most 64 sounds\n" },
		{ "media: {hold_music: 'ring:xx'}\n", "3:21 error: ring: takes a country whose ring tone is known, as "
						      "in ring:us, or the path of a file\n" },
		{ "media: {hold_music: 'ftp://app.test/x'}\n",
		  "3:21 error: a sound is http(s)://…, say:…, silence:… or ring:…, or the path of a file\n" },
		{ "media: {encryption: forbidden}\n", "" },
		{ "media: {encryption: optional}\n", "" },
		{ "media: {encryption: mandatory}\n", "" },
		{ "media: {encryption: none}\n", "3:21 error: must be one of mandatory, optional, forbidden\n" },
		{ "http: {listen: 'https:127.0.0.1:8443'}\n",
		  "3:16 error: an https: listener needs http.tls with cert and key\n" },
		{ "http: {listen: ['http:127.0.0.1:8080', 'https:127.0.0.1:8443'], tls: {ca: /dev/null}}\n",
		  "3:40 error: an https: listener needs http.tls with cert and key\n" },
		{ "http: {tls: {cert: /dev/null}}\n", "3:13 error: cert and key go together\n" },
		{ "http: {listen: 'https:127.0.0.1:8443', tls: {cert: /dev/null, key: /dev/null}}\n", "" },
		{ "http: {listen: '127.0.0.1:8443'}\n",
		  "3:16 error: must be like http:127.0.0.1:8080 or https:127.0.0.1:8443\n" },
		{ "http: {listen: []}\n", "" },
		{ "http: {public_url: example.test}\n", "3:20 error: must be an http:// or https:// URL\n" },
		{ "store: sqlite\n", "" },
		{ "projects: [{id: a b, token: t}]\n", "3:17 error: must be letters, digits, dots, dashes\n" },
		{ "projects: [{id: a, token: ''}]\n", "3:27 error: must not be empty\n" },
		{ "projects: [{id: a, token: t, signing_key: k}]\nlimits: {max_calls: 0, call_seconds: 60}\n", "" },
		{ "store: postgresql://db/x\n",
		  "3:1 error: \"store\" is not in this version, and the server would not be what was asked for\n" },
		{ "webhooks: {allow_hosts: [app.test, 10.0.0.0/8, '::1', localhost], deny_private: true}\n", "" },
		{ "webhooks: {allow_hosts: ['app.test:80', 'http://x', 10.0.0.0/40]}\n",
		  "3:26 error: must be a host name, an address or a network like 10.0.0.0/8, without a port\n"
		  "3:41 error: must be a host name, an address or a network like 10.0.0.0/8, without a port\n"
		  "3:53 error: must be a host name, an address or a network like 10.0.0.0/8, without a port\n" },
		{ "cluster: {}\nprojects: []\nqueues:\ntrace: {memory_mb: 0}\n", "" },
		{ "trace: {memory_mb: 1, hep: 'udp:[::1]:9060', hep_id: 7}\n", "" },
		{ "trace: {memory_mb: 4096, hep: 'tcp:10.0.0.1:9060'}\n",
		  "3:20 error: must be a whole number from 0 to 1024\n3:31 error: must be like udp:127.0.0.1:9060\n" },
		{ "envs: {A: [1]}\n", "3:11 error: must be text, not list\n" },
		{ "envs: [A]\n", "3:7 error: must be names with values\n" },
		{ "dns: {servers: [dns.test]}\n", "3:17 error: must be a numeric ADDRESS or ADDRESS:PORT\n" },
		{ "tts: {voice: default, language: en-US}\n", "" },
		{ "tts:\n", "" },
		{ "tts: {engine: piper}\n", "3:15 error: must be one of auto, espeak, flite, command, http\n" },
		{ "tts: {engine: command}\n", "3:6 error: the engine command needs a command\n" },
		{ "tts: {engine: http, command: say}\n", "3:6 error: the engine http needs http: a URL\n" },
		{ "tts: {command: [say, '']}\n", "3:22 error: must not be empty\n" },
		{ "tts: {http: 'ftp://x'}\n", "3:13 error: must be an http:// or https:// URL\n" },
		{ "stt:\n", "" },
		{ "stt: {command: [hear, '{hints}'], language: en-GB}\n", "" },
		{ "stt: {http: 'http://127.0.0.1:1/?l={language}'}\n", "" },
		{ "stt: {http: 'http://127.0.0.1:1/', command: hear}\n",
		  "3:6 error: must have a command or http, not both\n" },
		{ "stt: {http: nowhere}\n", "3:13 error: must be an http:// or https:// URL\n" },
		{ "stt: {language: 'a b'}\n", "3:17 error: must be a name like Polly.Salli or en-US\n" },
		{ "tts: {voice: '-x', language: 'a b'}\n", "3:14 error: must be a name like Polly.Salli or en-US\n"
							   "3:30 error: must be a name like Polly.Salli or en-US\n" },
		{ "drain_timeout: 1e9\n", "3:16 error: must be a whole number from 0 to 86400\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = { 0 }, problems = { 0 };
		struct config *c = NULL;
		struct arena *a = NULL;
		int err;

		CHECK_INT(0, arena_new(&a, 0, 0));
		buf_cstr(&text, SOUND);
		buf_cstr(&text, rows[i].text);
		err = read_as(&c, a, text.data, &problems);
		CHECK_STR(rows[i].problems, problems.data ? problems.data : "");
		CHECK_INT(strstr(rows[i].problems, " error: ") ? EINVAL : 0, err);
		CHECK((c != NULL) == !err);
		buf_free(&text);
		buf_free(&problems);
		arena_free(&a);
	}
}

/* Each row is one trunk and one route. */
static void trunks_and_routes_are_checked(void **state)
{
	static const struct {
		const char *trunk, *route, *problems;
	} rows[] = {
		{ "{name: t, accept_from: 127.0.0.1}", "{match: a, swml: /dev/null}", "" },
		{ "{accept_from: 127.0.0.1}", "{match: a, swml: /dev/null}", "2:3 error: \"name\" is missing\n" },
		{ "{name: t}\n- {name: t, accept_from: '::1'}", "{match: a, swml: /dev/null}",
		  "3:10 error: another trunk has this name\n" },
		{ "{name: t, accept_from: [10.0.0.0/33, x]}", "{match: a, swml: /dev/null}",
		  "2:27 error: must be an address or a network like 192.0.2.0/24\n"
		  "2:40 error: must be an address or a network like 192.0.2.0/24\n" },
		{ "{name: t, accept_from: 127.0.0.1, uri: 'sip:x@y'}", "{match: a, swml: /dev/null}",
		  "2:42 warning: has no {number}: every call over this trunk goes to the same URI\n" },
		{ "{name: t, accept_from: 127.0.0.1, uri: 'sips:{number}@y'}", "{match: a, swml: /dev/null}", "" },
		{ "{name: t, accept_from: 127.0.0.1, uri: 'tel:{number}'}", "{match: a, swml: /dev/null}",
		  "2:42 error: must be a SIP URI like sip:{number}@192.0.2.1;transport=udp\n" },
		{ "{name: t, accept_from: 127.0.0.1, numbers: ['+1']}", "{match: a, swml: /dev/null}",
		  "2:46 error: a trunk that takes numbers needs a uri\n" },
		{ "{name: t, accept_from: 127.0.0.1, uri: 'sip:{number}@y', numbers: [+1, 44, '+1*']}",
		  "{match: a, swml: /dev/null}",
		  "2:74 error: must be the beginning of a number, + and digits, like \"+1\"\n"
		  "2:78 error: must be the beginning of a number, + and digits, like \"+1\"\n" },
		{ "{name: t, accept_from: 127.0.0.1, caller_ids: ['+1*', '*', '+*1']}", "{match: a, swml: /dev/null}",
		  "2:62 error: must be a number, a beginning of numbers with * behind it, or \"*\"\n" },
		{ "{name: t, register: true, uri: 'sip:{number}@y', username: u, password: p, expires: 60, probe: 10}",
		  "{match: a, swml: /dev/null}", "" },
		{ "{name: t, accept_from: 127.0.0.1, register: true}", "{match: a, swml: /dev/null}",
		  "2:47 error: needs a uri whose host does not depend on the number, a username and a password\n" },
		{ "{name: t, accept_from: 127.0.0.1, register: true, uri: 'sip:{number}@y'}",
		  "{match: a, swml: /dev/null}",
		  "2:47 error: needs a uri whose host does not depend on the number, a username and a password\n" },
		{ "{name: t, accept_from: 127.0.0.1, uri: 'sip:x@{number}.enum.test', probe: 10}",
		  "{match: a, swml: /dev/null}", "2:77 error: needs a uri whose host does not depend on the number\n" },
		{ "{name: t, accept_from: 127.0.0.1, expires: 600}", "{match: a, swml: /dev/null}",
		  "2:46 warning: has no effect without register: true\n" },
		{ "{name: t, accept_from: 127.0.0.1, expires: 5, probe: 4000, identity: both}",
		  "{match: a, swml: /dev/null}",
		  "2:46 error: must be a whole number from 60 to 86400\n"
		  "2:46 warning: has no effect without register: true\n"
		  "2:56 error: must be a whole number from 0 to 3600\n"
		  "2:72 error: must be one of none, pai, rpid\n" },
		{ "{name: t, accept_from: 127.0.0.1, identity: pai, privacy: true, trust_identity: true, "
		  "follow_redirects: true, pass_headers: [Diversion, History-Info, X-Trace]}",
		  "{match: a, swml: /dev/null}", "" },
		{ "{name: t, accept_from: 127.0.0.1, pass_headers: [Diversion, via, P-Asserted-Identity, 'a b']}",
		  "{match: a, swml: /dev/null}",
		  "2:63 error: must be the name of a header that is not ours to set, like Diversion\n"
		  "2:68 error: must be the name of a header that is not ours to set, like Diversion\n"
		  "2:89 error: must be the name of a header that is not ours to set, like Diversion\n" },
		{ "{name: u, accept_from: 127.0.0.1}\n- {name: t, trust_identity: true}", "{match: a, swml: /dev/null}",
		  "3:29 warning: has no effect: no call comes in as this trunk's\n" },
		{ "{name: t, accept_from: 127.0.0.1, username: u, password: p}", "{match: a, swml: /dev/null}", "" },
		{ "{name: t, accept_from: 127.0.0.1, username: u}", "{match: a, swml: /dev/null}",
		  "2:47 warning: has no effect without a password\n" },
		{ "{name: t, accept_from: 127.0.0.1, password: p}", "{match: a, swml: /dev/null}",
		  "2:47 warning: has no effect without a username\n" },
		{ "{name: t, accept_from: 127.0.0.1, username: \"u\\r\\n\", password: p}",
		  "{match: a, swml: /dev/null}", "2:47 error: has a control character in it\n" },
		{ "{name: t, accept_from: 127.0.0.1, rates: /dev/null}", "{match: a, swml: /dev/null}",
		  "2:44 warning: /dev/null has no prices: every number counts as over a price cap\n" },
		{ "{name: t, accept_from: 127.0.0.1, rates: gone.csv}", "{match: a, swml: /dev/null}",
		  "2:44 warning: cannot read /nowhere/gone.csv: No such file or directory; every number counts as over "
		  "a "
		  "price cap\n" },
		{ "{name: t, accept_from: []}", "{match: a, swml: /dev/null}",
		  "1:1 warning: no call can come in: no trunk has accept_from\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{swml: /dev/null}", "4:3 error: \"match\" is missing\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: a}",
		  "4:3 error: a route needs exactly one of swml, cxml, topic, address\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: a, swml: /dev/null, topic: x}",
		  "4:3 error: a route needs exactly one of swml, cxml, topic, address\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: 'a*b', swml: /dev/null}",
		  "4:11 error: must be a user or user@host, with * only at the end\n" },
		{ "{name: t, accept_from: 127.0.0.1}",
		  "{match: a, swml: 'https://u:p@x.test/y#rt=1', method: GET, fallback: 'http://y.test'}", "" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: a, swml: 'https://x.test/y', fallback: gone.yaml}",
		  "4:50 warning: cannot read /nowhere/gone.yaml: No such file or directory\n" },
		{ "{name: t, accept_from: 127.0.0.1}",
		  "{match: a, swml: 'https://', method: PUT, fallback: 'http://a b'}",
		  "4:20 error: is no valid http or https URL\n4:40 error: must be POST or GET\n"
		  "4:55 error: is no valid http or https URL\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: a, swml: /dev/null, method: POST}",
		  "4:39 warning: method has no meaning for a file\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: '*', swml: /dev/null}\n- {match: b, swml: /dev/null}",
		  "5:11 warning: never reached: line 4 matches before it\n" },
		{ "{name: t, accept_from: 127.0.0.1}", "{match: b, swml: /dev/null}\n- {match: b, swml: /dev/null}",
		  "5:11 warning: never reached: line 4 matches before it\n" },
		{ "x", "y",
		  "2:3 error: must be settings (key: value), not string\n"
		  "4:3 error: must be settings (key: value), not string\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = { 0 }, problems = { 0 };
		struct config *c = NULL;
		struct arena *a = NULL;

		CHECK_INT(0, arena_new(&a, 0, 0));
		buf_printf(&text, "trunks:\n- %s\nroutes:\n- %s\n", rows[i].trunk, rows[i].route);
		CHECK_INT(strstr(rows[i].problems, " error: ") ? EINVAL : 0, read_as(&c, a, text.data, &problems));
		CHECK_STR(rows[i].problems, problems.data ? problems.data : "");
		buf_free(&text);
		buf_free(&problems);
		arena_free(&a);
	}
}

static void values_reach_their_places(void **state)
{
	static const char text[] = SOUND "sip: {default_transport: udp, country: 49}\n"
					 "media: {ports: 20001-20010, codecs: pcma, threads: 3, no_media_s: 25,"
					 " hold_music: [wait.wav, default]}\n"
					 "http: {listen: ['http:127.0.0.1:0', 'http:[::1]:8080']}\n"
					 "dns: {servers: [127.0.0.1, '127.0.0.2:5353']}\n"
					 "envs: {A: 1, B: +15551234567}\n"
					 "webhooks: {allow_hosts: app.test, deny_private: false}\n"
					 "log: {level: debug, format: json}\n";
	struct buf problems = { 0 };
	struct config *c = NULL;
	struct arena *a = NULL;

	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, read_as(&c, a, text, &problems));
	CHECK_INT(0, problems.len);
	CHECK_INT(WIRE_UDP, c->sip.default_transport);
	CHECK_STR("49", c->routes.country);
	CHECK_INT(20002, c->media.port_min);
	CHECK_INT(20009, c->media.port_max);
	CHECK_INT(1, c->media.codecs.count);
	CHECK_INT(CODEC_PCMA, c->media.codecs.items[0]);
	CHECK_INT(3, c->media.threads);
	CHECK_INT(25, c->media.no_media_s);
	CHECK_STR("file:/nowhere/wait.wav", c->media.hold_music[0]);
	CHECK_STR("music:hold", c->media.hold_music[1]);
	CHECK(!c->media.hold_music[2]);
	CHECK_STR("127.0.0.1:0", c->http.listen[0]);
	CHECK_STR("[::1]:8080", c->http.listen[1]);
	CHECK_STR("127.0.0.1,127.0.0.2:5353", c->dns_servers);
	CHECK_STR("+15551234567", c->envs[3]);
	CHECK_INT(LOG_DEBUG, c->log.level);
	CHECK_STR("app.test", c->webhooks.allow_hosts[0]);
	CHECK(!c->webhooks.allow_hosts[1] && !c->webhooks.deny_private);
	CHECK_INT(LOG_JSON, c->log.format);
	buf_free(&problems);
	arena_free(&a);
}

static void files_are_found_and_read(void **state)
{
	char dir[] = "/tmp/test_config.XXXXXX", path[100], line[300] = "", *cwd = getcwd(NULL, 0);
	struct conf_problem *problems = NULL;
	struct config *c = NULL;
	struct arena *a = NULL;
	FILE *f;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/crosspoint.yaml", dir);
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(ENOENT, config_load(&c, a, path, &problems));
	CHECK_STR("cannot read the file: No such file or directory", problems->message);
	CHECK(config_load(&c, a, dir, &problems) != 0);
	CHECK(c == NULL);

	f = fopen(path, "we");
	CHECK(f && fputs(SOUND "queues: {x: {}}\n", f) >= 0);
	if (f)
		fclose(f);
	CHECK_INT(0, config_load(&c, a, path, &problems));
	CHECK_STR(path, c->path);
	f = tmpfile();
	config_print_problems(f, "c.yaml", problems);
	rewind(f);
	CHECK(fgets(line, sizeof(line), f) != NULL);
	CHECK_STR("c.yaml:3:1: warning: \"queues\" is not in this version: the server does without it\n", line);
	fclose(f);

	unsetenv("CROSSPOINT_CONFIG");
	CHECK_INT(0, chdir(dir));
	CHECK_STR("crosspoint.yaml", config_find(NULL));
	CHECK_INT(0, setenv("CROSSPOINT_CONFIG", "/x/y.yaml", 1));
	CHECK_STR("/x/y.yaml", config_find(NULL));
	CHECK_STR("z.yaml", config_find("z.yaml"));
	unsetenv("CROSSPOINT_CONFIG");
	CHECK_INT(0, unlink(path));
	CHECK(!config_find(NULL) || !strcmp(config_find(NULL), "/etc/crosspoint/crosspoint.yaml"));
	CHECK_INT(0, chdir(cwd));
	CHECK_INT(0, rmdir(dir));
	free(cwd);
	arena_free(&a);
}

/* A trunk whose table has this text: its problems, and what +15551234567 costs. */
static int read_rates(const char *table, struct buf *problems, bool *found, uint32_t *price)
{
	char path[] = "/tmp/test_config.XXXXXX";
	struct config *c = NULL;
	struct arena *a = NULL;
	struct buf text = { 0 };
	int fd = mkstemp(path), err;

	assert_true(fd >= 0 && write(fd, table, strlen(table)) == (ssize_t)strlen(table));
	close(fd);
	assert_int_equal(arena_new(&a, 0, 0), 0);
	buf_printf(&text,
		   "trunks: [{name: t, accept_from: 127.0.0.1, username: u, password: 'p w', rates: %s}]\n"
		   "routes: [{match: a, swml: /dev/null}]\n",
		   path);
	err = read_as(&c, a, text.data, problems);
	if (!err) {
		CHECK_STR("u", c->routes.trunks[0].username);
		CHECK_STR("p w", c->routes.trunks[0].password);
		*found = rates_find(c->routes.trunks[0].rates, "+15551234567", price);
	}
	buf_free(&text);
	arena_free(&a);
	unlink(path);
	return err;
}

static void rates_are_read_with_their_trunk(void **state)
{
	struct buf problems = { 0 };
	uint32_t price = 0;
	bool found = false;

	CHECK_INT(0, read_rates("prefix,price_per_minute\n1,0.01\n1555,0.0075\n", &problems, &found, &price));
	CHECK(!problems.len && found);
	CHECK_INT(75, price);
	CHECK_INT(EINVAL, read_rates("1,0.01\n2,free\n", &problems, &found, &price));
	CHECK(strstr(problems.data, ":2: the price must be USD like 0.0125\n") != NULL);
	buf_free(&problems);
}

/* What `make run` starts with. */
static void the_example_has_no_problem(void **state)
{
	static const char *const paths[] = { "examples/crosspoint.yaml", "../examples/crosspoint.yaml",
					     "../../examples/crosspoint.yaml" };
	struct conf_problem *problems = NULL;
	struct config *c = NULL;
	struct arena *a = NULL;
	const char *path = NULL;

	for (size_t i = 0; i < ARRAY_LEN(paths) && !path; i++)
		path = access(paths[i], R_OK) ? NULL : paths[i];
	CHECK(path != NULL);
	if (!path)
		return;
	CHECK_INT(0, arena_new(&a, 0, 0));
	CHECK_INT(0, config_load(&c, a, path, &problems));
	CHECK(problems == NULL);
	for (; problems; problems = problems->next)
		fprintf(stderr, "%u:%u %s\n", problems->line, problems->col, problems->message);
	arena_free(&a);
}

static void no_memory_is_told(void **state)
{
	struct buf text = { 0 };
	size_t told = 0, done = 0;

	buf_printf(&text, product_sample, "");
	for (size_t max = 1; max < 60000; max += 311) {
		struct buf problems = { 0 };
		struct config *c = NULL;
		struct arena *a = NULL;
		int err;

		CHECK_INT(0, arena_new(&a, 64, max));
		err = read_as(&c, a, text.data, &problems);
		CHECK(err == 0 || err == ENOMEM);
		told += err == ENOMEM;
		done += !err;
		buf_free(&problems);
		arena_free(&a);
	}
	CHECK(told > 20 && done > 20);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_whole_sample_is_known),     TEST(resources_are_checked),
		TEST(the_cluster_line_is_an_error),  TEST(defaults_are_on_loopback),
		TEST(ids_come_from_names),           TEST(problems_are_told_with_their_place),
		TEST(trunks_and_routes_are_checked), TEST(values_reach_their_places),
		TEST(files_are_found_and_read),      TEST(rates_are_read_with_their_trunk),
		TEST(the_example_has_no_problem),    TEST(no_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
