#include "common/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/utf8.h"

#define ERROR_VIOLATIONS_MAX 100

const char *
status_name(enum status_code code)
{
	switch (code) {
#define STATUS_CASE(name, number)                                                                  \
	case STATUS_##name: return #name;
		STATUS_ROWS(STATUS_CASE)
#undef STATUS_CASE
	}
	return "UNKNOWN";
}

/*
 * Formats into text. What is cut off at its end, or came from a peer, may be
 * no UTF-8, which a message on the wire must be.
 */
__attribute__((format(printf, 2, 0))) static void
error_format(char text[ERROR_TEXT_MAX], const char *format, va_list args)
{
	int wanted = vsnprintf(text, ERROR_TEXT_MAX, format, args);
	size_t len = wanted < 0 ? 0 : strlen(text);
	size_t at = 0;

	text[len] = '\0';
	while (at < len) {
		size_t sequence = utf8_sequence_len(text + at, len - at);

		if (sequence == 0 && wanted >= ERROR_TEXT_MAX && len - at < 4) {
			text[at] = '\0';
			return;
		}
		if (sequence == 0) {
			text[at] = '?';
		}
		at += sequence == 0 ? 1 : sequence;
	}
}

enum status_code
error_set(struct error *error, enum status_code code, const char *reason, const char *format, ...)
{
	char message[ERROR_TEXT_MAX];
	va_list args;

	if (error == NULL) {
		return code;
	}
	va_start(args, format);
	error_format(message, format, args);
	va_end(args);
	memset(error, 0, sizeof(*error));
	error->code = code;
	error->reason = reason;
	memcpy(error->message, message, strlen(message));
	return code;
}

void
error_detail(struct error *error, const char *format, ...)
{
	char detail[ERROR_TEXT_MAX];
	va_list args;

	if (error == NULL) {
		return;
	}
	va_start(args, format);
	error_format(detail, format, args);
	va_end(args);
	memcpy(error->detail, detail, strlen(detail) + 1);
}

/* The violations' memory grows by doubling; what it had before stays in arena. */
static struct violation *
error_next_violation(struct error *error, struct arena *arena)
{
	size_t count = error->violation_count;

	if ((count & (count - 1)) == 0) {
		struct violation *larger =
		    arena_calloc(arena, count == 0 ? 1 : count * 2, sizeof(*larger));

		if (larger == NULL) {
			return NULL;
		}
		if (count > 0) {
			memcpy(larger, error->violations, count * sizeof(*larger));
		}
		error->violations = larger;
	}
	return &error->violations[error->violation_count++];
}

void
error_violation(
    struct error *error, struct arena *arena, const char *field, const char *format, ...)
{
	char description[ERROR_TEXT_MAX];
	struct violation *violation;
	va_list args;

	if (error->code == STATUS_OK) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_FIELDS",
		    "some fields are not as they must be");
	}
	if (error->violation_count == ERROR_VIOLATIONS_MAX) {
		return;
	}
	violation = error_next_violation(error, arena);
	if (violation == NULL) {
		return;
	}
	va_start(args, format);
	error_format(description, format, args);
	va_end(args);
	violation->field = arena_strdup(arena, field);
	violation->description = arena_strdup(arena, description);
	if (violation->field == NULL || violation->description == NULL) {
		error->violation_count--;
	}
}
