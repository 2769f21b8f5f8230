#include "common/rpc/client/rpc_sync.h"

#include <pthread.h>

struct rpc_sync {
	pthread_mutex_t lock; /* guards reply */
	pthread_cond_t ended;
	struct rpc_reply *reply;
};

static void
rpc_sync_done(struct rpc_reply *reply, void *closure)
{
	struct rpc_sync *sync = closure;

	pthread_mutex_lock(&sync->lock);
	sync->reply = reply;
	pthread_cond_signal(&sync->ended);
	pthread_mutex_unlock(&sync->lock);
}

struct rpc_reply *
rpc_sync_call(struct rpc_channel *channel, const struct rpc_request *request)
{
	struct rpc_sync sync = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};

	if (rpc_channel_call(channel, request, rpc_sync_done, &sync) == NULL) {
		return NULL;
	}
	pthread_mutex_lock(&sync.lock);
	while (sync.reply == NULL) {
		pthread_cond_wait(&sync.ended, &sync.lock);
	}
	pthread_mutex_unlock(&sync.lock);
	pthread_cond_destroy(&sync.ended);
	pthread_mutex_destroy(&sync.lock);
	return sync.reply;
}
