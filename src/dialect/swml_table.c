#include "dialect/swml_tables.h"

enum { DAY_S = 86400, MAX_MS_IN_S = 4294967 };

static const char *const hangup_reasons[] = { "hangup", "busy", "decline", NULL };
/* "required" is what resources say for mandatory (connect.md §14). */
static const char *const encryptions[] = { "mandatory", "required", "optional", "forbidden", NULL };
static const char *const methods_of_http[] = { "GET", "POST", NULL };

static const struct swml_param answer_params[] = {
	{ .name = "max_duration", .types = SWML_INT, .min = 1, .max = MAX_MS_IN_S },
	{ .name = "codecs", .types = SWML_STRING | SWML_LIST },
	{ .name = "username", .types = SWML_STRING },
	{ .name = "password", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param no_params[] = {
	{ 0 },
};

static const struct swml_param hangup_params[] = {
	{ .name = "reason", .types = SWML_STRING, .words = hangup_reasons },
	{ 0 },
};

static const struct swml_param execute_params[] = {
	{ .name = "dest", .types = SWML_STRING | SWML_INLINE, .required = true },
	{ .name = "params", .types = SWML_MAP },
	{ .name = "meta", .types = SWML_MAP },
	{ .name = "on_return", .types = SWML_STEPS },
	{ .name = "result", .types = SWML_RESULT },
	{ 0 },
};

static const struct swml_param transfer_params[] = {
	{ .name = "dest", .types = SWML_STRING | SWML_INLINE, .required = true },
	{ .name = "params", .types = SWML_MAP | SWML_LIST },
	{ .name = "meta", .types = SWML_MAP },
	{ 0 },
};

static const struct swml_param goto_params[] = {
	{ .name = "label", .types = SWML_STRING, .required = true },
	{ .name = "when", .types = SWML_WHEN },
	{ .name = "max", .types = SWML_INT, .min = 1, .max = 100 },
	{ 0 },
};

static const struct swml_param label_params[] = {
	{ .name = "label", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_param sip_refer_params[] = {
	{ .name = "to_uri", .types = SWML_STRING, .required = true },
	{ .name = "status_url", .types = SWML_STRING },
	{ .name = "username", .types = SWML_STRING },
	{ .name = "password", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param play_params[] = {
	{ .name = "url", .types = SWML_STRING },
	{ .name = "urls", .types = SWML_LIST | SWML_STRING },
	{ .name = "volume", .types = SWML_NUMBER, .min = -40, .max = 40 },
	{ .name = "say_voice", .types = SWML_STRING },
	{ .name = "say_language", .types = SWML_STRING },
	{ .name = "say_gender", .types = SWML_STRING },
	{ .name = "auto_answer", .types = SWML_BOOL },
	{ .name = "status_url", .types = SWML_STRING },
	{ 0 },
};

static const char *const record_formats[] = { "wav", "mp3", "mp4", NULL };
static const char *const directions[] = { "speak", "listen", "both", NULL };

/* What record and record_call have in common. */
#define RECORD_PARAMS                                                                                                  \
	{ .name = "stereo", .types = SWML_BOOL }, { .name = "format", .types = SWML_STRING, .words = record_formats }, \
		{ .name = "direction", .types = SWML_STRING, .words = directions },                                    \
		{ .name = "terminators", .types = SWML_STRING }, { .name = "beep", .types = SWML_BOOL },               \
		{ .name = "input_sensitivity", .types = SWML_NUMBER, .max = 100 },                                     \
		{ .name = "initial_timeout", .types = SWML_NUMBER, .max = DAY_S },                                     \
		{ .name = "end_silence_timeout", .types = SWML_NUMBER, .max = DAY_S },                                 \
		{ .name = "max_length", .types = SWML_NUMBER, .max = MAX_MS_IN_S },                                    \
	{                                                                                                              \
		.name = "status_url", .types = SWML_STRING                                                             \
	}

static const struct swml_param record_params[] = {
	RECORD_PARAMS,
	{ 0 },
};

static const struct swml_param record_call_params[] = {
	RECORD_PARAMS,
	{ .name = "control_id", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param stop_record_call_params[] = {
	{ .name = "control_id", .types = SWML_STRING },
	{ 0 },
};

static const char *const fax_tones[] = { "CED", "CNG", NULL };

static const struct swml_param detect_machine_params[] = {
	{ .name = "detectors", .types = SWML_STRING },
	{ .name = "detect_interruptions", .types = SWML_BOOL },
	{ .name = "detect_message_end", .types = SWML_BOOL },
	{ .name = "end_silence_timeout", .types = SWML_NUMBER, .max = DAY_S },
	{ .name = "initial_timeout", .types = SWML_NUMBER, .max = DAY_S },
	{ .name = "machine_ready_timeout", .types = SWML_NUMBER, .max = DAY_S },
	{ .name = "machine_voice_threshold", .types = SWML_NUMBER, .max = DAY_S },
	{ .name = "machine_words_threshold", .types = SWML_INT, .max = 1000 },
	{ .name = "timeout", .types = SWML_NUMBER, .max = DAY_S },
	{ .name = "tone", .types = SWML_STRING, .words = fax_tones },
	{ .name = "wait", .types = SWML_BOOL },
	{ .name = "status_url", .types = SWML_STRING },
	{ 0 },
};

static const char *const tap_codecs[] = { "PCMU", "PCMA", NULL };

static const struct swml_param tap_params[] = {
	{ .name = "uri", .types = SWML_STRING, .required = true },
	{ .name = "control_id", .types = SWML_STRING },
	{ .name = "direction", .types = SWML_STRING, .words = directions },
	{ .name = "codec", .types = SWML_STRING, .words = tap_codecs },
	{ .name = "rtp_ptime", .types = SWML_INT, .min = 10, .max = 100 },
	{ .name = "status_url", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param stop_tap_params[] = {
	{ .name = "control_id", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param prompt_params[] = {
	{ .name = "play", .types = SWML_STRING | SWML_LIST, .required = true },
	{ .name = "volume", .types = SWML_NUMBER, .min = -40, .max = 40 },
	{ .name = "say_voice", .types = SWML_STRING },
	{ .name = "say_language", .types = SWML_STRING },
	{ .name = "say_gender", .types = SWML_STRING },
	{ .name = "max_digits", .types = SWML_INT, .min = 1, .max = 64 },
	{ .name = "terminators", .types = SWML_STRING },
	{ .name = "digit_timeout", .types = SWML_NUMBER, .min = 0, .max = DAY_S },
	{ .name = "initial_timeout", .types = SWML_NUMBER, .min = 0, .max = DAY_S },
	{ .name = "speech_timeout", .types = SWML_NUMBER, .min = 0, .max = DAY_S },
	{ .name = "speech_end_timeout", .types = SWML_NUMBER, .min = 0, .max = DAY_S },
	{ .name = "speech_language", .types = SWML_STRING },
	{ .name = "speech_hints", .types = SWML_LIST | SWML_STRING, .each = SWML_STRING },
	{ .name = "speech_engine", .types = SWML_STRING },
	{ .name = "status_url", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param send_digits_params[] = {
	{ .name = "digits", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_param sleep_params[] = {
	{ .name = "duration", .types = SWML_INT, .required = true, .min = -1, .max = (int64_t)30 * DAY_S * 1000 },
	{ 0 },
};

static const struct swml_param switch_params[] = {
	{ .name = "variable", .types = SWML_VALUE, .required = true },
	{ .name = "case", .types = SWML_CASES, .required = true },
	{ .name = "default", .types = SWML_STEPS },
	{ 0 },
};

/* What a leg may be told, on connect itself and on a destination. */
#define LEG_PARAMS                                                                                                     \
	{ .name = "from", .types = SWML_STRING }, { .name = "from_name", .types = SWML_STRING },                       \
		{ .name = "headers", .types = SWML_MAP | SWML_LIST },                                                  \
		{ .name = "codecs", .types = SWML_STRING | SWML_LIST },                                                \
		{ .name = "timeout", .types = SWML_INT, .min = 1, .max = MAX_MS_IN_S },                                \
		{ .name = "username", .types = SWML_STRING }, { .name = "password", .types = SWML_STRING },            \
		{ .name = "webrtc_media", .types = SWML_BOOL, .since = SWML_FAIL, .off_ok = true },                    \
		{ .name = "session_timeout", .types = SWML_INT, .min = 0, .max = DAY_S },                              \
		{ .name = "confirm", .types = SWML_STRING | SWML_STEPS },                                              \
		{ .name = "confirm_timeout", .types = SWML_INT, .min = 1, .max = MAX_MS_IN_S },                        \
		{ .name = "encryption", .types = SWML_STRING, .words = encryptions },                                  \
		{ .name = "call_state_url", .types = SWML_STRING },                                                    \
		{ .name = "call_state_events", .types = SWML_LIST | SWML_STRING },                                     \
		{ .name = "codec", .types = SWML_STRING, .since = SWML_WARN },                                         \
		{ .name = "name", .types = SWML_STRING, .since = SWML_WARN },                                          \
		{ .name = "realtime", .types = SWML_BOOL, .since = SWML_WARN, .off_ok = true },                        \
		{ .name = "authorization_bearer_token", .types = SWML_STRING, .since = SWML_WARN },                    \
		{ .name = "custom_parameters", .types = SWML_MAP, .inside = swml_ai_text_map, .since = SWML_WARN },    \
		{ .name = "status_url", .types = SWML_STRING },                                                        \
	{                                                                                                              \
		.name = "status_url_method", .types = SWML_STRING, .words = methods_of_http, .since = SWML_WARN        \
	}

static const struct swml_param connect_params[] = {
	LEG_PARAMS,
	{ .name = "to", .types = SWML_STRING },
	{ .name = "serial", .types = SWML_LIST | SWML_DESTINATIONS },
	{ .name = "parallel", .types = SWML_LIST | SWML_DESTINATIONS },
	{ .name = "serial_parallel", .types = SWML_LIST | SWML_DESTINATIONS },
	{ .name = "max_duration", .types = SWML_INT, .min = 1, .max = MAX_MS_IN_S },
	{ .name = "answer_on_bridge", .types = SWML_BOOL },
	{ .name = "ringback", .types = SWML_STRING | SWML_LIST },
	{ .name = "transfer_after_bridge", .types = SWML_STRING | SWML_INLINE },
	{ .name = "result", .types = SWML_RESULT },
	{ 0 },
};

static const struct swml_param destination_params[] = {
	LEG_PARAMS,
	{ .name = "to", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_method methods[] = {
	{ "answer", SWML_ANSWER, "max_duration", answer_params },
	{ "cond", SWML_COND, NULL, NULL },
	{ "connect", SWML_CONNECT, "to", connect_params },
	{ "denoise", SWML_DENOISE, NULL, no_params },
	{ "detect_machine", SWML_DETECT_MACHINE, "detectors", detect_machine_params },
	{ "execute", SWML_EXECUTE, "dest", execute_params },
	{ "goto", SWML_GOTO, "label", goto_params },
	{ "hangup", SWML_HANGUP, "reason", hangup_params },
	{ "label", SWML_LABEL, "label", label_params },
	{ "play", SWML_PLAY, "url", play_params },
	{ "record", SWML_RECORD, NULL, record_params },
	{ "record_call", SWML_RECORD_CALL, "control_id", record_call_params },
	{ "prompt", SWML_PROMPT, "play", prompt_params },
	{ "return", SWML_RETURN, NULL, NULL },
	{ "send_digits", SWML_SEND_DIGITS, "digits", send_digits_params },
	{ "set", SWML_SET, NULL, NULL },
	{ "sip_refer", SWML_SIP_REFER, "to_uri", sip_refer_params },
	{ "sleep", SWML_SLEEP, "duration", sleep_params },
	{ "stop_denoise", SWML_STOP_DENOISE, NULL, no_params },
	{ "stop_record_call", SWML_STOP_RECORD_CALL, "control_id", stop_record_call_params },
	{ "stop_tap", SWML_STOP_TAP, "control_id", stop_tap_params },
	{ "switch", SWML_SWITCH, "variable", switch_params },
	{ "tap", SWML_TAP, "uri", tap_params },
	{ "transfer", SWML_TRANSFER, "dest", transfer_params },
	{ "unset", SWML_UNSET, NULL, NULL },

	{ "ai", SWML_LATER, "prompt", swml_ai_params },
	{ "ai_sidecar", SWML_LATER, "prompt", swml_ai_sidecar_params },
	{ "amazon_bedrock", SWML_LATER, "prompt", swml_bedrock_params },
	{ "enter_queue", SWML_LATER, "queue_name", swml_enter_queue_params },
	{ "join_conference", SWML_LATER, "name", swml_join_conference_params },
	{ "join_room", SWML_LATER, "name", swml_join_room_params },
	{ "live_transcribe", SWML_LATER, "action", swml_live_transcribe_params },
	{ "live_translate", SWML_LATER, "action", swml_live_translate_params },
	{ "pay", SWML_LATER, "payment_connector_url", swml_pay_params },
	{ "receive_fax", SWML_LATER, "status_url", swml_status_url_params },
	{ "request", SWML_REQUEST, "url", swml_request_params },
	{ "send_fax", SWML_LATER, "document", swml_send_fax_params },
	{ "send_sms", SWML_LATER, "to_number", swml_send_sms_params },
	{ "stop_stream", SWML_STOP_STREAM, "control_id", swml_stop_stream_params },
	{ "stream", SWML_STREAM, "url", swml_stream_params },
	{ "transcribe", SWML_LATER, "status_url", swml_status_url_params },
	{ "transcribe_stop", SWML_LATER, NULL, no_params },
	{ "user_event", SWML_USER_EVENT, "event", swml_user_event_params },
};

const struct swml_method *swml_method(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_is(name, methods[i].name))
			return &methods[i];
	return NULL;
}

const char *swml_nearest_method(struct str name)
{
	const char *names[ARRAY_LEN(methods)];

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		names[i] = methods[i].name;
	return str_nearest(name, names, ARRAY_LEN(names));
}

const struct swml_param *swml_param(const struct swml_param *params, struct str name)
{
	for (; params->name; params++)
		if (str_is(name, params->name) || str_is(STR("*"), params->name))
			return params;
	return NULL;
}

const char *swml_nearest_param(const struct swml_param *params, struct str name)
{
	const char *names[128];
	size_t n = 0;

	for (; params->name && n < ARRAY_LEN(names); params++)
		names[n++] = params->name;
	return str_nearest(name, names, n);
}

const struct swml_param *swml_destination_params(void)
{
	return destination_params;
}
