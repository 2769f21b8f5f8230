/*
 * The head of an HTTP/2 request, field by field. nghttp2 itself refuses most of
 * what RFC 9113 calls malformed. Here are the checks that it leaves to the
 * program, and the limits that the guard has for HTTP/1 (gw_guard.h). Any
 * thread.
 */
#ifndef GATEWAY_GW_HEAD_H
#define GATEWAY_GW_HEAD_H

#include <h2o.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/gw_guard.h"

/* Zeroed: no field has arrived yet. */
struct gw_head {
	size_t size; /* as it would be on HTTP/1 */
	unsigned headers;
	h2o_iovec_t host;
	unsigned hosts;
	unsigned expectations;
	bool expects_continue;
	bool other_scheme; /* neither http nor https */
	size_t length;     /* Content-Length; 0: there is none */
};

/*
 * Stores a field where the library keeps it; everything is copied. Fields
 * beyond the limits are only counted.
 */
void gw_head_put(struct gw_head *head, h2o_req_t *req, h2o_iovec_t name, h2o_iovec_t value,
    size_t head_max_bytes);

/* What is wrong with a complete head, or NULL. */
const char *gw_head_problem(const struct gw_head *head, const h2o_req_t *req);

/* Which of the limits the head exceeds. */
enum gw_guard_refusal gw_head_refusal(
    const struct gw_head *head, const h2o_req_t *req, size_t head_max_bytes);

#endif
