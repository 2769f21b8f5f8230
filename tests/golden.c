#include "tests/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN_BYTES_MAX (1 << 20)

static void
golden_write(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	if (file == NULL) {
		fail_msg("can't write %s", path);
		return;
	}
	fwrite(text, 1, len, file);
	fputc('\n', file);
	assert_int_equal(fclose(file), 0);
}

void
golden_check(const char *name, const char *text, size_t len)
{
	static char golden[GOLDEN_BYTES_MAX];
	char path[256];
	size_t golden_len;
	FILE *file;

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("GOLDEN_UPDATE") != NULL) {
		golden_write(path, text, len);
		return;
	}
	file = fopen(path, "r");
	if (file == NULL) {
		fail_msg("no %s: run from the root; GOLDEN_UPDATE=1 makes a new one", path);
		return;
	}
	golden_len = fread(golden, 1, sizeof(golden), file);
	fclose(file);
	if (golden_len != len + 1 || memcmp(golden, text, len) != 0) {
		fail_msg(
		    "%s has\n%.*sbut this is\n%.*s", path, (int)golden_len, golden, (int)len, text);
	}
}
