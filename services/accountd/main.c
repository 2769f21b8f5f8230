/* accountd: the account service. Configure, open, run, close. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/process.h"
#include "services/accountd/accountd_admin.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_run.h"
#include "services/accountd/store.h"

/* What argv asks for. */
enum command {
	COMMAND_RUN,
	COMMAND_MIGRATE,
	COMMAND_LOAD_SAMPLE,
	COMMAND_UNKNOWN
};

static enum command
command_of(const char *word)
{
	return word == NULL                       ? COMMAND_RUN
	       : strcmp(word, "migrate") == 0     ? COMMAND_MIGRATE
	       : strcmp(word, "load-sample") == 0 ? COMMAND_LOAD_SAMPLE
						  : COMMAND_UNKNOWN;
}

static struct store_options
store_options(const struct conf *conf)
{
	return (struct store_options){.url = conf_text(conf, ACCOUNTD_STORE),
	    .host = conf_text(conf, ACCOUNTD_DB_HOST),
	    .port = (unsigned)conf_int(conf, ACCOUNTD_DB_PORT),
	    .database = conf_text(conf, ACCOUNTD_DB_NAME),
	    .user = conf_text(conf, ACCOUNTD_DB_USER),
	    .password = conf_text(conf, ACCOUNTD_DB_PASSWORD),
	    .connect_timeout_ms = (uint32_t)conf_int(conf, ACCOUNTD_DB_CONNECT_TIMEOUT_MS)};
}

static enum status_code
run(struct conf *conf, enum command command, struct store *store, struct error *error)
{
	const struct password_cost cost = {(size_t)conf_int(conf, ACCOUNTD_HASH_MEM_KIB),
	    (unsigned)conf_int(conf, ACCOUNTD_HASH_PASSES)};

	if (command == COMMAND_MIGRATE) {
		return accountd_migrate(store, &cost, true, error);
	}
	if (store_is_embedded(store) && accountd_migrate(store, &cost, false, error) != STATUS_OK) {
		return error->code;
	}
	return command == COMMAND_RUN ? accountd_run(conf, store, &cost, error)
				      : accountd_load_sample(store, &cost, error);
}

/* A daemon's end is for its log; a command's for who typed it. */
static void
tell(enum command command, const struct error *error)
{
	if (command == COMMAND_RUN) {
		log_error("accountd cannot start", error, NULL, 0);
	} else {
		fprintf(stderr, "accountd: %s%s%s\n", error->message,
		    error->detail[0] == '\0' ? "" : ": ", error->detail);
	}
}

static int
open_and_run(struct conf *conf, enum command command)
{
	const struct store_options options = store_options(conf);
	struct store *store = NULL;
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
	store_close(&store);
	return status;
}

int
main(int argc, char **argv)
{
	struct conf *conf = NULL;
	enum conf_result result;
	enum command command;
	const char *word;
	int status;

	process_init();
	result = conf_load(&conf, &accountd_program, argc, argv, &word);
	if (result != CONF_RUN) {
		return result == CONF_EXIT ? 0 : 2;
	}
	log_open("accountd", (enum log_level)conf_choice(conf, ACCOUNTD_LOG_LEVEL));
	command = command_of(word);
	if (command == COMMAND_RUN) {
		log_start();
	}
	if (command == COMMAND_UNKNOWN) {
		fprintf(
		    stderr, "accountd: there is no command %s: use migrate or load-sample\n", word);
		status = 2;
	} else {
		status = open_and_run(conf, command);
	}
	conf_free(&conf);
	log_stop();
	return status;
}
