/* secret: what must not be shown to whoever follows or traces a call: values whose name says so, and credentials in URLs.
 *
 * Pure. Thread: any. */
#ifndef SECRET_H
#define SECRET_H

#include "base/str.h"

/* Is the value of a parameter, header, member or variable of this name to be kept back? ("password", "Authorization",
 * "sip_token", "PIN" …) */
bool secret_name(struct str name);
/* Put x over what lets in: USER:PASSWORD@ and TOKEN@ of URLs, the password of SIP URIs, values whose name is secret in queries,
 * forms, header lines and JSON, and what signs the address of a recording. The length stays. */
void secret_mask(char *text, size_t n);
/* Put x over each place where one of these values stands; also over its beginning at the end of a text that was cut. */
void secret_mask_value(char *text, size_t n, struct str value, bool cut);

#endif
