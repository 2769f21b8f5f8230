#include "tools/mvctl/mvctl_method.h"

#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/json/json.h"
#include "common/rpc/client/rpc_channel.h"
#include "tools/mvctl/mvctl_catalog.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_report.h"

static bool
mvctl_method_wants(const char *package, void *closure)
{
	return strcmp(package, closure) == 0;
}

/* Of what is in other packages, some may be of a kind that can't be called. */
static enum status_code
mvctl_method_compile(
    struct mvctl_method *method, const struct mvctl_symbol *symbol, struct error *error)
{
	const char *package = symbol->place.file->package;
	const struct schema_options options = {.wants = mvctl_method_wants,
	    .closure = (void *)(uintptr_t)(package == NULL ? "" : package)};

	return schema_new(
	    &method->schema, method->remote.packed, method->remote.packed_len, &options, error);
}

static int
mvctl_method_find(struct mvctl_method *method, const struct mvctl_options *options)
{
	const char *name = options->operands[0];
	const struct mvctl_symbol *symbol;
	struct mvctl_catalog catalog;
	struct error error;
	int status = mvctl_catalog_make(&catalog, &method->remote);

	if (status != MVCTL_EXIT_OK) {
		return status;
	}
	symbol = mvctl_catalog_find(&catalog, MVCTL_METHOD, name);
	if (symbol == NULL) {
		mvctl_catalog_tell_unknown(&catalog, MVCTL_METHOD, name);
		return STATUS_UNIMPLEMENTED;
	}
	if (mvctl_method_compile(method, symbol, &error) != STATUS_OK) {
		return mvctl_tell_call("reflection", &error, options->endpoints);
	}
	method->method = schema_find_method(method->schema, symbol->name);
	if (method->method == NULL) {
		mvctl_warn("%s: reflection gives it a name that can't be called", symbol->name);
		return STATUS_UNIMPLEMENTED;
	}
	return MVCTL_EXIT_OK;
}

int
mvctl_method_open(struct mvctl_method *method, const struct mvctl_options *options)
{
	int status;

	memset(method, 0, sizeof(*method));
	status = mvctl_remote_open(&method->remote, options);
	return status == MVCTL_EXIT_OK ? mvctl_method_find(method, options) : status;
}

void
mvctl_method_close(struct mvctl_method *method)
{
	schema_free(&method->schema);
	mvctl_remote_close(&method->remote);
}

static enum status_code
mvctl_method_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

enum status_code
mvctl_method_pack(const struct mvctl_method *method, const char *json, size_t len,
    struct arena *arena, struct rpc_request *request, struct error *error)
{
	const struct schema_method *schema = method->method;
	ProtobufCMessage *message;

	if (json_read(schema->input, json, len, arena, &message, error) != STATUS_OK) {
		return error->code;
	}
	*request = mvctl_request(method->remote.options, schema->name);
	request->message = message;
	request->flags = schema->call_flags;
	return STATUS_OK;
}

enum status_code
mvctl_method_unpack(const struct mvctl_method *method, const struct rpc_reply *reply,
    struct arena *arena, struct buf *out, struct error *error)
{
	const struct schema_message *type = method->method->output;
	const ProtobufCMessage *message = protobuf_c_message_unpack(
	    &type->wire, arena_protobuf(arena), reply->len, reply->response);

	if (message == NULL) {
		return error_set(error, STATUS_UNAVAILABLE, "MALFORMED_REPLY",
		    "the answer is no %s", type->wire.name);
	}
	json_write(out, type, message, NULL);
	return out->failed ? mvctl_method_no_memory(error) : STATUS_OK;
}
