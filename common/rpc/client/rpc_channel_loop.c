#include "common/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"

void
rpc_channel_lock(struct rpc_channel *channel, struct rpc_todo *todo)
{
	todo->channel = channel;
	todo->holding = false;
	todo->send = NULL;
	todo->send_end = &todo->send;
	TAILQ_INIT(&todo->done);
	pthread_mutex_lock(&channel->lock);
	todo->now_ns = clock_now_ns();
}

static void
rpc_todo_send(struct rpc_todo *todo)
{
	struct rpc_exchange *exchange;

	while ((exchange = todo->send) != NULL) {
		todo->send = exchange->send_next;
		rpc_exchange_send(exchange);
	}
}

void
rpc_channel_unlock(struct rpc_todo *todo)
{
	struct rpc_channel *channel = todo->channel;
	struct rpc_pending *pending;
	size_t count = 0;

	pthread_mutex_unlock(&channel->lock);
	rpc_todo_send(todo);
	while ((pending = TAILQ_FIRST(&todo->done)) != NULL) {
		TAILQ_REMOVE(&todo->done, pending, link);
		pending->done(&pending->reply, pending->closure);
		count++;
	}
	if (count > 0) {
		if (channel->options.delivered != NULL) {
			channel->options.delivered(channel->options.closure);
		}
		pthread_mutex_lock(&channel->lock);
		channel->live -= count;
		if (channel->closing) {
			pthread_cond_broadcast(&channel->idle);
		}
		pthread_mutex_unlock(&channel->lock);
	}
}

void
rpc_channel_unlock_deferred(struct rpc_todo *todo)
{
	struct rpc_channel *channel = todo->channel;

	if (!TAILQ_EMPTY(&todo->done)) {
		TAILQ_CONCAT(&channel->ended, &todo->done, link);
		rpc_channel_kick(channel);
	}
	rpc_channel_unlock(todo);
}

void
rpc_channel_kick(struct rpc_channel *channel)
{
	channel->kicked = true;
	if (channel->asleep_ns != RPC_CHANNEL_AWAKE_NS) {
		pthread_cond_signal(&channel->wake);
	}
}

void
rpc_channel_set_timer(struct rpc_channel *channel, struct rpc_timer *timer, int64_t at_ns)
{
	rpc_timer_set(&channel->timers, timer, at_ns);
	if (at_ns < channel->asleep_ns) {
		rpc_channel_kick(channel);
	}
}

/* xorshift64*; good enough to spread load. */
uint64_t
rpc_channel_random(struct rpc_channel *channel, uint64_t limit)
{
	channel->random ^= channel->random >> 12;
	channel->random ^= channel->random << 25;
	channel->random ^= channel->random >> 27;
	return (channel->random * UINT64_C(2685821657736338717) >> 11) % limit;
}

void
rpc_channel_place_waiting(struct rpc_channel *channel, struct rpc_todo *todo)
{
	struct rpc_pending_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct rpc_pending *pending;

	TAILQ_CONCAT(&waiting, &channel->waiting, link);
	while ((pending = TAILQ_FIRST(&waiting)) != NULL) {
		TAILQ_REMOVE(&waiting, pending, link);
		if (pending->not_before_ns > todo->now_ns) {
			TAILQ_INSERT_TAIL(&channel->waiting, pending, link);
		} else {
			rpc_pending_place(pending, todo);
		}
	}
}

/* Sleeps until the next timer is due or the thread is kicked. */
static void
rpc_channel_sleep(struct rpc_channel *channel)
{
	int64_t next_ns = rpc_timers_next_ns(&channel->timers);
	struct timespec until = {.tv_sec = next_ns / 1000000000, .tv_nsec = next_ns % 1000000000};

	if (channel->kicked) {
		return;
	}
	channel->asleep_ns = next_ns;
	if (next_ns == CLOCK_NEVER_NS) {
		pthread_cond_wait(&channel->wake, &channel->lock);
	} else {
		pthread_cond_timedwait(&channel->wake, &channel->lock, &until);
	}
	channel->asleep_ns = RPC_CHANNEL_AWAKE_NS;
}

static void *
rpc_channel_run(void *closure)
{
	struct rpc_channel *channel = closure;
	struct rpc_endpoint *endpoint;
	struct rpc_todo todo;

	rpc_channel_lock(channel, &todo);
	while (!channel->stopping) {
		channel->kicked = false;
		for (size_t i = 0; i < channel->endpoint_count; i++) {
			rpc_endpoint_follow(channel->endpoints[i], &todo);
		}
		TAILQ_FOREACH(endpoint, &channel->retired, link)
		{
			rpc_endpoint_follow(endpoint, &todo);
		}
		rpc_timers_fire(&channel->timers, todo.now_ns, &todo);
		TAILQ_CONCAT(&todo.done, &channel->ended, link);
		if (todo.send == NULL && TAILQ_EMPTY(&todo.done)) {
			rpc_channel_sleep(channel);
		}
		rpc_channel_unlock(&todo);
		rpc_channel_lock(channel, &todo);
	}
	rpc_channel_unlock(&todo);
	return NULL;
}

enum status_code
rpc_channel_start(struct rpc_channel *channel, struct error *error)
{
	if (pthread_create(&channel->thread, NULL, rpc_channel_run, channel) != 0) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start the thread of a channel");
	}
	return STATUS_OK;
}

void
rpc_channel_stop(struct rpc_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->stopping = true;
	rpc_channel_kick(channel);
	pthread_mutex_unlock(&channel->lock);
	pthread_join(channel->thread, NULL);
}
