/* Whole files. Any thread. */
#ifndef GATEWAY_GW_FILE_H
#define GATEWAY_GW_FILE_H

#include <stddef.h>

struct buf;

/* Appends the content of a file. Returns NULL, or static text that says why it cannot be read. */
const char *gw_file_read(struct buf *bytes, const char *path);

#endif
