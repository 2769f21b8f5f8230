/* Descriptor sets of the build, for tests that are run from the root. */
#ifndef TESTS_SCHEMA_FILE_H
#define TESTS_SCHEMA_FILE_H

#include "common/schema/schema.h"

#define SCHEMA_FILE_MOCKVIDEO "build/gen/mockvideo.pb"
#define SCHEMA_FILE_TOY       "build/gen/toy.pb"
#define SCHEMA_FILE_SHELF     "build/gen/shelf.pb"

/* The bytes of a file; aborts when it can't be read. The caller frees them. */
uint8_t *schema_file_read(const char *path, size_t *len);

/* The schema of a file; aborts when there is none. */
struct schema *schema_file_load(const char *path);

#endif
