/*
 * account.v1.UserService: its methods, and the hooks of the service that they
 * need (common/service/service.h). What users have beside what every resource
 * has (common/resource/resource.h) is that passwords are hashed: a request that
 * has some is READ and HASHED by the hasher, then queued for the workers.
 */
#ifndef ACCOUNTD_USER_SERVICE_H
#define ACCOUNTD_USER_SERVICE_H

#include "common/service/service_resource.h"
#include "services/accountd/password.h"

/* For the table of the service. */
extern const struct service_resource user_service_users;
extern const struct service_method user_service_health;
enum status_code user_service_open(struct service_process *process, struct error *error);
enum status_code user_service_start(struct service_process *process, struct error *error);
void user_service_stop(struct service_process *process);
void user_service_close(struct service_process *process);
void user_service_collect(struct metric_scrape *scrape, void *state);
void *user_service_migration(struct service_process *process, void (*tell)(const char *line));

/* What a hash costs, by the configuration. */
struct password_cost user_service_cost(const struct conf *conf);

#endif
