/*
 * A service process from its configuration on, in steps: for service_main, and
 * for tests, which run a service in their own process.
 */
#ifndef COMMON_SERVICE_PROCESS_H
#define COMMON_SERVICE_PROCESS_H

#include "common/service/service.h"

/*
 * Opens the database, without connecting to it, and the service. conf, which was
 * loaded by a service_program, is borrowed.
 */
enum status_code service_process_open(struct service_process **process,
    const struct service *service, struct conf *conf, struct error *error);

/* Brings the database up to date; tell is called with a line for people at each step. */
enum status_code service_process_migrate(
    struct service_process *process, void (*tell)(const char *line), struct error *error);

/* Adds the sample data and gives a static line that says what was done. */
enum status_code service_process_load_sample(
    struct service_process *process, const char **told, struct error *error);

/*
 * FAILED_PRECONDITION when the schema does not fit. A database that is away is
 * none of its business: the process waits for it.
 */
enum status_code service_process_check_schema(struct service_process *process, struct error *error);

/* Starts all threads, listens and serves. On failure nothing is left running. */
enum status_code service_process_start(struct service_process *process, struct error *error);

/* From start to stop: its server; and NULL, or what keeps it from being ready. */
struct rpc_server *service_process_server(const struct service_process *process);
const char *service_process_unready(const struct service_process *process);

/* From now on health and readiness say that it stops; calls are still answered. */
void service_process_drain(struct service_process *process);

/* Reads configuration and certificates again, and logs what it changed; all or nothing. */
void service_process_reload(struct service_process *process);

/* Finishes the calls that it has and ends the threads. Does nothing when it was not started. */
void service_process_stop(struct service_process *process);

/* Closes the service and the database, and clears *process. NULL is fine. */
void service_process_close(struct service_process **process);

#endif
