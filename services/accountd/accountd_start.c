#include "services/accountd/accountd_start.h"

#include <stdio.h>
#include <string.h>

#include "common/rpc/net/rpc_listen_url.h"
#include "common/telemetry/admin.h"
#include "services/accountd/accountd_conf.h"

static const char *const accountd_words[] = {
    [ACCOUNTD_RUN] = "",
    [ACCOUNTD_MIGRATE] = "migrate",
    [ACCOUNTD_LOAD_SAMPLE] = "load-sample",
};

#define ACCOUNTD_COMMANDS (sizeof(accountd_words) / sizeof(accountd_words[0]))

/* The index of the word, or ACCOUNTD_COMMANDS. */
static size_t
accountd_find_command(const char *word)
{
	size_t command = 0;

	while (command < ACCOUNTD_COMMANDS &&
	       strcmp(word == NULL ? "" : word, accountd_words[command]) != 0) {
		command++;
	}
	return command;
}

enum accountd_command
accountd_command_of(const char *word)
{
	return (enum accountd_command)accountd_find_command(word);
}

struct sql_options
accountd_store_options(const struct conf *conf)
{
	return (struct sql_options){.url = conf_text(conf, SERVICE_CONF_STORE),
	    .host = conf_text(conf, SERVICE_CONF_DB_HOST),
	    .port = (unsigned)conf_int(conf, SERVICE_CONF_DB_PORT),
	    .database = conf_text(conf, SERVICE_CONF_DB_NAME),
	    .user = conf_text(conf, SERVICE_CONF_DB_USER),
	    .password = conf_text(conf, SERVICE_CONF_DB_PASSWORD),
	    .connect_timeout_ms = (uint32_t)conf_int(conf, SERVICE_CONF_DB_CONNECT_TIMEOUT_MS),
	    .tls = (enum sql_tls)conf_choice(conf, SERVICE_CONF_DB_TLS),
	    .tls_ca_file = conf_text(conf, SERVICE_CONF_DB_TLS_CA),
	    .tls_cert_file = conf_text(conf, SERVICE_CONF_DB_TLS_CERT),
	    .tls_key_file = conf_text(conf, SERVICE_CONF_DB_TLS_KEY)};
}

bool
accountd_tls_options(const struct conf *conf, struct rpc_tls_options *options)
{
	*options = (struct rpc_tls_options){.server = true,
	    .cert_file = conf_text(conf, SERVICE_CONF_TLS_CERT),
	    .key_file = conf_text(conf, SERVICE_CONF_TLS_KEY),
	    .ca_file = conf_text(conf, SERVICE_CONF_TLS_CLIENT_CA)};
	return options->cert_file[0] != '\0' || options->key_file[0] != '\0';
}

const char *
accountd_listen(const struct conf *conf, char text[ACCOUNTD_LISTEN_TEXT_MAX])
{
	int port = (int)conf_int(conf, SERVICE_CONF_PORT);

	snprintf(text, ACCOUNTD_LISTEN_TEXT_MAX, "tcp://127.0.0.1:%d", port);
	return port == 0 ? conf_text(conf, SERVICE_CONF_LISTEN) : text;
}

static bool
accountd_check_command(const struct conf *conf, const char *command, struct error *error)
{
	(void)conf;
	if (accountd_find_command(command) == ACCOUNTD_COMMANDS) {
		error_set(error, STATUS_INVALID_ARGUMENT, "UNKNOWN_COMMAND",
		    "there is no command %s: use migrate or load-sample", command);
		return false;
	}
	return true;
}

/* A store that is not connected to yet says what it does not understand, and no more. */
static bool
accountd_check_store(const struct conf *conf, const char *command, struct error *error)
{
	const struct sql_options options = accountd_store_options(conf);
	struct sql_db *store;

	(void)command;
	if (store_open(&store, &options, error) != STATUS_OK) {
		return false;
	}
	sql_close(&store);
	return true;
}

/* The files that connections to the database will read; libmariadb does not name them. */
static bool
accountd_check_store_tls(const struct conf *conf, const char *command, struct error *error)
{
	const struct sql_options store = accountd_store_options(conf);
	const struct rpc_tls_options options = {
	    .server = store.tls_ca_file[0] == '\0', /* which may do without an authority */
	    .ca_file = store.tls_ca_file,
	    .cert_file = store.tls_cert_file,
	    .key_file = store.tls_key_file};
	struct rpc_tls *tls;

	(void)command;
	if (strcmp(store.url, "mysql") != 0 ||
	    (options.ca_file[0] == '\0' && options.cert_file[0] == '\0')) {
		return true;
	}
	if (rpc_tls_open(&tls, &options, error) != STATUS_OK) {
		return false;
	}
	rpc_tls_close(&tls);
	return true;
}

static bool
accountd_check_tls(const struct conf *conf, const char *command, struct error *error)
{
	struct rpc_tls_options options;
	struct rpc_tls *tls;

	if (command != NULL || !accountd_tls_options(conf, &options)) {
		return true;
	}
	if (rpc_tls_open(&tls, &options, error) != STATUS_OK) {
		return false;
	}
	rpc_tls_close(&tls);
	return true;
}

/* False, and error, when both cannot be listened on. */
static bool
accountd_check_apart(
    const struct rpc_listen_url *url, const struct rpc_listen_url *other, struct error *error)
{
	bool same = url->path != NULL && other->path != NULL
			? strcmp(url->path, other->path) == 0
			: url->path == NULL && other->path == NULL &&
			      address_overlaps(&url->address, &other->address);

	if (same) {
		error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "listen \"%.200s\" and \"%.200s\" are the same place: leave one out",
		    other->text, url->text);
	}
	return !same;
}

/* Against what else is listened on: the URLs of the list before end, and the admin port. */
static bool
accountd_check_others(const struct rpc_listen_url *url, const char *list, const char *end,
    const struct address *admin, struct error *error)
{
	struct rpc_listen_url other;

	while (list != end) {
		if (rpc_listen_url_next(&other, &list, error) != STATUS_OK ||
		    !accountd_check_apart(url, &other, error)) {
			return false;
		}
	}
	if (admin != NULL && url->path == NULL && address_overlaps(&url->address, admin)) {
		error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "listen \"%.200s\" and adminListen are the same address: choose another port",
		    url->text);
		return false;
	}
	return true;
}

static bool
accountd_check_listen(const struct conf *conf, const char *command, struct error *error)
{
	const char *admin_listen = conf_text(conf, SERVICE_CONF_ADMIN_LISTEN);
	bool administered = strcmp(admin_listen, ADMIN_OFF) != 0;
	char text[ACCOUNTD_LISTEN_TEXT_MAX];
	const char *list = accountd_listen(conf, text);
	struct rpc_tls_options options;
	struct rpc_listen_url url;
	struct address admin;

	if (command != NULL) {
		return true;
	}
	if (administered && address_read(&admin, "adminListen", admin_listen, 0, error)) {
		return false;
	}
	for (const char *at = list, *rest = list; rest != NULL; at = rest) {
		if (rpc_listen_url_next(&url, &rest, error) != STATUS_OK ||
		    !accountd_check_others(&url, list, at, administered ? &admin : NULL, error)) {
			return false;
		}
		if (url.tls && !accountd_tls_options(conf, &options)) {
			error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
			    "listen \"%.200s\": no certificate is configured; set tlsCert and "
			    "tlsKey",
			    url.text);
			return false;
		}
	}
	return true;
}

/* What is read around a request. */
#define ACCOUNTD_REQUEST_FRAME_BYTES 4096

/* A request of allowed size must not be ended for its size alone. */
static bool
accountd_check_limits(const struct conf *conf, const char *command, struct error *error)
{
	int64_t least =
	    conf_int(conf, SERVICE_CONF_REQUEST_MAX_BYTES) + ACCOUNTD_REQUEST_FRAME_BYTES;

	if (command != NULL || conf_int(conf, SERVICE_CONF_INCOMPLETE_MAX_BYTES) >= least) {
		return true;
	}
	error_set(error, STATUS_INVALID_ARGUMENT, "BAD_LIMIT",
	    "incompleteMaxBytes must be at least requestMaxBytes and %d more: %lld",
	    ACCOUNTD_REQUEST_FRAME_BYTES, (long long)least);
	return false;
}

bool (*const accountd_start_checks[])(const struct conf *conf, const char *command,
    struct error *error) = {accountd_check_command, accountd_check_store, accountd_check_store_tls,
    accountd_check_tls, accountd_check_listen, accountd_check_limits, NULL};

enum status_code
accountd_probe(const struct conf *conf, struct error *error)
{
	char text[ACCOUNTD_LISTEN_TEXT_MAX];
	const char *list = accountd_listen(conf, text);
	enum status_code status = STATUS_OK;
	struct rpc_listen_url url;

	while (status == STATUS_OK && list != NULL) {
		status = rpc_listen_url_next(&url, &list, error);
		if (status == STATUS_OK) {
			status = rpc_listen_url_probe(&url, error);
		}
	}
	return status == STATUS_OK
		   ? admin_probe_listen(conf_text(conf, SERVICE_CONF_ADMIN_LISTEN), error)
		   : status;
}
