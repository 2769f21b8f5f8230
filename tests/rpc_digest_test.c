/* What tells descriptors apart goes from the server's health answers to the channel. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/rpc/server/rpc_server.h"
#include "common/rpc/wire/rpc_digest.h"

#define DIGEST_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
the_digest_is_sha_256_in_lower_case(void **state)
{
	char digest[RPC_DIGEST_SIZE];

	(void)state;
	rpc_digest((const uint8_t *)"abc", 3, digest);
	assert_string_equal(digest, DIGEST_ABC);
	rpc_digest(NULL, 0, digest);
	assert_string_equal(digest, "");
}

static struct rpc_server *
open_server(const char *url, const char *set)
{
	const struct rpc_server_options options = {.listen = url,
	    .request_max_bytes = 1 << 20,
	    .batch_max_calls = 10,
	    .messages_max = 4,
	    .default_timeout_ms = 5000,
	    .timeout_max_ms = 5000,
	    .descriptor_set = (const uint8_t *)set,
	    .descriptor_set_len = strlen(set)};
	struct rpc_server *server;
	struct error error;

	if (rpc_server_open(&server, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return server;
}

/* The endpoint as it was visited last. */
static struct {
	bool serving;
	bool known;
	char digest[RPC_DIGEST_SIZE];
} seen;

static void
see(const struct rpc_endpoint_status *status, void *closure)
{
	(void)closure;
	seen.serving = status->state == RPC_ENDPOINT_SERVING;
	seen.known = status->descriptors_digest != NULL;
	snprintf(
	    seen.digest, sizeof(seen.digest), "%s", seen.known ? status->descriptors_digest : "");
}

static void
await_digest(struct rpc_channel *channel, const char *digest)
{
	for (unsigned tries = 0; tries < 3000; tries++) {
		rpc_channel_visit_endpoints(channel, see, NULL);
		if (seen.serving && seen.known && strcmp(seen.digest, digest) == 0) {
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	fail_msg("serving %d, known %d, digest '%s', not '%s'", seen.serving, seen.known,
	    seen.digest, digest);
}

static void
a_channel_knows_the_digest_of_each_endpoint_as_it_is_now(void **state)
{
	struct rpc_channel_options options = {0};
	struct rpc_channel *channel;
	struct rpc_server *server;
	struct error error;
	char url[PATH_MAX];

	(void)state;
	snprintf(url, sizeof(url), "ipc://%s/digest-%d",
	    getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"), (int)getpid());
	options.endpoints = url;
	assert_int_equal(rpc_channel_open(&channel, &options, &error), STATUS_OK);
	rpc_channel_visit_endpoints(channel, see, NULL);
	assert_false(seen.known);
	server = open_server(url, "abc");
	await_digest(channel, DIGEST_ABC);
	rpc_server_close(&server);
	server = open_server(url, "");
	await_digest(channel, "");
	rpc_server_close(&server);
	rpc_channel_close(&channel);
	rpc_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_digest_is_sha_256_in_lower_case),
	    cmocka_unit_test(a_channel_knows_the_digest_of_each_endpoint_as_it_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
