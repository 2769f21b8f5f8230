/* Descriptors are kept in a folder, each set whole or not at all. */
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "gateway/gw_cache.h"

#define ROUNDS   200
#define SET_SIZE 100000

static char root[PATH_MAX];
static char dir[PATH_MAX + 16];

static int
make_root(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/gw_cache_test.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/cache", root);
	return 0;
}

/* Removes the files of a folder and the folder, and gives how many there were. */
static unsigned
remove_folder(const char *path)
{
	DIR *folder = opendir(path);
	unsigned count = 0;

	while (folder != NULL) {
		const struct dirent *entry = readdir(folder);
		char file[PATH_MAX + 300];

		if (entry == NULL) {
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
			assert_int_equal(unlink(file), 0);
			count++;
		}
	}
	if (folder != NULL) {
		closedir(folder);
		assert_int_equal(rmdir(path), 0);
	}
	return count;
}

static int
remove_root(void **state)
{
	(void)state;
	remove_folder(dir);
	remove_folder(root);
	return 0;
}

static void
save(const char *name, const char *text)
{
	const char *problem = gw_cache_save(dir, name, (const uint8_t *)text, strlen(text));

	if (problem != NULL) {
		fail_msg("%s: %s", name, problem);
	}
}

static void
expect_kept(const char *name, const char *text)
{
	struct buf set = {0};

	assert_null(gw_cache_load(dir, name, &set));
	assert_int_equal(set.len, strlen(text));
	assert_memory_equal(set.data, text, set.len);
	buf_fini(&set);
}

static void
what_was_kept_last_is_there(void **state)
{
	struct buf set = {0};
	struct error error;

	(void)state;
	assert_true(gw_cache_check(dir, &error));
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(gw_cache_open(dir, &error), STATUS_OK);
	assert_int_equal(gw_cache_open(dir, &error), STATUS_OK);
	assert_non_null(gw_cache_load(dir, "toy.v1", &set));
	assert_int_equal(set.len, 0);
	save("toy.v1", "a first set");
	save("account.v1", "another");
	expect_kept("toy.v1", "a first set");
	save("toy.v1", "a second");
	expect_kept("toy.v1", "a second");
	expect_kept("account.v1", "another");
	assert_int_equal(remove_folder(dir), 2);
}

static void *
save_again_and_again(void *closure)
{
	static char sets[2][SET_SIZE];

	memset(sets[0], 'a', SET_SIZE);
	memset(sets[1], 'b', SET_SIZE);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_null(gw_cache_save(dir, "toy.v1", (uint8_t *)sets[i % 2], SET_SIZE));
	}
	atomic_store((atomic_bool *)closure, true);
	return NULL;
}

static void
a_reader_finds_one_set_or_the_other(void **state)
{
	atomic_bool done = false;
	struct error error;
	pthread_t thread;

	(void)state;
	assert_int_equal(gw_cache_open(dir, &error), STATUS_OK);
	save("toy.v1", "first");
	assert_int_equal(pthread_create(&thread, NULL, save_again_and_again, &done), 0);
	while (!atomic_load(&done)) {
		struct buf set = {0};

		assert_null(gw_cache_load(dir, "toy.v1", &set));
		assert_true(set.len == 5 || set.len == SET_SIZE);
		for (size_t i = 1; set.len == SET_SIZE && i < set.len; i++) {
			assert_int_equal(set.data[i], set.data[0]);
		}
		buf_fini(&set);
	}
	pthread_join(thread, NULL);
	assert_int_equal(remove_folder(dir), 1);
}

static void
what_is_no_folder_is_refused_by_its_name(void **state)
{
	static const char *const endings[] = {"/file", "/file/cache", "/no/cache"};
	struct error error;
	char path[PATH_MAX + 32];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", root);
	fclose(fopen(path, "w"));
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, endings[i]);
		assert_false(gw_cache_check(path, &error));
		assert_non_null(strstr(error.message, path));
		assert_int_equal(gw_cache_open(path, &error), STATUS_INVALID_ARGUMENT);
	}
}

static void
what_cannot_be_kept_says_why(void **state)
{
	(void)state;
	assert_string_equal(
	    gw_cache_save(dir, "toy.v1", (const uint8_t *)"a", 1), "No such file or directory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_kept_last_is_there),
	    cmocka_unit_test(a_reader_finds_one_set_or_the_other),
	    cmocka_unit_test(what_is_no_folder_is_refused_by_its_name),
	    cmocka_unit_test(what_cannot_be_kept_says_why),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
