#include "gateway/gw_bulk.h"

#include <stdbool.h>

#include "common/buf.h"
#include "gateway/gw_api.h"
#include "gateway/gw_problem.h"
#include "gateway/json.h"

struct gw_bulk {
	const struct gw_api *api;
	const struct route *route;
	uint32_t success_status;
};

static enum status_code
gw_bulk_code(const struct gw_api *api, const ProtobufCMessage *status)
{
	int32_t code = *(const int32_t *)((const char *)status + api->status.code->wire->offset);

	return (enum status_code)code;
}

static uint32_t
gw_bulk_http_status(const ProtobufCMessage *status, void *closure)
{
	const struct gw_bulk *bulk = closure;
	const struct gw_status_layout *layout = &bulk->api->status;
	enum status_code code = gw_bulk_code(bulk->api, status);
	const char *reason =
	    *(const char *const *)((const char *)status + layout->reason->wire->offset);

	return code == STATUS_OK ? bulk->success_status
				 : (uint32_t)gw_problem_status(bulk->route->method, code, reason);
}

/* The field of a row that tells how it ended, which route_table_new has seen. */
static const struct schema_field *
gw_bulk_status_field(const struct gw_api *api, const struct schema_message *row)
{
	for (size_t i = 0; i < row->field_count; i++) {
		const struct schema_field *field = &row->fields[i];

		if (field->wire->type == PROTOBUF_C_TYPE_MESSAGE &&
		    field->wire->label != PROTOBUF_C_LABEL_REPEATED &&
		    schema_field_message(field) == api->status.type) {
			return field;
		}
	}
	return NULL;
}

static bool
gw_bulk_any_failed(const struct gw_bulk *bulk, const ProtobufCMessage *response)
{
	const struct schema_field *results = bulk->route->results;
	const struct schema_field *field =
	    gw_bulk_status_field(bulk->api, schema_field_message(results));
	size_t count = *(const size_t *)((const char *)response + results->wire->quantifier_offset);
	ProtobufCMessage *const *rows =
	    *(ProtobufCMessage *const *const *)((const char *)response + results->wire->offset);

	for (size_t i = 0; i < count; i++) {
		const ProtobufCMessage *status =
		    *(ProtobufCMessage *const *)((const char *)rows[i] + field->wire->offset);

		if (status != NULL && gw_bulk_code(bulk->api, status) != STATUS_OK) {
			return true;
		}
	}
	return false;
}

int
gw_bulk_write(struct buf *out, const struct gw_api *api, const struct route *route,
    const ProtobufCMessage *response)
{
	uint32_t success = route->method->rule->success_status;
	struct gw_bulk bulk = {api, route, success == 0 ? 200 : success};
	const struct json_bulk rows = {.status_type = api->status.type,
	    .success_status = bulk.success_status,
	    .http_status = gw_bulk_http_status,
	    .closure = &bulk};
	uint32_t overall = gw_bulk_any_failed(&bulk, response)
			       ? route->method->rule->bulk->failure_status
			       : bulk.success_status;

	buf_puts(out, "{\"overallstatus\":");
	buf_put_uint(out, overall);
	buf_puts(out, ",\"results\":[");
	json_write_elements(out, route->results, response, &rows);
	buf_puts(out, "]}");
	return (int)overall;
}
