/*
 * The origins whose pages may read answers (corsOrigins), as browsers send them
 * in Origin: scheme://host, with :port unless it is the scheme's own (RFC 6454
 * section 6.2). Never changes after gw_origins_read: any thread.
 */
#ifndef GATEWAY_GW_ORIGIN_H
#define GATEWAY_GW_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"

struct gw_origins {
	char *text;        /* theirs, parted by NULs */
	const char **list; /* in text */
	size_t count;
	bool all; /* any origin: the list is * */
};

/*
 * Reads a list with commas, * for all, or nothing for none. On failure nothing is
 * held, and error names the entry and what it should be.
 */
enum status_code gw_origins_read(struct gw_origins *origins, const char *text, struct error *error);

/* A zeroed gw_origins is fine; so is calling it twice. */
void gw_origins_free(struct gw_origins *origins);

/* False when no page may read anything. */
static inline bool
gw_origins_exist(const struct gw_origins *origins)
{
	return origins->all || origins->count > 0;
}

/*
 * What Access-Control-Allow-Origin says to an origin, as long as origins are not
 * freed; NULL: the origin may not read.
 */
const char *gw_origins_find(const struct gw_origins *origins, const char *origin, size_t len);

#endif
