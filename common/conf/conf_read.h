/*
 * The sources of the configuration. Each function reads one into reading, whose
 * program, again and kept are set and whose values have a place for each row;
 * what is wrong is told by conf_fault. Inside of conf.
 */
#ifndef COMMON_CONF_READ_H
#define COMMON_CONF_READ_H

#include <stdbool.h>

struct conf_reading;

/* The flags and the command of argv, which ends with NULL. Before the file and the directory. */
void conf_read_flags(struct conf_reading *reading, char **argv);

/* Whether argv contains flag, which must be one without a value. */
bool conf_flags_have(char **argv, const char *flag);

/* The file that the flags named, if they did. */
void conf_read_file(struct conf_reading *reading);

/* The directory of secrets that the flags named, if they did. */
void conf_read_secrets_dir(struct conf_reading *reading);

void conf_read_environment(struct conf_reading *reading);

#endif
