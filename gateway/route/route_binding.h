/*
 * A binding as the .proto says it, looked up and checked: what a route is
 * made of. Any thread.
 */
#ifndef GATEWAY_ROUTE_BINDING_H
#define GATEWAY_ROUTE_BINDING_H

#include "gateway/route/route.h"

/*
 * Fills route from a binding of a method. INVALID_ARGUMENT when the binding
 * does not fit the method's messages; error names method, option and remedy.
 */
enum status_code route_binding_read(struct route *route, const struct schema_method *method,
    const struct schema_binding *binding, struct error *error);

#endif
