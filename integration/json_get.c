#include "integration/json_get.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

yajl_val
json_parse(const char *text)
{
	char why[256];
	yajl_val root = yajl_tree_parse(text, why, sizeof(why));

	if (root == NULL) {
		fail_msg("no JSON: %s: %.200s", why, text);
	}
	return root;
}

static yajl_val
json_step(yajl_val value, const char *key)
{
	if (YAJL_IS_ARRAY(value)) {
		size_t index = strtoul(key, NULL, 10);

		return index < value->u.array.len ? value->u.array.values[index] : NULL;
	}
	if (YAJL_IS_OBJECT(value)) {
		for (size_t i = 0; i < value->u.object.len; i++) {
			if (strcmp(value->u.object.keys[i], key) == 0) {
				return value->u.object.values[i];
			}
		}
	}
	return NULL;
}

static yajl_val
json_find(yajl_val root, const char *path)
{
	char copy[256];
	char *rest = copy;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key; root != NULL && (key = strsep(&rest, ".")) != NULL;) {
		root = *key == '\0' ? root : json_step(root, key);
	}
	return root;
}

yajl_val
json_at(yajl_val root, const char *path)
{
	yajl_val value = json_find(root, path);

	if (value == NULL) {
		fail_msg("the JSON has no %s", path);
	}
	return value;
}

bool
json_has(yajl_val root, const char *path)
{
	return json_find(root, path) != NULL;
}

long long
json_int(yajl_val root, const char *path)
{
	yajl_val value = json_at(root, path);

	if (!YAJL_IS_INTEGER(value)) {
		fail_msg("%s is no integer", path);
	}
	return YAJL_GET_INTEGER(value);
}

const char *
json_text(yajl_val root, const char *path)
{
	yajl_val value = json_at(root, path);

	if (!YAJL_IS_STRING(value)) {
		fail_msg("%s is no string", path);
	}
	return YAJL_GET_STRING(value);
}

size_t
json_count(yajl_val root, const char *path)
{
	yajl_val value = json_at(root, path);

	if (!YAJL_IS_ARRAY(value)) {
		fail_msg("%s is no array", path);
	}
	return value->u.array.len;
}
