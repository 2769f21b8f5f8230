/* The grammar of paths, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/route/route_template.h"

/* The template as text: segments, then variables with what they span, then the verb. */
static void
show(const struct route_template *template, char *text, size_t size)
{
	static const char *const kinds[] = {[ROUTE_SEGMENT_ONE] = "*", [ROUTE_SEGMENT_REST] = "**"};
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < template->segment_count; i++) {
		const struct route_segment *segment = &template->segments[i];
		bool literal = segment->kind == ROUTE_SEGMENT_LITERAL;

		len += (size_t)snprintf(text + len, size - len, "/%.*s",
		    literal ? (int)segment->len : 2,
		    literal ? segment->text : kinds[segment->kind]);
	}
	for (size_t i = 0; i < template->variable_count; i++) {
		const struct route_variable *variable = &template->variables[i];

		len += (size_t)snprintf(text + len, size - len, " %.*s=%zu+%zu%s",
		    (int)variable->len, variable->field, variable->first, variable->count,
		    variable->plain ? "" : "!");
	}
	if (template->verb != NULL) {
		snprintf(text + len, size - len, " :%.*s", (int)template->verb_len, template->verb);
	}
}

static void
paths_of_the_grammar_are_read(void **state)
{
	static const struct {
		const char *path;
		const char *shown;
	} rows[] = {
	    {"/", ""},
	    {"/v1", "/v1"},
	    {"/v1/a-b._~!$&'(),;@+c", "/v1/a-b._~!$&'(),;@+c"},
	    {"/v1/*", "/v1/*"},
	    {"/v1/*/x", "/v1/*/x"},
	    {"/**", "/**"},
	    {"/v1/**", "/v1/**"},
	    {"/v1/{name}", "/v1/* name=1+1"},
	    {"/v1/{name=*}", "/v1/* name=1+1"},
	    {"/v1/{name=**}", "/v1/** name=1+1!"},
	    {"/v1/{name=shelves}", "/v1/shelves name=1+1!"},
	    {"/v1/{name=shelves/*}", "/v1/shelves/* name=1+2!"},
	    {"/v1/{name=shelves/**}", "/v1/shelves/** name=1+2!"},
	    {"/v1/{book.author.name}", "/v1/* book.author.name=1+1"},
	    {"/v1/{snake_case}/{thirty-two}", "/v1/*/* snake_case=1+1 thirty-two=2+1"},
	    {"/v1/{a=x/*}/y/{b}", "/v1/x/*/y/* a=1+2! b=4+1"},
	    {"/v1:go", "/v1 :go"},
	    {"/v1/*:go", "/v1/* :go"},
	    {"/v1/{name}:cancel", "/v1/* name=1+1 :cancel"},
	    {"/v1/{name=a/**}:cancel", "/v1/a/** name=1+2! :cancel"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct route_template template;
		char shown[256];

		assert_null(route_template_read(&template, rows[i].path));
		show(&template, shown, sizeof(shown));
		assert_string_equal(shown, rows[i].shown);
	}
}

static void
paths_outside_the_grammar_are_refused(void **state)
{
	static const struct {
		const char *path;
		const char *problem;
	} rows[] = {
	    {"", "slash"},
	    {"v1", "slash"},
	    {"//", "empty segment"},
	    {"/v1/", "empty segment"},
	    {"/v1//x", "empty segment"},
	    {"/v1/.", "empty segment"},
	    {"/v1/../x", "empty segment"},
	    {"/v 1", "character"},
	    {"/v1?x", "character"},
	    {"/v1%41", "character"},
	    {"/v1/a*", "character"},
	    {"/v1/***", "two stars"},
	    {"/**/x", "must be the last"},
	    {"/{a=**}/x", "must be the last"},
	    {"/{a=**/x}", "must be the last"},
	    {"/{}", "without the name"},
	    {"/{.a}", "without the name"},
	    {"/{a.}", "without the name"},
	    {"/{a..b}", "without the name"},
	    {"/{=x}", "without the name"},
	    {"/{a", "not closed"},
	    {"/{a=x", "not closed"},
	    {"/{a=}", "empty segment"},
	    {"/{a=/x}", "empty segment"},
	    {"/{a=x/}", "empty segment"},
	    {"/{a={b}}", "within a variable"},
	    {"/{a=x/{b}}", "within a variable"},
	    {"/x{a}", "character"},
	    {"/{a}x", "character"},
	    {"/v1:", "character"},
	    {"/v1:a:b", "character"},
	    {"/v1:a/b", "character"},
	    {"/:a", "empty segment"},
	    {"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "more than 8"},
	    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/"
	     "32/33",
		"more than 32"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct route_template template;
		const char *problem = route_template_read(&template, rows[i].path);

		if (problem == NULL || strstr(problem, rows[i].problem) == NULL) {
			fail_msg("%s: %s", rows[i].path, problem == NULL ? "is taken" : problem);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_of_the_grammar_are_read),
	    cmocka_unit_test(paths_outside_the_grammar_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
