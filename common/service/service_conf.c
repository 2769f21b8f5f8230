#include "common/service/service_conf.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/status.h"
#include "common/service/service.h"
#include "common/telemetry/log.h"
#include "common/telemetry/telemetry.h"

/* In the order of enum sql_tls. */
static const char *const service_conf_db_tls[] = {
    "off", "preferred", "required", "verify-ca", "verify", NULL};

static const struct conf_row service_conf_rows[SERVICE_CONF_COUNT] = {
    [SERVICE_CONF_LISTEN] = {"listen", CONF_TEXT, CONF_REQUIRED, 1, 1024, NULL, NULL,
	"URLs to listen on for calls, separated by commas: tcp://HOST:PORT, tls+tcp://HOST:PORT, "
	"ipc://PATH; without HOST, every address, IPv4 and IPv6.",
	NULL},
    [SERVICE_CONF_TLS_CERT] = {"tlsCert", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Certificate for tls+tcp:// URLs, with its chain: a PEM file, read again on SIGHUP.", NULL},
    [SERVICE_CONF_TLS_KEY] = {"tlsKey", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Private key of tlsCert: a PEM file, read again on SIGHUP.", NULL},
    [SERVICE_CONF_TLS_CLIENT_CA] = {"tlsClientCa", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Authorities that must have signed the certificates of clients, and their revocation lists "
	"(CRL): a PEM file, read again on SIGHUP; empty: clients need no certificate.",
	NULL},
    [SERVICE_CONF_TLS_TRUSTED] = {"tlsTrusted", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Names of clients that may set the principal of a call, separated by commas: DNS or URI "
	"names of their certificates, or the common name if there are none; empty: all clients.",
	NULL},
    [SERVICE_CONF_PORT] = {"port", CONF_INT, 0, 0, 65535, "0", NULL,
	"Port on 127.0.0.1 to listen on instead of listen; 0: listen is used.", NULL},
    [SERVICE_CONF_LOG_LEVEL] = {"logLevel", CONF_CHOICE, CONF_RELOADABLE, 0, 0, "info", NULL,
	"Lines of this level and of more serious ones are logged.", log_level_names},
    [SERVICE_CONF_STORE] = {"store", CONF_TEXT, CONF_REQUIRED, 1, 4096, NULL, NULL,
	"Where data are kept: sqlite:PATH, or mysql.", NULL},
    [SERVICE_CONF_DB_HOST] = {"dbHost", CONF_TEXT, 0, 1, 1024, "127.0.0.1", NULL,
	"Hosts of MySQL or MariaDB, separated by commas; if one fails, the next is tried.", NULL},
    [SERVICE_CONF_DB_PORT] = {"dbPort", CONF_INT, 0, 1, 65535, "3306", NULL,
	"Port of MySQL or MariaDB.", NULL},
    [SERVICE_CONF_DB_NAME] = {"dbName", CONF_TEXT, CONF_REQUIRED, 1, 64, NULL, NULL,
	"Name of the database.", NULL},
    [SERVICE_CONF_DB_USER] = {"dbUser", CONF_SECRET, CONF_RELOADABLE, 0, 128, NULL, NULL,
	"User of the database.", NULL},
    [SERVICE_CONF_DB_PASSWORD] = {"dbPassword", CONF_SECRET, CONF_RELOADABLE, 0, 1024, NULL, NULL,
	"Password of the database's user.", NULL},
    [SERVICE_CONF_DB_CONNECT_TIMEOUT_MS] = {"dbConnectTimeoutMs", CONF_INT, 0, 100, 60000, "2000",
	"ms", "Maximum time to connect to the database.", NULL},
    [SERVICE_CONF_DB_TLS] = {"dbTls", CONF_CHOICE, 0, 0, 0, "preferred", NULL,
	"TLS to the database: off; preferred, if the database offers it; required; verify-ca, with "
	"a certificate signed by dbTlsCa; verify, which also contains the name in dbHost. Unix "
	"sockets do not use TLS.",
	service_conf_db_tls},
    [SERVICE_CONF_DB_TLS_CA] = {"dbTlsCa", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Authorities that must have signed the database's certificate, and their revocation lists "
	"(CRL): a PEM file, read for each connection; empty, with dbTls=verify: those that the "
	"system trusts.",
	NULL},
    [SERVICE_CONF_DB_TLS_CERT] = {"dbTlsCert", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Certificate to present to the database, with its chain: a PEM file, read for each "
	"connection.",
	NULL},
    [SERVICE_CONF_DB_TLS_KEY] = {"dbTlsKey", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Private key of dbTlsCert: a PEM file, read for each connection.", NULL},
    [SERVICE_CONF_STORE_WORKERS] = {"storeWorkers", CONF_INT, 0, 1, 64, "4", NULL,
	"Number of threads that read and write the store, each with its own connection.", NULL},
    [SERVICE_CONF_COALESCE_MAX] = {"coalesceMax", CONF_INT, 0, 1, SERVICE_COALESCE_MAX, "64",
	"calls",
	"Maximum number of calls that share a query or a transaction; 1: each has its own.", NULL},
    [SERVICE_CONF_QUEUE_MAX] = {"queueMax", CONF_INT, 0, 1, 1000000, "4096", "calls",
	"Maximum number of calls of one kind that wait for the store; further ones are refused.",
	NULL},
    [SERVICE_CONF_MAX_CONCURRENT_BULK_OPERATIONS] = {"maxConcurrentBulkOperations", CONF_INT, 0, 1,
	1000, "10", "calls",
	"Maximum number of bulk calls written at a time; one store worker always remains free for "
	"other calls.",
	NULL},
    [SERVICE_CONF_BULK_MAX_ITEMS] = {"bulkMaxItems", CONF_INT, 0, 1, 1000000, "10000", "items",
	"Maximum number of items in a bulk call.", NULL},
    [SERVICE_CONF_REQUEST_MAX_BYTES] = {"requestMaxBytes", CONF_INT, 0, 1024, 1073741824,
	"67108864", "bytes", "Maximum size of a request message.", NULL},
    [SERVICE_CONF_BATCH_MAX_CALLS] = {"batchMaxCalls", CONF_INT, 0, 1, 100000, "1024", "calls",
	"Maximum number of calls in one request message.", NULL},
    [SERVICE_CONF_MESSAGES_MAX] = {"messagesMax", CONF_INT, 0, 1, 10000, "64", "messages",
	"Maximum number of request messages of one connection that are worked on at a time; "
	"further ones wait.",
	NULL},
    [SERVICE_CONF_CONNECTIONS_MAX] = {"connectionsMax", CONF_INT, 0, 1, 1000000, "4096", NULL,
	"Maximum number of connections from clients; further ones are refused.", NULL},
    [SERVICE_CONF_CONNECTIONS_PER_ADDRESS_MAX] = {"connectionsPerAddressMax", CONF_INT, 0, 0,
	1000000, "0", NULL,
	"Maximum number of connections from one address (IPv6: from one /64); 0: no limit.", NULL},
    [SERVICE_CONF_HANDSHAKE_TIMEOUT_MS] = {"handshakeTimeoutMs", CONF_INT, 0, 100, 3600000, "10000",
	"ms", "Maximum time from connecting to the end of the handshake, including TLS.", NULL},
    [SERVICE_CONF_RECEIVE_TIMEOUT_MS] = {"receiveTimeoutMs", CONF_INT, 0, 100, 3600000, "30000",
	"ms", "Maximum time from the first byte of a request message to its last.", NULL},
    [SERVICE_CONF_SEND_TIMEOUT_MS] = {"sendTimeoutMs", CONF_INT, 0, 100, 3600000, "10000", "ms",
	"A client that reads no byte of its replies for this time is disconnected.", NULL},
    [SERVICE_CONF_INCOMPLETE_MAX_BYTES] = {"incompleteMaxBytes", CONF_INT, 0, 65536, 1099511627776,
	"100663296", "bytes",
	"Maximum memory of all incomplete request messages; beyond it the connections of the "
	"oldest are closed.",
	NULL},
    [SERVICE_CONF_WORKING_MAX_BYTES] = {"workingMaxBytes", CONF_INT, 0, 65536, 1099511627776,
	"100663296", "bytes",
	"Maximum memory of all request messages being worked on; further ones are refused.", NULL},
    [SERVICE_CONF_UNSENT_MAX_BYTES] = {"unsentMaxBytes", CONF_INT, 0, 65536, 1099511627776,
	"100663296", "bytes",
	"Maximum memory of replies that clients have not read; beyond it the clients that read "
	"least are disconnected.",
	NULL},
    [SERVICE_CONF_REQUEST_TIMEOUT_MS] = {"requestTimeoutMs", CONF_INT, 0, 1, 3600000, "10000", "ms",
	"Deadline of a call that has none.", NULL},
    [SERVICE_CONF_TIMEOUT_MAX_MS] = {"timeoutMaxMs", CONF_INT, 0, 1, 3600000, "300000", "ms",
	"Maximum deadline of a call; longer ones are reduced to it.", NULL},
    [SERVICE_CONF_DRAIN_MS] = {"drainMs", CONF_INT, CONF_RELOADABLE, 0, 600000, "1000", "ms",
	"Time after SIGTERM in which calls are still accepted, while health reports NOT_SERVING.",
	NULL},
    [SERVICE_CONF_ADMIN_LISTEN] = {"adminListen", CONF_TEXT, CONF_REQUIRED, 1, 256, NULL, NULL,
	"Address for /metrics, /healthz and /readyz: HOST:PORT, :PORT for every address, or off.",
	NULL},
    [SERVICE_CONF_OTLP_ENDPOINT] = {"otlpEndpoint", CONF_TEXT, 0, 0, 2048, NULL, NULL,
	"URL that spans are sent to, such as http://localhost:4318/v1/traces; empty: spans are not "
	"sent.",
	NULL},
    [SERVICE_CONF_OTLP_QUEUE_MAX] = {"otlpQueueMax", CONF_INT, 0, 1, 1000000, "2048", "spans",
	"Maximum number of spans that wait to be sent; further ones are dropped.", NULL},
    [SERVICE_CONF_TRACE_SAMPLE_RATIO] = {"traceSampleRatio", CONF_TEXT, 0, 1, 32, "0.01", NULL,
	"Share, from 0 to 1, of the traces beginning here whose spans are sent.", NULL},
};

static bool
service_conf_given(const struct conf *conf, enum service_conf row)
{
	return conf_text(conf, row)[0] != '\0';
}

/* Entries of tlsTrusted must not be empty: a name left out trusts nobody, or is a mistake. */
static bool
service_conf_check_trusted(const struct conf *conf, struct error *error)
{
	const char *list = conf_text(conf, SERVICE_CONF_TLS_TRUSTED);

	if (*list == '\0') {
		return true;
	}
	if (!service_conf_given(conf, SERVICE_CONF_TLS_CLIENT_CA)) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
		    "tlsTrusted needs tlsClientCa: without certificates of clients nobody is "
		    "trusted");
		return false;
	}
	while (list != NULL) {
		list += strspn(list, " \t");
		if (*list == '\0' || *list == ',') {
			error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
			    "tlsTrusted has an empty entry: it must be names with commas between");
			return false;
		}
		list = strchr(list, ',');
		list += list != NULL;
	}
	return true;
}

static bool
service_conf_check_tls(const struct conf *conf, struct error *error)
{
	bool cert = service_conf_given(conf, SERVICE_CONF_TLS_CERT);
	bool key = service_conf_given(conf, SERVICE_CONF_TLS_KEY);

	if (cert != key) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
		    cert ? "tlsCert needs tlsKey: set the file with its private key"
			 : "tlsKey needs tlsCert: set the file with its certificate");
		return false;
	}
	if (!cert && service_conf_given(conf, SERVICE_CONF_TLS_CLIENT_CA)) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
		    "tlsClientCa needs tlsCert and tlsKey: without them there is no TLS");
		return false;
	}
	return service_conf_check_trusted(conf, error);
}

/* A service may have no configuration of its own. */
static const struct service_conf_own *
service_conf_own(const struct service *service)
{
	static const struct service_conf_own none;

	return service->conf == NULL ? &none : service->conf;
}

static bool
service_conf_check(const struct conf *conf, struct error *error)
{
	const struct service *service = conf_closure(conf);

	return service_conf_check_tls(conf, error) &&
	       telemetry_check(conf_text(conf, SERVICE_CONF_ADMIN_LISTEN),
		   conf_text(conf, SERVICE_CONF_OTLP_ENDPOINT),
		   conf_text(conf, SERVICE_CONF_TRACE_SAMPLE_RATIO), error) &&
	       (service_conf_own(service)->check == NULL ||
		   service_conf_own(service)->check(conf, error));
}

static void
service_conf_change(struct conf_row *row, const struct service_conf_change *change)
{
	row->fallback = change->fallback == NULL ? row->fallback : change->fallback;
	row->unit = change->unit == NULL ? row->unit : change->unit;
	row->help = change->help == NULL ? row->help : change->help;
}

bool
service_conf_init(struct conf_program *program, const struct service *service)
{
	const struct service_conf_own *own = service_conf_own(service);
	unsigned count = SERVICE_CONF_COUNT + own->row_count;
	struct conf_row *rows = calloc(count, sizeof(*rows));

	if (rows == NULL) {
		return false;
	}
	memcpy(rows, service_conf_rows, sizeof(service_conf_rows));
	for (size_t i = 0; i < own->change_count; i++) {
		service_conf_change(&rows[own->changes[i].row], &own->changes[i]);
	}
	if (own->row_count > 0) {
		memcpy(rows + SERVICE_CONF_COUNT, own->rows, own->row_count * sizeof(*rows));
	}
	program->rows = rows;
	program->row_count = count;
	program->check = service_conf_check;
	program->closure = service;
	return true;
}

void
service_conf_fini(struct conf_program *program)
{
	free((struct conf_row *)(uintptr_t)program->rows);
	program->rows = NULL;
	program->row_count = 0;
}
