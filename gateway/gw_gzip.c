#include "gateway/gw_gzip.h"

#include <assert.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/base/buf.h"

/*
 * The fastest level makes JSON a fifth to a tenth of its size; a loop serves others
 * meanwhile no more than it does while it writes that JSON.
 */
#define GW_GZIP_LEVEL     Z_BEST_SPEED
#define GW_GZIP_MEM_LEVEL 8

/* No header and no checksum of zlib's own: parts of a body are put together here. */
#define GW_GZIP_RAW       (-MAX_WBITS)
#define GW_GZIP_WITH_HEAD (MAX_WBITS + 16)

#define GW_GZIP_ROOM_MIN  1024
#define GW_GZIP_TRAILER   8

/* Deflated; without a time or a name; by the fastest level; of no system in particular. */
static const uint8_t gw_gzip_head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255};

struct gw_gzip {
	z_stream stream;
};

static bool
gw_gzip_begin(struct gw_gzip **gzip)
{
	if (*gzip != NULL) {
		return deflateReset(&(*gzip)->stream) == Z_OK;
	}
	*gzip = calloc(1, sizeof(**gzip));
	if (*gzip != NULL && deflateInit2(&(*gzip)->stream, GW_GZIP_LEVEL, Z_DEFLATED, GW_GZIP_RAW,
				 GW_GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(*gzip);
		*gzip = NULL;
	}
	return *gzip != NULL;
}

void
gw_gzip_free(struct gw_gzip **gzip)
{
	if (*gzip != NULL) {
		deflateEnd(&(*gzip)->stream);
		free(*gzip);
		*gzip = NULL;
	}
}

/*
 * A part refers to nothing before it, and ends with a whole byte, so that the
 * parts of a body follow each other as one stream.
 */
static bool
gw_gzip_deflate(z_stream *stream, const void *part, size_t len, bool last, struct buf *out)
{
	stream->next_in = (Bytef *)(uintptr_t)part;
	stream->avail_in = (uInt)len;
	do {
		if (!buf_reserve(out, len / 8 + GW_GZIP_ROOM_MIN)) {
			return false;
		}
		stream->next_out = (Bytef *)out->data + out->len;
		stream->avail_out = (uInt)(out->capacity - out->len);
		deflate(stream, last ? Z_FINISH : Z_SYNC_FLUSH);
		out->len = out->capacity - stream->avail_out;
	} while (stream->avail_out == 0);
	return stream->avail_in == 0;
}

static void
gw_gzip_put_number(struct buf *out, uint32_t number)
{
	for (int i = 0; i < 4; i++) {
		buf_putc(out, (char)(number >> 8 * i & 0xff));
	}
}

bool
gw_gzip_write(struct gw_gzip **gzip, struct gw_gzip_body *body, const void *part, size_t len,
    bool last, struct buf *out)
{
	assert(len <= UINT_MAX);
	if (!gw_gzip_begin(gzip)) {
		return false;
	}
	if (!body->begun) {
		body->begun = true;
		body->crc = (uint32_t)crc32(0, NULL, 0);
		buf_put(out, gw_gzip_head, sizeof(gw_gzip_head));
	}
	body->crc = (uint32_t)crc32(body->crc, part, (uInt)len);
	body->len += (uint32_t)len;
	if (!gw_gzip_deflate(&(*gzip)->stream, part, len, last, out)) {
		return false;
	}
	if (last) {
		gw_gzip_put_number(out, body->crc);
		gw_gzip_put_number(out, body->len);
	}
	return !out->failed;
}

/* Room for more of what is read: as much as there was so far, but never past max. */
static bool
gw_gzip_make_room(z_stream *stream, size_t max, struct buf *out)
{
	size_t more = out->len < GW_GZIP_ROOM_MIN ? GW_GZIP_ROOM_MIN : out->len;
	size_t left = max - out->len;

	more = more < left ? more : left;
	if (!buf_reserve(out, more)) {
		return false;
	}
	stream->next_out = (Bytef *)out->data + out->len;
	stream->avail_out = (uInt)more;
	return true;
}

/* Reads until the data ends. An extra byte of room tells what is too large from what just fits. */
static enum gw_gzip_result
gw_gzip_inflate(z_stream *stream, size_t max, struct buf *out)
{
	int result = Z_OK;

	while (result == Z_OK || stream->avail_in > 0) {
		size_t room;

		if (result == Z_STREAM_END && inflateReset(stream) != Z_OK) {
			return GW_GZIP_BROKEN;
		}
		if (out->len > max) {
			return GW_GZIP_TOO_LARGE;
		}
		if (!gw_gzip_make_room(stream, max + 1, out)) {
			return GW_GZIP_NO_MEMORY;
		}
		room = stream->avail_out;
		result = inflate(stream, Z_NO_FLUSH);
		out->len += room - stream->avail_out;
		if (result == Z_MEM_ERROR) {
			return GW_GZIP_NO_MEMORY;
		}
		if (result != Z_OK && result != Z_STREAM_END) {
			return GW_GZIP_BROKEN;
		}
	}
	return out->len > max ? GW_GZIP_TOO_LARGE : GW_GZIP_OK;
}

static void *
gw_gzip_alloc(void *closure, uInt items, uInt size)
{
	(void)closure;
	return calloc(items, size);
}

/* A part of what was read is in it, which may be a password. */
static void
gw_gzip_wipe(void *closure, void *memory)
{
	(void)closure;
	explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

enum gw_gzip_result
gw_gzip_read(const void *data, size_t len, size_t max, struct buf *out)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
	    .avail_in = (uInt)len,
	    .zalloc = gw_gzip_alloc,
	    .zfree = gw_gzip_wipe};
	enum gw_gzip_result result;

	assert(len <= UINT_MAX && max < UINT_MAX);
	if (inflateInit2(&stream, GW_GZIP_WITH_HEAD) != Z_OK) {
		return GW_GZIP_NO_MEMORY;
	}
	result = gw_gzip_inflate(&stream, max, out);
	inflateEnd(&stream);
	return result;
}
