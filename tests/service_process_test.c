/* What a service process does around the methods and hooks of a service. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/rpc/net/rpc_transport.h"
#include "common/service/service_internal.h"
#include "tests/service_fixture.h"

#define RUNS_MAX 16

static struct service_fixture at;

/* What the hooks and runs were, in their order: letters. */
static char done[RUNS_MAX + 1];
static size_t done_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards these two and the gate */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool shut; /* runs wait until it is not */
static bool refuses_to_start;

static void
note(char what)
{
	pthread_mutex_lock(&lock);
	assert_true(done_count < RUNS_MAX);
	done[done_count++] = what;
	done[done_count] = '\0';
	pthread_cond_broadcast(&changed);
	while (shut) {
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
}

static void
set_gate(bool is_shut)
{
	pthread_mutex_lock(&lock);
	shut = is_shut;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void
await_done(size_t count)
{
	pthread_mutex_lock(&lock);
	while (done_count < count) {
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
}

static void
answer(struct rpc_call **calls, size_t count, const char *text)
{
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse response =
	    MOCKVIDEO__RPC__V1__GET_FILE_DESCRIPTOR_SET_RESPONSE__INIT;

	response.file_descriptor_set.data = (uint8_t *)(uintptr_t)text;
	response.file_descriptor_set.len = strlen(text);
	service_finish_all(calls, count, &response.base);
}

static void
put_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	const char *closure = service_call_closure(calls[0]);
	char text[16];

	assert_non_null(service_worker_conn(worker));
	assert_ptr_equal(service_worker_process(worker), service_of_call(calls[0]));
	assert_non_null(service_page_key(service_worker_process(worker)));
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(service_call_closure(calls[i]), closure);
	}
	note(closure[0]);
	service_share(service_worker_process(worker), closure, RESOURCE_OPERATION_CREATE, count);
	snprintf(text, sizeof(text), "%s%zu", closure, count);
	answer(calls, count, text);
}

static void
health_run(struct service_worker *worker, struct rpc_call **calls, size_t count)
{
	if (service_check_health(worker, calls, count)) {
		answer(calls, count, "healthy");
	}
}

static char film[] = "film";
static char genre[] = "genre";

#define METHOD(its_name, its_kind, its_run, its_start, its_closure)                                \
	{                                                                                          \
		.name = "film.v1.FilmService/" its_name,                                           \
		.input = &mockvideo__rpc__v1__health_check_request__descriptor,                    \
		.output = &mockvideo__rpc__v1__get_file_descriptor_set_response__descriptor,       \
		.kind = its_kind, .run = its_run, .start = its_start, .closure = its_closure       \
	}

static const struct service_method methods[] = {
    METHOD("CheckHealth", SERVICE_KIND_HEALTH, health_run, service_start_health, NULL),
};

/* Added when the service is opened. */
static const struct service_method more_methods[] = {
    METHOD("CreateFilm", SERVICE_KIND_WRITE, put_run, NULL, film),
    METHOD("CreateGenre", SERVICE_KIND_WRITE, put_run, NULL, genre),
    METHOD("ReplaceFilm", SERVICE_KIND_WRITE, put_run, NULL, film),
};

static enum status_code
film_open(struct service_process *process, struct error *error)
{
	static const char *const reads[] = {"SELECT id, title FROM film WHERE id = 0"};
	static const struct sql_checks checks = {reads, 1, NULL, 0};

	(void)error;
	note('o');
	assert_int_equal(conf_int(service_process_conf(process), SERVICE_CONF_COUNT), 7);
	assert_null(service_series(process, 0, NULL));
	assert_true(service_add_methods(process, more_methods, 3));
	assert_true(service_add_resource(process, film, 1U << RESOURCE_OPERATION_CREATE));
	assert_true(service_add_resource(process, genre, 1U << RESOURCE_OPERATION_CREATE));
	assert_true(service_add_checks(process, &checks));
	service_set_state(process, film);
	return STATUS_OK;
}

static enum status_code
film_start(struct service_process *process, struct error *error)
{
	assert_ptr_equal(service_state(process), film);
	metric_add(service_series(process, 0, NULL), 42);
	note('s');
	return refuses_to_start
		   ? error_set(error, STATUS_UNAVAILABLE, "NO_PROJECTOR", "no projector")
		   : STATUS_OK;
}

static void
film_stop(struct service_process *process)
{
	(void)process;
	note('p');
}

static void
film_close(struct service_process *process)
{
	(void)process;
	note('c');
}

static enum status_code
film_load_sample(struct service_process *process, struct sql_conn *conn, int64_t deadline_ns,
    const char **told, struct error *error)
{
	assert_ptr_equal(service_state(process), film);
	*told = "added a film";
	return sql_ping(conn, deadline_ns, error);
}

static const struct sql_migration migrations[] = {{1, 1, "tables",
    (const unsigned char *)"CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB);\n"
			   "CREATE TABLE film (id INTEGER PRIMARY KEY, title TEXT);\n",
    NULL}};

static const struct sql_schema schema = {
    .program = "filmd", .rows = {[SQL_SQLITE] = migrations}, .counts = {[SQL_SQLITE] = 1}};

static const struct service_conf_change changes[] = {{SERVICE_CONF_DB_NAME, .fallback = "film"}};

static const struct conf_row rows[] = {
    {"screens", CONF_INT, 0, 1, 9, "7", NULL, "Number of screens.", NULL}};

static const struct service_conf_own conf = {changes, 1, rows, 1, NULL};

static const struct metric_row metrics[] = {
    {.name = "film_seats_total", .type = METRIC_COUNTER, .help = "Seats."}};

static const struct service service = {.name = "filmd",
    .summary = "Films.",
    .conf = &conf,
    .methods = methods,
    .method_count = 1,
    .schema = &schema,
    .metric_rows = metrics,
    .metric_row_count = 1,
    .open = film_open,
    .start = film_start,
    .stop = film_stop,
    .close = film_close,
    .sample = "a film",
    .load_sample = film_load_sample};

static int
set_up(void **state)
{
	(void)state;
	done_count = 0;
	done[0] = '\0';
	refuses_to_start = false;
	return 0;
}

static void
ask(const char *method, int code, const char *expected)
{
	const struct peer_call call = {.method = method, .text = ""};
	char *text = peer_ask(at.peer, &call, code, code == 0 ? "" : expected);

	if (code == 0) {
		assert_string_equal(text, expected);
	}
	free(text);
}

static void
hooks_are_called_in_order(void **state)
{
	(void)state;
	service_fixture_open(&at, &service, NULL);
	ask("film.v1.FilmService/CreateFilm", 0, "film1");
	service_fixture_close(&at);
	assert_string_equal(done, "osfpc");
}

/* Calls of one queue whose methods work together share a run; others have theirs. */
static void
calls_are_run_by_what_their_methods_are_about(void **state)
{
	static const char *const names[] = {"film.v1.FilmService/CreateFilm",
	    "film.v1.FilmService/CreateGenre", "film.v1.FilmService/ReplaceFilm",
	    "film.v1.FilmService/CreateGenre", "film.v1.FilmService/CreateFilm"};
	static const char *const answers[] = {"film3", "genre2", "film3", "genre2", "film3"};
	struct peer *first;
	struct peer_call calls[5] = {{0}};
	Mockvideo__Rpc__V1__ReplyBatch *batch;

	(void)state;
	service_fixture_open(&at, &service, NULL);
	first = peer_open(rpc_server_url(service_process_server(at.process)));
	set_gate(true);
	calls[0].method = names[0];
	peer_send(first, calls, 1);
	await_done(3);
	for (size_t i = 0; i < 5; i++) {
		calls[i] = PEER_CALL(names[i], "");
	}
	peer_send(at.peer, calls, 5);
	while (rpc_pool_queued(at.process->workers, SERVICE_KIND_WRITE) < 5) {
		usleep(1000);
	}
	set_gate(false);
	peer_free(peer_receive(first));
	batch = peer_receive(at.peer);
	assert_int_equal(batch->n_replies, 5);
	for (size_t i = 0; i < 5; i++) {
		char *text = peer_text(batch->replies[i]);

		assert_string_equal(text, answers[i]);
		free(text);
	}
	peer_free(batch);
	peer_close(first);
	service_fixture_close(&at);
	assert_string_equal(done, "osffgpc");
}

static void
expect_metric(const char *line)
{
	struct buf text = {0};

	metrics_write(at.process->telemetry.metrics, &text);
	buf_put(&text, "", 1);
	if (strstr(text.data, line) == NULL) {
		print_message("%s", text.data);
		fail_msg("no line %s", line);
	}
	buf_fini(&text);
}

static void
calls_are_counted_by_method_and_resource(void **state)
{
	(void)state;
	service_fixture_open(&at, &service, NULL);
	ask("film.v1.FilmService/CreateFilm", 0, "film1");
	ask("film.v1.FilmService/CreateGenre", 0, "genre1");
	ask("film.v1.FilmService/CreateFilm", 0, "film1");
	ask("film.v1.FilmService/Watch", STATUS_UNIMPLEMENTED, "UNKNOWN_METHOD");
	ask("film.v1.FilmService/CheckHealth", 0, "healthy");
	expect_metric("mockvideo_rpc_server_call_duration_seconds_count{method=\"film.v1."
		      "FilmService/CreateFilm\",code=\"OK\"} 2\n");
	expect_metric("mockvideo_rpc_server_call_duration_seconds_count{method=\"film.v1."
		      "FilmService/CreateGenre\",code=\"OK\"} 1\n");
	expect_metric("mockvideo_rpc_server_call_duration_seconds_count{method=\"none\","
		      "code=\"UNIMPLEMENTED\"} 1\n");
	expect_metric("mockvideo_store_operation_calls_sum{resource=\"film\","
		      "operation=\"create\"} 2\n");
	expect_metric("mockvideo_store_operation_calls_sum{resource=\"genre\","
		      "operation=\"create\"} 1\n");
	expect_metric(
	    "mockvideo_store_operation_calls_sum{resource=\"none\",operation=\"check\"} 1\n");
	expect_metric("film_seats_total 42\n");
	service_fixture_close(&at);
}

static void
without_its_tables_a_service_is_unavailable_until_they_are_there(void **state)
{
	(void)state;
	service_fixture_prepare(&at, &service, NULL);
	service_fixture_start(&at);
	assert_non_null(service_process_unready(at.process));
	ask("film.v1.FilmService/CheckHealth", STATUS_UNAVAILABLE, "STORE_UNAVAILABLE");
	service_fixture_migrate(&at);
	service_fixture_await_serving(&at);
	ask("film.v1.FilmService/CheckHealth", 0, "healthy");
	service_process_drain(at.process);
	assert_string_equal(service_process_unready(at.process), "draining");
	service_fixture_close(&at);
}

static void
a_start_that_fails_leaves_nothing_running(void **state)
{
	struct error error;

	(void)state;
	refuses_to_start = true;
	service_fixture_prepare(&at, &service, NULL);
	assert_int_equal(service_process_start(at.process, &error), STATUS_UNAVAILABLE);
	assert_string_equal(error.message, "no projector");
	assert_string_equal(done, "os");
	refuses_to_start = false;
	service_fixture_start(&at);
	service_fixture_close(&at);
	assert_string_equal(done, "osspc");
}

static void
an_address_that_is_taken_stops_what_was_started(void **state)
{
	struct service_process *process;
	struct error error;
	char flag[64];
	const char *flags[] = {flag, NULL};
	static struct service_fixture other;

	(void)state;
	service_fixture_open(&other, &service, NULL);
	snprintf(flag, sizeof(flag), "--listen=%s",
	    rpc_server_url(service_process_server(other.process)));
	service_fixture_prepare(&at, &service, flags);
	process = at.process;
	assert_int_not_equal(service_process_start(process, &error), STATUS_OK);
	assert_string_equal(done, "ososp");
	service_fixture_close(&at);
	service_fixture_close(&other);
}

static void
sample_data_need_a_schema_that_fits(void **state)
{
	const char *told = NULL;
	struct error error;

	(void)state;
	service_fixture_prepare(&at, &service, NULL);
	assert_int_equal(
	    service_process_load_sample(at.process, &told, &error), STATUS_FAILED_PRECONDITION);
	assert_int_equal(
	    service_process_check_schema(at.process, &error), STATUS_FAILED_PRECONDITION);
	service_fixture_migrate(&at);
	assert_int_equal(service_process_check_schema(at.process, &error), STATUS_OK);
	assert_int_equal(service_process_load_sample(at.process, &told, &error), STATUS_OK);
	assert_string_equal(told, "added a film");
	service_fixture_close(&at);
}

static enum conf_result
load(const struct service *of, const char *word)
{
	char *argv[] = {(char *)(uintptr_t) "filmd", (char *)(uintptr_t)word,
	    (char *)(uintptr_t) "--store=sqlite:db", (char *)(uintptr_t) "--listen=tcp://:0",
	    (char *)(uintptr_t) "--admin-listen=off", NULL};
	struct service_program program;
	enum conf_result result;
	struct conf *loaded;
	const char *command;

	assert_true(service_program_init(&program, of));
	result = conf_load(&loaded, &program.conf, 5, argv, &command);
	conf_free(&loaded);
	service_program_fini(&program);
	return result;
}

static void
only_a_service_with_sample_data_can_load_them(void **state)
{
	struct service plain = service;

	(void)state;
	plain.load_sample = NULL;
	assert_int_equal(load(&service, "load-sample"), CONF_RUN);
	assert_int_equal(load(&service, "migrate"), CONF_RUN);
	assert_int_equal(load(&service, "load"), CONF_FAILED);
	assert_int_equal(load(&plain, "migrate"), CONF_RUN);
	assert_int_equal(load(&plain, "load-sample"), CONF_FAILED);
}

static int
end(void **state)
{
	(void)state;
	rpc_fini();
	return 0;
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
	    CASE(hooks_are_called_in_order),
	    CASE(calls_are_run_by_what_their_methods_are_about),
	    CASE(calls_are_counted_by_method_and_resource),
	    CASE(without_its_tables_a_service_is_unavailable_until_they_are_there),
	    CASE(a_start_that_fails_leaves_nothing_running),
	    CASE(an_address_that_is_taken_stops_what_was_started),
	    CASE(sample_data_need_a_schema_that_fits),
	    CASE(only_a_service_with_sample_data_can_load_them),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
