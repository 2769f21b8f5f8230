/*
 * The outcome of reading all sources of the configuration: values, and what
 * was wrong. Inside of conf.
 */
#ifndef COMMON_CONF_READING_H
#define COMMON_CONF_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"
#include "common/conf/conf_name.h"
#include "common/conf/conf_value.h"

struct conf_program;

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
