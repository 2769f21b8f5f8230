/* Reading JSON in tests, by yajl's tree. Everything fails the test when absent. */
#ifndef INTEGRATION_JSON_GET_H
#define INTEGRATION_JSON_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <yajl/yajl_tree.h>

/* Parses; free with yajl_tree_free. */
yajl_val json_parse(const char *text);

/* A member of an object by a path with dots and indexes: "results.3.user.id". */
yajl_val json_at(yajl_val root, const char *path);
bool json_has(yajl_val root, const char *path);
long long json_int(yajl_val root, const char *path);
const char *json_text(yajl_val root, const char *path);

/* Elements of the array at path; "" is the root. */
size_t json_count(yajl_val root, const char *path);

#endif
