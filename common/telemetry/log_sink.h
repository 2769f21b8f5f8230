/*
 * Where log lines are written: standard error, which may be a file on a full
 * disk, or a pipe that is closed or not read. Only log.c uses this.
 *
 * Any thread.
 */
#ifndef COMMON_LOG_SINK_H
#define COMMON_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Waits until a line can be written, at most patience_ms; less than 0: without
 * limit. False when still nobody reads; later calls then do not wait until
 * something has been written again.
 */
bool log_sink_wait(int patience_ms);

/*
 * Writes whole lines, with one write(2) if the system accepts it, and returns
 * the number of bytes of those that were written completely. The lines after
 * them are lost. If one of these was written in part, a line break follows
 * before the next line, so that no line consists of parts of two. Waits for a
 * reader as log_sink_wait does.
 */
size_t log_sink_write(const char *lines, size_t len, int patience_ms);

#endif
