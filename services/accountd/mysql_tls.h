/*
 * How connections to the database are encrypted, and who their server must
 * show itself to be. Those by a Unix socket are not encrypted.
 */
#ifndef ACCOUNTD_MYSQL_TLS_H
#define ACCOUNTD_MYSQL_TLS_H

#include "services/accountd/store.h"

/*
 * The files, in PEM, are read for each connection; empty: none, and for ca_file
 * with STORE_TLS_VERIFY the authorities that the system trusts.
 */
struct mysql_tls {
	enum store_tls mode;
	const char *ca_file;   /* whom the server's certificate must come from */
	const char *cert_file; /* what is shown to the server, with its key */
	const char *key_file;
};

/* False, and error says why, when the files do not go with the mode. */
bool mysql_tls_check(const struct mysql_tls *tls, struct error *error);

#endif
