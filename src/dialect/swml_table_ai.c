/* The parameters of the method ai. */
#include "dialect/swml_tables.h"

static const char *const emotions[] = { "happy", "sad", "angry", "fearful", "disgusted", "surprised", "neutral", NULL };
static const char *const roles[] = { "user", "assistant", "system", NULL };
static const char *const directions[] = { "inbound", "outbound", NULL };
static const char *const normalizations[] = { "heard", "spoken", "both", "true", "on", "false", "off", "none", NULL };
static const char *const pom_formats[] = { "markdown", "xml", NULL };
static const char *const summary_modes[] = { "string", "original", NULL };
static const char *const number_formats[] = { "international", "national", NULL };

const struct swml_param swml_ai_text_map[] = {
	{ .name = "*", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param hint[] = {
	{ .name = "hint", .types = SWML_STRING, .required = true },
	{ .name = "pattern", .types = SWML_STRING, .required = true },
	{ .name = "replace", .types = SWML_STRING, .required = true },
	{ .name = "ignore_case", .types = SWML_BOOL },
	{ 0 },
};

static const struct swml_param pronounce[] = {
	{ .name = "replace", .types = SWML_STRING, .required = true },
	{ .name = "with", .types = SWML_STRING, .required = true },
	{ .name = "ignore_case", .types = SWML_BOOL },
	{ 0 },
};

static const struct swml_param language_params[] = {
	{ .name = "stability", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "similarity", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "speakingRate", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "temperature", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "speed", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "vol", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "pitch", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "emotion", .types = SWML_STRING, .words = emotions },
	{ 0 },
};

static const struct swml_param language[] = {
	{ .name = "name", .types = SWML_STRING, .required = true },
	{ .name = "code", .types = SWML_STRING | SWML_LIST, .required = true, .each = SWML_STRING },
	{ .name = "listen_language", .types = SWML_STRING | SWML_LIST, .each = SWML_STRING },
	{ .name = "voice", .types = SWML_STRING, .required = true },
	{ .name = "model", .types = SWML_STRING },
	{ .name = "auto_emotion", .types = SWML_BOOL },
	{ .name = "auto_speed", .types = SWML_BOOL },
	{ .name = "engine", .types = SWML_STRING },
	{ .name = "params", .types = SWML_MAP, .inside = language_params },
	{ .name = "fillers", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "function_fillers", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "speech_fillers", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "turn_fillers", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "pronounce", .types = SWML_LIST, .each = SWML_MAP, .inside = pronounce },
	{ 0 },
};

static const struct swml_param multilingual_language[] = {
	{ .name = "language", .types = SWML_STRING, .required = true },
	{ .name = "voice", .types = SWML_STRING },
	{ .name = "model", .types = SWML_STRING },
	{ .name = "engine", .types = SWML_STRING },
	{ .name = "params", .types = SWML_MAP, .inside = language_params },
	{ 0 },
};

static const struct swml_param multilingual[] = {
	{ .name = "languages",
	  .types = SWML_LIST,
	  .required = true,
	  .each = SWML_MAP,
	  .inside = multilingual_language },
	{ .name = "allowed", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "engine", .types = SWML_STRING },
	{ .name = "model", .types = SWML_STRING },
	{ .name = "provider", .types = SWML_STRING },
	{ .name = "start_language", .types = SWML_STRING },
	{ .name = "min_switch_words", .types = SWML_INT, .min = 1 },
	{ .name = "fillers", .types = SWML_LIST | SWML_MAP, .each = SWML_STRING, .inside = swml_ai_fillers },
	{ .name = "function_fillers", .types = SWML_LIST | SWML_MAP, .each = SWML_STRING, .inside = swml_ai_fillers },
	{ .name = "turn_fillers", .types = SWML_LIST | SWML_MAP, .each = SWML_STRING, .inside = swml_ai_fillers },
	{ 0 },
};

static const struct swml_param message[] = {
	{ .name = "role", .types = SWML_STRING, .required = true, .words = roles },
	{ .name = "content", .types = SWML_STRING, .required = true },
	{ .name = "lang", .types = SWML_STRING },
	{ 0 },
};

static const struct swml_param model_params[] = {
	{ .name = "acknowledge_interruptions", .types = SWML_BOOL },
	{ .name = "ai_model", .types = SWML_STRING },
	{ .name = "ai_name", .types = SWML_STRING },
	{ .name = "ai_volume", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "app_name", .types = SWML_STRING },
	{ .name = "asr_smart_format", .types = SWML_BOOL },
	{ .name = "attention_timeout", .types = SWML_INT, .max = 600000 },
	{ .name = "attention_timeout_prompt", .types = SWML_STRING },
	{ .name = "asr_diarize", .types = SWML_BOOL },
	{ .name = "asr_speaker_affinity", .types = SWML_BOOL },
	{ .name = "audible_debug", .types = SWML_BOOL },
	{ .name = "audible_latency", .types = SWML_BOOL },
	{ .name = "background_file", .types = SWML_STRING },
	{ .name = "background_file_loops", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "background_file_volume", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "enable_barge", .types = SWML_STRING | SWML_BOOL },
	{ .name = "enable_inner_dialog", .types = SWML_BOOL },
	{ .name = "enable_pause", .types = SWML_BOOL },
	{ .name = "enable_turn_detection", .types = SWML_BOOL },
	{ .name = "barge_match_string", .types = SWML_STRING },
	{ .name = "barge_min_words", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "barge_functions", .types = SWML_BOOL },
	{ .name = "cache_mode", .types = SWML_BOOL },
	{ .name = "conscience", .types = SWML_STRING },
	{ .name = "convo", .types = SWML_LIST, .each = SWML_MAP, .inside = message },
	{ .name = "conversation_id", .types = SWML_STRING },
	{ .name = "conversation_sliding_window", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "debug_webhook_level", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "debug_webhook_url", .types = SWML_STRING },
	{ .name = "debug", .types = SWML_INT | SWML_BOOL, .min = SWML_NO_MIN },
	{ .name = "direction", .types = SWML_STRING, .words = directions },
	{ .name = "digit_terminators", .types = SWML_STRING },
	{ .name = "digit_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "end_of_speech_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "enable_accounting", .types = SWML_BOOL },
	{ .name = "enable_thinking", .types = SWML_BOOL },
	{ .name = "enable_text_normalization", .types = SWML_STRING, .words = normalizations },
	{ .name = "auto_correct", .types = SWML_BOOL },
	{ .name = "redact_prompt", .types = SWML_STRING },
	{ .name = "enable_vision", .types = SWML_BOOL },
	{ .name = "energy_level", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "first_word_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "function_wait_for_talking", .types = SWML_BOOL },
	{ .name = "functions_on_no_response", .types = SWML_BOOL },
	{ .name = "hard_stop_prompt", .types = SWML_STRING },
	{ .name = "hard_stop_time", .types = SWML_STRING },
	{ .name = "hold_music", .types = SWML_STRING },
	{ .name = "hold_on_process", .types = SWML_BOOL },
	{ .name = "inactivity_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "inner_dialog_model", .types = SWML_STRING },
	{ .name = "inner_dialog_prompt", .types = SWML_STRING },
	{ .name = "inner_dialog_synced", .types = SWML_BOOL },
	{ .name = "initial_sleep_ms", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "input_poll_freq", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "interrupt_on_noise", .types = SWML_BOOL },
	{ .name = "interrupt_prompt", .types = SWML_STRING },
	{ .name = "languages_enabled", .types = SWML_BOOL },
	{ .name = "local_tz", .types = SWML_STRING },
	{ .name = "llm_diarize_aware", .types = SWML_BOOL },
	{ .name = "max_emotion", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "max_response_tokens", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "openai_asr_engine", .types = SWML_STRING },
	{ .name = "outbound_attention_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "persist_global_data", .types = SWML_BOOL },
	{ .name = "pom_format", .types = SWML_STRING, .words = pom_formats },
	{ .name = "save_conversation", .types = SWML_BOOL },
	{ .name = "speech_event_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "speech_gen_quick_stops", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "speech_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "speak_when_spoken_to", .types = SWML_BOOL },
	{ .name = "start_paused", .types = SWML_BOOL },
	{ .name = "static_greeting", .types = SWML_STRING },
	{ .name = "static_greeting_no_barge", .types = SWML_BOOL },
	{ .name = "summary_mode", .types = SWML_STRING, .words = summary_modes },
	{ .name = "swaig_allow_settings", .types = SWML_BOOL },
	{ .name = "swaig_allow_swml", .types = SWML_BOOL },
	{ .name = "swaig_post_conversation", .types = SWML_BOOL },
	{ .name = "swaig_set_global_data", .types = SWML_BOOL },
	{ .name = "swaig_post_swml_vars", .types = SWML_BOOL | SWML_LIST, .each = SWML_STRING },
	{ .name = "thinking_model", .types = SWML_STRING },
	{ .name = "utility_model", .types = SWML_STRING },
	{ .name = "transparent_barge", .types = SWML_BOOL },
	{ .name = "transparent_barge_max_time", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "transfer_summary", .types = SWML_BOOL },
	{ .name = "turn_detection_timeout", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "turn_filler_sources", .types = SWML_STRING },
	{ .name = "turn_filler_every_n", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "turn_filler_min_ms", .types = SWML_INT, .min = SWML_NO_MIN },
	{ .name = "tts_number_format", .types = SWML_STRING, .words = number_formats },
	{ .name = "verbose_logs", .types = SWML_BOOL },
	{ .name = "video_listening_file", .types = SWML_STRING },
	{ .name = "video_idle_file", .types = SWML_STRING },
	{ .name = "video_talking_file", .types = SWML_STRING },
	{ .name = "vision_model", .types = SWML_STRING },
	{ .name = "vad_config", .types = SWML_STRING },
	{ .name = "wait_for_user", .types = SWML_BOOL },
	{ .name = "wake_prefix", .types = SWML_STRING },
	{ .name = "eleven_labs_stability", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "eleven_labs_similarity", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "*", .types = SWML_ANY },
	{ 0 },
};

const struct swml_param swml_ai_pom[] = {
	{ .name = "title", .types = SWML_STRING },
	{ .name = "subsections", .types = SWML_LIST, .filled = true, .each = SWML_MAP, .inside = swml_ai_pom },
	{ .name = "numbered", .types = SWML_BOOL },
	{ .name = "numberedBullets", .types = SWML_BOOL },
	{ .name = "body", .types = SWML_STRING, .choice = SWML_ONE_AT_LEAST },
	{ .name = "bullets", .types = SWML_LIST, .filled = true, .each = SWML_STRING, .choice = SWML_ONE_AT_LEAST },
	{ 0 },
};

static const struct swml_param context_step[] = {
	{ .name = "name", .types = SWML_STRING, .required = true },
	{ .name = "step_criteria", .types = SWML_STRING },
	{ .name = "functions", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "valid_contexts", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "skip_user_turn", .types = SWML_BOOL },
	{ .name = "end", .types = SWML_BOOL },
	{ .name = "valid_steps", .types = SWML_LIST, .each = SWML_STRING },
	{ .name = "pom", .types = SWML_LIST, .each = SWML_MAP, .inside = swml_ai_pom, .choice = SWML_EXACTLY_ONE },
	{ .name = "text", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

static const struct swml_param context[] = {
	{ .name = "steps", .types = SWML_LIST, .required = true, .each = SWML_MAP, .inside = context_step },
	{ .name = "isolated", .types = SWML_BOOL },
	{ .name = "enter_fillers", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "exit_fillers", .types = SWML_MAP, .inside = swml_ai_fillers },
	{ .name = "pom",
	  .types = SWML_LIST,
	  .filled = true,
	  .each = SWML_MAP,
	  .inside = swml_ai_pom,
	  .choice = SWML_ONE_AT_MOST },
	{ .name = "text", .types = SWML_STRING, .choice = SWML_ONE_AT_MOST },
	{ 0 },
};

static const struct swml_param contexts[] = {
	{ .name = "default", .types = SWML_MAP, .required = true, .inside = context },
	{ .name = "*", .types = SWML_MAP, .inside = context },
	{ 0 },
};

static const struct swml_param prompt[] = {
	{ .name = "max_tokens", .types = SWML_INT, .max = 4096 },
	{ .name = "temperature", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "top_p", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "confidence", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "presence_penalty", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "frequency_penalty", .types = SWML_NUMBER, .min = SWML_NO_MIN },
	{ .name = "text", .types = SWML_STRING, .choice = SWML_EXACTLY_ONE },
	{ .name = "contexts", .types = SWML_MAP, .inside = contexts },
	{ .name = "pom",
	  .types = SWML_LIST,
	  .filled = true,
	  .each = SWML_MAP,
	  .inside = swml_ai_pom,
	  .choice = SWML_EXACTLY_ONE },
	{ 0 },
};

static const struct swml_param post_prompt[] = {
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

const struct swml_param swml_ai_params[] = {
	{ .name = "global_data", .types = SWML_MAP },
	{ .name = "hints", .types = SWML_LIST, .each = SWML_STRING | SWML_MAP, .inside = hint },
	{ .name = "languages", .types = SWML_LIST, .each = SWML_MAP, .inside = language },
	{ .name = "multilingual", .types = SWML_MAP, .inside = multilingual },
	{ .name = "params", .types = SWML_MAP, .inside = model_params },
	{ .name = "post_prompt", .types = SWML_MAP, .inside = post_prompt },
	{ .name = "post_prompt_url", .types = SWML_STRING },
	{ .name = "pronounce", .types = SWML_LIST, .each = SWML_MAP, .inside = pronounce },
	{ .name = "prompt", .types = SWML_MAP, .required = true, .inside = prompt },
	{ .name = "SWAIG", .types = SWML_MAP, .inside = swml_ai_swaig },
	{ 0 },
};
