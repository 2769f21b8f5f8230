#include "gateway/gw_target.h"

#include <string.h>

/* Takes scheme and host off. */
static struct route_text
gw_target_origin_form(struct route_text target)
{
	const char *slashes = memmem(target.data, target.len, "://", 3);
	const char *end = target.data + target.len;
	const char *path;

	if (target.len == 0 || *target.data == '/' || slashes == NULL) {
		return target;
	}
	for (path = slashes + 3; path < end && *path != '/' && *path != '?'; path++) {
	}
	return (struct route_text){path, (size_t)(end - path)};
}

void
gw_target_split(struct route_text target, struct route_text *path, struct route_text *query)
{
	const char *mark;

	target = gw_target_origin_form(target);
	mark = memchr(target.data, '?', target.len);
	*path = target;
	*query = (struct route_text){target.data + target.len, 0};
	if (mark != NULL) {
		path->len = (size_t)(mark - target.data);
		*query = (struct route_text){mark + 1, target.len - path->len - 1};
	}
	if (path->len == 0) {
		*path = (struct route_text){"/", 1};
	}
}
