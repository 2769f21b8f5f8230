/*
 * For tests of TLS: authorities and the certificates they sign, in PEM files.
 * Failures fail the running test.
 */
#ifndef TESTS_CERTIFICATE_H
#define TESTS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

struct certificate_authority;

/* A name that may be no text, as with a NUL in it. A list ends with text NULL. */
struct certificate_name {
	const char *text;
	size_t len;
	bool uri; /* of an alternative name; else it is one of DNS */
};

#define CERTIFICATE_NAME(text)                                                                     \
	{                                                                                          \
		(text), sizeof(text) - 1, false                                                    \
	}

/* A new authority, whose own certificate is written to DIR/NAME.pem. */
struct certificate_authority *certificate_authority_new(const char *dir, const char *name);

/* The same for one whose certificate ends in valid_s seconds, and not after a day. */
struct certificate_authority *certificate_authority_new_for(
    const char *dir, const char *name, long valid_s);
/* Writes its own certificate once more, to DIR/NAME.pem. */
void certificate_authority_write(
    struct certificate_authority *authority, const char *dir, const char *name);

/* Appends its own certificate to DIR/NAME.pem. */
void certificate_authority_append(
    struct certificate_authority *authority, const char *dir, const char *name);
void certificate_authority_free(struct certificate_authority **authority);

/*
 * Signs a certificate for a common name, and for localhost and 127.0.0.1,
 * which ends in valid_s seconds (before now when that is negative), and writes
 * it to DIR/NAME.pem and its key to DIR/NAME.key, each in one step.
 */
void certificate_issue(struct certificate_authority *authority, const char *dir, const char *name,
    const char *common_name, long valid_s);

/* The same with these names and no others. */
void certificate_issue_named(struct certificate_authority *authority, const char *dir,
    const char *name, const struct certificate_name *common_names,
    const struct certificate_name *alternatives, long valid_s);

/*
 * Appends to DIR/NAME.pem a list (CRL) of the authority that revokes the
 * certificate DIR/REVOKED.pem, or none when that is NULL, and ends in valid_s seconds.
 */
void certificate_revoke(struct certificate_authority *authority, const char *dir, const char *name,
    const char *revoked, long valid_s);

#endif
