/* What tests of reading JSON share: the toy's type and an arena to read into. */
#ifndef TESTS_JSON_FIXTURE_H
#define TESTS_JSON_FIXTURE_H

#include <stddef.h>

#include "common/schema/schema.h"
#include "toy/toy.pb-c.h"

struct arena;

struct json_fixture {
	struct schema *schema;
	const struct schema_message *toy;
	struct arena *arena; /* reset before each reading */
	struct error error;  /* of the last reading */
};

/* Set-up and tear-down of a group; state is a struct json_fixture. */
int json_fixture_open(void **state);
int json_fixture_close(void **state);

/*
 * Reads a toy, or gives NULL and fills error. The text is read in memory of
 * just its size, so that a sanitizer notices reading past the end.
 */
ProtobufCMessage *json_fixture_read(struct json_fixture *fixture, const char *json, size_t len);

/* Reads what must fit, as generated code sees it. The caller frees it. */
Toy__V1__Toy *json_fixture_toy(struct json_fixture *fixture, const char *json);

/* Reads what must not fit, for these violations, a "path: description" a line. */
void json_fixture_violations(struct json_fixture *fixture, const char *json, const char *expected);

#endif
