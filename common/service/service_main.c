#include <stdio.h>

#include "common/base/process.h"
#include "common/service/service_process.h"
#include "common/service/service_run.h"
#include "common/service/service_start.h"
#include "common/telemetry/log.h"

#define SERVICE_LINE_MAX 160

/* What is written when a signal ends a command, which can be cut off anywhere. */
static const char *
service_last_line(
    const struct service *service, enum service_command command, char line[SERVICE_LINE_MAX])
{
	switch (command) {
	case SERVICE_MIGRATE:
		snprintf(line, SERVICE_LINE_MAX,
		    "%s: migrate was stopped by a signal: what was done stays, run it again for "
		    "the rest\n",
		    service->name);
		return line;
	case SERVICE_LOAD_SAMPLE:
		snprintf(line, SERVICE_LINE_MAX,
		    "%s: load-sample was stopped by a signal: all rows were added or none, run it "
		    "again\n",
		    service->name);
		return line;
	case SERVICE_RUN: break;
	}
	return NULL;
}

static void
service_tell(const char *line)
{
	puts(line);
	fflush(stdout);
}

static void
service_tell_log(const char *line)
{
	log_info("migration", LOG_STR("step", line));
}

static enum status_code
service_load_sample(struct service_process *process, struct error *error)
{
	const char *told = "";
	enum status_code status = service_process_load_sample(process, &told, error);

	if (status == STATUS_OK) {
		service_tell(told);
	}
	return status;
}

static enum status_code
service_do(struct service_process *process, enum service_command command, struct error *error)
{
	if (command == SERVICE_MIGRATE) {
		return service_process_migrate(process, service_tell, error);
	}
	if (command == SERVICE_RUN &&
	    service_probe(service_process_conf(process), error) != STATUS_OK) {
		return error->code;
	}
	if (sql_is_embedded(service_db(process)) &&
	    service_process_migrate(process, service_tell_log, error) != STATUS_OK) {
		return error->code;
	}
	return command == SERVICE_RUN ? service_run(process, error)
				      : service_load_sample(process, error);
}

/* A daemon's end is for its log; a command's for who typed it. */
static void
service_report(
    const struct service *service, enum service_command command, const struct error *error)
{
	char message[SERVICE_LINE_MAX];

	if (command == SERVICE_RUN) {
		snprintf(message, sizeof(message), "%s cannot start", service->name);
		log_error(message, error, NULL, 0);
	} else {
		fprintf(stderr, "%s: %s%s%s\n", service->name, error->message,
		    error->detail[0] == '\0' ? "" : ": ", error->detail);
	}
}

static int
service_open_and_do(const struct service *service, struct conf *conf, enum service_command command)
{
	struct service_process *process;
	char line[SERVICE_LINE_MAX];
	struct error error;
	int status = 0;

	process_keep_signals();
	process_let_signals_end(service_last_line(service, command, line), command != SERVICE_RUN);
	if (service_process_open(&process, service, conf, &error) != STATUS_OK ||
	    service_do(process, command, &error) != STATUS_OK) {
		service_report(service, command, &error);
		status = 1;
	}
	service_process_close(&process);
	return status;
}

int
service_main(const struct service *service, int argc, char **argv)
{
	struct service_program program;
	struct conf *conf = NULL;
	enum service_command command;
	enum conf_result result;
	const char *word;
	int status;

	process_init();
	process_let_signals_end(NULL, false);
	if (!service_program_init(&program, service)) {
		fprintf(stderr, "%s: out of memory\n", service->name);
		return 1;
	}
	result = conf_load(&conf, &program.conf, argc, argv, &word);
	if (result != CONF_RUN) {
		service_program_fini(&program);
		return result == CONF_EXIT ? 0 : 2;
	}
	log_open(service->name, (enum log_level)conf_choice(conf, SERVICE_CONF_LOG_LEVEL));
	command = service_command_of(word);
	if (command == SERVICE_RUN) {
		log_start();
	}
	status = service_open_and_do(service, conf, command);
	conf_free(&conf);
	service_program_fini(&program);
	log_stop();
	return status;
}
