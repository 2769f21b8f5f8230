#include "integration/served.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/clock.h"

struct rpc_server *
served_listen(unsigned port, const struct rpc_method *methods, size_t count, const uint8_t *set,
    size_t set_len)
{
	struct rpc_server_options options = {.methods = methods,
	    .method_count = count,
	    .request_max_bytes = 1 << 20,
	    .batch_max_calls = 100,
	    .messages_max = 16,
	    .default_timeout_ms = 5000,
	    .timeout_max_ms = 5000,
	    .descriptor_set = set,
	    .descriptor_set_len = set_len};
	struct rpc_server *server;
	struct error error;
	char url[64];

	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", port);
	options.listen = url;
	if (rpc_server_open(&server, &options, &error) != STATUS_OK) {
		fail_msg("%s: %s", url, error.message);
	}
	return server;
}

static void
served_start_gatewayd(
    struct served *served, unsigned port, unsigned backend, const char *descriptors)
{
	char listen[64];
	char backends[64];
	char flag[PATH_MAX];
	char log[PATH_MAX + 16];
	const char *argv[] = {process_program("gatewayd"), listen, backends, flag, NULL};

	snprintf(listen, sizeof(listen), "--listen=127.0.0.1:%u", port);
	snprintf(backends, sizeof(backends), "--backends=tcp://127.0.0.1:%u", backend);
	snprintf(flag, sizeof(flag), "--descriptors=%s", descriptors);
	snprintf(log, sizeof(log), "%s/gatewayd.log", served->dir);
	process_start(&served->gatewayd, argv, log);
}

void
served_open(struct served *served, const struct rpc_method *methods, size_t count,
    const char *descriptors, const char *path)
{
	unsigned backend = process_free_port();
	unsigned port = process_free_port();
	char base[64];
	char line[128];

	process_make_dir(served->dir);
	served_start_gatewayd(served, port, backend, descriptors);
	served->server = served_listen(backend, methods, count, NULL, 0);
	snprintf(base, sizeof(base), "http://127.0.0.1:%u", port);
	snprintf(line, sizeof(line), "GET %s", path);
	served->http = http_new(base);
	while (http_send(served->http, line, NULL, NULL)->status != 200) {
		assert_true(process_running(&served->gatewayd));
		nanosleep(&(struct timespec){.tv_nsec = 10 * CLOCK_NS_PER_MS}, NULL);
	}
}

void
served_close(struct served *served)
{
	assert_int_equal(process_stop(&served->gatewayd), 0);
	rpc_server_close(&served->server);
	http_free(&served->http);
	process_remove_dir(served->dir);
}
