/*
 * A loop thread: an event loop with its listener, connections and working
 * memory. All of it belongs to that thread, unless a comment says otherwise.
 *
 *	RUNNING -> DRAINING -> CUT -> the thread ends
 *
 * DRAINING: nothing new is accepted, and connections are closed when they
 * become idle. CUT: calls are cancelled, and the remaining connections are cut.
 * The thread ends when no connection and no call is left.
 */
#ifndef GATEWAY_GW_LOOP_H
#define GATEWAY_GW_LOOP_H

#include <h2o.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "common/base/status.h"
#include "common/rpc/client/rpc_channel.h"

struct arena;
struct gw_api;
struct gw_call;
struct gw_conn;
struct gw_gzip;
struct gw_hold;
struct rpc_peers;
struct gw_room;
struct gw_telemetry;
struct gw_view;

enum gw_loop_state {
	GW_LOOP_RUNNING,
	GW_LOOP_DRAINING,
	GW_LOOP_CUT
};

/* What the loops of a server share. */
struct gw_loop_options {
	const struct gw_api *api;
	struct gw_view *view; /* to begin with */
	struct gw_telemetry *telemetry;
	h2o_globalconf_t *globalconf;
	struct gw_room *room;
	struct rpc_peers *peers; /* NULL: addresses are not counted */
	bool http2;
	uint32_t http2_streams_max;
	int64_t header_timeout_ns;
	int64_t body_timeout_ns;
	int64_t send_timeout_ns;
	int64_t idle_timeout_ns;
	int64_t drain_ns;
	size_t scratch_max_bytes;
};

struct gw_loop {
	h2o_context_t context; /* the first member: a request's context is its loop */
	struct gw_loop_options options;
	enum gw_loop_state state;
	int64_t drain_end_ns;
	pthread_t thread;
	sem_t ready; /* posted when the thread accepts */
	int listen_fd;

	h2o_socket_t *listener; /* NULL: nothing is accepted */
	bool listener_paused;   /* because descriptors or room are missing, until the next sweep */
	unsigned
	    room_sweeps; /* sweeps for which the listener has been paused because of missing room */
	TAILQ_HEAD(gw_conns, gw_conn) conns; /* the least recently used first */
	TAILQ_HEAD(, gw_conn) hungry;        /* whose requests wait for room, see gw_turn.h */
	size_t hungry_count;
	bool turns_due;      /* room was given back */
	size_t answer_bytes; /* what large answers take */
	unsigned trims;      /* sweeps after which the heap is to be trimmed */
	h2o_timeout_entry_t sweep;

	LIST_HEAD(, gw_call) calls;
	struct rpc_cork *corks;             /* calls made in this turn of the loop, by backend */
	struct gw_hold *hold;               /* the current one */
	h2o_multithread_receiver_t replies; /* any thread sends to these three */
	h2o_multithread_receiver_t orders;
	h2o_multithread_receiver_t views;
	h2o_multithread_message_t drain_order;
	atomic_uint posting; /* threads that are sending to these */

	struct arena *scratch; /* see gw_loop_scratch */
	struct buf out;        /* where answers are written before they are sent */
	struct gw_gzip *gzip;  /* NULL: nothing was compressed yet */
	uint8_t random[1024];
	size_t random_left;
};

/*
 * Creates a loop that accepts on fd, which it takes, and starts its thread. On
 * failure *loop is NULL, fd is closed and error says why.
 */
enum status_code gw_loop_start(
    struct gw_loop **loop, const struct gw_loop_options *options, int fd, struct error *error);

/* Sends the loop another view to use; takes hold. Any thread, before gw_loop_drain. */
void gw_loop_publish(struct gw_loop *loop, struct gw_hold *hold);

/* Tells the loop to drain. Any thread, once. */
void gw_loop_drain(struct gw_loop *loop);

/* Waits for the thread to end, frees the loop and clears *loop. NULL is fine. */
void gw_loop_join(struct gw_loop **loop);

static inline struct gw_loop *
gw_loop_of(const h2o_req_t *req)
{
	return (struct gw_loop *)req->conn->ctx;
}

/*
 * An empty arena for what is needed only until the thread returns to its loop:
 * each call of this function frees what the previous use put there.
 */
struct arena *gw_loop_scratch(struct gw_loop *loop);

/* An empty buf, with the same rule. */
struct buf *gw_loop_out(struct gw_loop *loop);

/* Writes len random bytes. */
void gw_loop_random(struct gw_loop *loop, uint8_t *bytes, size_t len);

#endif
