/* config_impl: the readers behind config.h. Private to config*.c. */
#ifndef CONFIG_IMPL_H
#define CONFIG_IMPL_H

#include "config.h"

/* text is not empty and consists of ASCII letters, digits and the characters of more. */
bool config_only(const char *text, const char *more);
/* text consists of digits, or is empty. */
bool config_digits(const char *text);
/* The texts of a list (or of one scalar), NULL-terminated. Those that check() refuses are a problem, and left out.
 * NULL on no memory. */
const char *const *config_texts(struct conf *c, const struct doc *d, const char *problem,
				bool (*check)(const char *text));

/* Readers for conf_setting.read; the comment says what field points at. */
void config_read_name(struct conf *c, const struct doc *d, void *field);      /* const char *        */
void config_read_sip(struct conf *c, const struct doc *d, void *field);       /* struct config_sip   */
void config_read_media(struct conf *c, const struct doc *d, void *field);     /* struct config_media */
void config_read_http(struct conf *c, const struct doc *d, void *field);      /* struct config_http  */
void config_read_tts(struct conf *c, const struct doc *d, void *field);       /* struct config_tts   */
void config_read_stt(struct conf *c, const struct doc *d, void *field);       /* struct config_stt   */
void config_read_trunks(struct conf *c, const struct doc *d, void *field);    /* struct route_table  */
void config_read_routes(struct conf *c, const struct doc *d, void *field);    /* struct route_table  */
void config_read_resources(struct conf *c, const struct doc *d, void *field); /* struct route_table */

/* A document by file name, which becomes absolute, or by URL: the other one stays as it is. */
void config_read_document(struct conf *c, const struct doc *d, const char **file, const char **url);
/* Once everything is read: routes get the documents of their addresses. 0, EINVAL with errors among *problems, ENOMEM. */
int config_resolve(struct config *c, struct arena *a, struct conf_problem **problems);

extern const struct conf_setting config_trace_table[];

#endif
