#include "common/service/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/status.h"

enum {
	SHELF_LIGHT = SERVICE_CONF_COUNT,
	SHELF_DEPTH
};

static const struct service_conf_change changes[] = {
    {SERVICE_CONF_LISTEN, .fallback = "tcp://127.0.0.1:9001"},
    {SERVICE_CONF_STORE, .fallback = "sqlite:shelf.db"},
    {SERVICE_CONF_DB_NAME, .fallback = "shelf"},
    {SERVICE_CONF_ADMIN_LISTEN, .fallback = "off"},
    {SERVICE_CONF_BULK_MAX_ITEMS, .unit = "books"},
};

static const struct conf_row rows[] = {
    [SHELF_LIGHT - SERVICE_CONF_COUNT] = {"light", CONF_BOOL, 0, 0, 0, "on", NULL, "Light.", NULL},
    [SHELF_DEPTH - SERVICE_CONF_COUNT] = {"depth", CONF_INT, 0, 1, 9, "3", "cm", "Depth.", NULL},
};

static bool
is_sound(const struct conf *conf, struct error *error)
{
	if (conf_int(conf, SHELF_DEPTH) == 7) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION", "7 is too odd");
		return false;
	}
	return true;
}

static const struct service_conf_own own = {.changes = changes,
    .change_count = sizeof(changes) / sizeof(changes[0]),
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .check = is_sound};

static const struct service_conf_own nothing_own;

static const struct service shelf = {.conf = &own};
static const struct service nothing = {.conf = &nothing_own};

static enum conf_result
load(struct conf **conf, struct conf_program *program, const struct service *from, const char *flag)
{
	char *argv[] = {(char *)(uintptr_t) "shelfd", (char *)(uintptr_t)flag, NULL};
	const char *command;

	*program = (struct conf_program){.name = "shelfd", .version = "1", .summary = "A shelf."};
	assert_true(service_conf_init(program, from));
	return conf_load(conf, program, flag == NULL ? 1 : 2, argv, &command);
}

static void
a_service_adds_rows_to_those_of_all(void **state)
{
	struct conf_program program;
	struct conf *conf;

	(void)state;
	assert_int_equal(load(&conf, &program, &shelf, "--depth=9"), CONF_RUN);
	assert_int_equal(conf_int(conf, SHELF_DEPTH), 9);
	assert_true(conf_bool(conf, SHELF_LIGHT));
	assert_int_equal(conf_int(conf, SERVICE_CONF_DB_PORT), 3306);
	conf_free(&conf);
	service_conf_fini(&program);
}

static void
a_service_changes_what_the_rows_of_all_say(void **state)
{
	struct conf_program program;
	struct conf *conf;

	(void)state;
	assert_int_equal(load(&conf, &program, &shelf, NULL), CONF_RUN);
	assert_string_equal(conf_text(conf, SERVICE_CONF_LISTEN), "tcp://127.0.0.1:9001");
	assert_string_equal(conf_text(conf, SERVICE_CONF_ADMIN_LISTEN), "off");
	assert_string_equal(program.rows[SERVICE_CONF_BULK_MAX_ITEMS].unit, "books");
	assert_string_equal(program.rows[SERVICE_CONF_BULK_MAX_ITEMS].fallback, "10000");
	conf_free(&conf);
	service_conf_fini(&program);
}

static void
the_check_of_a_service_is_made_after_that_of_all(void **state)
{
	struct conf_program program;
	struct conf *conf;

	(void)state;
	assert_int_equal(load(&conf, &program, &shelf, "--depth=7"), CONF_FAILED);
	service_conf_fini(&program);
	assert_int_equal(load(&conf, &program, &shelf, "--tls-cert=x.pem"), CONF_FAILED);
	service_conf_fini(&program);
}

/* Two services with the same addresses or the same file would get in each other's way. */
static void
a_service_must_say_where_it_is(void **state)
{
	struct conf_program program;
	struct conf *conf;

	(void)state;
	assert_int_equal(load(&conf, &program, &nothing, NULL), CONF_FAILED);
	service_conf_fini(&program);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_service_adds_rows_to_those_of_all),
	    cmocka_unit_test(a_service_changes_what_the_rows_of_all_say),
	    cmocka_unit_test(the_check_of_a_service_is_made_after_that_of_all),
	    cmocka_unit_test(a_service_must_say_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
