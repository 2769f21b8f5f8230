/*
 * A chunked body (RFC 9112 section 7.1), decoded as it arrives. Every byte of
 * its framing must match the grammar. Extensions and trailers are checked,
 * limited in size and dropped. Any thread.
 */
#ifndef GATEWAY_GW_CHUNK_H
#define GATEWAY_GW_CHUNK_H

#include <stddef.h>
#include <stdint.h>

/* Maximum length of the line with a chunk's size and extensions, and of a trailer. */
#define GW_CHUNK_LINE_MAX 4096

/*
 * The extensions of a body may have this many bytes more than the body itself:
 * enough for a signature in each chunk, but not for extensions without data
 * that only make work.
 */
#define GW_CHUNK_EXTENSIONS_MAX 16384

#define GW_CHUNK_TRAILERS_MAX   16384

enum gw_chunk_state {
	GW_CHUNK_SIZE_LINE,
	GW_CHUNK_DATA,
	GW_CHUNK_DATA_END,
	GW_CHUNK_TRAILER
};

/* Zeroed: nothing has arrived yet. */
struct gw_chunk {
	enum gw_chunk_state state;
	uint64_t left;      /* of the data of this chunk */
	size_t body_len;    /* decoded */
	size_t searched;    /* see gw_line_read */
	size_t extensions;  /* bytes of them so far */
	size_t trailers;    /* likewise */
	const char *broken; /* what is wrong, after GW_CHUNK_BROKEN */
};

enum gw_chunk_result {
	GW_CHUNK_UNFINISHED,
	GW_CHUNK_WHOLE,
	GW_CHUNK_BROKEN,
	GW_CHUNK_TOO_LARGE /* the body has more than max_bytes, or announces more */
};

/*
 * Continues decoding in place. data begins with the body_len bytes that were
 * decoded before; the bytes after them, up to *len, are as they were sent.
 * Afterwards body_len has grown, the bytes that cannot be decoded yet follow,
 * and *len is smaller because the framing was removed. After GW_CHUNK_WHOLE the
 * bytes that follow the body belong to the next request.
 */
enum gw_chunk_result gw_chunk_decode(
    struct gw_chunk *chunk, char *data, size_t *len, size_t max_bytes);

#endif
