/*
 * What accountd reads from its configuration for a start, and whether it could
 * start. Used by the start itself and by --check-config.
 */
#ifndef ACCOUNTD_START_H
#define ACCOUNTD_START_H

#include <stdbool.h>

#include "common/conf/conf.h"
#include "common/rpc/net/rpc_tls.h"
#include "services/accountd/store.h"

/* The command in argv. */
enum accountd_command {
	ACCOUNTD_RUN,
	ACCOUNTD_MIGRATE,
	ACCOUNTD_LOAD_SAMPLE
};

/* The command for a word from conf_load. */
enum accountd_command accountd_command_of(const char *word);

/* For conf_program. */
extern bool (*const accountd_start_checks[])(
    const struct conf *conf, const char *command, struct error *error);

/* The store's options; their texts are borrowed from conf. */
struct sql_options accountd_store_options(const struct conf *conf);

/* The same for tls+tcp:// URLs; false: no certificate is configured. failed is left out. */
bool accountd_tls_options(const struct conf *conf, struct rpc_tls_options *options);

/* The URLs to listen on, borrowed from conf or written to text. */
#define ACCOUNTD_LISTEN_TEXT_MAX 64
const char *accountd_listen(const struct conf *conf, char text[ACCOUNTD_LISTEN_TEXT_MAX]);

/*
 * Whether all addresses to listen on are free now, so that a start that will
 * fail has changed nothing before.
 */
enum status_code accountd_probe(const struct conf *conf, struct error *error);

#endif
