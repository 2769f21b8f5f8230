#include "common/rpc/server/rpc_server_internal.h"

static bool
rpc_intercept_deadline(struct rpc_call *call, void *closure)
{
	(void)closure;
	return !rpc_call_drop_expired(call);
}

static bool
rpc_intercept_principal(struct rpc_call *call, void *closure)
{
	const char *trusted = call->message->server->options.trusted;
	const char *refusal;
	struct error error;

	(void)closure;
	if (trusted == NULL || trusted[0] == '\0' || !rpc_call_has_metadata(call, "principal")) {
		return true;
	}
	refusal = rpc_conn_refusal(call->message->session->conn, trusted);
	if (refusal == NULL) {
		return true;
	}
	error_set(&error, STATUS_PERMISSION_DENIED, "PRINCIPAL_NOT_ALLOWED",
	    "this client may not say for whom a call is made: leave out the metadata principal");
	error_detail(&error, "the client is not trusted: %s", refusal);
	rpc_call_fail(call, &error);
	return false;
}

static const struct rpc_interceptor rpc_intercept_own[] = {
    {"deadline", rpc_intercept_deadline, NULL},
    {"principal", rpc_intercept_principal, NULL},
};

bool
rpc_intercept_before(struct rpc_call *call)
{
	const struct rpc_server_options *options = &call->message->server->options;

	for (size_t i = 0; i < sizeof(rpc_intercept_own) / sizeof(rpc_intercept_own[0]); i++) {
		if (!rpc_intercept_own[i].before(call, NULL)) {
			return false;
		}
	}
	for (size_t i = 0; i < options->interceptor_count; i++) {
		const struct rpc_interceptor *row = &options->interceptors[i];

		if (row->before != NULL && !row->before(call, options->observe_closure)) {
			return false;
		}
	}
	return true;
}

void
rpc_intercept_after(const struct rpc_call *call, const struct error *error)
{
	const struct rpc_server_options *options = &call->message->server->options;

	for (size_t i = options->interceptor_count; i-- > 0;) {
		if (options->interceptors[i].after != NULL) {
			options->interceptors[i].after(call, error, options->observe_closure);
		}
	}
}
