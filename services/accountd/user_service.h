/*
 * account.v1.UserService: its methods, and the hooks of the service that they
 * need (common/service/service.h).
 *
 * A read is queued for the workers, which answer all waiting reads with one
 * query. A write is READ and HASHED by the hasher, then WRITTEN by the workers,
 * all waiting writes in one transaction. A bulk call has its own transaction.
 * user_read.c and user_write.c contain the two paths.
 */
#ifndef ACCOUNTD_USER_SERVICE_H
#define ACCOUNTD_USER_SERVICE_H

#include "common/service/service.h"
#include "services/accountd/password.h"

#define USER_SERVICE_METHODS 8

extern const struct service_method user_service_methods[USER_SERVICE_METHODS];

/* For the table of the service. */
enum status_code user_service_open(struct service_process *process, struct error *error);
enum status_code user_service_start(struct service_process *process, struct error *error);
void user_service_stop(struct service_process *process);
void user_service_close(struct service_process *process);
void user_service_collect(struct metric_scrape *scrape, void *state);
void *user_service_migration(struct service_process *process, void (*tell)(const char *line));

/* What a hash costs, by the configuration. */
struct password_cost user_service_cost(const struct conf *conf);

#endif
