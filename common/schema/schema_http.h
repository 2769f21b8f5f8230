/*
 * How a method is reached over HTTP: google.api.http (AIP-127) and what
 * mockvideo.rest.v1.method adds to it.
 */
#ifndef COMMON_SCHEMA_HTTP_H
#define COMMON_SCHEMA_HTTP_H

#include "common/schema/schema.h"
#include "google/api/http.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

struct arena;

/*
 * Fills bindings and rule of a method from its options, which may be NULL. On
 * failure error names the method and says what is wrong with which option.
 */
bool schema_http_read(struct schema_method *method, const Google__Protobuf__MethodOptions *options,
    struct arena *arena, struct error *error);

/*
 * Adds the bindings of a rule, and of those it holds, to a method's. what names
 * the place of the rule for error.
 */
bool schema_http_add(struct schema_method *method, const Google__Api__HttpRule *rule,
    const char *what, struct arena *arena, struct error *error);

#endif
