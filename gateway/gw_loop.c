#include "gateway/gw_loop.h"

#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "gateway/gw_api.h"
#include "gateway/gw_call.h"
#include "gateway/gw_conn.h"
#include "gateway/gw_gzip.h"
#include "gateway/gw_hold.h"
#include "gateway/gw_room.h"
#include "gateway/gw_sweep.h"
#include "gateway/gw_turn.h"

/* What a large answer has left in the buffer is given back from here on. */
#define GW_LOOP_OUT_KEPT_MAX (256 * 1024)

/* What a large request has left in the scratch arena is worth a walk through the heap from here on. */
#define GW_LOOP_TRIM_MIN ((size_t)4 << 20)

/*
 * Sweeps after that. Some memory is freed later, by other threads: that of messages
 * which services still send.
 */
#define GW_LOOP_TRIMS 32

#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

/*
 * The library keeps free lists for each thread, of 16 pieces at most, and has
 * no way to empty them: at the end of a thread they are lost.
 */
const char *
__lsan_default_suppressions(void)
{
	return "leak:h2o_mem_alloc_recycle\n";
}

const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}
#endif

struct arena *
gw_loop_scratch(struct gw_loop *loop)
{
	arena_reset(loop->scratch);
	return loop->scratch;
}

struct buf *
gw_loop_out(struct gw_loop *loop)
{
	if (loop->out.capacity > GW_LOOP_OUT_KEPT_MAX) {
		buf_fini(&loop->out);
	}
	buf_reset(&loop->out);
	return &loop->out;
}

void
gw_loop_random(struct gw_loop *loop, uint8_t *bytes, size_t len)
{
	assert(len <= sizeof(loop->random));
	if (loop->random_left < len) {
		size_t got = 0;

		while (got < sizeof(loop->random)) {
			ssize_t n = getrandom(loop->random + got, sizeof(loop->random) - got, 0);

			got += n > 0 ? (size_t)n : 0;
		}
		loop->random_left = sizeof(loop->random);
	}
	loop->random_left -= len;
	memcpy(bytes, loop->random + loop->random_left, len);
}

/* Moving on */

/* First the requests in flight are given up and answered so, then connections are cut. */
static void
gw_loop_sweep_draining(struct gw_loop *loop)
{
	if (loop->state == GW_LOOP_CUT) {
		gw_sweep_all(loop);
	} else if (loop->state == GW_LOOP_DRAINING && clock_now_ns() >= loop->drain_end_ns) {
		loop->state = GW_LOOP_CUT;
		gw_call_cancel_all(loop);
	}
}

/*
 * What was given back is in the heap, between what is in use, and what the last
 * request has left in the loop's memory is of no use any more: the system gets it.
 */
static void
gw_loop_trim(struct gw_loop *loop)
{
	struct gw_budget *budgets = loop->options.api->budgets;
	bool fallen = arena_used(loop->scratch) > GW_LOOP_TRIM_MIN;

	gw_loop_scratch(loop);
	gw_loop_out(loop);
	for (size_t i = 0; i < GW_BUDGET_COUNT; i++) {
		fallen |= gw_budget_has_fallen(&budgets[i]);
	}
	if (fallen &&
	    loop->trims <= GW_LOOP_TRIMS / 2) { /* so not at each sweep while there are more */
		loop->trims = GW_LOOP_TRIMS;
	}
	if (loop->trims > 0) {
		if ((loop->trims & (loop->trims - 1)) == 0) { /* again after 16, 24, 28, 30, 31 */
			malloc_trim(0);
		}
		loop->trims--;
	}
}

static void
gw_loop_sweep(h2o_timeout_entry_t *entry)
{
	struct gw_loop *loop = H2O_STRUCT_FROM_MEMBER(struct gw_loop, sweep, entry);
	bool running = loop->state == GW_LOOP_RUNNING;

	gw_sweep(loop);
	gw_turn_sweep(loop, clock_now_ns());
	gw_room_sweep(loop);
	gw_loop_trim(loop);
	if (loop->listener_paused && loop->listener != NULL) {
		loop->listener_paused = false;
		h2o_socket_read_start(loop->listener, gw_conn_accept);
	}
	gw_loop_sweep_draining(loop);
	h2o_timeout_link(loop->context.loop,
	    running ? &loop->context.one_sec_timeout : &loop->context.hundred_ms_timeout, entry);
}

/* Those that have connected already are served; who comes now is refused by the system. */
static void
gw_loop_close_listener(struct gw_loop *loop)
{
	gw_conn_accept(loop->listener, NULL);
	h2o_socket_close(loop->listener);
	loop->listener = NULL;
}

static void
gw_loop_receive_order(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
	struct gw_loop *loop = H2O_STRUCT_FROM_MEMBER(struct gw_loop, orders, receiver);

	while (!h2o_linklist_is_empty(messages)) {
		h2o_linklist_unlink(messages->next);
	}
	loop->state = GW_LOOP_DRAINING;
	loop->drain_end_ns = clock_now_ns() + loop->options.drain_ns;
	gw_loop_close_listener(loop);
	h2o_context_request_shutdown(&loop->context);
	h2o_timeout_unlink(&loop->sweep);
	gw_loop_sweep(&loop->sweep);
}

void
gw_loop_publish(struct gw_loop *loop, struct gw_hold *hold)
{
	atomic_fetch_add(&loop->posting, 1);
	h2o_multithread_send_message(&loop->views, &hold->message);
	atomic_fetch_sub(&loop->posting, 1);
}

void
gw_loop_drain(struct gw_loop *loop)
{
	atomic_fetch_add(&loop->posting, 1);
	h2o_multithread_send_message(&loop->orders, &loop->drain_order);
	atomic_fetch_sub(&loop->posting, 1);
}

/* The thread */

/*
 * All of the library's state is made and freed in the thread that uses it: its
 * buffers belong to free lists of their thread.
 */
static void
gw_loop_open(struct gw_loop *loop)
{
	h2o_context_init(&loop->context, h2o_evloop_create(), loop->options.globalconf);
	h2o_multithread_register_receiver(loop->context.queue, &loop->replies, gw_call_receive);
	h2o_multithread_register_receiver(
	    loop->context.queue, &loop->orders, gw_loop_receive_order);
	h2o_multithread_register_receiver(loop->context.queue, &loop->views, gw_hold_receive);
	loop->listener = h2o_evloop_socket_create(loop->context.loop, loop->listen_fd, 0);
	loop->listener->data = loop;
	h2o_socket_dont_read(loop->listener, 1);
	h2o_socket_read_start(loop->listener, gw_conn_accept);
	loop->sweep.cb = gw_loop_sweep;
	h2o_timeout_link(loop->context.loop, &loop->context.one_sec_timeout, &loop->sweep);
}

/* Frees what h2o_context_dispose forgets, too: the queue. */
static void
gw_loop_close(struct gw_loop *loop)
{
	h2o_multithread_queue_t *queue = loop->context.queue;
	h2o_evloop_t *evloop = loop->context.loop;

	while (atomic_load(&loop->posting) > 0) {
		sched_yield();
	}
	h2o_multithread_unregister_receiver(queue, &loop->replies);
	h2o_multithread_unregister_receiver(queue, &loop->orders);
	h2o_multithread_unregister_receiver(queue, &loop->views);
	h2o_timeout_unlink(&loop->sweep);
	h2o_timeout_unlink(&loop->context.http2._graceful_shutdown_timeout);
	h2o_context_dispose(&loop->context);
	h2o_evloop_destroy(evloop);
	free(queue);
}

static bool
gw_loop_is_done(const struct gw_loop *loop)
{
	return loop->state != GW_LOOP_RUNNING && TAILQ_EMPTY(&loop->conns) &&
	       LIST_EMPTY(&loop->calls);
}

/* The calls that were made in this turn leave. */
static void
gw_loop_uncork(struct gw_loop *loop)
{
	const struct gw_backends *backends = &loop->options.api->backends;

	for (size_t i = 0; i < backends->count; i++) {
		rpc_channel_uncork(backends->list[i].channel, &loop->corks[i]);
	}
}

static void *
gw_loop_run(void *closure)
{
	struct gw_loop *loop = closure;

	gw_loop_open(loop);
	sem_post(&loop->ready);
	while (!gw_loop_is_done(loop)) {
		h2o_evloop_run(loop->context.loop, INT32_MAX);
		gw_turn_pass(loop);
		gw_loop_uncork(loop);
	}
	gw_loop_close(loop);
	return NULL;
}

static void
gw_loop_free(struct gw_loop **loop)
{
	sem_destroy(&(*loop)->ready);
	arena_free(&(*loop)->scratch);
	free((*loop)->corks);
	gw_hold_free(&(*loop)->hold);
	buf_fini(&(*loop)->out);
	gw_gzip_free(&(*loop)->gzip);
	free(*loop);
	*loop = NULL;
}

static struct rpc_cork *
gw_loop_new_corks(size_t count)
{
	struct rpc_cork *corks = calloc(count, sizeof(*corks));

	for (size_t i = 0; corks != NULL && i < count; i++) {
		TAILQ_INIT(&corks[i]);
	}
	return corks;
}

enum status_code
gw_loop_start(
    struct gw_loop **loop, const struct gw_loop_options *options, int fd, struct error *error)
{
	*loop = calloc(1, sizeof(**loop));
	if (*loop == NULL) {
		goto close_fd;
	}
	TAILQ_INIT(&(*loop)->conns);
	TAILQ_INIT(&(*loop)->hungry);
	sem_init(&(*loop)->ready, 0, 0);
	(*loop)->options = *options;
	(*loop)->listen_fd = fd;
	(*loop)->scratch = arena_new(options->scratch_max_bytes);
	(*loop)->corks = gw_loop_new_corks(options->api->backends.count);
	(*loop)->hold = gw_hold_new(options->view);
	if ((*loop)->scratch == NULL || (*loop)->corks == NULL || (*loop)->hold == NULL ||
	    pthread_create(&(*loop)->thread, NULL, gw_loop_run, *loop) != 0) {
		goto free_loop;
	}
	while (sem_wait(&(*loop)->ready) != 0) {
	}
	return STATUS_OK;

free_loop:
	gw_loop_free(loop);
close_fd:
	close(fd);
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY",
	    "a thread cannot be started; raise the limits of memory and threads");
}

void
gw_loop_join(struct gw_loop **loop)
{
	if (*loop == NULL) {
		return;
	}
	pthread_join((*loop)->thread, NULL);
	gw_loop_free(loop);
}
