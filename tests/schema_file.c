#include "tests/schema_file.h"

#include <stdio.h>
#include <stdlib.h>

#define SCHEMA_FILE_BYTES_MAX (1 << 20)

uint8_t *
schema_file_read(const char *path, size_t *len)
{
	uint8_t *bytes = malloc(SCHEMA_FILE_BYTES_MAX);
	FILE *file = fopen(path, "r");

	if (bytes == NULL || file == NULL) {
		fprintf(stderr, "can't read %s: build it and run from the root\n", path);
		abort();
	}
	*len = fread(bytes, 1, SCHEMA_FILE_BYTES_MAX, file);
	fclose(file);
	return bytes;
}

struct schema *
schema_file_load(const char *path)
{
	struct error error = {0};
	struct schema *schema;
	size_t len;
	uint8_t *bytes = schema_file_read(path, &len);

	if (schema_new(&schema, bytes, len, NULL, &error) != STATUS_OK) {
		fprintf(stderr, "%s: %s\n", path, error.message);
		abort();
	}
	free(bytes);
	return schema;
}
