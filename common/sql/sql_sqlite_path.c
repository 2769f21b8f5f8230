/* Where the file of a database may be. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sql/sql_sqlite.h"

enum status_code
sql_sqlite_bad_path(struct error *error, const char *path, const char *why)
{
	return error_set(error, STATUS_FAILED_PRECONDITION, "STORE_PATH",
	    "data file '%.200s': %s; name another by --store sqlite:PATH", path, why);
}

static enum status_code
sql_sqlite_check_folder(const char *path, struct error *error)
{
	char copy[4096], why[4096 + 64];
	struct stat info;
	char *folder;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
		return sql_sqlite_bad_path(error, path, "the path is too long");
	}
	folder = dirname(copy);
	if (stat(folder, &info) != 0) {
		snprintf(why, sizeof(why), "folder '%.200s': %s", folder, strerror(errno));
		return sql_sqlite_bad_path(error, path, why);
	}
	if (!S_ISDIR(info.st_mode) || access(folder, W_OK | X_OK) != 0) {
		snprintf(why, sizeof(why), "folder '%.200s' can't be written to: %s", folder,
		    strerror(S_ISDIR(info.st_mode) ? errno : ENOTDIR));
		return sql_sqlite_bad_path(error, path, why);
	}
	return STATUS_OK;
}

enum status_code
sql_sqlite_check_path(const char *path, struct error *error)
{
	struct stat info;

	if (path[0] == '\0' || path[0] == ':') {
		return sql_sqlite_bad_path(error, path, "a path is needed");
	}
	if (stat(path, &info) != 0) {
		return sql_sqlite_check_folder(path, error);
	}
	if (!S_ISREG(info.st_mode)) {
		return sql_sqlite_bad_path(error, path, "it is not a file");
	}
	if (access(path, R_OK | W_OK) != 0) {
		return sql_sqlite_bad_path(error, path, strerror(errno));
	}
	return sql_sqlite_check_folder(path, error);
}
