#include "integration/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/json_get.h"

void
rule_check_problem(const struct http_answer *answer, int status)
{
	yajl_val problem;

	assert_string_equal(http_header(answer, "content-type"), "application/problem+json");
	problem = json_parse(answer->body);
	assert_int_equal(json_int(problem, "status"), status);
	assert_true(strlen(json_text(problem, "type")) > 0);
	assert_true(strlen(json_text(problem, "title")) > 0);
	assert_true(strlen(json_text(problem, "detail")) > 0);
	assert_true(json_text(problem, "instance")[0] == '/');
	assert_true(strlen(json_text(problem, "code")) > 0);
	assert_true(strlen(json_text(problem, "reason")) > 0);
	assert_string_equal(json_text(problem, "requestId"), http_header(answer, "x-request-id"));
	yajl_tree_free(problem);
}

static void
rule_test(void **state)
{
	const struct rule_run *run = *state;
	const struct rule *rule = run->rule;
	const struct http_answer *answer =
	    http_send(run->http, rule->line, rule->headers, rule->body);

	if (answer->status != rule->status) {
		fail_msg("%s: status %d instead of %d: %s", rule->line, answer->status,
		    rule->status, answer->body);
	}
	assert_non_null(http_header(answer, "x-request-id"));
	assert_null(http_header(answer, "server"));
	if (rule->content != NULL) {
		const char *content = http_header(answer, "content-type");

		assert_non_null(content);
		assert_memory_equal(content, rule->content, strlen(rule->content));
	}
	for (size_t i = 0; i < 4 && rule->has[i] != NULL; i++) {
		if (strstr(answer->body, rule->has[i]) == NULL &&
		    strstr(answer->headers, rule->has[i]) == NULL) {
			fail_msg("%s: no %s in %s%s", rule->line, rule->has[i], answer->headers,
			    answer->body);
		}
	}
	if (rule->status >= 400 && strncmp(rule->line, "HEAD", 4) != 0) {
		rule_check_problem(answer, rule->status);
	}
}

int
rule_run_group(const char *name, const struct stack *stack, const struct rule *rules, size_t count)
{
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	struct rule_run *runs = calloc(count, sizeof(*runs));
	struct http *http = http_new(stack->url);
	int failed;

	assert_non_null(tests);
	assert_non_null(runs);
	for (size_t i = 0; i < count; i++) {
		runs[i] = (struct rule_run){&rules[i], http};
		tests[i] = (struct CMUnitTest){
		    .name = rules[i].sentence, .test_func = rule_test, .initial_state = &runs[i]};
	}
	failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	http_free(&http);
	free(runs);
	free(tests);
	return failed;
}
