/*
 * The flags and the command of a program's argv. Inside of conf.
 */
#ifndef COMMON_CONF_FLAGS_H
#define COMMON_CONF_FLAGS_H

#include <stdbool.h>

struct conf_reading;

/* Puts what argv, which ends with NULL, says into reading. */
void conf_flags_read(struct conf_reading *reading, char **argv);

/* Whether flag, one without a value, is among the words of argv. */
bool conf_flags_have(char **argv, const char *flag);

#endif
