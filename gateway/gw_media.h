/* Media types that clients send and accept (RFC 9110 sections 8.3, 12.5.1). Any thread. */
#ifndef GATEWAY_GW_MEDIA_H
#define GATEWAY_GW_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

#define GW_MEDIA_JSON    "application/json"
#define GW_MEDIA_PROBLEM "application/problem+json"
#define GW_MEDIA_TEXT    "text/plain"

/* True for application/json, in UTF-8 if a charset is named. */
bool gw_media_is_json(const char *content_type, size_t len);

/*
 * True when the value of an Accept header allows an answer of a type: the most
 * specific range that contains the type has a weight above 0. An empty value
 * allows everything.
 */
bool gw_media_accepts(const char *accept, size_t len, const char *type);

#endif
