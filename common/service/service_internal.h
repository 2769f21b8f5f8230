/*
 * What the files of common/service share: service_process.c (opening, starting,
 * stopping), service_workers.c (threads, their queues and connections),
 * service_call.c (helpers of methods),
 * service_resource.c (the methods of resources), service_run.c (serving until a signal
 * ends it), service_main.c.
 */
#ifndef COMMON_SERVICE_INTERNAL_H
#define COMMON_SERVICE_INTERNAL_H

#include <stdatomic.h>

#include "common/rpc/server/rpc_pool.h"
#include "common/service/service.h"
#include "common/service/service_process.h"
#include "common/service/service_telemetry.h"
#include "common/telemetry/telemetry.h"

struct admin;
struct rpc_tls;
struct service_open_resource;
struct service_resource;
struct service_telemetry;
struct service_telemetry_resource;

struct service_worker {
	struct service_process *process;
	struct sql_conn *conn;
};

struct service_process {
	const struct service *service;
	struct conf *conf;
	struct sql_db *db;
	void *state;
	bool opened;                                  /* the service's open succeeded */
	struct service_open_resource *open_resources; /* see service_resource.c */

	/* Set by open. */
	struct service_method *methods; /* by slot */
	size_t method_count;
	struct service_telemetry_resource *resources;
	size_t resource_count;
	const char **reads; /* of checks */
	const char **writes;
	struct sql_checks checks;

	/* From start to stop. */
	struct telemetry telemetry;
	struct service_telemetry *reporting;
	struct sql_watch *watch;
	struct service_worker *worker_list;
	unsigned worker_count;
	atomic_uint workers_taken;
	size_t queue_max;
	struct rpc_pool *workers;
	bool started;            /* the service's start succeeded */
	struct rpc_method *rows; /* of the server */
	struct rpc_tls *tls;     /* NULL: no certificate is configured */
	struct rpc_server *server;
	struct admin *admin;
	atomic_bool draining;
};

/* Starts the watch of the database and the threads that work on it. On failure, stop them too. */
enum status_code service_workers_start(struct service_process *process, struct error *error);

/* Finishes the calls that the workers have, and ends the threads. */
void service_workers_stop(struct service_process *process);

/* For rpc_server_options.started. */
void service_workers_started(void *process);

/* Binds a resource to the database, and adds its methods and checks. */
enum status_code service_resource_open(
    struct service_process *process, const struct service_resource *resource, struct error *error);
void service_resources_close(struct service_process *process);

/* Fails the calls because the database can't be used. */
void service_fail_unavailable(struct rpc_call **calls, size_t count);

#endif
