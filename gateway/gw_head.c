#include "gateway/gw_head.h"

#include "gateway/gw_guard.h"

/* What HTTP/1 adds: ": " and CRLF to a header, two blanks, the version and CRLF to the first line. */
#define GW_HEAD_HEADER_BYTES 4
#define GW_HEAD_LINE_BYTES   12

static enum gw_guard_refusal
gw_head_find_refusal(const h2o_req_t *req, size_t head_max_bytes)
{
	const h2o_headers_t *headers = &req->headers;
	size_t size = req->input.method.len + req->input.path.len + GW_HEAD_LINE_BYTES;

	if (size > head_max_bytes) {
		return GW_GUARD_TARGET_TOO_LONG;
	}
	if (headers->size > GW_GUARD_HEADERS_MAX) {
		return GW_GUARD_TOO_MANY_HEADERS;
	}
	for (size_t i = 0; i < headers->size; i++) {
		const h2o_header_t *header = &headers->entries[i];

		size += header->name->len + header->value.len + GW_HEAD_HEADER_BYTES;
		if (header->name == &H2O_TOKEN_EXPECT->buf &&
		    !h2o_lcstris(
			header->value.base, header->value.len, H2O_STRLIT("100-continue"))) {
			return GW_GUARD_UNKNOWN_EXPECTATION;
		}
	}
	return size > head_max_bytes ? GW_GUARD_HEAD_TOO_LARGE : GW_GUARD_NOT_REFUSED;
}

int
gw_head_check(const h2o_req_t *req, size_t head_max_bytes, struct error *error)
{
	struct gw_guard guard = {
	    .head_max_bytes = head_max_bytes, .refusal = gw_head_find_refusal(req, head_max_bytes)};

	return gw_guard_explain(&guard, error);
}
