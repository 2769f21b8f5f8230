#include "gateway/gw_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/gw_file.h"

#define GW_CACHE_SUFFIX ".pb"

static enum status_code
gw_cache_refuse(const char *dir, const char *why, struct error *error)
{
	return error_set(error, STATUS_INVALID_ARGUMENT, "NO_CACHE",
	    "descriptorCache %.200s: %s; it must be a folder that can be written, or empty", dir,
	    why);
}

bool
gw_cache_check(const char *dir, struct error *error)
{
	char parent[PATH_MAX];
	const char *written = dir;
	struct stat found;

	if (stat(dir, &found) == 0) {
		errno = S_ISDIR(found.st_mode) ? 0 : ENOTDIR;
	} else if (errno == ENOENT) {
		snprintf(parent, sizeof(parent), "%s", dir);
		written = dirname(parent);
		errno = 0;
	}
	if (errno == 0 && access(written, W_OK | X_OK) == 0) {
		return true;
	}
	gw_cache_refuse(dir, strerror(errno), error);
	return false;
}

enum status_code
gw_cache_open(const char *dir, struct error *error)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		return gw_cache_refuse(dir, strerror(errno), error);
	}
	return gw_cache_check(dir, error) ? STATUS_OK : error->code;
}

const char *
gw_cache_load(const char *dir, const char *name, struct buf *set)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s" GW_CACHE_SUFFIX, dir, name);
	return gw_file_read(set, path);
}

static bool
gw_cache_write(int fd, const uint8_t *set, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, set, len);

		if (written < 0 && errno != EINTR) {
			return false;
		}
		set += written > 0 ? written : 0;
		len -= written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) == 0;
}

/* A new name in a folder is safe once the folder is written. */
static bool
gw_cache_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0) {
		close(fd);
	}
	return synced;
}

const char *
gw_cache_save(const char *dir, const char *name, const uint8_t *set, size_t len)
{
	char path[PATH_MAX];
	char temporary[PATH_MAX];
	const char *problem = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/%s" GW_CACHE_SUFFIX, dir, name);
	snprintf(temporary, sizeof(temporary), "%s/.%s.XXXXXX", dir, name);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		return strerror(errno);
	}
	if (!gw_cache_write(fd, set, len) || rename(temporary, path) != 0 || !gw_cache_sync(dir)) {
		problem = strerror(errno);
		(void)unlink(temporary);
	}
	close(fd);
	return problem;
}
