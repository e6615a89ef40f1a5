#include "op/speech_voice.h"

#include <ctype.h>
#include <string.h>

/* Languages of Amazon Polly's voices. */
static const struct {
	const char *language, *women, *men; /* names between spaces */
} polly[] = {
	{ "arb", " Zeina ", " " },
	{ "ar-AE", " Hala ", " Zayd " },
	{ "ca-ES", " Arlet ", " " },
	{ "cmn-CN", " Zhiyu ", " " },
	{ "cs-CZ", " Jitka ", " " },
	{ "cy-GB", " Gwyneth ", " " },
	{ "da-DK", " Naja Sofie ", " Mads " },
	{ "de-AT", " Hannah ", " " },
	{ "de-CH", " Sabrina ", " " },
	{ "de-DE", " Marlene Vicki ", " Hans Daniel " },
	{ "en-AU", " Nicole Olivia ", " Russell " },
	{ "en-GB", " Amy Emma ", " Brian Arthur Geraint " },
	{ "en-IE", " Niamh ", " " },
	{ "en-IN", " Raveena Kajal Aditi ", " " },
	{ "en-NZ", " Aria ", " " },
	{ "en-SG", " Jasmine ", " " },
	{ "en-US", " Danielle Ivy Joanna Kendra Kimberly Ruth Salli ",
	  " Gregory Joey Justin Kevin Matthew Patrick Stephen " },
	{ "en-ZA", " Ayanda ", " " },
	{ "es-ES", " Conchita Lucia Alba ", " Enrique Sergio Raul " },
	{ "es-MX", " Mia ", " Andres " },
	{ "es-US", " Lupe Penelope ", " Miguel Pedro " },
	{ "fi-FI", " Suvi ", " " },
	{ "fr-BE", " Isabelle ", " " },
	{ "fr-CA", " Chantal Gabrielle ", " Liam " },
	{ "fr-FR", " Celine C\xc3\xa9line Lea L\xc3\xa9\x61 ", " Mathieu Remi " },
	{ "is-IS", " Dora ", " Karl " },
	{ "it-IT", " Carla Bianca ", " Giorgio Adriano " },
	{ "ja-JP", " Mizuki Kazuha Tomoko ", " Takumi " },
	{ "ko-KR", " Seoyeon Jihye ", " " },
	{ "nb-NO", " Liv Ida ", " " },
	{ "nl-BE", " Lisa ", " " },
	{ "nl-NL", " Laura Lotte ", " Ruben " },
	{ "pl-PL", " Ewa Maja Ola ", " Jacek Jan " },
	{ "pt-BR", " Camila Vitoria ", " Ricardo Thiago " },
	{ "pt-PT", " Ines ", " Cristiano " },
	{ "ro-RO", " Carmen ", " " },
	{ "ru-RU", " Tatyana ", " Maxim " },
	{ "sv-SE", " Astrid Elin ", " " },
	{ "tr-TR", " Filiz Burcu ", " " },
	{ "yue-CN", " Hiujin ", " " },
};

/* Tags whose voice is not named like their first part. */
static const char *const espeak_tags[][2] = {
	{ "arb", "ar" },      { "en-us", "en-us" },  { "en-gb", "en-gb" },  { "en-au", "en-gb" },
	{ "en-nz", "en-gb" }, { "en-ie", "en-gb" },  { "en-za", "en-gb" },  { "en-in", "en-gb" },
	{ "en-sg", "en-gb" }, { "es-us", "es-419" }, { "es-mx", "es-419" }, { "es-419", "es-419" },
	{ "fr-be", "fr-be" }, { "fr-ch", "fr-ch" },  { "pt-br", "pt-br" },
};

static const char *const espeak_languages[][2] = {
	{ "en", "en-us" }, { "fr", "fr-fr" }, { "zh", "cmn" }, { "no", "nb" }, { "nn", "nb" }, { "fil", "en-us" },
};

/* The others are called what they are. */
static const char espeak_names[] =
	" af am an ar as az ba be bg bn bpy bs ca cmn cs cv cy da de el eo es et eu fa fi ga gd gn grc gu hak haw he "
	"hi hr ht "
	"hu hy hyw ia id io is it ja jbo ka kk kl kn ko kok ku ky la lb lfn lt ltg lv mi mk ml mr ms mt my nb nci ne "
	"nl nog om "
	"or pa pap pl pt quc ro ru sd shn si sk sl smj sq sr sv sw ta te th tk tn tr tt ug uk ur uz vi yue ";

static const char flite_names[] = " awb kal kal16 rms slt ";

static bool in_list(const char *list, struct str word)
{
	char spaced[SPEECH_NAME + 2];

	if (!word.n || word.n >= SPEECH_NAME - 1 || memchr(word.p, ' ', word.n))
		return false;
	spaced[0] = ' ';
	memcpy(spaced + 1, word.p, word.n);
	spaced[word.n + 1] = ' ';
	spaced[word.n + 2] = '\0';
	return strcasestr(list, spaced);
}

/* It goes into file names and onto command lines: no slash, no dash in front, no dots in a row. */
static bool is_name(struct str s, const char *more)
{
	if (!s.n || s.n >= SPEECH_NAME || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (unsigned char)s.p[i] < 0x80 &&
		    (!s.p[i] || !strchr(more, s.p[i])))
			return false;
	return true;
}

static bool is_tag(struct str s)
{
	size_t letters = 0;

	while (letters < s.n && isalpha((unsigned char)s.p[letters]))
		letters++;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return is_name(s, "-") && letters >= 2 && letters <= 3 && (letters == s.n || s.p[letters] == '-');
}

/* --- vendors --- */

/* "Hans", "Hans-Neural". */
static bool find_polly(struct speech_voice *v, struct str name)
{
	long dash = str_chr(name, '-');
	struct str first = dash < 0 ? name : str_head(name, (size_t)dash);

	for (size_t i = 0; i < ARRAY_LEN(polly); i++) {
		bool man = in_list(polly[i].men, first);

		if (!man && !in_list(polly[i].women, first))
			continue;
		v->male = man;
		str_copy(v->language, sizeof(v->language), str_of(polly[i].language));
		return true;
	}
	return false;
}

/* "de-DE-Wavenet-B", "de-DE-KatjaNeural": language, country, the rest. Google's letters tell the gender by rule of
 * thumb only; whoever asks for one is heard first. */
static bool find_tagged(struct speech_voice *v, struct str name, bool letters)
{
	long one = str_chr(name, '-'), two;
	struct str tag;

	if (one < 0)
		return false;
	two = str_chr(str_from(name, (size_t)one + 1), '-');
	tag = two < 0 ? name : str_head(name, (size_t)(one + 1 + two));
	if (!is_tag(tag))
		return false;
	str_copy(v->language, sizeof(v->language), tag);
	if (letters && two >= 0)
		v->male = strchr("BDIJ", name.p[name.n - 1]) && name.p[name.n - 2] == '-';
	return true;
}

static bool find_plain(struct speech_voice *v, struct str name)
{
	if (str_iis(name, "man") || str_iis(name, "male"))
		v->male = true;
	else if (str_iis(name, "woman") || str_iis(name, "female") || str_iis(name, "alice"))
		v->male = false;
	else
		return find_polly(v, name);
	return true;
}

static bool find_own(struct speech_voice *v, struct str vendor, struct str name)
{
	bool flite = str_iis(vendor, "flite");

	/* What flite does not know by name it takes for a file. */
	if (flite ? !in_list(flite_names, name) : !is_name(name, "-_+"))
		return false;
	v->flite = flite;
	str_copy(v->own, sizeof(v->own), name);
	return true;
}

static bool find(struct speech_voice *v, struct str name)
{
	struct str rest = name, vendor;

	str_split(&rest, '.', &vendor);
	if (!rest.p)
		return find_plain(v, name);
	if (str_iis(vendor, "polly") || str_iis(vendor, "amazon"))
		return find_polly(v, rest);
	if (str_iis(vendor, "gcloud") || str_iis(vendor, "google"))
		return find_tagged(v, rest, true);
	if (str_iis(vendor, "azure") || str_iis(vendor, "microsoft"))
		return find_tagged(v, rest, false);
	if (str_iis(vendor, "espeak") || str_iis(vendor, "flite"))
		return find_own(v, vendor, rest);
	return false;
}

void speech_voice_find(struct speech_voice *out, const char *name, const char *language, const char *gender)
{
	struct str asked = str_of(name), tag = str_of(language), sex = str_of(gender);
	struct speech_voice v = { .known = true };

	if (str_iis(asked, "default"))
		asked = (struct str){ NULL, 0 };
	str_copy(v.language, sizeof(v.language), is_tag(tag) ? tag : STR("en-US"));
	v.male = str_iis(sex, "male") || str_iis(sex, "man");
	if (asked.n) {
		if (is_name(asked, "._+:-"))
			str_copy(v.name, sizeof(v.name), asked);
		v.known = v.name[0] && find(&v, asked);
	}
	*out = v;
}

/* --- engines --- */

static const char *row_of(const char *const rows[][2], size_t n, struct str key)
{
	for (size_t i = 0; i < n; i++)
		if (str_iis(key, rows[i][0]))
			return rows[i][1];
	return NULL;
}

bool speech_voice_espeak(char out[SPEECH_NAME], const struct speech_voice *v)
{
	struct str tag = str_of(v->language), primary = tag;
	const char *name = row_of(espeak_tags, ARRAY_LEN(espeak_tags), tag);
	bool has = true;
	size_t n;

	if (v->own[0] && !v->flite) {
		str_copy(out, SPEECH_NAME, str_of(v->own));
		return true;
	}
	str_split(&tag, '-', &primary);
	if (!name)
		name = row_of(espeak_languages, ARRAY_LEN(espeak_languages), primary);
	if (!name)
		has = in_list(espeak_names, primary);
	str_copy(out, SPEECH_NAME - 3, name ? str_of(name) : has ? primary : STR("en-us"));
	n = strlen(out);
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)out[i]);
	/* The plain voices are men. */
	if (!v->male)
		str_copy(out + n, SPEECH_NAME - n, STR("+f3"));
	return has;
}

bool speech_voice_flite(char out[SPEECH_NAME], const struct speech_voice *v)
{
	struct str tag = str_of(v->language), primary = tag;

	str_split(&tag, '-', &primary);
	str_copy(out, SPEECH_NAME, v->flite ? str_of(v->own) : v->male ? STR("rms") : STR("slt"));
	return str_iis(primary, "en");
}
