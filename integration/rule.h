/*
 * Rules of the REST contract as rows: what is sent, what must come. Each row
 * is a test of its own, named by its sentence.
 */
#ifndef INTEGRATION_RULE_H
#define INTEGRATION_RULE_H

#include <stddef.h>

#include "integration/stack.h"

struct rule {
	const char *sentence;
	const char *line;    /* "GET /users/1" */
	const char *headers; /* parted by \n, or NULL */
	const char *body;    /* or NULL */
	int status;
	const char *content; /* the answer's Content-Type begins so, or NULL */
	const char *has[4];  /* texts that headers or body must hold */
};

struct rule_run {
	const struct rule *rule;
	struct http *http;
};

/* For a problem document, checked for its members whenever status >= 400. */
void rule_check_problem(const struct http_answer *answer, int status);

/*
 * Runs rows as a cmocka group of that name against a stack that is up; gives
 * the number of failures.
 */
int rule_run_group(
    const char *name, const struct stack *stack, const struct rule *rules, size_t count);

#endif
