#include "api/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/hooks.h"
#include "call/calls.h"

enum { MAX_TABLES = 16 };

struct metrics {
	size_t count;
	struct {
		const struct metric *rows;
		size_t count;
		void (*print)(void *arg, struct buf *out); /* instead of rows */
		void *arg;
	} tables[MAX_TABLES];
};

int metrics_new(struct metrics **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : ENOMEM;
}

void metrics_free(struct metrics **m)
{
	free(*m);
	*m = NULL;
}

void metrics_add(struct metrics *m, const struct metric *rows, size_t count, void *arg)
{
	assert(m->count < MAX_TABLES);
	m->tables[m->count].rows = rows;
	m->tables[m->count].count = count;
	m->tables[m->count].arg = arg;
	m->count++;
}

void metrics_add_printer(struct metrics *m, void (*print)(void *arg, struct buf *out), void *arg)
{
	assert(m->count < MAX_TABLES);
	m->tables[m->count].print = print;
	m->tables[m->count++].arg = arg;
}

static void print_row(struct buf *out, const struct metric *row, bool first, uint64_t value)
{
	if (first)
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
	buf_cstr(out, row->name);
	if (row->labels)
		buf_printf(out, "{%s}", row->labels);
	buf_printf(out, " %llu\n", (unsigned long long)value);
}

/* A decimal point, whatever the locale. */
static void print_seconds(struct buf *out, uint64_t us)
{
	unsigned digits = 6, rest = (unsigned)(us % 1000000);

	buf_printf(out, "%llu", (unsigned long long)(us / 1000000));
	if (!rest)
		return;
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	buf_printf(out, ".%0*u", (int)digits, rest);
}

void metrics_print_histogram(struct buf *out, const char *name, const char *help, const struct histogram *h)
{
	uint64_t so_far = 0;

	buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
	for (unsigned i = 0; i < HISTOGRAM_STEPS; i++) {
		so_far += h->steps[i];
		buf_printf(out, "%s_bucket{le=\"", name);
		print_seconds(out, histogram_ms[i] * UINT64_C(1000));
		buf_printf(out, "\"} %llu\n", (unsigned long long)so_far);
	}
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name, (unsigned long long)h->count, name);
	print_seconds(out, h->sum_us);
	buf_printf(out, "\n%s_count %llu\n", name, (unsigned long long)h->count);
}

void metrics_print(const struct metrics *m, struct buf *out)
{
	buf_cstr(out, "# HELP crosspoint_build_info The running version.\n# TYPE crosspoint_build_info gauge\n"
		      "crosspoint_build_info{version=\"" CROSSPOINT_VERSION "\"} 1\n");
	for (size_t i = 0; i < m->count; i++) {
		const struct metric *rows = m->tables[i].rows;

		if (m->tables[i].print)
			m->tables[i].print(m->tables[i].arg, out);
		for (size_t k = 0; k < m->tables[i].count; k++)
			print_row(out, &rows[k], !k || strcmp(rows[k].name, rows[k - 1].name) != 0,
				  rows[k].read(m->tables[i].arg, rows[k].index));
	}
}

/* --- calls and SIP --- */

enum calls_index {
	LIVE_IN,
	LIVE_OUT,
	BEGAN_IN,
	BEGAN_OUT,
	REFUSED,
	DRAINING,
	RTP_IN,
	RTP_OUT,
	RTP_LOST,
	RTP_FOREIGN,
	RTP_UNAUTHENTIC,
	NO_MEDIA,
	JITTER,
	TRIP,
	TRIPS
};

static uint64_t read_calls(void *arg, unsigned index)
{
	struct calls_counts n;

	calls_count_all(arg, &n);
	switch ((enum calls_index)index) {
	case LIVE_IN:
		return n.inbound;
	case LIVE_OUT:
		return n.outbound;
	case BEGAN_IN:
		return n.began_inbound;
	case BEGAN_OUT:
		return n.began_outbound;
	case REFUSED:
		return n.refused;
	case DRAINING:
		return calls_draining(arg);
	case RTP_IN:
		return n.packets_in;
	case RTP_OUT:
		return n.packets_out;
	case RTP_LOST:
		return n.packets_lost;
	case RTP_FOREIGN:
		return n.packets_foreign;
	case RTP_UNAUTHENTIC:
		return n.packets_unauthentic;
	case NO_MEDIA:
		return n.no_media;
	case JITTER:
		return n.jitter_ms;
	case TRIP:
		return n.round_trip_ms;
	case TRIPS:
		return n.round_trips;
	}
	return 0;
}

static uint64_t read_score(void *arg, unsigned index)
{
	struct calls_counts n;

	calls_count_all(arg, &n);
	return n.by_score[index];
}

/* Not found and error have one name for the world. */
static uint64_t read_ended(void *arg, unsigned index)
{
	struct calls_counts n;

	calls_count_all(arg, &n);
	return n.ended[index] + (index == CAUSE_ERROR ? n.ended[CAUSE_NOT_FOUND] : 0);
}

enum sip_index {
	SIP_SESSIONS,
	SIP_TRANSACTIONS_CLIENT,
	SIP_TRANSACTIONS_SERVER,
	SIP_CONNECTIONS,
	SIP_SENT,
	SIP_HEARD,
	SIP_SHED,
	SIP_REGISTERED,
	SIP_BINDINGS,
	SIP_WRONG,
	SIP_BLOCKED,
	SIP_LIMITED
};

static uint64_t read_sip(void *arg, unsigned index)
{
	struct sip_stack_counts n;

	sip_stack_count(calls_sip(arg), &n);
	switch ((enum sip_index)index) {
	case SIP_SESSIONS:
		return n.sessions;
	case SIP_TRANSACTIONS_CLIENT:
		return n.client_transactions;
	case SIP_TRANSACTIONS_SERVER:
		return n.server_transactions;
	case SIP_CONNECTIONS:
		return n.connections;
	case SIP_SENT:
		return n.retransmissions_sent;
	case SIP_HEARD:
		return n.retransmissions_received;
	case SIP_SHED:
		return n.shed;
	case SIP_REGISTERED:
		return n.registered;
	case SIP_BINDINGS:
		return n.bindings;
	case SIP_WRONG:
		return n.wrong_passwords;
	case SIP_BLOCKED:
		return n.blocked;
	case SIP_LIMITED:
		return n.limited;
	}
	return 0;
}

#define ENDED_HELP "Legs that have ended, by cause."
#define SCORE_HELP "Legs that have ended and were heard, by the estimated opinion score of what they said."
#define RTP_HELP "RTP packets of legs that have ended."

static const struct metric call_rows[] = {
	{ "crosspoint_calls", "gauge", "Legs now alive.", "direction=\"inbound\"", read_calls, LIVE_IN },
	{ "crosspoint_calls", "gauge", "Legs now alive.", "direction=\"outbound\"", read_calls, LIVE_OUT },
	{ "crosspoint_calls_total", "counter", "Legs that were begun.", "direction=\"inbound\"", read_calls, BEGAN_IN },
	{ "crosspoint_calls_total", "counter", "Legs that were begun.", "direction=\"outbound\"", read_calls,
	  BEGAN_OUT },
	{ "crosspoint_calls_refused_total", "counter", "Calls refused by limits.", NULL, read_calls, REFUSED },
	{ "crosspoint_draining", "gauge", "1 when no new calls are taken.", NULL, read_calls, DRAINING },
	{ "crosspoint_calls_ended_total", "counter", ENDED_HELP, "cause=\"hangup\"", read_ended, CAUSE_HANGUP },
	{ "crosspoint_calls_ended_total", "counter", ENDED_HELP, "cause=\"busy\"", read_ended, CAUSE_BUSY },
	{ "crosspoint_calls_ended_total", "counter", ENDED_HELP, "cause=\"declined\"", read_ended, CAUSE_DECLINED },
	{ "crosspoint_calls_ended_total", "counter", ENDED_HELP, "cause=\"no_answer\"", read_ended, CAUSE_NO_ANSWER },
	{ "crosspoint_calls_ended_total", "counter", ENDED_HELP, "cause=\"cancel\"", read_ended, CAUSE_CANCEL },
	{ "crosspoint_calls_ended_total", "counter", ENDED_HELP, "cause=\"error\"", read_ended, CAUSE_ERROR },
	{ "crosspoint_rtp_packets_total", "counter", RTP_HELP, "direction=\"in\"", read_calls, RTP_IN },
	{ "crosspoint_rtp_packets_total", "counter", RTP_HELP, "direction=\"out\"", read_calls, RTP_OUT },
	{ "crosspoint_rtp_lost_total", "counter", "RTP packets that never came.", NULL, read_calls, RTP_LOST },
	{ "crosspoint_rtp_foreign_total", "counter", "RTP packets dropped: not the peer's.", NULL, read_calls,
	  RTP_FOREIGN },
	{ "crosspoint_rtp_unauthentic_total", "counter", "SRTP packets dropped: wrong tag, or there before.", NULL,
	  read_calls, RTP_UNAUTHENTIC },
	{ "crosspoint_legs_by_score_total", "counter", SCORE_HELP, "mos=\"4.0-4.5\"", read_score, 0 },
	{ "crosspoint_legs_by_score_total", "counter", SCORE_HELP, "mos=\"3.6-4.0\"", read_score, 1 },
	{ "crosspoint_legs_by_score_total", "counter", SCORE_HELP, "mos=\"3.1-3.6\"", read_score, 2 },
	{ "crosspoint_legs_by_score_total", "counter", SCORE_HELP, "mos=\"1.0-3.1\"", read_score, 3 },
	{ "crosspoint_leg_jitter_ms_total", "counter", "Mean jitter of those legs, summed up.", NULL, read_calls,
	  JITTER },
	{ "crosspoint_leg_round_trip_ms_total", "counter",
	  "Round trips to the parties of legs that have ended, summed up.", NULL, read_calls, TRIP },
	{ "crosspoint_leg_round_trips_total", "counter", "Legs whose round trip is in that sum.", NULL, read_calls,
	  TRIPS },
	{ "crosspoint_no_media_total", "counter", "Times that an answered leg was not heard for too long.", NULL,
	  read_calls, NO_MEDIA },
	{ "crosspoint_sip_sessions", "gauge", "SIP sessions now alive.", NULL, read_sip, SIP_SESSIONS },
	{ "crosspoint_sip_transactions", "gauge", "SIP transactions now alive.", "side=\"client\"", read_sip,
	  SIP_TRANSACTIONS_CLIENT },
	{ "crosspoint_sip_transactions", "gauge", "SIP transactions now alive.", "side=\"server\"", read_sip,
	  SIP_TRANSACTIONS_SERVER },
	{ "crosspoint_sip_connections", "gauge", "SIP connections now open.", NULL, read_sip, SIP_CONNECTIONS },
	{ "crosspoint_sip_retransmissions_total", "counter", "SIP messages repeated.", "direction=\"out\"", read_sip,
	  SIP_SENT },
	{ "crosspoint_sip_retransmissions_total", "counter", "SIP messages repeated.", "direction=\"in\"", read_sip,
	  SIP_HEARD },
	{ "crosspoint_sip_shed_total", "counter", "New calls refused with 503 because messages piled up.", NULL,
	  read_sip, SIP_SHED },
	{ "crosspoint_sip_registered", "gauge", "Subscribers who are registered.", NULL, read_sip, SIP_REGISTERED },
	{ "crosspoint_sip_bindings", "gauge", "Contacts they are registered with.", NULL, read_sip, SIP_BINDINGS },
	{ "crosspoint_sip_wrong_passwords_total", "counter", "Requests with a wrong user or password.", NULL, read_sip,
	  SIP_WRONG },
	{ "crosspoint_sip_blocked_total", "counter", "Requests refused after too many wrong passwords.", NULL, read_sip,
	  SIP_BLOCKED },
	{ "crosspoint_sip_limited_total", "counter", "Messages not read: their source sends too much.", NULL, read_sip,
	  SIP_LIMITED },
};

void metrics_add_calls(struct metrics *m, struct calls *cs)
{
	metrics_add(m, call_rows, ARRAY_LEN(call_rows), cs);
}

static uint64_t read_media(void *arg, unsigned index)
{
	return index ? media_ports_free(arg) : media_ports_open(arg);
}

static const struct metric media_rows[] = {
	{ "crosspoint_rtp_ports", "gauge", "Pairs of RTP ports.", "state=\"open\"", read_media, 0 },
	{ "crosspoint_rtp_ports", "gauge", "Pairs of RTP ports.", "state=\"free\"", read_media, 1 },
};

void metrics_add_media(struct metrics *m, struct media *media)
{
	metrics_add(m, media_rows, ARRAY_LEN(media_rows), media);
}

static uint64_t read_hooks(void *arg, unsigned index)
{
	struct hooks_counts n;

	hooks_count(arg, &n);
	return (const uint64_t[]){
		n.delivered, n.given_up, n.dropped, n.failed_attempts, n.waiting, n.not_journaled
	}[index];
}

static const struct metric hook_rows[] = {
	{ "crosspoint_webhooks_total", "counter", "Webhooks by what became of them.", "outcome=\"delivered\"",
	  read_hooks, 0 },
	{ "crosspoint_webhooks_total", "counter", "Webhooks by what became of them.", "outcome=\"given_up\"",
	  read_hooks, 1 },
	{ "crosspoint_webhooks_total", "counter", "Webhooks by what became of them.", "outcome=\"dropped\"", read_hooks,
	  2 },
	{ "crosspoint_webhook_failed_attempts_total", "counter", "Attempts that will be or could not be repeated.",
	  NULL, read_hooks, 3 },
	{ "crosspoint_webhooks_waiting", "gauge", "Webhooks not delivered yet.", NULL, read_hooks, 4 },
	{ "crosspoint_webhooks_not_journaled_total", "counter", "Webhooks accepted while the journal was full.", NULL,
	  read_hooks, 5 },
};

static void print_hooks(void *arg, struct buf *out)
{
	struct hooks_counts n;

	hooks_count(arg, &n);
	metrics_print_histogram(out, "crosspoint_webhook_delay_seconds",
				"From the event to the answer of its receiver, of webhooks that were delivered.",
				&n.delay);
}

void metrics_add_hooks(struct metrics *m, struct hooks *h)
{
	metrics_add(m, hook_rows, ARRAY_LEN(hook_rows), h);
	metrics_add_printer(m, print_hooks, h);
}
