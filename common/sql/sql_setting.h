/*
 * What all who share a database must agree on: the rows of its table setting,
 * which has a name and a value of bytes and which a service's migrations make.
 */
#ifndef COMMON_SQL_SETTING_H
#define COMMON_SQL_SETTING_H

#include "common/sql/sql.h"

#define SQL_SECRET_MAX 64

/*
 * Reads the secret with that name, of len bytes, not more than SQL_SECRET_MAX.
 * Makes it, at random, if there is none: where two do so at once, the first
 * one's is everybody's. INTERNAL when the one that is there has another length.
 */
enum status_code sql_setting_secret(struct sql_conn *conn, int64_t deadline_ns, const char *name,
    uint8_t *secret, size_t len, struct error *error);

#endif
