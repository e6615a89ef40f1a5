/* The parameters of the methods ai_sidecar and amazon_bedrock. */
#include "dialect/swml_tables.h"

static const char *const argument_types[] = { "string", "integer", "number", "boolean", "array", "object", NULL };
static const char *const object_word[] = { "object", NULL };
static const char *const speech_engines[] = { "deepgram", "google", NULL };
static const char *const parties[] = { "remote-caller", "local-caller", NULL };
static const char *const voices[] = { "tiffany", "matthew", "amy", "lupe", "carlos", NULL };

/* A property may be made of others. */
static const struct swml_param property[8];

static const struct swml_param properties[] = {
	{ .name = "*", .types = SWML_MAP, .inside = property },
	{ 0 },
};

static const struct swml_param property[] = {
	{ .name = "description", .types = SWML_STRING },
	{ .name = "type", .types = SWML_STRING, .required = true, .words = argument_types },
	{ .name = "enum", .types = SWML_LIST, .each = SWML_STRING | SWML_INT | SWML_NUMBER },
	{ .name = "default", .types = SWML_STRING | SWML_INT | SWML_NUMBER | SWML_BOOL, .min = SWML_NO_MIN },
	{ .name = "items", .types = SWML_MAP, .inside = property },
	{ .name = "properties", .types = SWML_MAP, .inside = properties },
	{ .name = "required", .types = SWML_LIST, .each = SWML_STRING },
	{ 0 },
};

static const struct swml_param sidecar_arguments[] = {
	{ .name = "type", .types = SWML_STRING, .required = true, .words = object_word },
	{ .name = "properties", .types = SWML_MAP, .required = true, .inside = properties },
	{ .name = "required", .types = SWML_LIST, .each = SWML_STRING },
	{ 0 },
};

static const struct swml_param sidecar_function[] = {
	{ .name = "function", .types = SWML_STRING, .required = true },
	{ .name = "description", .types = SWML_STRING },
	{ .name = "purpose", .types = SWML_STRING },
	{ .name = "parameters", .types = SWML_MAP, .inside = sidecar_arguments },
	{ .name = "web_hook_url", .types = SWML_STRING },
	{ .name = "web_hook_auth_user", .types = SWML_STRING },
	{ .name = "web_hook_auth_password", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param sidecar_defaults[] = {
	{ .name = "web_hook_url", .types = SWML_STRING },
	{ .name = "web_hook_auth_user", .types = SWML_STRING },
	{ .name = "web_hook_auth_password", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param sidecar_swaig[] = {
	{ .name = "defaults", .types = SWML_MAP, .inside = sidecar_defaults },
	{ .name = "functions", .types = SWML_LIST, .each = SWML_MAP, .inside = sidecar_function },
	{ .name = "mcp_servers", .types = SWML_LIST, .each = SWML_MAP, .inside = swml_ai_mcp_server },
	{ 0 },
};

static const struct swml_param sidecar_permissions[] = {
	{ .name = "swaig_allow_swml", .types = SWML_BOOL },
	{ .name = "swaig_allow_settings", .types = SWML_BOOL },
	{ .name = "swaig_set_global_data", .types = SWML_BOOL },
	{ 0 },
};

static const struct swml_param sidecar_params[] = {
	{ .name = "idle_timeout_ms", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "min_interval_ms", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "max_iters_per_tick", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "max_history_tokens", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "act_on_channel", .types = SWML_BOOL },
	{ .name = "final_summary", .types = SWML_BOOL },
	{ .name = "ai_summary", .types = SWML_BOOL },
	{ .name = "ai_summary_prompt", .types = SWML_STRING },
	{ .name = "summary_model", .types = SWML_STRING },
	{ .name = "live_events", .types = SWML_BOOL },
	{ .name = "verbose_utterances", .types = SWML_BOOL },
	{ .name = "speech_engine", .types = SWML_STRING, .words = speech_engines },
	{ .name = "speech_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "vad_silence_ms", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "vad_thresh", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "debug_level", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "debug", .types = SWML_BOOL },
	{ .name = "transcribe_prompt", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param sidecar_prompt[] = {
	{ .name = "text", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "pom",
	  .types = SWML_LIST,
	  .filled = true,
	  .each = SWML_MAP,
	  .inside = swml_ai_pom,
	  .choice = SWML_EXACTLY_ONE },
	{ .name = "file", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

static const struct swml_param summarize[] = {
	{ .name = "webhook", .types = SWML_STRING },
	{ .name = "prompt", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param sidecar_action[] = {
	{ .name = "summarize", .types = SWML_MAP, .required = true, .inside = summarize },
	{ 0 },
};

const struct swml_param swml_ai_sidecar_params[] = {
	{ .name = "prompt", .types = SWML_STRING | SWML_MAP, .inside = sidecar_prompt },
	{ .name = "lang", .types = SWML_STRING, .required = true },
	{ .name = "model", .types = SWML_STRING },
	{ .name = "direction", .types = SWML_LIST, .each = SWML_STRING, .words = parties },
	{ .name = "customer_role", .types = SWML_STRING, .words = parties },
	{ .name = "url", .types = SWML_STRING },
	{ .name = "SWAIG", .types = SWML_MAP, .inside = sidecar_swaig },
	{ .name = "permissions", .types = SWML_MAP, .inside = sidecar_permissions },
	{ .name = "global_data", .types = SWML_MAP },
	{ .name = "hints", .types = SWML_LIST, .filled = true, .each = SWML_STRING },
	{ .name = "params", .types = SWML_MAP, .inside = sidecar_params },
	{ .name = "action", .types = SWML_MAP, .inside = sidecar_action },
	{ 0 },
};

static const struct swml_param bedrock_model_params[] = {
	{ .name = "attention_timeout", .types = SWML_INT, .max = 600000 },
	{ .name = "hard_stop_time", .types = SWML_STRING },
	{ .name = "inactivity_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "video_listening_file", .types = SWML_STRING },
	{ .name = "video_idle_file", .types = SWML_STRING },
	{ .name = "video_talking_file", .types = SWML_STRING },
	{ .name = "hard_stop_prompt", .types = SWML_STRING },
	{ .name = "*", .types = SWML_ANY },
	{ 0 },
};

static const struct swml_param bedrock_prompt[] = {
	{ .name = "voice_id", .types = SWML_STRING, .words = voices },
	{ .name = "max_tokens", .types = SWML_INT, .max = 4096 },
	{ .name = "temperature", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "top_p", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "confidence", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "presence_penalty", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "frequency_penalty", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "text", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "pom",
	  .types = SWML_LIST,
	  .filled = true,
	  .each = SWML_MAP,
	  .inside = swml_ai_pom,
	  .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

static const struct swml_param bedrock_post_prompt[] = {
	{ .name = "max_tokens", .types = SWML_INT, .max = 4096 },
	{ .name = "temperature", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "top_p", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "confidence", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "presence_penalty", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "frequency_penalty", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "text", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "pom",
	  .types = SWML_LIST,
	  .filled = true,
	  .each = SWML_MAP,
	  .inside = swml_ai_pom,
	  .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

static const struct swml_param bedrock_function[] = {
	{ .name = "description", .types = SWML_STRING, .required = true },
	{ .name = "parameters", .types = SWML_MAP, .inside = swml_ai_function_params },
	{ .name = "active", .types = SWML_BOOL },
	{ .name = "meta_data", .types = SWML_MAP },
	{ .name = "meta_data_token", .types = SWML_STRING },
	{ .name = "web_hook_url", .types = SWML_STRING },
	{ .name = "function", .types = SWML_STRING, .required = true },
	{ .name = "data_map", .types = SWML_MAP, .inside = swml_ai_data_map },
	{ 0 },
};

static const struct swml_param bedrock_swaig[] = {
	{ .name = "functions", .types = SWML_LIST, .each = SWML_MAP, .inside = bedrock_function },
	{ .name = "defaults", .types = SWML_MAP, .inside = swml_ai_swaig_defaults },
	{ 0 },
};

const struct swml_param swml_bedrock_params[] = {
	{ .name = "global_data", .types = SWML_MAP },
	{ .name = "params", .types = SWML_MAP, .inside = bedrock_model_params },
	{ .name = "post_prompt", .types = SWML_MAP, .inside = bedrock_post_prompt },
	{ .name = "post_prompt_url", .types = SWML_STRING },
	{ .name = "prompt", .types = SWML_MAP, .required = true, .inside = bedrock_prompt },
	{ .name = "SWAIG", .types = SWML_MAP, .inside = bedrock_swaig },
	{ 0 },
};
