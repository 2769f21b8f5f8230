#include <string.h>

#include "common/rpc/net/rpc_tls_internal.h"
#include "common/rpc/server/rpc_server_internal.h"

static bool
rpc_intercept_deadline(struct rpc_call *call, void *closure)
{
	(void)closure;
	return !rpc_call_drop_expired(call);
}

/* True when name is one of the names of list, which has commas between. */
static bool
rpc_intercept_lists(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (*list != '\0') {
		size_t here = strcspn(list, ",");
		size_t blanks = strspn(list, " ");

		if (here - blanks == len && memcmp(list + blanks, name, len) == 0) {
			return true;
		}
		list += here + (list[here] == ',');
	}
	return false;
}

static bool
rpc_intercept_trusts(const struct rpc_call *call)
{
	const char *trusted = call->message->server->options.trusted;
	char subject[RPC_TLS_SUBJECT_MAX];

	return trusted == NULL || trusted[0] == '\0' ||
	       (rpc_tls_engine_subject(call->message->pipe, subject) &&
		   rpc_intercept_lists(trusted, subject));
}

static bool
rpc_intercept_principal(struct rpc_call *call, void *closure)
{
	struct error error;

	(void)closure;
	if (rpc_call_metadata(call, "principal") == NULL || rpc_intercept_trusts(call)) {
		return true;
	}
	error_set(&error, STATUS_PERMISSION_DENIED, "PRINCIPAL_NOT_ALLOWED",
	    "this client may not say for whom a call is made: leave out the metadata principal");
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
