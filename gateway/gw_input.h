/*
 * Makes the input message of a method from an HTTP request. Any thread; knows
 * nothing about connections.
 */
#ifndef GATEWAY_GW_INPUT_H
#define GATEWAY_GW_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/status.h"
#include "gateway/route/route.h"

struct arena;
struct buf;
struct gw_api;

/* All of it is borrowed. */
struct gw_input {
	const struct route_match *match;
	struct route_text query;        /* without its question mark */
	struct route_text content_type; /* data NULL: not sent */
	struct route_text body;
	struct buf *unzipped; /* empty, for the body, which is gzip; NULL: it is not */
};

/*
 * Makes the message, in arena. Returns 0, or the HTTP status to answer with
 * (400, 413, 415, 503); error says why. *page_given says whether the client
 * requested a page of a list.
 */
int gw_input_read(const struct gw_input *input, const struct gw_api *api, struct arena *arena,
    ProtobufCMessage **message, bool *page_given, struct error *error);

#endif
