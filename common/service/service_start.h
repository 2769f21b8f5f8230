/*
 * The configuration of a service, what a start reads from it, and whether it
 * could start. Used by the start itself and by --check-config.
 */
#ifndef COMMON_SERVICE_START_H
#define COMMON_SERVICE_START_H

#include <stdbool.h>

#include "common/conf/conf.h"
#include "common/rpc/net/rpc_tls.h"
#include "common/service/service.h"

#define SERVICE_COMMANDS_MAX 256

/* The command in argv. */
enum service_command {
	SERVICE_RUN,
	SERVICE_MIGRATE,
	SERVICE_LOAD_SAMPLE
};

/* The command for a word from conf_load. */
enum service_command service_command_of(const char *word);

/* The configuration of a service, for conf_load. */
struct service_program {
	struct conf_program conf;
	char commands[SERVICE_COMMANDS_MAX];
};

/* Makes it; service is borrowed. False without memory. To be freed after the conf that was loaded by it. */
bool service_program_init(struct service_program *program, const struct service *service);
void service_program_fini(struct service_program *program);

/* The options of the database; their texts are borrowed from conf. */
struct sql_options service_sql_options(const struct conf *conf);

/* The same for tls+tcp:// URLs; false: no certificate is configured. failed is left out. */
bool service_tls_options(const struct conf *conf, struct rpc_tls_options *options);

/* The URLs to listen on, borrowed from conf or written to text. */
#define SERVICE_LISTEN_TEXT_MAX 64
const char *service_listen(const struct conf *conf, char text[SERVICE_LISTEN_TEXT_MAX]);

/*
 * Whether all addresses to listen on are free now, so that a start that will
 * fail has changed nothing before.
 */
enum status_code service_probe(const struct conf *conf, struct error *error);

#endif
