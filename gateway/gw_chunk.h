/*
 * A body in chunks (RFC 9112 section 7.1), decoded as it comes: every byte of
 * its framing is held to the grammar. Extensions and trailers are checked,
 * bounded and dropped. Any thread.
 */
#ifndef GATEWAY_GW_CHUNK_H
#define GATEWAY_GW_CHUNK_H

#include <stddef.h>
#include <stdint.h>

/* Largest line of a chunk's size and extensions, and of a trailer. */
#define GW_CHUNK_LINE_MAX 4096

/*
 * Extensions of a body may take so many bytes more than what the body holds:
 * signatures of each chunk pass, work made of nothing does not.
 */
#define GW_CHUNK_EXTENSIONS_MAX 16384

#define GW_CHUNK_TRAILERS_MAX   16384

enum gw_chunk_state {
	GW_CHUNK_SIZE_LINE,
	GW_CHUNK_DATA,
	GW_CHUNK_DATA_END,
	GW_CHUNK_TRAILER
};

/* Zeroed: nothing has come yet. */
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
	GW_CHUNK_TOO_LARGE /* the body holds more than max_bytes, or says that it will */
};

/*
 * Goes on decoding in place. data begins with the body_len bytes that were
 * decoded before; then come bytes as they were sent, to *len. Afterwards the
 * decoded ones are more, what could not be decoded yet follows them, and *len
 * is less by what was framing. After GW_CHUNK_WHOLE it follows the body, and
 * belongs to the next request.
 */
enum gw_chunk_result gw_chunk_decode(
    struct gw_chunk *chunk, char *data, size_t *len, size_t max_bytes);

#endif
