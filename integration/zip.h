/* gzip of bodies in tests. Failures fail the running test. */
#ifndef INTEGRATION_ZIP_H
#define INTEGRATION_ZIP_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Appends the data, compressed. */
void zip(const void *data, size_t len, struct buf *out);

/* Appends what the data was, as far as it goes. False when that is not its end, or it is no gzip. */
bool unzip(const void *data, size_t len, struct buf *out);

#endif
