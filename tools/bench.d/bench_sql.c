/*
 * What the database does by itself, without the programs: plain statements in
 * text, one after the other on each of some connections.
 *
 *	bench_sql KIND --port=PORT --user=NAME --seconds=S [--connections=N] [--users=N]
 *
 * KIND is select (a user of those with the ids 1 to N), insert (one, in a
 * transaction of its own) or insert100 (as many in one statement), all in the
 * table user of the database. The password is in MYSQL_PWD, the database in
 * BENCH_DATABASE. Prints rows_per_s=ROWS p50_us=TIME, the time of a statement.
 */
#include <getopt.h>
#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

#define SQL_TIMES_MAX 1000000

struct sql_options {
	bool select;
	unsigned rows; /* of a statement */
	unsigned port;
	const char *user;
	double seconds;
	unsigned connections;
	unsigned users;
};

/* A connection and its thread. */
struct sql_client {
	const struct sql_options *options;
	pthread_t thread;
	MYSQL *mysql;
	struct buf statement;
	unsigned tag; /* of this client, for addresses of its own */
	uint64_t next;
	int64_t *times_ns;
	size_t count;
};

static void
sql_fail(const char *what, const char *why)
{
	fprintf(stderr, "bench_sql: %s: %s\n", what, why);
	exit(1);
}

static void
sql_client_open(struct sql_client *client, const struct sql_options *options)
{
	enum mysql_protocol_type tcp = MYSQL_PROTOCOL_TCP;

	client->options = options;
	client->times_ns = calloc(SQL_TIMES_MAX, sizeof(*client->times_ns));
	client->mysql = mysql_init(NULL);
	if (client->times_ns == NULL || client->mysql == NULL ||
	    getrandom(&client->tag, sizeof(client->tag), 0) < 0) {
		sql_fail("start", "no memory");
	}
	mysql_options(client->mysql, MYSQL_OPT_PROTOCOL, &tcp);
	mysql_options(client->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	if (mysql_real_connect(client->mysql, "127.0.0.1", options->user, getenv("MYSQL_PWD"),
		getenv("BENCH_DATABASE"), options->port, NULL, 0) == NULL) {
		sql_fail("connect", mysql_error(client->mysql));
	}
}

static void
sql_put_select(struct sql_client *client)
{
	buf_printf(&client->statement,
	    "SELECT id, accountID, name, email, role FROM user WHERE id = %u",
	    (unsigned)rand_r(&client->tag) % client->options->users + 1);
}

/* Rows of the size that accountd writes. */
static void
sql_put_insert(struct sql_client *client)
{
	static const char hash[] = "$argon2id$v=19$m=8,t=1,p=1$c29tZSBzYWx0IG9mIDE2Qg$"
				   "dGhlIGhhc2ggaXMgb2YgMzIgYnl0ZXMgYWx3YXlzISE";

	buf_puts(&client->statement,
	    "INSERT INTO user (accountID, name, email, emailKey, role, password) VALUES ");
	for (unsigned i = 0; i < client->options->rows; i++) {
		unsigned long long number = client->next++;
		char email[64];

		snprintf(email, sizeof(email), "plain.%u.%llu@example.com", client->tag, number);
		buf_printf(&client->statement, "%s(%u,'Plain %llu','%s','%s',2,'%s')",
		    i > 0 ? "," : "", (unsigned)(number % 1000) + 1, number, email, email, hash);
	}
}

static void
sql_client_once(struct sql_client *client)
{
	int64_t begin_ns = clock_now_ns();
	MYSQL_RES *result;

	buf_reset(&client->statement);
	if (client->options->select) {
		sql_put_select(client);
	} else {
		sql_put_insert(client);
	}
	if (mysql_real_query(client->mysql, client->statement.data, client->statement.len) != 0) {
		sql_fail("statement", mysql_error(client->mysql));
	}
	result = mysql_store_result(client->mysql);
	if (client->options->select && (result == NULL || mysql_num_rows(result) != 1)) {
		sql_fail("select", "no such user");
	}
	mysql_free_result(result);
	client->times_ns[client->count++] = clock_now_ns() - begin_ns;
}

static void *
sql_client_run(void *closure)
{
	struct sql_client *client = closure;
	int64_t end_ns = clock_now_ns() + (int64_t)(client->options->seconds * 1e9);

	do {
		sql_client_once(client);
	} while (client->count < SQL_TIMES_MAX && clock_now_ns() < end_ns);
	return NULL;
}

static int
sql_compare(const void *a, const void *b)
{
	int64_t first = *(const int64_t *)a;
	int64_t second = *(const int64_t *)b;

	return (first > second) - (first < second);
}

/* The median is that of the first connection, whose statements are like those of any other. */
static void
sql_report(const struct sql_options *options, struct sql_client *clients, double seconds)
{
	size_t statements = 0;

	for (unsigned i = 0; i < options->connections; i++) {
		statements += clients[i].count;
	}
	qsort(clients[0].times_ns, clients[0].count, sizeof(int64_t), sql_compare);
	printf("rows_per_s=%.1f p50_us=%.1f\n", (double)(statements * options->rows) / seconds,
	    (double)clients[0].times_ns[clients[0].count / 2] / 1000);
}

static void
sql_measure(const struct sql_options *options)
{
	struct sql_client *clients = calloc(options->connections, sizeof(*clients));
	int64_t begin_ns;

	for (unsigned i = 0; clients != NULL && i < options->connections; i++) {
		sql_client_open(&clients[i], options);
	}
	begin_ns = clock_now_ns();
	for (unsigned i = 0; clients != NULL && i < options->connections; i++) {
		if (pthread_create(&clients[i].thread, NULL, sql_client_run, &clients[i]) != 0) {
			sql_fail("start", "no thread");
		}
	}
	for (unsigned i = 0; clients != NULL && i < options->connections; i++) {
		pthread_join(clients[i].thread, NULL);
	}
	if (clients == NULL) {
		sql_fail("start", "no memory");
	}
	sql_report(options, clients, (double)(clock_now_ns() - begin_ns) / 1e9);
	for (unsigned i = 0; i < options->connections; i++) {
		mysql_close(clients[i].mysql);
		buf_fini(&clients[i].statement);
		free(clients[i].times_ns);
	}
	free(clients);
}

/* False: there is an unknown option, or one is missing. */
static bool
sql_read_options(struct sql_options *options, int argc, char **argv)
{
	static const struct option known[] = {{"port", required_argument, NULL, 'p'},
	    {"user", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 's'},
	    {"connections", required_argument, NULL, 'c'}, {"users", required_argument, NULL, 'u'},
	    {NULL, 0, NULL, 0}};
	int option;

	*options = (struct sql_options){.rows = 1, .connections = 1, .users = 1};
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'p': options->port = (unsigned)atoi(optarg); break;
		case 'n': options->user = optarg; break;
		case 's': options->seconds = atof(optarg); break;
		case 'c': options->connections = (unsigned)atoi(optarg); break;
		case 'u': options->users = (unsigned)atoi(optarg); break;
		default: return false;
		}
	}
	if (optind != argc - 1) {
		return false;
	}
	options->select = strcmp(argv[optind], "select") == 0;
	options->rows = strcmp(argv[optind], "insert100") == 0 ? 100 : 1;
	return (options->select || strncmp(argv[optind], "insert", 6) == 0) && options->port > 0 &&
	       options->user != NULL && options->seconds > 0 && options->connections > 0 &&
	       options->users > 0;
}

int
main(int argc, char **argv)
{
	struct sql_options options;

	if (!sql_read_options(&options, argc, argv)) {
		fprintf(stderr, "usage: bench_sql select|insert|insert100 --port=PORT --user=NAME "
				"--seconds=S [--connections=N] [--users=N]\n");
		return 2;
	}
	sql_measure(&options);
	mysql_library_end();
	return 0;
}
