/* INFO inside a dialog, as telephones send their keys in it (the usage of RFC 2976 that RFC 6086 §2 calls legacy). We ask
 * for no Info Package, so one that names a package is refused with 469. A transaction keeps repetitions from being
 * another key. */
#include "sip/sip_impl.h"

/* Media type without its parameters. */
static struct str content_type(const struct sip_msg *m)
{
	struct str rest = sip_msg_header(m, SIP_H_CONTENT_TYPE, 0), type = STR("");

	str_split(&rest, ';', &type);
	return str_trim(type);
}

static int judge(struct sip_session *s, const struct sip_msg *m)
{
	if (sip_msg_header_named(m, "Info-Package").p)
		return 469;
	if (!m->body.n)
		return 200; /* asks whether the dialog lives */
	return s->h && s->h->info ? s->h->info(s->arg, content_type(m), m->body) : 415;
}

void info_take(struct sip_session *s, const struct sip_msg *m, const struct sip_flow *flow)
{
	struct sip_server_params p = { .flow = *flow, .to_tag = "" };
	struct sip_stack *k = s->k;
	struct sip_server *info = NULL;
	int status;

	if (sip_server_start(&info, k->trans, m, &p)) {
		stack_reply(k, m, flow, 500, NULL);
		return;
	}
	status = judge(s, m);
	stack_print_response(k, m, status, STR(""), NULL, flow);
	if (status == 415)
		sip_build_header(&k->out, "Accept", STR("application/dtmf-relay, application/dtmf"));
	if (status == 469)
		sip_build_header(&k->out, "Recv-Info", STR("nil"));
	sip_build_body(&k->out, NULL, STR(""));
	if (k->out.failed || sip_server_respond(&info, status, buf_view(&k->out)))
		sip_server_detach(&info);
}
