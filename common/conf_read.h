/*
 * The sources of the configuration. Inside of conf.
 */
#ifndef COMMON_CONF_READ_H
#define COMMON_CONF_READ_H

#include <stdbool.h>

struct conf_reading;

/*
 * Reads every source into reading, of which program, again and kept are set and
 * the rest is zeroed. False when there were faults. The values are the caller's to
 * free in either case.
 */
bool conf_read(struct conf_reading *reading, char **argv);

#endif
