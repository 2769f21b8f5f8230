#include "gateway/gw_conf.h"

#include <stddef.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/version.h"
#include "common/rpc/net/rpc_url.h"
#include "common/telemetry/admin.h"
#include "common/telemetry/log.h"
#include "common/telemetry/telemetry.h"
#include "gateway/gw_backend.h"
#include "gateway/gw_origin.h"

static const struct conf_row gw_rows[GW_CONF_COUNT] = {
    [GW_LISTEN] = {"listen", CONF_TEXT, CONF_REQUIRED, 1, 256, "127.0.0.1:5000", NULL,
	"Address to listen on for HTTP: HOST:PORT, [IPV6]:PORT, or :PORT for every address, IPv4 "
	"and IPv6.",
	NULL},
    [GW_PORT] = {"port", CONF_INT, 0, 0, 65535, "0", NULL,
	"Port to use instead of the one in listen (the original's key); 0: the one in listen is "
	"used.",
	NULL},
    [GW_INSECURE_NO_AUTH] = {"insecureNoAuth", CONF_BOOL, 0, 0, 0, "false", NULL,
	"Allow listening where other machines can reach the gateway, although it does not "
	"authenticate clients.",
	NULL},
    [GW_BACKENDS] = {"backends", CONF_TEXT, CONF_REQUIRED, 1, 4096, "tcp://127.0.0.1:7001", NULL,
	"Addresses of services, separated by commas: PACKAGE=URL is for a proto package and those "
	"below it, a URL alone for all others. tcp://, tls+tcp:// or dns:/// with HOST:PORT, "
	"ipc://PATH; several URLs of one package are instances of one service.",
	NULL},
    [GW_BACKEND_TLS_CA] = {"backendTlsCa", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Authorities that must have signed the certificates of services at tls+tcp://, and if this "
	"is set at dns:/// too, and their revocation lists (CRL): a PEM file, read again on "
	"SIGHUP.",
	NULL},
    [GW_BACKEND_TLS_CERT] = {"backendTlsCert", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Certificate to present to services, with its chain: a PEM file, read again on SIGHUP.",
	NULL},
    [GW_BACKEND_TLS_KEY] = {"backendTlsKey", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Private key of backendTlsCert: a PEM file, read again on SIGHUP.", NULL},
    [GW_BACKEND_TLS_NAME] = {"backendTlsName", CONF_TEXT, 0, 0, 253, NULL, NULL,
	"Name that the certificates of services must contain; empty: the host of the URL.", NULL},
    [GW_RESOLVE_INTERVAL_MS] = {"resolveIntervalMs", CONF_INT, 0, 100, 3600000, "30000", "ms",
	"Time between look-ups of dns:/// names; a lost connection causes one earlier.", NULL},
    [GW_DESCRIPTORS] = {"descriptors", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"File with the FileDescriptorSet of all services, used instead of asking them.", NULL},
    [GW_DESCRIPTOR_CACHE] = {"descriptorCache", CONF_TEXT, 0, 0, 4000, NULL, NULL,
	"Folder for the last descriptors of each service, used at the start while the service is "
	"down; empty: none. Not used with descriptors.",
	NULL},
    [GW_HTTP_RULES] = {"httpRules", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"YAML file with additional HTTP bindings of methods, in the form of google.api.Service: "
	"http.rules with selectors.",
	NULL},
    [GW_THREADS] = {"threads", CONF_INT, 0, 0, 64, "0", NULL,
	"Number of threads that answer HTTP; 0: half the number of processors, but at least 1 and "
	"at most 4.",
	NULL},
    [GW_LOG_LEVEL] = {"logLevel", CONF_CHOICE, CONF_RELOADABLE, 0, 0, "info", NULL,
	"Lines of this level and of more serious ones are logged.", log_level_names},
    [GW_ACCESS_LOG] = {"accessLog", CONF_BOOL, 0, 0, 0, "false", NULL,
	"Log each request at level info instead of debug.", NULL},
    [GW_REQUEST_TIMEOUT_MS] = {"requestTimeoutMs", CONF_INT, 0, 1, 3600000, "10000", "ms",
	"Maximum time for a call to a service, unless its binding sets another.", NULL},
    [GW_BODY_MAX_BYTES] = {"bodyMaxBytes", CONF_INT, 0, 1, 1073741824, "1048576", "bytes",
	"Maximum size of the body of a request, and of what it was before it was compressed.",
	NULL},
    [GW_BULK_BODY_MAX_BYTES] = {"bulkBodyMaxBytes", CONF_INT, 0, 1, 1073741824, "33554432", "bytes",
	"The same for the body of a bulk request.", NULL},
    [GW_BULK_MAX_ITEMS] = {"bulkMaxItems", CONF_INT, 0, 1, 1000000, "10000", NULL,
	"Maximum number of sub-requests in a bulk request.", NULL},
    [GW_HEAD_MAX_BYTES] = {"headMaxBytes", CONF_INT, 0, 1024, 409600, "65536", "bytes",
	"Maximum size of the request line and headers of a request.", NULL},
    [GW_REQUESTS_MAX_BYTES] = {"requestsMaxBytes", CONF_INT, 0, 1048576, 1099511627776, "75497472",
	"bytes",
	"Maximum memory of all requests that arrive or are being answered; further ones are "
	"answered 429. A connection may hold at most as much as is left for all others.",
	NULL},
    [GW_ANSWERS_MAX_BYTES] = {"answersMaxBytes", CONF_INT, 0, 1048576, 1099511627776, "50331648",
	"bytes",
	"Maximum memory of answers that clients have not read. Beyond it lists and bulks wait, or "
	"are answered 429 after requestTimeoutMs, and connections whose clients read slowly are "
	"cut. A connection may hold at most as much as is left for all others.",
	NULL},
    [GW_ANSWERS_PER_CONNECTION_MAX_BYTES] = {"answersPerConnectionMaxBytes", CONF_INT, 0, 65536,
	1099511627776, "2097152", "bytes",
	"Maximum memory of answers of one connection that its client has not read; further lists "
	"and bulks of it wait. At most half of answersMaxBytes.",
	NULL},
    [GW_HEADER_TIMEOUT_MS] = {"headerTimeoutMs", CONF_INT, 0, 1000, 3600000, "10000", "ms",
	"Maximum time for the request line and headers of a request to arrive.", NULL},
    [GW_BODY_TIMEOUT_MS] = {"bodyTimeoutMs", CONF_INT, 0, 1000, 3600000, "60000", "ms",
	"Maximum time for the body of a request to arrive.", NULL},
    [GW_SEND_TIMEOUT_MS] = {"sendTimeoutMs", CONF_INT, 0, 1000, 3600000, "30000", "ms",
	"Maximum time in which a client reads nothing of its answer. It begins when the client "
	"could have read, at 4 KiB/s, what it has accepted.",
	NULL},
    [GW_IDLE_TIMEOUT_MS] = {"idleTimeoutMs", CONF_INT, 0, 1000, 3600000, "60000", "ms",
	"Time for which a connection without a request is kept open.", NULL},
    [GW_CONNECTIONS_MAX] = {"connectionsMax", CONF_INT, 0, 1, 1000000, "10000", NULL,
	"Maximum number of connections at a time. Idle ones are closed for new ones; if none is "
	"idle, new ones are refused.",
	NULL},
    [GW_CONNECTIONS_PER_ADDRESS_MAX] = {"connectionsPerAddressMax", CONF_INT, 0, 0, 1000000, "0",
	NULL, "Maximum number of connections from one address at a time; 0: connectionsMax.", NULL},
    [GW_IN_FLIGHT_MAX] = {"inFlightMax", CONF_INT, 0, 1, 1000000, "4096", "calls",
	"Maximum number of calls to services at a time; further requests are answered 429.", NULL},
    [GW_HTTP2] = {"http2", CONF_BOOL, 0, 0, 0, "off", NULL,
	"Accept HTTP/2 without TLS from clients that begin with it (prior knowledge).", NULL},
    [GW_HTTP2_STREAMS_MAX] = {"http2StreamsMax", CONF_INT, 0, 1, 10000, "100", "requests",
	"Maximum number of requests of an HTTP/2 connection at a time.", NULL},
    [GW_GZIP_MIN_BYTES] = {"gzipMinBytes", CONF_INT, 0, 0, 1073741824, "1024", "bytes",
	"Size from which on answers are compressed for clients that accept gzip, and lists of any "
	"size that stream; 0: none are.",
	NULL},
    [GW_CORS_ORIGINS] = {"corsOrigins", CONF_TEXT, 0, 0, 4096, NULL, NULL,
	"Origins whose pages may use the API in a browser (CORS), separated by commas, as browsers "
	"send them: scheme://host or scheme://host:port; * alone: all; empty: none.",
	NULL},
    [GW_CORS_MAX_AGE_S] = {"corsMaxAgeS", CONF_INT, 0, 0, 86400, "600", "s",
	"Time for which a browser may remember what corsOrigins allows it.", NULL},
    [GW_DRAIN_MS] = {"drainMs", CONF_INT, 0, 0, 3600000, "10000", "ms",
	"Maximum time for requests to finish when the gateway is told to stop.", NULL},
    [GW_BATCH_MAX_CALLS] = {"batchMaxCalls", CONF_INT, 0, 1, 1024, "64", "calls",
	"Maximum number of calls that share a message to a service; 1: each travels alone.", NULL},
    [GW_BATCH_IN_FLIGHT] = {"batchInFlight", CONF_INT, 0, 1, 1024, "2", "messages",
	"Number of messages in flight to a backend above which calls wait and share messages.",
	NULL},
    [GW_ADMIN_LISTEN] = {"adminListen", CONF_TEXT, CONF_REQUIRED, 1, 256, "127.0.0.1:5001", NULL,
	"Address for /metrics, /healthz and /readyz: HOST:PORT, :PORT for every address, or off.",
	NULL},
    [GW_OTLP_ENDPOINT] = {"otlpEndpoint", CONF_TEXT, 0, 0, 2048, NULL, NULL,
	"URL that spans are sent to, such as http://localhost:4318/v1/traces; empty: spans are not "
	"sent.",
	NULL},
    [GW_OTLP_QUEUE_MAX] = {"otlpQueueMax", CONF_INT, 0, 1, 1000000, "2048", "spans",
	"Maximum number of spans that wait to be sent; further ones are dropped.", NULL},
    [GW_TRACE_SAMPLE_RATIO] = {"traceSampleRatio", CONF_TEXT, 0, 1, 32, "0.01", NULL,
	"Share, from 0 to 1, of the traces beginning here whose spans are sent.", NULL},
};

static bool
gw_conf_given(const struct conf *conf, enum gw_conf row)
{
	return conf_text(conf, row)[0] != '\0';
}

static bool
gw_conf_refuse(struct error *error, const char *why)
{
	error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION", "%s", why);
	return false;
}

/* Certificates are shown and names compared where somebody is trusted alone. */
static bool
gw_conf_check_tls(const struct conf *conf, struct error *error)
{
	if (gw_conf_given(conf, GW_BACKEND_TLS_CERT) != gw_conf_given(conf, GW_BACKEND_TLS_KEY)) {
		return gw_conf_refuse(
		    error, "backendTlsCert and backendTlsKey belong together: set both or neither");
	}
	if (gw_conf_given(conf, GW_BACKEND_TLS_CA)) {
		return true;
	}
	if (gw_conf_given(conf, GW_BACKEND_TLS_CERT)) {
		return gw_conf_refuse(
		    error, "backendTlsCert needs backendTlsCa: the file of who is trusted");
	}
	if (gw_conf_given(conf, GW_BACKEND_TLS_NAME)) {
		return gw_conf_refuse(
		    error, "backendTlsName needs backendTlsCa: the file of who is trusted");
	}
	return true;
}

static bool
gw_conf_check_urls(const struct conf *conf, const char *text, struct error *error)
{
	struct rpc_urls urls;
	bool valid = rpc_urls_init(&urls, text, error) == STATUS_OK;

	for (size_t i = 0; i < urls.count && valid; i++) {
		if (strncmp(urls.list[i].text, "tls+tcp:", 8) == 0 &&
		    !gw_conf_given(conf, GW_BACKEND_TLS_CA)) {
			error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
			    "backends \"%.200s\" needs backendTlsCa: the file of who is trusted",
			    urls.list[i].text);
			valid = false;
		}
	}
	rpc_urls_fini(&urls);
	return valid;
}

static bool
gw_conf_check_backends(const struct conf *conf, struct error *error)
{
	struct gw_backends backends;
	bool valid = gw_backends_read(&backends, conf_text(conf, GW_BACKENDS), error) == STATUS_OK;

	for (size_t i = 0; i < backends.count && valid; i++) {
		valid = gw_conf_check_urls(conf, backends.list[i].urls, error);
	}
	gw_backends_free(&backends);
	return valid;
}

/* The public address, and that the admin port is another. */
static bool
gw_conf_check_listen(const struct conf *conf, struct error *error)
{
	const char *listen = conf_text(conf, GW_LISTEN);
	const char *admin_listen = conf_text(conf, GW_ADMIN_LISTEN);
	struct address address;
	struct address admin;

	if (address_read(&address, "listen", listen, (unsigned)conf_int(conf, GW_PORT), error) !=
	    STATUS_OK) {
		return false;
	}
	if (!address_is_loopback(&address) && !conf_bool(conf, GW_INSECURE_NO_AUTH)) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INSECURE_ADDRESS",
		    "listen \"%s\" lets other machines in, and nobody is asked who they are: "
		    "listen on 127.0.0.1, or give --insecure-no-auth if that is wanted",
		    listen);
		return false;
	}
	if (strcmp(admin_listen, ADMIN_OFF) == 0) {
		return true;
	}
	if (address_read(&admin, "adminListen", admin_listen, 0, error) != STATUS_OK) {
		return false;
	}
	return !address_overlaps(&address, &admin) ||
	       gw_conf_refuse(
		   error, "listen and adminListen are the same address: choose another port");
}

/* A connection may hold half of a budget: what it may send or wait for must fit in there. */
static bool
gw_conf_check_memory(const struct conf *conf, struct error *error)
{
	int64_t half =
	    conf_int(conf, GW_REQUESTS_MAX_BYTES) / 2 - conf_int(conf, GW_HEAD_MAX_BYTES);

	if (conf_int(conf, GW_BODY_MAX_BYTES) > half ||
	    conf_int(conf, GW_BULK_BODY_MAX_BYTES) > half) {
		return gw_conf_refuse(error,
		    "requestsMaxBytes must be at least twice headMaxBytes with bodyMaxBytes, and "
		    "with "
		    "bulkBodyMaxBytes: otherwise no request could be as large");
	}
	return conf_int(conf, GW_ANSWERS_PER_CONNECTION_MAX_BYTES) <=
		   conf_int(conf, GW_ANSWERS_MAX_BYTES) / 2 ||
	       gw_conf_refuse(
		   error, "answersMaxBytes must be at least twice answersPerConnectionMaxBytes");
}

static bool
gw_conf_check_origins(const struct conf *conf, struct error *error)
{
	struct gw_origins origins;
	bool valid =
	    gw_origins_read(&origins, conf_text(conf, GW_CORS_ORIGINS), error) == STATUS_OK;

	gw_origins_free(&origins);
	return valid;
}

static bool
gw_conf_check(const struct conf *conf, struct error *error)
{
	return gw_conf_check_listen(conf, error) && gw_conf_check_tls(conf, error) &&
	       gw_conf_check_backends(conf, error) && gw_conf_check_origins(conf, error) &&
	       gw_conf_check_memory(conf, error) &&
	       telemetry_check(conf_text(conf, GW_ADMIN_LISTEN), conf_text(conf, GW_OTLP_ENDPOINT),
		   conf_text(conf, GW_TRACE_SAMPLE_RATIO), error);
}

const struct conf_program gw_program = {
    .name = "gatewayd",
    .version = MOCKVIDEO_VERSION,
    .summary = "The REST gateway: turns HTTP and JSON into protobuf calls over NNG.",
    .rows = gw_rows,
    .row_count = GW_CONF_COUNT,
    .check = gw_conf_check,
};
