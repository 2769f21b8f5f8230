#include <stdio.h>
#include <string.h>

#include "common/sql/mysql_conn_impl.h"

/* A greeting: a head of 4 bytes, the protocol, a version up to a NUL, and after 13 bytes what it can. */
#define MYSQL_GREETING_HEAD     5
#define MYSQL_GREETING_BETWEEN  13
#define MYSQL_GREETING_PROTOCOL 10

static bool
mysql_tls_refuse(struct error *error, const char *why)
{
	error_set(error, STATUS_INVALID_ARGUMENT, "STORE_TLS", "%s", why);
	return false;
}

bool
mysql_tls_check(const struct mysql_tls *tls, struct error *error)
{
	bool has_ca = tls->ca_file[0] != '\0';
	bool has_cert = tls->cert_file[0] != '\0';

	if (has_cert != (tls->key_file[0] != '\0')) {
		return mysql_tls_refuse(
		    error, "dbTlsCert and dbTlsKey belong together: set both, or neither");
	}
	if (tls->mode == SQL_TLS_OFF && (has_ca || has_cert)) {
		return mysql_tls_refuse(error,
		    "with dbTls=off no file of TLS is used: remove dbTlsCa, "
		    "dbTlsCert and dbTlsKey, or set dbTls");
	}
	if (tls->mode < SQL_TLS_VERIFY_CA && has_ca) {
		return mysql_tls_refuse(error, "dbTlsCa is used with dbTls=verify-ca or "
					       "dbTls=verify alone: set one of them");
	}
	if (tls->mode == SQL_TLS_VERIFY_CA && !has_ca) {
		return mysql_tls_refuse(error, "dbTls=verify-ca needs dbTlsCa, as without it any "
					       "certificate of a public authority would do");
	}
	return true;
}

/* Whether the file holds a list of revoked certificates. One that can't be read holds none. */
static bool
mysql_tls_has_crl(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[128];
	bool has = false;

	while (file != NULL && !has && fgets(line, sizeof(line), file) != NULL) {
		has = strstr(line, "-----BEGIN X509 CRL-----") != NULL;
	}
	if (file != NULL) {
		fclose(file);
	}
	return has;
}

/*
 * libmariadb checks the chain of the server's certificate when it is given an
 * authority, and the name too when it is to verify.
 */
void
mysql_tls_set(MYSQL *mysql, const struct mysql_tls *tls)
{
	my_bool yes = 1;
	my_bool verify = tls->mode == SQL_TLS_VERIFY;

	if (tls->mode == SQL_TLS_OFF) {
		return;
	}
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	mysql_options(mysql, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
	if (tls->ca_file[0] != '\0') {
		mysql_options(mysql, MYSQL_OPT_SSL_CA, tls->ca_file);
		if (mysql_tls_has_crl(tls->ca_file)) {
			mysql_options(mysql, MYSQL_OPT_SSL_CRL, tls->ca_file);
		}
	}
	if (tls->cert_file[0] != '\0') {
		mysql_options(mysql, MYSQL_OPT_SSL_CERT, tls->cert_file);
		mysql_options(mysql, MYSQL_OPT_SSL_KEY, tls->key_file);
	}
}

bool
mysql_tls_is_offered(const unsigned char *packet, size_t len)
{
	const unsigned char *end, *can;

	if (len <= MYSQL_GREETING_HEAD ||
	    packet[MYSQL_GREETING_HEAD - 1] != MYSQL_GREETING_PROTOCOL) {
		return false;
	}
	end = memchr(packet + MYSQL_GREETING_HEAD, '\0', len - MYSQL_GREETING_HEAD);
	can = end == NULL ? NULL : end + 1 + MYSQL_GREETING_BETWEEN;
	return can != NULL && can + 2 <= packet + len &&
	       ((can[0] | (unsigned)can[1] << 8) & CLIENT_SSL) != 0;
}
