#include "op/sound_uri.h"

#include "base/secret.h"
#include "media/tone.h"
#include "net/url.h"

/* "3", "3.2", ".5", cut to milliseconds. */
static bool read_seconds(uint32_t *ms, struct str s)
{
	uint32_t whole = 0, fraction = 0, unit = 100;
	struct str rest = s, part;

	str_split(&rest, '.', &part);
	if (part.n && (str_u32(part, &whole) || whole > SOUND_MAX_S))
		return false;
	for (size_t i = 0; i < rest.n; i++, unit /= 10) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return false;
		fraction += unit * (uint32_t)(rest.p[i] - '0');
	}
	*ms = whole * 1000 + fraction;
	return part.n || rest.n;
}

/* What is behind the scheme; one space is allowed there. */
static bool is_scheme(struct str uri, const char *scheme, size_t n, struct str *rest)
{
	if (!str_starts(uri, scheme))
		return false;
	*rest = str_from(uri, n);
	if (str_starts(*rest, " "))
		*rest = str_from(*rest, 1);
	return true;
}

static const char *parse_http(struct sound_uri *u, struct str uri)
{
	struct url parts;

	*u = (struct sound_uri){ .kind = SOUND_HTTP, .text = uri };
	return url_parse(&parts, uri) ? "this is no http or https URL" : NULL;
}

static const char *parse_say(struct sound_uri *u, struct str rest)
{
	*u = (struct sound_uri){ .kind = SOUND_SAY, .text = str_trim(rest) };
	if (!u->text.n)
		return "there is nothing to say behind say:";
	return u->text.n > SOUND_MAX_TEXT ? "the text behind say: is longer than 16 KiB" : NULL;
}

static const char *parse_silence(struct sound_uri *u, struct str rest)
{
	*u = (struct sound_uri){ .kind = SOUND_SILENCE, .text = STR("") };
	return read_seconds(&u->ms, rest) ? NULL : "silence: takes seconds, at most a day, as in silence:1.5";
}

static const char *parse_ring(struct sound_uri *u, struct str rest)
{
	long colon = str_chr(rest, ':');
	struct str country = colon < 0 ? rest : str_trim(str_from(rest, (size_t)colon + 1));

	*u = (struct sound_uri){ .kind = SOUND_RING, .text = country };
	if (colon > 0 && !read_seconds(&u->ms, str_head(rest, (size_t)colon)))
		return "ring: takes seconds, at most a day, before the country, as in ring:3.2:uk";
	return tone_ring(country) ? NULL : "ring: takes a country whose ring tone is known, as in ring:us";
}

const char *sound_uri_parse(struct sound_uri *out, struct str uri)
{
	struct str rest;

	uri = str_trim(uri);
	if (url_is_http(uri))
		return parse_http(out, uri);
	if (is_scheme(uri, "say:", 4, &rest))
		return parse_say(out, rest);
	if (is_scheme(uri, "silence:", 8, &rest))
		return parse_silence(out, rest);
	if (is_scheme(uri, "ring:", 5, &rest))
		return parse_ring(out, rest);
	return "a sound is http(s)://…, say:…, silence:… or ring:…";
}

const char *sound_uri_parse_own(struct sound_uri *out, struct str uri)
{
	uri = str_trim(uri);
	if (str_starts(uri, "file:/")) {
		*out = (struct sound_uri){ .kind = SOUND_FILE, .text = uri };
		return NULL;
	}
	if (str_is(uri, "music:hold")) {
		*out = (struct sound_uri){ .kind = SOUND_MUSIC, .text = uri };
		return NULL;
	}
	return sound_uri_parse(out, uri);
}

void sound_uri_print(char out[120], struct str uri)
{
	struct url u;
	struct buf bare;

	uri = str_trim(uri);
	if (!url_is_http(uri)) {
		str_copy(out, 120, uri);
		return;
	}
	buf_init(&bare, 0);
	if (!url_parse(&u, uri))
		url_bare(&bare, &u);
	str_copy(out, 120, bare.len ? buf_view(&bare) : STR("a URL"));
	secret_mask(out, strlen(out));
	buf_free(&bare);
}
