#include "gateway/gw_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"

#define GW_FILE_CHUNK 65536

const char *
gw_file_read(struct buf *bytes, const char *path)
{
	FILE *file = fopen(path, "rbe");
	size_t got = 1;
	bool failed;

	if (file == NULL) {
		return strerror(errno);
	}
	while (got > 0 && buf_reserve(bytes, GW_FILE_CHUNK)) {
		got = fread(bytes->data + bytes->len, 1, GW_FILE_CHUNK, file);
		bytes->len += got;
	}
	failed = ferror(file) != 0 || bytes->failed;
	fclose(file);
	return failed ? "cannot be read; is it a file?" : NULL;
}
