#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/rpc/client/rpc_channel_internal.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/rpc/wire/rpc_envelope.h"

#define RPC_ATTEMPTS_MAX    8
#define RPC_ATTEMPT_MIN_MS  200
#define RPC_BACK_OFF_MS     10
#define RPC_BACK_OFF_MAX_MS 500

/* What a call adds to the budget of retries, and a retry takes 1. */
#define RPC_BUDGET_PER_CALL 0.1

void
rpc_pending_start(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_channel *channel = pending->channel;

	pending->attempts = 0;
	pending->was_sent = false;
	pending->not_before_ns = 0;
	if (!pending->probe) {
		channel->in_flight++;
		channel->budget += RPC_BUDGET_PER_CALL;
	}
	if (channel->budget > (double)channel->options.in_flight_max) {
		channel->budget = (double)channel->options.in_flight_max;
	}
	rpc_pending_place(pending, todo);
}

static bool
rpc_pending_retryable(const struct rpc_pending *pending)
{
	return (pending->flags & (RPC_NO_SIDE_EFFECTS | RPC_IDEMPOTENT)) != 0;
}

/*
 * Whether another attempt may be made while the one that was sent may still
 * be executed, perhaps long after, when what came later has been changed
 * already: a stopped peer goes on with all that it has received.
 */
static bool
rpc_pending_harmless(const struct rpc_pending *pending)
{
	return (pending->flags & RPC_NO_SIDE_EFFECTS) != 0;
}

static void
rpc_pending_set_timer(struct rpc_pending *pending, int64_t at_ns)
{
	rpc_channel_set_timer(pending->channel, &pending->timer,
	    at_ns < pending->deadline_ns ? at_ns : pending->deadline_ns);
}

/* When an attempt that begins now is given up for another one. */
static int64_t
rpc_pending_attempt_end_ns(const struct rpc_pending *pending, int64_t now_ns)
{
	const struct rpc_channel *channel = pending->channel;
	int64_t attempt_ns = (int64_t)channel->options.attempt_timeout_ms * CLOCK_NS_PER_MS;

	if (!rpc_pending_harmless(pending) || channel->endpoint_count < 2 ||
	    pending->attempts >= RPC_ATTEMPTS_MAX) {
		return CLOCK_NEVER_NS;
	}
	if (attempt_ns == 0) {
		attempt_ns = (pending->deadline_ns - now_ns) / 3;
		if (attempt_ns < RPC_ATTEMPT_MIN_MS * CLOCK_NS_PER_MS) {
			attempt_ns = RPC_ATTEMPT_MIN_MS * CLOCK_NS_PER_MS;
		}
	}
	return now_ns + attempt_ns;
}

static void
rpc_pending_wait(struct rpc_pending *pending, int64_t at_ns)
{
	pending->state = RPC_PENDING_WAITING;
	TAILQ_INSERT_TAIL(&pending->channel->waiting, pending, link);
	rpc_pending_set_timer(pending, at_ns);
}

/* Certificates that are refused look like a service that is not there. */
static void
rpc_pending_fail_nowhere(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_tls *tls = pending->channel->options.tls;
	char fault[RPC_TLS_FAULT_MAX] = "";

	if (tls != NULL) {
		rpc_tls_fault(tls, fault);
	}
	rpc_pending_set_error(
	    pending, STATUS_UNAVAILABLE, "NO_ENDPOINT", "the service can't be reached");
	if (fault[0] != '\0') {
		error_detail(&pending->reply.error, "TLS: %s", fault);
	}
	rpc_pending_end(pending, todo);
}

static void
rpc_pending_place_nowhere(struct rpc_pending *pending, struct rpc_todo *todo)
{
	const struct rpc_channel *channel = pending->channel;
	bool patient = (pending->flags & RPC_WAIT_FOR_READY) != 0 ||
		       (pending->attempts > 0 && rpc_pending_retryable(pending));

	if (patient) {
		rpc_pending_wait(pending, CLOCK_NEVER_NS);
	} else if (todo->now_ns < channel->settled_ns) {
		rpc_pending_wait(pending, channel->settled_ns);
	} else if (pending->attempts > 0) {
		/* Had it been sent, it would not be here again, or be patient. */
		rpc_pending_fail(pending, todo, STATUS_UNAVAILABLE, "NOT_SENT",
		    "the connection was lost before the call was sent, and there is no other");
	} else {
		rpc_pending_fail_nowhere(pending, todo);
	}
}

void
rpc_pending_place(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint =
	    pending->probe ? pending->endpoint
			   : rpc_rotation_pick(pending->channel, pending->endpoint);

	if (endpoint == NULL) {
		rpc_pending_place_nowhere(pending, todo);
		return;
	}
	rpc_pending_set_timer(pending, rpc_pending_attempt_end_ns(pending, todo->now_ns));
	rpc_endpoint_give(endpoint, pending, todo);
}

void
rpc_pending_detach(struct rpc_pending *pending)
{
	struct rpc_endpoint *endpoint = pending->endpoint;
	struct rpc_group *group;

	switch (pending->state) {
	case RPC_PENDING_WAITING: TAILQ_REMOVE(&pending->channel->waiting, pending, link); break;
	case RPC_PENDING_QUEUED:
		group = rpc_endpoint_group(endpoint, pending);
		TAILQ_REMOVE(&group->queue, pending, link);
		group->queued--;
		endpoint->load--;
		break;
	case RPC_PENDING_SENT:
		pending->exchange->calls[pending->slot] = NULL;
		pending->exchange->live--;
		pending->exchange = NULL;
		endpoint->load--;
		break;
	case RPC_PENDING_CORKED: TAILQ_REMOVE(pending->cork, pending, link); break;
	case RPC_PENDING_SPARE:
	case RPC_PENDING_ENDED: break;
	}
}

void
rpc_pending_abandon(struct rpc_pending *pending, bool tell, struct rpc_todo *todo)
{
	struct rpc_exchange *exchange =
	    pending->state == RPC_PENDING_SENT ? pending->exchange : NULL;

	rpc_pending_detach(pending);
	if (exchange != NULL) {
		rpc_exchange_abandon(exchange, pending->slot, tell, todo);
	}
}

void
rpc_pending_end(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_channel *channel = pending->channel;

	rpc_timer_clear(&channel->timers, &pending->timer);
	pending->state = RPC_PENDING_ENDED;
	pending->endpoint = NULL;
	if (!pending->probe) {
		channel->in_flight--;
		channel->stats.calls[pending->reply.error.code]++;
	}
	TAILQ_INSERT_TAIL(&todo->done, pending, link);
}

void
rpc_pending_fail(struct rpc_pending *pending, struct rpc_todo *todo, enum status_code code,
    const char *reason, const char *message)
{
	rpc_pending_set_error(pending, code, reason, message);
	rpc_pending_end(pending, todo);
}

/* Takes a retry from the budget. A call that was not sent costs nothing twice. */
static bool
rpc_pending_take_retry(struct rpc_pending *pending, bool sent)
{
	struct rpc_channel *channel = pending->channel;

	if (pending->attempts >= RPC_ATTEMPTS_MAX) {
		return false;
	}
	if (sent && channel->budget < 1) {
		channel->stats.retries_refused++;
		return false;
	}
	channel->budget -= sent ? 1 : 0;
	channel->stats.retries++;
	pending->attempts++;
	return true;
}

/* Between half and all of a time that doubles with each attempt. */
static int64_t
rpc_pending_back_off_ns(struct rpc_pending *pending)
{
	uint64_t most_ms = (uint64_t)RPC_BACK_OFF_MS << pending->attempts;
	uint64_t most_ns;

	if (most_ms > RPC_BACK_OFF_MAX_MS) {
		most_ms = RPC_BACK_OFF_MAX_MS;
	}
	most_ns = most_ms * CLOCK_NS_PER_MS;
	return (int64_t)(most_ns / 2 + rpc_channel_random(pending->channel, most_ns / 2));
}

/* What is not known of a call that was sent: whether it did something, or of a read nothing. */
static const char *
rpc_pending_sent_reason(const struct rpc_pending *pending)
{
	return rpc_pending_harmless(pending) ? "NOT_ANSWERED" : "OUTCOME_UNKNOWN";
}

void
rpc_pending_lost(struct rpc_pending *pending, struct rpc_todo *todo, bool sent)
{
	struct rpc_endpoint *last = pending->endpoint;

	pending->was_sent = pending->was_sent || sent;
	if (pending->probe || (sent && !rpc_pending_retryable(pending)) ||
	    pending->channel->closing || !rpc_pending_take_retry(pending, sent)) {
		rpc_pending_fail(pending, todo, STATUS_UNAVAILABLE,
		    pending->was_sent ? rpc_pending_sent_reason(pending) : "NOT_SENT",
		    !pending->was_sent ? "the service can't be reached"
		    : rpc_pending_harmless(pending)
			? "the connection was lost before the answer came"
			: "the connection was lost; the call may have "
			  "been executed");
		return;
	}
	if (pending->attempts == 1 && rpc_rotation_pick(pending->channel, last) != last) {
		rpc_pending_place(pending, todo);
		return;
	}
	pending->not_before_ns = todo->now_ns + rpc_pending_back_off_ns(pending);
	rpc_pending_wait(pending, pending->not_before_ns);
}

static void
rpc_pending_expire(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = pending->endpoint;
	bool sent = pending->state == RPC_PENDING_SENT;
	int64_t sent_ns = sent ? pending->exchange->sent_ns : 0;

	if (pending->state == RPC_PENDING_WAITING) {
		endpoint = NULL;
	}
	/* Nobody need tell the service, which knows the deadline itself. */
	rpc_pending_abandon(pending, false, todo);
	if (endpoint == NULL && (pending->flags & RPC_WAIT_FOR_READY) == 0) {
		rpc_pending_fail(pending, todo, STATUS_UNAVAILABLE,
		    pending->was_sent ? rpc_pending_sent_reason(pending) : "NO_ENDPOINT",
		    "the service can't be reached");
		return;
	}
	rpc_pending_fail(pending, todo, STATUS_DEADLINE_EXCEEDED,
	    sent || pending->was_sent ? rpc_pending_sent_reason(pending) : "NOT_SENT",
	    sent               ? "the deadline passed before the answer came"
	    : endpoint == NULL ? "the deadline passed while the service could not be reached"
			       : "the deadline passed before the call was sent");
	if (sent) {
		rpc_rotation_timeout(endpoint, sent_ns, todo);
	}
}

bool
rpc_pending_move(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = pending->endpoint;
	struct rpc_endpoint *other = rpc_rotation_pick(pending->channel, endpoint);
	bool sent = pending->state == RPC_PENDING_SENT;

	if (pending->probe || !rpc_pending_harmless(pending) || other == endpoint ||
	    other == NULL || !rpc_pending_take_retry(pending, sent)) {
		return false;
	}
	pending->was_sent = pending->was_sent || sent;
	rpc_pending_abandon(pending, true, todo);
	rpc_pending_place(pending, todo);
	return true;
}

/* The attempt takes long: makes another one where there is a better endpoint. */
static void
rpc_pending_try_elsewhere(struct rpc_pending *pending, struct rpc_todo *todo)
{
	struct rpc_endpoint *endpoint = pending->endpoint;
	bool sent = pending->state == RPC_PENDING_SENT;
	int64_t sent_ns = sent ? pending->exchange->sent_ns : 0;

	if (!rpc_pending_move(pending, todo)) {
		rpc_pending_set_timer(pending, pending->deadline_ns);
	} else if (sent) {
		rpc_rotation_timeout(endpoint, sent_ns, todo);
	}
}

void
rpc_pending_fire(struct rpc_timer *timer, void *todo)
{
	struct rpc_pending *pending =
	    (struct rpc_pending *)((char *)timer - offsetof(struct rpc_pending, timer));

	if (((struct rpc_todo *)todo)->now_ns >= pending->deadline_ns) {
		rpc_pending_expire(pending, todo);
	} else if (pending->state == RPC_PENDING_WAITING) {
		rpc_pending_detach(pending);
		rpc_pending_place(pending, todo);
	} else {
		rpc_pending_try_elsewhere(pending, todo);
	}
}
