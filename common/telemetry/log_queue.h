/*
 * Lines that wait to be written by a thread of their own. Only log.c uses this;
 * there is one queue per process.
 */
#ifndef COMMON_LOG_QUEUE_H
#define COMMON_LOG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Starts the thread, with all signals blocked. It passes all waiting lines,
 * always whole ones, to write. False when that fails; the queue stays closed.
 */
bool log_queue_open(void (*write)(const char *lines, size_t len));

bool log_queue_is_open(void);

/* Takes a line with its end. False when there is no room, or the queue is closed. Any thread. */
bool log_queue_put(const char *line, size_t len);

/*
 * Closes the queue and waits until all lines are written, but only briefly if
 * nobody reads them. Does nothing when the queue is closed.
 */
void log_queue_close(void);

#endif
