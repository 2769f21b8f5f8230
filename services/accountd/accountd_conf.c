#include "services/accountd/accountd_conf.h"

static const struct service_conf_change accountd_conf_changes[] = {
    {SERVICE_CONF_LISTEN, .fallback = "tcp://127.0.0.1:7001"},
    {SERVICE_CONF_STORE, .fallback = "sqlite:accountd.db",
	.help = "Where users are kept: sqlite:PATH, or mysql."},
    {SERVICE_CONF_DB_NAME, .fallback = "mockvideo"},
    {SERVICE_CONF_BULK_MAX_ITEMS, .unit = "users",
	.help = "Maximum number of users in a bulk call."},
    {SERVICE_CONF_ADMIN_LISTEN, .fallback = "127.0.0.1:7002"},
};

/* The place of a row among those of accountd alone. */
#define ACCOUNTD_OWN(row) [(row)-SERVICE_CONF_COUNT]

static const struct conf_row accountd_rows[] = {
    ACCOUNTD_OWN(ACCOUNTD_HASH_THREADS) = {"hashThreads", CONF_INT, 0, 0, 64, "0", NULL,
	"Number of threads that hash passwords; 0: one per processor, at most 4.", NULL},
    ACCOUNTD_OWN(ACCOUNTD_HASH_QUEUE_MAX) = {"hashQueueMax", CONF_INT, 0, 1, 1000000, "1024",
	"calls",
	"Maximum number of calls whose passwords wait to be hashed; further ones are refused.",
	NULL},
    ACCOUNTD_OWN(ACCOUNTD_HASH_MEM_KIB) = {"hashMemKib", CONF_INT, 0, 8, 4194304, "19456", "KiB",
	"Memory of one argon2id hash; a value below 19456 logs a warning.", NULL},
    ACCOUNTD_OWN(ACCOUNTD_HASH_PASSES) = {"hashPasses", CONF_INT, 0, 1, 1000, "2", NULL,
	"Passes of one argon2id hash; a value below 2 logs a warning.", NULL},
};

const struct service_conf_own accountd_conf_own = {
    .changes = accountd_conf_changes,
    .change_count = sizeof(accountd_conf_changes) / sizeof(accountd_conf_changes[0]),
    .rows = accountd_rows,
    .row_count = sizeof(accountd_rows) / sizeof(accountd_rows[0]),
};
