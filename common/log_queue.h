/*
 * Lines that wait to be written by a thread of their own. Only log.c uses this;
 * there is one queue a process.
 */
#ifndef COMMON_LOG_QUEUE_H
#define COMMON_LOG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Starts the thread, with all signals blocked, which hands whole lines, all
 * that wait, to write. False, and the queue stays closed, when that fails.
 */
bool log_queue_open(void (*write)(const char *lines, size_t len));

bool log_queue_is_open(void);

/* Takes a line with its end. False when there is no room, or the queue is closed. Any thread. */
bool log_queue_put(const char *line, size_t len);

/*
 * Closes the queue and waits until all is written; not for long, when nobody
 * reads what is written. Does nothing when the queue is closed.
 */
void log_queue_close(void);

#endif
