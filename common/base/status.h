/*
 * How a call ends: one of gRPC's sixteen codes, the same across every boundary,
 * and beside it texts for people and for programs. The names in __asm__ are
 * explained in common/base/arena.h.
 */
#ifndef COMMON_STATUS_H
#define COMMON_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct arena;

/* Name and number of each code, as in the enum Code of mockvideo/rpc.proto. */
#define STATUS_ROWS(ROW)                                                                           \
	ROW(OK, 0)                                                                                 \
	ROW(CANCELLED, 1)                                                                          \
	ROW(UNKNOWN, 2)                                                                            \
	ROW(INVALID_ARGUMENT, 3)                                                                   \
	ROW(DEADLINE_EXCEEDED, 4)                                                                  \
	ROW(NOT_FOUND, 5)                                                                          \
	ROW(ALREADY_EXISTS, 6)                                                                     \
	ROW(PERMISSION_DENIED, 7)                                                                  \
	ROW(RESOURCE_EXHAUSTED, 8)                                                                 \
	ROW(FAILED_PRECONDITION, 9)                                                                \
	ROW(ABORTED, 10)                                                                           \
	ROW(OUT_OF_RANGE, 11)                                                                      \
	ROW(UNIMPLEMENTED, 12)                                                                     \
	ROW(INTERNAL, 13)                                                                          \
	ROW(UNAVAILABLE, 14)                                                                       \
	ROW(DATA_LOSS, 15)                                                                         \
	ROW(UNAUTHENTICATED, 16)

enum status_code {
#define STATUS_ENUM(name, number) STATUS_##name = number,
	STATUS_ROWS(STATUS_ENUM)
#undef STATUS_ENUM
};

/* "NOT_FOUND"; "UNKNOWN" for a number that is not a code. */
const char *status_name(enum status_code code) __asm__("rpc_status_name");

/* One fault of a request: where, and what would be right. */
struct violation {
	const char *field;
	const char *description;
};

#define ERROR_TEXT_MAX 512

/*
 * An error on its way to the caller. A zeroed error means no error (STATUS_OK).
 * What only the log may contain (detail) is separate from what the client may
 * see.
 */
struct error {
	enum status_code code;
	const char *reason;           /* a static word for programs, or NULL */
	char message[ERROR_TEXT_MAX]; /* for the client's people */
	char detail[ERROR_TEXT_MAX];  /* for the log only; may be empty */
	uint32_t retry_after_ms;      /* 0: not said */
	struct violation *violations; /* in the arena given to error_violation */
	size_t violation_count;
};

/*
 * Fills error, replacing everything in it, and returns code, so that a function
 * can end with return error_set(…). error may be NULL; the arguments may be
 * texts of error itself. Longer text is cut, and invalid UTF-8 becomes question
 * marks. The same is true for error_detail and error_violation.
 */
enum status_code error_set(struct error *error, enum status_code code, const char *reason,
    const char *format, ...) __asm__("rpc_error_set") __attribute__((format(printf, 4, 5)));

/* Sets the detail, which only the log contains. */
void error_detail(struct error *error, const char *format, ...) __asm__("rpc_error_detail")
    __attribute__((format(printf, 2, 3)));

/*
 * Adds a fault of the request, and makes error an INVALID_ARGUMENT with reason
 * INVALID_FIELDS if it was not one yet. field and the description are copied
 * into arena. Only the first 100 violations are kept.
 */
void error_violation(struct error *error, struct arena *arena, const char *field,
    const char *format, ...) __asm__("rpc_error_violation") __attribute__((format(printf, 4, 5)));

#ifdef __cplusplus
}
#endif

#endif
