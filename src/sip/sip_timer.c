#include "sip/sip_timer.h"

/* "1800;refresher=uac" or "90": the seconds, 0 when they cannot be read. */
static uint32_t read_seconds(struct str value, struct str *params)
{
	struct str number = { NULL, 0 };
	uint32_t s;

	*params = value;
	str_split(params, ';', &number);
	return str_u32(str_trim(number), &s) ? 0 : s;
}

static enum sip_refresher read_refresher(struct str params)
{
	struct str name = sip_param(params, "refresher");

	if (str_iis(name, "uac"))
		return SIP_REFRESHER_UAC;
	return str_iis(name, "uas") ? SIP_REFRESHER_UAS : SIP_REFRESHER_NONE;
}

void sip_timer_read(struct sip_timer_says *out, const struct sip_msg *m)
{
	struct str expires = sip_msg_header(m, SIP_H_SESSION_EXPIRES, 0), min = sip_msg_header(m, SIP_H_MIN_SE, 0);
	struct str params;

	*out = (struct sip_timer_says){
		.supported =
			sip_msg_has_token(m, SIP_H_SUPPORTED, "timer") || sip_msg_has_token(m, SIP_H_REQUIRE, "timer"),
		.min_s = SIP_MIN_SE_S,
	};
	if (expires.n) {
		out->expires_s = read_seconds(expires, &params);
		out->refresher = read_refresher(params);
	}
	if (min.n && read_seconds(min, &params) > SIP_MIN_SE_S)
		out->min_s = read_seconds(min, &params);
}

bool sip_timer_is_short(const struct sip_timer_says *request)
{
	return request->supported && request->expires_s && request->expires_s < SIP_MIN_SE_S;
}

/* As long as we wish, but not longer than the request says, and not shorter than its Min-SE allows. */
static uint32_t choose_s(const struct sip_timer_says *request, uint32_t wish_s)
{
	uint32_t s = wish_s, asked_s = request->expires_s;

	if (!s || (asked_s && s > asked_s))
		s = asked_s;
	if (s < request->min_s)
		s = request->min_s;
	/* A Min-SE above its own Session-Expires is nonsense: the latter must not be raised. */
	if (asked_s && s > asked_s)
		s = asked_s;
	return s < SIP_MIN_SE_S ? SIP_MIN_SE_S : s;
}

void sip_timer_answer(struct sip_timer_deal *out, const struct sip_timer_says *request, const struct sip_timer_wish *w)
{
	*out = (struct sip_timer_deal){ .expires_s = 0 };
	if (!request->expires_s && !w->expires_s)
		return;
	out->expires_s = choose_s(request, w->expires_s);
	out->mutual = request->supported;
	/* Who does not know session timers cannot refresh; what a proxy wrote about it does not count. */
	if (!request->supported || request->refresher == SIP_REFRESHER_UAS)
		out->ours = true;
	else if (request->refresher == SIP_REFRESHER_NONE)
		out->ours = w->ours;
}

void sip_timer_agree(struct sip_timer_deal *out, const struct sip_timer_says *response, const struct sip_timer_wish *w)
{
	*out = (struct sip_timer_deal){ .expires_s = w->expires_s, .ours = true };
	if (!response->expires_s)
		return;
	/* Less than the RFC allows would only make us talk all the time. */
	out->expires_s = response->expires_s < SIP_MIN_SE_S ? SIP_MIN_SE_S : response->expires_s;
	out->mutual = true;
	out->ours = response->refresher != SIP_REFRESHER_UAS;
}

uint32_t sip_timer_deadline_s(uint32_t expires_s)
{
	uint32_t third_s = expires_s / 3;

	return expires_s - (third_s < 32 ? third_s : 32);
}

static void print_expires(struct buf *b, uint32_t expires_s, enum sip_refresher refresher)
{
	buf_cstr(b, "Session-Expires: ");
	buf_u32(b, expires_s);
	if (refresher != SIP_REFRESHER_NONE)
		buf_cstr(b, refresher == SIP_REFRESHER_UAC ? ";refresher=uac" : ";refresher=uas");
	buf_cstr(b, "\r\n");
}

void sip_timer_print_answer(struct buf *b, const struct sip_timer_deal *d)
{
	if (!d->expires_s)
		return;
	print_expires(b, d->expires_s, d->ours ? SIP_REFRESHER_UAS : SIP_REFRESHER_UAC);
	if (d->mutual)
		buf_cstr(b, "Require: timer\r\n");
}

void sip_timer_print_request(struct buf *b, uint32_t expires_s, uint32_t min_s, enum sip_refresher refresher)
{
	if (!expires_s)
		return;
	print_expires(b, expires_s, refresher);
	buf_cstr(b, "Min-SE: ");
	buf_u32(b, min_s);
	buf_cstr(b, "\r\n");
}
