#include "common/service/descriptor.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/telemetry/log.h"

size_t
descriptor_room(size_t connections_max, size_t others)
{
	struct rlimit limit = {0};
	int lowest_free = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	size_t reserved = (size_t)(lowest_free < 0 ? 0 : lowest_free) + others;
	size_t room;

	if (lowest_free >= 0) {
		close(lowest_free);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= connections_max + reserved) {
		return connections_max;
	}
	/* A limit that is lower than what is reserved leaves a quarter yet. */
	room = limit.rlim_cur > reserved + limit.rlim_cur / 4 ? limit.rlim_cur - reserved
							      : limit.rlim_cur / 4 + 1;
	log_warn(
	    "connectionsMax can not be held: the limit of open files (RLIMIT_NOFILE) is too low; "
	    "raise it, or lower connectionsMax",
	    LOG_INT("connectionsMax", (int64_t)connections_max),
	    LOG_INT("limit", (int64_t)limit.rlim_cur),
	    LOG_INT("needed", (int64_t)(connections_max + reserved)),
	    LOG_INT("connections", (int64_t)room));
	return room;
}
