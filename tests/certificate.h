/*
 * For tests of TLS: authorities and the certificates they sign, in PEM files.
 * Failures fail the running test.
 */
#ifndef TESTS_CERTIFICATE_H
#define TESTS_CERTIFICATE_H

struct certificate_authority;

/* A new authority, whose own certificate is written to DIR/NAME.pem. */
struct certificate_authority *certificate_authority_new(const char *dir, const char *name);
void certificate_authority_free(struct certificate_authority **authority);

/*
 * Signs a certificate for a common name, and for localhost and 127.0.0.1,
 * which ends in valid_s seconds (before now when that is negative), and writes
 * it to DIR/NAME.pem and its key to DIR/NAME.key, each in one step.
 */
void certificate_issue(struct certificate_authority *authority, const char *dir, const char *name,
    const char *common_name, long valid_s);

#endif
