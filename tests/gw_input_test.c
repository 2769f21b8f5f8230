/* Input messages of the build's own methods, and of the toy's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "gateway/gw_api.h"
#include "gateway/gw_input.h"
#include "tests/schema_file.h"
#include "toy/toy.pb-c.h"

#define JSON "application/json"

struct fixture {
	struct schema *schema;
	struct schema *toy_schema;
	struct route_table *users;
	struct route_table *toys;
	const struct route_table *routes; /* of the two, those that are read for */
	struct arena *arena;
	struct gw_api api;
	bool bulk;

	/* Of the last reading. */
	bool page_given;
	struct error error;
	ProtobufCMessage *message; /* as generated code sees it; freed by the next reading */
};

static int
open_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error error;

	assert_non_null(fixture);
	fixture->schema = schema_file_load(SCHEMA_FILE_MOCKVIDEO);
	fixture->toy_schema = schema_file_load(SCHEMA_FILE_TOY);
	assert_int_equal(route_table_new(&fixture->users,
			     &(struct route_source){fixture->schema, NULL}, 1, &error),
	    STATUS_OK);
	assert_int_equal(route_table_new(&fixture->toys,
			     &(struct route_source){fixture->toy_schema, NULL}, 1, &error),
	    STATUS_OK);
	fixture->routes = fixture->users;
	fixture->arena = arena_new(1 << 20);
	assert_non_null(fixture->arena);
	fixture->api.body_max_bytes = 200;
	fixture->api.bulk_body_max_bytes = 400;
	fixture->api.bulk_max_items = 3;
	*state = fixture;
	return 0;
}

static int
close_fixture(void **state)
{
	struct fixture *fixture = *state;

	route_table_free(&fixture->users);
	route_table_free(&fixture->toys);
	schema_free(&fixture->schema);
	schema_free(&fixture->toy_schema);
	arena_free(&fixture->arena);
	free(fixture);
	return 0;
}

static struct route_text
text(const char *literal)
{
	return (struct route_text){literal, literal == NULL ? 0 : strlen(literal)};
}

static struct route_text
header(void *closure, const char *name)
{
	const struct fixture *fixture = closure;

	(void)name;
	return text(fixture->bulk ? "true" : NULL);
}

/* Packs what was read and unpacks it as generated code has it, in the arena. */
static void
read_back(struct fixture *fixture, const ProtobufCMessage *message,
    const ProtobufCMessageDescriptor *type)
{
	uint8_t *packed = arena_alloc(fixture->arena, protobuf_c_message_get_packed_size(message));
	size_t len;

	assert_non_null(packed);
	len = protobuf_c_message_pack(message, packed);
	fixture->message =
	    protobuf_c_message_unpack(type, arena_protobuf(fixture->arena), len, packed);
	assert_non_null(fixture->message);
}

static int
read_input(struct fixture *fixture, const char *verb, const char *path, const char *query,
    const char *content_type, const char *body, const ProtobufCMessageDescriptor *type)
{
	struct route_match match;
	struct gw_input input = {.match = &match,
	    .query = text(query),
	    .content_type = text(content_type),
	    .body = text(body)};
	ProtobufCMessage *message = NULL;
	const char *allow;
	int status;

	arena_reset(fixture->arena);
	fixture->message = NULL;
	assert_int_equal(route_find(fixture->routes, text(verb), text(path), header, fixture,
			     fixture->arena, &match, &allow, &fixture->error),
	    ROUTE_FOUND);
	status = gw_input_read(
	    &input, &fixture->api, fixture->arena, &message, &fixture->page_given, &fixture->error);
	if (status == 0) {
		read_back(fixture, message, type);
	}
	return status;
}

static const Account__V1__ListUsersRequest *
list(struct fixture *fixture, const char *query)
{
	assert_int_equal(read_input(fixture, "GET", "/users", query, NULL, NULL,
			     &account__v1__list_users_request__descriptor),
	    0);
	return (const Account__V1__ListUsersRequest *)fixture->message;
}

static void
assert_list_refused(struct fixture *fixture, const char *query, const char *field)
{
	assert_int_equal(read_input(fixture, "GET", "/users", query, NULL, NULL, NULL), 400);
	assert_int_equal(fixture->error.violation_count, 1);
	assert_string_equal(fixture->error.violations[0].field, field);
}

static void
the_path_fills_its_field(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_input(fixture, "GET", "/users/42", "", NULL, NULL,
			     &account__v1__get_user_request__descriptor),
	    0);
	assert_int_equal(((const Account__V1__GetUserRequest *)fixture->message)->id, 42);
}

static void
a_path_of_a_wrong_type_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_input(fixture, "GET", "/users/4x", "", NULL, NULL, NULL), 400);
	assert_string_equal(fixture->error.violations[0].field, "id");
}

static void
the_query_fills_fields_by_name(void **state)
{
	struct fixture *fixture = *state;
	const Account__V1__ListUsersRequest *request;

	request = list(fixture, "accountid=7&email=a%2Bb%40c&role=0&name_prefix=J+R%20");
	assert_int_equal(request->account_id, 7);
	assert_string_equal(request->email, "a+b@c");
	assert_int_equal(
	    request->role_presence_case, ACCOUNT__V1__LIST_USERS_REQUEST__ROLE_PRESENCE_ROLE);
	assert_string_equal(request->name_prefix, "J R ");
	assert_int_equal(list(fixture, "&&accountid=8&")->account_id, 8);
	assert_int_equal(list(fixture, "account_id=9")->account_id, 9);
	assert_string_equal(list(fixture, "email=a=b")->email, "a=b");
	assert_string_equal(list(fixture, "email")->email, "");
}

static const Toy__V1__ListToysRequest *
list_toys(struct fixture *fixture, const char *query)
{
	assert_int_equal(read_input(fixture, "GET", "/toys", query, NULL, NULL,
			     &toy__v1__list_toys_request__descriptor),
	    0);
	return (const Toy__V1__ListToysRequest *)fixture->message;
}

static void
a_parameter_with_presence_arrives_with_its_zero_value(void **state)
{
	struct fixture *fixture = *state;
	const Account__V1__ListUsersRequest *users;
	const Toy__V1__ListToysRequest *toys;

	users = list(fixture, "accountid=0&email=&role=0&name_prefix");
	assert_int_equal(users->account_id_presence_case,
	    ACCOUNT__V1__LIST_USERS_REQUEST__ACCOUNT_ID_PRESENCE_ACCOUNT_ID);
	assert_int_equal(users->account_id, 0);
	assert_int_equal(
	    users->email_presence_case, ACCOUNT__V1__LIST_USERS_REQUEST__EMAIL_PRESENCE_EMAIL);
	assert_string_equal(users->email, "");
	assert_int_equal(users->name_prefix_presence_case,
	    ACCOUNT__V1__LIST_USERS_REQUEST__NAME_PREFIX_PRESENCE_NAME_PREFIX);
	assert_int_equal(list(fixture, "page_size=1")->account_id_presence_case,
	    ACCOUNT__V1__LIST_USERS_REQUEST__ACCOUNT_ID_PRESENCE__NOT_SET);

	fixture->routes = fixture->toys;
	toys = list_toys(fixture, "color=0&squeaks=false&makerName=");
	assert_int_equal(
	    toys->color_presence_case, TOY__V1__LIST_TOYS_REQUEST__COLOR_PRESENCE_COLOR);
	assert_int_equal(
	    toys->squeaks_presence_case, TOY__V1__LIST_TOYS_REQUEST__SQUEAKS_PRESENCE_SQUEAKS);
	assert_int_equal(toys->maker_case, TOY__V1__LIST_TOYS_REQUEST__MAKER_MAKER_NAME);
	toys = list_toys(fixture, "makerId=0");
	assert_int_equal(toys->maker_case, TOY__V1__LIST_TOYS_REQUEST__MAKER_MAKER_ID);
	fixture->routes = fixture->users;
}

static void
a_zero_value_that_would_get_lost_is_refused(void **state)
{
	static const char *const lost[] = {"weight_grams=0", "weight_grams=-0",
	    "name_prefix=", "name_prefix", "sold=false", "price=0", "price=-0.0", "size=0e5",
	    "picture=", "paint=0"};
	struct fixture *fixture = *state;
	const Toy__V1__ListToysRequest *request;

	fixture->routes = fixture->toys;
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		assert_int_equal(
		    read_input(fixture, "GET", "/toys", lost[i], NULL, NULL, NULL), 400);
		assert_int_equal(fixture->error.violation_count, 1);
		assert_memory_equal(lost[i], fixture->error.violations[0].field,
		    strlen(fixture->error.violations[0].field));
		assert_non_null(strstr(fixture->error.violations[0].description, "leave it out"));
	}
	request = list_toys(fixture, "page_size=0&page_token=&weight_grams=-1&name_prefix=T"
				     "&sold=true&price=0.5&size=1&picture=AA&paint=-1");
	assert_int_equal(request->weight_grams, -1);
	assert_int_equal(request->picture.len, 1);
	fixture->routes = fixture->users;
}

/* A filter of ours without it would refuse values that some rows may have. */
static void
every_query_parameter_of_our_services_has_presence(void **state)
{
	struct fixture *fixture = *state;
	size_t seen = 0;

	for (size_t i = 0; i < schema_method_count(fixture->schema); i++) {
		const struct schema_method *method = schema_method(fixture->schema, i);

		for (size_t j = 0; j < method->binding_count * method->input->field_count; j++) {
			const struct schema_field *field =
			    &method->input->fields[j % method->input->field_count];
			const char *path = method->bindings[j / method->input->field_count].path;
			const char *body = method->bindings[j / method->input->field_count].body;

			if (strncmp(field->json_name, "page_", 5) == 0 || *body != '\0' ||
			    strstr(path, field->json_name) != NULL) {
				continue;
			}
			assert_true((field->wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0);
			seen++;
		}
	}
	assert_true(seen >= 4);
}

static void
a_page_that_is_asked_for_is_noticed(void **state)
{
	struct fixture *fixture = *state;

	list(fixture, "accountid=1");
	assert_false(fixture->page_given);
	list(fixture, "page_size=1");
	assert_true(fixture->page_given);
	list(fixture, "page_token=x");
	assert_true(fixture->page_given);
	list(fixture, "page_token=");
	assert_true(fixture->page_given);
}

static void
parameters_that_do_not_fit_are_named(void **state)
{
	assert_list_refused(*state, "colour=red", "colour");
	assert_list_refused(*state, "accountid=1&accountid=1", "accountid");
	assert_list_refused(*state, "accountid=1&account_id=1", "accountid");
	assert_list_refused(*state, "page_size=", "page_size");
	assert_list_refused(*state, "accountid=1.5", "accountid");
	assert_list_refused(*state, "email=%ff", "email");
	assert_list_refused(*state, "email=a%00b", "email");
	assert_list_refused(*state, "=1", "");
}

static void
a_broken_escape_in_the_query_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_input(fixture, "GET", "/users", "email=%4", NULL, NULL, NULL), 400);
	assert_string_equal(fixture->error.reason, "MALFORMED_QUERY");
	assert_int_equal(read_input(fixture, "GET", "/users", "%zz=1", NULL, NULL, NULL), 400);
}

static void
a_body_is_read_into_its_field(void **state)
{
	struct fixture *fixture = *state;
	const Account__V1__ReplaceUserRequest *request;

	assert_int_equal(read_input(fixture, "PUT", "/users/3", "", JSON "; charset=utf-8",
			     "{\"name\":\"Ada\",\"password\":\"p\"}",
			     &account__v1__replace_user_request__descriptor),
	    0);
	request = (const Account__V1__ReplaceUserRequest *)fixture->message;
	assert_int_equal(request->id, 3);
	assert_string_equal(request->user->name, "Ada");
	assert_string_equal(request->user->password, "p");
}

static void
a_body_that_does_not_fit_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
	    read_input(fixture, "POST", "/users", "", JSON, "{\"name\":1}", NULL), 400);
	assert_string_equal(fixture->error.violations[0].field, "name");
	assert_int_equal(read_input(fixture, "POST", "/users", "", JSON, "{", NULL), 400);
	assert_string_equal(fixture->error.reason, "MALFORMED_JSON");
}

static void
a_body_that_is_missing_is_refused(void **state)
{
	assert_int_equal(read_input(*state, "POST", "/users", "", JSON, "", NULL), 400);
	assert_int_equal(read_input(*state, "POST", "/users", "", NULL, NULL, NULL), 400);
}

static void
a_body_of_another_type_is_415(void **state)
{
	assert_int_equal(read_input(*state, "POST", "/users", "", "text/plain", "{}", NULL), 415);
	assert_int_equal(read_input(*state, "POST", "/users", "", NULL, "{}", NULL), 415);
	assert_int_equal(read_input(*state, "POST", "/users", "", "", "{}", NULL), 415);
}

static void
a_body_past_its_limit_is_413(void **state)
{
	struct fixture *fixture = *state;
	char body[402];

	memset(body, ' ', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	body[201] = '\0';
	assert_int_equal(read_input(fixture, "POST", "/users", "", JSON, body, NULL), 413);
	assert_non_null(strstr(fixture->error.message, "200"));
	body[200] = '\0';
	assert_int_equal(read_input(fixture, "POST", "/users", "", JSON, body, NULL), 400);
	body[200] = ' ';
	body[201] = ' ';
	fixture->bulk = true;
	assert_int_equal(read_input(fixture, "POST", "/users", "", JSON, body, NULL), 413);
	assert_non_null(strstr(fixture->error.message, "400"));
	fixture->bulk = false;
}

static void
a_body_is_not_looked_at_where_there_is_none(void **state)
{
	assert_int_equal(read_input(*state, "DELETE", "/users/1", "", "text/plain", "hello",
			     &account__v1__delete_user_request__descriptor),
	    0);
}

static void
a_bulk_has_one_item_or_more_up_to_the_limit(void **state)
{
	struct fixture *fixture = *state;

	fixture->bulk = true;
	assert_int_equal(
	    read_input(fixture, "POST", "/users", "", JSON, "{\"Users\":[]}", NULL), 400);
	assert_string_equal(fixture->error.violations[0].field, "Users");
	assert_int_equal(read_input(fixture, "POST", "/users", "", JSON, "{}", NULL), 400);
	assert_int_equal(read_input(fixture, "POST", "/users", "", JSON, "{\"users\":[{},{},{}]}",
			     &account__v1__create_users_request__descriptor),
	    0);
	assert_int_equal(((const Account__V1__CreateUsersRequest *)fixture->message)->n_users, 3);
	assert_int_equal(
	    read_input(fixture, "POST", "/users", "", JSON, "{\"Users\":[{},{},{},{}]}", NULL),
	    413);
	assert_non_null(strstr(fixture->error.message, "at most 3"));
	fixture->bulk = false;
}

static void
a_bulk_takes_no_query(void **state)
{
	struct fixture *fixture = *state;

	fixture->bulk = true;
	assert_int_equal(
	    read_input(fixture, "POST", "/users", "Users=1", JSON, "{\"Users\":[{}]}", NULL), 400);
	fixture->bulk = false;
}

static void
what_takes_too_much_memory_is_413(void **state)
{
	struct fixture *fixture = *state;
	struct arena *small = arena_new(200);
	struct arena *large = fixture->arena;

	assert_non_null(small);
	fixture->arena = small;
	assert_int_equal(read_input(fixture, "GET", "/users",
			     "accountid=1&email=%61aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			     NULL, NULL, NULL),
	    413);
	fixture->arena = large;
	arena_free(&small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_path_fills_its_field),
	    cmocka_unit_test(a_path_of_a_wrong_type_is_refused),
	    cmocka_unit_test(the_query_fills_fields_by_name),
	    cmocka_unit_test(a_parameter_with_presence_arrives_with_its_zero_value),
	    cmocka_unit_test(a_zero_value_that_would_get_lost_is_refused),
	    cmocka_unit_test(every_query_parameter_of_our_services_has_presence),
	    cmocka_unit_test(a_page_that_is_asked_for_is_noticed),
	    cmocka_unit_test(parameters_that_do_not_fit_are_named),
	    cmocka_unit_test(a_broken_escape_in_the_query_is_refused),
	    cmocka_unit_test(a_body_is_read_into_its_field),
	    cmocka_unit_test(a_body_that_does_not_fit_is_refused),
	    cmocka_unit_test(a_body_that_is_missing_is_refused),
	    cmocka_unit_test(a_body_of_another_type_is_415),
	    cmocka_unit_test(a_body_past_its_limit_is_413),
	    cmocka_unit_test(a_body_is_not_looked_at_where_there_is_none),
	    cmocka_unit_test(a_bulk_has_one_item_or_more_up_to_the_limit),
	    cmocka_unit_test(a_bulk_takes_no_query),
	    cmocka_unit_test(what_takes_too_much_memory_is_413),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
