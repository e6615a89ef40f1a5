/* The parameters of where several calls meet: queues, conferences, rooms. */
#include "dialect/swml_tables.h"

enum { MAX_PARTICIPANTS = 100000 };

static const char *const beeps[] = { "true", "false", "onEnter", "onExit", NULL };
static const char *const recordings[] = { "do-not-record", "record-from-start", NULL };
static const char *const trims[] = { "trim-silence", "do-not-trim", NULL };
static const char *const regions[] = { "global", "us", "eu", "ch", NULL };
static const char *const methods_of_http[] = { "GET", "POST", NULL };
static const char *const callback_types[] = { "cxml", "laml", "relay", NULL };

const struct swml_param swml_enter_queue_params[] = {
	{ .name = "queue_name", .types = SWML_STRING, .required = true },
	{ .name = "transfer_after_bridge", .types = SWML_STRING, .required = true },
	{ .name = "status_url", .types = SWML_STRING },
	{ .name = "wait_url", .types = SWML_STRING },
	{ .name = "wait_time", .types = SWML_INT },
	{ 0 },
};

static const struct swml_param stream[] = {
	{ .name = "url", .types = SWML_STRING, .required = true },
	{ .name = "name", .types = SWML_STRING },
	{ .name = "codec", .types = SWML_STRING },
	{ .name = "status_url", .types = SWML_STRING },
	{ .name = "status_url_method", .types = SWML_STRING, .words = methods_of_http },
	{ .name = "realtime", .types = SWML_BOOL },
	{ .name = "authorization_bearer_token", .types = SWML_STRING },
	{ .name = "custom_parameters", .types = SWML_MAP, .inside = swml_ai_text_map },
	{ 0 },
};

const struct swml_param swml_join_conference_params[] = {
	{ .name = "name", .types = SWML_STRING, .required = true },
	{ .name = "muted", .types = SWML_BOOL },
	/* Unquoted in YAML it is a boolean. */
	{ .name = "beep", .types = SWML_STRING | SWML_BOOL, .words = beeps },
	{ .name = "start_on_enter", .types = SWML_BOOL },
	{ .name = "end_on_exit", .types = SWML_BOOL },
	{ .name = "wait_url", .types = SWML_STRING },
	{ .name = "max_participants", .types = SWML_INT, .min = 2, .max = MAX_PARTICIPANTS },
	{ .name = "record", .types = SWML_STRING, .words = recordings },
	{ .name = "region", .types = SWML_STRING, .words = regions },
	{ .name = "trim", .types = SWML_STRING, .words = trims },
	{ .name = "coach", .types = SWML_STRING },
	{ .name = "status_callback", .types = SWML_STRING },
	{ .name = "status_callback_method", .types = SWML_STRING, .words = methods_of_http },
	{ .name = "status_callback_event", .types = SWML_STRING },
	{ .name = "status_callback_event_type", .types = SWML_STRING, .words = callback_types },
	{ .name = "recording_status_callback", .types = SWML_STRING },
	{ .name = "recording_status_callback_method", .types = SWML_STRING, .words = methods_of_http },
	{ .name = "recording_status_callback_event", .types = SWML_STRING },
	{ .name = "recording_status_callback_event_type", .types = SWML_STRING, .words = callback_types },
	{ .name = "result", .types = SWML_RESULT },
	{ .name = "stream", .types = SWML_MAP, .inside = stream },
	{ 0 },
};

static bool is_room_name(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' &&
		    c != '-')
			return false;
	}
	return text.n > 0;
}

const struct swml_param swml_join_room_params[] = {
	{ .name = "name",
	  .types = SWML_STRING,
	  .required = true,
	  .fits = is_room_name,
	  .wanted = "letters, digits, _ and -" },
	{ 0 },
};
