/* Descriptors of connections that were refused, and that NNG has not closed yet. */
#include "common/rpc/net/rpc_room.h"

#include <nng/nng.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rpc/net/rpc_transport.h"
#include "tests/rpc_side.h"

#define REFUSED 100

static const uint8_t request[] = "\0\0\0\0\0\0\0\x0a\x80\0\0\x01ghosts";
#define REQUEST_LEN (sizeof(request) - 1)

/* A server with one client, who is there, and many that are refused. */
struct crowd {
	struct side *rep;
	const char *url;
	pthread_mutex_t held; /* NNG's thread that closes descriptors waits for it */
	bool holding;
	int client;
	int refused[REFUSED];
};

/* In NNG's thread, as it cancels what is being freed. */
static void
crowd_hold_up(nng_aio *aio, void *closure, int result)
{
	struct crowd *crowd = closure;

	pthread_mutex_lock(&crowd->held);
	pthread_mutex_unlock(&crowd->held);
	nng_aio_finish(aio, result);
}

/* Nothing is closed from now on until held is unlocked. */
static void
crowd_hold(struct crowd *crowd)
{
	nng_aio *aio;

	pthread_mutex_lock(&crowd->held);
	crowd->holding = true;
	assert_int_equal(nng_aio_alloc(&aio, NULL, NULL), 0);
	assert_true(nng_aio_begin(aio));
	nng_aio_defer(aio, crowd_hold_up, crowd);
	nng_aio_reap(aio);
}

static void
crowd_let_go(struct crowd *crowd)
{
	if (crowd->holding) {
		crowd->holding = false;
		pthread_mutex_unlock(&crowd->held);
	}
}

static int
crowd_come(void **state)
{
	struct rpc_net_options options = side_options(RPC_ROLE_REP);
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	assert_non_null(crowd);
	options.connections_max = 1;
	pthread_mutex_init(&crowd->held, NULL);
	crowd->rep = side_open(RPC_ROLE_REP, &options);
	crowd->url = side_listen(crowd->rep, "tcp://127.0.0.1:0", NULL);
	crowd->client = bare_connect(crowd->url);
	bare_greet(crowd->client, RPC_ROLE_REQ);
	crowd_hold(crowd);
	for (size_t i = 0; i < REFUSED; i++) {
		crowd->refused[i] = bare_connect(crowd->url);
	}
	side_await_fault(crowd->rep, RPC_CAUSE_CONNECTIONS, RPC_ROOM_OPEN_MAX);
	*state = crowd;
	return 0;
}

static int
crowd_go(void **state)
{
	struct crowd *crowd = *state;

	crowd_let_go(crowd);
	close(crowd->client);
	side_close(&crowd->rep);
	pthread_mutex_destroy(&crowd->held);
	free(crowd);
	return 0;
}

static void
nothing_is_accepted_while_many_are_not_closed(void **state)
{
	struct crowd *crowd = *state;

	for (unsigned i = 0; i < 100; i++) { /* who is there is answered meanwhile */
		bare_send(crowd->client, request, REQUEST_LEN);
		bare_expect(crowd->client, request, REQUEST_LEN);
	}
	assert_in_range(crowd->rep->faults[RPC_CAUSE_CONNECTIONS], RPC_ROOM_OPEN_MAX,
	    rpc_listener_descriptors(crowd->url) - 1);
	crowd_let_go(crowd);
	for (size_t i = 0; i < REFUSED; i++) {
		bare_expect_end(crowd->refused[i]);
	}
	assert_int_equal(crowd->rep->faults[RPC_CAUSE_CONNECTIONS], REFUSED);
}

static void
a_listener_that_waits_for_room_can_be_closed(void **state)
{
	struct crowd *crowd = *state;

	rpc_listener_close(&crowd->rep->listener);
	crowd_let_go(crowd);
	for (size_t i = 0; i < REFUSED; i++) {
		close(crowd->refused[i]);
	}
}

/* As many as come one after the other are accepted, long after the first have been refused. */
static void
those_that_come_later_are_refused_too(void **state)
{
	struct crowd *crowd = *state;

	crowd_let_go(crowd);
	for (size_t i = 0; i < REFUSED; i++) {
		bare_expect_end(crowd->refused[i]);
	}
	for (unsigned i = 0; i < 10 * REFUSED; i++) {
		bare_expect_end(bare_connect(crowd->url));
	}
	close(crowd->client);
	side_await_stat(crowd->rep, side_connections, 0);
	crowd->client = bare_connect(crowd->url);
	bare_greet(crowd->client, RPC_ROLE_REQ);
}

int
main(void)
{
	const struct CMUnitTest cases[] = {
	    cmocka_unit_test_setup_teardown(
		nothing_is_accepted_while_many_are_not_closed, crowd_come, crowd_go),
	    cmocka_unit_test_setup_teardown(
		a_listener_that_waits_for_room_can_be_closed, crowd_come, crowd_go),
	    cmocka_unit_test_setup_teardown(
		those_that_come_later_are_refused_too, crowd_come, crowd_go),
	};
	int failed = cmocka_run_group_tests(cases, NULL, NULL);

	rpc_fini();
	return failed;
}
