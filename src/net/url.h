/* url: http, https, ws, wss and rtp URLs as their parts, and the texts made of them. Pure. Thread: any.
 *
 * What is connected to is always printed anew from these parts, so that nobody behind us can read another host out
 * of the same text. */
#ifndef URL_H
#define URL_H

#include "base/str.h"

struct url {                  /* slices of the text */
	bool https;           /* or wss */
	struct str userinfo;  /* "user:password", escaped; absent = none */
	struct str authority; /* host and port as written */
	struct str host;      /* without brackets; never empty */
	uint16_t port;        /* that of the scheme when none is written */
	struct str tail;      /* path and query; may be empty */
	struct str fragment;  /* absent = none */
};

/* 0; EPROTONOSUPPORT for another scheme; EINVAL. */
int url_parse(struct url *out, struct str text);
bool url_is_http(struct str text); /* begins with http:// or https:// */
/* The same for ws:// and wss://; and for rtp://, which needs a port and has nothing but host and port. */
int url_parse_ws(struct url *out, struct str text);
int url_parse_rtp(struct url *out, struct str text);
/* Without user, password and fragment: what goes over the wire, and what is signed. */
void url_bare(struct buf *out, const struct url *u);
void url_bare_ws(struct buf *out, const struct url *u);
/* Same scheme, host and port: may see the same credentials. */
bool url_same_origin(const struct url *a, const struct url *b);

struct url_limits {
	uint32_t connect_ms, read_ms, total_ms;
};

/* "ot=…&rt=…&tt=…" of a fragment [ms] (cxml.md §3): what is there replaces the field; above or below what is allowed
 * counts as the nearest that is. Anything else is ignored. */
void url_limits(struct url_limits *out, struct str fragment);

#endif
