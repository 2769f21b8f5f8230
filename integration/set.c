#include "integration/set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "google/protobuf/descriptor.pb-c.h"

struct set
set_read(const char *path)
{
	struct set set = {0};
	struct stat found;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &found), 0);
	set.bytes = malloc((size_t)found.st_size);
	assert_non_null(set.bytes);
	set.len = fread(set.bytes, 1, (size_t)found.st_size, file);
	fclose(file);
	return set;
}

struct set
set_join(const struct set *one, const struct set *other)
{
	struct set both = {malloc(one->len + other->len), one->len + other->len};

	assert_non_null(both.bytes);
	memcpy(both.bytes, one->bytes, one->len);
	memcpy(both.bytes + one->len, other->bytes, other->len);
	return both;
}

struct set
set_drop_last_method(const struct set *set)
{
	Google__Protobuf__FileDescriptorSet *files =
	    google__protobuf__file_descriptor_set__unpack(NULL, set->len, set->bytes);
	Google__Protobuf__FileDescriptorProto *file;
	Google__Protobuf__ServiceDescriptorProto *service;
	Google__Protobuf__MethodDescriptorProto *dropped;
	struct set fewer;

	assert_non_null(files);
	file = files->file[files->n_file - 1];
	service = file->service[file->n_service - 1];
	dropped = service->method[--service->n_method];
	google__protobuf__method_descriptor_proto__free_unpacked(dropped, NULL);
	fewer.len = google__protobuf__file_descriptor_set__get_packed_size(files);
	fewer.bytes = malloc(fewer.len);
	assert_non_null(fewer.bytes);
	google__protobuf__file_descriptor_set__pack(files, fewer.bytes);
	google__protobuf__file_descriptor_set__free_unpacked(files, NULL);
	return fewer;
}
