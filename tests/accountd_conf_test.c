#include "services/accountd/accountd_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/service/service.h"

static const struct service accountd = {.name = "accountd", .conf = &accountd_conf_own};
static struct conf_program program = {.name = "accountd"};

static int
set_up(void **state)
{
	(void)state;
	return service_conf_init(&program, &accountd) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	service_conf_fini(&program);
	return 0;
}

static struct conf *
load(char *flag)
{
	char *argv[] = {(char *)"accountd", flag, NULL};
	struct conf *conf = NULL;
	const char *command;

	assert_int_equal(
	    conf_load(&conf, &program, flag == NULL ? 1 : 2, argv, &command), CONF_RUN);
	assert_null(command);
	return conf;
}

static void
the_defaults_are_valid(void **state)
{
	struct conf *conf = load(NULL);

	(void)state;
	assert_string_equal(conf_text(conf, SERVICE_CONF_LISTEN), "tcp://127.0.0.1:7001");
	assert_string_equal(conf_text(conf, SERVICE_CONF_STORE), "sqlite:accountd.db");
	assert_int_equal(conf_int(conf, SERVICE_CONF_DB_PORT), 3306);
	assert_int_equal(conf_int(conf, SERVICE_CONF_MAX_CONCURRENT_BULK_OPERATIONS), 10);
	conf_free(&conf);
}

static void
passwords_cost_what_is_safe_by_default(void **state)
{
	struct conf *conf = load(NULL);

	(void)state;
	assert_true(conf_int(conf, ACCOUNTD_HASH_MEM_KIB) >= 19456);
	assert_true(conf_int(conf, ACCOUNTD_HASH_PASSES) >= 2);
	conf_free(&conf);
}

static void
every_row_says_what_it_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < program.row_count; i++) {
		const struct conf_row *row = &program.rows[i];

		assert_non_null(row->key);
		assert_true(row->help[strlen(row->help) - 1] == '.');
		assert_true(row->type != CONF_INT || row->min < row->max);
		for (unsigned j = 0; j < i; j++) {
			assert_string_not_equal(program.rows[j].key, row->key);
		}
	}
}

static void
the_keys_of_the_original_are_known(void **state)
{
	static const struct {
		unsigned row;
		const char *key;
	} keys[] = {{SERVICE_CONF_PORT, "port"}, {SERVICE_CONF_LOG_LEVEL, "logLevel"},
	    {SERVICE_CONF_DB_HOST, "dbHost"}, {SERVICE_CONF_DB_PORT, "dbPort"},
	    {SERVICE_CONF_DB_NAME, "dbName"},
	    {SERVICE_CONF_MAX_CONCURRENT_BULK_OPERATIONS, "maxConcurrentBulkOperations"}};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_string_equal(program.rows[keys[i].row].key, keys[i].key);
	}
}

static void
keys_are_flags_too(void **state)
{
	struct conf *conf = load((char *)"--hash-mem-kib=8");

	(void)state;
	assert_int_equal(conf_int(conf, ACCOUNTD_HASH_MEM_KIB), 8);
	conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_defaults_are_valid),
	    cmocka_unit_test(passwords_cost_what_is_safe_by_default),
	    cmocka_unit_test(every_row_says_what_it_is),
	    cmocka_unit_test(the_keys_of_the_original_are_known),
	    cmocka_unit_test(keys_are_flags_too),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
