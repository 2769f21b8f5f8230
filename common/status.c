#include "common/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"

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

enum status_code
error_set(struct error *error, enum status_code code, const char *reason, const char *format, ...)
{
	va_list args;

	if (error == NULL) {
		return code;
	}
	memset(error, 0, sizeof(*error));
	error->code = code;
	error->reason = reason;
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return code;
}

void
error_detail(struct error *error, const char *format, ...)
{
	va_list args;

	if (error == NULL) {
		return;
	}
	va_start(args, format);
	vsnprintf(error->detail, sizeof(error->detail), format, args);
	va_end(args);
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
	vsnprintf(description, sizeof(description), format, args);
	va_end(args);
	violation->field = arena_strdup(arena, field);
	violation->description = arena_strdup(arena, description);
	if (violation->field == NULL || violation->description == NULL) {
		error->violation_count--;
	}
}
