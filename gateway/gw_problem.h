/*
 * Errors as clients see them: HTTP statuses, and problem documents (RFC 9457).
 * Any thread.
 */
#ifndef GATEWAY_GW_PROBLEM_H
#define GATEWAY_GW_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct buf;
struct schema_method;

/* The HTTP status that follows from a code. */
int gw_problem_status_of_code(enum status_code code);

/*
 * The HTTP status for an error of a method: the one that the method's service
 * sets for the reason (ErrorRule of rest.proto), else the one that follows from
 * the code. reason may be NULL.
 */
int gw_problem_status(
    const struct schema_method *method, enum status_code code, const char *reason);

/* "Not Found" for 404, for the status line and as the title of a problem; static. */
const char *gw_problem_title(int status);

/* Whole seconds for Retry-After, at least 1; 0 when the status needs no such header. */
uint32_t gw_problem_retry_after_s(int status, const struct error *error);

/* The content of a problem document; all of it is borrowed. */
struct gw_problem {
	int status;
	const struct error *error;
	const char *body_field; /* removed from the beginning of violations' fields; may be NULL */
	const char *path;       /* as the client sent it */
	size_t path_len;
	const char *request_id;
};

/* Appends the document. For a 500 it contains no details. */
void gw_problem_write(struct buf *out, const struct gw_problem *problem);

#endif
