#include "sip/sip_reason.h"

#include <errno.h>

#include "sip/sip_msg.h"

static int parse_one(struct sip_reason *out, struct str value)
{
	struct str params = value, protocol = { NULL, 0 }, text;
	struct sip_reason r = { .text = { "", 0 } };

	str_split(&params, ';', &protocol);
	r.protocol = str_trim(protocol);
	if (!r.protocol.n || !params.p)
		return EINVAL;
	str_u32(str_trim(sip_param(params, "cause")), &r.cause);
	text = str_trim(sip_param(params, "text"));
	if (text.p)
		r.text = text;
	if (!r.cause && !r.text.n)
		return EINVAL;
	*out = r;
	return 0;
}

int sip_reason_parse(struct sip_reason *out, struct str header)
{
	struct str value;

	while (sip_value_next(&header, &value))
		if (!parse_one(out, value))
			return 0;
	return EINVAL;
}
