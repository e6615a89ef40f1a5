#include "local_phone.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/store.h"
#include "media/source.h"
#include "call/call_media.h"
#include "net/http_rules.h"
#include "op/recordings.h"
#include "op/sound.h"

/* --- the story --- */

const char *local_story(const struct local_world *w)
{
	return w->story.data ? w->story.data : "";
}

static const char *name_of(const struct local_world *w, const char *id)
{
	for (size_t i = 0; i < w->name_count; i++)
		if (!strcmp(w->names[i].id, id))
			return w->names[i].name;
	return "?";
}

static void learn_name(struct local_world *w, const struct event *ev)
{
	struct local_name *n = &w->names[w->name_count];
	struct str to = event_get(ev, "to");
	long slash;

	assert_true(w->name_count < ARRAY_LEN(w->names));
	w->name_count++;
	while ((slash = str_chr(to, '/')) >= 0)
		to = str_from(to, (size_t)slash + 1);
	if (str_istarts(to, "sip:"))
		to = str_head(str_from(to, 4), (size_t)str_chr(str_from(to, 4), '@'));
	str_copy(n->id, sizeof(n->id), str_of(ev->call_id));
	str_copy(n->name, sizeof(n->name), str_is(event_get(ev, "direction"), "inbound") ? to : STR("caller"));
}

static void tell(struct local_world *w, const char *who, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void tell(struct local_world *w, const char *who, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&w->story, "%s%s %s", w->story.len ? "; " : "", who, text);
	if (w->tells_time)
		buf_printf(&w->story, "@%llu", (unsigned long long)(loop_now_ms(w->base.loop) - w->start_ms));
}

/* "calling.call.play" as "play". */
static struct str short_type(struct str type)
{
	return str_starts(type, "calling.call.") ? str_from(type, 13) : type;
}

/* What a document shows: a connect to an address that does not exist names it. */
static bool shows(struct local_world *w, const char *who, const struct event *ev)
{
	static const char head[] = "no resource has the address /show/";
	struct str why = event_get(ev, "why");

	if (ev->type == EVENT_CONNECTING)
		return true; /* what follows says enough */
	if (ev->type != EVENT_FAILED || !str_starts(why, head))
		return false;
	tell(w, who, "shows %.*s", STR_ARG(str_from(why, sizeof(head) - 1)));
	return true;
}

static void see_call(struct local_world *w, const char *who, const struct event *ev)
{
	w->created += ev->type == EVENT_CREATED;
	w->ended += ev->type == EVENT_ENDED;
	if (ev->type == EVENT_ENDED && !strcmp(who, "main"))
		w->main = NULL;
	if (w->tells_calls && ev->type == EVENT_ENDED)
		tell(w, who, "ended %.*s %.*s", STR_ARG(event_get(ev, "cause")), STR_ARG(event_get(ev, "sip_code")));
	else if (w->tells_calls)
		tell(w, who, "%s", event_name(ev->type));
}

/* Nothing is told of a call behind its end. */
static void note_end(struct local_world *w, const struct event *ev)
{
	for (size_t i = 0; i < w->name_count; i++) {
		struct local_name *n = &w->names[i];

		if (strcmp(n->id, ev->call_id) != 0)
			continue;
		w->late += n->over;
		n->over = n->over || ev->type == EVENT_ENDED;
	}
}

static void see(void *arg, const struct event *ev)
{
	struct local_world *w = arg;
	const char *who;
	size_t n = strlen(w->hooked);

	if (ev->type == EVENT_CREATED)
		learn_name(w, ev);
	who = name_of(w, ev->call_id);
	note_end(w, ev);
	if (ev->hook && ev->type <= EVENT_ENDED)
		snprintf(w->hooked + n, sizeof(w->hooked) - n, "%s %s;", who, event_name(ev->type));
	switch (ev->type) {
	case EVENT_CREATED:
	case EVENT_RINGING:
	case EVENT_ANSWERED:
	case EVENT_ENDED:
		see_call(w, who, ev);
		break;
	case EVENT_CONNECTING:
	case EVENT_CONNECTED:
	case EVENT_DISCONNECTED:
	case EVENT_FAILED:
		if (shows(w, who, ev))
			break;
		if (ev->type == EVENT_CONNECTED)
			str_copy(w->peer, sizeof(w->peer), str_of(name_of(w, event_get(ev, "peer").p)));
		else if (ev->type == EVENT_FAILED && !*w->first_why)
			str_copy(w->first_why, sizeof(w->first_why), event_get(ev, "why"));
		tell(w, who, "%s%s%.*s", event_name(ev->type), ev->type == EVENT_FAILED ? " " : "",
		     STR_ARG(event_get(ev, "reason")));
		break;
	case EVENT_OPERATION:
		str_copy(w->params, sizeof(w->params), event_get(ev, "params"));
		if (event_get(ev, "state").n)
			tell(w, who, "%.*s %.*s", STR_ARG(short_type(event_get(ev, "operation"))),
			     STR_ARG(event_get(ev, "state")));
		else
			tell(w, who, "%.*s {%s}", STR_ARG(short_type(event_get(ev, "operation"))), w->params);
		break;
	case EVENT_WARNING:
		tell(w, who, "warns %.*s", STR_ARG(event_get(ev, "text")));
		break;
	case EVENT_REFER:
	case EVENT_TRANSFER:
	case EVENT_STEP:
	case EVENT_STEP_DONE:
	case EVENT_DOCUMENT:
	case EVENT_NO_MEDIA:
	case EVENT_MEDIA:
	case EVENT_USER:
	case EVENT_TRUNK_UP:
	case EVENT_TRUNK_DOWN:
		break;
	}
}

/* --- documents --- */

static char *write_file(const struct local_world *w, const char *name, const char *steps)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, str_starts(str_of(steps), "sections:") ? "%s" : "sections: {main: %s}", steps);
	assert_int_equal(fclose(f), 0);
	return str_heap(str_of(path));
}

void local_world_rewrite(struct local_world *w, const struct local_opts *opts)
{
	char name[8];
	size_t n = 1;

	for (const struct local_phone *p = opts->phones; p && p->address; p++) {
		snprintf(name, sizeof(name), "%zu", n++);
		free(write_file(w, name, p->steps));
	}
}

static int by_address(const void *a, const void *b)
{
	return resource_compare(str_of(((const struct resource *)a)->address),
				str_of(((const struct resource *)b)->address));
}

static void write_documents(struct local_world *w, const struct local_opts *opts)
{
	size_t n = 0;
	char name[8];

	w->resources[n++] = (struct resource){ .address = "/public/main",
					       .name = "main",
					       .kind = RESOURCE_SWML,
					       .swml = write_file(w, "main", opts->main) };
	w->main_file = w->resources[0].swml;
	for (const struct local_phone *p = opts->phones; p && p->address; p++) {
		assert_true(n < ARRAY_LEN(w->resources));
		snprintf(name, sizeof(name), "%zu", n);
		w->resources[n++] = (struct resource){ .address = p->address,
						       .name = strrchr(p->address, '/') + 1,
						       .kind = RESOURCE_SWML,
						       .swml = write_file(w, name, p->steps) };
	}
	qsort(w->resources, n, sizeof(w->resources[0]), by_address);
	w->table = (struct resource_table){ .items = w->resources, .count = n };
	w->base.routes.resources = &w->table;
}

static void keep_caller(struct local_world *w, const char *steps)
{
	struct doc_error at;
	struct arena *a;
	struct doc *root;
	struct buf text = { 0 };

	buf_printf(&text, "sections: {main: %s}", steps);
	assert_int_equal(arena_new(&a, 0, 0), 0);
	assert_int_equal(doc_parse(a, &root, buf_view(&text), DOC_GUESS, NULL, &at), 0);
	assert_int_equal(document_new(&w->caller_document, &a, root, "caller"), 0);
	buf_free(&text);
}

/* --- calls --- */

static void incoming(void *arg, struct call *c, const struct route *r)
{
	struct local_world *w = arg;
	struct call_info info;

	call_get_info(c, &info);
	if (!strcmp(info.to, "/public/main"))
		w->main = c;
	assert_int_equal(script_start_route(c, &w->base.scripts, r), 0);
}

static void caller_closed(void *arg, struct call *c)
{
	((struct local_world *)arg)->caller = NULL;
}

static void caller_answered(void *arg, struct call *c)
{
	struct local_world *w = arg;

	if (!w->caller_document)
		return;
	assert_int_equal(script_start_document(c, &w->base.scripts, w->caller_document), 0);
	w->caller = NULL; /* it sees to itself */
}

static const struct call_controller caller_controller = { .closed = caller_closed, .answered = caller_answered };

void local_world_dial(struct local_world *w, const char *from)
{
	const struct call_dial ask = { .address = "/public/main", .from = from };
	struct call_dial_fault fault;

	w->start_ms = loop_now_ms(w->base.loop);
	assert_int_equal(call_dial(&w->caller, w->base.calls, &ask, &caller_controller, w, &fault), 0);
}

void local_world_run(struct local_world *w, uint64_t ms)
{
	fake_world_run(&w->base, ms);
}

/* --- life --- */

static void open_recordings(struct local_world *w)
{
	struct store_opts store = { .path = w->database,
				    .schema = recordings_schema,
				    .statements = recordings_statements };
	struct recordings_opts opts = { .loop = w->base.loop, .pool = w->base.pool, .folder = w->files, .address = "" };
	char why[160];

	assert_int_equal(store_open(&w->store, w->base.loop, &store, why), 0);
	opts.store = w->store;
	assert_int_equal(recordings_new(&w->recordings, &opts, why), 0);
	w->base.scripts.recordings = w->recordings;
}

/* A database takes its time: it is there for documents that name it. */
static bool records(const struct local_opts *opts)
{
	for (const struct local_phone *p = opts->phones; p && p->address; p++)
		if (strstr(p->steps, "record"))
			return true;
	return strstr(opts->main, "record") || (opts->caller && strstr(opts->caller, "record"));
}

static void open_taps(struct local_world *w)
{
	static const char *const allow[] = { "127.0.0.1", NULL };

	w->taps = (struct tap_env){ .loop = w->base.loop, .dns = fake_dns_door(w->base.dns) };
	assert_int_equal(http_rules_new(&w->taps.rules, allow, true), 0);
	assert_int_equal(addr_parse(&w->taps.from, STR("127.0.0.1"), 0), 0);
	w->base.scripts.taps = &w->taps;
}

void local_world_open(struct local_world *w, const struct local_opts *opts)
{
	struct fake_world_opts base = { .seed = 1, .event = see, .incoming = incoming, .arg = w };
	struct sounds_opts sounds = { .keep_bytes = 0 };

	log_set_level(LOG_ERROR);
	*w = (struct local_world){ .folder = "/tmp/local_phone.XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->files, sizeof(w->files), "%s/files", w->folder);
	snprintf(w->database, sizeof(w->database), "%s/db", w->folder);
	base.seed = opts->seed ? opts->seed : 1;
	fake_world_open(&w->base, &base);
	write_documents(w, opts);
	sounds.loop = w->base.loop;
	sounds.pool = w->base.pool;
	assert_int_equal(sounds_new(&w->sounds, &sounds), 0);
	w->base.scripts.sounds = w->sounds;
	if (records(opts))
		open_recordings(w);
	open_taps(w);
	w->tells_time = opts->tells_time;
	w->tells_calls = opts->tells_calls;
	if (opts->caller)
		keep_caller(w, opts->caller);
}

static void remove_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char name[400];

		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			unlink(name);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

void local_world_free(struct local_world *w)
{
	recordings_free(&w->recordings);
	store_close(&w->store);
	sounds_free(&w->sounds);
	http_rules_drop(w->taps.rules);
	document_drop(w->caller_document);
	assert_int_equal(media_ports_open(w->base.media), 0);
	fake_world_free_media(&w->base);
	assert_int_equal(loop_timer_count(w->base.loop), 0);
	fake_world_free(&w->base);
	for (size_t i = 0; i < w->table.count; i++)
		free((char *)w->resources[i].swml);
	remove_folder(w->files);
	remove_folder(w->folder);
	buf_free(&w->story);
	free(w->ear);
	w->ear = NULL;
}

/* --- the voice --- */

struct voice {
	struct source source;
	const char *text;
	unsigned left; /* pieces of the part that text begins with */
	size_t said;
};

/* What is said now; '\0' behind the end. */
static char next_piece(struct voice *v)
{
	if (!v->left && *v->text) {
		char *end;

		v->left = (unsigned)strtoul(v->text, &end, 10);
		v->text = end;
	}
	if (!*v->text)
		return '\0';
	return --v->left ? *v->text : *v->text++;
}

static size_t speak(struct source *s, int16_t *out, size_t count, uint32_t rate_hz)
{
	struct voice *v = (struct voice *)(void *)s;
	char what = next_piece(v);

	for (size_t i = 0; i < count; i++, v->said++) {
		double t = (double)v->said / rate_hz, sum = 0;

		for (int n = 1; what == 'v' && n <= 20; n++)
			sum += cos(2 * M_PI * 130 * n * t + n * n) / n * 3000;
		if (what == 't')
			sum = 8000 * sin(2 * M_PI * 1000 * t);
		out[i] = (int16_t)lrint(sum);
	}
	return what ? count : 0;
}

static void free_voice(struct source *s)
{
	free(s);
}

void local_speak(struct local_world *w, const char *text)
{
	static const struct source_ops ops = { .pull = speak, .free = free_voice };
	struct call_playing playing = { .id = 0 };
	struct voice *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	assert_non_null(w->caller);
	*v = (struct voice){ .source = { &ops }, .text = text };
	assert_int_equal(call_play(w->caller, &playing, &v->source, 1), 0);
	call_play_forget(&playing);
}

/* --- the ear --- */

static bool push(struct sink *s, const int16_t *said, const int16_t *heard, size_t count, uint32_t rate_hz)
{
	struct local_ear *e = (struct local_ear *)(void *)s;

	if (e->count + count > ARRAY_LEN(e->said))
		return true;
	memcpy(e->said + e->count, said, count * sizeof(*said));
	memcpy(e->heard + e->count, heard, count * sizeof(*heard));
	e->count += count;
	return true;
}

/* It is the world's, and outlives the call. */
static void do_nothing(struct sink *s)
{
}

void local_listen(struct local_world *w)
{
	static const struct sink_ops ops = { .push = push, .free = do_nothing };
	static struct call_listening nobody;
	struct call_listening l = nobody;

	w->ear = calloc(1, sizeof(*w->ear));
	assert_non_null(w->ear);
	w->ear->sink = (struct sink){ &ops, SINK_BOTH, 8000, 0 };
	assert_non_null(w->main);
	assert_int_equal(call_listen(w->main, &l, &w->ear->sink), 0);
	call_listen_forget(&l);
}

double local_level(const struct local_world *w, double hz, size_t from_ms, size_t to_ms)
{
	double re = 0, im = 0;
	size_t n = 0;

	for (size_t i = from_ms * 8; i < to_ms * 8 && i < w->ear->count; i++, n++) {
		re += w->ear->heard[i] * cos(2 * M_PI * hz * (double)n / 8000);
		im += w->ear->heard[i] * sin(2 * M_PI * hz * (double)n / 8000);
	}
	return n ? 2 * sqrt(re * re + im * im) / (double)n : 0;
}
