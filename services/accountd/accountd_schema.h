/* The tables of accountd, which are the original's, and their migrations. */
#ifndef ACCOUNTD_SCHEMA_H
#define ACCOUNTD_SCHEMA_H

#include "common/sql/sql_migrate.h"

/* The closure of its steps is a struct accountd_adoption. */
extern const struct sql_schema accountd_schema;

#endif
