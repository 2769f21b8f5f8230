#include <stdio.h>
#include <stdlib.h>

#include "tests/mariadb.h"
#include "tests/resource_suite.h"

static struct mariadb server;

static void
run(const char *sql)
{
	if (!mariadb_sql(&server, MARIADB_DATABASE, sql, NULL, 0)) {
		abort();
	}
}

int
main(void)
{
	struct resource_suite suite = {.options = {.url = "mysql",
					   .host = MARIADB_HOST,
					   .database = MARIADB_DATABASE,
					   .user = MARIADB_USER,
					   .password = MARIADB_PASSWORD},
	    .sql = run};
	int failed;

	if (!mariadb_start(&server)) {
		return 1;
	}
	suite.options.port = server.port;
	failed = resource_suite_run(&suite);
	mariadb_stop(&server);
	return failed;
}
