/*
 * A request, from its head and body to its answer. It is allocated in the
 * memory pool that the HTTP library has for it, and freed with the pool: when
 * the answer was sent, or earlier if the client leaves. Thread of its loop.
 *
 *	READ -> WAITING -> CALLING -> ANSWERED
 *	  |        ^        ^ |          ^
 *	  |        |        | v          |
 *	  |        `----- STREAMING -----+
 *	  `------------------------------+
 *
 * WAITING is often skipped. A request can be freed in each state, and can be
 * answered with an error in each.
 */
#ifndef GATEWAY_GW_REQUEST_H
#define GATEWAY_GW_REQUEST_H

#include "common/telemetry/trace.h"
#include "gateway/gw_gzip.h"
#include "gateway/gw_loop.h"
#include "gateway/gw_media.h"
#include "gateway/gw_turn.h"
#include "gateway/route/route.h"

#define GW_REQUEST_ID_MAX 128

struct gw_call;
struct gw_conn;
struct gw_hold;
struct rpc_reply;

enum gw_request_state {
	GW_REQUEST_READ,      /* by the library; being checked */
	GW_REQUEST_WAITING,   /* for room for its answer, see gw_turn.h */
	GW_REQUEST_CALLING,   /* call is in flight */
	GW_REQUEST_STREAMING, /* a page is being sent to the client, and more will follow */
	GW_REQUEST_ANSWERED   /* the whole answer was given to the library */
};

/* An answer that consists of pages. */
struct gw_pages {
	struct buf
	    request;     /* packed, with the token of the next page; or what waits for its turn */
	size_t base_len; /* of it without the token */
	struct buf out;  /* the page that the client is reading */
	bool begun;      /* something was sent */
	bool any;        /* it has elements */
	struct gw_gzip_body gzip; /* what was sent, if it is compressed */
};

struct gw_request {
	h2o_generator_t generator; /* the first member: it is what the library hands back */
	h2o_req_t *req;
	struct gw_loop *loop;
	struct gw_hold *hold; /* of the view that the request began with */
	struct gw_conn *conn;
	enum gw_request_state state;
	struct gw_call *call;   /* CALLING */
	struct route_text path; /* as the client sent it */
	struct route_text query;
	struct route_match match; /* route NULL: none was found */
	const char *route;        /* template of the path, or GW_ROUTE_NONE */
	bool zipped;              /* its body is compressed */
	size_t body_bytes;        /* of its body, not compressed */
	bool head_only;           /* the answer has no body */
	enum gw_coding coding;    /* of the answer, if it is large enough */
	bool cross_origin;        /* a page of an origin of corsOrigins may read the answer */
	bool paged;               /* pages are in use */
	struct gw_pages pages;
	struct gw_turn turn;
	struct trace trace;
	const char *tracestate; /* the caller's, for the services; or NULL */
	int64_t begin_ns;
	int64_t backend_ns; /* the part of that time spent waiting for services */
	char id[GW_REQUEST_ID_MAX + 1];
};

/* Our request for one of the library's, or NULL for one that the library answers itself. */
struct gw_request *gw_request_of(h2o_req_t *req);

/* Registers the handler of all requests; it is freed with the configuration. */
void gw_request_register(h2o_pathconf_t *pathconf);

/* Fills id with the request's id as the client sent it, or with a new one. */
void gw_request_id(h2o_req_t *req, char id[GW_REQUEST_ID_MAX + 1]);

/*
 * The value of the header name (in any case) among closure, an h2o_headers_t.
 * If the header occurs more than once the value is empty, which matches
 * nothing.
 */
struct route_text gw_request_header(void *closure, const char *name);

/* Changes the state; the only place that sets it. */
void gw_request_move(struct gw_request *request, enum gw_request_state state);

/* Calls the request's method like gw_call_start. False when no call can be made. */
bool gw_request_call(
    struct gw_request *request, const ProtobufCMessage *message, const struct buf *packed);

/* For gw_turn.h: the request waits; its turn has come; it has waited for too long. */
void gw_request_wait(struct gw_request *request);
void gw_request_resume(struct gw_request *request);
void gw_request_no_room(struct gw_request *request);

/* To be called when the client has closed the connection: cancels the request's call. */
void gw_request_gone(struct gw_request *request);

/* To be called when the call has ended; its reply is borrowed. */
void gw_request_replied(struct gw_request *request, const struct rpc_reply *reply);

#endif
