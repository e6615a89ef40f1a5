/* config: what crosspoint.yaml says, checked and with defaults filled in (PRODUCT §3).
 *
 * A snapshot: immutable after loading, everything lives in the caller's arena. Settings whose feature this
 * version lacks are not here; they were answered with a warning or an error while loading.
 * Thread: any, after loading. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdio.h>

#include "base/conf.h"
#include "base/log.h"
#include "call/limits.h"
#include "call/route.h"
#include "media/offer.h"
#include "net/sock.h"
#include "op/speech.h"
#include "sip/sip_session.h"

struct config_log {
	enum log_level level;
	enum log_format format;
};

struct config_sip {
	const struct sip_listen *listen; /* udp, tcp, tls; at least one */
	size_t listen_count;
	const char *advertise;            /* host, NULL = the listener's address */
	const char *domain;               /* NULL = none */
	unsigned digests;                 /* what subscribers are challenged with: SIP_OFFER_… bits */
	enum wire_kind default_transport; /* may be one that this version lacks */
	const char *country;              /* digits, "" = none */
	const char *header_prefix;
	uint32_t session_timeout_s; /* 0 = no session timers are asked for */
	bool transfers;             /* parties may ask for them */
	struct sock_tls tls;        /* cert and key are there when tls is listened for */
};

struct config_media {
	struct addr address;         /* port 0 */
	struct addr advertise;       /* family 0 = address */
	uint16_t port_min, port_max; /* even and odd: whole pairs, at least one */
	struct codec_list codecs;    /* at least one */
	enum media_encryption encryption;
	unsigned threads;              /* 0 = auto */
	uint32_t no_media_s;           /* 0 = never told */
	const char *const *hold_music; /* sound_uri_parse_own(), NULL-terminated; empty = silence */
};

/* How text is spoken: see op/speech.h. */
struct config_tts {
	enum speech_engine engine;
	const char *voice, *language;
	const char *const *command; /* NULL-terminated; NULL = none */
	const char *url;            /* NULL = none */
};

/* How speech is understood: see op/recognize.h. */
struct config_stt {
	const char *language;       /* NULL = en-US */
	const char *const *command; /* NULL-terminated; NULL = none */
	const char *url;            /* NULL = none; never both */
};

struct config_http {
	const char *const *listen; /* "ADDRESS:PORT" or "https:ADDRESS:PORT" */
	size_t listen_count;
	struct sock_tls tls;    /* cert and key are there when https is listened for; ca is for the verbs */
	const char *public_url; /* NULL = none */
};

/* Who may use the control API, and what webhooks are signed with. */
struct config_project {
	const char *id, *token;  /* never NULL or empty */
	const char *signing_key; /* NULL = none */
};

/* Where requests of ours may go. */
struct config_webhooks {
	const char *const *allow_hosts; /* names, addresses, networks, NULL-terminated; NULL = none */
	bool deny_private;
};

/* What is kept of the SIP messages, and who gets a copy. */
struct config_trace {
	uint32_t memory_mb; /* 0 = nothing is kept */
	struct addr hep;    /* family 0 = nobody   */
	uint32_t hep_id;
};

struct config {
	const char *path; /* of the file, as given */
	const char *space;
	const char *space_id; /* UUID; the same for the same space */
	const char *node;
	const char *node_id; /* "<UUID of node>@<space>" */
	const char *data;    /* absolute folder; "data" beside the file when left out */
	struct config_log log;
	struct config_sip sip;
	struct config_media media;
	struct config_http http;
	struct route_table routes; /* trunks too. A route without swml and url is of a kind that comes later. */
	const char *const *envs;   /* name, value, …, NULL */
	const char *dns_servers;   /* for dns_new(): commas; NULL = the system's */
	struct conf_list projects; /* of struct config_project */
	struct config_webhooks webhooks;
	struct config_trace trace;
	struct config_tts tts;
	struct config_stt stt;
	struct call_limits limits;
	uint32_t drain_timeout_s;
};

/* The file to read: option_path (of -c) when not NULL, $CROSSPOINT_CONFIG, ./crosspoint.yaml,
 * /etc/crosspoint/crosspoint.yaml. The first two need not exist. NULL = none. Borrowed. */
const char *config_find(const char *option_path);

/* Read the file at path, or its text. All memory, that of the problems too, comes from a.
 * Returns 0 (perhaps with warnings), EINVAL with at least one error among *problems, ENOMEM, or the errno of
 * reading the file, which is a problem without a place as well. On error *out is untouched. */
int config_load(struct config **out, struct arena *a, const char *path, struct conf_problem **problems);
int config_read(struct config **out, struct arena *a, const char *path, struct str text,
		struct conf_problem **problems);

bool config_listens_on_https(const struct config_http *http);
/* What URLs of a listener begin with: "https://ADDRESS:PORT". */
void config_http_url(const char *listen, char *out, size_t size);

/* One line a problem: "path:line:column: error: sentence". */
void config_print_problems(FILE *out, const char *path, const struct conf_problem *problems);

#endif
