#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "common/rpc/net/rpc_tls_internal.h"

#define RPC_TLS_NAME_BLANKS " \t\r\n"

/* Whom a certificate is compared with, and what came of it. */
struct rpc_tls_name {
	const char *list;
	bool listed;
	const char *refusal; /* of the certificate as a whole; NULL: none */
};

static bool
rpc_tls_name_in_list(const char *list, const char *name, size_t len)
{
	while (*list != '\0') {
		size_t blanks = strspn(list, RPC_TLS_NAME_BLANKS);
		size_t end = strcspn(list, ",");
		size_t here = end;

		while (here > blanks && strchr(RPC_TLS_NAME_BLANKS, list[here - 1]) != NULL) {
			here--;
		}
		if (blanks < here && here - blanks == len &&
		    memcmp(list + blanks, name, len) == 0) {
			return true;
		}
		list += end + (list[end] == ',');
	}
	return false;
}

/* One more name of the certificate. All of them are looked at: each can spoil it. */
static void
rpc_tls_name_compare(struct rpc_tls_name *name, const unsigned char *text, int len)
{
	if (len < 0 || memchr(text, '\0', (size_t)len) != NULL) {
		name->refusal = "a name in its certificate contains a NUL byte";
	} else if (rpc_tls_name_in_list(name->list, (const char *)text, (size_t)len)) {
		name->listed = true;
	}
}

/* False when there are none of the types that count. */
static bool
rpc_tls_name_compare_alternatives(struct rpc_tls_name *name, const X509 *certificate)
{
	int critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
	bool counts = false;

	if (names == NULL && critical != -1) {
		name->refusal = "the alternative names of its certificate cannot be read";
		return true;
	}
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);

		if (one->type == GEN_DNS || one->type == GEN_URI) {
			counts = true;
			rpc_tls_name_compare(name, ASN1_STRING_get0_data(one->d.ia5),
			    ASN1_STRING_length(one->d.ia5));
		}
	}
	GENERAL_NAMES_free(names);
	return counts;
}

static void
rpc_tls_name_compare_common(struct rpc_tls_name *name, const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int len;

	if (at < 0) {
		name->refusal = "its certificate has no name";
		return;
	}
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
		name->refusal = "its certificate has several common names";
		return;
	}
	len =
	    ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len < 0) {
		name->refusal = "the common name of its certificate cannot be read";
		return;
	}
	rpc_tls_name_compare(name, text, len);
	OPENSSL_free(text);
}

const char *
rpc_tls_name_refusal(const X509 *certificate, const char *list)
{
	struct rpc_tls_name name = {.list = list};

	if (!rpc_tls_name_compare_alternatives(&name, certificate)) {
		rpc_tls_name_compare_common(&name, certificate);
	}
	if (name.refusal != NULL) {
		return name.refusal;
	}
	return name.listed ? NULL : "no name in its certificate is listed as trusted";
}
