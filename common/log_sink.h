/*
 * Where lines of the log go: standard error, which may be a full disk, a pipe
 * that nobody reads or that has no other end. Only log.c uses this.
 *
 * Any thread.
 */
#ifndef COMMON_LOG_SINK_H
#define COMMON_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Waits until a line can be written, patience_ms at most; less than 0: for ever.
 * False when there is still nobody who reads; the next one who asks does not
 * wait then, until something has been written again.
 */
bool log_sink_wait(int patience_ms);

/*
 * Writes whole lines, by one write(2) where the system takes it, and gives the
 * bytes of those that were written as a whole. The lines after that are lost.
 * What was written of the first of them ends with the next line's beginning:
 * no line is made of parts of two. Waits for a reader as log_sink_wait does.
 */
size_t log_sink_write(const char *lines, size_t len, int patience_ms);

#endif
