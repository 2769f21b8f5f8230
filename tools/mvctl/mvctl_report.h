/* What mvctl tells people, on standard error, and how it ends. */
#ifndef TOOLS_MVCTL_REPORT_H
#define TOOLS_MVCTL_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/base/status.h"

struct buf;

/*
 * The exit status of a call that failed is its code, 1 to 16; of what failed
 * before or after, one of these.
 */
enum mvctl_exit {
	MVCTL_EXIT_OK = 0,
	MVCTL_EXIT_USAGE = 64,  /* the command line is wrong */
	MVCTL_EXIT_DATA = 65,   /* the request is no JSON, or does not fit the method */
	MVCTL_EXIT_INPUT = 66,  /* the request can't be read */
	MVCTL_EXIT_MEMORY = 71, /* there is none left */
	MVCTL_EXIT_OUTPUT = 74  /* the answer can't be written */
};

/* Tells what is wrong, in a line. */
void mvctl_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Likewise, and gives MVCTL_EXIT_USAGE. */
int mvctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

int mvctl_no_memory(void);

/* Prints an error with all its details; subject is what it happened to. */
void mvctl_tell(const char *subject, const struct error *error);

/*
 * Likewise of a call to endpoints, and what to do where none could be reached.
 * Gives the exit status.
 */
int mvctl_tell_call(const char *subject, const struct error *error, const char *endpoints);

/* Appends the error as a JSON object. */
void mvctl_put_error(struct buf *out, const struct error *error);

/* Prints text of a peer: control characters, which a terminal would obey, become '?'. */
void mvctl_print(FILE *out, const char *text);
void mvctl_print_chars(FILE *out, const char *text, size_t len);

/*
 * Writes an answer to standard output, and sends on its way what was written.
 * Both keep the cause of the first failure for mvctl_flush. One thread at a time.
 */
void mvctl_write(const void *data, size_t len);
void mvctl_send(void);

/* True once something could not be written to standard output. */
bool mvctl_output_failed(void);

/* Ends the output: MVCTL_EXIT_OUTPUT, and says why, if any of it could not be written. */
int mvctl_flush(void);

#endif
