#include <stdlib.h>

#include "common/rpc/server/rpc_server_internal.h"

_Thread_local bool rpc_session_is_starting;

void
rpc_session_release(struct rpc_session **session)
{
	struct rpc_session *released = *session;

	*session = NULL;
	if (atomic_fetch_sub_explicit(&released->users, 1, memory_order_acq_rel) == 1) {
		rpc_conn_release(&released->conn);
		pthread_mutex_destroy(&released->lock);
		free(released);
	}
}

void
rpc_session_add(struct rpc_session *session, struct rpc_message *message)
{
	atomic_fetch_add_explicit(&session->users, 1, memory_order_relaxed);
	pthread_mutex_lock(&session->lock);
	TAILQ_INSERT_TAIL(&session->messages, message, link);
	pthread_mutex_unlock(&session->lock);
}

void
rpc_session_remove(struct rpc_session *session, struct rpc_message *message)
{
	pthread_mutex_lock(&session->lock);
	TAILQ_REMOVE(&session->messages, message, link);
	pthread_mutex_unlock(&session->lock);
}

static void
rpc_session_opened(struct rpc_conn *conn, void *closure)
{
	struct rpc_session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		rpc_conn_close(conn, RPC_CAUSE_NO_MEMORY);
		return;
	}
	session->server = closure;
	session->conn = rpc_conn_acquire(conn);
	atomic_init(&session->users, 1);
	pthread_mutex_init(&session->lock, NULL);
	TAILQ_INIT(&session->messages);
	rpc_conn_set_user(conn, session);
}

/* All that one read has brought is started before it is worked on, and what is replied leaves together. */
static void
rpc_session_received(struct rpc_conn *conn, struct rpc_frame *frames, size_t count, void *closure)
{
	const struct rpc_server *server = closure;
	struct rpc_session *session = rpc_conn_user(conn);
	bool begun = false;

	rpc_conn_cork();
	rpc_session_is_starting = server->options.started != NULL;
	for (size_t i = 0; i < count; i++) {
		struct rpc_message *message = rpc_message_receive(session, &frames[i]);

		if (message != NULL) {
			rpc_message_start(message);
			begun = true;
		}
	}
	rpc_session_is_starting = false;
	if (begun && server->options.started != NULL) {
		server->options.started(server->options.closure);
	}
	rpc_conn_uncork();
}

static void
rpc_session_closed(struct rpc_conn *conn, const struct rpc_end *end, void *closure)
{
	struct rpc_session *session = rpc_conn_user(conn);
	struct rpc_message *message;

	(void)end, (void)closure;
	if (session == NULL) {
		return;
	}
	pthread_mutex_lock(&session->lock);
	TAILQ_FOREACH(message, &session->messages, link)
	{
		rpc_message_cancel(message, (struct rpc_span){NULL, 0});
	}
	pthread_mutex_unlock(&session->lock);
	rpc_session_release(&session);
}

static void
rpc_session_faulted(const char *peer, enum rpc_cause cause, const char *text, void *closure)
{
	const struct rpc_server_options *options = &((struct rpc_server *)closure)->options;

	if (options->observe_fault != NULL) {
		options->observe_fault(peer, cause, text, options->observe_closure);
	}
}

const struct rpc_net_events rpc_session_events = {
    .opened = rpc_session_opened,
    .received = rpc_session_received,
    .closed = rpc_session_closed,
    .faulted = rpc_session_faulted,
};
