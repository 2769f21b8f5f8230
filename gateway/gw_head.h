/*
 * The head of an HTTP/2 request, which the library has read already: it is held to
 * what the guard holds HTTP/1 to, where the library is more lenient. Any thread.
 */
#ifndef GATEWAY_GW_HEAD_H
#define GATEWAY_GW_HEAD_H

#include <h2o.h>

struct error;

/*
 * Gives 0, or the HTTP status to refuse the request with, 414, 417 or 431, for which
 * error says why.
 */
int gw_head_check(const h2o_req_t *req, size_t head_max_bytes, struct error *error);

#endif
