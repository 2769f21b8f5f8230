/* The commands of accountd that do one thing and exit. */
#ifndef ACCOUNTD_ADMIN_H
#define ACCOUNTD_ADMIN_H

#include "common/base/status.h"
#include "services/accountd/password.h"

struct sql_db;

/* Brings the schema up to date; reports each step on standard output when told is true. */
enum status_code accountd_migrate(
    struct sql_db *store, const struct password_cost *cost, bool told, struct error *error);

/* Adds the original's five users, unless there are users already. */
enum status_code accountd_load_sample(
    struct sql_db *store, const struct password_cost *cost, struct error *error);

#endif
