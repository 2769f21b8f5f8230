/*
 * The flags and the command of a program's argv. Inside of conf.
 */
#ifndef COMMON_CONF_FLAGS_H
#define COMMON_CONF_FLAGS_H

#include <stdbool.h>

struct conf_reading;

/* Reads the flags and the command of argv, which ends with NULL, into reading. */
void conf_flags_read(struct conf_reading *reading, char **argv);

/* Whether argv contains flag, which must be one without a value. */
bool conf_flags_have(char **argv, const char *flag);

#endif
