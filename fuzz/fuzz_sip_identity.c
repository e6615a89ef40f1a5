/* Any bytes as the headers of an INVITE or a 3xx: identity, reason, and where a redirect leads. What comes out lies in
 * what came in, and the list of redirects stays short and free of repetitions. */
#include <stdlib.h>
#include <string.h>

#include "call/tries.h"
#include "sip/sip_identity.h"
#include "sip/sip_reason.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str all, struct str part)
{
	if (part.n && (part.p < all.p || part.p + part.n > all.p + all.n))
		abort();
}

static void try_identity(struct str all)
{
	struct sip_msg m = { .request = true };
	struct str rest = all, line;
	struct sip_identity who;

	while (m.header_count < 3 && str_split(&rest, '\n', &line)) {
		static const char *const names[] = { "P-Asserted-Identity", "Remote-Party-ID", "Privacy" };

		m.headers[m.header_count].name = str_of(names[m.header_count]);
		m.headers[m.header_count++].value = str_trim(line);
	}
	if (!sip_identity_read(&who, &m))
		return;
	check_inside(all, who.uri);
	check_inside(all, who.name);
	if (who.user.p != who.number)
		check_inside(all, who.user);
	if (!who.user.n)
		abort();
}

static void try_redirect(struct str all)
{
	const struct leg_sip_target target = { .trunk = STR("t"), .ruri = STR("sip:x@y"), .follow = true };
	const struct leg_sip_call call = { .targets = &target, .target_count = 1, .id = STR("id") };
	struct tries *t;

	if (tries_new(&t, NULL, &call))
		return;
	for (; t->at < t->count && tries_redirect(t, all); t->at++)
		;
	if (t->count > 1 + TRIES_MAX_REDIRECTS)
		abort();
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < i; k++)
			if (str_ieq(t->targets[i].ruri, t->targets[k].ruri))
				abort();
	tries_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size };
	struct sip_reason reason;

	if (!size)
		return 0;
	try_identity(all);
	try_redirect(all);
	if (!sip_reason_parse(&reason, all)) {
		check_inside(all, reason.protocol);
		check_inside(all, reason.text);
	}
	return 0;
}
