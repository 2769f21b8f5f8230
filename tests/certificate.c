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
#include <string.h>

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

/* All bytes of name count, as what tests say may be more than a text. */
static void
certificate_add_common_name(X509 *certificate, const struct certificate_name *name)
{
	assert_int_equal(
	    X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
		MBSTRING_UTF8, (const unsigned char *)name->text, (int)name->len, -1, 0),
	    1);
}

static void
certificate_add_alternatives(X509 *certificate, const struct certificate_name *names)
{
	GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();

	for (; names->text != NULL; names++) {
		GENERAL_NAME *one = GENERAL_NAME_new();
		ASN1_STRING *text = ASN1_STRING_type_new(V_ASN1_IA5STRING);

		assert_int_equal(ASN1_STRING_set(text, names->text, (int)names->len), 1);
		GENERAL_NAME_set0_value(one, names->uri ? GEN_URI : GEN_DNS, text);
		assert_true(sk_GENERAL_NAME_push(list, one) > 0);
	}
	assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, 0), 1);
	GENERAL_NAMES_free(list);
}

static X509 *
certificate_new(EVP_PKEY *key, long valid_s)
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
	return certificate;
}

static void
certificate_path(char path[PATH_MAX], const char *dir, const char *name, const char *suffix)
{
	assert_true(snprintf(path, PATH_MAX, "%s/%s.%s", dir, name, suffix) < PATH_MAX);
}

/* Writes to a file beside path first, so that who reads sees the old one or the new one. */
static void
certificate_write(
    const char *dir, const char *name, const char *suffix, X509 *certificate, EVP_PKEY *key)
{
	char path[PATH_MAX];
	char beside[PATH_MAX + 4];
	FILE *file;

	certificate_path(path, dir, name, suffix);
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
	return certificate_authority_new_for(dir, name, DAY_S);
}

struct certificate_authority *
certificate_authority_new_for(const char *dir, const char *name, long valid_s)
{
	struct certificate_authority *authority = calloc(1, sizeof(*authority));
	X509 *certificate;

	assert_non_null(authority);
	authority->key = EVP_EC_gen("P-256");
	assert_non_null(authority->key);
	authority->certificate = certificate = certificate_new(authority->key, valid_s);
	certificate_add_common_name(
	    certificate, &(const struct certificate_name){name, strlen(name), false});
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	certificate_add(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
	certificate_add(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
	certificate_authority_write(authority, dir, name);
	return authority;
}

void
certificate_authority_write(
    struct certificate_authority *authority, const char *dir, const char *name)
{
	certificate_write(dir, name, "pem", authority->certificate, NULL);
}

void
certificate_authority_append(
    struct certificate_authority *authority, const char *dir, const char *name)
{
	char path[PATH_MAX];
	FILE *file;

	certificate_path(path, dir, name, "pem");
	file = fopen(path, "ae");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, authority->certificate), 1);
	assert_int_equal(fclose(file), 0);
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

/* Signs what is made up but for its issuer, writes it with its key, and frees both. */
static void
certificate_finish(struct certificate_authority *authority, const char *dir, const char *name,
    X509 *certificate, EVP_PKEY *key)
{
	X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
	assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
	certificate_write(dir, name, "key", NULL, key);
	certificate_write(dir, name, "pem", certificate, NULL);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void
certificate_issue(struct certificate_authority *authority, const char *dir, const char *name,
    const char *common_name, long valid_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate;
	char names[256];

	assert_non_null(key);
	certificate = certificate_new(key, valid_s);
	certificate_add_common_name(
	    certificate, &(const struct certificate_name){common_name, strlen(common_name), false});
	snprintf(names, sizeof(names), "DNS:%s,DNS:localhost,IP:127.0.0.1", common_name);
	certificate_add(certificate, authority->certificate, NID_subject_alt_name, names);
	certificate_finish(authority, dir, name, certificate, key);
}

void
certificate_issue_named(struct certificate_authority *authority, const char *dir, const char *name,
    const struct certificate_name *common_names, const struct certificate_name *alternatives,
    long valid_s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate;

	assert_non_null(key);
	certificate = certificate_new(key, valid_s);
	for (; common_names->text != NULL; common_names++) {
		certificate_add_common_name(certificate, common_names);
	}
	if (alternatives->text != NULL) {
		certificate_add_alternatives(certificate, alternatives);
	}
	certificate_finish(authority, dir, name, certificate, key);
}

/* Puts the certificate DIR/NAME.pem into a list. */
static void
certificate_put_revoked(X509_CRL *list, const char *dir, const char *name)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	char path[PATH_MAX];
	X509 *certificate;
	FILE *file;

	certificate_path(path, dir, name, "pem");
	file = fopen(path, "re");
	assert_non_null(file);
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	assert_non_null(certificate);
	fclose(file);
	X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate));
	X509_REVOKED_set_revocationDate(entry, now);
	assert_int_equal(X509_CRL_add0_revoked(list, entry), 1);
	ASN1_TIME_free(now);
	X509_free(certificate);
}

void
certificate_revoke(struct certificate_authority *authority, const char *dir, const char *name,
    const char *revoked, long valid_s)
{
	ASN1_TIME *from = X509_gmtime_adj(NULL, -2 * DAY_S);
	ASN1_TIME *until = X509_gmtime_adj(NULL, valid_s);
	X509_CRL *list = X509_CRL_new();
	char path[PATH_MAX];
	FILE *file;

	assert_non_null(list);
	X509_CRL_set_version(list, 1);
	X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate));
	X509_CRL_set1_lastUpdate(list, from);
	X509_CRL_set1_nextUpdate(list, until);
	if (revoked != NULL) {
		certificate_put_revoked(list, dir, revoked);
	}
	assert_true(X509_CRL_sign(list, authority->key, EVP_sha256()) > 0);
	certificate_path(path, dir, name, "pem");
	file = fopen(path, "ae");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509_CRL(file, list), 1);
	assert_int_equal(fclose(file), 0);
	X509_CRL_free(list);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
}
