/*
 * Decides when a client is too slow to take the bytes of a connection or a
 * stream.
 *
 * The client's system may still hold bytes that it has accepted but the client
 * has not read. It accepts nothing more until the client has read many of them.
 * So the client gets the time to read these at a low rate, and only then does
 * the timeout for accepting nothing begin.
 */
#ifndef GATEWAY_GW_PATIENCE_H
#define GATEWAY_GW_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes per second that the slowest client reads, and the maximum that its system holds for it. */
#define GW_PATIENCE_RATE     4096
#define GW_PATIENCE_HELD_MAX ((int64_t)256 * 1024)

/* Zeroed: nothing was accepted yet. */
struct gw_patience {
	uint64_t taken;
	int64_t reading_until_ns; /* time to read what it has taken */
};

/*
 * To be called regularly, with the total number of bytes that the client has
 * taken, and whether more bytes wait for it. True when it has taken nothing for
 * too long.
 */
bool gw_patience_is_over(
    struct gw_patience *patience, bool waits, uint64_t taken, int64_t now_ns, int64_t timeout_ns);

#endif
