#include "gateway/gw_ready.h"

#include <stdio.h>

#include "common/rpc/client/rpc_channel.h"
#include "gateway/gw_api.h"
#include "gateway/gw_catalog.h"

static bool
gw_ready_is_known(const struct gw_ready *ready, const struct gw_backend *backend)
{
	struct gw_catalog_status status;

	gw_catalog_get_status(ready->catalog, backend, &status);
	return status.known;
}

const char *
gw_ready_unready(void *closure)
{
	struct gw_ready *ready = closure;
	const struct gw_backends *backends = &ready->api->backends;
	const char *why = "no backend serves";

	if (atomic_load(&ready->draining)) {
		return "draining";
	}
	for (size_t i = 0; i < backends->count; i++) {
		if (!rpc_channel_ready(backends->list[i].channel)) {
			continue;
		}
		if (gw_ready_is_known(ready, &backends->list[i])) {
			return NULL;
		}
		why = "no backend has said what it offers";
	}
	return why;
}

const char *
gw_ready_impaired(void *closure)
{
	struct gw_ready *ready = closure;
	const struct gw_backends *backends = &ready->api->backends;
	size_t len = 0;

	for (size_t i = 0; i < backends->count && len < sizeof(ready->text); i++) {
		const struct gw_backend *backend = &backends->list[i];

		if (!rpc_channel_ready(backend->channel) || !gw_ready_is_known(ready, backend)) {
			len += (size_t)snprintf(ready->text + len, sizeof(ready->text) - len,
			    "%s%s", len == 0 ? "without " : ", ", gw_backend_name(backend));
		}
	}
	return len == 0 ? NULL : ready->text;
}
