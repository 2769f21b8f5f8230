/*
 * gzip (RFC 1952) of bodies: of answers, part by part, and of requests. A gw_gzip
 * belongs to one loop, and all its bodies use the same memory in turn: what is
 * kept for a body between two of its parts is a struct gw_gzip_body. Thread of
 * the loop.
 */
#ifndef GATEWAY_GW_GZIP_H
#define GATEWAY_GW_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct gw_gzip;

/* A body of which parts were written. Zeroed: none yet. */
struct gw_gzip_body {
	uint32_t crc;
	uint32_t len; /* not compressed, modulo 2^32 */
	bool begun;
};

enum gw_gzip_result {
	GW_GZIP_OK,
	GW_GZIP_BROKEN, /* it is no gzip, ends too early, or goes on with something else */
	GW_GZIP_TOO_LARGE,
	GW_GZIP_NO_MEMORY
};

/*
 * Appends the next part of a body to out; after the last one it is whole. What
 * was written so far can be read by the client without what follows. *gzip, NULL
 * at first, is made when it is needed. False without memory.
 */
bool gw_gzip_write(struct gw_gzip **gzip, struct gw_gzip_body *body, const void *part, size_t len,
    bool last, struct buf *out);

/*
 * Appends to out what data, one or more members of gzip, was before. Nothing is
 * written beyond max bytes, and never more memory taken than that and what the
 * data asks for.
 */
enum gw_gzip_result gw_gzip_read(const void *data, size_t len, size_t max, struct buf *out);

/* Frees it and clears *gzip. NULL is fine. */
void gw_gzip_free(struct gw_gzip **gzip);

#endif
