#include "common/rpc/net/rpc_transport.h"

#include <nng/nng.h>

#include "common/rpc/net/rpc_fork.h"

enum status_code
rpc_transport_error(struct error *error, int result, const char *action, const char *url)
{
	enum status_code code = STATUS_UNAVAILABLE;
	const char *reason = "TRANSPORT";

	switch (result) {
	case NNG_EADDRINUSE: reason = "ADDRESS_IN_USE"; break;
	case NNG_EINVAL:
	case NNG_EADDRINVAL:
	case NNG_ENOTSUP:
		code = STATUS_INVALID_ARGUMENT;
		reason = "BAD_URL";
		break;
	case NNG_EPERM: code = STATUS_PERMISSION_DENIED; break;
	case NNG_ENOMEM:
	case NNG_ENOFILES: code = STATUS_RESOURCE_EXHAUSTED; break;
	default: break;
	}
	return error_set(error, code, reason, "cannot %s %s: %s%s", action, url,
	    nng_strerror(result),
	    code == STATUS_INVALID_ARGUMENT ? "; a URL is tcp://HOST:PORT or ipc://PATH" : "");
}

void
rpc_fini(void)
{
	if (!rpc_forked()) {
		nng_fini();
	}
}
