#include "tests/redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

/* As it was; -1: nothing is in its place. */
static int redirect_saved = -1;

void
redirect_begin(int fd)
{
	redirect_saved = redirect_saved >= 0 ? redirect_saved : dup(STDERR_FILENO);
	assert_true(redirect_saved >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

void
redirect_end(void)
{
	if (redirect_saved < 0) {
		return;
	}
	assert_true(dup2(redirect_saved, STDERR_FILENO) >= 0);
	close(redirect_saved);
	redirect_saved = -1;
}
