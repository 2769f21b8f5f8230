#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#include "common/rpc/net/rpc_tls_internal.h"

#define RPC_TLS_TRUST_FORM "certificate in PEM format, or a damaged one"

/* What a file holds. */
struct rpc_tls_trust {
	unsigned certificates;
	unsigned revocations;
};

/* Counts a block of the file; false for one that OpenSSL would pass over. */
static bool
rpc_tls_trust_count(struct rpc_tls_trust *trust, const char *label)
{
	if (strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0 ||
	    strcmp(label, PEM_STRING_X509_TRUSTED) == 0) {
		trust->certificates++;
	} else if (strcmp(label, PEM_STRING_X509_CRL) == 0) {
		trust->revocations++;
	} else {
		return false;
	}
	return true;
}

/* The next block of the file; false when there is none that can be read, and OpenSSL knows why. */
static bool
rpc_tls_trust_next(BIO *bio, char label[64])
{
	unsigned char *data;
	char *header;
	char *name;
	long len;

	if (PEM_read_bio(bio, &name, &header, &data, &len) != 1) {
		return false;
	}
	snprintf(label, 64, "%s", name);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	return true;
}

/* Whether the last block was not found because the file has no more of them. */
static bool
rpc_tls_trust_at_end(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/*
 * Reads what there is. A block that is passed over may be meant to revoke, as a
 * list of revocations whose label is misspelt: it is refused.
 */
static enum status_code
rpc_tls_trust_survey(struct rpc_tls_trust *trust, const char *file, struct error *error)
{
	BIO *bio = BIO_new_file(file, "r");
	enum status_code code = STATUS_OK;
	char label[64];

	memset(trust, 0, sizeof(*trust));
	if (bio == NULL) {
		return rpc_tls_wrong(error, file, RPC_TLS_TRUST_FORM);
	}
	while (code == STATUS_OK && rpc_tls_trust_next(bio, label)) {
		if (!rpc_tls_trust_count(trust, label)) {
			code = error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE",
			    "%s holds a block \"%s\": take it out, only certificates and lists of "
			    "revoked ones (X509 CRL) are understood",
			    file, label);
		}
	}
	if (code == STATUS_OK && (trust->certificates == 0 || !rpc_tls_trust_at_end())) {
		code = rpc_tls_wrong(error, file, RPC_TLS_TRUST_FORM);
	}
	BIO_free(bio);
	return code;
}

enum status_code
rpc_tls_trust_load(SSL_CTX *context, const char *file, struct error *error)
{
	struct rpc_tls_trust trust;
	enum status_code code = rpc_tls_trust_survey(&trust, file, error);

	if (code != STATUS_OK) {
		return code;
	}
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(context, file) != 1) {
		return rpc_tls_wrong(error, file, RPC_TLS_TRUST_FORM);
	}
	if (trust.revocations > 0) {
		X509_STORE_set_flags(SSL_CTX_get_cert_store(context),
		    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	return STATUS_OK;
}
