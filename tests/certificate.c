#include "tests/certificate.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY_S 86400L

struct certificate_authority {
	EVP_PKEY *key;
	X509 *certificate;
};

static void
certificate_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *
certificate_new(const char *common_name, EVP_PKEY *key, long valid_s)
{
	X509 *certificate = X509_new();
	uint64_t serial;

	assert_non_null(certificate);
	assert_int_equal(RAND_bytes((unsigned char *)&serial, sizeof(serial)), 1);
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(certificate), valid_s);
	X509_set_pubkey(certificate, key);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
			     MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0),
	    1);
	return certificate;
}

/* Writes to a file beside path first, so that who reads sees the old one or the new one. */
static void
certificate_write(
    const char *dir, const char *name, const char *suffix, X509 *certificate, EVP_PKEY *key)
{
	char path[PATH_MAX];
	char beside[PATH_MAX + 4];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
	snprintf(beside, sizeof(beside), "%s.new", path);
	file = fopen(beside, "we");
	assert_non_null(file);
	if (certificate != NULL) {
		assert_int_equal(PEM_write_X509(file, certificate), 1);
	} else {
		assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	}
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(beside, path), 0);
}

struct certificate_authority *
certificate_authority_new(const char *dir, const char *name)
{
	struct certificate_authority *authority = calloc(1, sizeof(*authority));
	X509 *certificate;

	assert_non_null(authority);
	authority->key = EVP_EC_gen("P-256");
	assert_non_null(authority->key);
	authority->certificate = certificate = certificate_new(name, authority->key, DAY_S);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	certificate_add(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
	certificate_add(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
	certificate_write(dir, name, "pem", certificate, NULL);
	return authority;
}

void
certificate_authority_free(struct certificate_authority **authority)
{
	if (*authority == NULL) {
		return;
	}
	X509_free((*authority)->certificate);
	EVP_PKEY_free((*authority)->key);
	free(*authority);
	*authority = NULL;
}

void
certificate_issue(struct certificate_authority *authority, const char *dir, const char *name,
    const char *common_name, long valid_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate;
	char names[256];

	assert_non_null(key);
	certificate = certificate_new(common_name, key, valid_s);
	X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
	snprintf(names, sizeof(names), "DNS:%s,DNS:localhost,IP:127.0.0.1", common_name);
	certificate_add(certificate, authority->certificate, NID_subject_alt_name, names);
	assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
	certificate_write(dir, name, "key", NULL, key);
	certificate_write(dir, name, "pem", certificate, NULL);
	X509_free(certificate);
	EVP_PKEY_free(key);
}
