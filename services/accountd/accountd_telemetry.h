/*
 * What accountd reports about itself: metrics of calls, of the store and of hashing,
 * a line of the log and, when its trace is sampled, a span for each call. Any
 * thread.
 */
#ifndef ACCOUNTD_TELEMETRY_H
#define ACCOUNTD_TELEMETRY_H

#include <stddef.h>
#include <stdint.h>

#include "common/rpc/net/rpc_net.h"
#include "services/accountd/store.h"

struct accountd_telemetry;
struct error;
struct metric_series;
struct rpc_interceptor;
struct rpc_server;
struct rpc_tls;
struct telemetry;
struct user_service;

/* Begins to report; telemetry and store are borrowed until accountd_telemetry_close. */
enum status_code accountd_telemetry_open(struct accountd_telemetry **accountd,
    struct telemetry *telemetry, struct sql_db *store, struct error *error);

/* Nobody may use it any more, and no scrape calls it. Clears *accountd. NULL is fine. */
void accountd_telemetry_close(struct accountd_telemetry **accountd);

/*
 * Each scrape reads the state of service, server and tls, which may be NULL,
 * until this is called with NULL for all. When that call returns, no scrape uses
 * them.
 */
void accountd_telemetry_watch(struct accountd_telemetry *accountd, struct user_service *service,
    struct rpc_server *server, struct rpc_tls *tls);

/* For user_service_options. */
struct metric_series *accountd_telemetry_hash_ns(const struct accountd_telemetry *accountd);
struct metric_series *accountd_telemetry_hash_wait_ns(const struct accountd_telemetry *accountd);
void accountd_telemetry_shared(void *accountd, enum store_operation operation, size_t calls);

/* For rpc_server_options. */
const struct rpc_interceptor *accountd_telemetry_interceptors(size_t *count);
void accountd_telemetry_message(size_t calls, void *accountd);
void accountd_telemetry_connection(
    const char *peer, enum rpc_cause cause, const char *text, void *accountd);

#endif
