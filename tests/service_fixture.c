#include "tests/service_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/telemetry/log.h"

static void
service_fixture_load(
    struct service_fixture *at, const struct service *service, const char *const *flags)
{
	size_t count = 0;
	const char *command;

	at->argv[count++] = (char *)(uintptr_t)service->name;
	at->argv[count++] = at->store;
	at->argv[count++] = (char *)(uintptr_t) "--listen=tcp://127.0.0.1:0";
	at->argv[count++] = (char *)(uintptr_t) "--admin-listen=off";
	for (size_t i = 0; flags != NULL && flags[i] != NULL; i++) {
		assert_true(count < SERVICE_FIXTURE_FLAGS_MAX - 1);
		at->argv[count++] = (char *)(uintptr_t)flags[i];
	}
	at->argv[count] = NULL;
	assert_true(service_program_init(&at->program, service));
	assert_int_equal(
	    conf_load(&at->conf, &at->program.conf, (int)count, at->argv, &command), CONF_RUN);
}

void
service_fixture_prepare(
    struct service_fixture *at, const struct service *service, const char *const *flags)
{
	struct error error;

	memset(at, 0, sizeof(*at));
	log_open("test", LOG_FATAL);
	snprintf(at->dir, sizeof(at->dir), "/tmp/mockvideo-service-XXXXXX");
	assert_non_null(mkdtemp(at->dir));
	snprintf(at->store, sizeof(at->store), "--store=sqlite:%s/db", at->dir);
	service_fixture_load(at, service, flags);
	if (service_process_open(&at->process, service, at->conf, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
}

void
service_fixture_migrate(struct service_fixture *at)
{
	struct error error;

	if (service_process_migrate(at->process, NULL, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
}

void
service_fixture_start(struct service_fixture *at)
{
	struct error error;

	if (service_process_start(at->process, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	at->peer = peer_open(rpc_server_url(service_process_server(at->process)));
}

void
service_fixture_await_serving(struct service_fixture *at)
{
	while (service_process_unready(at->process) != NULL) {
		usleep(1000);
	}
}

void
service_fixture_open(
    struct service_fixture *at, const struct service *service, const char *const *flags)
{
	service_fixture_prepare(at, service, flags);
	service_fixture_migrate(at);
	service_fixture_start(at);
	service_fixture_await_serving(at);
}

void
service_fixture_close(struct service_fixture *at)
{
	static const char *const files[] = {"db", "db-wal", "db-shm"};
	char path[128];

	if (at->peer != NULL) {
		peer_close(at->peer);
	}
	service_process_close(&at->process);
	conf_free(&at->conf);
	service_program_fini(&at->program);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", at->dir, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(at->dir), 0);
}
