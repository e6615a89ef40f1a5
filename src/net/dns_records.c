#include "net/dns_records.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

/* RFC 2181 §8: a lifetime with the highest bit set means none at all. */
static uint32_t lifetime(const ns_rr *rr)
{
	return ns_rr_ttl(*rr) > INT32_MAX ? 0 : (uint32_t)ns_rr_ttl(*rr);
}

/* Visit the records of a type. Returns how many were taken. */
struct visit {
	ns_type type;
	size_t max;
	/* true = it is a good one and has become the n-th of out. */
	bool (*take)(void *out, size_t n, const ns_msg *m, const ns_rr *rr);
	void *out;
};

static size_t visit(const struct visit *v, struct str answer, uint32_t *life_s)
{
	uint32_t life = UINT32_MAX;
	size_t n = 0;
	ns_msg m;
	ns_rr rr;

	if (answer.n > NS_MAXMSG || ns_initparse((const unsigned char *)answer.p, (int)answer.n, &m))
		return 0;
	for (int i = 0; i < ns_msg_count(m, ns_s_an) && n < v->max; i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr))
			break;
		if (ns_rr_class(rr) != ns_c_in)
			continue;
		life = lifetime(&rr) < life ? lifetime(&rr) : life;
		if (ns_rr_type(rr) == v->type && v->take(v->out, n, &m, &rr))
			n++;
	}
	if (life != UINT32_MAX)
		*life_s = life;
	return n;
}

/* A name in the data of a record, which must end at the record's end when whole. */
static bool read_name(const ns_msg *m, const ns_rr *rr, size_t at, char out[DNS_HOST])
{
	char name[NS_MAXDNAME];
	int used = ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), ns_rr_rdata(*rr) + at, name, sizeof(name));

	if (used < 0 || at + (size_t)used != ns_rr_rdlen(*rr) || strlen(name) >= DNS_HOST)
		return false;
	str_copy(out, DNS_HOST, str_of(strcmp(name, ".") ? name : ""));
	return true;
}

static bool take_srv(void *out, size_t n, const ns_msg *m, const ns_rr *rr)
{
	const unsigned char *p = ns_rr_rdata(*rr);
	struct dns_srv *s = (struct dns_srv *)out + n;

	if (ns_rr_rdlen(*rr) < 7)
		return false;
	s->priority = (uint16_t)ns_get16(p);
	s->weight = (uint16_t)ns_get16(p + 2);
	s->port = (uint16_t)ns_get16(p + 4);
	return read_name(m, rr, 6, s->host);
}

size_t dns_records_srv(struct dns_srv *out, size_t max, struct str answer, uint32_t *life_s)
{
	const struct visit v = { ns_t_srv, max, take_srv, out };

	return visit(&v, answer, life_s);
}

/* The next character-string (RFC 1035 §3.3). */
static bool read_text(const ns_rr *rr, size_t *at, struct str *out)
{
	const unsigned char *p = ns_rr_rdata(*rr);

	if (*at >= ns_rr_rdlen(*rr) || *at + 1 + p[*at] > ns_rr_rdlen(*rr))
		return false;
	*out = (struct str){ (const char *)p + *at + 1, p[*at] };
	*at += 1 + out->n;
	return true;
}

static bool take_naptr(void *out, size_t n, const ns_msg *m, const ns_rr *rr)
{
	struct dns_naptr *r = (struct dns_naptr *)out + n;
	struct str flags, service, regexp;
	size_t at = 4;

	if (ns_rr_rdlen(*rr) < at)
		return false;
	r->order = (uint16_t)ns_get16(ns_rr_rdata(*rr));
	r->preference = (uint16_t)ns_get16(ns_rr_rdata(*rr) + 2);
	if (!read_text(rr, &at, &flags) || !read_text(rr, &at, &service) || !read_text(rr, &at, &regexp))
		return false;
	if (flags.n > 1 || regexp.n || service.n >= sizeof(r->service))
		return false;
	r->flag = flags.n ? (char)tolower((unsigned char)flags.p[0]) : 0;
	str_copy(r->service, sizeof(r->service), service);
	return read_name(m, rr, at, r->host);
}

size_t dns_records_naptr(struct dns_naptr *out, size_t max, struct str answer, uint32_t *life_s)
{
	const struct visit v = { ns_t_naptr, max, take_naptr, out };

	return visit(&v, answer, life_s);
}

static bool take_a(void *out, size_t n, const ns_msg *m, const ns_rr *rr)
{
	struct addr *a = (struct addr *)out + n;

	if (ns_rr_rdlen(*rr) != sizeof(a->in4.sin_addr))
		return false;
	memset(a, 0, sizeof(*a));
	a->in4.sin_family = AF_INET;
	memcpy(&a->in4.sin_addr, ns_rr_rdata(*rr), sizeof(a->in4.sin_addr));
	return true;
}

static bool take_aaaa(void *out, size_t n, const ns_msg *m, const ns_rr *rr)
{
	struct addr *a = (struct addr *)out + n;

	if (ns_rr_rdlen(*rr) != sizeof(a->in6.sin6_addr))
		return false;
	memset(a, 0, sizeof(*a));
	a->in6.sin6_family = AF_INET6;
	memcpy(&a->in6.sin6_addr, ns_rr_rdata(*rr), sizeof(a->in6.sin6_addr));
	return true;
}

size_t dns_records_addrs(struct addr *out, size_t max, bool v6, struct str answer, uint32_t *life_s)
{
	const struct visit v = { v6 ? ns_t_aaaa : ns_t_a, max, v6 ? take_aaaa : take_a, out };

	return visit(&v, answer, life_s);
}

bool dns_records_absent(struct str answer, uint32_t *life_s)
{
	ns_msg m;
	ns_rr rr;

	if (answer.n > NS_MAXMSG || ns_initparse((const unsigned char *)answer.p, (int)answer.n, &m))
		return false;
	for (int i = 0; i < ns_msg_count(m, ns_s_ns) && !ns_parserr(&m, ns_s_ns, i, &rr); i++) {
		uint32_t minimum;

		if (ns_rr_type(rr) != ns_t_soa || ns_rr_rdlen(rr) < 4)
			continue;
		/* The last of its five numbers (RFC 2308 §5: the lesser of it and the record's own lifetime). */
		minimum = (uint32_t)ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4);
		*life_s = minimum < lifetime(&rr) ? minimum : lifetime(&rr);
		return true;
	}
	return false;
}
