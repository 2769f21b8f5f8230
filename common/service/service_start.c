#include "common/service/service_start.h"

#include <stdio.h>
#include <string.h>

#include "common/base/version.h"
#include "common/rpc/net/rpc_listen_url.h"
#include "common/telemetry/admin.h"

enum service_command
service_command_of(const char *word)
{
	if (word == NULL) {
		return SERVICE_RUN;
	}
	return strcmp(word, "migrate") == 0 ? SERVICE_MIGRATE : SERVICE_LOAD_SAMPLE;
}

struct sql_options
service_sql_options(const struct conf *conf)
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
service_tls_options(const struct conf *conf, struct rpc_tls_options *options)
{
	*options = (struct rpc_tls_options){.server = true,
	    .cert_file = conf_text(conf, SERVICE_CONF_TLS_CERT),
	    .key_file = conf_text(conf, SERVICE_CONF_TLS_KEY),
	    .ca_file = conf_text(conf, SERVICE_CONF_TLS_CLIENT_CA)};
	return options->cert_file[0] != '\0' || options->key_file[0] != '\0';
}

const char *
service_listen(const struct conf *conf, char text[SERVICE_LISTEN_TEXT_MAX])
{
	int port = (int)conf_int(conf, SERVICE_CONF_PORT);

	snprintf(text, SERVICE_LISTEN_TEXT_MAX, "tcp://127.0.0.1:%d", port);
	return port == 0 ? conf_text(conf, SERVICE_CONF_LISTEN) : text;
}

static bool
service_check_command(const struct conf *conf, const char *command, struct error *error)
{
	const struct service *service = conf_closure(conf);
	bool sample = service->load_sample != NULL;

	if (command == NULL || strcmp(command, "migrate") == 0 ||
	    (sample && strcmp(command, "load-sample") == 0)) {
		return true;
	}
	error_set(error, STATUS_INVALID_ARGUMENT, "UNKNOWN_COMMAND",
	    "there is no command %s: use %s", command,
	    sample ? "migrate or load-sample" : "migrate");
	return false;
}

/* A store that is not connected to yet says what it does not understand, and no more. */
static bool
service_check_store(const struct conf *conf, const char *command, struct error *error)
{
	const struct sql_options options = service_sql_options(conf);
	struct sql_db *db;

	(void)command;
	if (sql_open(&db, &options, error) != STATUS_OK) {
		return false;
	}
	sql_close(&db);
	return true;
}

/* The files that connections to the database will read; libmariadb does not name them. */
static bool
service_check_store_tls(const struct conf *conf, const char *command, struct error *error)
{
	const struct sql_options database = service_sql_options(conf);
	const struct rpc_tls_options options = {
	    .server = database.tls_ca_file[0] == '\0', /* which may do without an authority */
	    .ca_file = database.tls_ca_file,
	    .cert_file = database.tls_cert_file,
	    .key_file = database.tls_key_file};
	struct rpc_tls *tls;

	(void)command;
	if (strcmp(database.url, "mysql") != 0 ||
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
service_check_tls(const struct conf *conf, const char *command, struct error *error)
{
	struct rpc_tls_options options;
	struct rpc_tls *tls;

	if (command != NULL || !service_tls_options(conf, &options)) {
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
service_check_apart(
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
service_check_others(const struct rpc_listen_url *url, const char *list, const char *end,
    const struct address *admin, struct error *error)
{
	struct rpc_listen_url other;

	while (list != end) {
		if (rpc_listen_url_next(&other, &list, error) != STATUS_OK ||
		    !service_check_apart(url, &other, error)) {
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
service_check_listen(const struct conf *conf, const char *command, struct error *error)
{
	const char *admin_listen = conf_text(conf, SERVICE_CONF_ADMIN_LISTEN);
	bool administered = strcmp(admin_listen, ADMIN_OFF) != 0;
	char text[SERVICE_LISTEN_TEXT_MAX];
	const char *list = service_listen(conf, text);
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
		    !service_check_others(&url, list, at, administered ? &admin : NULL, error)) {
			return false;
		}
		if (url.tls && !service_tls_options(conf, &options)) {
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
#define SERVICE_REQUEST_FRAME_BYTES 4096

/* A request of allowed size must not be ended for its size alone. */
static bool
service_check_limits(const struct conf *conf, const char *command, struct error *error)
{
	int64_t least =
	    conf_int(conf, SERVICE_CONF_REQUEST_MAX_BYTES) + SERVICE_REQUEST_FRAME_BYTES;

	if (command != NULL || conf_int(conf, SERVICE_CONF_INCOMPLETE_MAX_BYTES) >= least) {
		return true;
	}
	error_set(error, STATUS_INVALID_ARGUMENT, "BAD_LIMIT",
	    "incompleteMaxBytes must be at least requestMaxBytes and %d more: %lld",
	    SERVICE_REQUEST_FRAME_BYTES, (long long)least);
	return false;
}

static bool (*const service_start_checks[])(const struct conf *conf, const char *command,
    struct error *error) = {service_check_command, service_check_store, service_check_store_tls,
    service_check_tls, service_check_listen, service_check_limits, NULL};

bool
service_program_init(struct service_program *program, const struct service *service)
{
	program->conf = (struct conf_program){.name = service->name,
	    .version = MOCKVIDEO_VERSION,
	    .summary = service->summary,
	    .commands = program->commands,
	    .start_checks = service_start_checks};
	snprintf(program->commands, sizeof(program->commands),
	    "migrate      bring the database up to date, then exit%s%s%s",
	    service->load_sample == NULL ? "" : "\n  load-sample  add ",
	    service->load_sample == NULL ? "" : service->sample,
	    service->load_sample == NULL ? "" : " to an empty store, then exit");
	return service_conf_init(&program->conf, service);
}

void
service_program_fini(struct service_program *program)
{
	service_conf_fini(&program->conf);
}

enum status_code
service_probe(const struct conf *conf, struct error *error)
{
	char text[SERVICE_LISTEN_TEXT_MAX];
	const char *list = service_listen(conf, text);
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
