/* POST /api/calling/calls: dial, update and calling.end of the calling API (rest.md §4). Bodies are parsed on the
 * pool. A dialled call runs its document once it is answered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/control_impl.h"
#include "base/arena.h"
#include "base/loop.h"
#include "base/pool.h"
#include "dialect/fetch.h"
#include "op/op_send.h"

enum { MAX_CUSTOM = 20 };
enum { DEFAULT_TIMEOUT_S = 60, MAX_TIMEOUT_S = 600, MAX_CODEC_TEXT = 200, PRICE_UNIT = 10000 };

struct job { /* one request; on the pool it touches nothing but itself */
	struct control *control;
	uint64_t id;
	char *body;
	size_t n;
	struct arena *arena;
	struct doc *root;
	const struct doc *params;
	const struct doc *swml; /* NULL = none given */
	int err;
	struct doc_error at;
	bool swml_is_bad;
};

/* A call on its way to be answered: its controller until then. */
struct dial {
	struct loop *loop;
	const struct script_env *scripts;
	struct script_start how;
	struct arena *arena; /* of how, when that has no document; NULL else */
	char *digits;        /* sent before the document runs, NULL = none */
	struct call *call;   /* while they are */
	uint32_t timeout_s;
	struct loop_timer ring;
};

/* --- a call that we place --- */

static void dial_free(struct dial *d)
{
	loop_timer_stop(d->loop, &d->ring);
	document_drop(d->how.document);
	arena_free(&d->arena);
	free(d->digits);
	free(d);
}

static void closed(void *arg, struct call *c)
{
	dial_free(arg);
}

static void start_document(struct dial *d, struct call *c)
{

	call_control(c, NULL, NULL);
	if (script_start_as(c, d->scripts, &d->how))
		call_hangup(c, CAUSE_ERROR, "server", "out of memory");
	dial_free(d);
}

static void sent(void *arg, const struct op_result *r)
{
	struct dial *d = arg;

	if (r->outcome != OP_GONE) /* else closed() follows */
		start_document(d, d->call);
}

static void answered(void *arg, struct call *c)
{
	struct dial *d = arg;
	const struct op_start start = { .call = c, .done = sent, .arg = d };
	struct op *op;

	loop_timer_stop(d->loop, &d->ring);
	d->call = c;
	if (!d->digits || op_send_start(&op, &start, d->digits))
		start_document(d, c);
}

static const struct call_controller dial_controller = { .closed = closed, .answered = answered };

/* --- what is wrong with a request --- */

static void refuse(struct job *j, const char *code, const char *attribute, const char *message)
{
	struct buf b = { 0 };

	buf_printf(&b, "{\"errors\":[{\"type\":\"validation_error\",\"code\":\"%s\",\"message\":", code);
	buf_json(&b, str_of(message));
	buf_cstr(&b, ",\"attribute\":");
	buf_json(&b, str_of(attribute));
	buf_cstr(&b, ",\"url\":null}]}\n");
	control_send(j->control, j->id, 422, &b);
}

static void refuse_value(struct job *j, const char *attribute, const char *message)
{
	refuse(j, "invalid_parameter", attribute, message);
}

/* The text of a member, "" when it is absent. */
static const char *text_of(const struct doc *map, const char *name)
{
	const struct doc *d = doc_get(map, name);

	return d && d->type != DOC_LIST && d->type != DOC_MAP && d->type != DOC_NULL ? d->text.p : "";
}

static const char *const dial_params[] = {
	"from",         "to",
	"url",          "url_method",
	"fallback_url", "swml",
	"caller_id",    "custom_variables",
	"status_url",   "status_events",
	"timeout",      "codecs",
	"username",     "password",
	"region",       "max_price_per_minute",
	"send_digits",  NULL,
};

static const char *const update_params[] = {
	"id", "status", "url", "url_method", "fallback_url", "swml", "status_url", "status_events", NULL,
};

/* Parameters of the reference that are not honoured must not look as if they were. */
static bool knows_all(struct job *j, const char *const *known)
{
	char message[120];

	for (const struct doc *m = j->params->child; m; m = m->next) {
		size_t i = 0;

		while (known[i] && !str_is(m->key, known[i]))
			i++;
		if (known[i])
			continue;
		snprintf(message, sizeof(message), "%.60s is not in this version", m->key.p);
		refuse(j, "unsupported_parameter", m->key.p, message);
		return false;
	}
	return true;
}

static bool is_url(const char *text)
{
	return str_istarts(str_of(text), "http://") || str_istarts(str_of(text), "https://");
}

static bool is_sane_header(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

/* --- reading the parameters --- */

/* "timeout": 1 to 600 seconds. */
static bool read_timeout(struct job *j, struct dial *d)
{
	const struct doc *timeout = doc_get(j->params, "timeout");

	d->timeout_s = DEFAULT_TIMEOUT_S;
	if (!timeout || timeout->type == DOC_NULL)
		return true;
	if (!str_u32(timeout->text, &d->timeout_s) && d->timeout_s && d->timeout_s <= MAX_TIMEOUT_S)
		return true;
	refuse_value(j, "timeout", "timeout must be a number of seconds from 1 to 600");
	return false;
}

static bool read_status(struct job *j, struct call_hook *out)
{
	const struct doc *events = doc_get(j->params, "status_events");
	const char *url = text_of(j->params, "status_url");

	if (!*url)
		return true;
	if (!is_url(url)) {
		refuse_value(j, "status_url", "status_url must be a valid http or https url");
		return false;
	}
	out->url = url;
	out->events = events ? 0 : 1u << EVENT_ENDED;
	for (const struct doc *e = events && events->type == DOC_LIST ? events->child : NULL; e; e = e->next)
		for (unsigned t = EVENT_CREATED; t <= EVENT_ENDED; t++)
			if (str_is(e->text, event_name((enum event_type)t)))
				out->events |= 1u << t;
	return true;
}

/* A list, or a text with commas. "OPUS@48000H@20I" names the codec in front of the first @. */
static bool read_codecs(struct job *j, char out[MAX_CODEC_TEXT], const char **codecs)
{
	const struct doc *d = doc_get(j->params, "codecs");
	struct buf b;

	if (!d || d->type == DOC_NULL)
		return true;
	buf_init(&b, MAX_CODEC_TEXT - 1);
	for (const struct doc *e = d->type == DOC_LIST ? d->child : d; e; e = d->type == DOC_LIST ? e->next : NULL) {
		struct str rest = e->text, part, name;

		while (str_split(&rest, ',', &part)) {
			str_split(&part, '@', &name);
			buf_cstr(&b, b.len ? "," : "");
			buf_str(&b, str_trim(name));
		}
	}
	str_copy(out, MAX_CODEC_TEXT, b.data ? buf_view(&b) : STR(""));
	buf_free(&b);
	*codecs = out;
	return true;
}

static bool read_price(struct job *j, uint32_t *cap)
{
	const struct doc *d = doc_get(j->params, "max_price_per_minute");
	double usd;

	if (!d || d->type == DOC_NULL)
		return true;
	usd = d->type == DOC_REAL ? d->real : d->type == DOC_INT ? (double)d->integer : 0;
	if (usd > 0 && usd < UINT32_MAX / PRICE_UNIT) {
		*cap = (uint32_t)(usd * PRICE_UNIT + 0.5);
		return true;
	}
	refuse_value(j, "max_price_per_minute", "max_price_per_minute must be a number above 0");
	return false;
}

/* Keys for the far end once it has answered; w = 0.5 s, a comma or W = 1 s. */
static bool read_digits(struct job *j, struct dial *d)
{
	const char *text = text_of(j->params, "send_digits");

	if (!*text)
		return true;
	d->digits = str_heap(str_of(text));
	for (char *p = d->digits; p && *p; p++)
		*p = *p == ',' ? 'W' : *p;
	if (d->digits && port_keys_ok(d->digits))
		return true;
	refuse_value(j, "send_digits", "send_digits are 0-9, A-D, *, #, w, W and commas, at most 256");
	return false;
}

static bool read_parties(struct job *j, struct call_dial *out)
{
	const char *to = text_of(j->params, "to"), *from = text_of(j->params, "from");
	const char *caller_id = text_of(j->params, "caller_id");

	if (!*from || !*to) {
		refuse(j, "missing_required_parameter", *from ? "to" : "from",
		       *from ? "to is required" : "from is required");
		return false;
	}
	out->address = to;
	out->number = *to != '/' && !str_istarts(str_of(to), "sip:") && !str_istarts(str_of(to), "sips:");
	out->from = *caller_id ? caller_id : from;
	if (is_sane_header(to) && is_sane_header(out->from))
		return true;
	refuse_value(j, is_sane_header(to) ? "from" : "to", "control characters are not allowed");
	return false;
}

/* Exactly one of url and swml. What how points at lives in the arena of the job. */
static bool read_source(struct job *j, struct script_start *how)
{
	const char *url = text_of(j->params, "url"), *fallback = text_of(j->params, "fallback_url");
	const char *method = text_of(j->params, "url_method");
	char message[260];

	how->location = *url ? url : NULL;
	how->fallback = *fallback ? fallback : NULL;
	how->method = !strcasecmp(method, "GET") ? "GET" : NULL;
	if (!*url == !j->swml)
		refuse(j, "missing_required_parameter", "url", "exactly one of url and swml is required");
	else if (*url && !is_url(url))
		refuse_value(j, "url", "url must be a valid http or https url");
	else if (*fallback && (!*url || !is_url(fallback)))
		refuse_value(j, "fallback_url", "fallback_url must be a valid http or https url, and goes with url");
	else if (*method && !how->method && strcasecmp(method, "POST"))
		refuse_value(j, "url_method", "url_method must be GET or POST");
	else if (j->swml_is_bad) {
		snprintf(message, sizeof(message), "swml:%u:%u: %s", j->at.line, j->at.col, j->at.message);
		refuse_value(j, "swml", message);
	} else
		return true;
	return false;
}

/* Names with texts, at most so many; documents see them as envs. */
static bool read_custom(struct job *j, const char *const **out)
{
	const struct doc *d = doc_get(j->params, "custom_variables");
	const char **envs;
	size_t n = 0;

	if (!d || d->type == DOC_NULL)
		return true;
	envs = d->type == DOC_MAP && d->count <= MAX_CUSTOM
		       ? arena_alloc(j->arena, (2 * MAX_CUSTOM + 1) * sizeof(*envs))
		       : NULL;
	for (const struct doc *m = envs ? d->child : NULL; m && envs; m = m->next) {
		if (m->type != DOC_STR || !m->key.n)
			envs = NULL;
		else {
			envs[n++] = m->key.p;
			envs[n++] = m->text.p;
		}
	}
	if (!envs) {
		refuse_value(j, "custom_variables", "custom_variables must be at most 20 names with texts");
		return false;
	}
	envs[n] = NULL;
	*out = envs;
	return true;
}

/* A document that came with the request takes the arena of the job with it; it stays where it is. 0 or ENOMEM. */
static int make_document(struct job *j, struct script_start *how)
{
	return j->swml ? document_new(&how->document, &j->arena, j->swml, "swml of the API") : 0;
}

/* --- dial --- */

static void no_answer(void *arg)
{
	struct call *c = arg;

	call_hangup(c, CAUSE_NO_ANSWER, "server", "not answered within the timeout of the call");
}

static void show(struct job *j, struct call *c)
{
	struct call_info i;
	struct buf b = { 0 };

	call_get_info(c, &i);
	buf_printf(&b, "{\"id\":\"%s\",\"from\":", i.id);
	buf_json(&b, str_of(i.from));
	buf_cstr(&b, ",\"to\":");
	buf_json(&b, str_of(i.to));
	buf_printf(&b,
		   ",\"direction\":\"%s\",\"status\":\"%s\",\"duration\":null,\"duration_ms\":null,\"billing_ms\":null,"
		   "\"source\":\"realtime_api\",\"type\":\"%s\",\"url\":null,\"parent_id\":",
		   i.inbound     ? "inbound"
		   : i.parent_id ? "outbound"
				 : "outbound-api",
		   control_state_name(i.state), strcmp(i.type, "phone") ? "relay_sip_call" : "relay_pstn_call");
	if (i.parent_id)
		buf_json(&b, str_of(i.parent_id));
	else
		buf_cstr(&b, "null");
	buf_cstr(&b, ",\"charge\":0,\"charge_details\":[],\"created_at\":");
	control_time(&b, call_created_ms(c));
	buf_cstr(&b, "}\n");
	control_send(j->control, j->id, 200, &b);
}

static void report(struct job *j, int err, const struct call_dial_fault *fault)
{
	if (err == EAGAIN || err == ESHUTDOWN || err == ENOMEM || err == ENOSPC)
		control_busy(j->control, j->id, fault->why);
	else
		refuse(j, "call_not_placed", "to", fault->why);
}

static void place(struct job *j, struct dial *d, const struct call_dial *ask)
{
	struct control *c = j->control;
	struct call_dial_fault fault = { 0 };
	struct call *call;
	int err = make_document(j, &d->how);

	/* What ask and how point at dies with d, or with the document. */
	if (!err && !d->how.document) {
		d->arena = j->arena;
		j->arena = NULL;
	}
	if (err) {
		control_busy(c, j->id, "out of memory");
		dial_free(d);
		return;
	}
	err = call_dial(&call, c->opts.calls, ask, &dial_controller, d, &fault);
	if (err) {
		report(j, err, &fault);
		dial_free(d);
		return;
	}
	loop_timer_start(d->loop, &d->ring, (uint64_t)d->timeout_s * 1000, no_answer, call);
	show(j, call);
}

static void dial(struct job *j)
{
	struct control *c = j->control;
	struct call_dial ask = { .username = NULL };
	char codecs[MAX_CODEC_TEXT];
	struct dial *d;

	if (calls_draining(c->opts.calls)) {
		control_busy(c, j->id, "the server is draining");
		return;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		control_busy(c, j->id, "out of memory");
		return;
	}
	d->loop = c->opts.loop;
	d->scripts = c->opts.scripts;
	ask.username = *text_of(j->params, "username") ? text_of(j->params, "username") : NULL;
	ask.password = ask.username ? text_of(j->params, "password") : NULL;
	if (knows_all(j, dial_params) && read_parties(j, &ask) && read_source(j, &d->how) &&
	    read_custom(j, &d->how.envs) && read_timeout(j, d) && read_status(j, &ask.hook) &&
	    read_codecs(j, codecs, &ask.codecs) && read_price(j, &ask.price_cap) && read_digits(j, d))
		place(j, d, &ask);
	else
		dial_free(d);
}

/* --- ending --- */

static struct call *call_of(struct job *j)
{
	const char *id = text_of(j->root, "id");
	struct call *c = call_find_id(j->control->opts.calls, str_of(*id ? id : text_of(j->params, "id")));

	if (!c)
		control_error(j->control, j->id, 404, "Not Found");
	return c;
}

static void end_with(struct job *j, struct call *c, enum cause cause)
{
	call_hangup(c, cause, "api", "ended by the calling API");
	show(j, c);
}

static void update_status(struct job *j, struct call *c, const char *status)
{
	if (!strcmp(status, "canceled") && !call_is_answered(c))
		end_with(j, c, CAUSE_CANCEL);
	else if (!strcmp(status, "completed") && call_is_answered(c))
		end_with(j, c, CAUSE_HANGUP);
	else if (!strcmp(status, "canceled") || !strcmp(status, "completed"))
		refuse_value(j, "status",
			     call_is_answered(c) ? "the call is answered: only completed ends it"
						 : "the call is not answered: only canceled ends it");
	else
		refuse_value(j, "status", "status must be canceled or completed");
}

/* Another document for a call that runs one. False: answered already. */
static bool replace(struct job *j, struct call *c, struct script_start *how)
{
	int err = make_document(j, how);

	if (!err)
		err = script_replace(c, j->control->opts.scripts, how);
	document_drop(how->document);
	if (err == ENOENT || err == ESHUTDOWN)
		control_error(j->control, j->id, 409,
			      err == ENOENT ? "the call runs no document" : "the call is ending");
	else if (err)
		control_busy(j->control, j->id, "out of memory");
	return !err;
}

static void update_call(struct job *j, struct call *c)
{
	const char *status = text_of(j->params, "status");
	bool document = j->swml || *text_of(j->params, "url");
	struct script_start how = { .location = NULL };
	struct call_hook hook = { .url = NULL };

	if (!read_status(j, &hook) || (document && !read_source(j, &how)))
		return;
	if (*status && document) {
		refuse_value(j, "status", "status does not go with a document");
		return;
	}
	if (hook.url && call_set_hook(c, &hook)) {
		control_busy(j->control, j->id, "out of memory");
		return;
	}
	if (*status)
		update_status(j, c, status);
	else if (!document && !hook.url)
		refuse(j, "missing_required_parameter", "url", "one of url, swml, status_url and status is required");
	else if (!document || replace(j, c, &how))
		show(j, c);
}

static void update(struct job *j)
{
	struct call *c = call_of(j);

	if (c && knows_all(j, update_params))
		update_call(j, c);
}

static void end(struct job *j)
{
	static const struct {
		const char *name;
		enum cause cause;
	} reasons[] = {
		{ "", CAUSE_HANGUP },          { "hangup", CAUSE_HANGUP },      { "cancel", CAUSE_CANCEL },
		{ "busy", CAUSE_BUSY },        { "noAnswer", CAUSE_NO_ANSWER }, { "no_answer", CAUSE_NO_ANSWER },
		{ "decline", CAUSE_DECLINED }, { "error", CAUSE_ERROR },
	};
	const char *reason = text_of(j->params, "reason");
	struct call *c = call_of(j);

	for (size_t i = 0; c && i < ARRAY_LEN(reasons); i++) {
		if (strcmp(reasons[i].name, reason))
			continue;
		end_with(j, c, reasons[i].cause);
		return;
	}
	if (c)
		refuse_value(j, "reason", "reason must be hangup, cancel, busy, noAnswer, decline or error");
}

/* --- commands --- */

static void run(struct job *j)
{
	static const struct {
		const char *name;
		void (*fn)(struct job *j);
	} commands[] = {
		{ "dial", dial },
		{ "update", update },
		{ "calling.end", end },
	};
	const char *command = text_of(j->root, "command");
	char message[120];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, command))
			continue;
		commands[i].fn(j);
		return;
	}
	if (!*command) {
		refuse(j, "missing_required_parameter", "command", "command is required");
		return;
	}
	snprintf(message, sizeof(message), "the command %.60s is not in this version", command);
	refuse(j, "unsupported_command", "command", message);
}

/* --- the way over the pool --- */

static void read_swml(struct job *j)
{
	const struct doc *swml = doc_get(j->params, "swml");
	struct doc *parsed = NULL;

	if (!swml)
		swml = doc_get(j->root, "swml");
	j->swml = swml && swml->type != DOC_NULL ? swml : NULL;
	if (!j->swml || j->swml->type != DOC_STR)
		return;
	j->swml_is_bad = doc_parse(j->arena, &parsed, j->swml->text, DOC_GUESS, NULL, &j->at) != 0;
	j->swml = parsed ? parsed : j->swml;
}

static void work(void *arg)
{
	static const struct doc nothing = { .type = DOC_MAP };
	struct job *j = arg;

	j->err = arena_new(&j->arena, j->n + 4096, 0);
	if (!j->err)
		j->err = doc_parse(j->arena, &j->root, (struct str){ j->body, j->n }, DOC_JSON, NULL, &j->at);
	if (!j->err && j->root->type != DOC_MAP)
		j->err = EINVAL;
	if (j->err)
		return;
	j->params = doc_get(j->root, "params");
	if (!j->params || j->params->type != DOC_MAP)
		j->params = &nothing;
	read_swml(j);
}

static void drop(void *arg)
{
	struct job *j = arg;

	arena_free(&j->arena);
	free(j->body);
	free(j);
}

static void done(void *arg)
{
	struct job *j = arg;
	struct control *c = j->control;

	if (c->open && j->err == ENOMEM)
		control_busy(c, j->id, "out of memory");
	else if (c->open && j->err)
		control_error(c, j->id, 400, "Bad Request");
	else if (c->open)
		run(j);
	drop(j);
}

void control_calling(struct control *c, const struct web_request *r, struct str tail)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j) {
		j->control = c;
		j->id = r->id;
		j->n = r->body.n;
		j->body = str_heap(r->body.p ? r->body : STR(""));
	}
	if (!j || !j->body || pool_run(c->opts.pool, work, done, drop, j)) {
		control_busy(c, r->id, "out of memory");
		if (j)
			drop(j);
	}
}
