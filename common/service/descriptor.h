/* File descriptors: connections must not use those that the process needs for other things. */
#ifndef COMMON_DESCRIPTOR_H
#define COMMON_DESCRIPTOR_H

#include <stddef.h>

/*
 * How many of connections_max connections the limit of open files allows,
 * beside the descriptors that are open now and others that will be opened. Logs
 * a warning with the numbers if it allows fewer. To be called at the start,
 * before there are connections.
 */
size_t descriptor_room(size_t connections_max, size_t others);

#endif
