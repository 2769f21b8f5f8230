/* Any bytes as a configuration file: taken or refused with a reason, without harm. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/status.h"
#include "common/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ROW_NUMBER,
	ROW_TEXT,
	ROW_SWITCH,
	ROW_SECRET,
	ROW_COUNT
};

static const struct conf_row rows[ROW_COUNT] = {
    [ROW_NUMBER] = {"number", CONF_INT, CONF_RELOADABLE, -5, 1000, "7", "ms", "A number.", NULL},
    [ROW_TEXT] = {"someText", CONF_TEXT, CONF_RELOADABLE, 0, 20, "x", NULL, "A text.", NULL},
    [ROW_SWITCH] = {"switch", CONF_BOOL, CONF_RELOADABLE, 0, 0, "off", NULL, "A switch.", NULL},
    [ROW_SECRET] = {"secret", CONF_SECRET, CONF_RELOADABLE, 0, 20, NULL, NULL, "A secret.", NULL},
};

static const struct conf_program program = {
    .name = "fuzz", .version = "0", .summary = "A fuzzer.", .rows = rows, .row_count = ROW_COUNT};

static void
conf_fuzz_changed(void *closure, unsigned row, const struct conf_row *what, bool applied)
{
	(void)closure;
	assert(row < ROW_COUNT && what == &rows[row] && applied);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[32];
	static char *argv[] = {"fuzz", "--config", path, NULL};
	static struct conf *conf;
	static int file;
	static const struct conf_reload_options options = {.changed = conf_fuzz_changed};
	struct error error = {0};
	const char *command;

	if (conf == NULL) {
		file = memfd_create("conf", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		assert(conf_load(&conf, &program, 3, argv, &command) == CONF_RUN);
	}
	assert(ftruncate(file, 0) == 0);
	assert(pwrite(file, data, size, 0) == (ssize_t)size);
	if (conf_reload(conf, &options, &error)) {
		assert(conf_int(conf, ROW_NUMBER) >= -5 && conf_int(conf, ROW_NUMBER) <= 1000);
	} else {
		assert(error.message[0] != '\0');
	}
	return 0;
}
