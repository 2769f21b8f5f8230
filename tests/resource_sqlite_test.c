#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/resource_suite.h"

static char path[256];

static void
run(const char *sql)
{
	sqlite3 *file;
	char *why = NULL;

	if (sqlite3_open(path, &file) != SQLITE_OK ||
	    sqlite3_exec(file, sql, NULL, NULL, &why) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, why == NULL ? "the file can't be opened" : why);
		abort();
	}
	sqlite3_close(file);
}

int
main(void)
{
	const char *dir = getenv("TMPDIR");
	char url[300];
	const struct resource_suite suite = {.options = {.url = url}, .sql = run};

	snprintf(path, sizeof(path), "%s/resource.db", dir == NULL ? "/tmp" : dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	remove(path);
	run("CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) "
	    "STRICT;");
	return resource_suite_run(&suite);
}
