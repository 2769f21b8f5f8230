/*
 * Golden files: what a test puts out, kept in tests/golden. With GOLDEN_UPDATE=1
 * in the environment they are written instead of compared; look at the diff.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stddef.h>

/* Fails the test unless text and a line end are what tests/golden/name has. */
void golden_check(const char *name, const char *text, size_t len);

#endif
