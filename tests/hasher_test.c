#include "services/accountd/hasher.h"

#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/telemetry/metric.h"

#define ITEMS_MAX 200

/* A task, and how far it is. */
struct work {
	struct hasher_task task;
	size_t wanted;
	bool refuse; /* begin is to say that there is nothing to be done */
	bool hold;   /* begin is to wait until this is cleared */
	bool begun;
	unsigned ends;
	unsigned order; /* of all that ended, this was the how manieth */
	struct error error;
	struct hasher_item items[ITEMS_MAX];
	char passwords[ITEMS_MAX][32];
	char hashes[ITEMS_MAX][PASSWORD_HASH_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the works, but for items */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned ended;

static bool
work_begin(struct hasher_task *task)
{
	struct work *work = (struct work *)task;

	for (size_t i = 0; i < work->wanted; i++) {
		snprintf(work->passwords[i], sizeof(work->passwords[i]), "secret %zu", i);
		work->items[i] = (struct hasher_item){work->passwords[i], work->hashes[i]};
	}
	task->items = work->items;
	task->count = work->wanted;
	pthread_mutex_lock(&lock);
	work->begun = true;
	pthread_cond_broadcast(&changed);
	while (work->hold) {
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
	return !work->refuse;
}

static void
work_end(struct hasher_task *task, const struct error *error)
{
	struct work *work = (struct work *)task;

	pthread_mutex_lock(&lock);
	work->ends++;
	work->order = ++ended;
	if (error != NULL) {
		work->error = *error;
	}
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void
work_init(struct work *work, size_t count)
{
	memset(work, 0, sizeof(*work));
	work->wanted = count;
	work->task.deadline_ns = CLOCK_NEVER_NS;
	work->task.begin = work_begin;
	work->task.end = work_end;
}

static void
work_wait(const bool *flag)
{
	pthread_mutex_lock(&lock);
	while (!*flag) {
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
}

static void
work_wait_ended(struct work *work, enum status_code code)
{
	pthread_mutex_lock(&lock);
	while (work->ends == 0) {
		pthread_cond_wait(&changed, &lock);
	}
	assert_int_equal(work->error.code, code);
	pthread_mutex_unlock(&lock);
}

static void
work_release(struct work *work)
{
	pthread_mutex_lock(&lock);
	work->hold = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static struct hasher *
hasher(unsigned threads, size_t queue_max)
{
	const struct hasher_options options = {
	    .threads = threads, .queue_max = queue_max, .cost = {8, 1}};
	struct hasher *started;
	struct error error;

	if (hasher_start(&started, &options, &error) != STATUS_OK) {
		fail_msg("%s", error.message);
	}
	ended = 0;
	return started;
}

static void
work_submit(struct hasher *to, struct work *work)
{
	struct error error;

	assert_int_equal(hasher_submit(to, &work->task, &error), STATUS_OK);
}

/* Each password is hashed, to its own place, and overwritten. */
static void
work_check_hashed(const struct work *work)
{
	const char zeros[sizeof(work->passwords[0])] = {0};
	char password[32];

	for (size_t i = 0; i < work->wanted; i++) {
		snprintf(password, sizeof(password), "secret %zu", i);
		assert_int_equal(
		    crypto_pwhash_str_verify(work->hashes[i], password, strlen(password)), 0);
		assert_memory_equal(work->passwords[i], zeros, sizeof(zeros));
	}
}

static void
all_passwords_are_hashed_to_their_places_and_wiped(void **state)
{
	struct hasher *four = hasher(4, 10);
	static struct work work;

	(void)state;
	work_init(&work, ITEMS_MAX);
	work_submit(four, &work);
	work_wait_ended(&work, STATUS_OK);
	work_check_hashed(&work);
	hasher_stop(&four);
	assert_null(four);
	assert_int_equal(work.ends, 1);
}

static void
a_task_without_passwords_ends_well(void **state)
{
	struct hasher *one = hasher(1, 10);
	static struct work work;

	(void)state;
	work_init(&work, 0);
	work_submit(one, &work);
	work_wait_ended(&work, STATUS_OK);
	hasher_stop(&one);
}

static void
a_task_that_refuses_to_begin_is_gone(void **state)
{
	struct hasher *one = hasher(1, 1);
	static struct work refused;
	static struct work next;

	(void)state;
	work_init(&refused, 3);
	refused.refuse = true;
	work_submit(one, &refused);
	work_wait(&refused.begun);
	hasher_stop(&one);
	assert_int_equal(refused.ends, 0);
	assert_string_equal(refused.passwords[0], "secret 0");

	one = hasher(1, 1);
	work_init(&next, 1);
	work_submit(one, &next);
	work_wait_ended(&next, STATUS_OK);
	hasher_stop(&one);
}

static void
a_single_one_overtakes_a_bulk_that_came_before(void **state)
{
	struct hasher *one = hasher(1, 10);
	static struct work bulk;
	static struct work single;

	(void)state;
	work_init(&bulk, ITEMS_MAX);
	bulk.hold = true;
	work_submit(one, &bulk);
	work_wait(&bulk.begun);
	work_init(&single, 1);
	work_submit(one, &single);
	work_release(&bulk);
	work_wait_ended(&single, STATUS_OK);
	work_wait_ended(&bulk, STATUS_OK);
	assert_int_equal(single.order, 1);
	assert_int_equal(bulk.order, 2);
	work_check_hashed(&bulk);
	hasher_stop(&one);
}

static void
a_full_queue_refuses_and_says_when_to_retry(void **state)
{
	struct hasher *one = hasher(1, 2);
	static struct work held;
	static struct work waits;
	static struct work refused;
	struct error error;

	(void)state;
	work_init(&held, 1);
	held.hold = true;
	work_submit(one, &held);
	work_wait(&held.begun);
	work_init(&waits, 1);
	work_submit(one, &waits);
	work_init(&refused, 1);
	assert_int_equal(hasher_submit(one, &refused.task, &error), STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(error.reason, "QUEUE_FULL");
	assert_true(error.retry_after_ms >= 1000);
	work_release(&held);
	work_wait_ended(&held, STATUS_OK);
	work_wait_ended(&waits, STATUS_OK);
	hasher_stop(&one);
	assert_int_equal(refused.ends, 0);
}

static void
a_task_whose_turn_would_come_too_late_is_refused_at_once(void **state)
{
	struct hasher *one = hasher(1, 10);
	static struct work works[2];
	static struct work late;
	struct error error;

	(void)state;
	work_init(&works[0], ITEMS_MAX); /* tells how long a hash takes */
	work_submit(one, &works[0]);
	work_wait_ended(&works[0], STATUS_OK);
	work_init(&works[0], 1);
	works[0].hold = true;
	work_submit(one, &works[0]);
	work_wait(&works[0].begun);

	work_init(&late, 1);
	late.task.deadline_ns = clock_now_ns();
	assert_int_equal(hasher_submit(one, &late.task, &error), STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(error.reason, "QUEUE_FULL");
	assert_true(error.retry_after_ms >= 1000);
	work_init(&works[1], 1);
	work_submit(one, &works[1]);
	work_release(&works[0]);
	work_wait_ended(&works[1], STATUS_OK);
	hasher_stop(&one);
	assert_int_equal(late.ends, 0);
}

static void
a_task_past_its_deadline_is_not_begun(void **state)
{
	struct hasher *one = hasher(1, 10);
	static struct work work;

	(void)state;
	work_init(&work, 1);
	work.task.deadline_ns = clock_now_ns() - 1;
	work_submit(one, &work);
	work_wait_ended(&work, STATUS_DEADLINE_EXCEEDED);
	assert_string_equal(work.error.reason, "EXPIRED_IN_QUEUE");
	assert_false(work.begun);
	hasher_stop(&one);
}

static void
a_deadline_that_passes_on_the_way_ends_the_task_once(void **state)
{
	struct hasher *four = hasher(4, 10);
	static struct work work;

	(void)state;
	work_init(&work, ITEMS_MAX);
	work.hold = true;
	work.task.deadline_ns = clock_now_ns() + 20 * CLOCK_NS_PER_MS;
	work_submit(four, &work);
	work_wait(&work.begun);
	while (clock_now_ns() <= work.task.deadline_ns) {
		sched_yield();
	}
	work_release(&work);
	work_wait_ended(&work, STATUS_DEADLINE_EXCEEDED);
	hasher_stop(&four);
	assert_int_equal(work.ends, 1);
}

static void
a_password_without_memory_to_hash_it_fails_its_task(void **state)
{
	const struct hasher_options options = {
	    .threads = 2, .queue_max = 10, .cost = {SIZE_MAX / 1024, 1}};
	static struct work work;
	struct hasher *two;
	struct error error;

	(void)state;
	assert_int_equal(hasher_start(&two, &options, &error), STATUS_OK);
	work_init(&work, 10);
	work_submit(two, &work);
	work_wait_ended(&work, STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(work.error.reason, "OUT_OF_MEMORY");
	hasher_stop(&two);
	assert_int_equal(work.ends, 1);
}

static void
each_password_and_the_wait_of_each_task_is_measured(void **state)
{
	static const struct metric_row rows[] = {{"hash_seconds", METRIC_HISTOGRAM, "", {NULL},
						     METRIC_NANOSECONDS, metric_duration_bounds},
	    {"wait_seconds", METRIC_HISTOGRAM, "", {NULL}, METRIC_NANOSECONDS,
		metric_duration_bounds}};
	struct metrics *metrics = metrics_new();
	struct metric_set *set = metrics_add(metrics, rows, 2);
	const struct hasher_options options = {.threads = 2,
	    .queue_max = 10,
	    .cost = {8, 1},
	    .hash_ns = metric_series(set, 0, NULL),
	    .wait_ns = metric_series(set, 1, NULL)};
	static struct work works[3];
	struct hasher *two;
	struct error error;

	(void)state;
	assert_int_equal(hasher_start(&two, &options, &error), STATUS_OK);
	for (size_t i = 0; i < 3; i++) {
		work_init(&works[i], 7);
		work_submit(two, &works[i]);
	}
	for (size_t i = 0; i < 3; i++) {
		work_wait_ended(&works[i], STATUS_OK);
	}
	while (hasher_queued(two) > 0) {
		sched_yield();
	}
	hasher_stop(&two);
	assert_int_equal(metric_read(options.hash_ns), 21);
	assert_int_equal(metric_read(options.wait_ns), 3);
	metrics_free(&metrics);
}

static void
stop_ends_what_is_queued(void **state)
{
	struct hasher *one = hasher(1, 10);
	static struct work works[5];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		work_init(&works[i], 20);
		work_submit(one, &works[i]);
	}
	hasher_stop(&one);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(works[i].ends, 1);
		assert_int_equal(works[i].error.code, STATUS_OK);
		work_check_hashed(&works[i]);
	}
}

static int
setup(void **state)
{
	(void)state;
	return sodium_init() < 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_passwords_are_hashed_to_their_places_and_wiped),
	    cmocka_unit_test(a_task_without_passwords_ends_well),
	    cmocka_unit_test(a_task_that_refuses_to_begin_is_gone),
	    cmocka_unit_test(a_single_one_overtakes_a_bulk_that_came_before),
	    cmocka_unit_test(a_full_queue_refuses_and_says_when_to_retry),
	    cmocka_unit_test(a_task_whose_turn_would_come_too_late_is_refused_at_once),
	    cmocka_unit_test(a_task_past_its_deadline_is_not_begun),
	    cmocka_unit_test(a_deadline_that_passes_on_the_way_ends_the_task_once),
	    cmocka_unit_test(a_password_without_memory_to_hash_it_fails_its_task),
	    cmocka_unit_test(each_password_and_the_wait_of_each_task_is_measured),
	    cmocka_unit_test(stop_ends_what_is_queued),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
