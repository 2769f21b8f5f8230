/*
 * Any bytes as requests of a connection of HTTP/1, in pieces of any size: the guard
 * and a reference parser must agree on where each request ends and what its body is,
 * or both find none; and the HTTP library must take each for just that request.
 *
 * The first byte of the input seeds the pieces.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/status.h"
#include "gateway/gw_guard.h"
#include "tests/fuzz/framing_library.h"
#include "tests/fuzz/framing_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small, so that inputs reach them. */
static const struct reference_limits limits = {.head_max = 2048,
    .headers_max = GW_GUARD_HEADERS_MAX,
    .body_max = 512,
    .line_max = GW_CHUNK_LINE_MAX,
    .extensions_max = GW_CHUNK_EXTENSIONS_MAX,
    .trailers_max = GW_CHUNK_TRAILERS_MAX};

/* A connection: what has come, as the guard has left it. */
struct connection {
	struct gw_guard guard;
	char *bytes;
	size_t len;
	const uint8_t *next; /* what has not come yet */
	size_t left;
	uint32_t random;
};

static enum gw_guard_result
connection_look(struct connection *connection)
{
	enum gw_guard_result result =
	    gw_guard_read(&connection->guard, connection->bytes, &connection->len);

	if (result == GW_GUARD_HEAD) {
		connection->guard.body_max_bytes = limits.body_max;
		result = gw_guard_read(&connection->guard, connection->bytes, &connection->len);
	}
	return result;
}

/* Brings a piece: often a byte, at times much, in memory of just the size. */
static void
connection_bring(struct connection *connection)
{
	size_t piece;

	connection->random = connection->random * 1664525 + 1013904223;
	piece = 1 + (connection->random >> 16) % (1u << (connection->random >> 28));
	piece = piece < connection->left ? piece : connection->left;
	connection->bytes = realloc(connection->bytes, connection->len + piece);
	assert(connection->bytes != NULL);
	memcpy(connection->bytes + connection->len, connection->next, piece);
	connection->len += piece;
	connection->next += piece;
	connection->left -= piece;
}

static enum gw_guard_result
connection_read(struct connection *connection)
{
	enum gw_guard_result result =
	    connection->len == 0 ? GW_GUARD_UNFINISHED : connection_look(connection);

	while (result == GW_GUARD_UNFINISHED && connection->left > 0) {
		connection_bring(connection);
		result = connection_look(connection);
	}
	return result;
}

/* Takes the request off; what comes after it is moved to memory of just its size. */
static void
connection_take(struct connection *connection)
{
	size_t size = connection->guard.size;
	char *rest = malloc(connection->len - size + 1);

	assert(rest != NULL);
	memcpy(rest, connection->bytes + size, connection->len - size);
	free(connection->bytes);
	connection->bytes = rest;
	connection->len -= size;
	gw_guard_init(&connection->guard, limits.head_max);
}

/* What the guard says of the request that it found. */
static void
connection_ask_library(const struct connection *connection)
{
	const struct gw_guard *guard = &connection->guard;
	const struct library_request expected = {.method = connection->bytes + guard->method.at,
	    .method_len = guard->method.len,
	    .target = connection->bytes + guard->target.at,
	    .target_len = guard->target.len,
	    .body = connection->bytes + guard->head_len,
	    .body_len = guard->size - guard->head_len};

	library_check(connection->bytes, guard->size, &expected);
}

static void
connection_check_refusal(const struct connection *connection, enum gw_guard_result result)
{
	struct error error = {0};
	int status = gw_guard_explain(&connection->guard, &error);

	assert((result == GW_GUARD_REFUSED) == (status != 0));
	assert(status == 0 || (status >= 400 && error.message[0] != '\0'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection connection = {
	    .next = data + 1, .left = size - 1, .random = size == 0 ? 0 : data[0]};
	const uint8_t *at = data + 1;
	uint8_t *body = malloc(size + 1);
	enum gw_guard_result result = GW_GUARD_WHOLE;

	assert(body != NULL);
	gw_guard_init(&connection.guard, limits.head_max);
	while (size > 0 && result == GW_GUARD_WHOLE) {
		struct reference_request request;
		bool whole =
		    reference_read(at, size - (size_t)(at - data), &limits, &request, body);

		result = connection_read(&connection);
		connection_check_refusal(&connection, result);
		assert((result == GW_GUARD_WHOLE) == whole);
		if (whole) {
			size_t taken = (size_t)(connection.next - at) -
				       (connection.len - connection.guard.size);

			assert(taken == request.end);
			assert(
			    connection.guard.size - connection.guard.head_len == request.body_len);
			assert(memcmp(connection.bytes + connection.guard.head_len, body,
				   request.body_len) == 0);
			assert(connection.guard.persistent == request.persistent);
			at += request.end;
			connection_ask_library(&connection);
			connection_take(&connection);
		}
	}
	free(connection.bytes);
	free(body);
	return 0;
}
