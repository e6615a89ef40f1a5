#include "sip/sip_trans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sip/sip_trans_impl.h"

enum { SIP_PORT = 5060, SIPS_PORT = 5061 };

enum { LOOSE_FROM_MS = 2000 };

static struct sip_key seed(struct loop *l)
{
	return (struct sip_key){ loop_random(l), loop_random(l) };
}

int sip_trans_new(struct sip_trans **out, const struct sip_trans_opts *opts)
{
	struct sip_trans *t = calloc(1, sizeof(*t));

	if (!t)
		return ENOMEM;
	t->loop = opts->loop;
	t->transport = opts->transport;
	t->t1_ms = opts->t1_ms ? opts->t1_ms : SIP_T1_MS;
	t->t2_ms = t->t1_ms > SIP_T2_MS ? t->t1_ms : SIP_T2_MS;
	t->again = opts->again;
	t->arg = opts->arg;
	if (sip_table_init(&t->clients, seed(t->loop)) || sip_table_init(&t->on_streams, seed(t->loop)) ||
	    sip_table_init(&t->servers, seed(t->loop)) || sip_table_init(&t->merges, seed(t->loop)) ||
	    sip_health_new(&t->no_stream, t->loop)) {
		sip_trans_free(&t);
		return ENOMEM;
	}
	*out = t;
	return 0;
}

void sip_trans_free(struct sip_trans **tp)
{
	struct sip_trans *t = *tp;
	struct sip_node *n;

	if (!t)
		return;
	for (size_t at = 0; (n = sip_table_any(&t->clients, &at));)
		sip_client_drop(sip_client_of(n));
	for (size_t at = 0; (n = sip_table_any(&t->servers, &at));)
		sip_server_drop(sip_server_of(n));
	sip_table_done(&t->clients);
	sip_table_done(&t->on_streams);
	sip_table_done(&t->servers);
	sip_table_done(&t->merges);
	sip_health_free(&t->no_stream);
	free(t);
	*tp = NULL;
}

uint32_t sip_trans_timeout_ms(const struct sip_trans *t)
{
	return SIP_TIMEOUT_T1 * t->t1_ms;
}

size_t sip_trans_alive(const struct sip_trans *t)
{
	return t->clients.count + t->servers.count;
}

void sip_trans_count(const struct sip_trans *t, struct sip_stack_counts *out)
{
	out->client_transactions = t->clients.count;
	out->server_transactions = t->servers.count;
	out->retransmissions_sent = t->resent;
	out->retransmissions_received = t->received_again;
}

struct str sip_trans_keep(struct str bytes)
{
	char *copy = malloc(bytes.n + 1);

	if (!copy)
		return (struct str){ NULL, 0 };
	if (bytes.n)
		memcpy(copy, bytes.p, bytes.n);
	return (struct str){ copy, bytes.n };
}

void sip_trans_wait(struct sip_trans *t, struct loop_timer *timer, uint64_t wait_ms, void (*fn)(void *arg), void *arg)
{
	if (wait_ms < LOOSE_FROM_MS)
		loop_timer_start(t->loop, timer, wait_ms, fn, arg);
	else
		loop_timer_start_loose(t->loop, timer, wait_ms, fn, arg);
}

void sip_trans_forget(struct str *kept)
{
	free((char *)kept->p);
	*kept = (struct str){ NULL, 0 };
}

bool sip_trans_reliable(const struct sip_flow *flow)
{
	return flow->kind != WIRE_UDP;
}

int sip_trans_send(struct sip_trans *t, struct sip_flow *flow, struct str bytes)
{
	struct sip_flow anew;
	int err = sip_transport_send(t->transport, flow, bytes);

	if (err != ENOTCONN)
		/* A full socket buffer is a lost datagram: the timers repeat it. */
		return flow->kind == WIRE_UDP && (err == EAGAIN || err == ENOBUFS) ? 0 : err;
	/* Over TLS only the session knows whom to verify; it looks for its way anew. */
	err = sip_transport_flow(t->transport, flow->kind, &flow->remote, STR(""), &anew);
	if (err)
		return err;
	*flow = anew;
	return sip_transport_send(t->transport, flow, bytes);
}

uint16_t sip_trans_default_port(enum wire_kind kind)
{
	return kind == WIRE_TLS || kind == WIRE_WSS ? SIPS_PORT : SIP_PORT;
}

void sip_trans_reply_flow(const struct sip_msg *m, const struct sip_flow *from, struct sip_flow *out)
{
	struct str value = { NULL, 0 };
	struct sip_via via;
	size_t pos = 0;

	*out = *from;
	if (from->kind != WIRE_UDP || !sip_msg_next_value(m, SIP_H_VIA, &pos, &value) || sip_via_parse(&via, value))
		return;
	if (!via.rport)
		addr_set_port(&out->remote, via.port ? via.port : sip_trans_default_port(WIRE_UDP));
}
