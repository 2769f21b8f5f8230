/* What services offer, taken out of descriptor sets and put together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "gateway/gw_api.h"
#include "gateway/gw_offer.h"
#include "gateway/gw_view.h"
#include "tests/schema_file.h"

/* The bytes of two sets, one behind the other, are one set. */
static uint8_t *
toys_and_books(size_t *len)
{
	size_t toys_len;
	size_t books_len;
	uint8_t *toys = schema_file_read(SCHEMA_FILE_TOY, &toys_len);
	uint8_t *books = schema_file_read(SCHEMA_FILE_SHELF, &books_len);
	uint8_t *both = malloc(toys_len + books_len);

	assert_non_null(both);
	memcpy(both, toys, toys_len);
	memcpy(both + toys_len, books, books_len);
	*len = toys_len + books_len;
	free(toys);
	free(books);
	return both;
}

static void
read_backends(struct gw_api *api, const char *text)
{
	struct error error;

	assert_int_equal(gw_backends_read(&api->backends, text, &error), STATUS_OK);
}

static struct gw_offer *
new_offer(const struct gw_api *api, size_t index, const uint8_t *set, size_t len)
{
	struct gw_offer *offer;
	struct error error;

	if (gw_offer_new(&offer, api, &api->backends.list[index], set, len, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	return offer;
}

static void
each_service_has_the_methods_of_its_packages(void **state)
{
	struct gw_api api = {0};
	struct gw_offer *toys;
	struct gw_offer *others;
	size_t len;
	uint8_t *set = toys_and_books(&len);

	(void)state;
	read_backends(&api, "toy.v1=tcp://a:1,tcp://b:1");
	toys = new_offer(&api, 0, set, len);
	others = new_offer(&api, 1, set, len);
	assert_non_null(schema_find_method(toys->schema, "toy.v1.ToyService/GetToy"));
	assert_null(schema_find_method(toys->schema, "shelf.v1.ShelfService/GetBook"));
	assert_non_null(schema_find_method(others->schema, "shelf.v1.ShelfService/GetBook"));
	assert_null(schema_find_method(others->schema, "toy.v1.ToyService/GetToy"));
	gw_offer_release(&toys);
	gw_offer_release(&others);
	gw_backends_free(&api.backends);
	free(set);
}

static void
a_set_without_the_package_is_refused(void **state)
{
	struct gw_api api = {0};
	struct gw_offer *offer;
	struct error error;
	size_t len;
	uint8_t *set = schema_file_read(SCHEMA_FILE_TOY, &len);

	(void)state;
	read_backends(&api, "toy.v2=tcp://a:1");
	assert_int_equal(gw_offer_new(&offer, &api, api.backends.list, set, len, &error),
	    STATUS_INVALID_ARGUMENT);
	assert_null(offer);
	assert_non_null(strstr(error.message, "toy.v2"));
	assert_int_equal(
	    gw_offer_new(&offer, &api, api.backends.list, set, 0, &error), STATUS_INVALID_ARGUMENT);
	assert_null(offer);
	gw_backends_free(&api.backends);
	free(set);
}

static struct route_text
no_header(void *closure, const char *name)
{
	(void)closure;
	(void)name;
	return (struct route_text){NULL, 0};
}

/* The offer that has GET path, or NULL. */
static const struct gw_offer *
who_has(const struct gw_view *view, const char *path)
{
	struct arena *arena = arena_new(0);
	struct route_match match = {0};
	const char *allow;
	struct error error;

	route_find(view->routes, (struct route_text){"GET", 3},
	    (struct route_text){path, strlen(path)}, no_header, NULL, arena, &match, &allow,
	    &error);
	arena_free(&arena);
	return match.route == NULL ? NULL : gw_view_offer(match.route);
}

static void
a_view_finds_the_service_of_a_path_and_goes_without_those_that_are_unknown(void **state)
{
	struct gw_offer *offers[3] = {NULL};
	struct gw_api api = {0};
	struct gw_view *view;
	struct gw_view *again;
	struct gw_view *less;
	struct error error;
	size_t len;
	uint8_t *set = toys_and_books(&len);

	(void)state;
	read_backends(&api, "toy.v1=tcp://a:1,tcp://b:1,account.v1=tcp://c:1");
	offers[0] = new_offer(&api, 0, set, len);
	assert_int_equal(gw_view_new(&less, offers, 3, &error), STATUS_OK);
	offers[1] = new_offer(&api, 1, set, len);
	assert_int_equal(gw_view_new(&view, offers, 3, &error), STATUS_OK);
	free(set);
	assert_ptr_equal(who_has(less, "/toys/7"), offers[0]);
	assert_null(who_has(less, "/v1/books/b"));
	assert_ptr_equal(who_has(view, "/toys/7"), offers[0]);
	assert_ptr_equal(who_has(view, "/v1/books/b"), offers[1]);
	assert_null(view->offers[2]);

	/* What both have outlives the one. */
	gw_view_release(&less);
	gw_offer_release(&offers[0]);
	gw_offer_release(&offers[1]);
	assert_non_null(who_has(view, "/toys/7"));
	again = gw_view_acquire(view);
	gw_view_release(&view);
	assert_non_null(who_has(again, "/v1/books/b"));
	gw_view_release(&again);
	gw_backends_free(&api.backends);
}

/* What a view says to a toy with this binding: NULL when it takes it. */
static const char *
refusal(const char *verb, const char *path)
{
	static struct error error;
	const struct schema_binding binding = {verb, path, "", ""};
	struct gw_api api = {0};
	struct schema_method *method;
	struct gw_offer *offer;
	struct gw_view *view;
	bool taken;
	size_t len;
	uint8_t *set = schema_file_read(SCHEMA_FILE_TOY, &len);

	read_backends(&api, "tcp://a:1");
	offer = new_offer(&api, 0, set, len);
	method = (struct schema_method *)(uintptr_t)schema_find_method(
	    offer->schema, "toy.v1.ToyService/GetToy");
	method->bindings = &binding;
	method->binding_count = 1;
	taken = gw_view_new(&view, &offer, 1, &error) == STATUS_OK;
	assert_int_equal(taken, view != NULL);
	gw_view_release(&view);
	gw_offer_release(&offer);
	gw_backends_free(&api.backends);
	free(set);
	return taken ? NULL : error.message;
}

static void
the_gateways_own_path_is_no_services(void **state)
{
	(void)state;
	assert_non_null(strstr(refusal("GET", "/healthz"), "toy.v1.ToyService/GetToy"));
	assert_non_null(refusal("*", "/healthz"));
	assert_null(refusal("POST", "/healthz"));
	assert_null(refusal("GET", "/healthz:now"));
	assert_null(refusal("GET", "/healthz/{id}"));
	assert_null(refusal("GET", "/{id}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_service_has_the_methods_of_its_packages),
	    cmocka_unit_test(a_set_without_the_package_is_refused),
	    cmocka_unit_test(
		a_view_finds_the_service_of_a_path_and_goes_without_those_that_are_unknown),
	    cmocka_unit_test(the_gateways_own_path_is_no_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
