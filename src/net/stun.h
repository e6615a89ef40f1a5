/* stun: the messages of RFC 5389 as bytes, as far as a keep-alive on a SIP port needs them (RFC 5626 §3.5.2).
 *
 * Parses any message; answers a Binding request with the address it came from. No credentials are made or checked, no
 * transactions are kept. Pure. Thread: any. */
#ifndef STUN_H
#define STUN_H

#include "net/addr.h"

enum { STUN_MAX_ANSWER = 128, STUN_ID = 12 };

enum stun_type { STUN_BINDING_REQUEST = 0x0001, STUN_BINDING_SUCCESS = 0x0101, STUN_BINDING_ERROR = 0x0111 };

enum stun_attr {
	STUN_A_USERNAME = 0x0006,
	STUN_A_MESSAGE_INTEGRITY = 0x0008,
	STUN_A_ERROR_CODE = 0x0009,
	STUN_A_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_A_REALM = 0x0014,
	STUN_A_NONCE = 0x0015,
	STUN_A_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_A_FINGERPRINT = 0x8028
};

struct stun_msg {
	uint16_t type;
	unsigned char id[STUN_ID];
	struct str attrs; /* all of them, whole */
	bool fingerprint; /* the last one is a right FINGERPRINT */
};

/* 0; EINVAL: no STUN message, one without the magic cookie (RFC 3489), broken attributes, a wrong FINGERPRINT. m points
 * into data. */
int stun_parse(struct stun_msg *m, struct str data);
/* Visit the attributes: *pos starts at 0; false = no more. */
bool stun_next(const struct stun_msg *m, size_t *pos, uint16_t *type, struct str *value);
/* The address of an XOR-MAPPED-ADDRESS. 0 or EINVAL. */
int stun_mapped(const struct stun_msg *m, struct addr *out);
/* The answer to a Binding request from `from`: success, or 420 when it has attributes that must be understood and are
 * not. With a FINGERPRINT when it had one. Returns the length, 0 = it is no Binding request. */
size_t stun_answer(unsigned char out[STUN_MAX_ANSWER], const struct stun_msg *m, const struct addr *from);

#endif
