#include "gateway/gw_problem.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/schema/schema.h"

/* Violations that the detail names; errors has them all. */
#define GW_PROBLEM_NAMED_MAX 5

int
gw_problem_status_of_code(enum status_code code)
{
	switch (code) {
	case STATUS_OK: return 200;
	case STATUS_CANCELLED: return 499;
	case STATUS_UNKNOWN: return 500;
	case STATUS_INVALID_ARGUMENT: return 400;
	case STATUS_DEADLINE_EXCEEDED: return 504;
	case STATUS_NOT_FOUND: return 404;
	case STATUS_ALREADY_EXISTS: return 409;
	case STATUS_PERMISSION_DENIED: return 403;
	case STATUS_RESOURCE_EXHAUSTED: return 429;
	case STATUS_FAILED_PRECONDITION: return 400;
	case STATUS_ABORTED: return 409;
	case STATUS_OUT_OF_RANGE: return 400;
	case STATUS_UNIMPLEMENTED: return 501;
	case STATUS_INTERNAL: return 500;
	case STATUS_UNAVAILABLE: return 503;
	case STATUS_DATA_LOSS: return 500;
	case STATUS_UNAUTHENTICATED: return 401;
	}
	return 500; /* a number from the wire that is no code */
}

int
gw_problem_status(const struct schema_method *method, enum status_code code, const char *reason)
{
	for (size_t i = 0; reason != NULL && i < method->error_count; i++) {
		if (strcmp(method->errors[i]->reason, reason) == 0) {
			return (int)method->errors[i]->status;
		}
	}
	return gw_problem_status_of_code(code);
}

const char *
gw_problem_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} rows[] = {
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {406, "Not Acceptable"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {417, "Expectation Failed"},
	    {422, "Unprocessable Content"},
	    {428, "Precondition Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {499, "Client Closed Request"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].status == status) {
			return rows[i].title;
		}
	}
	return status < 400 ? "Success" : status < 500 ? "Client Error" : "Server Error";
}

uint32_t
gw_problem_retry_after_s(int status, const struct error *error)
{
	if (status != 429 && status != 503) {
		return 0;
	}
	return error->retry_after_ms <= 1000 ? 1 : (error->retry_after_ms - 1) / 1000 + 1;
}

/* "email" for "user.email" when the body was read into the field user. */
static const char *
gw_problem_field(const struct gw_problem *problem, const char *field)
{
	size_t len = problem->body_field == NULL ? 0 : strlen(problem->body_field);

	if (len > 0 && strncmp(field, problem->body_field, len) == 0 && field[len] == '.') {
		return field + len + 1;
	}
	return field;
}

static void
gw_problem_put_chars(struct buf *out, const char *text)
{
	buf_put_json_chars(out, text, strlen(text));
}

static void
gw_problem_put_member(struct buf *out, const char *key, const char *text, size_t len)
{
	buf_printf(out, ",\"%s\":", key);
	buf_put_json_string(out, text, len);
}

static void
gw_problem_put_detail(struct buf *out, const struct gw_problem *problem)
{
	const struct error *error = problem->error;

	buf_puts(out, ",\"detail\":\"");
	gw_problem_put_chars(
	    out, *error->message == '\0' ? gw_problem_title(problem->status) : error->message);
	for (size_t i = 0; i < error->violation_count && i < GW_PROBLEM_NAMED_MAX; i++) {
		buf_puts(out, i == 0 ? ": " : "; ");
		gw_problem_put_chars(out, gw_problem_field(problem, error->violations[i].field));
		buf_putc(out, ' ');
		gw_problem_put_chars(out, error->violations[i].description);
	}
	if (error->violation_count > GW_PROBLEM_NAMED_MAX) {
		buf_printf(out, "; and %zu more", error->violation_count - GW_PROBLEM_NAMED_MAX);
	}
	buf_putc(out, '"');
}

static void
gw_problem_put_violations(struct buf *out, const struct gw_problem *problem)
{
	const struct error *error = problem->error;

	if (error->violation_count == 0) {
		return;
	}
	buf_puts(out, ",\"errors\":[");
	for (size_t i = 0; i < error->violation_count; i++) {
		const struct violation *violation = &error->violations[i];
		const char *field = gw_problem_field(problem, violation->field);

		buf_puts(out, i == 0 ? "{\"field\":" : ",{\"field\":");
		buf_put_json_string(out, field, strlen(field));
		gw_problem_put_member(
		    out, "detail", violation->description, strlen(violation->description));
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void
gw_problem_put(struct buf *out, const struct gw_problem *problem, enum status_code code)
{
	const char *code_name = status_name(code);
	const char *reason = problem->error->reason;

	if (reason == NULL || *reason == '\0') {
		reason = code_name;
	}
	buf_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d",
	    gw_problem_title(problem->status), problem->status);
	gw_problem_put_detail(out, problem);
	gw_problem_put_member(out, "instance", problem->path, problem->path_len);
	gw_problem_put_member(out, "code", code_name, strlen(code_name));
	gw_problem_put_member(out, "reason", reason, strlen(reason));
	gw_problem_put_member(out, "requestId", problem->request_id, strlen(problem->request_id));
	gw_problem_put_violations(out, problem);
	buf_putc(out, '}');
}

void
gw_problem_write(struct buf *out, const struct gw_problem *problem)
{
	static const struct error hidden = {.reason = "INTERNAL",
	    .message = "the request could not be answered, for a reason that is in the log under "
		       "its request id"};
	struct gw_problem shown = *problem;

	if (problem->status == 500) {
		shown.error = &hidden;
	}
	gw_problem_put(out, &shown, problem->error->code);
}
