#include <openssl/x509.h>
#include <time.h>

#include "common/rpc/net/rpc_tls_internal.h"

/* Lowers *first_s to when it ends; 0 was none yet. */
static void
rpc_tls_expiry_take(int64_t *first_s, const ASN1_TIME *end)
{
	struct tm time;
	int64_t end_s;

	if (end == NULL || ASN1_TIME_to_tm(end, &time) != 1) {
		return;
	}
	end_s = (int64_t)timegm(&time);
	if (*first_s == 0 || end_s < *first_s) {
		*first_s = end_s;
	}
}

void
rpc_tls_expiry_of(SSL_CTX *context, struct rpc_tls_expiry *expiry)
{
	const X509 *own = SSL_CTX_get0_certificate(context);
	STACK_OF(X509_OBJECT) *trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
	STACK_OF(X509) *chain = NULL;

	*expiry = (struct rpc_tls_expiry){0};
	if (own != NULL) {
		rpc_tls_expiry_take(&expiry->own_s, X509_get0_notAfter(own));
	}
	SSL_CTX_get0_chain_certs(context, &chain);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		rpc_tls_expiry_take(&expiry->own_s, X509_get0_notAfter(sk_X509_value(chain, i)));
	}
	for (int i = 0; i < sk_X509_OBJECT_num(trusted); i++) {
		const X509_OBJECT *one = sk_X509_OBJECT_value(trusted, i);

		if (X509_OBJECT_get_type(one) == X509_LU_X509) {
			rpc_tls_expiry_take(
			    &expiry->trusted_s, X509_get0_notAfter(X509_OBJECT_get0_X509(one)));
		} else if (X509_OBJECT_get_type(one) == X509_LU_CRL) {
			rpc_tls_expiry_take(&expiry->revocations_s,
			    X509_CRL_get0_nextUpdate(
				X509_OBJECT_get0_X509_CRL((X509_OBJECT *)(uintptr_t)one)));
		}
	}
}
