#include "call/info_key.h"

#include <string.h>

/* Some write the event's number of RFC 4733 for the keys that are no digits. */
static char key_of(struct str value)
{
	static const char *const numbers[] = { "10", "11", "12", "13", "14", "15" };
	static const char keys[] = "*#ABCD";

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (str_is(value, numbers[i]))
			return keys[i];
	}
	if (value.n != 1)
		return '\0';
	if (value.p[0] >= 'a' && value.p[0] <= 'd')
		return (char)(value.p[0] - 'a' + 'A');
	return value.p[0] && strchr("0123456789*#ABCD", value.p[0]) ? value.p[0] : '\0';
}

/* The value of the line "Signal=…", absent = none. */
static struct str signal_of(struct str body)
{
	struct str line, name;

	while (str_split(&body, '\n', &line)) {
		if (str_split(&line, '=', &name) && str_iis(str_trim(name), "Signal") && line.p)
			return str_trim(line);
	}
	return (struct str){ NULL, 0 };
}

int info_key(struct str content_type, struct str body, char *key)
{
	bool bare = str_iis(content_type, "application/dtmf");
	struct str signal;

	if (!bare && !str_iis(content_type, "application/dtmf-relay"))
		return 415;
	signal = signal_of(body);
	if (!signal.p && bare)
		signal = str_trim(body);
	if (!signal.n)
		return 400;
	*key = key_of(signal);
	return 0;
}
