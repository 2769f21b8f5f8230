#include "common/telemetry/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* A wait was in vain, and nothing has been written since. */
static atomic_bool log_sink_stalled;

/* The last that was written is a part of a line. */
static atomic_bool log_sink_torn;

bool
log_sink_wait(int patience_ms)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	int ready;

	if (patience_ms > 0 && atomic_load(&log_sink_stalled)) {
		patience_ms = 0;
	}
	do {
		ready = poll(&fd, 1, patience_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0) {
		atomic_store(&log_sink_stalled, true);
	}
	return ready != 0;
}

/* One write, which ends the part of a line that is there: bytes of data, or -1 and errno. */
static ssize_t
log_sink_put(const char *data, size_t len)
{
	bool torn = atomic_exchange(&log_sink_torn, false);
	const struct iovec parts[] = {{"\n", 1}, {(void *)(uintptr_t)data, len}};
	ssize_t sent = writev(STDERR_FILENO, parts + !torn, 1 + torn);

	if (sent <= 0 && torn) {
		atomic_store(&log_sink_torn, true);
	}
	return sent > 0 && torn ? sent - 1 : sent;
}

size_t
log_sink_write(const char *lines, size_t len, int patience_ms)
{
	const char *end;
	size_t done = 0;
	size_t whole;

	while (done < len) {
		ssize_t sent;

		errno = 0;
		sent = log_sink_put(lines + done, len - done);
		if (sent > 0) {
			done += (size_t)sent;
			atomic_store(&log_sink_stalled, false);
		} else if (errno == EAGAIN ? !log_sink_wait(patience_ms) : errno != EINTR) {
			break;
		}
	}
	end = memrchr(lines, '\n', done);
	whole = end == NULL ? 0 : (size_t)(end - lines) + 1;
	if (whole < done) {
		atomic_store(&log_sink_torn, true);
	}
	return whole;
}
