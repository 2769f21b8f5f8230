/*
 * Patience with a client that is to take bytes, of a connection or of a stream.
 *
 * What a client has taken, its system may hold for it yet: to us it takes
 * nothing more until it has read much of that. So it has the time in which it
 * would read that slowly, and only then begins the time for taking nothing.
 */
#ifndef GATEWAY_GW_PATIENCE_H
#define GATEWAY_GW_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes that the slowest client reads in a second, and the most that its system holds for it. */
#define GW_PATIENCE_RATE     4096
#define GW_PATIENCE_HELD_MAX ((int64_t)256 * 1024)

/* Zeroed: nothing was taken yet. */
struct gw_patience {
	uint64_t taken;
	int64_t reading_until_ns; /* what it has taken */
};

/*
 * To be called now and then, with what the client has taken in all, and whether
 * there is more for it. True when it has taken nothing for too long.
 */
bool gw_patience_is_over(
    struct gw_patience *patience, bool waits, uint64_t taken, int64_t now_ns, int64_t timeout_ns);

#endif
