/*
 * A binding as the .proto says it, looked up and checked: what a route is
 * made of. Any thread.
 */
#ifndef GATEWAY_ROUTE_BINDING_H
#define GATEWAY_ROUTE_BINDING_H

#include "gateway/route.h"

/*
 * Fills route from a binding of a method. INVALID_ARGUMENT when the binding
 * does not fit the method's messages; error names method, option and remedy.
 */
enum status_code route_binding_read(struct route *route, const struct schema_method *method,
    const Mockvideo__Rest__V1__HttpBinding *binding, struct error *error);

/*
 * The segment of a binding's path that begins at *path, behind its slash, and
 * its length; *path moves behind it. NULL at the end.
 */
const char *route_binding_segment(const char **path, size_t *len);

/* True for a segment that takes any text: {name} or *. */
bool route_binding_takes_any(const char *segment, size_t len);

#endif
