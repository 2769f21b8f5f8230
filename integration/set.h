/* What services offer, made for tests out of files of the build. The caller frees bytes. */
#ifndef INTEGRATION_SET_H
#define INTEGRATION_SET_H

#include <stddef.h>
#include <stdint.h>

/* A packed FileDescriptorSet. */
struct set {
	uint8_t *bytes;
	size_t len;
};

/* The set of a file; fails the test when it can't be read. */
struct set set_read(const char *path);

/* The files of both. */
struct set set_join(const struct set *one, const struct set *other);

/* The set without the method that its last service has last. */
struct set set_drop_last_method(const struct set *set);

#endif
