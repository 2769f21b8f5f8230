/*
 * The configuration that all services have, by the index of its rows, and how a
 * service adds to it. See common/conf/conf.h.
 */
#ifndef COMMON_SERVICE_CONF_H
#define COMMON_SERVICE_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/conf/conf.h"

struct error;
struct service;

/* The most that coalesceMax may be. */
#define SERVICE_COALESCE_MAX 1024

enum service_conf {
	SERVICE_CONF_LISTEN,
	SERVICE_CONF_TLS_CERT,
	SERVICE_CONF_TLS_KEY,
	SERVICE_CONF_TLS_CLIENT_CA,
	SERVICE_CONF_TLS_TRUSTED,
	SERVICE_CONF_PORT,
	SERVICE_CONF_LOG_LEVEL,
	SERVICE_CONF_STORE,
	SERVICE_CONF_DB_HOST,
	SERVICE_CONF_DB_PORT,
	SERVICE_CONF_DB_NAME,
	SERVICE_CONF_DB_USER,
	SERVICE_CONF_DB_PASSWORD,
	SERVICE_CONF_DB_CONNECT_TIMEOUT_MS,
	SERVICE_CONF_DB_TLS,
	SERVICE_CONF_DB_TLS_CA,
	SERVICE_CONF_DB_TLS_CERT,
	SERVICE_CONF_DB_TLS_KEY,
	SERVICE_CONF_STORE_WORKERS,
	SERVICE_CONF_COALESCE_MAX,
	SERVICE_CONF_QUEUE_MAX,
	SERVICE_CONF_MAX_CONCURRENT_BULK_OPERATIONS,
	SERVICE_CONF_BULK_MAX_ITEMS,
	SERVICE_CONF_REQUEST_MAX_BYTES,
	SERVICE_CONF_BATCH_MAX_CALLS,
	SERVICE_CONF_MESSAGES_MAX,
	SERVICE_CONF_CONNECTIONS_MAX,
	SERVICE_CONF_CONNECTIONS_PER_ADDRESS_MAX,
	SERVICE_CONF_HANDSHAKE_TIMEOUT_MS,
	SERVICE_CONF_RECEIVE_TIMEOUT_MS,
	SERVICE_CONF_SEND_TIMEOUT_MS,
	SERVICE_CONF_INCOMPLETE_MAX_BYTES,
	SERVICE_CONF_WORKING_MAX_BYTES,
	SERVICE_CONF_UNSENT_MAX_BYTES,
	SERVICE_CONF_REQUEST_TIMEOUT_MS,
	SERVICE_CONF_TIMEOUT_MAX_MS,
	SERVICE_CONF_DRAIN_MS,
	SERVICE_CONF_ADMIN_LISTEN,
	SERVICE_CONF_OTLP_ENDPOINT,
	SERVICE_CONF_OTLP_QUEUE_MAX,
	SERVICE_CONF_TRACE_SAMPLE_RATIO,
	SERVICE_CONF_COUNT /* the index of a service's own first row */
};

/* What a service says otherwise of one of these rows; members that are NULL stay. */
struct service_conf_change {
	enum service_conf row;
	const char *fallback;
	const char *unit;
	const char *help;
};

/* What a service has of its own. Static; any part may be left out. */
struct service_conf_own {
	const struct service_conf_change *changes;
	size_t change_count;
	const struct conf_row *rows; /* their indexes begin at SERVICE_CONF_COUNT */
	unsigned row_count;
	bool (*check)(const struct conf *conf, struct error *error); /* as in conf_program */
};

/*
 * Sets rows, check and closure of program: the rows of all services, changed as
 * the service says, then its own; the closure is the service. False without memory. service_conf_fini frees the
 * rows, after the conf that was loaded by them.
 */
bool service_conf_init(struct conf_program *program, const struct service *service);
void service_conf_fini(struct conf_program *program);

#endif
