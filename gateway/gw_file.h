/* Whole files. Any thread. */
#ifndef GATEWAY_GW_FILE_H
#define GATEWAY_GW_FILE_H

#include <stddef.h>

struct buf;

/* Appends what a file holds. NULL, or why it can't be read, as static text. */
const char *gw_file_read(struct buf *bytes, const char *path);

#endif
