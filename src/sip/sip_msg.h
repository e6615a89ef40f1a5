/* sip_msg: a SIP message as slices of the bytes it came in; nothing is copied or allocated.
 *
 * sip_msg_parse() indexes the header lines once; fields are decoded when asked for. Folded lines and
 * compact names are understood. Unknown headers are kept in order. Limits: 64 KiB a message, 256 headers,
 * 16 KiB a header. sip_msg_check() says what a server must answer to a bad request (RFC 4475's cases).
 * Pure. Thread: any. Source: RFC 3261 §7, §20, §25. */
#ifndef SIP_MSG_H
#define SIP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { SIP_MAX_MESSAGE = 65536, SIP_MAX_HEADERS = 256, SIP_MAX_HEADER = 16384 };

enum sip_method {
	SIP_INVITE,
	SIP_ACK,
	SIP_BYE,
	SIP_CANCEL,
	SIP_OPTIONS,
	SIP_REGISTER,
	SIP_PRACK,
	SIP_UPDATE,
	SIP_INFO,
	SIP_REFER,
	SIP_NOTIFY,
	SIP_SUBSCRIBE,
	SIP_MESSAGE,
	SIP_PUBLISH,
	SIP_OTHER
};

enum sip_hdr_id {
	SIP_H_OTHER,
	SIP_H_VIA,
	SIP_H_FROM,
	SIP_H_TO,
	SIP_H_CALL_ID,
	SIP_H_CSEQ,
	SIP_H_CONTACT,
	SIP_H_ROUTE,
	SIP_H_RECORD_ROUTE,
	SIP_H_MAX_FORWARDS,
	SIP_H_CONTENT_LENGTH,
	SIP_H_CONTENT_TYPE,
	SIP_H_CONTENT_ENCODING,
	SIP_H_REQUIRE,
	SIP_H_PROXY_REQUIRE,
	SIP_H_SUPPORTED,
	SIP_H_UNSUPPORTED,
	SIP_H_ALLOW,
	SIP_H_ACCEPT,
	SIP_H_REASON,
	SIP_H_RETRY_AFTER,
	SIP_H_EXPIRES,
	SIP_H_DATE,
	SIP_H_WARNING,
	SIP_H_WWW_AUTHENTICATE,
	SIP_H_PROXY_AUTHENTICATE,
	SIP_H_AUTHORIZATION,
	SIP_H_PROXY_AUTHORIZATION,
	SIP_H_SESSION_EXPIRES,
	SIP_H_MIN_SE,
	SIP_H_RSEQ,
	SIP_H_RACK,
	SIP_H_REPLACES,
	SIP_H_REFER_TO,
	SIP_H_USER_AGENT,
	SIP_H_SERVER
};

struct sip_hdr {
	enum sip_hdr_id id;
	struct str name;  /* as written                                     */
	struct str value; /* trimmed; folded lines still hold their CRLF SP */
};

struct sip_msg {
	struct str raw; /* from the start line to the end of the body */
	bool request;
	enum sip_method method; /* requests */
	struct str method_text; /* requests */
	struct str ruri;        /* requests */
	struct str version;     /* "SIP/2.0" when good */
	uint16_t status;        /* responses */
	struct str reason;      /* responses; may be empty */
	struct str body;
	bool short_body; /* datagram ended before its headers or Content-Length did */
	bool unframed;   /* stream without a usable Content-Length: answer, then close; body is empty */
	size_t header_count;
	struct sip_hdr headers[SIP_MAX_HEADERS];
};

enum sip_parse {
	SIP_PARSE_OK,
	SIP_PARSE_MORE,  /* streams: the message is not complete yet        */
	SIP_PARSE_EMPTY, /* only CRLFs: a keep-alive; *used bytes to skip   */
	SIP_PARSE_BAD,   /* no start line or header block to make sense of, or over a limit */
};

/* Parse one message at the start of data. stream: Content-Length decides the end (none, or a bad one: unframed
 * and no body), else the datagram does. Empty lines in front are skipped. *used: bytes consumed (OK, EMPTY).
 * *why: static text for BAD. m points into data. m is not zeroed beyond header_count. */
enum sip_parse sip_msg_parse(struct sip_msg *m, const char *data, size_t n, bool stream, size_t *used,
			     const char **why);

/* What is wrong with a parsed message: 0 = nothing, else the status for it (400, 416, 420?, 505 …) and
 * *why a static reason phrase, e.g. "Bad CSeq". Responses: non-zero means discard. Does not judge
 * Require, Content-Type or methods: that is the session's business. */
int sip_msg_check(const struct sip_msg *m, const char **why);

/* Nth header of the kind (n from 0), absent slice when there is none. */
struct str sip_msg_header(const struct sip_msg *m, enum sip_hdr_id id, size_t n);
/* By name, case-insensitive, for those without an id; first one. */
struct str sip_msg_header_named(const struct sip_msg *m, const char *name);
/* Visit the comma-separated values of all headers of the kind in order: *pos starts at 0; false = no more.
 * Commas inside quotes and <> do not split. */
bool sip_msg_next_value(const struct sip_msg *m, enum sip_hdr_id id, size_t *pos, struct str *value);
/* The same for one header line: cut the next value off *rest. */
bool sip_value_next(struct str *rest, struct str *value);
/* Does a comma list header (Require, Supported, Allow) hold the token? */
bool sip_msg_has_token(const struct sip_msg *m, enum sip_hdr_id id, const char *token);

enum sip_method sip_method_of(struct str text); /* case-sensitive, RFC 3261 §7.1 */
const char *sip_method_name(enum sip_method m); /* "INVITE"; "" for SIP_OTHER */
const char *sip_reason_phrase(int status);      /* standard phrase, "" when unknown */

/* --- parts --- */

struct sip_uri {
	struct str all;    /* the whole URI as written          */
	struct str scheme; /* "sip", "sips", "tel", …           */
	struct str user;   /* still escaped; absent = none      */
	struct str password;
	struct str host;    /* IPv6 without brackets             */
	uint16_t port;      /* 0 = none                          */
	struct str params;  /* behind the first ';', "" if none  */
	struct str headers; /* behind '?', absent = none        */
};

/* addr-spec. 0 or EINVAL. sip/sips are taken apart; other schemes only give scheme and all. */
int sip_uri_parse(struct sip_uri *out, struct str text);
/* Value of a ;name=value parameter: absent slice = no such parameter, empty = without value. Works on
 * the params of URIs, name-addrs and Vias alike. Quotes around values are taken off. */
struct str sip_param(struct str params, const char *name);

struct sip_name_addr {
	struct str name; /* display name without quotes, still escaped; absent or empty = none */
	struct sip_uri uri;
	struct str params; /* header parameters behind the URI                 */
	struct str tag;    /* absent = none                                    */
	bool wildcard;     /* Contact: *                                        */
};

/* From, To, Contact, Route, Record-Route (one value). 0 or EINVAL. */
int sip_name_addr_parse(struct sip_name_addr *out, struct str value);

struct sip_via {
	struct str transport; /* "UDP" … as written */
	struct str host;      /* IPv6 without brackets */
	uint16_t port;        /* 0 = none */
	struct str params, branch, received;
	bool rport; /* present */
	uint16_t rport_value;
	struct str all;
};
int sip_via_parse(struct sip_via *out, struct str value);

struct sip_cseq {
	uint32_t number;
	struct str method_text;
	enum sip_method method;
};
int sip_cseq_parse(struct sip_cseq *out, struct str value);

#endif
