/* Bindings that do not fit their methods are refused, and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/route/route.h"
#include "tests/schema_file.h"

static int
load_toys(void **state)
{
	*state = schema_file_load(SCHEMA_FILE_TOY);
	return 0;
}

static int
free_toys(void **state)
{
	struct schema *toys = *state;

	schema_free(&toys);
	return 0;
}

/* A binding or rule of the toy with a change that must be refused. */
typedef void change_fn(struct schema_binding *binding, Mockvideo__Rest__V1__MethodRule *rule);

static char *
text(const char *literal)
{
	return (char *)(uintptr_t)literal;
}

static void
assert_refused(struct schema *toys, const char *name, change_fn *change, const char *option)
{
	struct schema_method *method =
	    (struct schema_method *)(uintptr_t)schema_find_method(toys, name);
	struct schema_method before = *method;
	struct schema_binding binding = method->bindings[0];
	Mockvideo__Rest__V1__MethodRule rule = *method->rule;
	Mockvideo__Rest__V1__HeaderCondition when = {0};
	Mockvideo__Rest__V1__Bulk bulk = {0};
	struct route_table *table;
	struct error error;

	if (rule.bulk != NULL) {
		bulk = *rule.bulk;
		rule.bulk = &bulk;
	}
	if (rule.when != NULL) {
		when = *rule.when;
		rule.when = &when;
	}
	change(&binding, &rule);
	method->bindings = &binding;
	method->binding_count = 1;
	method->rule = &rule;
	assert_int_equal(route_table_new(&table, &(struct route_source){toys, NULL}, 1, &error),
	    STATUS_INVALID_ARGUMENT);
	*method = before;
	assert_null(table);
	assert_non_null(strstr(error.message, name));
	if (strstr(error.message, option) == NULL) {
		fail_msg("no '%s' in: %s", option, error.message);
	}
}

#define CHANGE(name, ...)                                                                          \
	static void name(struct schema_binding *binding, Mockvideo__Rest__V1__MethodRule *rule)    \
	{                                                                                          \
		(void)binding, (void)rule;                                                         \
		__VA_ARGS__;                                                                       \
	}

CHANGE(verb_brew, binding->verb = "brew")
CHANGE(verb_trace, binding->verb = "TRACE")
CHANGE(verb_empty, binding->verb = "")
CHANGE(path_without_slash, binding->path = "toys")
CHANGE(path_of_unknown_field, binding->path = "/toys/{colour}")
CHANGE(path_of_message, binding->path = "/toys/{toy}")
CHANGE(path_of_field_twice, binding->path = "/toys/{id}/{id}")
CHANGE(path_of_another, binding->path = "/toys/{id}/name")
CHANGE(path_spanning_a_number, binding->path = "/{id=toys/*}")
CHANGE(body_of_scalar, binding->body = "id")
CHANGE(body_of_nothing, binding->body = "colour")
CHANGE(body_of_get, binding->body = "*")
CHANGE(response_of_nothing, binding->response_body = "colour")
CHANGE(response_of_secret, binding->response_body = "secret")
CHANGE(response_of_pages, binding->response_body = "toys")
CHANGE(when_without_name, rule->when->name = text(""))
CHANGE(when_with_colon, rule->when->name = text("Bulk:"))
CHANGE(status_404, rule->success_status = 404)
CHANGE(location_of_nothing, rule->location = text("/toys/{colour_of}"))
CHANGE(text_of_number, rule->text = text("id"))
CHANGE(pages_of_toy, rule->all_pages = 1)
CHANGE(items_of_nothing, rule->bulk->items = text("colour"))
CHANGE(results_of_nothing, rule->bulk->results = text("colour"))
CHANGE(bulk_status_200, rule->bulk->failure_status = 200)
CHANGE(bulk_without_body, binding->body = "")

static void
bindings_that_do_not_fit_are_named(void **state)
{
	assert_refused(*state, "toy.v1.ToyService/GetToy", verb_brew, "custom.kind");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_without_slash, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", verb_trace, "custom.kind");
	assert_refused(*state, "toy.v1.ToyService/GetToy", verb_empty, "custom.kind");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_unknown_field, "path");
	assert_refused(*state, "toy.v1.ToyService/ReplaceToy", path_of_message, "path");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_spanning_a_number, "no string");
	assert_refused(*state, "toy.v1.ToyService/GetToy", response_of_nothing, "response_body");
	assert_refused(*state, "toy.v1.ToyService/GetToy", response_of_secret, "response_body");
	assert_refused(*state, "toy.v1.ToyService/ListToys", response_of_pages, "response_body");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_field_twice, "twice");
	assert_refused(*state, "toy.v1.ToyService/GetToy", path_of_another, "the same");
	assert_refused(*state, "toy.v1.ToyService/ReplaceToy", body_of_scalar, "body");
	assert_refused(*state, "toy.v1.ToyService/ReplaceToy", body_of_nothing, "body");
	assert_refused(*state, "toy.v1.ToyService/GetToy", body_of_get, "body");
	assert_refused(*state, "toy.v1.ToyService/CreateToy", location_of_nothing, "location");
	assert_refused(*state, "toy.v1.ToyService/CreateToy", status_404, "success_status");
	assert_refused(*state, "toy.v1.ToyService/GetToy", text_of_number, "text");
	assert_refused(*state, "toy.v1.ToyService/GetToy", pages_of_toy, "all_pages");
}

static void
bulk_bindings_that_do_not_fit_are_named(void **state)
{
	assert_refused(*state, "toy.v1.ToyService/CreateToys", items_of_nothing, "bulk.items");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", results_of_nothing, "bulk.results");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", bulk_status_200, "failure_status");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", bulk_without_body, "body");
}

static void
conditions_that_name_no_header_are_refused(void **state)
{
	assert_refused(*state, "toy.v1.ToyService/CreateToys", when_without_name, "when.name");
	assert_refused(*state, "toy.v1.ToyService/CreateToys", when_with_colon, "when.name");
}

static void
an_error_rule_needs_a_status_of_an_error(void **state)
{
	struct schema *toys = *state;
	Mockvideo__Rest__V1__ErrorRule *rule =
	    schema_find_method(toys, "toy.v1.ToyService/GetToy")->errors[0];
	uint32_t before = rule->status;
	struct route_table *table;
	struct error error;

	rule->status = 200;
	assert_int_equal(route_table_new(&table, &(struct route_source){toys, NULL}, 1, &error),
	    STATUS_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "error"));
	rule->status = before;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bindings_that_do_not_fit_are_named),
	    cmocka_unit_test(bulk_bindings_that_do_not_fit_are_named),
	    cmocka_unit_test(conditions_that_name_no_header_are_refused),
	    cmocka_unit_test(an_error_rule_needs_a_status_of_an_error),
	};

	return cmocka_run_group_tests(tests, load_toys, free_toys);
}
