/* Any bytes as the answer of a name server: what is read out of it is whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str answer = { (const char *)data, size };
	struct dns_naptr naptr[4];
	struct dns_srv srv[4];
	struct addr addrs[4];
	uint32_t life_s = 0;
	size_t n;

	n = dns_records_srv(srv, 4, answer, &life_s);
	for (size_t i = 0; i < n; i++)
		if (strlen(srv[i].host) >= DNS_HOST)
			abort();
	n = dns_records_naptr(naptr, 4, answer, &life_s);
	for (size_t i = 0; i < n; i++)
		if (strlen(naptr[i].host) >= DNS_HOST || strlen(naptr[i].service) >= sizeof(naptr[i].service))
			abort();
	n = dns_records_addrs(addrs, 4, false, answer, &life_s);
	for (size_t i = 0; i < n; i++)
		if (addr_is_v6(&addrs[i]))
			abort();
	n = dns_records_addrs(addrs, 4, true, answer, &life_s);
	for (size_t i = 0; i < n; i++)
		if (!addr_is_v6(&addrs[i]))
			abort();
	dns_records_absent(answer, &life_s);
	if (life_s > INT32_MAX)
		abort();
	return 0;
}
