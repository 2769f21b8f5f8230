/*
 * Additional bindings for methods whose .proto cannot be changed: a YAML file
 * in the form of google.api.Service, of which http.rules is read. Never changes
 * after it is read, so any thread may use it.
 */
#ifndef GATEWAY_GW_RULES_H
#define GATEWAY_GW_RULES_H

#include <stddef.h>

#include "common/base/status.h"
#include "common/schema/schema.h"

struct arena;

struct gw_rules {
	const struct schema_rule *list;
	size_t count;
	struct arena *arena; /* of all */
};

/*
 * Reads a file; an empty path means no rules. On failure error names the line
 * and what would be right, and *rules is empty.
 */
enum status_code gw_rules_read(struct gw_rules *rules, const char *path, struct error *error);

/* Frees everything. Zeroed rules are fine. */
void gw_rules_fini(struct gw_rules *rules);

#endif
