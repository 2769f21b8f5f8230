/*
 * What a service reports about itself: metrics of calls and of the database, a
 * line of the log and, when its trace is sampled, a span for each call. Any
 * thread.
 */
#ifndef COMMON_SERVICE_TELEMETRY_H
#define COMMON_SERVICE_TELEMETRY_H

#include <stddef.h>
#include <stdint.h>

#include "common/rpc/net/rpc_net.h"
#include "common/service/service.h"

struct rpc_interceptor;
struct service_telemetry;
struct telemetry;

/* What service_add_resource announced. */
struct service_telemetry_resource {
	const char *name;
	unsigned operations;
};

/* All that is pointed to is borrowed until service_telemetry_close. */
struct service_telemetry_options {
	struct telemetry *telemetry;
	struct sql_db *db;
	size_t slots; /* of the server (rpc_server_slots) */
	const struct service_telemetry_resource *resources;
	size_t resource_count;
	const struct metric_row *own_rows; /* of the service */
	size_t own_row_count;
};

/* Begins to report. */
enum status_code service_telemetry_open(struct service_telemetry **telemetry,
    const struct service_telemetry_options *options, struct error *error);

/* Nobody may use it any more, and no scrape calls it. Clears *telemetry. NULL is fine. */
void service_telemetry_close(struct service_telemetry **telemetry);

/*
 * Each scrape reads the state of the process, whose server is open, until this
 * is called with NULL. When that call returns, no scrape uses it.
 */
void service_telemetry_watch(
    struct service_telemetry *telemetry, const struct service_process *process);

/* A series of one of own_rows, as metric_series gives it. */
struct metric_series *service_telemetry_own_series(
    const struct service_telemetry *telemetry, unsigned row, const char *const *values);

/* For service_share. */
void service_telemetry_shared(const struct service_telemetry *telemetry, const char *resource,
    enum resource_operation operation, size_t calls);

/* For rpc_server_options. */
const struct rpc_interceptor *service_telemetry_interceptors(size_t *count);
void service_telemetry_message(size_t calls, void *telemetry);
void service_telemetry_connection(
    const char *peer, enum rpc_cause cause, const char *text, void *telemetry);

#endif
