/*
 * No copy of a secret request stays in the memory of who made the call. All that
 * this process can write to is searched. The service is another process.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_backend.h"
#include "tests/rpc_caller.h"

#define LONG_MS      30000
#define SECRET_BYTES 24
#define CHUNK        65536
#define RANGE_MAX    ((uintptr_t)1 << 30) /* larger ones are a sanitizer's own */

/* Kept in another form than it is searched for, so that this copy is not found. */
static uint8_t masked[SECRET_BYTES];

static void
unmask(uint8_t secret[SECRET_BYTES])
{
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		secret[i] = masked[i] ^ 0xa5;
	}
}

static bool
is_secret(const uint8_t *bytes)
{
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		if ((bytes[i] ^ 0xa5) != masked[i]) {
			return false;
		}
	}
	return true;
}

/* Copies in a range of this process's memory, but for own, through which it is read. */
static unsigned
search_range(FILE *memory, uintptr_t from, uintptr_t to, uint8_t *own)
{
	unsigned found = 0;

	while (from < to) {
		size_t len = to - from < CHUNK ? to - from : CHUNK;

		if (fseeko(memory, (off_t)from, SEEK_SET) != 0 ||
		    fread(own, 1, len, memory) != len) {
			break;
		}
		for (const uint8_t *at = own;
		     len >= SECRET_BYTES && at <= own + len - SECRET_BYTES &&
		     (at = memchr(at, masked[0] ^ 0xa5,
			  (size_t)(own + len - SECRET_BYTES + 1 - at))) != NULL;
		     at++) {
			found += is_secret(at);
		}
		from += len < CHUNK ? len : CHUNK - SECRET_BYTES + 1;
	}
	explicit_bzero(own, CHUNK);
	return found;
}

static unsigned
copies_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	FILE *memory = fopen("/proc/self/mem", "re");
	uint8_t *own = malloc(CHUNK);
	char line[512];
	unsigned found = 0;

	assert_non_null(maps);
	assert_non_null(memory);
	setvbuf(memory, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from;
		uintptr_t to;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && access[1] == 'w' &&
		    to - from < RANGE_MAX) {
			found += search_range(memory, from, to, own);
		}
	}
	fclose(memory);
	fclose(maps);
	free(own);
	return found;
}

/* A message that is being written when its call ends is overwritten when it is written. */
static void
await_no_copies(void)
{
	for (unsigned tries = 0; copies_in_memory() > 0; tries++) {
		if (tries == 3000) {
			fail_msg("%s", "a copy of the secret stays in memory");
		}
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
}

/* A call with the secret in its request, ended as it may, and freed. */
static void
call(struct rpc_channel *channel, const char *method, unsigned flags, uint32_t timeout_ms,
    size_t padding)
{
	size_t len = SECRET_BYTES + padding;
	uint8_t *request = calloc(1, len);
	struct caller *caller;

	unmask(request);
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
new_secret(void)
{
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		masked[i] = (uint8_t)rand();
	}
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
	new_secret();
	unmask(known);
	assert_int_equal(copies_in_memory(), 1);
	explicit_bzero(known, sizeof(known));
	assert_int_equal(copies_in_memory(), 0);
	for (size_t i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
		new_secret();
		call(channel, "t/Fail", RPC_SECRET, LONG_MS, paddings[i]);
		await_no_copies();
		call(channel, "t/Echo", RPC_SECRET | RPC_SLOW, LONG_MS, paddings[i]);
		await_no_copies();
		call(channel, "t/Hold", RPC_SECRET | RPC_ALONE, 10, paddings[i]);
		await_no_copies();
	}
	/* Without the flag it stays, in what is kept for the next call. */
	new_secret();
	call(channel, "t/Fail", 0, LONG_MS, 0);
	assert_true(copies_in_memory() > 0);
	backend_process_kill(&backend);
	new_secret();
	call(channel, "t/Fail", RPC_SECRET, 10, 0);
	await_no_copies();
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
