/* Serving: the RPC server, the service behind it, and the signals. */
#ifndef ACCOUNTD_RUN_H
#define ACCOUNTD_RUN_H

#include "common/base/status.h"
#include "common/conf/conf.h"
#include "services/accountd/password.h"

struct sql_db;

/*
 * Serves until SIGTERM or SIGINT; OK after an orderly end. Signals may end the
 * process (process_let_signals_end) until it begins to serve.
 */
enum status_code accountd_run(
    struct conf *conf, struct sql_db *store, const struct password_cost *cost, struct error *error);

#endif
