/*
 * A resource is added by a .proto alone: the toy service of tests/toy/toy.proto
 * is called over REST through a gatewayd that was given its descriptors and
 * nothing else. The service itself runs in this test, on a real RPC server.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "build/gen/toy/toy.pb-c.h"
#include "common/base/arena.h"
#include "integration/json_get.h"
#include "integration/served.h"

#define TOYS 5 /* in the list, two a page */

static struct served served;

/* What the last call of GetToy had for a trace. */
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static char traceparent[64];
static char tracestate[64];

static void
note_trace(const struct rpc_call *call)
{
	const char *parent = rpc_call_metadata(call, "traceparent");
	const char *of = rpc_call_metadata(call, "tracestate");

	pthread_mutex_lock(&trace_lock);
	snprintf(traceparent, sizeof(traceparent), "%s", parent == NULL ? "" : parent);
	snprintf(tracestate, sizeof(tracestate), "%s", of == NULL ? "" : of);
	pthread_mutex_unlock(&trace_lock);
}

static void
toy_get(struct rpc_call *call, void *closure)
{
	const Toy__V1__GetToyRequest *request = (const void *)rpc_call_request(call);
	Toy__V1__Toy toy = TOY__V1__TOY__INIT;
	struct error error;

	(void)closure;
	if (request == NULL) {
		return;
	}
	note_trace(call);
	if (request->id == 13) {
		error_set(&error, STATUS_FAILED_PRECONDITION, "TOY_BROKEN", "toy 13 is broken");
		rpc_call_fail(call, &error);
		return;
	}
	toy.id = request->id;
	toy.name = (char *)(uintptr_t) "Ted";
	toy.secret = (char *)(uintptr_t) "stuffing";
	rpc_call_finish(call, &toy.base);
}

/* The page token is the number of toys before the page. */
static void
toy_list(struct rpc_call *call, void *closure)
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
	if (request->squeaks_presence_case !=
	    TOY__V1__LIST_TOYS_REQUEST__SQUEAKS_PRESENCE__NOT_SET) {
		toys[0].id = request->squeaks ? 2 : 1;
		toys[0].squeaks = request->squeaks;
		response.n_toys = 1;
		response.toys = list;
		rpc_call_finish(call, &response.base);
		return;
	}
	before = atoi(request->page_token);
	response.n_toys = before + 2 > TOYS ? (size_t)(TOYS - before) : 2;
	response.toys = list;
	for (size_t i = 0; i < response.n_toys; i++) {
		toys[i].id = before + 1 + (int)i;
	}
	if (before + 2 < TOYS) {
		snprintf(token, sizeof(token), "%d", before + 2);
		response.next_page_token = token;
	}
	rpc_call_finish(call, &response.base);
}

static void
toy_create(struct rpc_call *call, void *closure)
{
	const Toy__V1__CreateToyRequest *request = (const void *)rpc_call_request(call);

	(void)closure;
	if (request == NULL) {
		return;
	}
	request->toy->id = 42;
	rpc_call_finish(call, &request->toy->base);
}

static const struct rpc_method methods[] = {
    {.name = "toy.v1.ToyService/GetToy",
	.input = &toy__v1__get_toy_request__descriptor,
	.output = &toy__v1__toy__descriptor,
	.start = toy_get},
    {.name = "toy.v1.ToyService/ListToys",
	.input = &toy__v1__list_toys_request__descriptor,
	.output = &toy__v1__list_toys_response__descriptor,
	.start = toy_list},
    {.name = "toy.v1.ToyService/CreateToy",
	.input = &toy__v1__create_toy_request__descriptor,
	.output = &toy__v1__toy__descriptor,
	.start = toy_create},
};

static void
a_toy_is_read(void **state)
{
	const struct http_answer *answer = http_send(served.http, "GET /toys/7", NULL, NULL);
	yajl_val toy;

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_null(strstr(answer->body, "stuffing"));
	toy = json_parse(answer->body);
	assert_int_equal(json_int(toy, "id"), 7);
	assert_string_equal(json_text(toy, "name"), "Ted");
	assert_string_equal(json_text(toy, "href"), "/toys/7?name=Ted");
	yajl_tree_free(toy);
}

/* Reads a toy with these headers, and checks the trace that the service was given. */
static void
expect_trace(const char *headers, const char *begin, const char *flags, const char *state)
{
	assert_int_equal(http_send(served.http, "GET /toys/7", headers, NULL)->status, 200);
	pthread_mutex_lock(&trace_lock);
	assert_int_equal(strlen(traceparent), 55);
	assert_memory_equal(traceparent, begin, strlen(begin));
	assert_string_equal(traceparent + 52, flags);
	assert_string_equal(tracestate, state);
	pthread_mutex_unlock(&trace_lock);
}

static void
the_service_is_given_the_callers_trace_with_the_gateways_span(void **state)
{
	static const char id[] = "00-0af7651916cd43dd8448eb211c80319c-";

	(void)state;
	expect_trace("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
		     "tracestate: rojo=00f067aa0ba902b7,congo=t61",
	    id, "-01", "rojo=00f067aa0ba902b7,congo=t61");
	assert_null(strstr(traceparent, "b7ad6b7169203331"));
	expect_trace(
	    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", id, "-00", "");
}

static void
what_is_no_trace_is_not_passed_on(void **state)
{
	(void)state;
	expect_trace("traceparent: garbage\ntracestate: a=b", "00-", "-00", "");
	expect_trace(NULL, "00-", "-00", "");
	expect_trace("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
		     "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	    "00-", "-00", "");
}

static void
a_toy_is_created(void **state)
{
	const struct http_answer *answer = http_send(served.http, "POST /toys", NULL,
	    "{\"name\":\"Rex\",\"tags\":[\"a\",\"b\"],\"price\":1.5}");

	(void)state;
	assert_int_equal(answer->status, 201);
	assert_string_equal(http_header(answer, "location"), "/toys/42");
	assert_non_null(strstr(answer->body, "\"tags\":[\"a\",\"b\"]"));
	assert_non_null(strstr(answer->body, "\"price\":1.5"));
}

static void
all_pages_of_toys_are_one_list(void **state)
{
	const struct http_answer *answer = http_send(served.http, "GET /toys", NULL, NULL);
	yajl_val list;

	(void)state;
	assert_int_equal(answer->status, 200);
	list = json_parse(answer->body);
	assert_int_equal(json_count(list, "toys"), TOYS);
	assert_int_equal(json_int(list, "toys.4.id"), TOYS);
	yajl_tree_free(list);
}

static void
a_filter_reaches_the_service_with_its_zero_value(void **state)
{
	const struct http_answer *answer =
	    http_send(served.http, "GET /toys?squeaks=false", NULL, NULL);

	(void)state;
	assert_int_equal(answer->status, 200);
	assert_non_null(strstr(answer->body, "\"id\":1,"));
	assert_null(strstr(answer->body, "\"id\":2,"));
	answer = http_send(served.http, "GET /toys?sold=false", NULL, NULL);
	assert_int_equal(answer->status, 400);
	assert_non_null(strstr(answer->body, "\"field\":\"sold\""));
}

static void
a_reason_has_the_status_that_the_proto_gives_it(void **state)
{
	const struct http_answer *answer = http_send(served.http, "GET /toys/13", NULL, NULL);

	(void)state;
	assert_int_equal(answer->status, 410);
	assert_non_null(strstr(answer->body, "\"reason\":\"TOY_BROKEN\""));
}

static void
a_method_the_service_lacks_is_501(void **state)
{
	(void)state;
	assert_int_equal(http_send(served.http, "DELETE /toys/7", NULL, NULL)->status, 501);
}

static void
users_are_unknown_to_this_gateway(void **state)
{
	(void)state;
	assert_int_equal(http_send(served.http, "GET /users", NULL, NULL)->status, 404);
}

static int
start(void **state)
{
	(void)state;
	served_open(
	    &served, methods, sizeof(methods) / sizeof(methods[0]), "build/gen/toy.pb", "/toys/1");
	return 0;
}

static void
gatewayd_stops_cleanly(void **state)
{
	(void)state;
	served_close(&served);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_toy_is_read),
	    cmocka_unit_test(a_toy_is_created),
	    cmocka_unit_test(the_service_is_given_the_callers_trace_with_the_gateways_span),
	    cmocka_unit_test(what_is_no_trace_is_not_passed_on),
	    cmocka_unit_test(all_pages_of_toys_are_one_list),
	    cmocka_unit_test(a_filter_reaches_the_service_with_its_zero_value),
	    cmocka_unit_test(a_reason_has_the_status_that_the_proto_gives_it),
	    cmocka_unit_test(a_method_the_service_lacks_is_501),
	    cmocka_unit_test(users_are_unknown_to_this_gateway),
	    cmocka_unit_test(gatewayd_stops_cleanly),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
