/* The parameters of what goes out to the web while a document runs. */
#include "dialect/swml_tables.h"

static const char *const request_methods[] = { "GET", "POST", "PUT", "DELETE", NULL };

const struct swml_param swml_request_params[] = {
	{ .name = "url", .types = SWML_STRING, .required = true },
	{ .name = "method", .types = SWML_STRING, .required = true, .words = request_methods },
	{ .name = "headers", .types = SWML_MAP },
	{ .name = "body", .types = SWML_STRING | SWML_MAP },
	{ .name = "timeout", .types = SWML_NUMBER },
	{ .name = "connect_timeout", .types = SWML_NUMBER },
	{ .name = "save_variables", .types = SWML_BOOL },
	{ 0 },
};

const struct swml_param swml_user_event_params[] = {
	{ .name = "event", .types = SWML_MAP, .required = true },
	{ 0 },
};

static const char *const tracks[] = { "inbound_track", "outbound_track", "both_tracks", NULL };
static const char *const methods_of_http[] = { "GET", "POST", NULL };

const struct swml_param swml_stream_params[] = {
	{ .name = "url", .types = SWML_STRING, .required = true },
	{ .name = "control_id", .types = SWML_STRING },
	{ .name = "name", .types = SWML_STRING },
	{ .name = "track", .types = SWML_STRING, .words = tracks },
	{ .name = "codec", .types = SWML_STRING },
	{ .name = "status_url", .types = SWML_STRING },
	{ .name = "status_url_method", .types = SWML_STRING, .words = methods_of_http },
	{ .name = "authorization_bearer_token", .types = SWML_STRING },
	{ .name = "custom_parameters", .types = SWML_MAP, .inside = swml_ai_text_map },
	{ 0 },
};

const struct swml_param swml_stop_stream_params[] = {
	{ .name = "control_id", .types = SWML_STRING },
	{ 0 },
};
