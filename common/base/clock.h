/* The monotonic clock, which all deadlines use. Any thread. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* A deadline that is never reached. */
#define CLOCK_NEVER_NS  INT64_MAX

#define CLOCK_NS_PER_MS INT64_C(1000000)

static inline int64_t
clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 * CLOCK_NS_PER_MS + now.tv_nsec;
}

/* Milliseconds from now to deadline_ns, rounded up; 0 when it has passed. */
static inline int64_t
clock_left_ms(int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - clock_now_ns();

	return left_ns <= 0 ? 0 : (left_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
}

#endif
