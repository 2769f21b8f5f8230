/*
 * An HTTP/2 connection, with nghttp2. The HTTP library has its own HTTP/2, but
 * nobody maintains Debian's version of it: it limits neither the time nor the
 * memory of a stream, and serves requests that RFC 9113 calls malformed.
 * Streams become requests of the library (gw_stream.h), so that everything else
 * is the same as with HTTP/1. Thread of the connection's loop.
 */
#ifndef GATEWAY_GW_HTTP2_H
#define GATEWAY_GW_HTTP2_H

#include <h2o.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "gateway/gw_stream.h"

struct gw_conn;

struct gw_http2 {
	h2o_conn_t super; /* the first member: it is what the library hands back */
	struct gw_conn *conn;
	nghttp2_session *session;
	LIST_HEAD(, gw_stream) streams;
	struct gw_streams_taken taken; /* those to ask for more bytes */
	h2o_timeout_entry_t wake;      /* linked: there may be something to write */
	struct buf out;                /* what is being written */
	size_t out_held;               /* bytes of the budget, for out */
	uint64_t taken_bytes;          /* of answers, that nghttp2 has taken to be written */
	bool writing;
	bool inside;           /* nghttp2 runs, and may not be asked for more */
	bool closing;          /* its streams are being freed */
	int64_t idle_since_ns; /* since when there is no stream */
	int64_t notice_ns;     /* when the client was asked to begin no more; 0: not yet */
	bool parted;           /* it was told that no more will be answered */
};

/* Begins with what was read from the connection's socket. Ends it without memory. */
void gw_http2_begin(struct gw_conn *conn);

/* True when there is no stream. */
bool gw_http2_is_idle(const struct gw_http2 *http2);

/* Ends streams that are too slow, and an idle connection; while draining, asks for no more streams. */
void gw_http2_sweep(struct gw_http2 *http2, int64_t now_ns);

/* Tells the client, if that can be done at once, that the connection ends. */
void gw_http2_part(struct gw_http2 *http2);

/* For streams. nghttp2 may have something to write, at the end of this turn of the loop. */
void gw_http2_wake(struct gw_http2 *http2);

/* All bytes of the stream were taken by nghttp2: it is asked for more when that has ended. */
void gw_http2_taken(struct gw_http2 *http2, struct gw_stream *stream);

#endif
