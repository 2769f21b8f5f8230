/* accountd: the account service. */
#include "common/service/service.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_metric.h"
#include "services/accountd/accountd_sample.h"
#include "services/accountd/accountd_schema.h"
#include "services/accountd/user_service.h"

extern const unsigned char descriptors[];
extern const size_t descriptors_len;

static const char *const services[] = {"account.v1.UserService", NULL};

static const struct service_resource *const resources[] = {&user_service_users, NULL};

static const struct service accountd = {
    .name = "accountd",
    .summary = "The account service: answers protobuf calls over NNG.",
    .conf = &accountd_conf_own,
    .resources = resources,
    .methods = &user_service_health,
    .method_count = 1,
    .services = services,
    .descriptors = descriptors,
    .descriptors_len = &descriptors_len,
    .schema = &accountd_schema,
    .migration = user_service_migration,
    .metric_rows = accountd_metric_rows,
    .metric_row_count = ACCOUNTD_METRIC_COUNT,
    .collect = user_service_collect,
    .open = user_service_open,
    .start = user_service_start,
    .stop = user_service_stop,
    .close = user_service_close,
    .sample = "the original's five users",
    .load_sample = accountd_load_sample,
};

int
main(int argc, char **argv)
{
	return service_main(&accountd, argc, argv);
}
