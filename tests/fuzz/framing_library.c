#include "tests/fuzz/framing_library.h"

#include <assert.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX 1024

/* More turns than a request takes: "Expect: 100-continue" is answered in one of its own. */
#define TURNS_MAX 16

static h2o_globalconf_t globalconf;
static h2o_context_t context;
static const struct library_request *wanted;
static unsigned found;
static bool closed;

static int
library_handle(h2o_handler_t *handler, h2o_req_t *req)
{
	static h2o_generator_t generator;

	(void)handler;
	assert(h2o_memis(req->method.base, req->method.len, wanted->method, wanted->method_len));
	assert(h2o_memis(
	    req->input.path.base, req->input.path.len, wanted->target, wanted->target_len));
	assert(h2o_memis(req->entity.base, req->entity.len, wanted->body, wanted->body_len));
	found++;
	req->http1_is_persistent = 1;
	req->res.status = 204;
	h2o_start_response(req, &generator);
	h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
	return 0;
}

static void
library_init(void)
{
	h2o_hostconf_t *host;

	h2o_config_init(&globalconf);
	globalconf.max_request_entity_size = BODY_MAX;
	globalconf.http1.upgrade_to_http2 = 0;
	host = h2o_config_register_host(&globalconf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = library_handle;
	h2o_context_init(&context, h2o_evloop_create(), &globalconf);
}

static void
library_closed(void *data)
{
	(void)data;
	closed = true;
}

/* Its buffer is filled as the gateway fills it, and it begins with what is there. */
static h2o_socket_t *
library_open(int fd, const char *bytes, size_t len)
{
	h2o_accept_ctx_t accept = {.ctx = &context, .hosts = globalconf.hosts};
	struct timeval now = *h2o_get_timestamp(&context, NULL, NULL);
	h2o_socket_t *sock =
	    h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
	h2o_iovec_t room = h2o_buffer_reserve(&sock->input, len);

	memcpy(room.base, bytes, len);
	sock->input->size = len;
	sock->on_close.cb = library_closed;
	h2o_http1_accept(&accept, sock, now);
	return sock;
}

void
library_check(const char *bytes, size_t len, const struct library_request *expected)
{
	h2o_socket_t *sock;
	int fds[2];

	if (globalconf.hosts == NULL) {
		library_init();
	}
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	wanted = expected;
	found = 0;
	closed = false;
	sock = library_open(fds[0], bytes, len);
	for (unsigned i = 0; i < TURNS_MAX && !closed && (found == 0 || sock->input->size > 0);
	     i++) {
		h2o_evloop_run(context.loop, 0);
	}
	assert(found == 1);
	assert(!closed && sock->input->size == 0);
	close(fds[1]);
	while (!closed) {
		h2o_evloop_run(context.loop, 0);
	}
}
