/*
 * Threads that hash passwords, with a bounded queue of tasks. Tasks take turns,
 * one password at a time, and all threads can work on each task. A task with
 * thousands of passwords uses every thread when it is alone, and delays a later
 * task by no more than a hash or two.
 *
 * The threads have a lower priority than those of the store, so that reads go
 * first.
 */
#ifndef ACCOUNTD_HASHER_H
#define ACCOUNTD_HASHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "services/accountd/password.h"

struct hasher;
struct metric_series;

struct hasher_item {
	char *password; /* overwritten as soon as it is hashed */
	char *hash;     /* room for PASSWORD_HASH_BYTES */
};

/*
 * Work for a hasher; embedded in the object that it is for. begin and end are
 * called in threads of the hasher, one after the other. Neither is called with
 * the hasher's lock held, and either may free the task.
 *
 *	WAITING -> begun -> its items are hashed by any number of threads -> ended
 *	   `------- past its deadline ---------------------------------------^
 */
struct hasher_task {
	int64_t deadline_ns; /* checked before each password */

	/* Sets items and count. False: nothing to do; the hasher does not use the task afterwards. */
	bool (*begin)(struct hasher_task *task);

	/* All items are hashed, or error is not NULL and says why not. The hasher does not use the task afterwards. */
	void (*end)(struct hasher_task *task, const struct error *error);

	struct hasher_item *items; /* borrowed until end */
	size_t count;

	/* The members below belong to the hasher; its lock protects them. */
	struct hasher_task *next;
	int64_t submitted_ns;
	enum status_code status; /* OK until a password could not be hashed */
	bool begun;
	bool queued;
	size_t claimed;   /* items that a thread has taken */
	unsigned working; /* threads that hash one now */
};

struct hasher_options {
	unsigned threads;
	size_t queue_max; /* maximum number of tasks that have not ended; one more is refused */
	struct password_cost cost;

	/*
	 * Time to hash each password, and time that each task waited before its
	 * first. May be NULL.
	 */
	struct metric_series *hash_ns;
	struct metric_series *wait_ns;
};

/* Starts the threads, with all signals blocked. */
enum status_code hasher_start(
    struct hasher **hasher, const struct hasher_options *options, struct error *error);

/*
 * Queues the task and takes it. When the queue is full, or so long that the
 * deadline would pass, gives RESOURCE_EXHAUSTED with a retry_after_ms instead.
 * Only the first four members are to be set. Any thread; never blocks.
 */
enum status_code hasher_submit(
    struct hasher *hasher, struct hasher_task *task, struct error *error);

/* The number of tasks that have not ended. Any thread. */
size_t hasher_queued(struct hasher *hasher);

/*
 * Completes the tasks that it has, joins the threads and clears *hasher.
 * Nothing may be submitted any more. NULL is fine.
 */
void hasher_stop(struct hasher **hasher);

#endif
