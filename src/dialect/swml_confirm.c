#include "dialect/swml_confirm.h"

#include <string.h>

static bool is_in(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

bool swml_confirm_allows(const struct swml_method *m, bool is_inline)
{
	static const char *const allowed[] = { "cond",        "set",          "unset",
					       "hangup",      "play",         "prompt",
					       "record",      "record_call",  "stop_record_call",
					       "tap",         "stop_tap",     "stream",
					       "stop_stream", "send_digits",  "send_sms",
					       "denoise",     "stop_denoise", NULL };
	static const char *const refused[] = { "connect",   "enter_queue", "join_conference",
					       "join_room", "sip_refer",   NULL };

	return is_inline ? is_in(m->name, allowed) : !is_in(m->name, refused);
}
