/* Many calls of one method, a line of JSON each, answered in order. */
#ifndef TOOLS_MVCTL_BATCH_H
#define TOOLS_MVCTL_BATCH_H

#include <stdio.h>

struct mvctl_method;

/*
 * Makes a call of each line of in, many at a time, and prints an answer for
 * each on a line of standard output: the output as JSON, or {"error":{…}}. Gives
 * the exit status: of the first line that failed, or MVCTL_EXIT_INPUT when in,
 * which is called name in messages, could not be read to its end.
 */
int mvctl_batch_run(const struct mvctl_method *method, FILE *in, const char *name);

#endif
