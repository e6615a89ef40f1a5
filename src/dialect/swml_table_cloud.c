/* The parameters of what is done by a service: transcripts, translation, payment, fax, SMS. */
#include "dialect/swml_tables.h"

static const char *const parties[] = { "remote-caller", "local-caller", NULL };
static const char *const speech_engines[] = { "deepgram", "google", NULL };
static const char *const transcribe_words[] = { "stop", "summarize", NULL };
static const char *const filters[] = { "polite", "rude", "professional", "shakespeare", "gen-z", NULL };

const struct swml_param swml_status_url_params[] = {
	{ .name = "status_url", .types = SWML_STRING },
	{ 0 },
};

/* --- live_transcribe, live_translate --- */

/* What both start with. */
#define LISTEN_PARAMS                                                                                                  \
	{ .name = "webhook", .types = SWML_STRING }, { .name = "live_events", .types = SWML_BOOL },                    \
		{ .name = "ai_summary", .types = SWML_BOOL }, { .name = "ai_summary_prompt", .types = SWML_STRING },   \
		{ .name = "speech_timeout", .types = SWML_INT, .min = 1500 },                                          \
		{ .name = "vad_silence_ms", .types = SWML_INT },                                                       \
		{ .name = "vad_thresh", .types = SWML_INT, .max = 1800 },                                              \
		{ .name = "speech_engine", .types = SWML_STRING, .words = speech_engines },                            \
		{ .name = "debug_level", .types = SWML_INT },                                                          \
	{                                                                                                              \
		.name = "direction", .types = SWML_LIST, .required = true, .each = SWML_STRING, .words = parties       \
	}

static const struct swml_param transcribe_start[] = {
	LISTEN_PARAMS,
	{ .name = "lang", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_param summarize[] = {
	{ .name = "webhook", .types = SWML_STRING },
	{ .name = "prompt", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param transcribe_actions[] = {
	{ .name = "start", .types = SWML_MAP, .inside = transcribe_start, .choice = SWML_EXACTLY_ONE },
	{ .name = "summarize", .types = SWML_MAP, .inside = summarize, .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

const struct swml_param swml_live_transcribe_params[] = {
	{ .name = "action",
	  .types = SWML_STRING | SWML_MAP,
	  .required = true,
	  .words = transcribe_words,
	  .inside = transcribe_actions },
	{ 0 },
};

static bool is_own_filter(struct str text)
{
	return str_starts(text, "prompt:") && text.n > sizeof("prompt:") - 1;
}

static const char FILTERS[] = "polite, rude, professional, shakespeare, gen-z or prompt: and a text";

static const struct swml_param translate_start[] = {
	LISTEN_PARAMS,
	{ .name = "from_lang", .types = SWML_STRING, .required = true },
	{ .name = "to_lang", .types = SWML_STRING, .required = true },
	{ .name = "from_voice", .types = SWML_STRING },
	{ .name = "to_voice", .types = SWML_STRING },
	{ .name = "filter_from", .types = SWML_STRING, .words = filters, .fits = is_own_filter, .wanted = FILTERS },
	{ .name = "filter_to", .types = SWML_STRING, .words = filters, .fits = is_own_filter, .wanted = FILTERS },
	{ 0 },
};

static const struct swml_param inject[] = {
	{ .name = "message", .types = SWML_STRING, .required = true },
	{ .name = "direction", .types = SWML_STRING, .required = true, .words = parties },
	{ 0 },
};

static const struct swml_param translate_actions[] = {
	{ .name = "start", .types = SWML_MAP, .inside = translate_start, .choice = SWML_EXACTLY_ONE },
	{ .name = "summarize", .types = SWML_MAP, .inside = summarize, .choice = SWML_EXACTLY_ONE },
	{ .name = "inject", .types = SWML_MAP, .inside = inject, .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

const struct swml_param swml_live_translate_params[] = {
	{ .name = "action",
	  .types = SWML_STRING | SWML_MAP,
	  .required = true,
	  .words = transcribe_words,
	  .inside = translate_actions },
	{ 0 },
};

/* --- pay --- */

static const char *const pay_inputs[] = { "dtmf", NULL };
static const char *const pay_methods[] = { "credit-card", NULL };
static const char *const token_types[] = { "one-time", "reusable", NULL };
static const char *const pay_actions[] = { "Say", "Play", NULL };

static const struct swml_param pay_parameter[] = {
	{ .name = "name", .types = SWML_STRING, .required = true },
	{ .name = "value", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_param pay_action[] = {
	{ .name = "type", .types = SWML_STRING, .required = true, .words = pay_actions },
	{ .name = "phrase", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_param pay_prompt[] = {
	{ .name = "for", .types = SWML_STRING, .required = true },
	{ .name = "actions", .types = SWML_LIST, .required = true, .each = SWML_MAP, .inside = pay_action },
	{ .name = "attempts", .types = SWML_STRING },
	{ .name = "card_type", .types = SWML_STRING },
	{ .name = "error_type", .types = SWML_STRING },
	{ 0 },
};

const struct swml_param swml_pay_params[] = {
	{ .name = "payment_connector_url", .types = SWML_STRING, .required = true },
	{ .name = "charge_amount", .types = SWML_STRING },
	{ .name = "currency", .types = SWML_STRING },
	{ .name = "description", .types = SWML_STRING },
	{ .name = "input", .types = SWML_STRING, .words = pay_inputs },
	{ .name = "language", .types = SWML_STRING },
	{ .name = "max_attempts", .types = SWML_INT },
	{ .name = "min_postal_code_length", .types = SWML_INT },
	{ .name = "parameters", .types = SWML_LIST, .each = SWML_MAP, .inside = pay_parameter },
	{ .name = "payment_method", .types = SWML_STRING, .words = pay_methods },
	{ .name = "postal_code", .types = SWML_STRING | SWML_BOOL },
	{ .name = "prompts", .types = SWML_LIST, .each = SWML_MAP, .inside = pay_prompt },
	{ .name = "security_code", .types = SWML_BOOL },
	{ .name = "status_url", .types = SWML_STRING },
	{ .name = "timeout", .types = SWML_INT },
	{ .name = "token_type", .types = SWML_STRING, .words = token_types },
	{ .name = "valid_card_types", .types = SWML_STRING },
	{ .name = "voice", .types = SWML_STRING },
	{ 0 },
};

/* --- send_fax, send_sms --- */

const struct swml_param swml_send_fax_params[] = {
	{ .name = "document", .types = SWML_STRING, .required = true },
	{ .name = "header_info", .types = SWML_STRING },
	{ .name = "identity", .types = SWML_STRING },
	{ .name = "status_url", .types = SWML_STRING },
	{ 0 },
};

const struct swml_param swml_send_sms_params[] = {
	{ .name = "to_number", .types = SWML_STRING, .required = true },
	{ .name = "from_number", .types = SWML_STRING, .required = true },
	{ .name = "body", .types = SWML_STRING, .choice = SWML_ONE_AT_LEAST },
	{ .name = "media", .types = SWML_LIST, .each = SWML_STRING, .choice = SWML_ONE_AT_LEAST },
	{ .name = "region", .types = SWML_STRING },
	{ .name = "tags", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "status_callback", .types = SWML_STRING },
	{ 0 },
};
