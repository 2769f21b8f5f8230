/*
 * Limits log lines of one kind that may come in great numbers: in each interval
 * one of them is written, and says how many were left out before it.
 *
 *	static struct log_limit limit;
 *	uint64_t left_out;
 *
 *	if (log_limit_pass(&limit, clock_now_ns(), &left_out)) {
 *		log_warn("…", LOG_INT("leftOut", (int64_t)left_out));
 *	}
 *
 * Any thread.
 */
#ifndef COMMON_LOG_LIMIT_H
#define COMMON_LOG_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_INTERVAL_S 10

/* A zeroed limit has let no line pass yet. */
struct log_limit {
	_Atomic(int64_t) next_ns; /* before this time no line may pass */
	_Atomic(uint64_t) left_out;
};

/* True when a line may be written now; *left_out is how many were not since the last one. */
bool log_limit_pass(struct log_limit *limit, int64_t now_ns, uint64_t *left_out);

#endif
