/* Rules of YAML files: every key of the form, and what is refused, with its line. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/gw_rules.h"
#include "tests/schema_file.h"

static char path[PATH_MAX];

static int
make_path(void **state)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/gw_rules_test.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static int
remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static enum status_code
read_text(struct gw_rules *rules, const char *text, struct error *error)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	return gw_rules_read(rules, path, error);
}

static void
read_well(struct gw_rules *rules, const char *text)
{
	struct error error;

	if (read_text(rules, text, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
}

static void
every_key_of_a_rule_is_read(void **state)
{
	struct gw_rules rules;
	const Google__Api__HttpRule *http;

	(void)state;
	read_well(&rules, "type: google.api.Service\n"
			  "config_version: 3\n"
			  "name: toys.example.org\n"
			  "title: Toys\n"
			  "http:\n"
			  "  fully_decode_reserved_expansion: false\n"
			  "  rules:\n"
			  "  - selector: toy.v1.ToyService.GetToy\n"
			  "    get: /a/{id}\n"
			  "    response_body: name\n"
			  "    additional_bindings:\n"
			  "    - post: /a/{id}:get\n"
			  "      body: '*'\n"
			  "    - {put: /b, body: toy}\n"
			  "    - {patch: /c}\n"
			  "    - {delete: /d}\n"
			  "    - custom: {kind: FETCH, path: /e}\n"
			  "  - {selector: a.B.C, get: \"/f\"}\n");
	assert_int_equal(rules.count, 2);
	assert_string_equal(rules.list[0].selector, "toy.v1.ToyService.GetToy");
	assert_non_null(strstr(rules.list[0].place, ":8"));
	http = rules.list[0].http;
	assert_int_equal(http->pattern_case, GOOGLE__API__HTTP_RULE__PATTERN_GET);
	assert_string_equal(http->get, "/a/{id}");
	assert_string_equal(http->response_body, "name");
	assert_string_equal(http->body, "");
	assert_int_equal(http->n_additional_bindings, 5);
	assert_int_equal(
	    http->additional_bindings[0]->pattern_case, GOOGLE__API__HTTP_RULE__PATTERN_POST);
	assert_string_equal(http->additional_bindings[0]->body, "*");
	assert_int_equal(
	    http->additional_bindings[1]->pattern_case, GOOGLE__API__HTTP_RULE__PATTERN_PUT);
	assert_string_equal(http->additional_bindings[1]->body, "toy");
	assert_int_equal(
	    http->additional_bindings[2]->pattern_case, GOOGLE__API__HTTP_RULE__PATTERN_PATCH);
	assert_int_equal(
	    http->additional_bindings[3]->pattern_case, GOOGLE__API__HTTP_RULE__PATTERN_DELETE);
	assert_string_equal(http->additional_bindings[4]->custom->kind, "FETCH");
	assert_string_equal(http->additional_bindings[4]->custom->path, "/e");
	assert_string_equal(rules.list[1].selector, "a.B.C");
	gw_rules_fini(&rules);
}

static void
names_are_taken_as_json_spells_them_too(void **state)
{
	struct gw_rules rules;

	(void)state;
	read_well(&rules, "configVersion: 3\n"
			  "http:\n"
			  "  fullyDecodeReservedExpansion: false\n"
			  "  rules: [{selector: a.B.C, get: /f, responseBody: x, "
			  "additionalBindings: [{get: /g}]}]\n");
	assert_string_equal(rules.list[0].http->response_body, "x");
	assert_int_equal(rules.list[0].http->n_additional_bindings, 1);
	gw_rules_fini(&rules);
}

static void
no_path_and_no_rules_are_no_fault(void **state)
{
	struct gw_rules rules;
	struct error error;

	(void)state;
	assert_int_equal(gw_rules_read(&rules, "", &error), STATUS_OK);
	assert_int_equal(rules.count, 0);
	read_well(&rules, "http: {rules: []}\n");
	assert_int_equal(rules.count, 0);
	gw_rules_fini(&rules);
}

static void
what_is_not_understood_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text;
		const char *line;
		const char *why;
	} rows[] = {
	    {"", ":1: ", "has nothing in it"},
	    {"http: [", ":2: ", "is no YAML"},
	    {"- http", ":1: ", "must be a mapping"},
	    {"type: google.api.Servic", ":1: ", "type must be google.api.Service"},
	    {"type: google.api.Service\nauthentication: {}\n",
		":2: ", "authentication is not known"},
	    {"http:\n  rule: []\n", ":2: ", "did you mean rules?"},
	    {"http: {rules: {}}", ":1: ", "must be a list"},
	    {"http: {rules: []}\nhttp: {rules: []}\n", ":2: ", "http is there twice"},
	    {"http: {fully_decode_reserved_expansion: true}", ":1: ", "can only be false"},
	    {"http:\n  rules:\n  - get: /a\n", ":3: ", "has no selector"},
	    {"http:\n  rules:\n  - selector: a.B.C\n", ":3: ", "has no verb"},
	    {"http:\n  rules:\n  - selector: a.B.C\n    get: /a\n    post: /b\n",
		":5: ", "two verbs"},
	    {"http:\n  rules:\n  - selector: a.B.C\n    get: /a\n    custom: {kind: X, path: /b}\n",
		":5: ", "two verbs"},
	    {"http:\n  rules:\n  - selector: a.B.C\n    get: [/a]\n", ":4: ", "must be text"},
	    {"http:\n  rules:\n  - selector: \"a\\0b\"\n    get: /a\n", ":3: ", "must be text"},
	    {"http:\n  rules:\n  - selector: a.B.C\n    get: /a\n    additional_bindings:\n"
	     "    - selector: a.B.D\n      get: /b\n",
		":6: ", "selector is not known here"},
	    {"http:\n  rules:\n  - selector: a.B.C\n    get: /a\n    additional_bindings:\n"
	     "    - get: /b\n      additional_bindings: []\n",
		":7: ", "additional_bindings is not known here"},
	    {"http:\n  rules:\n  - selector: a.B.C\n    additional_bindings: [{body: x}]\n",
		":4: ", "has no verb"},
	    {"http: {rules: []}\n---\nhttp: {rules: []}\n", ":3: ", "more than one document"},
	    {"&a http: *a", ":1: ", "must be"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_rules rules;
		struct error error;

		assert_int_equal(read_text(&rules, rows[i].text, &error), STATUS_INVALID_ARGUMENT);
		assert_int_equal(rules.count, 0);
		if (strstr(error.message, rows[i].line) == NULL ||
		    strstr(error.message, rows[i].why) == NULL ||
		    strstr(error.message, path) == NULL) {
			fail_msg("%s\nsays: %s", rows[i].text, error.message);
		}
	}
}

static void
a_file_that_is_none_is_refused_by_its_name(void **state)
{
	struct gw_rules rules;
	struct error error;

	(void)state;
	assert_int_equal(gw_rules_read(&rules, "/no/rules", &error), STATUS_INVALID_ARGUMENT);
	assert_string_equal(error.message, "httpRules /no/rules: No such file or directory");
	assert_int_equal(gw_rules_read(&rules, "/", &error), STATUS_INVALID_ARGUMENT);
}

/* What is made of the toys with rules: NULL, and error, when it is refused. */
static struct schema *
toys_with(const char *text, struct gw_rules *rules, struct error *error)
{
	struct schema_options options = {0};
	struct schema *schema;
	size_t len;
	uint8_t *set = schema_file_read(SCHEMA_FILE_TOY, &len);

	read_well(rules, text);
	options.rules = rules->list;
	options.rule_count = rules->count;
	(void)schema_new(&schema, set, len, &options, error);
	free(set);
	return schema;
}

static void
a_rule_adds_to_what_the_proto_has(void **state)
{
	const struct schema_method *method;
	struct gw_rules rules;
	struct schema *schema;
	struct error error;

	(void)state;
	schema = toys_with("http: {rules: [{selector: toy.v1.ToyService.GetToy, get: '/a/{id}', "
			   "additional_bindings: [{get: '/b/{id}'}]}]}",
	    &rules, &error);
	assert_non_null(schema);
	method = schema_find_method(schema, "toy.v1.ToyService/GetToy");
	assert_int_equal(method->binding_count, 3);
	assert_string_equal(method->bindings[0].path, "/toys/{id}");
	assert_string_equal(method->bindings[1].path, "/a/{id}");
	assert_string_equal(method->bindings[2].path, "/b/{id}");
	schema_free(&schema);
	gw_rules_fini(&rules);
}

static void
a_selector_that_selects_nothing_is_refused(void **state)
{
	static const char *const selectors[] = {"toy.v1.ToyService.GetTo", "toy.v1.ToyService.*",
	    "toy.v1.ToyService/GetToy", "toy.v1.ToyService", "GetToy", "'*'", "''", "'.'"};

	(void)state;
	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
		struct gw_rules rules;
		struct error error = {0};
		char text[128];

		snprintf(
		    text, sizeof(text), "http: {rules: [{selector: %s, get: /a}]}", selectors[i]);
		assert_null(toys_with(text, &rules, &error));
		if (strstr(error.message, path) == NULL ||
		    strstr(error.message, "there is no method") == NULL) {
			fail_msg("%s: %s", selectors[i], error.message);
		}
		gw_rules_fini(&rules);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_key_of_a_rule_is_read),
	    cmocka_unit_test(names_are_taken_as_json_spells_them_too),
	    cmocka_unit_test(no_path_and_no_rules_are_no_fault),
	    cmocka_unit_test(what_is_not_understood_is_refused_with_its_line),
	    cmocka_unit_test(a_file_that_is_none_is_refused_by_its_name),
	    cmocka_unit_test(a_rule_adds_to_what_the_proto_has),
	    cmocka_unit_test(a_selector_that_selects_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
