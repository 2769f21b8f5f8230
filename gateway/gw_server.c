#include "gateway/gw_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/rpc/net/rpc_peers.h"
#include "gateway/gw_access.h"
#include "gateway/gw_api.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_hold.h"
#include "gateway/gw_loop.h"
#include "gateway/gw_request.h"
#include "gateway/gw_room.h"
#include "gateway/gw_telemetry.h"

/*
 * Of the threads that answer HTTP: more of them than half of the processors make
 * smaller batches, while those of the transport need the other half.
 */
#define GW_THREADS_MAX 4

/* A message in memory is so many times larger than as text, at most, if it is a sane one. */
#define GW_SCRATCH_PER_BODY   4
#define GW_SCRATCH_BASE_BYTES ((size_t)64 << 20)

struct gw_server {
	h2o_globalconf_t globalconf;
	struct address address;
	char address_text[ADDRESS_TEXT_MAX];
	struct gw_room room;
	struct rpc_peers *peers;
	struct gw_loop **loops;
	unsigned loop_count;
};

const char *
gw_server_address(const struct gw_server *server)
{
	return server->address_text;
}

static enum status_code
gw_server_cannot_listen(const struct gw_server *server, struct error *error)
{
	return error_set(error, STATUS_UNAVAILABLE, "CANNOT_LISTEN", "cannot listen on %s: %s%s",
	    server->address_text, strerror(errno),
	    errno == EADDRINUSE ? "; stop what does, or choose another by --listen" : "");
}

/*
 * Finds out whether the address is free, which sockets that share it would not
 * tell, and which port it has if any will do.
 */
static enum status_code
gw_server_claim(struct gw_server *server, struct error *error)
{
	struct address *address = &server->address;
	int fd;

	address_print(address, server->address_text);
	fd = address_bind(address, false);
	if (fd < 0 || listen(fd, 1) != 0 || !address_of_socket(address, fd)) {
		gw_server_cannot_listen(server, error);
		if (fd >= 0) {
			close(fd);
		}
		return error->code;
	}
	close(fd);
	address_print(address, server->address_text);
	return STATUS_OK;
}

static enum status_code
gw_server_start_loop(
    struct gw_server *server, const struct gw_loop_options *options, struct error *error)
{
	int fd = address_bind(&server->address, true);

	if (fd < 0 || listen(fd, SOMAXCONN) != 0) {
		gw_server_cannot_listen(server, error);
		if (fd >= 0) {
			close(fd);
		}
		return error->code;
	}
	if (gw_loop_start(&server->loops[server->loop_count], options, fd, error) != STATUS_OK) {
		return error->code;
	}
	server->loop_count++;
	return STATUS_OK;
}

/* Everything is answered by the path that the library falls back to: routing is ours. */
static void
gw_server_configure(struct gw_server *server, const struct conf *conf, size_t body_max_bytes)
{
	h2o_globalconf_t *globalconf = &server->globalconf;
	h2o_pathconf_t *path;
	h2o_hostconf_t *host;

	h2o_config_init(globalconf);
	globalconf->server_name = h2o_iovec_init(NULL, 0);
	globalconf->max_request_entity_size = body_max_bytes + 1;
	globalconf->http1.upgrade_to_http2 = 0;
	globalconf->http1.req_timeout =
	    (uint64_t)(conf_int(conf, GW_IDLE_TIMEOUT_MS) + conf_int(conf, GW_HEADER_TIMEOUT_MS) +
		       conf_int(conf, GW_BODY_TIMEOUT_MS));
	host = h2o_config_register_host(globalconf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	path = &host->fallback_path;
	path->error_log.emit_request_errors = 0;
	gw_request_register(path);
	gw_access_register(path);
}

static unsigned
gw_server_threads(const struct conf *conf)
{
	unsigned wanted = (unsigned)conf_int(conf, GW_THREADS);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted > 0) {
		return wanted;
	}
	return cores < 4 ? 1 : cores / 2 > GW_THREADS_MAX ? GW_THREADS_MAX : (unsigned)cores / 2;
}

static struct gw_loop_options
gw_server_loop_options(struct gw_server *server, const struct conf *conf, const struct gw_api *api,
    struct gw_view *view, struct gw_telemetry *telemetry)
{
	return (struct gw_loop_options){.api = api,
	    .view = view,
	    .telemetry = telemetry,
	    .globalconf = &server->globalconf,
	    .room = &server->room,
	    .peers = server->peers,
	    .http2 = conf_bool(conf, GW_HTTP2),
	    .http2_streams_max = (uint32_t)conf_int(conf, GW_HTTP2_STREAMS_MAX),
	    .header_timeout_ns = conf_int(conf, GW_HEADER_TIMEOUT_MS) * CLOCK_NS_PER_MS,
	    .body_timeout_ns = conf_int(conf, GW_BODY_TIMEOUT_MS) * CLOCK_NS_PER_MS,
	    .send_timeout_ns = conf_int(conf, GW_SEND_TIMEOUT_MS) * CLOCK_NS_PER_MS,
	    .idle_timeout_ns = conf_int(conf, GW_IDLE_TIMEOUT_MS) * CLOCK_NS_PER_MS,
	    .drain_ns = conf_int(conf, GW_DRAIN_MS) * CLOCK_NS_PER_MS,
	    .scratch_max_bytes =
		GW_SCRATCH_BASE_BYTES + api->bulk_body_max_bytes * GW_SCRATCH_PER_BODY};
}

static enum status_code
gw_server_start_loops(struct gw_server *server, const struct conf *conf, const struct gw_api *api,
    struct gw_view *view, struct gw_telemetry *telemetry, struct error *error)
{
	const struct gw_loop_options options =
	    gw_server_loop_options(server, conf, api, view, telemetry);
	unsigned wanted = gw_server_threads(conf);
	enum status_code status;

	gw_room_init(&server->room, (size_t)conf_int(conf, GW_CONNECTIONS_MAX), wanted);
	gw_telemetry_connections_limit(telemetry, server->room.max);
	server->loops = calloc(wanted, sizeof(struct gw_loop *));
	if (server->loops == NULL) {
		return error_set(
		    error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
	}
	status = gw_server_claim(server, error);
	while (status == STATUS_OK && server->loop_count < wanted) {
		status = gw_server_start_loop(server, &options, error);
	}
	return status;
}

enum status_code
gw_server_start(struct gw_server **server, const struct conf *conf, const struct gw_api *api,
    struct gw_view *view, struct gw_telemetry *telemetry, struct error *error)
{
	size_t peer_max = (size_t)conf_int(conf, GW_CONNECTIONS_PER_ADDRESS_MAX);
	enum status_code status;

	*server = calloc(1, sizeof(**server));
	if (*server == NULL ||
	    (peer_max > 0 && ((*server)->peers = rpc_peers_new(peer_max)) == NULL)) {
		free(*server);
		*server = NULL;
		return error_set(
		    error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "out of memory");
	}
	gw_server_configure(*server, conf,
	    api->bulk_body_max_bytes > api->body_max_bytes ? api->bulk_body_max_bytes
							   : api->body_max_bytes);
	status = address_read(&(*server)->address, "listen", conf_text(conf, GW_LISTEN),
	    (unsigned)conf_int(conf, GW_PORT), error);
	if (status == STATUS_OK) {
		status = gw_server_start_loops(*server, conf, api, view, telemetry, error);
	}
	if (status != STATUS_OK) {
		gw_server_stop(server);
	}
	return status;
}

bool
gw_server_publish(struct gw_server *server, struct gw_view *view)
{
	struct gw_hold **holds = calloc(server->loop_count, sizeof(*holds));
	bool all = holds != NULL;

	for (unsigned i = 0; all && i < server->loop_count; i++) {
		holds[i] = gw_hold_new(view);
		all = holds[i] != NULL;
	}
	for (unsigned i = 0; holds != NULL && i < server->loop_count; i++) {
		if (all) {
			gw_loop_publish(server->loops[i], holds[i]);
		} else {
			gw_hold_free(&holds[i]);
		}
	}
	free(holds);
	return all;
}

void
gw_server_stop(struct gw_server **server)
{
	if (*server == NULL) {
		return;
	}
	for (unsigned i = 0; i < (*server)->loop_count; i++) {
		gw_loop_drain((*server)->loops[i]);
	}
	for (unsigned i = 0; i < (*server)->loop_count; i++) {
		gw_loop_join(&(*server)->loops[i]);
	}
	h2o_config_dispose(&(*server)->globalconf);
	rpc_peers_free(&(*server)->peers);
	free((*server)->loops);
	free(*server);
	*server = NULL;
}
