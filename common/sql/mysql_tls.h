/*
 * How connections to the database are encrypted, and what certificate the
 * server must have. Connections by a Unix socket are not encrypted.
 */
#ifndef COMMON_SQL_MYSQL_TLS_H
#define COMMON_SQL_MYSQL_TLS_H

#include "common/sql/sql.h"

/*
 * The files, in PEM, are read for each connection; empty: none, and for ca_file
 * with SQL_TLS_VERIFY the authorities that the system trusts.
 */
struct mysql_tls {
	enum sql_tls mode;
	const char *ca_file;   /* authorities for the server's certificate */
	const char *cert_file; /* presented to the server, with its key */
	const char *key_file;
};

/* False, with error, when the files do not fit the mode. */
bool mysql_tls_check(const struct mysql_tls *tls, struct error *error);

#endif
