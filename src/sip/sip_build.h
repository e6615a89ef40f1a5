/* sip_build: prints SIP messages into a buffer. Pure. Thread: any.
 *
 * Values given here must be clean: sip_build refuses CR, LF and NUL in them by setting buf.failed, so a
 * header can never be injected. Content-Length is written by sip_build_body(), which ends the message. */
#ifndef SIP_BUILD_H
#define SIP_BUILD_H

#include "sip/sip_msg.h"

void sip_build_request(struct buf *b, struct str method, struct str ruri);
void sip_build_status(struct buf *b, int status, struct str reason); /* empty reason = the standard phrase */
void sip_build_header(struct buf *b, const char *name, struct str value);
void sip_build_headerf(struct buf *b, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Start of a response: status line, Vias, From, To (with to_tag added when the request has none and
 * to_tag is not NULL), Call-ID, CSeq, Record-Route for 101..299 to dialog-forming requests. received and
 * rport of the top Via are filled in from `from` text ("1.2.3.4" or v6 without brackets), RFC 3581 §4. */
void sip_build_response(struct buf *b, const struct sip_msg *request, int status, struct str reason, const char *to_tag,
			const char *from_host, uint16_t from_port);
/* Content-Type (when body.n), Content-Length, empty line, body. */
void sip_build_body(struct buf *b, const char *content_type, struct str body);
/* The user part of a URI, with escapes where it needs them; what is escaped stays so. */
void sip_build_user(struct buf *b, struct str user);
/* "Display Name" <uri> with quoting; name may be absent. */
void sip_build_name_addr(struct buf *b, struct str name, struct str uri);

#endif
