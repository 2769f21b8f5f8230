/*
 * A stream of HTTP/2: a request of the library, made from what nghttp2 has
 * read, and its answer, which nghttp2 takes as fast as the client allows.
 * Thread of the connection's loop.
 *
 *	HEAD -> BODY -> ANSWERING -> freed when nghttp2 has closed it
 *
 * A stream can be freed in each state. A refused request is answered like all
 * others, without waiting for the rest of it.
 */
#ifndef GATEWAY_GW_STREAM_H
#define GATEWAY_GW_STREAM_H

#include <h2o.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "gateway/gw_head.h"
#include "gateway/gw_patience.h"

struct gw_http2;

enum gw_stream_state {
	GW_STREAM_HEAD,
	GW_STREAM_BODY,
	GW_STREAM_ANSWERING
};

struct gw_stream {
	LIST_ENTRY(gw_stream) link;        /* of http2->streams */
	TAILQ_ENTRY(gw_stream) taken_link; /* of http2->taken */
	struct gw_http2 *http2;
	int32_t id;
	enum gw_stream_state state;
	int64_t since_ns; /* since when it is in this state */
	struct gw_head head;
	struct buf body;
	size_t body_max_bytes;
	size_t held; /* bytes of the budget, for the request */

	/* Why it is refused. */
	enum gw_guard_refusal refusal;
	const char *problem; /* with GW_GUARD_MALFORMED */
	bool malformed;      /* nghttp2 has found this, and resets the stream */

	/* The answer. */
	h2o_ostream_t ostream;
	H2O_VECTOR(h2o_iovec_t) bufs; /* of the answer, for nghttp2 */
	size_t next;                  /* the first of them with bytes that were not taken */
	size_t waiting;               /* their bytes that were not taken */
	h2o_send_state_t send_state;
	bool begun;                  /* nghttp2 has its head */
	bool taken;                  /* it is in http2->taken */
	bool asked;                  /* more bytes were asked for, and have not come yet */
	bool reset;                  /* by us, because its client was too slow */
	struct gw_patience patience; /* for the client to take waiting bytes */
	struct gw_patience turn;     /* or those of other streams, for which this one waits */

	h2o_req_t req; /* the last member, as it is large and has a constructor of its own */
};

TAILQ_HEAD(gw_streams_taken, gw_stream);

/* The stream of a request. */
struct gw_stream *gw_stream_of(const h2o_req_t *req);

/* A new stream, whose head begins; NULL without memory. */
struct gw_stream *gw_stream_new(struct gw_http2 *http2, int32_t id);

/* Cancels the request if it was not answered, frees the stream and clears *stream. */
void gw_stream_free(struct gw_stream **stream);

/* For what arrives: fields, the end of the head, parts of the body, the end of the request. */
void gw_stream_put_field(struct gw_stream *stream, h2o_iovec_t name, h2o_iovec_t value);
void gw_stream_end_head(struct gw_stream *stream);
void gw_stream_put_body(struct gw_stream *stream, const uint8_t *data, size_t len);
void gw_stream_end(struct gw_stream *stream);

/* To be called when all bytes of the answer were taken and more will follow: requests them. */
void gw_stream_proceed(struct gw_stream *stream);

/* Ends it if its client was too slow. */
void gw_stream_sweep(struct gw_stream *stream, int64_t now_ns);

/* Returns 0, or the HTTP status to refuse the request with; error says why. */
int gw_stream_explain(const h2o_req_t *req, struct error *error);

#endif
