/* swml_table: the 43 methods of SWML as data: name, the parameter that a bare value stands for, and what each
 * parameter may be, at any depth. Methods that this version does not run fail when they are reached. Static tables. Thread: any.
 * Source: swml.md §1, §8; connect.md §3. */
#ifndef SWML_TABLE_H
#define SWML_TABLE_H

#include <stdint.h>

#include "base/str.h"

enum swml_verb {
	SWML_LATER, /* known and checked, but it fails here */
	SWML_ANSWER,
	SWML_COND,
	SWML_CONNECT,
	SWML_DENOISE,
	SWML_DETECT_MACHINE,
	SWML_EXECUTE,
	SWML_GOTO,
	SWML_HANGUP,
	SWML_LABEL,
	SWML_PLAY,
	SWML_RECORD,
	SWML_RECORD_CALL,
	SWML_PROMPT,
	SWML_REQUEST,
	SWML_RETURN,
	SWML_SEND_DIGITS,
	SWML_SET,
	SWML_SIP_REFER,
	SWML_SLEEP,
	SWML_STOP_DENOISE,
	SWML_STOP_RECORD_CALL,
	SWML_STOP_STREAM,
	SWML_STOP_TAP,
	SWML_STREAM,
	SWML_SWITCH,
	SWML_TAP,
	SWML_TRANSFER,
	SWML_UNSET,
	SWML_USER_EVENT,
};

/* What a value may be; bits. The raw ones are never expanded as a whole. */
enum swml_type {
	SWML_STRING = 1,
	SWML_INT = 2,
	SWML_BOOL = 4,
	SWML_LIST = 8,
	SWML_MAP = 16,
	SWML_STEPS = 32,    /* raw: list of steps, or one */
	SWML_CASES = 64,    /* raw: map of text -> steps  */
	SWML_RESULT = 128,  /* raw: switch or cond form   */
	SWML_WHEN = 256,    /* raw: condition             */
	SWML_VALUE = 512,   /* raw: a reference, with or without ${} */
	SWML_NUMBER = 1024, /* whole or not */
	SWML_ANY = 2048,
	SWML_DESTINATIONS = 1 << 16, /* of a list: objects, or lists of them, with raw members of their own */
	SWML_INLINE = 1 << 17,       /* of a text: raw when it is a document itself */
	SWML_RAW = SWML_STEPS | SWML_CASES | SWML_RESULT | SWML_WHEN | SWML_VALUE,
};

enum swml_since {
	SWML_NOW,
	SWML_WARN, /* not in this version; going on without it is harmless: warning    */
	SWML_FAIL, /* not in this version; going on would weaken protection: an error  */
};

#define SWML_NO_MIN INT32_MIN

/* What the parameters of an object that are marked with the same word ask of each other. */
enum swml_choice { SWML_FREE, SWML_ONE_AT_MOST, SWML_ONE_AT_LEAST, SWML_EXACTLY_ONE };

struct swml_param {
	const char *name; /* "*", the last one of an object inside another: any name */
	unsigned types;
	bool required;
	int64_t min, max;         /* SWML_INT, SWML_NUMBER; max 0 = none                 */
	const char *const *words; /* SWML_STRING, also in a list: NULL-terminated, NULL = any */
	/* A text that is none of the words; wanted says what it is to be. */
	bool (*fits)(struct str text);
	const char *wanted;
	unsigned each; /* SWML_LIST: what is in it, 0 = anything */
	bool filled;   /* SWML_LIST: not empty */
	/* Of the object, or of those in the list; NULL = anything is in it. */
	const struct swml_param *inside;
	enum swml_choice choice;
	enum swml_since since;
	bool off_ok; /* false or 0 asks for what is done anyway */
};

struct swml_method {
	const char *name;
	enum swml_verb verb;
	const char *first;               /* what a bare value stands for, NULL = nothing */
	const struct swml_param *params; /* ends with a NULL name; NULL = looked at by the method itself */
};

/* NULL = unknown. */
const struct swml_method *swml_method(struct str name);
/* NULL = nothing similar. */
const char *swml_nearest_method(struct str name);
const struct swml_param *swml_param(const struct swml_param *params, struct str name);
const char *swml_nearest_param(const struct swml_param *params, struct str name);
/* Parameters of a destination in serial, parallel, serial_parallel. */
const struct swml_param *swml_destination_params(void);

#endif
