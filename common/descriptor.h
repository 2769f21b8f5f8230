/* File descriptors, which connections must not take from what the process needs besides. */
#ifndef COMMON_DESCRIPTOR_H
#define COMMON_DESCRIPTOR_H

#include <stddef.h>

/*
 * How many connections of connectionsMax the limit of open files allows, beside
 * the descriptors that are open now and others that will be. Logs a warning with
 * the figures when these are fewer. At the start, when no connection is there.
 */
size_t descriptor_room(size_t connections_max, size_t others);

#endif
