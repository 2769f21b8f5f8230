/*
 * Further bindings of methods whose .proto can't be changed: a YAML file in the
 * form of google.api.Service, of which http.rules is read. Never changes once it is
 * read: any thread.
 */
#ifndef GATEWAY_GW_RULES_H
#define GATEWAY_GW_RULES_H

#include <stddef.h>

#include "common/status.h"
#include "gateway/schema.h"

struct arena;

struct gw_rules {
	const struct schema_rule *list;
	size_t count;
	struct arena *arena; /* of all */
};

/*
 * Reads a file; an empty path is no rules. On failure error names the line and what
 * would be right, and *rules is empty.
 */
enum status_code gw_rules_read(struct gw_rules *rules, const char *path, struct error *error);

/* Frees all. Zeroed ones are fine. */
void gw_rules_fini(struct gw_rules *rules);

#endif
