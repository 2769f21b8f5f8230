/* The log while a thread of its own writes it, between log_start and log_stop. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/telemetry/log.h"
#include "tests/redirect.h"

enum {
	THREADS = 8,
	LINES = 300
};

/* A pipe that is full, whose writer would wait. */
static void
fill_pipe(int ends[2])
{
	static const char text[65536];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	while (write(ends[1], text, sizeof(text)) > 0) {
	}
	assert_true(fcntl(ends[1], F_SETFL, 0) >= 0);
	assert_true(fcntl(ends[0], F_SETFL, 0) >= 0);
}

static void *
write_lines(void *closure)
{
	for (int i = 0; i < LINES; i++) {
		log_info("line", LOG_INT("thread", (intptr_t)closure), LOG_INT("number", i));
	}
	return NULL;
}

/* Looks at a line of write_lines; next is the number that its thread comes to next. */
static void
check_line(const char *line, int *next)
{
	const char *end = strstr(line, "\"message\":\"line\"");
	int number;
	int thread;

	assert_non_null(end);
	assert_int_equal(*line, '{');
	assert_int_equal(
	    sscanf(end, "\"message\":\"line\",\"thread\":%d,\"number\":%d}", &thread, &number), 2);
	assert_in_range(thread, 0, THREADS - 1);
	assert_int_equal(number, next[thread]++);
}

static void
all_lines_are_written_in_the_order_of_their_threads(void **state)
{
	pthread_t threads[THREADS];
	FILE *file = tmpfile();
	int next[THREADS] = {0};
	char *line = NULL;
	size_t size = 0;

	(void)state;
	assert_non_null(file);
	redirect_begin(fileno(file));
	log_start();
	for (intptr_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	log_stop();
	redirect_end();
	rewind(file);
	for (int i = 0; i < THREADS * LINES; i++) {
		assert_true(getline(&line, &size, file) > 0);
		check_line(line, next);
	}
	assert_int_equal(getline(&line, &size, file), -1);
	free(line);
	fclose(file);
}

static void
a_line_larger_than_a_write_arrives_whole(void **state)
{
	static char large[10001];
	FILE *file = tmpfile();
	char *line = NULL;
	size_t size = 0;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	redirect_begin(fileno(file));
	log_start();
	log_info("before");
	log_info("large", LOG_STR("text", large));
	log_info("after");
	log_stop();
	log_info("without the thread");
	redirect_end();
	rewind(file);
	assert_true(getline(&line, &size, file) > 0);
	assert_true(getline(&line, &size, file) > 0);
	assert_non_null(strstr(line, large));
	assert_true(getline(&line, &size, file) > 0);
	assert_non_null(strstr(line, "after"));
	assert_true(getline(&line, &size, file) > 0);
	assert_non_null(strstr(line, "without the thread"));
	free(line);
	fclose(file);
}

/* Reads to the end of the pipe; says once when it has come to the last line. */
struct reader {
	FILE *file;
	sem_t last_seen;
	long long dropped; /* as the log says */
};

static void *
read_lines(void *closure)
{
	static const char said[] = "standard error could not be written\",\"lines\":";
	struct reader *reader = closure;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, reader->file)) > 0) {
		const char *found = memmem(line, (size_t)len, said, sizeof(said) - 1);

		if (found != NULL) {
			reader->dropped += strtoll(found + sizeof(said) - 1, NULL, 10);
		}
		if (memmem(line, (size_t)len, "the last", 8) != NULL) {
			sem_post(&reader->last_seen);
		}
	}
	free(line);
	return NULL;
}

static bool
dropped_since(const struct log_stats *then)
{
	struct log_stats now;

	log_get_stats(&now);
	return now.dropped > then->dropped;
}

/*
 * Nothing is read at first: the alarm would end the test if somebody waited.
 * There are more lines than wait and are being written at most. What fails
 * meanwhile could not be told.
 */
static void
with_the_thread_nobody_waits_for_the_reader(void **state)
{
	enum {
		MANY = 50000
	};
	struct reader reader = {0};
	struct log_stats before;
	struct log_stats after;
	struct log_stats last;
	uint64_t lasts = 0;
	pthread_t thread;
	int ends[2];

	(void)state;
	fill_pipe(ends);
	log_get_stats(&before);
	redirect_begin(ends[1]);
	alarm(60);
	log_start();
	for (int i = 0; i < MANY; i++) {
		log_info("line");
	}
	reader.file = fdopen(ends[0], "r");
	sem_init(&reader.last_seen, 0, 0);
	pthread_create(&thread, NULL, read_lines, &reader);
	do {
		log_get_stats(&last);
		log_warn("the last");
		lasts++;
	} while (dropped_since(&last));
	log_get_stats(&last);
	sem_wait(&reader.last_seen);
	log_stop();
	alarm(0);
	redirect_end();
	close(ends[1]);
	pthread_join(thread, NULL);
	fclose(reader.file);
	log_get_stats(&after);
	assert_true(after.dropped > before.dropped);
	assert_int_equal(after.lines[LOG_INFO] - before.lines[LOG_INFO] + after.lines[LOG_WARN] -
			     before.lines[LOG_WARN] + after.dropped - before.dropped,
	    MANY + lasts);
	assert_int_equal(reader.dropped, last.dropped - before.dropped);
}

static void
a_reader_that_never_reads_does_not_keep_the_program_from_stopping(void **state)
{
	int ends[2];

	(void)state;
	fill_pipe(ends);
	redirect_begin(ends[1]);
	alarm(30);
	log_start();
	log_info("never read");
	log_stop();
	alarm(0);
	redirect_end();
	close(ends[1]);
	close(ends[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_lines_are_written_in_the_order_of_their_threads),
	    cmocka_unit_test(a_line_larger_than_a_write_arrives_whole),
	    cmocka_unit_test(with_the_thread_nobody_waits_for_the_reader),
	    cmocka_unit_test(a_reader_that_never_reads_does_not_keep_the_program_from_stopping),
	};

	signal(SIGPIPE, SIG_IGN);
	log_open("logtest", LOG_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
