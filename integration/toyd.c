#include "integration/toyd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "build/gen/toy/toy.pb-c.h"
#include "common/base/arena.h"
#include "integration/served.h"

#define TOYD_TOYS 5 /* in the list, two a page */

static _Atomic(struct rpc_call *) toyd_held;

static void
toyd_get(struct rpc_call *call, void *closure)
{
	const Toy__V1__GetToyRequest *request = (const void *)rpc_call_request(call);
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;
	struct error error;

	(void)closure;
	if (request == NULL) {
		return;
	}
	if (request->id == 13) {
		error_set(&error, STATUS_FAILED_PRECONDITION, "TOY_BROKEN", "toy 13 is broken");
		rpc_call_fail(call, &error);
		return;
	}
	if (request->id == TOYD_HELD && atomic_exchange(&toyd_held, call) == NULL) {
		return;
	}
	toy.id = request->id;
	toy.name = (char *)(uintptr_t) "Ted";
	rpc_call_finish(call, &toy.base);
}

static void
toyd_get_name(struct rpc_call *call, void *closure)
{
	Toy__V1__GetToyNameResponse response = TOY__V1__GET_TOY_NAME_RESPONSE__INIT;

	(void)closure;
	response.name = (char *)(uintptr_t) "Ted";
	rpc_call_finish(call, &response.base);
}

/* The page token is the number of toys before the page. */
static void
toyd_list(struct rpc_call *call, void *closure)
{
	const Toy__V1__ListToysRequest *request = (const void *)rpc_call_request(call);
	Toy__V1__ListToysResponse response = TOY__V1__LIST_TOYS_RESPONSE__INIT;
	Toy__V1__Toy toys[2] = {TOY__V1__TOY__INIT, TOY__V1__TOY__INIT};
	Toy__V1__Toy *list[2] = {&toys[0], &toys[1]};
	char token[16];
	int before;

	(void)closure;
	if (request == NULL) {
		return;
	}
	before = atoi(request->page_token);
	response.n_toys = before + 2 > TOYD_TOYS ? (size_t)(TOYD_TOYS - before) : 2;
	response.toys = list;
	for (size_t i = 0; i < response.n_toys; i++) {
		toys[i].id = before + 1 + (int)i;
	}
	if (before + 2 < TOYD_TOYS) {
		snprintf(token, sizeof(token), "%d", before + 2);
		response.next_page_token = token;
	}
	rpc_call_finish(call, &response.base);
}

/* A toy without a name is refused. */
static void
toyd_create_many(struct rpc_call *call, void *closure)
{
	const Toy__V1__CreateToysRequest *request = (const void *)rpc_call_request(call);
	Toy__V1__CreateToysResponse response = TOY__V1__CREATE_TOYS_RESPONSE__INIT;
	Mockvideo__Rpc__V1__Status refused = MOCKVIDEO__RPC__V1__STATUS__INIT;
	struct arena *arena = rpc_call_arena(call);
	Toy__V1__ToyResult *results;

	(void)closure;
	if (request == NULL) {
		return;
	}
	refused.code = MOCKVIDEO__RPC__V1__CODE__NOT_FOUND;
	refused.reason = (char *)(uintptr_t) "TOY_LOST";
	refused.message = (char *)(uintptr_t) "a toy needs a name";
	results = arena_calloc(arena, request->n_toys, sizeof(*results));
	response.results = arena_calloc(arena, request->n_toys, sizeof(*response.results));
	response.n_results = request->n_toys;
	for (size_t i = 0; i < request->n_toys; i++) {
		toy__v1__toy_result__init(&results[i]);
		results[i].toy = request->toys[i];
		results[i].status = request->toys[i]->name[0] == '\0' ? &refused : NULL;
		response.results[i] = &results[i];
	}
	rpc_call_finish(call, &response.base);
}

static const struct rpc_method toyd_methods[] = {
    {.name = "toy.v1.ToyService/GetToy",
	.input = &toy__v1__get_toy_request__descriptor,
	.output = &toy__v1__toy__descriptor,
	.start = toyd_get},
    {.name = "toy.v1.ToyService/GetToyName",
	.input = &toy__v1__get_toy_name_request__descriptor,
	.output = &toy__v1__get_toy_name_response__descriptor,
	.start = toyd_get_name},
    {.name = "toy.v1.ToyService/ListToys",
	.input = &toy__v1__list_toys_request__descriptor,
	.output = &toy__v1__list_toys_response__descriptor,
	.start = toyd_list},
    {.name = "toy.v1.ToyService/CreateToys",
	.input = &toy__v1__create_toys_request__descriptor,
	.output = &toy__v1__create_toys_response__descriptor,
	.start = toyd_create_many},
};

struct rpc_server *
toyd_start(unsigned port, const uint8_t *set, size_t len)
{
	return served_listen(
	    port, toyd_methods, sizeof(toyd_methods) / sizeof(toyd_methods[0]), set, len);
}

void
toyd_stop(struct rpc_server **toyd)
{
	rpc_server_close(toyd);
}

void
toyd_await_held(void)
{
	for (unsigned tries = 0; atomic_load(&toyd_held) == NULL; tries++) {
		assert_true(tries < 3000);
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
}

void
toyd_release(void)
{
	struct rpc_call *call = atomic_exchange(&toyd_held, NULL);
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;

	assert_non_null(call);
	toy.id = TOYD_HELD;
	toy.name = (char *)(uintptr_t) "Ted";
	rpc_call_finish(call, &toy.base);
}
