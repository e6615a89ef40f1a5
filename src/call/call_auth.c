#include <errno.h>

#include "call/call_impl.h"

int call_credentials(struct call *c, const char *username, const char *password)
{
	return c->leg ? leg_credentials(c->leg, username, password) : ENOTCONN;
}
