/* info_key: the key that the body of a SIP INFO names.
 *
 * application/dtmf-relay ("Signal=5", other lines ignored) and application/dtmf ("5", or the same lines). No RFC; as
 * Cisco began it and telephones send it. Pure. Thread: any. */
#ifndef INFO_KEY_H
#define INFO_KEY_H

#include "base/str.h"

/* 0 and a key 0-9 * # A-D; 0 and NUL for what is no key of a telephone (a flash); else the status to refuse it with: 415
 * for another type, 400 for a body without a signal. */
int info_key(struct str content_type, struct str body, char *key);

#endif
