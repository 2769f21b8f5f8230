/* Media types and codings that clients send and accept (RFC 9110 sections 8.3, 12.5). Any thread. */
#ifndef GATEWAY_GW_MEDIA_H
#define GATEWAY_GW_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

#define GW_MEDIA_JSON    "application/json"
#define GW_MEDIA_PATCH   "application/merge-patch+json"
#define GW_MEDIA_PROBLEM "application/problem+json"
#define GW_MEDIA_TEXT    "text/plain"

/* True for application/json, in UTF-8 if a charset is named. */
bool gw_media_is_json(const char *content_type, size_t len);

/* The same for application/merge-patch+json (RFC 7396). */
bool gw_media_is_patch(const char *content_type, size_t len);

/*
 * True when the value of an Accept header allows an answer of a type: the most
 * specific range that contains the type has a weight above 0. An empty value
 * allows everything.
 */
bool gw_media_accepts(const char *accept, size_t len, const char *type);

/* What the Accept-Encoding headers of a request say: weights in thousandths plus 1; 0: not said. */
struct gw_codings {
	int gzip;
	int identity;
	int others; /* the weight of * */
};

/* How the body of an answer may be sent. */
enum gw_coding {
	GW_CODING_IDENTITY,
	GW_CODING_GZIP,        /* rather than as it is */
	GW_CODING_GZIP_ALWAYS, /* not as it is */
	GW_CODING_NONE         /* in no way that there is */
};

/* Adds what a value of Accept-Encoding says; codings are zeroed at first. */
void gw_media_read_codings(struct gw_codings *codings, const char *value, size_t len);

/*
 * The coding that these prefer (RFC 9110 section 12.5.3): gzip if they allow it and
 * do not prefer identity, which is allowed unless its weight is 0.
 */
enum gw_coding gw_media_coding(const struct gw_codings *codings);

#endif
