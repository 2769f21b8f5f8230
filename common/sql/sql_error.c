/* The errors that operations end with, and the pause before one is tried again. */
#include <time.h>

#include "common/base/clock.h"
#include "common/sql/sql_impl.h"

#define SQL_RETRY_AFTER_MS 1000
#define SQL_BACK_OFF_MS    64

enum status_code
sql_error_unavailable(struct error *error, const char *detail)
{
	error_set(error, STATUS_UNAVAILABLE, SQL_REASON_UNAVAILABLE,
	    "the database is not available: nothing was done, try again");
	error_detail(error, "%s", detail);
	if (error != NULL) {
		error->retry_after_ms = SQL_RETRY_AFTER_MS;
	}
	return STATUS_UNAVAILABLE;
}

enum status_code
sql_error_unknown(struct error *error, const char *detail)
{
	error_set(error, STATUS_UNAVAILABLE, SQL_REASON_UNKNOWN,
	    "the database did not confirm the change: it may or may not be done");
	error_detail(error, "%s", detail);
	return STATUS_UNAVAILABLE;
}

enum status_code
sql_error_deadline(struct error *error, const char *detail)
{
	error_set(error, STATUS_DEADLINE_EXCEEDED, SQL_REASON_DEADLINE,
	    "the database took longer than the deadline allows: nothing was done");
	error_detail(error, "%s", detail);
	return STATUS_DEADLINE_EXCEEDED;
}

enum status_code
sql_error_failed(struct error *error, const char *detail)
{
	error_set(error, STATUS_INTERNAL, SQL_REASON_FAILED, "the database refused a statement");
	error_detail(error, "%s", detail);
	return STATUS_INTERNAL;
}

enum status_code
sql_error_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "MEMORY",
	    "there is not enough memory for this many rows");
}

void
sql_back_off(unsigned tries, int64_t deadline_ns)
{
	int64_t most_ns = (tries < 6 ? 1 << tries : SQL_BACK_OFF_MS) * CLOCK_NS_PER_MS;
	int64_t now_ns = clock_now_ns();
	int64_t sleep_ns = most_ns / 2 + now_ns % most_ns;
	struct timespec time;

	if (sleep_ns > deadline_ns - now_ns) {
		sleep_ns = deadline_ns - now_ns;
	}
	if (sleep_ns > 0) {
		time.tv_sec = sleep_ns / 1000000000;
		time.tv_nsec = sleep_ns % 1000000000;
		nanosleep(&time, NULL);
	}
}
