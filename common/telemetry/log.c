#include "common/telemetry/log.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/status.h"
#include "common/telemetry/log_queue.h"
#include "common/telemetry/log_sink.h"

/* How long the first line waits for a reader that has stopped reading, without the thread. */
#define LOG_STALL_MS 200

/* The thread that writes waits as long as it takes: meanwhile its queue fills. */
#define LOG_FOR_EVER (-1)

/* What a thread's buf may keep between two lines. */
#define LOG_KEEP_BYTES 65536

/* As many whole lines as fit are written at once: so much goes into a pipe unmixed. */
#define LOG_WRITE_BYTES PIPE_BUF

const char *const log_level_names[] = {
    "panic", "fatal", "error", "warn", "info", "debug", "trace", NULL};

/* What follows the level's name in every line. */
static char log_who[96] = "\",\"message\":";
static atomic_int log_level = LOG_INFO;
static atomic_int_fast64_t log_dropped; /* not told yet */
static atomic_uint_fast64_t log_dropped_total;
static atomic_uint_fast64_t log_lines[LOG_TRACE + 1];

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
	if (log_buf.capacity > LOG_KEEP_BYTES) {
		buf_fini(&log_buf);
	}
	buf_reset(&log_buf);
	return &log_buf;
}

void
log_open(const char *program, enum log_level level)
{
	snprintf(log_who, sizeof(log_who), "\",\"program\":\"%s\",\"pid\":%d,\"message\":", program,
	    (int)getpid());
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

/* Keys are of the program, so they need no escapes. */
static void
log_put_key(struct buf *buf, const char *key)
{
	buf_put(buf, ",\"", 2);
	buf_puts(buf, key);
	buf_put(buf, "\":", 2);
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
log_put_ms(struct buf *buf, int64_t ns)
{
	unsigned thousandths = (unsigned)(ns / 1000 % 1000);
	const char digits[] = {'.', (char)('0' + thousandths / 100),
	    (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10)};

	buf_put_int(buf, ns / 1000000);
	buf_put(buf, digits, sizeof(digits));
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
	case LOG_FIELD_MS: log_put_ms(buf, field->number); break;
	case LOG_FIELD_DOUBLE: log_put_double(buf, field->real); break;
	case LOG_FIELD_BOOL: buf_puts(buf, field->number != 0 ? "true" : "false"); break;
	}
}

/* The text of a second is made once for the lines of a thread that fall into it. */
static void
log_put_time(struct buf *buf)
{
	static _Thread_local char text[64];
	static _Thread_local int len;
	static _Thread_local time_t second = -1;
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		gmtime_r(&second, &utc);
		len = snprintf(text, sizeof(text), "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.",
		    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
		    utc.tm_sec);
	}
	buf_put(buf, text, (size_t)len);
	buf_putc(buf, (char)('0' + now.tv_nsec / 100000000));
	buf_putc(buf, (char)('0' + now.tv_nsec / 10000000 % 10));
	buf_putc(buf, (char)('0' + now.tv_nsec / 1000000 % 10));
	buf_puts(buf, "Z\"");
}

static void
log_put_head(struct buf *buf, enum log_level level, const char *message)
{
	log_put_time(buf);
	log_put_key(buf, "level");
	buf_putc(buf, '"');
	buf_puts(buf, log_level_names[level]);
	buf_puts(buf, log_who);
	buf_put_json_string(buf, message, strlen(message));
}

static void
log_drop(uint64_t lines)
{
	atomic_fetch_add(&log_dropped, (int64_t)lines);
	atomic_fetch_add(&log_dropped_total, lines);
}

/* Writes the line that counts what was dropped, if anything was and that is possible now. */
static void
log_tell_dropped(int patience_ms)
{
	int64_t dropped = atomic_exchange(&log_dropped, 0);
	struct buf *buf = log_buf_get();

	if (dropped == 0) {
		return;
	}
	log_put_head(buf, LOG_WARN, "log lines were dropped: standard error could not be written");
	log_put_field(buf, &LOG_INT("lines", dropped));
	buf_puts(buf, "}\n");
	if (buf->failed || log_sink_write(buf->data, buf->len, patience_ms) < buf->len) {
		atomic_fetch_add(&log_dropped, dropped);
	}
}

static struct buf *
log_make_line(enum log_level level, const char *message, const struct log_field *fields,
    size_t count, const struct log_field *more, size_t more_count)
{
	struct buf *buf = log_buf_get();

	log_put_head(buf, level, message);
	for (size_t i = 0; i < count; i++) {
		log_put_field(buf, &fields[i]);
	}
	for (size_t i = 0; i < more_count; i++) {
		log_put_field(buf, &more[i]);
	}
	buf_puts(buf, "}\n");
	return buf;
}

/* Whether a line can be written, by whoever logs. Tells first of those that could not. */
static bool
log_await_reader(void)
{
	if (!log_sink_wait(LOG_STALL_MS)) {
		return false;
	}
	if (atomic_load(&log_dropped) != 0) {
		log_tell_dropped(LOG_STALL_MS);
	}
	return true;
}

/* Without the thread: by whoever logs. */
static bool
log_write_now(const struct buf *line)
{
	return log_sink_write(line->data, line->len, LOG_STALL_MS) == line->len;
}

static void
log_line(enum log_level level, const char *message, const struct log_field *fields, size_t count,
    const struct log_field *more, size_t more_count)
{
	int saved_errno = errno;
	bool queued = log_queue_is_open();
	struct buf *buf;

	if (!queued && !log_await_reader()) {
		log_drop(1);
		errno = saved_errno;
		return;
	}
	buf = log_make_line(level, message, fields, count, more, more_count);
	if (buf->failed || !(queued ? log_queue_put(buf->data, buf->len) : log_write_now(buf))) {
		log_drop(1);
	} else if (!queued) {
		atomic_fetch_add_explicit(&log_lines[level], 1, memory_order_relaxed);
	}
	errno = saved_errno;
}

/* The level of a line, whose time, which comes first, cannot look like one. */
static enum log_level
log_level_of(const char *line, size_t len)
{
	static const char key[] = "\"level\":\"";
	const char *name = memmem(line, len, key, sizeof(key) - 1);

	for (int level = LOG_PANIC; name != NULL && level < LOG_TRACE; level++) {
		const char *word = log_level_names[level];

		if (strncmp(name + sizeof(key) - 1, word, strlen(word)) == 0) {
			return (enum log_level)level;
		}
	}
	return LOG_TRACE;
}

/* Counts lines, of which the first written bytes were written and the rest is lost. */
static void
log_count(const char *lines, size_t len, size_t written)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(lines + at, '\n', len - at);
		size_t line_len = (size_t)(end - (lines + at)) + 1;

		if (at < written) {
			atomic_fetch_add_explicit(&log_lines[log_level_of(lines + at, line_len)], 1,
			    memory_order_relaxed);
		} else {
			log_drop(1);
		}
		at += line_len;
	}
}

/* The bytes of as many whole lines as are written at once, or of one. */
static size_t
log_measure(const char *lines, size_t len)
{
	const char *end = NULL;

	if (len <= LOG_WRITE_BYTES) {
		return len;
	}
	end = memrchr(lines, '\n', LOG_WRITE_BYTES);
	if (end == NULL) {
		end = memchr(lines, '\n', len);
	}
	return (size_t)(end - lines) + 1;
}

/* For the thread that writes: after what was queued comes what was dropped then. */
static void
log_write_queued(const char *lines, size_t len)
{
	while (len > 0) {
		size_t part = log_measure(lines, len);

		log_count(lines, part, log_sink_write(lines, part, LOG_FOR_EVER));
		lines += part;
		len -= part;
	}
	log_tell_dropped(LOG_FOR_EVER);
}

void
log_start(void)
{
	log_queue_open(log_write_queued);
}

void
log_stop(void)
{
	log_queue_close();
}

void
log_get_stats(struct log_stats *stats)
{
	for (size_t i = 0; i <= LOG_TRACE; i++) {
		stats->lines[i] = atomic_load_explicit(&log_lines[i], memory_order_relaxed);
	}
	stats->dropped = atomic_load_explicit(&log_dropped_total, memory_order_relaxed);
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
