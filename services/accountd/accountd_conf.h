/* The configuration of accountd beside that of all services: its rows, by their index. See common/service/service_conf.h. */
#ifndef ACCOUNTD_CONF_H
#define ACCOUNTD_CONF_H

#include "common/service/service_conf.h"

enum accountd_conf {
	ACCOUNTD_HASH_THREADS = SERVICE_CONF_COUNT,
	ACCOUNTD_HASH_QUEUE_MAX,
	ACCOUNTD_HASH_MEM_KIB,
	ACCOUNTD_HASH_PASSES,
};

extern const struct service_conf_own accountd_conf_own;

#endif
