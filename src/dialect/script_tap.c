/* The methods tap and stop_tap of running scripts. */
#include <errno.h>
#include <stdio.h>

#include "dialect/script_impl.h"
#include "op/op_tap.h"
#include "op/tap_uri.h"

enum { PACKET_MS = 20 };

static void assign_number(struct script *s, const char *name, uint32_t number)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", number);
	script_assign(s, name, text);
}

/* --- the arguments --- */

static struct tap_ask ask_of(struct script *s, const struct doc *args)
{
	const struct doc *codec = swml_arg(args, "codec"), *ptime = swml_arg(args, "rtp_ptime");
	int64_t packet_ms = PACKET_MS;

	if (ptime)
		swml_int(ptime, &packet_ms);
	return (struct tap_ask){
		.uri = script_arg_text(args, "uri", NULL),
		.control_id = script_arg_text(args, "control_id", NULL),
		.status_url = script_arg_url(s, args, "status_url"),
		.direction = script_arg_direction(args, SINK_SAID),
		.codec = codec && str_is(codec->text, "PCMA") ? CODEC_PCMA : CODEC_PCMU,
		.packet_ms = (uint32_t)packet_ms,
	};
}

/* --- tap --- */

static void tell_source(struct script *s, const struct tap_facts *f)
{
	char host[ADDR_TEXT];

	if (!f->rtp)
		return;
	script_assign(s, "tap_rtp_src_addr", addr_host(&f->source, host));
	assign_number(s, "tap_rtp_src_port", addr_port(&f->source));
}

static void tapping(void *arg, struct op *o)
{
	struct script *s = arg;
	struct tap_facts facts;

	if (!script_op_beside(s, o))
		return;
	tap_get_facts(o, &facts);
	script_assign(s, "tap_uri", facts.uri);
	script_assign(s, "tap_control_id", facts.control_id);
	script_assign(s, "tap_codec", facts.codec);
	assign_number(s, "tap_ptime", facts.packet_ms);
	assign_number(s, "tap_rate", facts.rate_hz);
	tell_source(s, &facts);
	script_assign(s, "tap_result", "success");
	script_op_go_on(s);
}

/* It never stood. */
static void failed(void *arg, const struct op_result *r)
{
	script_beside_failed(arg, r, "tap");
}

void script_tap(struct script *s, const struct swml_step *st, const struct doc *args)
{
	const struct doc *uri = swml_arg(args, "uri");
	const struct tap_ask ask = ask_of(s, args);
	const struct tap_start where = {
		.call = s->call,
		.env = s->taps,
		.tapping = tapping,
		.done = failed,
		.arg = s,
	};
	const char *fault = tap_uri_fault(uri->text);
	struct op *op = NULL;
	int err;

	if (fault) {
		script_warn(s, "method_parameter_invalid_value", uri, "uri: %s", fault);
		script_assign(s, "tap_result", "failed");
		return;
	}
	err = call_is_answered(s->call) ? 0 : call_answer(s->call, NULL);
	if (!err)
		err = tap_start(&op, &where, &ask);
	if (!err) {
		script_wait_for_op(s, op);
		return;
	}
	if (err == ENOMEM)
		script_warn(s, "internal_error", st->at, "no memory for this step");
	else
		script_wait_for_end(s);
	script_assign(s, "tap_result", "failed");
}

/* --- stop_tap --- */

static void stopped(void *arg, const struct op_result *r)
{
	script_beside_stopped(arg, r, "tap");
}

void script_stop_tap(struct script *s, const struct swml_step *st, const struct doc *args)
{
	script_beside_stop(s, st, args, "tap", stopped);
}
