/*
 * A value of the configuration, by its row. Inside of conf.
 */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_row;

/* By rank: a value replaces one from an earlier source. */
enum conf_source {
	CONF_FROM_DEFAULT,
	CONF_FROM_FILE,
	CONF_FROM_SECRETS_DIR,
	CONF_FROM_ENVIRONMENT,
	CONF_FROM_FLAGS
};

/* What a source contains: len bytes at text, and where they are, for people. */
struct conf_input {
	enum conf_source source;
	const char *place;
	const char *text;
	size_t len;
};

struct conf_value {
	char *text;     /* as it was written */
	int64_t number; /* of CONF_INT, CONF_BOOL and CONF_CHOICE */
	char *place;    /* where it was written */
	enum conf_source source;
	unsigned file_line; /* of the file, also when another source won; 0: none */
	bool faulty;        /* a source had an invalid value; it was reported */
};

#define CONF_REASON_MAX 512

/* Writes which values row accepts: "a whole number from 1 to 65535". */
void conf_value_describe(const struct conf_row *row, char *text, size_t size);

/* Whether text is a word for true or false. */
bool conf_value_is_bool(const char *text);

/*
 * Makes value from input, whose parts are copied. False, with the reason ("must
 * be …"), when row does not accept it or memory has run out; nothing must be
 * freed then.
 */
bool conf_value_init(struct conf_value *value, const struct conf_row *row,
    const struct conf_input *input, char reason[CONF_REASON_MAX]);

/* The value in its one spelling ("true" for a "yes"); of a secret: NULL. */
const char *conf_value_show(const struct conf_value *value, const struct conf_row *row);

bool conf_value_equal(
    const struct conf_value *a, const struct conf_value *b, const struct conf_row *row);

/* Wipes and frees what value holds. */
void conf_value_fini(struct conf_value *value);

#endif
