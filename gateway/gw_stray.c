#include "gateway/gw_stray.h"

#include <string.h>

#include "gateway/gw_conn.h"
#include "gateway/gw_media.h"
#include "gateway/gw_problem.h"
#include "gateway/gw_request.h"

/* What the library means by its errors. */
static const struct gw_stray_row {
	int status;
	enum status_code code;
	const char *reason;
	const char *message;
} gw_stray_rows[] = {
    {400, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
	"the request is not as RFC 9113 asks: its headers, or the length of its body"},
    {413, STATUS_INVALID_ARGUMENT, "BODY_TOO_LARGE", "the body is larger than any may be"},
    {0, STATUS_INTERNAL, "INTERNAL", ""},
};

/* Sends the document in place of what the library sends. */
struct gw_stray {
	h2o_ostream_t ostream; /* the first member: it is what the library hands back */
	h2o_iovec_t document;
};

static void
gw_stray_send(
    h2o_ostream_t *ostream, h2o_req_t *req, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
	struct gw_stray *stray = (struct gw_stray *)ostream;

	(void)bufs;
	h2o_ostream_send_next(ostream, req, &stray->document, count == 0 ? 0 : 1, state);
}

static h2o_iovec_t
gw_stray_write(h2o_req_t *req, const char *id)
{
	const struct gw_stray_row *row = gw_stray_rows;
	struct buf *out = gw_loop_out(gw_loop_of(req));
	const char *query = memchr(req->input.path.base, '?', req->input.path.len);
	struct error error;
	struct gw_problem problem = {.error = &error,
	    .path = req->input.path.base,
	    .path_len =
		query == NULL ? req->input.path.len : (size_t)(query - req->input.path.base),
	    .request_id = id};

	while (row->status != 0 && row->status != req->res.status) {
		row++;
	}
	problem.status = row->status == 0 ? 500 : row->status;
	error_set(&error, row->code, row->reason, "%s", row->message);
	gw_problem_write(out, &problem);
	return h2o_strdup(&req->pool, out->data, out->len);
}

/* Answers of our own are known by their request id. */
static void
gw_stray_setup(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
	h2o_headers_t *headers = &req->res.headers;
	struct gw_stray *stray;
	char *id;

	(void)filter;
	if (req->res.status < 400 ||
	    h2o_find_header_by_str(headers, H2O_STRLIT("x-request-id"), -1) >= 0) {
		h2o_setup_next_ostream(req, slot);
		return;
	}
	gw_conn_linger(gw_conn_of(req));
	id = h2o_mem_alloc_pool(&req->pool, GW_REQUEST_ID_MAX + 1);
	gw_request_id(req, id);
	stray = (struct gw_stray *)h2o_add_ostream(req, sizeof(*stray), slot);
	stray->ostream.do_send = gw_stray_send;
	stray->document = gw_stray_write(req, id);
	req->res.content_length = stray->document.len;
	req->res.reason = gw_problem_title(req->res.status);
	*headers = (h2o_headers_t){0};
	h2o_add_header(
	    &req->pool, headers, H2O_TOKEN_CONTENT_TYPE, NULL, H2O_STRLIT(GW_MEDIA_PROBLEM));
	h2o_add_header_by_str(
	    &req->pool, headers, H2O_STRLIT("x-request-id"), 0, "X-Request-Id", id, strlen(id));
	h2o_setup_next_ostream(req, &stray->ostream.next);
}

void
gw_stray_register(h2o_pathconf_t *pathconf)
{
	h2o_create_filter(pathconf, sizeof(h2o_filter_t))->on_setup_ostream = gw_stray_setup;
}
