#include "common/log.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/status.h"

/* How long the first line waits for a reader that has stopped reading. */
#define LOG_STALL_MS 200

/* What a thread's buf may keep between two lines. */
#define LOG_KEEP_BYTES 65536

const char *const log_level_names[] = {
    "panic", "fatal", "error", "warn", "info", "debug", "trace", NULL};

static const char *log_program = "";
static atomic_int log_level = LOG_INFO;
static atomic_int_fast64_t log_dropped;

static _Thread_local struct buf log_buf;
static pthread_key_t log_buf_key;
static pthread_once_t log_buf_once = PTHREAD_ONCE_INIT;

static void
log_buf_fini(void *buf)
{
	buf_fini(buf);
}

static void
log_buf_make_key(void)
{
	pthread_key_create(&log_buf_key, log_buf_fini);
}

/* The thread's own, empty; freed when the thread ends. */
static struct buf *
log_buf_get(void)
{
	if (log_buf.data == NULL) {
		pthread_once(&log_buf_once, log_buf_make_key);
		pthread_setspecific(log_buf_key, &log_buf);
	}
	buf_reset(&log_buf);
	return &log_buf;
}

void
log_open(const char *program, enum log_level level)
{
	log_program = program;
	log_set_level(level);
}

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

struct log_field
log_field_str(const char *key, const char *text)
{
	return LOG_STRN(key, text, text == NULL ? 0 : strlen(text));
}

static void
log_put_key(struct buf *buf, const char *key)
{
	buf_putc(buf, ',');
	buf_put_json_string(buf, key, strlen(key));
	buf_putc(buf, ':');
}

static void
log_put_double(struct buf *buf, double real)
{
	if (isfinite(real)) {
		buf_printf(buf, "%.15g", real);
	} else {
		buf_puts(buf, "null");
	}
}

static void
log_put_field(struct buf *buf, const struct log_field *field)
{
	if (field->str == NULL) {
		return;
	}
	log_put_key(buf, field->key);
	switch (field->type) {
	case LOG_FIELD_STR: buf_put_json_string(buf, field->str, field->len); break;
	case LOG_FIELD_INT: buf_put_int(buf, field->number); break;
	case LOG_FIELD_DOUBLE: log_put_double(buf, field->real); break;
	case LOG_FIELD_BOOL: buf_puts(buf, field->number != 0 ? "true" : "false"); break;
	}
}

static void
log_put_time(struct buf *buf)
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	buf_printf(buf, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", utc.tm_year + 1900,
	    utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
	    now.tv_nsec / 1000000);
}

static void
log_put_head(struct buf *buf, enum log_level level, const char *message)
{
	log_put_time(buf);
	log_put_key(buf, "level");
	buf_put_json_string(buf, log_level_names[level], strlen(log_level_names[level]));
	log_put_key(buf, "program");
	buf_put_json_string(buf, log_program, strlen(log_program));
	log_put_key(buf, "pid");
	buf_put_int(buf, getpid());
	log_put_key(buf, "message");
	buf_put_json_string(buf, message, strlen(message));
}

/* Whether standard error takes a line now. */
static bool
log_wait_writable(int timeout_ms)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	int ready;

	do {
		ready = poll(&fd, 1, timeout_ms);
	} while (ready < 0 && errno == EINTR);
	return ready != 0;
}

/* Gives up on a line that cannot be written: there is nobody to tell. */
static void
log_send(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = write(STDERR_FILENO, data, len);

		if (sent > 0) {
			data += sent;
			len -= (size_t)sent;
		} else if (errno == EAGAIN) {
			if (!log_wait_writable(LOG_STALL_MS)) {
				return;
			}
		} else if (errno != EINTR) {
			return;
		}
	}
}

static void
log_send_buf(struct buf *buf)
{
	static const char lost[] =
	    "{\"level\":\"error\",\"message\":\"no memory for a log line\"}\n";

	if (buf->failed) {
		log_send(lost, sizeof(lost) - 1);
	} else {
		log_send(buf->data, buf->len);
	}
	if (buf->capacity > LOG_KEEP_BYTES) {
		buf_fini(buf);
	}
}

static void
log_tell_dropped(void)
{
	int64_t dropped = atomic_exchange(&log_dropped, 0);
	struct buf *buf = log_buf_get();

	if (dropped == 0) {
		return;
	}
	log_put_head(buf, LOG_WARN, "log lines were dropped: standard error is not read");
	log_put_field(buf, &LOG_INT("lines", dropped));
	buf_puts(buf, "}\n");
	log_send_buf(buf);
}

static void
log_line(enum log_level level, const char *message, const struct log_field *fields, size_t count,
    const struct log_field *more, size_t more_count)
{
	int saved_errno = errno;
	struct buf *buf;

	if (!log_wait_writable(atomic_load(&log_dropped) == 0 ? LOG_STALL_MS : 0)) {
		atomic_fetch_add(&log_dropped, 1);
		errno = saved_errno;
		return;
	}
	if (atomic_load(&log_dropped) != 0) {
		log_tell_dropped();
	}
	buf = log_buf_get();
	log_put_head(buf, level, message);
	for (size_t i = 0; i < count; i++) {
		log_put_field(buf, &fields[i]);
	}
	for (size_t i = 0; i < more_count; i++) {
		log_put_field(buf, &more[i]);
	}
	buf_puts(buf, "}\n");
	log_send_buf(buf);
	errno = saved_errno;
}

void
log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
	if (log_enabled(level)) {
		log_line(level, message, fields, count, NULL, 0);
	}
}

void
log_error(
    const char *message, const struct error *error, const struct log_field *fields, size_t count)
{
	const struct log_field more[] = {
	    LOG_STR("code", status_name(error->code)),
	    LOG_STR("reason", error->reason),
	    LOG_STR("error", error->message),
	    LOG_STR("detail", error->detail[0] == '\0' ? NULL : error->detail),
	};

	if (log_enabled(LOG_ERROR)) {
		log_line(LOG_ERROR, message, fields, count, more, sizeof(more) / sizeof(more[0]));
	}
}
