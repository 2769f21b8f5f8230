/*
 * No copy of a secret request stays in the memory of who made the call. The
 * service is another process.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"
#include "tests/secret_memory.h"

#define LONG_MS 30000

/* A call with the secret in its request, ended as it may, and freed. */
static void
call(struct rpc_channel *channel, const char *method, unsigned flags, uint32_t timeout_ms,
    size_t padding)
{
	size_t len = SECRET_BYTES + padding;
	uint8_t *request = calloc(1, len);
	struct caller *caller;

	secret_write(request);
	caller = caller_start_request(channel, &(struct rpc_request){.method = method,
						   .data = request,
						   .len = len,
						   .timeout_ms = timeout_ms,
						   .flags = flags});
	explicit_bzero(request, len);
	free(request);
	caller_wait(caller);
	caller_free(&caller);
}

static void
a_secret_is_overwritten_however_its_call_ends(void **state)
{
	static const size_t paddings[] = {0, 100, 10000, 1000000};
	struct backend_process backend = backend_process_start("tcp://127.0.0.1:0");
	struct rpc_channel *channel = caller_channel(backend.url, (struct rpc_channel_options){0});
	static uint8_t known[SECRET_BYTES];

	(void)state;
	caller_wait_serving(channel, 1);
	secret_choose();
	secret_write(known);
	assert_int_equal(secret_copies(), 1);
	explicit_bzero(known, sizeof(known));
	assert_int_equal(secret_copies(), 0);
	for (size_t i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
		secret_choose();
		call(channel, "t/Fail", RPC_SECRET, LONG_MS, paddings[i]);
		secret_await_none();
		call(channel, "t/Echo", RPC_SECRET | RPC_SLOW, LONG_MS, paddings[i]);
		secret_await_none();
		call(channel, "t/Hold", RPC_SECRET | RPC_ALONE, 10, paddings[i]);
		secret_await_none();
	}
	/* Without the flag it stays, in what is kept for the next call. */
	secret_choose();
	call(channel, "t/Fail", 0, LONG_MS, 0);
	assert_true(secret_copies() > 0);
	backend_process_kill(&backend);
	secret_choose();
	call(channel, "t/Fail", RPC_SECRET, 10, 0);
	secret_await_none();
	rpc_channel_close(&channel);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_secret_is_overwritten_however_its_call_ends),
	};
	int failed;

	backend_main(argc, argv);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rpc_fini();
	return failed;
}
