/*
 * What accountd takes from its configuration to start, and whether it could:
 * for the start itself and for --check-config alike.
 */
#ifndef ACCOUNTD_START_H
#define ACCOUNTD_START_H

#include <stdbool.h>

#include "common/conf.h"
#include "common/rpc/net/rpc_tls.h"
#include "services/accountd/store.h"

/* What argv asks for. */
enum accountd_command {
	ACCOUNTD_RUN,
	ACCOUNTD_MIGRATE,
	ACCOUNTD_LOAD_SAMPLE
};

/* The command of a word that conf_load took. */
enum accountd_command accountd_command_of(const char *word);

/* For conf_program. */
extern bool (*const accountd_start_checks[])(
    const struct conf *conf, const char *command, struct error *error);

/* What is borrowed of conf. */
struct store_options accountd_store_options(const struct conf *conf);

/* The same for tls+tcp:// URLs; false: no certificate is configured. failed is left out. */
bool accountd_tls_options(const struct conf *conf, struct rpc_tls_options *options);

/* Where calls are answered: URLs, borrowed of conf or in text. */
#define ACCOUNTD_LISTEN_TEXT_MAX 64
const char *accountd_listen(const struct conf *conf, char text[ACCOUNTD_LISTEN_TEXT_MAX]);

/*
 * Whether all that is listened on is free now, so that a start that will be
 * refused changes nothing before.
 */
enum status_code accountd_probe(const struct conf *conf, struct error *error);

#endif
