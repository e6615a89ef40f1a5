/* What a model may call: functions, their arguments, what their answers may ask for. */
#include "dialect/swml_tables.h"

static const char *const json_types[] = { "string", "integer", "number", "boolean", "array", "object", "null", NULL };
static const char *const text_formats[] = { "date_time", "time", "date", "duration", "email", "hostname",
					    "ipv4",      "ipv6", "uri",  "uuid",     NULL };
static const char *const object_word[] = { "object", NULL };
static const char *const methods_of_http[] = { "GET", "POST", "PUT", "DELETE", NULL };
static const char *const native_functions[] = { "check_time", "wait_seconds", "wait_for_user",
						"adjust_response_latency", NULL };

const struct swml_param swml_ai_fillers[] = {
	{ .name = "*", .types = SWML_LIST, .each = SWML_STRING },
	{ 0 },
};

/* A property may be made of others. */
static const struct swml_param property[15];

static const struct swml_param properties[] = {
	{ .name = "*", .types = SWML_MAP, .inside = property },
	{ 0 },
};

static const struct swml_param property[] = {
	{ .name = "description", .types = SWML_STRING },
	{ .name = "nullable", .types = SWML_BOOL },
	{ .name = "type", .types = SWML_STRING, .words = json_types, .choice = SWML_EXACTLY_ONE },
	{ .name = "enum", .types = SWML_LIST, .each = SWML_STRING | SWML_INT | SWML_NUMBER },
	{ .name = "default",
	  .types = SWML_STRING | SWML_INT | SWML_NUMBER | SWML_BOOL | SWML_LIST | SWML_MAP,
	  .min = SWML_NO_MIN },
	{ .name = "pattern", .types = SWML_STRING },
	{ .name = "format", .types = SWML_STRING, .words = text_formats },
	{ .name = "items", .types = SWML_MAP, .inside = property },
	{ .name = "properties", .types = SWML_MAP, .inside = properties },
	{ .name = "required", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "oneOf", .types = SWML_LIST, .each = SWML_MAP, .inside = property, .choice = SWML_EXACTLY_ONE },
	{ .name = "allOf", .types = SWML_LIST, .each = SWML_MAP, .inside = property, .choice = SWML_EXACTLY_ONE },
	{ .name = "anyOf", .types = SWML_LIST, .each = SWML_MAP, .inside = property, .choice = SWML_EXACTLY_ONE },
	{ .name = "const", .types = SWML_ANY, .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

const struct swml_param swml_ai_function_params[] = {
	{ .name = "type", .types = SWML_STRING, .required = true, .words = object_word },
	{ .name = "properties", .types = SWML_MAP, .required = true, .inside = properties },
	{ .name = "required", .types = SWML_LIST, .each = SWML_STRING },
	{ 0 },
};

static const struct swml_param context_switch[] = {
	{ .name = "system_prompt", .types = SWML_STRING, .required = true },
	{ .name = "consolidate", .types = SWML_BOOL },
	{ .name = "user_prompt", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param hold[] = {
	{ .name = "timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ 0 },
};

static const struct swml_param playback[] = {
	{ .name = "file", .types = SWML_STRING, .required = true },
	{ .name = "wait", .types = SWML_BOOL },
	{ 0 },
};

static const struct swml_param toggle[] = {
	{ .name = "active", .types = SWML_BOOL, .required = true },
	{ .name = "function", .types = SWML_STRING | SWML_LIST, .required = true, .each = SWML_STRING },
	{ 0 },
};

static const struct swml_param nothing[] = {
	{ 0 },
};

static const struct swml_param action[] = {
	{ .name = "SWML", .types = SWML_MAP, .choice = SWML_EXACTLY_ONE },
	{ .name = "transfer", .types = SWML_BOOL },
	{ .name = "change_context", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "change_step", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "context_switch", .types = SWML_MAP, .inside = context_switch, .choice = SWML_EXACTLY_ONE },
	{ .name = "hangup", .types = SWML_BOOL, .choice = SWML_EXACTLY_ONE },
	{ .name = "hold",
	  .types = SWML_INT | SWML_MAP,
	  .min = SWML_NO_MIN,
	  .inside = hold,
	  .choice = SWML_EXACTLY_ONE },
	{ .name = "playback_bg", .types = SWML_MAP, .inside = playback, .choice = SWML_EXACTLY_ONE },
	{ .name = "say", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "set_global_data", .types = SWML_MAP, .choice = SWML_EXACTLY_ONE },
	{ .name = "set_meta_data", .types = SWML_MAP, .choice = SWML_EXACTLY_ONE },
	{ .name = "stop", .types = SWML_BOOL, .choice = SWML_EXACTLY_ONE },
	{ .name = "stop_playback_bg", .types = SWML_BOOL, .choice = SWML_EXACTLY_ONE },
	{ .name = "toggle_functions",
	  .types = SWML_LIST,
	  .each = SWML_MAP,
	  .inside = toggle,
	  .choice = SWML_EXACTLY_ONE },
	{ .name = "unset_global_data", .types = SWML_STRING | SWML_MAP, .inside = nothing, .choice = SWML_EXACTLY_ONE },
	{ .name = "unset_meta_data", .types = SWML_STRING | SWML_MAP, .inside = nothing, .choice = SWML_EXACTLY_ONE },
	{ .name = "user_input", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

static const struct swml_param tool_result[] = {
	{ .name = "tool_result", .types = SWML_STRING },
	{ .name = "tool_prompt", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param output[] = {
	{ .name = "response", .types = SWML_STRING | SWML_MAP, .inside = tool_result },
	{ .name = "action", .types = SWML_LIST | SWML_MAP, .each = SWML_MAP, .inside = action },
	{ .name = "post_process", .types = SWML_BOOL },
	{ 0 },
};

static const struct swml_param expression[] = {
	{ .name = "string", .types = SWML_STRING, .required = true },
	{ .name = "pattern", .types = SWML_STRING, .required = true },
	{ .name = "output", .types = SWML_MAP, .required = true, .inside = output },
	{ 0 },
};

static const struct swml_param foreach[] = {
	{ .name = "input_key", .types = SWML_STRING, .required = true },
	{ .name = "output_key", .types = SWML_STRING, .required = true },
	{ .name = "max", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "append", .types = SWML_STRING, .required = true },
	{ 0 },
};

static const struct swml_param webhook[] = {
	{ .name = "expressions", .types = SWML_LIST, .each = SWML_MAP, .inside = expression },
	{ .name = "error_keys", .types = SWML_STRING | SWML_LIST, .each = SWML_STRING },
	{ .name = "url", .types = SWML_STRING, .required = true },
	{ .name = "foreach", .types = SWML_MAP, .inside = foreach },
	{ .name = "headers", .types = SWML_MAP },
	{ .name = "method", .types = SWML_STRING, .words = methods_of_http },
	{ .name = "input_args_as_params", .types = SWML_BOOL },
	{ .name = "params", .types = SWML_MAP },
	{ .name = "require_args", .types = SWML_STRING | SWML_LIST, .each = SWML_STRING },
	{ .name = "output", .types = SWML_MAP, .inside = output },
	{ 0 },
};

const struct swml_param swml_ai_data_map[] = {
	{ .name = "output", .types = SWML_MAP, .inside = output, .choice = SWML_ONE_AT_LEAST },
	{ .name = "expressions",
	  .types = SWML_LIST,
	  .each = SWML_MAP,
	  .inside = expression,
	  .choice = SWML_ONE_AT_LEAST },
	{ .name = "webhooks", .types = SWML_LIST, .each = SWML_MAP, .inside = webhook, .choice = SWML_ONE_AT_LEAST },
	{ 0 },
};

const struct swml_param swml_ai_swaig_defaults[] = {
	{ .name = "web_hook_url", .types = SWML_STRING },
	{ 0 },
};

const struct swml_param swml_ai_mcp_server[] = {
	{ .name = "url", .types = SWML_STRING, .required = true },
	{ .name = "headers", .types = SWML_MAP, .inside = swml_ai_text_map },
	{ .name = "resources", .types = SWML_BOOL },
	{ .name = "resource_vars", .types = SWML_MAP, .inside = swml_ai_text_map },
	{ 0 },
};

static const struct swml_param include[] = {
	{ .name = "functions", .types = SWML_LIST, .required = true, .each = SWML_STRING },
	{ .name = "url", .types = SWML_STRING, .required = true },
	{ .name = "meta_data", .types = SWML_MAP },
	{ 0 },
};

static const struct swml_param internal_filler[] = {
	{ .name = "check_time", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "wait_for_user", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "wait_seconds", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "adjust_response_latency", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "next_step", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "change_context", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "get_visual_input", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "get_ideal_strategy", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "pause_conversation", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ 0 },
};

static const struct swml_param function[] = {
	{ .name = "description", .types = SWML_STRING, .required = true },
	{ .name = "purpose", .types = SWML_STRING },
	{ .name = "parameters", .types = SWML_MAP, .inside = swml_ai_function_params },
	{ .name = "fillers", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "argument", .types = SWML_MAP, .inside = swml_ai_function_params },
	{ .name = "active", .types = SWML_BOOL },
	{ .name = "meta_data", .types = SWML_MAP },
	{ .name = "meta_data_token", .types = SWML_STRING },
	{ .name = "data_map", .types = SWML_MAP, .inside = swml_ai_data_map },
	{ .name = "skip_fillers", .types = SWML_BOOL },
	{ .name = "web_hook_url", .types = SWML_STRING },
	{ .name = "wait_file", .types = SWML_STRING },
	{ .name = "wait_file_loops", .types = SWML_STRING | SWML_INT, .min = SWML_NO_MIN },
	{ .name = "wait_for_fillers", .types = SWML_BOOL },
	{ .name = "function", .types = SWML_STRING, .required = true },
	{ 0 },
};

const struct swml_param swml_ai_swaig[] = {
	{ .name = "defaults", .types = SWML_MAP, .inside = swml_ai_swaig_defaults },
	{ .name = "mcp_servers", .types = SWML_LIST, .each = SWML_MAP, .inside = swml_ai_mcp_server },
	{ .name = "native_functions", .types = SWML_LIST, .each = SWML_STRING, .words = native_functions },
	{ .name = "includes", .types = SWML_LIST, .each = SWML_MAP, .inside = include },
	{ .name = "functions", .types = SWML_LIST, .each = SWML_MAP, .inside = function },
	{ .name = "internal_fillers", .types = SWML_MAP, .inside = internal_filler },
	{ 0 },
};
