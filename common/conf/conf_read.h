/*
 * The sources of the configuration. Inside of conf.
 */
#ifndef COMMON_CONF_READ_H
#define COMMON_CONF_READ_H

#include <stdbool.h>

struct conf_reading;

/*
 * Reads every source into reading. The caller sets program, again and kept; the
 * rest must be zeroed. False when there were faults. In either case the caller
 * must free the values.
 */
bool conf_read(struct conf_reading *reading, char **argv);

#endif
