/*
 * The log: one JSON object per line on standard error. Levels are the
 * original's: 0 panic, 1 fatal, 2 error, 3 warn, 4 info, 5 debug, 6 trace.
 *
 *	log_info("user created", LOG_INT("userId", id), LOG_STR("requestId", rid));
 *
 * gives
 *
 *	{"time":"2024-05-06T07:08:09.123Z","level":"info","program":"accountd",
 *	 "pid":12,"message":"user created","userId":42,"requestId":"7f3a"}
 *
 * A line is written by one write(2), so that lines of several threads and
 * processes do not mix. A line that standard error does not accept is dropped
 * and counted: the disk is full, or the pipe is closed or not read. When lines
 * can be written again, one of them says how many were dropped. A reader that
 * stops reading delays the program only for a moment.
 *
 * Between log_start and log_stop a thread writes, and no other thread waits for
 * the reader. It collects lines for a few milliseconds and keeps up to a
 * megabyte of them; lines beyond that are dropped and counted in the same way.
 *
 * Any thread, once log_open has returned.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum log_level {
	LOG_PANIC,
	LOG_FATAL,
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
	LOG_TRACE
};

/* For a CONF_CHOICE row: the names in the order of enum log_level, then NULL. */
extern const char *const log_level_names[];

enum log_field_type {
	LOG_FIELD_STR,
	LOG_FIELD_INT,
	LOG_FIELD_MS,
	LOG_FIELD_DOUBLE,
	LOG_FIELD_BOOL
};

/* One member of a line. Keys are camelCase and static; values are borrowed. */
struct log_field {
	const char *key;
	enum log_field_type type;
	const char *str; /* NULL: the field is left out */
	size_t len;
	int64_t number;
	double real;
};

#define LOG_STR(key, text)       log_field_str((key), (text))
#define LOG_STRN(key, text, len) ((struct log_field){(key), LOG_FIELD_STR, (text), (len), 0, 0})
#define LOG_INT(key, value)      ((struct log_field){(key), LOG_FIELD_INT, "", 0, (value), 0})
#define LOG_MS(key, ns)          ((struct log_field){(key), LOG_FIELD_MS, "", 0, (ns), 0})
#define LOG_DOUBLE(key, value)   ((struct log_field){(key), LOG_FIELD_DOUBLE, "", 0, 0, (value)})
#define LOG_BOOL(key, value)     ((struct log_field){(key), LOG_FIELD_BOOL, "", 0, (value), 0})

/*
 * LOG_MS writes nanoseconds, which must not be negative, as milliseconds with
 * three decimal places. LOG_STR with NULL is left out.
 */
struct log_field log_field_str(const char *key, const char *text);

/* Starts logging for a program, whose name is borrowed. */
void log_open(const char *program, enum log_level level);

/*
 * Starts the thread that writes, with all signals blocked. If it cannot be
 * started, because memory or threads are missing, lines are written as before.
 * To be called once, by main.
 */
void log_start(void);

/*
 * Writes what is left, for which it gives the reader a moment, and ends the
 * thread. Later lines are written as before log_start.
 */
void log_stop(void);

/* The numbers of lines since the start. */
struct log_stats {
	uint64_t lines[LOG_TRACE + 1]; /* written, by level */
	uint64_t dropped;              /* neither written nor waiting to be */
};

void log_get_stats(struct log_stats *stats);

/* Changes the level; takes effect at once. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Writes a line. message is static text; what varies belongs in fields. */
void log_write(
    enum log_level level, const char *message, const struct log_field *fields, size_t count);

/* Writes error's code, reason, message and detail as fields, after fields. */
void log_error(
    const char *message, const struct error *error, const struct log_field *fields, size_t count);

#define LOG_AT(level, message, ...)                                                                \
	do {                                                                                       \
		if (log_enabled(level)) {                                                          \
			const struct log_field log_fields_[] = {__VA_ARGS__ __VA_OPT__(, ){0}};    \
			log_write((level), (message), log_fields_,                                 \
			    sizeof(log_fields_) / sizeof(log_fields_[0]) - 1);                     \
		}                                                                                  \
	} while (0)

#define log_fatal(message, ...) LOG_AT(LOG_FATAL, message, __VA_ARGS__)
#define log_err(message, ...)   LOG_AT(LOG_ERROR, message, __VA_ARGS__)
#define log_warn(message, ...)  LOG_AT(LOG_WARN, message, __VA_ARGS__)
#define log_info(message, ...)  LOG_AT(LOG_INFO, message, __VA_ARGS__)
#define log_debug(message, ...) LOG_AT(LOG_DEBUG, message, __VA_ARGS__)

#endif
