/* gen: the load generator of make bench: callers and callees of bridged calls in one thread.
 *
 *	gen rate|media|up TARGET [name=value ...]     TARGET: the server's 127.0.0.1:PORT, or "self"
 *
 * rate: `rate` calls a second for `seconds`, each held `hold_ms`; `group` of them begin together (1). media: `calls` calls
 * brought up, then G.711 both ways for `seconds`. up: the same calls, silent. `callee` is the port where the server finds
 * the callee. With the target "self" the callee half answers the caller half directly, which tells what the generator
 * alone can do. caller_payload and callee_payload are 0 (PCMU), 8, 9 (G722) or 111 (Opus); opus_type: another number for Opus
 * on the wire. speech=PATH: real sound instead of packets with marks, from PATH-RATE.raw; bursts=1: silence with bursts (G.711
 * only). srtp=1 or 2: SRTP of the caller, AES_CM_128_HMAC_SHA1_80 or AEAD_AES_128_GCM. ring_ms: the callee rings for so long;
 * alone=1: there is none.
 * Prints {"phase":...} when a phase begins and one line of figures at the end; exit 0 = measured, whatever the figures. */
#include "gen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	BURST = 8,       /* calls begun in one round, when late */
	SPIN_NS = 50000, /* shorter pauses are not slept through */
	DIRECT_S = 3,
};

/* --- the loop --- */

bool gen_round(struct gen *g)
{
	struct side *sides[] = { &g->caller, &g->callee, &g->caller_m, &g->callee_m };
	bool busy = false;

	timers_run(g, call_timer);
	for (size_t i = 0; i < 4; i++)
		busy |= side_receive(g, sides[i]);
	side_flush(&g->caller);
	side_flush(&g->callee);
	return busy;
}

void gen_wait(struct gen *g, uint64_t until_ns)
{
	struct pollfd fds[] = { { .fd = g->caller.fd, .events = POLLIN },
				{ .fd = g->callee.fd, .events = POLLIN },
				{ .fd = g->caller_m.fd, .events = POLLIN },
				{ .fd = g->callee_m.fd, .events = POLLIN } };
	uint64_t now = now_ns(g), tick_ns = (now / 1000000 + 1) * 1000000,
		 end = until_ns < tick_ns ? until_ns : tick_ns;
	struct timespec t;

	if (end < now + SPIN_NS)
		return;
	t = (struct timespec){ .tv_nsec = (long)(end - now) };
	ppoll(fds, 4, &t, NULL);
}

/* `count` calls, or hang-ups of calls, at even distances, one by one or in groups. */
static void pace(struct gen *g, uint32_t count, void (*step)(struct gen *g, uint32_t i))
{
	uint64_t start_ns = now_ns(g);
	uint32_t i = 0;

	while (i < count) {
		uint64_t now = now_ns(g), due = 0;
		unsigned burst = 0;

		for (; i < count && burst < BURST; burst++) {
			due = start_ns + (uint64_t)((i - i % (uint32_t)g->opts.group) * 1e9 / g->opts.rate);
			if (due > now)
				break;
			if ((now - due) / 1000 > g->late_us)
				g->late_us = (uint32_t)((now - due) / 1000);
			step(g, i++);
		}
		if (!gen_round(g) && !burst)
			gen_wait(g, due);
	}
}

static void run_until(struct gen *g, bool (*over)(const struct gen *g), double seconds)
{
	uint64_t end = now_ns(g) + (uint64_t)(seconds * 1e9);

	while (now_ns(g) < end && !(over && over(g)))
		if (!gen_round(g))
			gen_wait(g, end);
}

static void begin_one(struct gen *g, uint32_t i)
{
	call_begin(g);
}

static void end_one(struct gen *g, uint32_t i)
{
	if (g->calls[i].caller == CALLER_UP)
		call_end(g, &g->calls[i]);
}

static bool all_gone(const struct gen *g)
{
	return !g->alive;
}

static bool all_up(const struct gen *g)
{
	return g->n.up + g->n.failed >= (uint32_t)g->opts.calls;
}

/* --- what is measured --- */

static void phase(const char *name)
{
	printf("{\"phase\":\"%s\"}\n", name);
	fflush(stdout);
}

static void print_hist(const char *name, const struct hist *h)
{
	printf(",\"%s_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, hist_ms(h, 0.5), hist_ms(h, 0.99),
	       h->max_us / 1000.0);
}

static void print_calls(const struct gen *g)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	printf("{\"calls\":%u,\"up\":%u,\"ok\":%u,\"failed\":%u,\"timeouts\":%u", g->n.begun, g->n.up, g->n.ok,
	       g->n.failed + g->alive, g->n.timeouts);
	printf(",\"shed\":%u", g->n.shed);
	printf(",\"retransmitted\":%u,\"by_server\":%u,\"unexpected\":%u,\"first_failure\":\"%s\"",
	       g->n.by_us + g->n.by_server, g->n.by_server, g->n.unexpected, g->first_failure);
	printf(",\"late_ms\":%.3f,\"generator_cpu_s\":%.3f", g->late_us / 1000.0,
	       (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
	print_hist("invite", &g->invite);
}

static void print_media(const struct gen *g)
{
	printf(",\"sent\":%llu,\"lost\":%lld,\"strays\":%llu,\"stalled_ms\":%.1f", (unsigned long long)g->n.sent,
	       (long long)(g->n.sent - g->n.received), (unsigned long long)g->n.strays, (double)g->stalled_ns / 1e6);
	print_hist("delay", &g->delay);
	print_hist("seen", &g->seen);
	printf(",\"measured\":%llu", (unsigned long long)g->delay.count);
}

static void run_rate(struct gen *g)
{
	phase("begin");
	pace(g, (uint32_t)(g->opts.rate * g->opts.seconds), begin_one);
	run_until(g, all_gone, 3 * LIMIT_MS / 1000);
	phase("end");
	print_calls(g);
	print_hist("audio", &g->audio);
	printf(",\"heard\":%llu", (unsigned long long)g->audio.count);
}

static void run_up(struct gen *g)
{
	pace(g, (uint32_t)g->opts.calls, begin_one);
	run_until(g, all_up, 2 * LIMIT_MS / 1000);
	run_until(g, NULL, 1);
	phase("up");
	if (g->mode == MODE_MEDIA && g->n.up == (uint32_t)g->opts.calls) {
		/* Without a server nothing stands between two codecs, so that this is of packets with marks. */
		media_run(g, true, DIRECT_S);
		printf("{\"phase\":\"direct\"");
		print_media(g);
		printf("}\n");
		phase("begin");
		media_run(g, false, g->opts.seconds);
	} else {
		phase("begin");
		run_until(g, NULL, g->opts.seconds);
	}
	phase("end");
	pace(g, (uint32_t)g->opts.calls, end_one);
	run_until(g, all_gone, 2 * LIMIT_MS / 1000);
	phase("gone");
	print_calls(g);
	print_media(g);
}

/* --- starting --- */

static void usage(void)
{
	fprintf(stderr, "usage: gen rate|media|up 127.0.0.1:PORT|self [callee=PORT] [rate=N] [seconds=N] [calls=N] "
			"[hold_ms=N] [group=N]\n");
	exit(2);
}

static void read_option(struct options *o, const char *arg)
{
	static const char speech[] = "speech=";
	const struct {
		const char *name;
		double *value, max;
	} known[] = { { "rate", &o->rate, 1e5 },
		      { "seconds", &o->seconds, 3600 },
		      { "calls", &o->calls, SLOTS },
		      { "hold_ms", &o->hold_ms, (double)WHEEL_MS / 2 },
		      { "callee", &o->callee_port, UINT16_MAX },
		      { "group", &o->group, 1000 },
		      { "caller_payload", &o->caller_payload, PAYLOAD_OPUS },
		      { "callee_payload", &o->callee_payload, PAYLOAD_OPUS },
		      { "opus_type", &o->opus_type, 127 },
		      { "bursts", &o->bursts, 1 },
		      { "srtp", &o->srtp, 2 },
		      { "ring_ms", &o->ring_ms, LIMIT_MS },
		      { "alone", &o->alone, 1 } };
	const char *value = strchr(arg, '=');
	double v = value ? strtod(value + 1, NULL) : 0;

	if (!strncmp(arg, speech, sizeof(speech) - 1)) {
		o->speech = arg + sizeof(speech) - 1;
		return;
	}
	for (size_t i = 0; value && i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].name) != (size_t)(value - arg) ||
		    strncmp(arg, known[i].name, (size_t)(value - arg)))
			continue;
		if (v < 0 || (v == 0 && i < 6) || v > known[i].max)
			break;
		*known[i].value = v;
		return;
	}
	usage();
}

static void read_target(struct gen *g, const char *arg)
{
	const char *colon = strchr(arg, ':');
	char host[16] = "";

	if (!strcmp(arg, "self")) {
		g->target = g->callee.addr;
		return;
	}
	if (!colon || (size_t)(colon - arg) >= sizeof(host))
		usage();
	memcpy(host, arg, (size_t)(colon - arg));
	g->target.sin_family = AF_INET;
	g->target.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &g->target.sin_addr) != 1 || !g->target.sin_port)
		usage();
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "rate", "media", "up" };
	struct gen *g = calloc(1, sizeof(*g));
	size_t mode = 0;

	if (!g || !(g->calls = calloc(SLOTS, sizeof(*g->calls))))
		die("memory");
	while (mode < 3 && (argc < 3 || strcmp(argv[1], modes[mode])))
		mode++;
	if (mode == 3)
		usage();
	g->mode = (enum mode)mode;
	g->opts = (struct options){
		.rate = 100, .seconds = 10, .calls = 100, .hold_ms = 100, .group = 1, .opus_type = PAYLOAD_OPUS
	};
	for (int i = 3; i < argc; i++)
		read_option(&g->opts, argv[i]);
	/* Wake when it is time, not within 50 us of it. */
	prctl(PR_SET_TIMERSLACK, 1);
	g->zero_ns = now_ns(g);
	g->run = (uint32_t)getpid();
	hist_new(&g->invite);
	hist_new(&g->delay);
	hist_new(&g->seen);
	hist_new(&g->audio);
	g->caller.take = caller_take;
	g->callee.take = callee_take;
	g->caller_m.take = g->callee_m.take = media_take;
	side_open(&g->caller, 0);
	side_open(&g->callee, (uint16_t)g->opts.callee_port);
	side_open(&g->caller_m, 0);
	side_open(&g->callee_m, 0);
	g->caller_m.payload = (enum payload)g->opts.caller_payload;
	g->callee_m.payload = (enum payload)g->opts.callee_payload;
	speech_open(g, &g->caller_m);
	speech_open(g, &g->callee_m);
	sip_describe(g, &g->caller, &g->caller_m);
	sip_describe(g, &g->callee, &g->callee_m);
	read_target(g, argv[2]);
	if (g->mode == MODE_RATE)
		run_rate(g);
	else
		run_up(g);
	printf("}\n");
	return 0;
}
