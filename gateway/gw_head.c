#include "gateway/gw_head.h"

#include <string.h>

#include "gateway/gw_line.h"

/* What HTTP/1 adds: ": " and CRLF to a header, two blanks, the version and CRLF to the first line. */
#define GW_HEAD_HEADER_BYTES 4
#define GW_HEAD_LINE_BYTES   12

static bool
gw_head_is(h2o_iovec_t text, const char *word)
{
	return gw_line_is((struct gw_line){text.base, text.len}, word);
}

static void
gw_head_put_pseudo(struct gw_head *head, h2o_req_t *req, h2o_iovec_t name, h2o_iovec_t value)
{
	h2o_iovec_t *place = gw_head_is(name, ":method")      ? &req->input.method
			     : gw_head_is(name, ":path")      ? &req->input.path
			     : gw_head_is(name, ":authority") ? &req->input.authority
							      : NULL;

	if (place != NULL) {
		*place = h2o_strdup(&req->pool, value.base, value.len);
	} else if (gw_head_is(name, ":scheme")) {
		head->other_scheme = !gw_head_is(value, "http") && !gw_head_is(value, "https");
	}
}

/* Known to be digits. Too many of them are as good as the largest number. */
static size_t
gw_head_read_length(h2o_iovec_t value)
{
	size_t length = h2o_strtosize(value.base, value.len);

	return length == SIZE_MAX ? SIZE_MAX - 1 : length;
}

static void
gw_head_put_header(h2o_req_t *req, h2o_iovec_t name, h2o_iovec_t value)
{
	const h2o_token_t *token = h2o_lookup_token(name.base, name.len);
	h2o_iovec_t kept = h2o_strdup(&req->pool, value.base, value.len);

	if (token != NULL) {
		h2o_add_header(&req->pool, &req->headers, token, NULL, kept.base, kept.len);
		return;
	}
	name = h2o_strdup(&req->pool, name.base, name.len);
	h2o_add_header_by_str(
	    &req->pool, &req->headers, name.base, name.len, 0, NULL, kept.base, kept.len);
}

void
gw_head_put(struct gw_head *head, h2o_req_t *req, h2o_iovec_t name, h2o_iovec_t value,
    size_t head_max_bytes)
{
	bool pseudo = name.len > 0 && name.base[0] == ':';

	head->size += pseudo ? value.len : name.len + value.len + GW_HEAD_HEADER_BYTES;
	head->headers += !pseudo;
	if (pseudo) {
		gw_head_put_pseudo(head, req, name, value);
	} else if (head->size > head_max_bytes || head->headers > GW_GUARD_HEADERS_MAX) {
		return;
	} else if (gw_head_is(name, "host")) {
		head->hosts++;
		head->host = h2o_strdup(&req->pool, value.base, value.len);
	} else if (gw_head_is(name, "content-length")) {
		head->length = gw_head_read_length(value);
	} else if (gw_head_is(name, "expect")) {
		head->expectations++;
		head->expects_continue = gw_head_is(value, "100-continue");
	} else {
		gw_head_put_header(req, name, value);
	}
}

/* Without the port that the scheme implies. */
static h2o_iovec_t
gw_head_normalize(h2o_iovec_t authority)
{
	if (authority.len > 3 && memcmp(authority.base + authority.len - 3, ":80", 3) == 0) {
		authority.len -= 3;
	}
	return authority;
}

static bool
gw_head_is_same_host(h2o_iovec_t host, h2o_iovec_t authority)
{
	host = gw_head_normalize(host);
	authority = gw_head_normalize(authority);
	return host.len == authority.len && strncasecmp(host.base, authority.base, host.len) == 0;
}

const char *
gw_head_problem(const struct gw_head *head, const h2o_req_t *req)
{
	h2o_iovec_t authority = req->input.authority;

	if (head->hosts > 1) {
		return "there is more than one Host";
	}
	if (authority.base == NULL && head->hosts == 0) {
		return "there is neither :authority nor Host";
	}
	if (head->hosts > 0 &&
	    !gw_line_is_host((struct gw_line){head->host.base, head->host.len})) {
		return "Host has a character that is in no host";
	}
	if (authority.base != NULL &&
	    !gw_line_is_host((struct gw_line){authority.base, authority.len})) {
		return "the authority has a character that is in no host, or a user";
	}
	if (authority.base != NULL && head->hosts > 0 &&
	    !gw_head_is_same_host(head->host, authority)) {
		return "Host and :authority differ";
	}
	return head->other_scheme ? "the scheme is neither http nor https" : NULL;
}

enum gw_guard_refusal
gw_head_refusal(const struct gw_head *head, const h2o_req_t *req, size_t head_max_bytes)
{
	if (req->input.method.len + req->input.path.len + GW_HEAD_LINE_BYTES > head_max_bytes) {
		return GW_GUARD_TARGET_TOO_LONG;
	}
	if (head->headers > GW_GUARD_HEADERS_MAX) {
		return GW_GUARD_TOO_MANY_HEADERS;
	}
	if (head->size + GW_HEAD_LINE_BYTES > head_max_bytes) {
		return GW_GUARD_HEAD_TOO_LARGE;
	}
	return head->expectations > 1 || (head->expectations > 0 && !head->expects_continue)
		   ? GW_GUARD_UNKNOWN_EXPECTATION
		   : GW_GUARD_NOT_REFUSED;
}
