/* Serving, until a signal ends it. */
#ifndef COMMON_SERVICE_RUN_H
#define COMMON_SERVICE_RUN_H

#include "common/base/status.h"

struct service_process;

/*
 * Serves until SIGTERM or SIGINT; OK after an orderly end. Signals may end the
 * process (process_let_signals_end) until it begins to serve.
 */
enum status_code service_run(struct service_process *process, struct error *error);

#endif
