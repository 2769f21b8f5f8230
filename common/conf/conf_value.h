/*
 * The values of the configuration as they are read: how each source spells a
 * key, what a row accepts, and what was wrong. Inside of conf.
 */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct conf_program;
struct conf_row;

/* Keys: "dbHost", --db-host, MOCKVIDEO_DB_HOST. Any thread. */

#define CONF_NAME_MAX 96

enum conf_spelling {
	CONF_AS_KEY,
	CONF_AS_FLAG,
	CONF_AS_VARIABLE
};

/* Writes key in a spelling. */
void conf_name(char name[CONF_NAME_MAX], const char *key, enum conf_spelling spelling);

/* The row whose name is spelled like the len bytes at name, or -1. */
int conf_name_find(
    const struct conf_program *program, enum conf_spelling spelling, const char *name, size_t len);

/* The row of type CONF_SECRET whose key is file but for upper and lower case, or -1. */
int conf_name_find_secret(const struct conf_program *program, const char *file);

/*
 * Writes what the len bytes at name were most likely meant to be, in the same
 * spelling. False when nothing known is near.
 */
bool conf_name_suggest(char suggestion[CONF_NAME_MAX], const struct conf_program *program,
    enum conf_spelling spelling, const char *name, size_t len);

/* Values */

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

/* What comes of reading all sources */

/* What a file held. */
struct conf_bytes {
	char *data; /* NULL: there was none */
	size_t len;
};

struct conf_reading {
	const struct conf_program *program;
	bool again; /* a reload: faults are counted, not printed; there are no warnings */

	/*
	 * The content of a configuration file that can be read only once, such
	 * as a pipe: taken from the first reading, lent to the later ones.
	 */
	struct conf_bytes kept;

	struct conf_value *values; /* by row */
	const char *config;        /* flags that every program has; NULL: not given */
	const char *secrets_dir;
	bool check;
	const char *command;

	unsigned fault_count;
	char first_fault[ERROR_TEXT_MAX];
};

/*
 * Prints on standard error, in one line, what is wrong at place: "FILE:LINE", a
 * flag, a variable, a path.
 */
void conf_fault(struct conf_reading *reading, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what is not an error. */
void conf_warn(struct conf_reading *reading, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes what to do about the unknown name of len bytes. */
void conf_remedy(struct conf_reading *reading, enum conf_spelling spelling, const char *name,
    size_t len, char remedy[CONF_REASON_MAX]);

/*
 * Makes input the value of row, unless a source of higher rank has set it. In
 * either case input is checked and faults are reported.
 */
void conf_put(struct conf_reading *reading, int row, const struct conf_input *input);

/* Wipes and frees what a file held, which may be nothing. */
void conf_bytes_fini(struct conf_bytes *bytes);

/* Wipes and frees values, of which there may be none, and clears *values. */
void conf_values_free(struct conf_value **values, const struct conf_program *program);

#endif
