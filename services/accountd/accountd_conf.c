#include "services/accountd/accountd_conf.h"

#include <stddef.h>
#include <string.h>

#include "common/log.h"
#include "common/telemetry.h"
#include "common/version.h"
#include "services/accountd/user_service.h"

/* In the order of enum store_tls. */
static const char *const accountd_db_tls[] = {
    "off", "preferred", "required", "verify-ca", "verify", NULL};

static const struct conf_row accountd_rows[ACCOUNTD_CONF_COUNT] = {
    [ACCOUNTD_LISTEN] = {"listen", CONF_TEXT, 0, 1, 1024, "tcp://127.0.0.1:7001", NULL,
	"URLs to answer calls on, with commas: tcp://HOST:PORT, tls+tcp://HOST:PORT, ipc://PATH; "
	"without HOST, on every address, IPv4 and IPv6.",
	NULL},
    [ACCOUNTD_TLS_CERT] = {"tlsCert", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Certificate of tls+tcp:// URLs, with its chain: a PEM file, read again on SIGHUP.", NULL},
    [ACCOUNTD_TLS_KEY] = {"tlsKey", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Private key of tlsCert: a PEM file, read again on SIGHUP.", NULL},
    [ACCOUNTD_TLS_CLIENT_CA] = {"tlsClientCa", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Whose certificates clients must show, and lists (CRL) of revoked ones: a PEM file, read "
	"again on SIGHUP; empty: none.",
	NULL},
    [ACCOUNTD_TLS_TRUSTED] = {"tlsTrusted", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Names, with commas, of clients that may set the principal of a call: DNS or URI names "
	"of their certificates, or the common name of one without; empty: all clients.",
	NULL},
    [ACCOUNTD_PORT] = {"port", CONF_INT, 0, 0, 65535, "0", NULL,
	"Port of 127.0.0.1 to answer on instead of listen; 0: listen counts.", NULL},
    [ACCOUNTD_LOG_LEVEL] = {"logLevel", CONF_CHOICE, CONF_RELOADABLE, 0, 0, "info", NULL,
	"What is logged: this level and those before it.", log_level_names},
    [ACCOUNTD_STORE] = {"store", CONF_TEXT, 0, 1, 4096, "sqlite:accountd.db", NULL,
	"Where users are kept: sqlite:PATH, or mysql.", NULL},
    [ACCOUNTD_DB_HOST] = {"dbHost", CONF_TEXT, 0, 1, 1024, "127.0.0.1", NULL,
	"Hosts of MySQL or MariaDB, with commas; the next is tried when one fails.", NULL},
    [ACCOUNTD_DB_PORT] = {"dbPort", CONF_INT, 0, 1, 65535, "3306", NULL,
	"Port of MySQL or MariaDB.", NULL},
    [ACCOUNTD_DB_NAME] = {"dbName", CONF_TEXT, 0, 1, 64, "mockvideo", NULL, "Name of the database.",
	NULL},
    [ACCOUNTD_DB_USER] = {"dbUser", CONF_SECRET, CONF_RELOADABLE, 0, 128, NULL, NULL,
	"User of the database.", NULL},
    [ACCOUNTD_DB_PASSWORD] = {"dbPassword", CONF_SECRET, CONF_RELOADABLE, 0, 1024, NULL, NULL,
	"Password of the database's user.", NULL},
    [ACCOUNTD_DB_CONNECT_TIMEOUT_MS] = {"dbConnectTimeoutMs", CONF_INT, 0, 100, 60000, "2000", "ms",
	"Longest time to connect to the database.", NULL},
    [ACCOUNTD_DB_TLS] = {"dbTls", CONF_CHOICE, 0, 0, 0, "preferred", NULL,
	"TLS to the database: preferred if it offers it; required; verify-ca, with a certificate "
	"of dbTlsCa; verify, also with the name of dbHost. Unix sockets have none.",
	accountd_db_tls},
    [ACCOUNTD_DB_TLS_CA] = {"dbTlsCa", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Whose certificate the database must show, and lists (CRL) of revoked ones: a PEM file, "
	"read for each connection; empty, with dbTls=verify: whom the system trusts.",
	NULL},
    [ACCOUNTD_DB_TLS_CERT] = {"dbTlsCert", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Certificate that is shown to the database, with its chain: a PEM file, read for each "
	"connection.",
	NULL},
    [ACCOUNTD_DB_TLS_KEY] = {"dbTlsKey", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Private key of dbTlsCert: a PEM file, read for each connection.", NULL},
    [ACCOUNTD_STORE_WORKERS] = {"storeWorkers", CONF_INT, 0, 1, 64, "4", NULL,
	"Threads, each with a connection, that read and write the store.", NULL},
    [ACCOUNTD_COALESCE_MAX] = {"coalesceMax", CONF_INT, 0, 1, USER_COALESCE_MAX, "64", "calls",
	"Most calls that share a query or a transaction; 1: each has its own.", NULL},
    [ACCOUNTD_QUEUE_MAX] = {"queueMax", CONF_INT, 0, 1, 1000000, "4096", "calls",
	"Most calls of a kind that wait for the store; further ones are refused.", NULL},
    [ACCOUNTD_MAX_CONCURRENT_BULK_OPERATIONS] = {"maxConcurrentBulkOperations", CONF_INT, 0, 1,
	1000, "10", "calls",
	"Most bulk calls written at a time; one store worker is always left to others.", NULL},
    [ACCOUNTD_BULK_MAX_ITEMS] = {"bulkMaxItems", CONF_INT, 0, 1, 1000000, "10000", "users",
	"Most users of a bulk call.", NULL},
    [ACCOUNTD_HASH_THREADS] = {"hashThreads", CONF_INT, 0, 0, 64, "0", NULL,
	"Threads that hash passwords; 0: one for each processor, at most 4.", NULL},
    [ACCOUNTD_HASH_QUEUE_MAX] = {"hashQueueMax", CONF_INT, 0, 1, 1000000, "1024", "calls",
	"Most calls whose passwords wait to be hashed; further ones are refused.", NULL},
    [ACCOUNTD_HASH_MEM_KIB] = {"hashMemKib", CONF_INT, 0, 8, 4194304, "19456", "KiB",
	"Memory of one argon2id hash; less than 19456 is warned of.", NULL},
    [ACCOUNTD_HASH_PASSES] = {"hashPasses", CONF_INT, 0, 1, 1000, "2", NULL,
	"Passes of one argon2id hash; less than 2 is warned of.", NULL},
    [ACCOUNTD_REQUEST_MAX_BYTES] = {"requestMaxBytes", CONF_INT, 0, 1024, 1073741824, "67108864",
	"bytes", "Largest request message.", NULL},
    [ACCOUNTD_BATCH_MAX_CALLS] = {"batchMaxCalls", CONF_INT, 0, 1, 100000, "1024", "calls",
	"Most calls of one request message.", NULL},
    [ACCOUNTD_MESSAGES_MAX] = {"messagesMax", CONF_INT, 0, 1, 10000, "64", "messages",
	"Most request messages of a connection worked on at a time; its further ones wait.", NULL},
    [ACCOUNTD_CONNECTIONS_MAX] = {"connectionsMax", CONF_INT, 0, 1, 1000000, "4096", NULL,
	"Most connections of clients; further ones are refused.", NULL},
    [ACCOUNTD_CONNECTIONS_PER_ADDRESS_MAX] = {"connectionsPerAddressMax", CONF_INT, 0, 0, 1000000,
	"0", NULL, "Most connections of one address (IPv6: of one /64); 0: no limit.", NULL},
    [ACCOUNTD_HANDSHAKE_TIMEOUT_MS] = {"handshakeTimeoutMs", CONF_INT, 0, 100, 3600000, "10000",
	"ms", "Longest time from connecting to the end of the handshake, TLS included.", NULL},
    [ACCOUNTD_RECEIVE_TIMEOUT_MS] = {"receiveTimeoutMs", CONF_INT, 0, 100, 3600000, "30000", "ms",
	"Longest time from the first byte of a request message to its last.", NULL},
    [ACCOUNTD_SEND_TIMEOUT_MS] = {"sendTimeoutMs", CONF_INT, 0, 100, 3600000, "10000", "ms",
	"A client that takes no byte of its replies for so long is disconnected.", NULL},
    [ACCOUNTD_INCOMPLETE_MAX_BYTES] = {"incompleteMaxBytes", CONF_INT, 0, 65536, 1099511627776,
	"100663296", "bytes",
	"Memory of all request messages that have come in part; beyond it the oldest are ended.",
	NULL},
    [ACCOUNTD_WORKING_MAX_BYTES] = {"workingMaxBytes", CONF_INT, 0, 65536, 1099511627776,
	"100663296", "bytes", "All request messages worked on; further ones are refused.", NULL},
    [ACCOUNTD_UNSENT_MAX_BYTES] = {"unsentMaxBytes", CONF_INT, 0, 65536, 1099511627776, "100663296",
	"bytes",
	"Replies that clients do not read; beyond it those that read least are disconnected.",
	NULL},
    [ACCOUNTD_REQUEST_TIMEOUT_MS] = {"requestTimeoutMs", CONF_INT, 0, 1, 3600000, "10000", "ms",
	"Deadline of a call that names none.", NULL},
    [ACCOUNTD_TIMEOUT_MAX_MS] = {"timeoutMaxMs", CONF_INT, 0, 1, 3600000, "300000", "ms",
	"Longest deadline of a call; longer ones are cut to it.", NULL},
    [ACCOUNTD_DRAIN_MS] = {"drainMs", CONF_INT, CONF_RELOADABLE, 0, 600000, "1000", "ms",
	"How long calls are still taken after SIGTERM, while health says NOT_SERVING.", NULL},
    [ACCOUNTD_ADMIN_LISTEN] = {"adminListen", CONF_TEXT, CONF_REQUIRED, 1, 256, "127.0.0.1:7002",
	NULL,
	"Where to answer /metrics, /healthz and /readyz: HOST:PORT, :PORT for every address, or "
	"off.",
	NULL},
    [ACCOUNTD_OTLP_ENDPOINT] = {"otlpEndpoint", CONF_TEXT, 0, 0, 2048, NULL, NULL,
	"URL that spans are sent to, as http://localhost:4318/v1/traces; empty: they are not.",
	NULL},
    [ACCOUNTD_OTLP_QUEUE_MAX] = {"otlpQueueMax", CONF_INT, 0, 1, 1000000, "2048", "spans",
	"Most spans that wait to be sent; further ones are dropped.", NULL},
    [ACCOUNTD_TRACE_SAMPLE_RATIO] = {"traceSampleRatio", CONF_TEXT, 0, 1, 32, "0.01", NULL,
	"Share, from 0 to 1, of the traces that begin here whose spans are sent.", NULL},
};

static bool
accountd_conf_given(const struct conf *conf, enum accountd_conf row)
{
	return conf_text(conf, row)[0] != '\0';
}

/* Entries of tlsTrusted must not be empty: a name left out trusts nobody, or is a mistake. */
static bool
accountd_conf_check_trusted(const struct conf *conf, struct error *error)
{
	const char *list = conf_text(conf, ACCOUNTD_TLS_TRUSTED);

	if (*list == '\0') {
		return true;
	}
	if (!accountd_conf_given(conf, ACCOUNTD_TLS_CLIENT_CA)) {
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
accountd_conf_check_tls(const struct conf *conf, struct error *error)
{
	bool cert = accountd_conf_given(conf, ACCOUNTD_TLS_CERT);
	bool key = accountd_conf_given(conf, ACCOUNTD_TLS_KEY);

	if (cert != key) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
		    cert ? "tlsCert needs tlsKey: set the file with its private key"
			 : "tlsKey needs tlsCert: set the file with its certificate");
		return false;
	}
	if (!cert && accountd_conf_given(conf, ACCOUNTD_TLS_CLIENT_CA)) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
		    "tlsClientCa needs tlsCert and tlsKey: without them there is no TLS");
		return false;
	}
	return accountd_conf_check_trusted(conf, error);
}

static bool
accountd_conf_check(const struct conf *conf, struct error *error)
{
	return accountd_conf_check_tls(conf, error) &&
	       telemetry_check(conf_text(conf, ACCOUNTD_ADMIN_LISTEN),
		   conf_text(conf, ACCOUNTD_OTLP_ENDPOINT),
		   conf_text(conf, ACCOUNTD_TRACE_SAMPLE_RATIO), error);
}

const struct conf_program accountd_program = {
    .name = "accountd",
    .version = MOCKVIDEO_VERSION,
    .summary = "The account service: answers protobuf calls over NNG.",
    .commands = "migrate      bring the database up to date, then exit\n"
		"  load-sample  add the original's five users to an empty store, then exit",
    .rows = accountd_rows,
    .row_count = ACCOUNTD_CONF_COUNT,
    .check = accountd_conf_check,
};
