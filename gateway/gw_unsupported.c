#include "gateway/gw_unsupported.h"

#include <string.h>

#include "gateway/gw_reply.h"
#include "gateway/gw_request.h"

#define GW_UNSUPPORTED_METHOD                                                                      \
	400, STATUS_INVALID_ARGUMENT, "METHOD_OVERRIDE",                                           \
	    "another method than that of the request is not understood; send it as the method"

/*
 * A precondition is 412 (RFC 9110 section 13.1), a part of a representation 400
 * (section 14.5). If-Modified-Since has no meaning with a write (section 13.1.3),
 * and the others change nothing that is read.
 */
static const struct gw_unsupported_row {
	const char *name; /* in lower case */
	bool reads;       /* refused with GET and HEAD, too */
	int status;
	enum status_code code;
	const char *reason;
	const char *message;
} gw_unsupported_rows[] = {
    {"if-match", true, 412, STATUS_FAILED_PRECONDITION, "PRECONDITION_FAILED",
	"If-Match does not hold: no resource has an entity tag"},
    {"if-none-match", false, 412, STATUS_FAILED_PRECONDITION, "PRECONDITION_FAILED",
	"If-None-Match is not understood with a write: no resource has an entity tag"},
    {"if-unmodified-since", false, 412, STATUS_FAILED_PRECONDITION, "PRECONDITION_FAILED",
	"If-Unmodified-Since is not understood: no resource has the date of its last change"},
    {"content-range", false, 400, STATUS_INVALID_ARGUMENT, "PARTIAL_CONTENT",
	"Content-Range is not understood; send the whole resource"},
    {"x-http-method-override", false, GW_UNSUPPORTED_METHOD},
    {"x-http-method", false, GW_UNSUPPORTED_METHOD},
    {"x-method-override", false, GW_UNSUPPORTED_METHOD},
};

static bool
gw_unsupported_is_read(const h2o_req_t *req)
{
	const h2o_iovec_t *verb = &req->method;

	return h2o_memis(verb->base, verb->len, H2O_STRLIT("GET")) ||
	       h2o_memis(verb->base, verb->len, H2O_STRLIT("HEAD"));
}

static bool
gw_unsupported_is(const h2o_header_t *header, const char *name)
{
	return h2o_memis(header->name->base, header->name->len, name, strlen(name));
}

/* If-Match: * holds for whatever is read, and is no condition then. */
static bool
gw_unsupported_is_met(const h2o_header_t *header, bool read)
{
	return read && h2o_memis(header->value.base, header->value.len, H2O_STRLIT("*"));
}

static int
gw_unsupported_find(const h2o_header_t *header, bool read, struct error *error)
{
	for (size_t i = 0; i < sizeof(gw_unsupported_rows) / sizeof(gw_unsupported_rows[0]); i++) {
		const struct gw_unsupported_row *row = &gw_unsupported_rows[i];

		if ((!read || row->reads) && gw_unsupported_is(header, row->name) &&
		    !gw_unsupported_is_met(header, read)) {
			error_set(error, row->code, row->reason, "%s", row->message);
			return row->status;
		}
	}
	return 0;
}

/* The client is told what may be sent (RFC 9110 section 12.5.3). */
static int
gw_unsupported_encoding(struct gw_request *request, const h2o_header_t *header, struct error *error)
{
	const h2o_iovec_t *coding = &header->value;

	if (header->name != &H2O_TOKEN_CONTENT_ENCODING->buf ||
	    h2o_lcstris(coding->base, coding->len, H2O_STRLIT("identity"))) {
		return 0;
	}
	if (!request->zipped && (h2o_lcstris(coding->base, coding->len, H2O_STRLIT("gzip")) ||
				    h2o_lcstris(coding->base, coding->len, H2O_STRLIT("x-gzip")))) {
		request->zipped = true;
		return 0;
	}
	gw_reply_header(request, H2O_TOKEN_ACCEPT_ENCODING, H2O_STRLIT("gzip, identity"));
	error_set(error, STATUS_INVALID_ARGUMENT, "UNSUPPORTED_CONTENT_ENCODING",
	    "the body may be compressed by gzip, once, or not at all; Content-Encoding names "
	    "something else");
	return 415;
}

int
gw_unsupported_check(struct gw_request *request, struct error *error)
{
	const h2o_headers_t *headers = &request->req->headers;
	bool read = gw_unsupported_is_read(request->req);
	int status = 0;

	for (size_t i = 0; status == 0 && i < headers->size; i++) {
		status = gw_unsupported_find(&headers->entries[i], read, error);
		if (status == 0 && !read) {
			status = gw_unsupported_encoding(request, &headers->entries[i], error);
		}
	}
	return status;
}
