#include "gateway/gw_ready.h"

#include <stdio.h>
#include <string.h>

#include "common/rpc/client/rpc_channel.h"
#include "gateway/gw_api.h"

const char *
gw_ready_unready(void *closure)
{
	struct gw_ready *ready = closure;
	const struct gw_backends *backends = &ready->api->backends;

	if (atomic_load(&ready->draining)) {
		return "draining";
	}
	for (size_t i = 0; i < backends->count; i++) {
		if (rpc_channel_ready(backends->list[i].channel)) {
			return NULL;
		}
	}
	return "no backend serves";
}

const char *
gw_ready_impaired(void *closure)
{
	static const char begin[] = "without ";
	struct gw_ready *ready = closure;
	const struct gw_backends *backends = &ready->api->backends;
	size_t len = 0;

	for (size_t i = 0; i < backends->count && len < sizeof(ready->text); i++) {
		const struct gw_backend *backend = &backends->list[i];

		if (!rpc_channel_ready(backend->channel)) {
			len += (size_t)snprintf(ready->text + len, sizeof(ready->text) - len,
			    "%s%s", len == 0 ? begin : ", ", gw_backend_name(backend));
		}
	}
	return len == 0 ? NULL : ready->text;
}
