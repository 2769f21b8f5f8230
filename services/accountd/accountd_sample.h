/* The users of the original's test data. */
#ifndef ACCOUNTD_SAMPLE_H
#define ACCOUNTD_SAMPLE_H

#include "common/service/service.h"

/* For the table of the service. */
enum status_code accountd_load_sample(struct service_process *process, struct sql_conn *conn,
    int64_t deadline_ns, const char **told, struct error *error);

#endif
