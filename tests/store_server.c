#include "tests/store_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct sql_options
store_server_options(const struct store_server *at, const char *hosts)
{
	return (struct sql_options){.url = "mysql",
	    .host = hosts,
	    .port = at->mariadb.port,
	    .database = MARIADB_DATABASE,
	    .user = MARIADB_USER,
	    .password = MARIADB_PASSWORD,
	    .connect_timeout_ms = 1000};
}

void
store_server_sql(const struct store_server *at, const char *sql)
{
	assert_true(mariadb_sql(&at->mariadb, MARIADB_DATABASE, sql, NULL, 0));
}

void
store_server_open(struct store_server *at)
{
	const struct sql_options options = store_server_options(at, MARIADB_HOST);

	memset(&at->error, 0, sizeof(at->error));
	at->store = store_suite_open(&options);
	at->conn = sql_conn_open(at->store);
	store_server_sql(at, "DELETE FROM user");
}

void
store_server_close(struct store_server *at)
{
	if (at->mariadb.pid > 0) {
		mariadb_resume(&at->mariadb);
	} else {
		mariadb_start(&at->mariadb);
	}
	sql_conn_close(&at->conn);
	sql_close(&at->store);
}

enum status_code
store_server_write(
    struct store_server *at, int64_t deadline_ns, struct store_write *writes, size_t count)
{
	memset(&at->error, 0, sizeof(at->error));
	return store_user_write(at->conn, deadline_ns, writes, count, &at->error);
}

int64_t
store_server_in_ms(int64_t ms)
{
	return clock_now_ns() + ms * CLOCK_NS_PER_MS;
}
