/* Lines of the log that standard error does not take: what is counted, and what is written after. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "common/telemetry/log.h"
#include "tests/redirect.h"

#define LINES    100
#define TEXT_MAX (1024 * 1024)

/* How lines are written: by whoever logs, or by the thread. */
struct way {
	void (*start)(void);
	void (*stop)(void);
};

static void
nothing(void)
{
}

static const struct way ways[] = {{nothing, nothing}, {log_start, log_stop}};

#define EACH_WAY(way) for (const struct way *way = ways; way < ways + 2; way++)

/* What has become of lines since *before. */
static struct log_stats
since(const struct log_stats *before)
{
	struct log_stats now;

	log_get_stats(&now);
	for (int level = 0; level <= LOG_TRACE; level++) {
		now.lines[level] -= before->lines[level];
	}
	now.dropped -= before->dropped;
	return now;
}

static void
write_lines(void)
{
	for (int i = 0; i < LINES; i++) {
		log_info("line", LOG_INT("number", i));
	}
}

/*
 * Each line of the file must be whole. Gives how many have message, and the sum
 * of the lines that are told to be dropped.
 */
static uint64_t
read_lines(FILE *file, const char *message, uint64_t *dropped)
{
	static const char said[] =
	    "\"message\":\"log lines were dropped: standard error could not be "
	    "written\",\"lines\":";
	uint64_t count = 0;
	char *line = NULL;
	size_t size = 0;

	*dropped = 0;
	rewind(file);
	while (getline(&line, &size, file) > 0) {
		char why[256];
		yajl_val json = yajl_tree_parse(line, why, sizeof(why));
		const char *note = strstr(line, said);

		if (json == NULL) {
			fail_msg("%s: %s", line, why);
		}
		yajl_tree_free(json);
		*dropped += note == NULL ? 0 : strtoull(note + sizeof(said) - 1, NULL, 10);
		count += strstr(line, message) != NULL;
	}
	free(line);
	return count;
}

/* Lines that go nowhere are dropped, which the first one that is written again says. */
static void
expect_all_dropped(int fd)
{
	EACH_WAY(way)
	{
		FILE *file = tmpfile();
		struct log_stats before;
		struct log_stats lost;
		struct log_stats all;
		uint64_t told;

		log_get_stats(&before);
		redirect_begin(fd);
		way->start();
		write_lines();
		way->stop();
		lost = since(&before);
		redirect_begin(fileno(file));
		way->start();
		log_warn("back again");
		way->stop();
		redirect_end();
		all = since(&before);
		assert_int_equal(lost.dropped, LINES);
		assert_int_equal(lost.lines[LOG_INFO], 0);
		assert_int_equal(all.dropped, LINES);
		assert_int_equal(all.lines[LOG_WARN], 1);
		assert_int_equal(read_lines(file, "back again", &told), 1);
		assert_int_equal(told, LINES);
		fclose(file);
	}
}

static void
lines_for_a_full_disk_are_dropped(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	expect_all_dropped(fd);
	close(fd);
}

static void
lines_for_a_pipe_without_its_other_end_are_dropped(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	expect_all_dropped(ends[1]);
	close(ends[1]);
}

/* Whoever logs waits for the first of them only: the alarm would end the test. */
static void
lines_for_a_full_pipe_that_does_not_block_are_dropped(void **state)
{
	static const char bytes[65536];
	struct log_stats before;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	while (write(ends[1], bytes, sizeof(bytes)) > 0) {
	}
	log_get_stats(&before);
	redirect_begin(ends[1]);
	alarm(15);
	write_lines();
	alarm(0);
	redirect_end();
	assert_int_equal(since(&before).dropped, LINES);
	assert_int_equal(since(&before).lines[LOG_INFO], 0);
	close(ends[0]);
	close(ends[1]);
	log_info("not for the next test");
}

/* Lets files of this process grow to so many bytes: a write over that is cut, the next one fails. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
a_line_that_was_cut_is_dropped_and_spoils_no_other(void **state)
{
	(void)state;
	EACH_WAY(way)
	{
		FILE *file = tmpfile();
		struct log_stats before;
		struct log_stats all;
		char *line = NULL;
		size_t size = 0;
		uint64_t told = 0;
		uint64_t whole = 0;
		uint64_t cut = 0;

		assert_true(fcntl(fileno(file), F_SETFL, O_APPEND) >= 0);
		log_get_stats(&before);
		limit_files(5000);
		redirect_begin(fileno(file));
		way->start();
		write_lines();
		way->stop();
		limit_files(RLIM_INFINITY);
		way->start();
		log_warn("back again");
		way->stop();
		redirect_end();
		all = since(&before);
		rewind(file);
		while (getline(&line, &size, file) > 0) {
			bool ended = strstr(line, "}\n") != NULL;

			whole += ended && strstr(line, "\"message\":\"line\"") != NULL;
			cut += !ended;
			told += strstr(line, "\"lines\":") != NULL
				    ? strtoull(strstr(line, "\"lines\":") + 8, NULL, 10)
				    : 0;
		}
		free(line);
		fclose(file);
		assert_int_equal(cut, 1);
		assert_in_range(whole, 1, LINES - 2);
		assert_int_equal(all.lines[LOG_INFO], whole);
		assert_int_equal(all.lines[LOG_WARN], 1);
		assert_int_equal(all.dropped, LINES - whole);
		assert_int_equal(told, LINES - whole);
	}
}

static void
the_thread_counts_lines_by_level(void **state)
{
	FILE *file = tmpfile();
	struct log_stats before;
	struct log_stats all;
	uint64_t told;

	(void)state;
	log_get_stats(&before);
	redirect_begin(fileno(file));
	log_start();
	log_info("one");
	log_warn("two");
	log_write(LOG_PANIC, "\"level\":\"debug\"", NULL, 0);
	log_warn("three");
	log_stop();
	redirect_end();
	all = since(&before);
	assert_int_equal(all.lines[LOG_INFO], 1);
	assert_int_equal(all.lines[LOG_WARN], 2);
	assert_int_equal(all.lines[LOG_PANIC], 1);
	assert_int_equal(all.lines[LOG_DEBUG], 0);
	assert_int_equal(all.dropped, 0);
	assert_int_equal(read_lines(file, "two", &told), 1);
	assert_int_equal(told, 0);
	fclose(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_for_a_full_disk_are_dropped),
	    cmocka_unit_test(lines_for_a_pipe_without_its_other_end_are_dropped),
	    cmocka_unit_test(lines_for_a_full_pipe_that_does_not_block_are_dropped),
	    cmocka_unit_test(a_line_that_was_cut_is_dropped_and_spoils_no_other),
	    cmocka_unit_test(the_thread_counts_lines_by_level),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	log_open("logtest", LOG_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
