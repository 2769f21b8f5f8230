/* Raw bytes to a TCP port of 127.0.0.1, and what comes back. Failures fail the running test. */
#ifndef INTEGRATION_WIRE_H
#define INTEGRATION_WIRE_H

#include <stddef.h>

/* Connects, with no delay between sending and leaving; gives up receiving after 30 s. */
int wire_open(unsigned port);

/* Sends as far as the other side takes it, which may have closed the connection. */
void wire_send(int fd, const void *bytes, size_t len);

/* Sends so many bytes at a time. */
void wire_send_pieces(int fd, const void *bytes, size_t len, size_t piece);

/*
 * Receives until text has come, NUL-terminated in answer, and gives its length.
 * Fails the test when the connection ends before, or nothing comes for 30 s.
 */
size_t wire_await(int fd, const char *text, char *answer, size_t size);

/*
 * Receives until the other side closes the connection, and closes it here too.
 * answer is NUL-terminated. Fails the test when it is reset, stays open for 30 s,
 * or sends more than fits. Gives how many bytes came.
 */
size_t wire_receive_all(int fd, char *answer, size_t size);

/* Opens, sends and receives all. */
size_t wire_exchange(unsigned port, const void *bytes, size_t len, char *answer, size_t size);

/* How often text is in answer. */
unsigned wire_count(const char *answer, const char *text);

#endif
