/* accountd: the account service. Configure, open, run, close. */
#include <sodium.h>
#include <stdio.h>

#include "common/base/process.h"
#include "common/telemetry/log.h"
#include "services/accountd/accountd_admin.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_run.h"
#include "services/accountd/accountd_start.h"
#include "services/accountd/store.h"

/* What is said when a signal ends a command, which can be cut off anywhere. */
static const char *
last_line(enum accountd_command command)
{
	switch (command) {
	case ACCOUNTD_MIGRATE:
		return "accountd: migrate was stopped by a signal: what was done stays, run it "
		       "again for the rest\n";
	case ACCOUNTD_LOAD_SAMPLE:
		return "accountd: load-sample was stopped by a signal: all users were added or "
		       "none, run it again\n";
	case ACCOUNTD_RUN: break;
	}
	return NULL;
}

static enum status_code
run(struct conf *conf, enum accountd_command command, struct sql_db *store, struct error *error)
{
	const struct password_cost cost = {(size_t)conf_int(conf, ACCOUNTD_HASH_MEM_KIB),
	    (unsigned)conf_int(conf, ACCOUNTD_HASH_PASSES)};

	process_let_signals_end(last_line(command), command != ACCOUNTD_RUN);
	if (command == ACCOUNTD_MIGRATE) {
		return accountd_migrate(store, &cost, true, error);
	}
	if (command == ACCOUNTD_RUN && accountd_probe(conf, error) != STATUS_OK) {
		return error->code;
	}
	if (sql_is_embedded(store) && accountd_migrate(store, &cost, false, error) != STATUS_OK) {
		return error->code;
	}
	return command == ACCOUNTD_RUN ? accountd_run(conf, store, &cost, error)
				       : accountd_load_sample(store, &cost, error);
}

/* A daemon's end is for its log; a command's for who typed it. */
static void
tell(enum accountd_command command, const struct error *error)
{
	if (command == ACCOUNTD_RUN) {
		log_error("accountd cannot start", error, NULL, 0);
	} else {
		fprintf(stderr, "accountd: %s%s%s\n", error->message,
		    error->detail[0] == '\0' ? "" : ": ", error->detail);
	}
}

static int
open_and_run(struct conf *conf, enum accountd_command command)
{
	const struct sql_options options = accountd_store_options(conf);
	struct sql_db *store = NULL;
	struct error error;
	int status = 0;

	if (sodium_init() < 0) {
		log_fatal("libsodium does not start");
		return 1;
	}
	if (store_open(&store, &options, &error) != STATUS_OK ||
	    run(conf, command, store, &error) != STATUS_OK) {
		tell(command, &error);
		status = 1;
	}
	sql_close(&store);
	return status;
}

int
main(int argc, char **argv)
{
	struct conf_program program = accountd_program;
	struct conf *conf = NULL;
	enum accountd_command command;
	enum conf_result result;
	const char *word;
	int status;

	process_init();
	program.start_checks = accountd_start_checks;
	if (!service_conf_init(&program, &accountd_conf_own)) {
		fputs("accountd: out of memory\n", stderr);
		return 1;
	}
	result = conf_load(&conf, &program, argc, argv, &word);
	if (result != CONF_RUN) {
		service_conf_fini(&program);
		return result == CONF_EXIT ? 0 : 2;
	}
	log_open("accountd", (enum log_level)conf_choice(conf, SERVICE_CONF_LOG_LEVEL));
	command = accountd_command_of(word);
	if (command == ACCOUNTD_RUN) {
		log_start();
	}
	status = open_and_run(conf, command);
	conf_free(&conf);
	service_conf_fini(&program);
	log_stop();
	return status;
}
