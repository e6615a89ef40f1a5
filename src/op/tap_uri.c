#include "op/tap_uri.h"

#include <errno.h>

int tap_uri_parse(struct url *out, bool *rtp, struct str uri)
{
	int err = url_parse_rtp(out, uri);

	*rtp = err != EPROTONOSUPPORT;
	return *rtp ? err : url_parse_ws(out, uri);
}

const char *tap_uri_fault(struct str uri)
{
	struct url u;
	bool rtp;
	int err = tap_uri_parse(&u, &rtp, uri);

	if (err == EPROTONOSUPPORT)
		return "it begins with rtp://, ws:// or wss://";
	if (err)
		return rtp ? "it is rtp://HOST:PORT and nothing more" : "it is no WebSocket URL";
	return NULL;
}
