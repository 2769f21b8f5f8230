#include "gateway/gw_negotiate.h"

#include "gateway/gw_api.h"
#include "gateway/gw_media.h"
#include "gateway/gw_request.h"

static bool
gw_negotiate_accepts(const struct gw_request *request, const char *type)
{
	const h2o_headers_t *headers = &request->req->headers;
	bool accepted = true;

	for (ssize_t i = -1; (i = h2o_find_header(headers, H2O_TOKEN_ACCEPT, i)) >= 0;) {
		const h2o_iovec_t *value = &headers->entries[i].value;

		accepted = gw_media_accepts(value->base, value->len, type);
		if (accepted) {
			break;
		}
	}
	return accepted;
}

static enum gw_coding
gw_negotiate_coding(const struct gw_request *request)
{
	const h2o_headers_t *headers = &request->req->headers;
	struct gw_codings codings = {0};

	if (request->loop->options.api->gzip_min_bytes == GW_API_NO_GZIP) {
		return GW_CODING_IDENTITY;
	}
	for (ssize_t i = -1; (i = h2o_find_header(headers, H2O_TOKEN_ACCEPT_ENCODING, i)) >= 0;) {
		const h2o_iovec_t *value = &headers->entries[i].value;

		gw_media_read_codings(&codings, value->base, value->len);
	}
	return gw_media_coding(&codings);
}

int
gw_negotiate(struct gw_request *request, struct error *error)
{
	bool text = request->match.route->text != NULL;
	const char *type = text ? GW_MEDIA_TEXT : GW_MEDIA_JSON;
	enum gw_coding coding = gw_negotiate_coding(request);

	if (!gw_negotiate_accepts(request, type) &&
	    (text || !gw_negotiate_accepts(request, GW_MEDIA_PROBLEM))) {
		error_set(error, STATUS_INVALID_ARGUMENT, "NOT_ACCEPTABLE",
		    "the answer is %s, which Accept does not allow", type);
		return 406;
	}
	if (coding == GW_CODING_NONE) {
		error_set(error, STATUS_INVALID_ARGUMENT, "NOT_ACCEPTABLE",
		    "Accept-Encoding allows neither gzip nor identity, and there is no other");
		return 406;
	}
	request->coding = coding;
	return 0;
}
