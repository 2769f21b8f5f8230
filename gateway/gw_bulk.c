#include "gateway/gw_bulk.h"

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/json/json.h"
#include "gateway/gw_problem.h"
#include "gateway/route/route.h"

struct gw_bulk {
	const struct route *route;
	uint32_t success_status;
};

static enum status_code
gw_bulk_code(const struct route *route, const ProtobufCMessage *status)
{
	int32_t code = *(const int32_t *)((const char *)status + route->status_code->wire->offset);

	return (enum status_code)code;
}

static uint32_t
gw_bulk_http_status(const ProtobufCMessage *status, void *closure)
{
	const struct gw_bulk *bulk = closure;
	enum status_code code = gw_bulk_code(bulk->route, status);
	const char *reason =
	    *(const char *const *)((const char *)status + bulk->route->status_reason->wire->offset);

	return code == STATUS_OK ? bulk->success_status
				 : (uint32_t)gw_problem_status(bulk->route->method, code, reason);
}

static bool
gw_bulk_any_failed(const struct route *route, const ProtobufCMessage *response)
{
	const ProtobufCFieldDescriptor *results = route->results->wire;
	size_t count = *(const size_t *)((const char *)response + results->quantifier_offset);
	ProtobufCMessage *const *rows =
	    *(ProtobufCMessage *const *const *)((const char *)response + results->offset);

	for (size_t i = 0; i < count; i++) {
		const ProtobufCMessage *status = *(
		    ProtobufCMessage *const *)((const char *)rows[i] + route->status->wire->offset);

		if (status != NULL && gw_bulk_code(route, status) != STATUS_OK) {
			return true;
		}
	}
	return false;
}

int
gw_bulk_write(struct buf *out, const struct route *route, const ProtobufCMessage *response)
{
	uint32_t success = route->method->rule->success_status;
	struct gw_bulk bulk = {route, success == 0 ? 200 : success};
	const struct json_bulk rows = {.status_type = schema_field_message(route->status),
	    .success_status = bulk.success_status,
	    .http_status = gw_bulk_http_status,
	    .closure = &bulk};
	uint32_t overall = gw_bulk_any_failed(route, response)
			       ? route->method->rule->bulk->failure_status
			       : bulk.success_status;

	buf_puts(out, "{\"overallstatus\":");
	buf_put_uint(out, overall);
	buf_puts(out, ",\"results\":[");
	json_write_elements(out, route->results, response, &rows);
	buf_puts(out, "]}");
	return (int)overall;
}
